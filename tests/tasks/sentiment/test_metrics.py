import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.tasks.sentiment.metrics import FEWEST, Answers, ClassMetrics, Neglect, find_neglected, measure_answers
from nlpkit.tasks.sentiment.model import Score


def score(label, probability=0.8):
    return Score(None, None, None, "empty") if label is None else Score(label, probability, {})


def arrays(truth, scores, labels):
    pairs = list(zip(truth, scores, strict=True))
    return Answers(
        np.array([labels.index(true) for true, _ in pairs], dtype=np.int32),
        np.array([-1 if s.label is None else labels.index(s.label) for _, s in pairs], dtype=np.int32),
        np.array([s.probability or 0.0 for _, s in pairs], dtype=np.float64),
    )


def measure(truth, scores, labels):
    return measure_answers(arrays(truth, scores, labels), labels)


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


pairs = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["a", "b", "c", None]), st.floats(0.34, 1)))


@given(pairs)
def test_figures_agree_with_the_confusion(rows):
    found = measure([t for t, *_ in rows], [score(a, p) for _, a, p in rows], list("abc"))
    assert sum(map(sum, found.confusion)) == found.rows == len(rows)
    assert found.accuracy * max(1, len(rows)) == pytest.approx(sum(t == a for t, a, _ in rows))
    assert found.unscored == sum(a is None for _, a, _ in rows)
    assert 0 <= found.calibration_error <= 1
    json.dumps(found.to_json())


@given(pairs)
def test_the_probability_of_a_row_without_an_answer_says_nothing(rows):
    answers = arrays([t for t, *_ in rows], [score(a, p) for _, a, p in rows], list("abc"))
    anything = np.where(answers.choice < 0, 0.9, answers.probability)
    assert measure_answers(Answers(answers.truth, answers.choice, anything), list("abc")) == measure_answers(
        answers, list("abc")
    )


def test_small_integers_of_many_rows_do_not_overflow():
    size = 200
    labels = [str(i) for i in range(size)]
    truth = np.arange(size, dtype=np.uint8)
    found = measure_answers(Answers(truth, truth.astype(np.int16), np.ones(size)), labels)
    assert (found.accuracy, found.macro_f1, found.calibration_error) == (1, 1, 0)


def test_calibration_by_hand():
    truth = np.zeros(5, dtype=np.int64)
    found, sure = np.array([0, 0, 1, 0, -1]), np.array([0.95, 1.0, 0.95, 0.55, 0.0])
    gap = abs(2 - (0.95 + 1 + 0.95)) + abs(1 - 0.55)  # two bins; 1.0 is in the last
    assert measure_answers(Answers(truth, found, sure), ["a", "b"]).calibration_error == pytest.approx(gap / 4)


def confused(*rows):
    return ClassMetrics(sum(map(sum, rows)), 0.0, 0.0, 0.0, 0, ("bad", "ok"), tuple((*row, 0) for row in rows))


RARE = {"bad": 20, "ok": 80}


def test_a_rare_label_that_is_hardly_ever_answered_is_neglected():
    assert find_neglected([confused((2, 8), (0, 40))], RARE) == {"bad": Neglect(10, 2)}
    assert find_neglected([confused((24, 86), (0, 0))], RARE) == {"bad": Neglect(110, 24)}
    assert find_neglected([confused((200, 5000), (100, 10_000))], RARE) == {"bad": Neglect(5200, 300)}
    parts = [confused((1, 3), (0, 20)), confused((1, 3), (0, 20))]  # each alone may be chance
    assert find_neglected(parts[:1], RARE) == {}
    assert find_neglected(parts, RARE) == {"bad": Neglect(8, 2)}


@pytest.mark.parametrize(
    ("confusion", "trained"),
    [
        (((2, 8), (0, 40)), {"bad": 50, "ok": 50}),  # what is not rare would not be helped
        (((2, 8), (0, 40)), {"bad": 50, "ok": 99}),
        (((2, 8), (0, 40)), {}),  # of an older model that is not known
        (((6, 4), (0, 40)), RARE),  # more than half as often
        (((0, 4), (0, 40)), RARE),  # four misses may be chance
        (((2, 8), (8, 32)), RARE),  # wrong, but answered as often as it occurs
        (((0, 0), (0, 40)), RARE),
    ],
)
def test_what_need_not_be_told(confusion, trained):
    assert find_neglected([confused(*confusion)], trained) == {}


@pytest.mark.slow
@given(st.integers(1000, 3000), st.integers(-120, 120))
def test_of_many_answers_the_normal_distribution_tells_as_much(count, more):
    """What it says and what it would say exactly differ by less than matters."""
    from math import comb

    from nlpkit.tasks.sentiment.metrics import _chance

    heads = count // 2 + more
    exact = sum(comb(count, n) for n in range(heads, count + 1)) / 2**count
    assert _chance(heads, count - heads) == pytest.approx(exact, abs=0.01)


def test_each_label_has_its_precision_and_recall():
    truth, choice = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, -1, 1])
    found = measure_answers(Answers(truth, choice, np.full(6, 0.9)), ("a", "b", "c")).by_label
    assert (found["a"].rows, found["a"].precision, found["a"].recall) == (3, 1.0, pytest.approx(2 / 3))
    assert (found["b"].precision, found["b"].recall, found["b"].f1) == (pytest.approx(1 / 3), 0.5, pytest.approx(0.4))
    assert (found["c"].precision, found["c"].recall, found["c"].f1) == (None, 0.0, 0.0)


answered_rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(-1, 1), st.sampled_from([0.5, 0.6, 0.75, 0.9, 0.99])), max_size=120
)


@given(answered_rows)
def test_a_goal_is_reached_by_its_probability_and_missed_by_any_lower_one(rows):
    truth, choice, sure = (np.array(column) for column in zip(*rows, strict=True)) if rows else [np.zeros(0, int)] * 3
    found = measure_answers(Answers(truth, choice, sure), ("a", "b"))

    def accuracy_from(least):
        right = [t == c for t, c, p in rows if c >= 0 and p >= least]
        return sum(right) / len(right) if right else None

    for one in found.coverage:
        assert one.accuracy == (
            None if accuracy_from(one.min_probability) is None else pytest.approx(accuracy_from(one.min_probability))
        )
        assert one.coverage == pytest.approx(sum(c >= 0 and p >= one.min_probability for _, c, p in rows) / len(rows))
    for name, reached in found.goals.items():
        goal = float(name.rstrip("%")) / 100
        levels = [p for p in {p for _, c, p in rows if c >= 0} if sum(c >= 0 and q >= p for _, c, q in rows) >= FEWEST]
        if reached is None:
            assert all(accuracy_from(level) < goal for level in levels)
        else:
            assert accuracy_from(reached.min_probability) >= goal
            assert all(accuracy_from(level) < goal for level in levels if level < reached.min_probability)


def test_bins_hold_all_answers():
    found = measure_answers(Answers(np.array([0, 1, 1]), np.array([0, 1, -1]), np.array([0.95, 0.55, 0])), ("a", "b"))
    assert [(one.rows, one.accuracy) for one in found.bins] == [(1, 1.0), (1, 1.0)]
    assert json.dumps(found.to_json())


def test_what_to_ask_for_is_said_of_all_rows():
    truth, sure = np.array([0] * 200), np.linspace(0.51, 0.99, 200)
    found = measure_answers(Answers(truth, np.where(sure < 0.7, 1, 0), sure), ("a", "b"))
    (sentence,) = found.remarks("all")
    assert "95% from 0." in sentence
    assert found.remarks("group") == ()
