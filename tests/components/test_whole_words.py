import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nlpkit.components.whole_words import MIXED, SEGMENTED, WholeWords
from nlpkit.text.normalisation import Normaliser

alphabet = st.text(st.sampled_from("ab1 恤超·+"), min_size=1, max_size=4)


def whole(words, text):
    return [piece for piece, found in WholeWords(words).cut(text) if found]


@pytest.mark.parametrize(
    ("words", "text", "found"),
    [
        (["t恤"], "白t恤，t恤衫", ["t恤", "t恤"]),
        (["t恤", "t恤衫"], "t恤衫", ["t恤衫"]),
        (["b超"], "usb超好用，b超。", ["b超"]),
        (["卡拉ok"], "卡拉okay 卡拉ok", ["卡拉ok"]),
        (["edu trust认证"], "edu \t trust认证", ["edu trust认证"]),
        (["edu  trust"], "eduxtrust edu\u3000trusted edu trust", ["edu trust"]),
        (["·"], "a·b", ["·"]),
        (["]^-\\"], "a]^-\\b", ["]^-\\"]),
        (["ab", "b恤c"], "ab恤c", ["ab"]),
        (["b恤c"], "ab恤c", []),
        ([], "t恤", []),
    ],
)
def test_words_are_found_from_the_left_the_longest_first(words, text, found):
    assert whole(words, text) == found


@given(st.lists(alphabet.filter(str.strip), max_size=5), st.text(st.sampled_from("ab1 恤超·+\t"), max_size=20))
@example(["a"], "a")
def test_nothing_is_lost_and_what_is_out_of_reach_holds_no_word(words, text):
    words = [" ".join(word.split()) for word in words]
    finder = WholeWords(words)
    pieces = list(finder.cut(text))
    assert "".join("".join(piece for piece, _ in pieces).split()) == "".join(text.split())
    found = [piece for piece, is_word in pieces if is_word]
    assert set(found) <= set(words)
    squeezed = re.sub(r"\s+", " ", text)
    ways = [rf"(?<![0-9a-z]){re.escape(w)}" if w[0].isalnum() and w[0].isascii() else re.escape(w) for w in words]
    ways = [
        rf"{way}(?![0-9a-z])" if w[-1].isalnum() and w[-1].isascii() else way
        for way, w in zip(ways, words, strict=True)
    ]
    assert bool(found) == any(re.search(way, squeezed) for way in ways)
    assert finder.may_hold(text) or not found


def test_each_word_of_jieba_that_our_normalisation_would_cut_is_among_them():
    import jieba

    lines = Path(jieba.__file__).with_name("dict.txt").read_text(encoding="utf-8").splitlines()
    words = [line.split(" ")[0] for line in lines]
    for zero in (False, True):
        normaliser = Normaliser(simplify=False, zero=zero)
        assert set(normaliser.batch(words)) <= {*words, *normaliser.batch(MIXED)}
    assert all(SEGMENTED.fullmatch(word) for word in MIXED)
