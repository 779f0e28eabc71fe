"""N-grams by modified Kneser-Ney: counted, smoothed, pruned, stored, and read again."""

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlpkit.tasks.generate.kneser_ney import count_ngrams
from nlpkit.tasks.generate.ngrams import NgramMember, decode_probabilities, encode_probabilities
from nlpkit.tasks.generate.settings import NgramSettings
from nlpkit.text.vocabulary import TableVocabulary

VOCABULARY = TableVocabulary(list("甲乙丙丁"))
SIZE = len(VOCABULARY)
texts = st.lists(st.integers(1, SIZE - 1), min_size=1, max_size=60)
WHOLE = NgramSettings(name="ngrams", order=4, min_count=1)


def member(ids, made=WHOLE):
    return NgramMember(count_ngrams(np.array(ids), SIZE, made), VOCABULARY)


def discounts(counts):
    """As Chen and Goodman have them, for counts of 1, 2, and 3 or more."""
    n = [sum(count == k for count in counts.values()) for k in range(6)]
    if not n[1]:
        return [0, 0, 0, 0]
    y = n[1] / (n[1] + 2 * n[2])
    found = [k - (k + 1) * y * n[k + 1] / n[k] if n[k] else 0.0 for k in (1, 2, 3)]
    n5 = [0.0, *found]
    return [min(max(d, 0), k) for k, d in enumerate(n5)]


def reference(ids, order):
    """Interpolated modified Kneser-Ney in plain loops: the probability of a token after a context."""
    raw = [collections.Counter(tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)) for n in range(1, order + 1)]
    raw = [counts for counts in raw if counts]
    tables = []
    for n, counts in enumerate(raw):
        if n + 1 < len(raw):
            counts = collections.Counter(gram[1:] for gram in raw[n + 1]) | collections.Counter(
                dict.fromkeys(counts, 0)
            )
            counts = {gram: counts.get(gram, 0) for gram in raw[n]}
        tables.append(counts)

    def probability(context, token):
        p = 1 / SIZE
        for n, counts in enumerate(tables):
            before = tuple(context[len(context) - n :])
            inside = {gram: count for gram, count in counts.items() if gram[:-1] == before}
            total = sum(inside.values())
            if len(before) < n or not inside or not total:
                break
            d = discounts(counts)
            held = sum(d[min(count, 3)] for count in inside.values())
            own = inside.get((*before, token), 0)
            p = max(own - d[min(own, 3)], 0) / total + held / total * p
        return p

    return probability


@settings(max_examples=60)
@given(texts, st.integers(2, 4), st.data())
def test_probabilities_are_those_of_plain_loops(ids, order, data):
    found = member(ids, NgramSettings(name="ngrams", order=order, min_count=1))
    expected = reference(ids, order)
    context = data.draw(st.lists(st.sampled_from(ids), min_size=order, max_size=order))
    logits, _ = found.read(np.array([context]), found.begin(1))
    told = np.exp(logits[0])
    for token in range(1, SIZE):
        p = expected(context, token)
        if p > 1e-6:
            assert np.log2(told[token - 1]) == pytest.approx(np.log2(p), abs=0.051 * order)


@settings(max_examples=60)
@given(texts, st.integers(1, 3), st.lists(st.integers(1, SIZE - 1), max_size=6))
def test_what_is_pruned_still_adds_up(ids, min_count, context):
    found = member(ids * 2, NgramSettings(name="ngrams", order=4, min_count=min_count))
    logits, _ = found.read(np.array([[1, *context]]), found.begin(1))
    assert 0.6 < np.exp(logits).sum() < 1.2  # a byte holds a tenth of a bit, and padding has a share


@given(texts, st.lists(st.lists(st.integers(1, SIZE - 1), min_size=5, max_size=5), min_size=1, max_size=4))
def test_scores_are_what_was_foretold_whatever_stands_beside(ids, rows):
    found = member(ids)
    many = np.array(rows)
    scores, after = found.score(many, found.begin(len(rows)))
    for number, row in enumerate(rows):
        state = found.begin(1)
        for time, token in enumerate(row[1:]):
            logits, state = found.read(np.array([[row[time]]]), state)
            assert scores[number, time] == pytest.approx(float(np.exp(logits[0, token - 1])), rel=1e-4)
        assert state[0][0].tolist() == after[0][number].tolist()


@given(texts)
def test_reading_in_parts_is_reading_at_once(ids):
    found = member(ids)
    rows = np.array([ids])
    whole = found.read(rows, found.begin(1))
    state = found.begin(1)
    for at in range(0, len(ids), 3):
        parts = found.read(rows[:, at : at + 3], state)
        state = parts[1]
    assert np.array_equal(whole[0], parts[0])
    assert np.array_equal(whole[1][0], state[0])


def test_longer_contexts_help():
    ids = [2, 3, 4, 5] * 20 + [3, 2, 5, 4] * 20

    def likely(order):
        found = member(ids, NgramSettings(name="ngrams", order=order))
        scores, _ = found.score(np.array([ids]), found.begin(1))
        return np.log(scores[0, 10:]).mean()

    assert likely(2) < likely(3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"1.probabilities": np.zeros(3, np.uint8)}, "probabilities of 3 ids for a vocabulary of 6"),
        ({"2.last": np.zeros(1, np.uint16)}, "the tables of 2-grams do not fit each other"),
        ({"2.left": np.zeros(2, np.float32)}, "expected codes of one byte"),
    ],
)
def test_damaged_tables_are_told(change, sentence):
    arrays = count_ngrams(np.array([2, 3, 4, 2, 3]), SIZE, WHOLE)
    with pytest.raises(ValueError, match=sentence):
        NgramMember(arrays | change, VOCABULARY)


def test_a_byte_holds_a_probability_to_a_twentieth_of_a_bit():
    given_ = np.exp2(-np.linspace(0, 25, 500))
    assert np.abs(np.log2(decode_probabilities(encode_probabilities(given_))) - np.log2(given_)).max() <= 0.0501
    assert encode_probabilities(np.array([0.0, 1.0, 2.0])).tolist() == [255, 0, 0]
