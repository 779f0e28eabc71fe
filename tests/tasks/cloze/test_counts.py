from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nlpkit.tasks.cloze.counting import CountSettings, context_vocabulary, count_ngrams
from nlpkit.tasks.cloze.counts import CountMember
from safetensors.numpy import load, save

from nlpkit.tasks.cloze.blanks import Blank
from nlpkit.text.vocabulary import TableVocabulary

TEXTS = ["甲乙丙", "甲丁丙", "甲乙丙", "乙丙乙丙丁", "丁", "", "丙甲，"]
ANSWERS = ["甲", "乙", "丙", "丁", "戊"]  # the last is in no text
FREQUENCIES = np.array([4, 4, 6, 3, 0])
PRIOR = (FREQUENCIES + 1) / (FREQUENCIES + 1).sum()
PLAIN = {"near": 1.0, "alpha": 1.0, "reach": 0}
sides = st.lists(st.sampled_from([*"甲乙丙丁戊，", None]), max_size=6)
blanks = st.builds(Blank, sides, sides)
corpora = st.lists(st.text("甲乙丙，", max_size=8), max_size=8)
settings = st.builds(CountSettings, order=st.integers(0, 4), min_count=st.integers(1, 3), reach=st.integers(0, 3))


def arrays_of(texts, made):
    documents = [list(text) for text in texts]
    return count_ngrams(documents, None, context_vocabulary(documents), ANSWERS, made)


def member(texts=TEXTS, **options):
    made = CountSettings(**options)
    vocabulary = context_vocabulary([list(text) for text in texts])
    return CountMember(load(save(arrays_of(texts, made))), vocabulary, ANSWERS)


def probabilities(found, left, right):
    return np.exp(found.logits([Blank(left, right)])[0])


def normal(values):
    return values / values.sum()


def mixed(prior, counts, escape=1.0):
    counts = np.array(counts)
    escape *= np.count_nonzero(counts)
    return (counts + escape * prior) / (counts.sum() + escape) if escape else prior


def close(values):
    return pytest.approx(values, rel=1e-5)


def test_nothing_around_a_blank_leaves_the_frequencies():
    assert probabilities(member(**PLAIN), [None], [None]) == close(PRIOR)


def test_one_side_alone_is_its_mixture_whatever_the_prior():
    found = member(**PLAIN, order=2)
    assert probabilities(found, [None, "甲"], [None]) == close(mixed(PRIOR, [0, 2, 0, 1, 0]))
    assert probabilities(found, [None], ["丙", None]) == close(mixed(PRIOR, [0, 4, 0, 1, 0]))
    assert probabilities(found, [], [None]) == close(mixed(PRIOR, [3, 1, 1, 1, 0]))
    assert probabilities(found, [None], []) == close(mixed(PRIOR, [0, 0, 3, 2, 0]))


def test_both_sides_are_multiplied():
    left, right = mixed(PRIOR, [0, 2, 0, 1, 0]), mixed(PRIOR, [0, 4, 0, 1, 0])
    found = member(order=2, reach=0, near=0.7, alpha=0.6)
    expected = normal((left * right) ** 0.7 / PRIOR**0.6)
    assert probabilities(found, [None, "甲"], ["丙", None]) == close(expected)


def test_n_grams_over_both_sides_come_last_and_pruned_ones_not_at_all():
    found = member(**PLAIN, order=3, min_count=2, escape=5.0)
    product = normal(mixed(PRIOR, [0, 2, 0, 1, 0]) * mixed(PRIOR, [0, 4, 0, 1, 0]) / PRIOR)
    expected = mixed(product, [0, 2, 0, 0, 0], escape=5.0)  # 甲丁丙 was seen once
    assert probabilities(found, [None, "甲"], ["丙", None]) == close(expected)


def test_a_word_farther_off_is_one_more_factor():
    found = member(**PLAIN | {"reach": 2}, order=0, escape=5.0, far=0.3)
    expected = normal(PRIOR * (mixed(PRIOR, [0, 0, 3, 0, 0], escape=5.0) / PRIOR) ** 0.3)
    assert probabilities(found, [None, "甲", "戊"], [None]) == close(expected)
    assert probabilities(found, [None, "戊", "甲"], [None]) == close(PRIOR)


def test_words_that_are_no_contexts_stand_for_each_other():
    found = member(**PLAIN, order=2)
    assert probabilities(found, [None], ["？", None]) == close(mixed(PRIOR, [1, 0, 0, 0, 0]))  # 甲， was seen


def counts_of(texts, made):
    """How often n-grams and distant pairs stand in texts, a second way."""
    known = Counter("".join(texts))
    ngrams, far = Counter(), Counter()
    for text in texts:
        line = ["|", *(c if known[c] > 1 else "?" for c in text), "|"]
        for n in range(2, made.order + 1):
            ngrams.update(tuple(line[at : at + n]) for at in range(len(line) - n + 1))
        for distance in range(2, made.reach + 1):
            far.update(zip(line[1:-1], line[1 + distance : -1], strict=False))
    kept = {gram: n for gram, n in ngrams.items() if len(gram) == 2 or n >= made.min_count}
    return known, kept, {pair: n for pair, n in far.items() if n >= made.min_count}


def reference(texts, blank, made):
    """The model as its docstring has it, from dictionaries."""
    known, ngrams, far = counts_of(texts, made)

    def at(table, left, right):
        return np.array([known[w] > 1 and table.get((*left, w, *right), 0) for w in ANSWERS], dtype=float)

    def side(tokens):
        shown = [*(c if c is None or known[c] > 1 else "?" for c in tokens), "|"]
        return shown[: shown.index(None)] if None in shown else shown

    left, right = side(blank.left[::-1]), side(blank.right)
    prior = normal(np.array([known[w] * (known[w] > 1) + 1.0 for w in ANSWERS]))
    before = after = prior
    for n in range(1, made.order):
        escape = 1 if n == 1 else made.escape
        before = mixed(before, at(ngrams, left[:n][::-1], []) * (n <= len(left)), escape)
        after = mixed(after, at(ngrams, [], right[:n]) * (n <= len(right)), escape)
    found = (before * after) ** made.near / prior**made.alpha
    for word in left[1 : made.reach]:
        found *= (mixed(prior, at(far, [word], []), made.escape) / prior) ** made.far
    for word in right[1 : made.reach]:
        found *= (mixed(prior, at(far, [], [word]), made.escape) / prior) ** made.far
    found = normal(found)
    for i, j in ((1, 1), (2, 1), (1, 2)):
        if i + j < made.order and i <= len(left) and j <= len(right):
            found = mixed(found, at(ngrams, left[:i][::-1], right[:j]), made.escape)
    return found


@given(corpora, blanks, settings)
def test_the_tables_give_what_the_texts_give(texts, blank, made):
    vocabulary = context_vocabulary([list(text) for text in texts])
    found = CountMember(arrays_of(texts, made), vocabulary, ANSWERS)
    assert probabilities(found, *blank) == close(reference(texts, blank, made))


@given(st.lists(blanks, max_size=5))
def test_each_blank_has_a_distribution_of_its_own(batch):
    found = MEMBER.logits(batch)
    assert found.shape == (len(batch), len(ANSWERS))
    assert np.exp(found).sum(1) == pytest.approx(np.ones(len(batch)))
    for blank, row in zip(batch, found, strict=True):
        assert MEMBER.logits([blank])[0].tolist() == row.tolist()


@given(blanks, sides, sides)
def test_what_lies_beyond_another_blank_is_not_looked_at(blank, left, right):
    near = Blank([None, *blank.left], [*blank.right, None])
    far = Blank([*left, None, *blank.left], [*blank.right, None, *right])
    assert MEMBER.logits([near]).tolist() == MEMBER.logits([far]).tolist()


MEMBER = member()
WHOLE = arrays_of(TEXTS, CountSettings())
VOCABULARY = context_vocabulary([list(text) for text in TEXTS])


@pytest.mark.parametrize(
    "change",
    [
        *({name: None} for name in WHOLE),
        *({name: WHOLE[name].astype(np.int64)} for name in WHOLE),
        *({name: WHOLE[name][:-1]} for name in WHOLE if name not in ("levels",)),
        {"3.steps": WHOLE["3.steps"].astype(np.uint64)},
        {"levels": WHOLE["levels"][:1]},
        {"levels": -WHOLE["levels"]},
        {"unigrams": WHOLE["unigrams"] * np.nan},
        {"unigrams": WHOLE["unigrams"][:, None]},
        {"parameters": WHOLE["parameters"] * 0},
        {"parameters": WHOLE["parameters"] * 9},
        {"lengths": WHOLE["lengths"] + np.uint8(1)},
        {"2.words": WHOLE["2.words"] + np.uint16(9)},
        {"3.steps": WHOLE["3.steps"] + np.uint8(9)},
    ],
    ids=str,
)
def test_arrays_that_do_not_fit_are_refused(change):
    arrays = {name: values for name, values in (WHOLE | change).items() if values is not None}
    with pytest.raises(ValueError, match=r"counts|array|n-grams|pairs|exponents"):
        CountMember(arrays, VOCABULARY, ANSWERS)


def test_another_vocabulary_or_other_answers_are_refused():
    with pytest.raises(ValueError, match="do not fit the vocabulary of 3 ids"):
        CountMember(WHOLE, TableVocabulary(["甲"]), ANSWERS)
    with pytest.raises(ValueError, match="for each of 4 answers, found 5"):
        CountMember(WHOLE, VOCABULARY, ANSWERS[:4])
