import hashlib
import string
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.text.corpus import Example
from nlpkit.text.split import (
    PLACES,
    Key,
    Unevenness,
    deal_by_seed,
    deal_folds,
    deduplicate,
    find_unevenness,
    fingerprint,
    first_copies,
    letters,
    places,
    places_in_order,
    split_rows,
)


def test_copies_differ_in_punctuation_and_case_only():
    found = deduplicate(
        [
            Example("很好，OK！", "1"),
            Example("很好 ok", "1"),
            Example("ＯＫ很好", "1"),
            Example("差", "0"),
            Example("差。", "1"),
            Example("差!", "0"),
            Example("！！", "1"),
        ]
    )
    assert [e.text for e in found.examples] == ["很好，OK！", "ＯＫ很好"]
    assert (found.duplicates, found.conflicts, found.empty) == (3, 1, 1)


def test_copies_may_differ_in_what_nobody_sees():
    assert letters("e\u200b\u0301好\u3164评\ufe0f") == letters("é好评")
    assert Key.of("\u3164\u115f") is None


labelled = st.lists(st.builds(Example, st.text("好坏 ，!aA", max_size=3), st.sampled_from("01")), max_size=20)


@given(labelled)
def test_every_row_is_kept_or_counted(rows):
    found = deduplicate(rows)
    keys = [letters(e.text) for e in found.examples]
    assert len(set(keys)) == len(keys)
    assert len(rows) == len(found.examples) + found.duplicates + found.conflicts + found.empty
    for example_ in found.examples:
        assert {e.label for e in rows if letters(e.text) == letters(example_.text)} == {example_.label}
    assert deduplicate(found.examples).examples == found.examples


INVENTED = [Example(f"第{a}家{b}店", str((ord(a) + ord(b)) % 2)) for a in string.ascii_letters for b in string.digits]
shares = st.tuples(st.integers(0, 60), st.integers(1, 39))


@given(shares, st.randoms())
def test_a_split_is_disjoint_whole_and_blind_to_order(share, random):
    test, validation = share[0] / 100, share[1] / 100
    parts = split_rows(INVENTED, test=test, validation=validation)
    assert sorted(e.text for e in parts.train + parts.validation + parts.test) == sorted(e.text for e in INVENTED)
    shuffled = INVENTED[:]
    random.shuffle(shuffled)
    again = split_rows(shuffled, test=test, validation=validation)
    assert {e.text for e in again.test} == {e.text for e in parts.test}
    assert {e.text for e in again.validation} == {e.text for e in parts.validation}


@given(shares, st.integers(1, 39), st.integers(0, 39))
def test_test_rows_depend_on_their_share_alone(share, validation, more):
    first = split_rows(INVENTED, test=share[0] / 100, validation=share[1] / 100)
    second = split_rows(INVENTED, test=share[0] / 100, validation=validation / 100)
    larger = split_rows(INVENTED, test=(share[0] + more) / 100, validation=0.01)
    assert first.test == second.test
    assert {e.text for e in first.test} <= {e.text for e in larger.test}


def test_shares_come_out_about_right():
    parts = split_rows(INVENTED, test=0.2, validation=0.1)
    assert len(parts.test) == pytest.approx(0.2 * len(INVENTED), rel=0.25)
    assert len(parts.validation) == pytest.approx(0.1 * len(INVENTED), rel=0.25)


def test_copies_fall_into_the_same_part():
    one, other = split_rows([Example("很好，OK！", "1")]), split_rows([Example("很好ok", "0", "elsewhere")])
    assert [len(p) for p in (one.train, one.validation, one.test)] == [
        len(p) for p in (other.train, other.validation, other.test)
    ]


def test_a_fingerprint_tells_texts_labels_and_order_apart():
    rows = [Example("好", "1"), Example("差", "0")]
    prints = {
        fingerprint(rows),
        fingerprint(rows[::-1]),
        fingerprint(rows[:1]),
        fingerprint([Example("好", "0"), rows[1]]),
    }
    assert len(prints) == 4
    assert fingerprint(rows) == fingerprint([Example("好", "1", "elsewhere"), rows[1]])


def test_a_fingerprint_of_pairs_is_that_of_rows():
    rows = [Example("好\n", "1", "a.csv"), Example("差\ud800", "0")]
    assert fingerprint((e.text, e.label) for e in rows) == fingerprint(rows)


@given(st.text(st.characters(exclude_categories=()), max_size=6))
def test_a_key_hangs_on_the_letters_alone(text):
    key = Key.of(text)
    assert (key is None) == (not letters(text))
    if key:
        value = int(hashlib.sha1(letters(text).encode()).hexdigest(), 16)
        assert (key.bits, key.residue) == (value >> 96, value % 100)
        assert Key.of(f"，{text}！") == key


keyed = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=20)


@given(keyed)
def test_of_rows_with_one_key_the_first_stays(rows):
    bits, labels = (np.array([row[i] for row in rows], dtype=np.uint64) for i in range(2))
    found = first_copies(bits, labels)
    by_key = {key: [label for k, label in rows if k == key] for key, _ in rows}
    torn = {key for key, its in by_key.items() if len(set(its)) > 1}
    first = {key: [k for k, _ in rows].index(key) for key in by_key}
    assert np.flatnonzero(found.mask).tolist() == sorted(at for key, at in first.items() if key not in torn)
    assert (found.duplicates, found.conflicts) == (len(rows) - len(by_key), len(torn))


@given(shares)
def test_every_residue_has_one_place(share):
    placed = places(np.arange(100), test=share[0] / 100, validation=share[1] / 100)
    counts = dict(zip(PLACES, np.bincount(placed, minlength=3).tolist(), strict=True))
    assert counts == {"train": 100 - sum(share), "validation": share[1], "test": share[0]}


@given(st.lists(st.integers(0, 3), max_size=60), st.sampled_from([0.0, 0.1, 0.2]), st.sampled_from([0.05, 0.2, 0.5]))
def test_rows_in_order_are_cut_into_three_blocks_in_each_corpus(corpora, test, validation):
    corpora = np.array(corpora, dtype=np.int32)
    placed = places_in_order(corpora, test=test, validation=validation)
    for corpus in set(corpora.tolist()):
        own = placed[corpora == corpus].tolist()
        assert own == sorted(own)  # train, validation, test, as they stand in PLACES
        assert own.count(PLACES.index("test")) == round(test * len(own))
        if len(own) > 2:
            assert own.count(PLACES.index("validation")) >= 1
        assert abs(own.count(PLACES.index("validation")) - validation * len(own)) <= 1


def test_six_hundred_lines():
    placed = places_in_order(np.zeros(600, dtype=np.int32), test=0.2, validation=0.05)
    assert np.bincount(placed).tolist() == [450, 30, 120]


def test_a_hash_that_deals_evenly_is_never_doubted():
    draw = np.random.default_rng(0)
    for size in [*range(200), 1_000, 100_000]:
        for test, validation in ((0.2, 0.2), (0.0, 0.05), (0.3, 0.5)):
            residues = draw.integers(0, 100, size)
            together = len(np.unique(places(residues, test=test, validation=validation))) == 1
            uneven = find_unevenness(residues, test=test, validation=validation)
            assert (uneven is not None) == (together and size >= 10)


@given(st.integers(1, 400), st.data())
def test_what_is_doubted_has_a_chance_below_one_in_a_million(size, data):
    validations = data.draw(st.integers(0, size))
    residues = np.array([2] * validations + [0] * (size - validations))  # of validation and of training
    both = places(np.array([2, 0]), test=0.0, validation=0.4).tolist()
    assert both == [PLACES.index("validation"), PLACES.index("train")]
    tails = [range(validations, size + 1), range(validations + 1)]
    chance = min(sum(comb(size, n) * 0.4**n * 0.6 ** (size - n) for n in tail) for tail in tails)
    uneven = find_unevenness(residues, test=0.0, validation=0.4)
    if validations in (0, size):
        assert (uneven is not None) == (size >= 10)
    elif uneven:
        assert chance < 1e-6
        assert uneven == Unevenness("validation", validations, size, round(0.4 * size)) or uneven.place == "train"
        assert uneven.rows < uneven.expected
    else:
        assert chance > 1e-9 or min(validations / 0.4, (size - validations) / 0.6) > size / 2 - 1


def test_a_place_that_is_merely_somewhat_smaller_stays():
    """As where a like hash has taken a fifth of the rows away."""
    residues = np.array([residue for residue in range(100) if residue % 5] * 200)
    assert find_unevenness(residues, test=0.2, validation=0.05) is None


def test_the_seed_deals_by_letters_alone():
    bits = np.array([Key.of(f"第{i}家店").bits for i in range(4000)], dtype=np.uint64)
    dealt = {seed: deal_by_seed(bits, seed, test=0.2, validation=0.2) for seed in (0, 1, 2**32 - 1)}
    for seed, residues in dealt.items():
        assert residues.max() < 100
        assert np.abs(np.bincount(residues, minlength=100) - 40).max() < 40
        assert (deal_by_seed(bits[::-1], seed, test=0.2, validation=0.2)[::-1] == residues).all()
    assert abs((dealt[0] == dealt[1]).mean() - 0.01) < 0.01


def test_folds_have_equally_many_rows_of_each_label_and_hang_on_seed_and_letters(examples):
    dealt = deal_folds(examples, 5, 0)
    for label in ("positive", "negative"):
        counts = np.bincount(dealt[[e.label == label for e in examples]], minlength=5)
        assert counts.max() - counts.min() <= 1
    turned = deal_folds(examples[::-1], 5, 0)[::-1]
    assert (turned == dealt).mean() == 1
    assert 0.1 < (deal_folds(examples, 5, 1) == dealt).mean() < 0.3


def test_a_fold_says_nothing_of_the_place_that_a_hash_chooses(examples):
    placed = places(np.array([Key.of(e.text).residue for e in examples]), test=0.2, validation=0.2)
    dealt = deal_folds(examples, 2, 0)
    for fold in range(2):
        assert len(set(placed[dealt == fold].tolist())) == len(PLACES)
