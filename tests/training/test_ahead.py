"""Batches made ahead are those that would have been made when they were needed."""

import numpy as np
import pytest

pytest.importorskip("torch")

from nlpkit.training.ahead import AHEAD, Ahead, Coming

pytestmark = pytest.mark.train
ORDER = [np.array([at, at + 1]) for at in range(20)]


class Noted:
    """An objective that makes batches ahead, and says when it made which."""

    def __init__(self, most):
        self.made = []
        self.ahead = Ahead(self.make, most)
        self.foresee = self.ahead.foresee

    def make(self, rows):
        self.made.append(int(rows[0]))
        return rows.sum()


@pytest.mark.parametrize("most", [1, 3, AHEAD])
@pytest.mark.parametrize("begin", [0, 7, 19])
def test_every_batch_is_made_once_and_in_order(most, begin):
    objective = Noted(most)
    coming = Coming(objective, ORDER, lambda rows: rows[:1])
    for step in range(begin, len(ORDER)):
        rows = coming.take(step)
        assert rows.tolist() == [step]
        assert objective.ahead.take(rows) == step
        coming.foresee(step + 1)
        assert len(objective.made) <= step - begin + 1 + most
    assert objective.made == list(range(begin, len(ORDER)))


def test_what_was_made_ahead_for_nothing_is_dropped():
    objective = Noted(AHEAD)
    objective.foresee([np.array([5]), np.array([6])])
    assert objective.ahead.take(np.array([6])) == 6  # equal, and yet another
    assert objective.made == [5, 6, 6]


def test_an_objective_that_foresees_nothing_is_asked_nothing():
    coming = Coming(object(), ORDER, lambda rows: rows)
    coming.foresee(1)
    assert coming.take(1) is ORDER[1]
