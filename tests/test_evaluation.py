import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.evaluation import measure
from nlpkit.inference.sentiment import Score


def score(label, probability=0.8):
    return Score(None, None, None, "empty") if label is None else Score(label, probability, {})


def test_figures_of_a_small_table():
    truth = ["a", "a", "a", "b", "b"]
    found = measure(truth, [score("a"), score("a"), score("b"), score("b"), score(None)], ["a", "b"])
    assert found.rows == 5
    assert found.accuracy == pytest.approx(3 / 5)
    assert found.macro_f1 == pytest.approx((2 * 2 / (3 + 2) + 2 * 1 / (2 + 2)) / 2)
    assert found.unscored == 1
    assert found.confusion == ((2, 1, 0), (0, 1, 1))
    assert found.calibration_error == pytest.approx(abs(3 / 4 - 0.8))


def test_a_label_without_rows_does_not_weigh():
    assert measure(["a"], [score("a")], ["a", "b"]).macro_f1 == 1


def test_no_rows_are_no_error():
    found = measure([], [], ["a", "b"])
    assert (found.rows, found.accuracy, found.macro_f1, found.calibration_error) == (0, 0, 0, 0)


def test_as_many_scores_as_rows():
    with pytest.raises(ValueError):
        measure(["a"], [], ["a"])


pairs = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["a", "b", "c", None]), st.floats(0.34, 1)))


@given(pairs)
def test_figures_agree_with_the_confusion(rows):
    found = measure([t for t, *_ in rows], [score(a, p) for _, a, p in rows], list("abc"))
    assert sum(map(sum, found.confusion)) == found.rows == len(rows)
    assert found.accuracy * max(1, len(rows)) == pytest.approx(sum(t == a for t, a, _ in rows))
    assert found.unscored == sum(a is None for _, a, _ in rows)
    assert 0 <= found.calibration_error <= 1
    json.dumps(found.to_json())
