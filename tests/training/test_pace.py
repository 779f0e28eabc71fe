import pytest

pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from nlpkit.training.pace import JUDGED, Pace
from nlpkit.training.settings import LoopSettings

pytestmark = pytest.mark.train


@pytest.mark.parametrize("steps", [100, 101, 5000])
def test_a_loop_that_is_long_enough_stays_as_it_is(steps):
    assert Pace.of(LoopSettings(epochs=3, patience=2, min_steps=300), steps) == Pace(3, 1, 2)
    assert Pace.of(LoopSettings(epochs=3, patience=2), 1) == Pace(3, 1, 2)


@pytest.mark.parametrize(
    ("steps", "pace"),
    [(99, Pace(4, 1, 4)), (50, Pace(6, 1, 6)), (3, Pace(102, 3, 34)), (1, Pace(300, 10, 30))],
)
def test_of_few_rows_more_epochs_are_made_and_not_all_are_judged(steps, pace):
    assert Pace.of(LoopSettings(epochs=3, patience=3, min_steps=300), steps) == pace


@given(st.integers(1, 50), st.integers(1, 9), st.integers(0, 2000), st.integers(0, 900))
def test_there_are_enough_steps_and_not_many_more(epochs, patience, least, steps):
    pace = Pace.of(LoopSettings(epochs=epochs, patience=patience, min_steps=least), steps)
    judged = pace.epochs / pace.every
    assert judged == int(judged)
    assert pace.epochs >= epochs
    assert pace.epochs * max(1, steps) >= least
    assert (pace.epochs - pace.every) * max(1, steps) < least or (pace.epochs, pace.every) == (epochs, 1)
    assert judged <= 2 * max(epochs, JUDGED)
    assert pace.patience / judged == pytest.approx(patience / epochs, abs=1 / judged)
