"""Numbers for sequences of numbers: what is learnt, by what an epoch is judged, and what a prediction depends on."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from nlpkit import SettingError, registry  # noqa: E402
from nlpkit.model import POOLINGS, Head, HeadSettings, VectorNetwork  # noqa: E402
from nlpkit.training import Epoch, Rows, RowTraining, Step, fit, logits_of  # noqa: E402

from nlpkit_diagnose.regression import Regression  # noqa: E402

pytestmark = pytest.mark.train
DIM, OUTPUTS = 3, 2
SETTINGS = RowTraining(epochs=30, batch_size=16, learning_rate=0.05, patience=30)
RULE = np.array([[1.0, -2.0], [0.5, 0.0], [-1.0, 3.0]], dtype=np.float32)
ENCODERS = {
    "none": {},
    "cnn": {"filters": 2},
    "rnn": {"hidden": 4},
    "lstm": {"hidden": 4, "norm": "layer"},
    "gru": {"hidden": 4, "bidirectional": False},
    "transformer": {"dim": 4, "heads": 1},
}


def rows(lengths, seed=0):
    """Vectors of random numbers; what is asked for is a rule's answer to the mean of a row."""
    draw = np.random.default_rng(seed)
    inputs = [draw.normal(size=(length, DIM)).astype(np.float32) for length in lengths]
    return Rows.of(inputs, np.stack([row.sum(0) / max(1, len(row)) @ RULE for row in inputs]))


def network(encoder="none", **head):
    torch.manual_seed(1)
    layer = registry().get("encoder", encoder).create(ENCODERS[encoder], input_dim=DIM)
    made = HeadSettings(**{"pooling": "mean", **head})
    return VectorNetwork(layer, Head(made, input_dim=layer.output_dim, labels=OUTPUTS))


TRAIN, VALIDATION = rows([1, 2, 3, 4] * 20), rows([0, 1, 5, 2], seed=1)


def test_a_linear_rule_is_learnt():
    objective = Regression(network(), TRAIN, VALIDATION, SETTINGS)
    events = list(fit(objective, SETTINGS, seed=0))
    epochs = [event for event in events if isinstance(event, Epoch)]
    assert epochs[0].validation_loss > 0.5 > 1e-3 > epochs[-1].validation_loss
    errors = logits_of(objective.module, VALIDATION).numpy() - VALIDATION.targets
    assert np.abs(errors).sum() < 0.02 * np.abs(VALIDATION.targets).sum()
    assert {(epoch.train_accuracy, epoch.validation_accuracy) for epoch in epochs} == {(None, None)}
    assert {event.right for event in events if isinstance(event, Step)} == {None}


def test_losses_are_squared_errors():
    objective = Regression(network("gru"), TRAIN, VALIDATION, replace(SETTINGS, batch_size=3))
    found = logits_of(objective.module, VALIDATION).numpy()
    judged = objective.validate()
    assert judged.loss == pytest.approx(np.mean([(found - VALIDATION.targets) ** 2]))
    assert judged.accuracy is None
    chosen = np.array([3, 0, 7])
    loss, right = objective.loss(chosen)
    found = logits_of(objective.module, TRAIN).numpy()[chosen]
    assert (loss.item(), right) == (pytest.approx(np.square(found - TRAIN.targets[chosen]).mean()), None)


def test_numbers_have_no_accuracy_by_which_to_judge():
    with pytest.raises(SettingError, match=r"training\.monitor=accuracy wants labels.*: set it to loss") as caught:
        Regression(network(), TRAIN, VALIDATION, replace(SETTINGS, monitor="accuracy"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoder", ENCODERS)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=9), st.integers(2, 9), st.sampled_from(POOLINGS))
@settings(max_examples=20)
def test_neither_padding_nor_the_rows_beside_it_change_a_prediction(encoder, lengths, size, pooling):
    made, found = network(encoder, pooling=pooling, hidden=4, norm="batch", dropout=0.3), rows(lengths)
    together, alone = logits_of(made, found, size), logits_of(made, found, 1)
    assert together.shape == (len(lengths), OUTPUTS)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_targets_that_would_be_spread_over_the_batch_are_refused():
    flat = replace(TRAIN, targets=TRAIN.targets[:, 0])
    with pytest.raises(ValueError, match=r"targets must be \(rows, outputs\)"):
        Regression(network("none"), flat, VALIDATION, SETTINGS)
