import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.errors import SettingError
from nlpkit.model.bundle import Bundle
from nlpkit.model.mixing import softmax
from nlpkit.tasks.cloze.blanks import blank_at, split_at_blanks
from nlpkit.tasks.cloze.filling import BLOCK, LIMIT, Filled, Filler
from nlpkit.tasks.cloze.model import ClozeModel
from nlpkit.text.rows import Row
from tests.tasks.cloze.tiny import ANSWERS, CONTEXT, cloze_files, logits

MODEL = ClozeModel(Bundle("tiny", cloze_files()))
wild = (
    st.text(st.characters(exclude_categories=()))
    | st.text("_＿ 很！a\n\0\ud800後，", max_size=12)
    | st.lists(st.sampled_from(["__", *CONTEXT, "没见过"]), max_size=6).map(" ".join)
)
context = st.lists(st.sampled_from(CONTEXT), min_size=1, max_size=3)


def chain(segments, words, order):
    """Log-probability of words, each given those that stand before it in an order."""
    total, said = 0.0, [None] * len(words)
    for at in order:
        total += math.log(softmax(logits(blank_at(segments, said, at)))[ANSWERS.index(words[at])])
        said[at] = words[at]
    return total


def certainty_order(segments):
    n = len(segments) - 1
    return sorted(range(n), key=lambda at: -softmax(logits(blank_at(segments, [None] * n, at))).max())


@given(context, context, st.integers(1, 9))
def test_one_blank_gets_the_most_probable_words(left, right, top):
    (found,) = MODEL.fill([f"{' '.join(left)} __ {' '.join(right)}"], top=top)
    expected = softmax(logits(blank_at([left, right], [None], 0)))
    assert found.reason is None
    assert [f.words for f in found.fillings] == [(ANSWERS[i],) for i in np.argsort(-expected)[:top]]
    for filling in found.fillings:
        probability = expected[ANSWERS.index(filling.words[0])]
        assert filling.probability == pytest.approx(probability, rel=1e-4)
        assert filling.score == pytest.approx(math.log(probability), abs=1e-4)
        assert filling.text == f"{' '.join(left)} {filling.words[0]} {' '.join(right)}"


@given(st.lists(context, min_size=3, max_size=4))
def test_several_blanks_are_filled_jointly(segments):
    text = " __ ".join(" ".join(segment) for segment in segments)
    (found,) = MODEL.fill([text], top=5, beam=8**3)
    order = certainty_order(segments)
    every = [(chain(segments, words, order), words) for words in itertools.product(ANSWERS, repeat=len(order))]
    every.sort(reverse=True)
    assert [f.score for f in found.fillings] == pytest.approx([score for score, _ in every[:5]], abs=1e-4)
    for filling in found.fillings:
        assert filling.score == pytest.approx(chain(segments, filling.words, order), abs=1e-4)
        assert filling.text == "".join(itertools.chain(*zip(split_at_blanks(text), (*filling.words, ""), strict=True)))


def test_the_ways_to_fill_a_text_share_all_probability():
    (found,) = MODEL.fill(["很 __ 很 __"], top=99)
    assert len({filling.words for filling in found.fillings}) == len(found.fillings) == len(ANSWERS) ** 2
    assert sum(filling.probability for filling in found.fillings) == pytest.approx(1, abs=1e-4)


@given(st.lists(context, min_size=2, max_size=4), st.integers(1, 20), st.integers(1, 20))
def test_fillings_are_different_and_in_order(segments, top, beam):
    (found,) = MODEL.fill([" __ ".join(" ".join(segment) for segment in segments)], top=top, beam=beam)
    scores = [filling.score for filling in found.fillings]
    assert scores == sorted(scores, reverse=True)
    assert len({filling.words for filling in found.fillings}) == len(scores) <= top
    words = len(ANSWERS)
    assert len(scores) == min(top, words * min(beam, words ** (len(segments) - 2)))


@given(st.lists(wild, max_size=8))
def test_each_text_gets_one_answer_whatever_it_is(texts):
    found = MODEL.fill(texts, top=3)
    assert len(found) == len(texts)
    for text, filled in zip(texts, found, strict=True):
        assert bool(filled.reason) != bool(filled.fillings)
        for filling in filled.fillings:
            assert len(filling.words) == len(split_at_blanks(text)) - 1
            assert 0 <= filling.probability <= 1
            assert filling.score <= 0


@given(st.lists(wild, max_size=6))
def test_batch_mates_never_change_an_answer(texts):
    for text, together in zip(texts, MODEL.fill(texts, top=8), strict=True):
        (alone,) = MODEL.fill([text], top=8)
        assert together.reason == alone.reason
        found = {filling.words: filling.score for filling in together.fillings}
        assert found == pytest.approx({filling.words: filling.score for filling in alone.fillings}, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("很好", "no blank"),
        ("很_好", "no blank: write __ for _, one blank for each word that is missing"),
        ("很[MASK]好", "no blank: write __ for [MASK], one blank for each word that is missing"),
        ("很（ ）好", "no blank: write __ for （ ）, one blank for each word that is missing"),
        ("很□□好", "no blank: write __ for □□, one blank for each word that is missing"),
        ("很好??", "no blank"),
        ("很__好[MASK]", "a blank marked otherwise: write __ for [MASK], too"),
        ("__", "nothing but a blank"),
        (" __ \n__ ", "nothing but a blank"),
        ("没见过 __", "no known word around the blank"),
        ("__很" * (LIMIT + 1), f"too many blanks: {LIMIT + 1}, {LIMIT} are the most"),
        (None, "not a text but NoneType"),
        (b"__", "not a text but bytes"),
    ],
)
def test_what_cannot_be_filled_says_why(text, reason):
    before, found, after = MODEL.fill(["很 __", text, "很 __ 很 __"])
    assert found == Filled([], reason)
    assert before.fillings
    assert after.fillings


def test_as_many_blanks_as_are_allowed():
    (found,) = MODEL.fill(["很 __ " * LIMIT])
    assert {len(filling.words) for filling in found.fillings} == {LIMIT}
    assert len(found.fillings) == 10


def test_scripts_and_widths_make_no_difference_but_the_text_stays():
    plain, other = MODEL.fill(["质量 __ 发货 !", "質量 ＿＿＿ 發貨 ！"])
    assert [f.words for f in plain.fillings] == [f.words for f in other.fillings]
    assert other.fillings[0].text == f"質量 {other.fillings[0].words[0]} 發貨 ！"


def test_restrictions_filter_and_leave_probabilities_as_they_are():
    (every,) = MODEL.fill(["衣服 __"])
    kept = {filling.words[0]: filling for filling in every.fillings}

    def said(**restrictions):
        (found,) = MODEL.fill(["衣服 __"], **restrictions)
        for filling in found.fillings:
            assert filling == kept[filling.words[0]]
        return {filling.words[0] for filling in found.fillings}

    assert said(length=1) == {"好", "快", "差"}
    assert said(pattern=".*度|快") == {"速度", "快"}
    assert said(pattern="速") == set()
    assert said(lexicon=["快", "值得", "没听过"]) == {"快", "值得"}
    assert said(lexicon=["推薦"]) == {"推荐"}
    assert said(lexicon=["快", "值得"], length=2, pattern="[值好].") == {"值得"}


def test_a_search_keeps_to_its_words():
    (found,) = MODEL.fill(["很 __ 很 __"], length=1, top=20)
    assert {word for filling in found.fillings for word in filling.words} == {"好", "快", "差"}
    assert len(found.fillings) == 9


def test_where_nothing_fits_it_says_why():
    (found,) = MODEL.fill(["很 __"], pattern="x+", length=3, lexicon=[])
    assert found.reason == (
        "no word fits: of the model's 8 words none is in the lexicon and matches 'x+' and has 3 characters"
    )
    assert MODEL.fill(["很 __"], length=1, pattern="推荐")[0].reason.endswith("has 1 character")


def test_unknown_words_of_a_lexicon_are_told():
    assert MODEL.candidates(lexicon=["好", "没听过", "聞所未聞"]).unknown == ["没听过", "聞所未聞"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pattern": "("}, "no regular expression"),
        ({"pattern": "*"}, "no regular expression"),
        ({"top": 0}, "top must be at least 1, was: 0"),
        ({"beam": 0}, "beam must be at least 1"),
        ({"beam": 1001}, "beam must be at least 1 and at most 1000, was: 1001"),
        ({"beam": "x"}, "beam must be a whole number, was: 'x'"),
        ({"top": 2.5}, "top must be a whole number, was: 2.5"),
        ({"length": "2"}, "length must be a whole number, was: '2'"),
        ({"length": 0}, "length must be at least 1"),
        ({"lexicon": "好"}, "a list of words"),
    ],
)
def test_wrong_options_are_one_sentence(options, message):
    with pytest.raises(SettingError, match=message):
        MODEL.fill(["很 __"], **options)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@given(st.text(max_size=8) | st.text("[]()*+?{}\\d^好|", max_size=8))
def test_a_pattern_is_one_or_is_refused(pattern):
    try:
        re.compile(pattern)
    except re.error:
        with pytest.raises(SettingError, match="no regular expression"):
            MODEL.candidates(pattern=pattern)
    else:
        MODEL.candidates(pattern=pattern)


@pytest.mark.parametrize("one", ["很 __", b"abc", None, 3])
def test_one_text_is_not_taken_for_many(one):
    with pytest.raises(SettingError, match="in a list"):
        MODEL.fill(one)


def test_a_stream_reads_no_further_than_it_must():
    texts = itertools.count()
    stream = Filler(MODEL, top=1).stream(f"很 __ {next(texts)}" for _ in range(9 * BLOCK))
    found = list(itertools.islice(stream, BLOCK + 1))
    assert all(filled.fillings for filled in found)
    assert next(texts) == 2 * BLOCK


def test_a_row_that_could_not_be_read_keeps_its_fault():
    found = Filler(MODEL).fill_rows([Row("很 __"), Row("很 __", "undecodable bytes")])
    assert [filled.reason for filled in found] == [None, "undecodable bytes"]
