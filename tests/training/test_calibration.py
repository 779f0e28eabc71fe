from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from nlpkit.model.mixing import SigmoidStage, Stage
from nlpkit.training.calibration import (
    calibrated_loss,
    calibrated_sigmoid_loss,
    ends_at_bound,
    farthest_temperature,
    tune_sigmoid_stage,
    tune_sigmoid_stages,
    tune_stage,
    tune_stages,
    tune_thresholds,
)

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
    assert ten.temperature == pytest.approx(10 * one.temperature, rel=5e-2)


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


def clear(rows, margin, size=4):
    """Logits that tell every row apart, and its labels."""
    labels = np.arange(rows) % size
    return np.eye(size)[labels] * margin, labels


@pytest.mark.parametrize("margin", [0.5, 0.8, 5.0])
@pytest.mark.parametrize("rows", [10, 77, 1000])
def test_rows_that_are_all_right_make_nothing_surer_than_their_number_does(rows, margin):
    logits, labels = clear(rows, margin)
    found = tune_stage([logits], labels, None)
    assert not ends_at_bound(found)
    assert found.temperature > 0.05
    assert found.probabilities([logits]).max() < 1 - 0.6 / (rows + 2)  # plain cross entropy comes to 1


def test_two_members_that_tell_every_row_apart_are_no_surer():
    logits, labels = clear(77, 1.0)
    found = tune_stage([logits, logits * 2], labels, None)
    assert found.probabilities([logits, logits * 2]).max() < 78 / 79 + 1e-3


def test_the_more_rows_the_less_is_held_back():
    """The temperature comes to that of plain cross entropy, which is where no gradient is left."""

    def slope(count):
        logits, labels = np.tile(GOOD, (count, 1)), np.tile(LABELS, count)
        found = tune_stage([logits], labels, None)
        shares = found.probabilities([logits])
        return float(np.mean((shares * logits).sum(1) - logits[np.arange(len(labels)), labels]))

    once, often = slope(1), slope(100)
    assert abs(once) > 20 * abs(often)


@pytest.mark.parametrize(("scale", "ends"), [(1.0, False), (0.05, False), (1e5, True)])
def test_the_end_of_the_range_is_known(scale, ends):
    assert ends_at_bound(tune_stage([GOOD * scale], LABELS, None)) is ends
    assert ends_at_bound(tune_stage([GOOD * scale, GOOD * scale], LABELS, None)) is ends


def test_temperatures_of_rows_without_number_stay_in_range():
    assert not ends_at_bound(Stage((1.0,)))
    assert ends_at_bound(Stage((1.0,), 0.01))
    assert ends_at_bound(Stage((0.5, 0.5), 50.0))


def test_a_calibrated_loss_is_that_of_the_tuned_stage_however_sure_the_logits_are():
    expected = loss(tune_stage([GOOD], LABELS, None), [GOOD])
    assert calibrated_loss(GOOD, LABELS) == pytest.approx(expected)
    assert calibrated_loss(GOOD * 20, LABELS) == pytest.approx(expected, rel=1e-2)


HAS = DRAW.random((600, 3)) < (0.5, 0.2, 0.02)
OWN = np.where(HAS, 1.0, -1.0) + DRAW.normal(0, 1.2, (600, 3)) + (0, -1, -3)


def binary_loss(stage: SigmoidStage, logits):
    shares = stage.probabilities(logits)
    return -np.log(np.where(HAS, shares, 1 - shares)).mean(0)


def test_no_other_scale_or_shift_of_a_label_is_better():
    found = tune_sigmoid_stage([OWN], HAS.astype(np.uint8), None)
    for name, change in (("scales", 1.3), ("scales", 1 / 1.3), ("shifts", -0.5), ("shifts", 1.5)):
        values = np.array(getattr(found, name))
        other = replace(found, **{name: tuple(values * change if name == "scales" else values + change)})
        assert (binary_loss(found, [OWN])[:2] < binary_loss(other, [OWN])[:2]).all()


def test_probabilities_of_a_label_are_as_frequent_as_it_is():
    shares = tune_sigmoid_stage([OWN * 5], HAS.astype(np.uint8), None).probabilities([OWN * 5])
    assert shares.mean(0) == pytest.approx(HAS.mean(0), abs=0.02)


def test_of_several_labels_a_member_that_knows_nothing_weighs_nothing():
    first, last = tune_sigmoid_stages([OWN, DRAW.normal(0, 2, (600, 3))], HAS.astype(np.uint8), (0.9,))
    assert (first.weights, first.exit, last.exit) == ((1.0,), 0.9, None)
    assert last.weights[0] > 0.85
    assert first.thresholds == last.thresholds


def test_a_label_that_no_row_has_stays_as_the_members_say_and_is_hardly_likely():
    found = tune_sigmoid_stages([OWN], np.zeros((600, 3), np.uint8), [])[-1]
    assert np.isfinite([*found.scales, *found.shifts]).all()
    assert found.thresholds == (0.5, 0.5, 0.5)
    assert found.probabilities([OWN]).mean() < 0.1


def test_rows_that_count_nothing_do_not_change_labels_either():
    counts = np.where(np.arange(600) < 300, 2.0, 0.0)
    found = tune_sigmoid_stages([OWN], HAS.astype(np.uint8), [], counts)[-1]
    half = tune_sigmoid_stages([OWN[:300]], HAS[:300].astype(np.uint8), [])[-1]
    assert found.scales == pytest.approx(half.scales, rel=1e-2)
    assert found.thresholds == pytest.approx(half.thresholds, abs=2e-3)


def f1_of(given, truth):
    return 2 * (given & truth).sum() / (given.sum() + truth.sum())


def test_thresholds_of_frequent_labels_are_the_best_there_are():
    shares = DRAW.random((5000, 1)) ** 3
    truth = DRAW.random((5000, 1)) < shares
    (threshold,) = tune_thresholds(shares, truth.astype(np.uint8))
    best = max(f1_of(shares >= t, truth) for t in np.linspace(0.05, 0.95, 181))
    assert f1_of(shares >= threshold, truth) == pytest.approx(best, abs=0.005)
    assert threshold == pytest.approx(best / 2, abs=0.05)  # Lipton et al. 2014


def test_thresholds_of_rare_labels_hang_less_on_chance():
    many = DRAW.random(20000) ** 8
    more = DRAW.random(20000) < many
    gains, steps = [], np.linspace(0.1, 0.9, 161)
    for seed in range(40):
        draw = np.random.default_rng(seed)
        shares = draw.random((80, 1)) ** 8
        truth = draw.random((80, 1)) < shares
        (tuned,) = tune_thresholds(shares, truth.astype(np.uint8))
        by_chance = steps[np.argmax([f1_of(shares >= step, truth) for step in steps])]
        assert 0.1 <= tuned <= 0.9
        gains.append(f1_of(many >= tuned, more) - f1_of(many >= by_chance, more))
    assert np.mean(gains) > 2 * np.std(gains) / np.sqrt(len(gains))


def test_a_calibrated_loss_of_labels_does_not_hang_on_how_large_logits_are():
    losses = [calibrated_sigmoid_loss(OWN * size, HAS.astype(np.uint8)) for size in (0.5, 1, 3)]
    assert losses == pytest.approx([losses[0]] * 3, rel=0.02)


def test_a_scale_at_its_bound_is_told():
    sound = tune_sigmoid_stage([OWN], HAS.astype(np.uint8), None)
    assert not ends_at_bound(sound)
    assert ends_at_bound(replace(sound, scales=(1.0, 0.01, 1.0)))
    assert farthest_temperature(replace(sound, scales=(1.0, 0.01, 2.0))) == pytest.approx(100)
