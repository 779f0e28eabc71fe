import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nlpkit.tasks.cloze.counting import CountSettings, context_vocabulary, count_ngrams
from nlpkit.tasks.cloze.counts import CountMember

from nlpkit.errors import SettingError
from nlpkit.tasks.cloze import counting
from nlpkit.tasks.cloze.blanks import Blank
from nlpkit.text.vocabulary import TableVocabulary

ANSWERS = ["甲", "乙", "丙"]
VOCABULARY = TableVocabulary([*ANSWERS, "，"])
NEAR_ONLY = CountSettings(reach=0)
corpora = st.lists(st.text("甲乙丙，丁", max_size=8), max_size=8)


def count(texts, weights=None, made=NEAR_ONLY):
    return count_ngrams([list(text) for text in texts], weights, VOCABULARY, ANSWERS, made)


def total(arrays, name):
    return arrays["levels"][arrays[f"{name}.codes"]].sum()


def same(first, second):
    return first.keys() == second.keys() and all(first[name].tolist() == second[name].tolist() for name in first)


def test_a_document_counts_as_much_as_its_weight():
    arrays = count(["甲乙", "乙丙", "，"], [1.0, 0.25, 3.0])
    assert arrays["unigrams"].tolist() == [1, 1.25, 0.25]
    assert total(arrays, "2") == pytest.approx(3 * 1 + 3 * 0.25 + 2 * 3)


def test_pruning_asks_how_often_something_was_seen_not_what_it_weighs():
    once, twice = count(["甲乙丙"], [9.0]), count(["甲乙丙", "甲乙丙"], [0.1, 0.1])
    assert len(once["3.words"]) == len(once["4.words"]) == 0
    assert len(twice["3.words"]) == 3  # with the marks of the beginning and the end
    assert total(twice, "4") == pytest.approx(2 * 0.2)
    assert len(once["2.words"]) == 4


def test_nothing_reaches_from_one_document_into_the_next():
    arrays = count(["甲乙", "丙", "", "甲"], made=CountSettings(reach=3, min_count=1))
    assert len(arrays["far.words"]) == 0
    assert total(arrays, "2") == 3 + 2 + 2
    assert total(arrays, "3") == 2 + 1 + 1
    assert total(arrays, "4") == 1


@pytest.mark.parametrize(("order", "names"), [(0, set()), (1, set()), (2, {"2"}), (3, {"2", "3"})])
def test_no_table_goes_beyond_the_order(order, names):
    arrays = count(["甲乙丙"] * 2, made=CountSettings(order=order, reach=0))
    assert {name[0] for name in arrays if name.endswith(".words")} == names


@given(corpora, st.integers(1, 3))
def test_blocks_do_not_show(texts, min_count):
    made = CountSettings(min_count=min_count)
    whole = count(texts, made=made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "BLOCK", 2)
        patch.setattr(counting, "TOGETHER", 3)
        assert same(whole, count(texts, made=made))


def test_what_is_rare_is_let_go_once_there_is_too_much_of_it(monkeypatch):
    texts = ["".join(found) for found in itertools.product("甲乙丙，", repeat=3)] + ["甲乙丙"] * 9
    made = CountSettings(min_count=1)
    whole = count(texts, made=made)
    for name, size in (("BLOCK", 2), ("TOGETHER", 1), ("HELD", 8)):
        monkeypatch.setattr(counting, name, size)
    held = count(texts, made=made)
    assert same({"2": held["2.words"]}, {"2": whole["2.words"]})
    assert 0 < total(held, "3") < total(whole, "3")
    assert 0 < total(held, "far") < total(whole, "far")


def test_many_different_weights_share_256_levels():
    texts = [["甲", "乙", "丙"][n % 3] * (n % 7 + 1) for n in range(900)]
    weights = np.geomspace(0.01, 1000, len(texts))
    arrays = count(texts, weights)
    assert len(arrays["levels"]) <= 256
    assert total(arrays, "2") == pytest.approx(
        sum(w * (len(t) + 1) for w, t in zip(weights, texts, strict=True)), rel=0.03
    )


def test_documents_may_be_made_anew_each_time():
    class Corpus:
        def __iter__(self):
            return (list(text) for text in ("甲乙", "甲乙"))

    assert same(count_ngrams(Corpus(), None, VOCABULARY, ANSWERS, NEAR_ONLY), count(["甲乙", "甲乙"]))


def test_an_answer_that_is_no_context_is_as_rare_as_can_be():
    arrays = count_ngrams([["甲", "丁"]], None, VOCABULARY, ["甲", "丁"], NEAR_ONLY)
    assert arrays["unigrams"].tolist() == [1, 0]
    found = CountMember(arrays, VOCABULARY, ["甲", "丁"]).logits([Blank(["甲"], [])])
    assert np.isfinite(found).all()


def test_the_vocabulary_of_contexts_holds_what_was_seen_twice():
    assert context_vocabulary([["甲", "，"], ["乙", "，", "，", "甲"]]).tokens == ["，", "甲"]


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, float("nan")]])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(ValueError):
        count(["甲", "乙"], weights)


def test_more_words_than_two_bytes_can_number_are_refused():
    with pytest.raises(ValueError, match="at most 65536 ids, found: 65537"):
        count_ngrams([], None, TableVocabulary(list(map(chr, range(0x10000, 0x1FFFF)))), ANSWERS, NEAR_ONLY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"corpora": (1.0, 0.0)},
        {"order": 5},
        {"order": -1},
        {"min_count": 0},
        {"reach": 256},
        {"escape": 0.0},
        {"near": 2.5},
        {"far": -0.1},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SettingError, match=next(iter(wrong))):
        CountSettings(**wrong)
