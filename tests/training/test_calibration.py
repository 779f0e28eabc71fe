import numpy as np
import pytest

pytest.importorskip("torch")

from nlpkit.model.mixing import Stage
from nlpkit.training.calibration import tune_stage, tune_stages

pytestmark = pytest.mark.train
DRAW = np.random.default_rng(0)
LABELS = DRAW.integers(0, 2, 400)
GOOD = np.stack([-(LABELS * 2 - 1), LABELS * 2 - 1], 1) + DRAW.normal(0, 1.5, (400, 2))
NOISE = DRAW.normal(0, 2, (400, 2))


def loss(stage: Stage, logits):
    return -np.log(stage.probabilities(logits)[np.arange(len(LABELS)), LABELS]).mean()


def test_no_other_temperature_is_better():
    found = tune_stage([GOOD], LABELS, None)
    for factor in (0.9, 1.1):
        other = Stage(found.weights, found.temperature * factor)
        assert loss(found, [GOOD]) < loss(other, [GOOD])


def test_surer_logits_are_cooled():
    one, ten = tune_stage([GOOD], LABELS, None), tune_stage([GOOD * 10], LABELS, None)
    assert ten.temperature == pytest.approx(10 * one.temperature, rel=1e-2)


def test_a_member_that_knows_nothing_weighs_nothing():
    found = tune_stage([GOOD, NOISE], LABELS, None)
    assert sum(found.weights) == pytest.approx(1, abs=1e-5)
    assert min(found.weights) >= 0
    assert found.weights[0] > 0.9


def test_a_stage_for_each_exit_and_one_at_the_end():
    first, last = tune_stages([GOOD, NOISE], LABELS, (0.9,))
    assert (len(first.weights), first.exit) == (1, 0.9)
    assert (len(last.weights), last.exit) == (2, None)


def test_rows_that_count_nothing_change_nothing():
    counts = np.where(np.arange(400) < 200, 2.0, 0.0)
    found, half = tune_stage([GOOD], LABELS, None, counts), tune_stage([GOOD[:200]], LABELS[:200], None)
    assert found.temperature == pytest.approx(half.temperature, rel=1e-3)
    assert found.temperature != pytest.approx(tune_stage([GOOD], LABELS, None).temperature, rel=1e-3)


def test_an_exit_may_be_found_later():
    first, _ = tune_stages([GOOD, NOISE], LABELS, [None])
    assert (len(first.weights), first.exit) == (1, None)
