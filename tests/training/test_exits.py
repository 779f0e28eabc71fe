import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.model.mixing import Stage
from nlpkit.training.exits import find_exit, find_exits

rows = st.lists(st.tuples(st.floats(0.34, 1), st.booleans()), max_size=12)


def arrays(group):
    return np.array([sure for sure, _ in group], dtype=float), np.array([same for _, same in group], dtype=bool)


@given(st.lists(rows, min_size=1, max_size=3), st.sampled_from([0.5, 0.75, 1.0]))
def test_the_exit_is_the_lowest_at_which_every_group_agrees(groups, agreement):
    """Compared with what is found by trying each probability that a row has, rounded down as the exit is."""

    def fits(leave):
        gone = [[same for sure, same in group if sure >= leave] for group in groups]
        return any(gone) and all(sum(same) >= agreement * len(same) for same in gone)

    tried = sorted({np.floor(sure * 1e6) / 1e6 for group in groups for sure, _ in group})
    expected = next((float(leave) for leave in tried if fits(leave)), None)
    assert find_exit([arrays(group) for group in groups], agreement) == expected


def test_a_group_that_does_not_agree_keeps_its_rows_though_all_others_would_leave():
    sure = arrays([(0.6 + i / 100, True) for i in range(30)])
    odd = arrays([(0.7, True), (0.8, False), (0.85, True)])
    assert find_exit([sure], 1.0) == pytest.approx(0.6)
    assert find_exit([sure, odd], 1.0) == pytest.approx(0.81)
    assert find_exit([odd], 0.6) == pytest.approx(0.7)


def logits(*margins):
    return np.array([[-m / 2, m / 2] for m in margins], dtype=float)


def test_rows_leave_where_the_whole_model_agrees():
    first = logits(4, 3, -4, 0.5, -0.5)
    second = logits(4, 3, -4, -3, 3)  # the unsure ones come out otherwise
    stages = [Stage((1.0,)), Stage((0.5, 0.5))]
    found, (told,) = find_exits(stages, [first, second], {"all": np.arange(5)}, ["one", "two"], 1.0)
    assert [stage.weights for stage in found] == [(1.0,), (0.5, 0.5)]
    assert found[0].exit == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-6)
    assert (told.member, told.exit) == ("one", found[0].exit)
    assert (told.groups["all"].rows, told.groups["all"].left, told.groups["all"].agree) == (5, 3, 3)
    assert "rows leave at one from 0.9525" in told.tell()


def test_no_row_leaves_where_none_agrees_and_that_is_told():
    first, second = logits(4, 3, -4), logits(-40, -30, 40)
    found, (told,) = find_exits(
        [Stage((1.0,)), Stage((0.5, 0.5))],
        [first, second],
        {"a": np.arange(2), "b": np.array([2])},
        ["one", "two"],
        0.9,
    )
    assert [(stage.weights, stage.exit) for stage in found] == [((0.5, 0.5), None)]
    assert told.exit is None
    assert "no row leaves at one" in told.tell()
    assert "0.9 of the rows of a and of b" in told.tell()


def test_a_later_exit_is_found_on_rows_that_have_not_left():
    first, second, third = logits(6, 6, -1, 1, 1), logits(6, 6, -1, 2, 3), logits(6, 6, 9, 9, 9)
    stages = [Stage((1.0,)), Stage((0.0, 1.0)), Stage((0.0, 0.0, 1.0))]
    found, told = find_exits(stages, [first, second, third], {"all": np.arange(5)}, ["one", "two", "three"], 1.0)
    assert [(one.groups["all"].rows, one.groups["all"].left) for one in told] == [(5, 2), (3, 2)]
    assert [len(stage.weights) for stage in found] == [1, 2, 3]
    assert [stage.exit is None for stage in found] == [False, False, True]
