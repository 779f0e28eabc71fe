import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.corpus import Example
from nlpkit.split import deduplicate, fingerprint, letters, split


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
    parts = split(INVENTED, test=test, validation=validation)
    assert sorted(e.text for e in parts.train + parts.validation + parts.test) == sorted(e.text for e in INVENTED)
    shuffled = INVENTED[:]
    random.shuffle(shuffled)
    again = split(shuffled, test=test, validation=validation)
    assert {e.text for e in again.test} == {e.text for e in parts.test}
    assert {e.text for e in again.validation} == {e.text for e in parts.validation}


@given(shares, st.integers(1, 39), st.integers(0, 39))
def test_test_rows_depend_on_their_share_alone(share, validation, more):
    first = split(INVENTED, test=share[0] / 100, validation=share[1] / 100)
    second = split(INVENTED, test=share[0] / 100, validation=validation / 100)
    larger = split(INVENTED, test=(share[0] + more) / 100, validation=0.01)
    assert first.test == second.test
    assert {e.text for e in first.test} <= {e.text for e in larger.test}


def test_shares_come_out_about_right():
    parts = split(INVENTED, test=0.2, validation=0.1)
    assert len(parts.test) == pytest.approx(0.2 * len(INVENTED), rel=0.25)
    assert len(parts.validation) == pytest.approx(0.1 * len(INVENTED), rel=0.25)


def test_copies_fall_into_the_same_part():
    one, other = split([Example("很好，OK！", "1")]), split([Example("很好ok", "0", "elsewhere")])
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
