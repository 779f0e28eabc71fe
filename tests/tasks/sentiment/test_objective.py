from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from nlpkit.tasks.sentiment.objective import (  # noqa: E402
    Classification,
    Teaching,
    divergence,
    row_losses,
    soft_losses,
    weigh_labels,
)
from nlpkit.tasks.sentiment.settings import ClassifierTraining  # noqa: E402
from nlpkit.training.batching import Rows, logits_of  # noqa: E402
from nlpkit.training.loop import fit  # noqa: E402
from tests.training.networks import classification, network, rows  # noqa: E402

pytestmark = pytest.mark.train
SETTINGS = ClassifierTraining(epochs=4, batch_size=8, learning_rate=0.05)
LABELS = torch.tensor([0, 2, 1, 2, 0])


def logits(labels=3):
    return torch.randn(5, labels, generator=torch.Generator().manual_seed(4)) * 3


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_is_that_of_torch(smoothing):
    found = row_losses("cross_entropy", logits(), LABELS, smoothing)
    torch.testing.assert_close(found.mean(), functional.cross_entropy(logits(), LABELS, label_smoothing=smoothing))
    assert found.shape == (5,)


def smoothed(smoothing):
    """Targets by hand: the label's own, and an even share of what smoothing takes for each label."""
    targets = torch.full((5, 3), smoothing / 3)
    for row, label in enumerate(LABELS):
        targets[row, label] += 1 - smoothing
    return targets


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_bce_and_mse_are_those_of_torch(smoothing):
    bce, mse = (row_losses(name, logits(), LABELS, smoothing) for name in ("bce", "mse"))
    expected = functional.binary_cross_entropy(torch.sigmoid(logits()), smoothed(smoothing))
    torch.testing.assert_close(bce.mean(), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mse.mean(), functional.mse_loss(torch.softmax(logits(), 1), smoothed(smoothing)))
    torch.testing.assert_close(bce[1:2], row_losses("bce", logits()[1:2], LABELS[1:2], smoothing))


def test_mse_by_hand():
    found = row_losses("mse", torch.log(torch.tensor([[0.7, 0.3]])), torch.tensor([0]))
    assert found.item() == pytest.approx((0.3**2 + 0.3**2) / 2)


def test_balanced_weights_by_hand():
    labels = np.array([0] * 6 + [1] * 3 + [2])
    assert weigh_labels(labels, 3).tolist() == pytest.approx([10 / (3 * 6), 10 / (3 * 3), 10 / 3])
    assert weigh_labels(labels, 3)[labels].mean().item() == pytest.approx(1)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_balanced_labels_weigh_alike_together(labels):
    found = np.array(labels)
    together = np.bincount(found, weigh_labels(found, 4)[found].numpy(), 4)
    there = np.bincount(found, minlength=4) > 0
    assert together[there] == pytest.approx(len(labels) / 4)
    assert np.isfinite(weigh_labels(found, 4).numpy()).all()


def one_loss(settings, chosen):
    return classification(settings, train=rows(1, rare=0.2)).loss(chosen)


def test_a_weighted_loss_is_a_mean_over_rows():
    chosen, train = np.arange(40), rows(1, rare=0.2)
    found, right = one_loss(replace(SETTINGS, class_weights="balanced", label_smoothing=0.1), chosen)
    ids, mask, labels = train.batch(chosen)
    made = network()(ids, mask)
    losses = functional.cross_entropy(made, labels, label_smoothing=0.1, reduction="none")
    weights = weigh_labels(train.targets, 2)[labels]
    torch.testing.assert_close(found, (losses * weights).mean())
    sums = functional.cross_entropy(made, labels, weight=weigh_labels(train.targets, 2), reduction="sum")
    torch.testing.assert_close(one_loss(replace(SETTINGS, class_weights="balanced"), chosen)[0], sums / 40)
    assert right == (made.argmax(1) == labels).sum().item()


def rare_rows(seed, count=1500):
    """One row in twenty of label 1; some ids of such a row tell it from the others."""
    draw = np.random.default_rng(seed)
    labels = (draw.random(count) < 0.05).astype(np.int64)
    ids = [np.where(draw.random(6) < 0.2 * label, 9, draw.integers(2, 10, 6)) for label in labels]
    return Rows.of(ids, labels)


def test_balanced_weights_find_more_of_a_rare_label():
    recall = {}
    for name in ("none", "balanced"):
        made = replace(SETTINGS, class_weights=name, learning_rate=0.02)
        objective = classification(made, train=rare_rows(1), validation=rare_rows(2))
        list(fit(objective, made, seed=0))
        found, test = logits_of(objective.module, rare_rows(3)).argmax(1).numpy(), rare_rows(3)
        recall[name] = (found == 1)[test.targets == 1].mean()
    assert recall["balanced"] > recall["none"] + 0.2


@pytest.mark.parametrize("loss", ["cross_entropy", "bce", "mse"])
def test_every_loss_learns(loss):
    made = replace(SETTINGS, loss=loss)
    objective = classification(made)
    before = objective.validate()
    list(fit(objective, made, seed=0))
    after = objective.validate()
    assert after.loss < before.loss
    assert after.accuracy > 0.9


def test_validation_has_no_smoothing_and_no_weights():
    plain, changed = SETTINGS, replace(SETTINGS, label_smoothing=0.4, class_weights="balanced", r_drop=1.0)
    found = [classification(made, validation=rows(2, rare=0.2)).validate() for made in (plain, changed)]
    for figure in (lambda v: v.loss, lambda v: v.accuracy, lambda v: v.calibrated()):
        assert figure(found[0]) == figure(found[1])
    ids, mask, labels = rows(2, rare=0.2).batch(np.arange(40))
    made = network()(ids, mask)
    assert found[0].loss == pytest.approx(functional.cross_entropy(made, labels).item(), rel=1e-5)
    assert found[0].accuracy == (made.argmax(1) == labels).double().mean().item()


def test_r_drop_adds_the_difference_of_two_passes():
    made = replace(SETTINGS, r_drop=0.7)
    objective = Classification(network(dropout=0.5).train(), rows(1), rows(2), made, 2)
    chosen = np.arange(40)
    torch.manual_seed(8)
    found, _ = objective.loss(chosen)
    torch.manual_seed(8)
    ids, mask, labels = rows(1).batch(chosen)
    one, other = objective.module(ids, mask), objective.module(ids, mask)
    mean = (functional.cross_entropy(one, labels) + functional.cross_entropy(other, labels)) / 2
    torch.testing.assert_close(found, mean + 0.7 * divergence(one, other))
    assert divergence(one, other) > 0


def test_divergence_is_none_between_equals_and_symmetric():
    one, other = torch.randn(5, 3), torch.randn(5, 3)
    assert divergence(one, one).item() == pytest.approx(0)
    assert divergence(one, other).item() == pytest.approx(divergence(other, one).item())
    expected = functional.kl_div(one.log_softmax(1), other.log_softmax(1), log_target=True, reduction="batchmean")
    expected += functional.kl_div(other.log_softmax(1), one.log_softmax(1), log_target=True, reduction="batchmean")
    assert divergence(one, other).item() == pytest.approx(expected.item() / 2, rel=1e-5)


def test_logits_stand_in_the_order_of_the_rows():
    made, found = network("lstm", dropout=0.5).train(), rows(1)
    together = logits_of(made, found, 7)
    alone = torch.cat([made.eval()(*found.batch(np.array([row]))[:2]) for row in range(len(found))])
    torch.testing.assert_close(together, alone.detach())


# Taught by another model

TRAIN = rows(1)
SAID = np.random.default_rng(5).dirichlet((0.5, 0.5), len(TRAIN)).astype(np.float32)
SOME = np.array([3, 11, 20, 38])


def gradients(teaching, **changes):
    """Of the loss of some rows."""
    made = network()
    objective = Classification(made, TRAIN, rows(2), replace(SETTINGS, **changes), 2, teaching)
    loss, _ = objective.loss(SOME)
    loss.backward()
    return loss.item(), torch.cat([p.grad.flatten() for p in made.parameters()])


def expected_gradients(targets, weights=None, temperature=1.0):
    """Of cross entropy against probabilities ``(rows, labels)``, by torch."""
    made = network()
    ids, mask, _ = TRAIN.batch(SOME)
    losses = functional.cross_entropy(made(ids, mask) / temperature, torch.from_numpy(targets[SOME]), reduction="none")
    (losses * (1 if weights is None else torch.from_numpy(weights[SOME]))).mean().backward()
    return torch.cat([p.grad.flatten() for p in made.parameters()])


def hard(targets=TRAIN.targets):
    return np.eye(2, dtype=np.float32)[targets]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_teachers_share_mixes_targets(share):
    teaching = Teaching(probabilities=SAID, labelled=len(TRAIN), share=share)
    _, found = gradients(teaching)
    torch.testing.assert_close(found, expected_gradients((1 - share) * hard() + share * SAID))


def test_rows_without_labels_learn_from_the_teacher_alone_and_those_without_answer_from_labels():
    said = SAID.copy()
    said[[3, 38]] = np.nan
    said[38] = SAID[38]
    targets = hard()
    targets[11] = 0.5 * targets[11] + 0.5 * said[11]
    targets[[20, 38]] = said[[20, 38]]  # behind the labelled ones
    _, found = gradients(Teaching(probabilities=said, labelled=20, share=0.5))
    torch.testing.assert_close(found, expected_gradients(targets))


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_a_temperature_softens_both_and_keeps_gradients_as_large(temperature):
    soft = SAID ** (1 / temperature)
    soft = soft / soft.sum(1, keepdims=True)
    loss, found = gradients(Teaching(probabilities=SAID, labelled=0, temperature=temperature))
    torch.testing.assert_close(found, temperature**2 * expected_gradients(soft, temperature=temperature))
    assert loss >= 0


def test_rows_weigh_as_their_corpora_do():
    weights = np.linspace(0.2, 1.8, len(TRAIN), dtype=np.float32)
    _, found = gradients(Teaching(weights=weights))
    torch.testing.assert_close(found, expected_gradients(hard(), weights))
    _, both = gradients(Teaching(weights=weights, probabilities=SAID, labelled=len(TRAIN), share=0.5))
    torch.testing.assert_close(both, expected_gradients(0.5 * hard() + 0.5 * SAID, weights))


def test_balanced_labels_weigh_in_the_teachers_probabilities_as_in_labels():
    """Against probabilities as against labels drawn by them, on average."""
    weight = weigh_labels(TRAIN.targets, 2)
    _, found = gradients(Teaching(probabilities=SAID, labelled=0), class_weights="balanced")
    made = network()
    ids, mask, _ = TRAIN.batch(SOME)
    losses = functional.cross_entropy(made(ids, mask), torch.from_numpy(SAID[SOME]), weight=weight, reduction="none")
    losses.mean().backward()
    torch.testing.assert_close(found, torch.cat([p.grad.flatten() for p in made.parameters()]))


def test_labels_weigh_by_the_weights_of_their_rows():
    labels, weights = np.array([0, 0, 1, 1]), np.array([1.5, 1.5, 0.5, 0.5], dtype=np.float32)
    found = weigh_labels(labels, 2, weights)
    assert found.tolist() == pytest.approx([4 / (2 * 3), 4 / (2 * 1)])


@pytest.mark.parametrize("name", ["cross_entropy", "bce", "mse"])
def test_the_loss_is_least_where_the_student_says_what_the_teacher_says(name):
    said = torch.from_numpy(SAID[:5]).clamp(0.01, 0.99)
    said = said / said.sum(1, keepdim=True)
    same = torch.logit(said) if name == "bce" else said.log()
    for shift in (0.1, 1.0, -1.0):
        assert (soft_losses(name, same + torch.tensor([shift, -shift]), said) > soft_losses(name, same, said)).all()
    sure = torch.tensor([[1.0, 0.0]])
    assert torch.isfinite(soft_losses(name, torch.tensor([[3.0, -2.0]]), sure)).all()


def test_validation_rows_count_as_they_are_judged():
    judging = np.where(np.arange(len(rows(2))) < 10, 4.0, 0.0)
    made = network()
    found = Classification(made, TRAIN, rows(2), SETTINGS, 2, Teaching(judging=judging)).validate()
    first = Classification(made, TRAIN, rows(2).take(10), SETTINGS, 2).validate()
    assert (found.loss, found.accuracy) == (pytest.approx(first.loss), pytest.approx(first.accuracy))


def test_a_student_learns_what_no_label_says():
    """All labels are wrong; the teacher is right."""
    wrong = rows(1, flipped=True)
    teaching = Teaching(probabilities=hard(1 - wrong.targets) * 0.9 + 0.05, labelled=len(wrong), share=0.9)
    made = network()
    for _ in fit(Classification(made, wrong, rows(2), SETTINGS, 2, teaching), SETTINGS, 0):
        pass
    answers = logits_of(made, rows(2)).argmax(1).numpy()
    assert (answers == rows(2).targets).mean() > 0.9
