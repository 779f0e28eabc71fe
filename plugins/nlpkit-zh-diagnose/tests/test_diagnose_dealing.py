"""How rows are dealt out, and how errors become one figure."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nlpkit import SettingError

from nlpkit_diagnose.dealing import check_shares, deal
from nlpkit_diagnose.relative_error import measure_relative_errors

quick = settings(max_examples=60, deadline=None, derandomize=True)
NUMBERS = st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=12)


@given(st.lists(st.integers(0, 30), min_size=20, max_size=80), st.integers(0, 2**32 - 1))
@quick
def test_every_row_is_in_one_part_and_equal_rows_are_in_the_same(kinds, seed):
    rows = [np.array([kind, 1.0]) for kind in kinds]
    distinct = len(set(kinds))
    try:
        parts = deal(rows, 0.2, 0.3, np.random.default_rng(seed))
    except SettingError as error:
        assert distinct < 4
        assert str(error).startswith(f"of {distinct} distinct rows none is left for ")  # noqa: PT017
        return
    assert list(parts) == ["train", "validation", "test"]
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(kinds)))
    found = [{kinds[at] for at in chosen} for chosen in parts.values()]
    assert sum(map(len, found)) == distinct
    for part, share in zip(found, (0.5, 0.2, 0.3), strict=True):
        assert abs(len(part) - share * distinct) <= 1


def test_rows_are_dealt_out_by_the_seed():
    rows = [np.array([float(at)]) for at in range(50)]
    first, again, other = (deal(rows, 0.2, 0.2, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(first[part], again[part]) for part in first)
    assert first["test"].tolist() != other["test"].tolist()
    assert first["train"].tolist() != sorted(first["train"].tolist())


@pytest.mark.parametrize(("validation", "test"), [(0, 0.5), (0.5, 0), (0.5, 0.5), (-0.1, 0.5), (0.2, 1.0)])
def test_shares_that_leave_nothing_are_refused(validation, test):
    with pytest.raises(SettingError, match="shares above 0 and below 1 together, was: "):
        check_shares(validation, test)


@given(NUMBERS)
@quick
def test_errors_are_relative_to_what_is_right(pairs):
    found, right = (np.array([[pair[at]] for pair in pairs]) for at in (0, 1))
    figures = measure_relative_errors(found, right)
    each = [abs(was - truth) / (abs(truth) + 1e-4) for was, truth in pairs]
    assert figures["1 - relative error"] == pytest.approx(1 - sum(each) / len(each), rel=1e-6, abs=1e-6)
    whole = sum(abs(was - truth) for was, truth in pairs) / sum(abs(truth) + 1e-4 for _, truth in pairs)
    assert figures["1 - sum of errors / sum"] == pytest.approx(1 - whole, rel=1e-6, abs=1e-6)
    assert all(map(math.isfinite, figures.values()))


def test_what_is_right_is_1():
    right = np.array([[0.0], [2.0], [-3.0]], np.float32)
    assert set(measure_relative_errors(right, right).values()) == {1.0}
