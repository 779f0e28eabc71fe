"""Series of numbers: in which spans they are learnt, what is judged of them, and how a network runs on by itself."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
from nlpkit import SettingError  # noqa: E402
from nlpkit.training import Checkpoint, Epoch, RowTraining, Step, fit  # noqa: E402
from series_networks import DIM, NETWORKS, OUTPUTS, series_network, weights  # noqa: E402
from torch.nn import functional  # noqa: E402

from nlpkit_diagnose.series import Series, SeriesPrediction, outputs_of, run_on  # noqa: E402

pytestmark = pytest.mark.train
SETTINGS = RowTraining(epochs=3, batch_size=2, learning_rate=0.05)
NEVER = 1e9  # seconds between saves
each = pytest.mark.parametrize("name", NETWORKS)
kinds = pytest.mark.parametrize("labels", [True, False], ids=["labels", "numbers"])


def series(rows=5, time=7, *, labels=False, lead=0, seed=0):
    """Random numbers; the label of a step, or its three numbers, follow from it and the one before."""
    draw = np.random.default_rng(seed)
    inputs = draw.normal(size=(rows, time, DIM)).astype(np.float32)
    before = np.roll(inputs, 1, 1)
    targets = np.stack([inputs[:, :, 0], before[:, :, 1], inputs[:, :, 0] - before[:, :, 0]], 2)
    return Series(inputs, targets.argmax(2) if labels else targets, lead)


def prediction(name="gru", train=None, validation=None, made=SETTINGS, span=3, **options):
    return SeriesPrediction(
        series_network(name, **options), train or series(), validation or series(3, seed=1), made, span
    )


def losses(outputs, targets):
    """The loss of each step, by torch's own functions."""
    if targets.dtype == torch.int64:
        return functional.cross_entropy(outputs.transpose(1, 2), targets, reduction="none")
    return functional.mse_loss(outputs, targets, reduction="none")


def whole_losses(network, data, chosen):
    """The loss of each step of some rows, each read in one go."""
    with torch.inference_mode():
        return losses(network(torch.from_numpy(data.inputs[chosen]))[0], torch.from_numpy(data.targets[chosen]))


@given(st.integers(1, 7), st.integers(1, 6), st.integers(1, 9), st.integers(1, 10), st.integers(0, 1 << 32))
def test_every_step_of_every_row_that_is_chosen_comes_once(rows, time, size, span, seed):
    made = prediction(train=series(rows, time), made=replace(SETTINGS, batch_size=size), span=span)
    beside, seen = min(size, rows), []
    found = [np.divmod(begins, time) for begins in made.batches(1, np.random.default_rng(seed))]
    for number, (chosen, at) in enumerate(found):
        assert len(set(chosen.tolist())) == beside
        assert set(at.tolist()) == {number * span % (-(-time // span) * span)}  # spans follow each other
        assert at[0] == 0 or chosen.tolist() == found[number - 1][0].tolist()  # and their rows stay
        seen += [(row, step) for row in chosen.tolist() for step in range(at[0], min(at[0] + span, time))]
    assert len(seen) == len(set(seen)) == (rows - rows % beside) * time


def test_rows_that_are_left_over_are_others_in_each_epoch():
    made = prediction(train=series(5, 4))
    epochs = [made.batches(epoch, np.random.default_rng((0, epoch))) for epoch in range(1, 9)]
    sat_out = [set(range(5)) - {row for begins in epoch for row in (begins // 4).tolist()} for epoch in epochs]
    assert all(len(rows) == 1 for rows in sat_out)
    assert len(set.union(*sat_out)) > 2


@each
@kinds
@pytest.mark.parametrize("span", [1, 3, 7, 9])
def test_spans_lose_what_the_same_steps_of_a_whole_reading_lose(name, labels, span):
    data = series(labels=labels)
    made = prediction(name, data, span=span)
    made.module.eval()
    network = made.module.network
    for epoch in (1, 2):  # the second begins anew
        for begins in made.batches(epoch, np.random.default_rng(epoch)):
            (rows, at), (loss, right) = np.divmod(begins, 7), made.loss(begins)
            expected = whole_losses(network, data, rows)[:, at[0] : at[0] + span].mean()
            torch.testing.assert_close(loss.detach(), expected, atol=1e-5, rtol=1e-4)
            assert right is None


@each
def test_no_gradient_crosses_from_span_to_span(name):
    found = {}
    for way in ("spans", "cut", "whole"):
        made = prediction(name, series(2), made=replace(SETTINGS, batch_size=2))
        made.module.eval()
        network = made.module.network
        first, second, _ = made.batches(1, np.random.default_rng(0))
        if way == "spans":
            made.loss(first)
            made.loss(second)[0].backward()
        else:
            inputs, targets = (torch.from_numpy(part[first // 7]) for part in (series(2).inputs, series(2).targets))
            _, state = network(inputs[:, :3])
            state = [tensor.detach() for tensor in state] if way == "cut" else state
            losses(network(inputs[:, 3:6], state)[0], targets[:, 3:6]).mean().backward()
        found[way] = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
    torch.testing.assert_close(found["spans"], found["cut"], atol=1e-6, rtol=1e-4)
    assert not torch.allclose(found["spans"], found["whole"], atol=1e-4)


@each
@kinds
@pytest.mark.parametrize("lead", [0, 2, 6])
def test_a_lead_is_read_but_not_judged(name, labels, lead):
    data = series(3, labels=labels, lead=lead, seed=1)
    made = prediction(name, series(labels=labels), data)
    network = made.module.network.eval()
    found, expected = made.validate(), whole_losses(network, data, slice(None))[:, lead:]
    assert found.loss == pytest.approx(expected.mean().item(), rel=1e-4)
    outputs = outputs_of(network, data)
    assert outputs.shape == (3, 7 - lead, OUTPUTS)
    right = outputs.argmax(2).numpy() == data.targets[:, lead:] if labels else None
    assert found.accuracy == (pytest.approx(right.mean()) if labels else None)
    if lead:
        data.targets[:, :lead] = 0
        assert made.validate() == found
        data.inputs[:, :lead] += 1
        assert made.validate().loss != found.loss


def test_validating_leaves_what_is_carried():
    made = prediction()
    first, second, third = made.batches(1, np.random.default_rng(0))[:3]
    made.module.eval()
    expected = [made.loss(begins)[0].item() for begins in (first, second, third)]
    made.loss(first)
    made.validate()
    assert [made.loss(begins)[0].item() for begins in (second, third)] == expected[1:]


@pytest.mark.slow
@pytest.mark.long
@each
@kinds
def test_a_network_learns_what_depends_on_the_step_before(name, labels):
    chosen = replace(SETTINGS, epochs=60, batch_size=8, learning_rate=0.02)
    made = prediction(name, series(32, 8, labels=labels), series(16, 8, labels=labels, seed=1), chosen, span=4)
    events = list(fit(made, chosen, seed=0))
    epochs = [event for event in events if isinstance(event, Epoch)]
    assert min(epoch.validation_loss for epoch in epochs) < 0.62  # without the step before, no less than 2 / 3
    assert all((epoch.validation_accuracy is None) is not labels for epoch in epochs)
    assert {event.right for event in events if isinstance(event, Step)} == {None} == {e.train_accuracy for e in epochs}


@pytest.mark.slow
@pytest.mark.long
@each
@pytest.mark.parametrize("broken", [1, 2, 5, 6, 8, 17])  # of 6 steps an epoch, three to a row
def test_a_run_that_is_broken_off_within_a_row_comes_to_the_same_weights(tmp_path, name, broken):
    whole, path = prediction(name, dropout=0.2), tmp_path / "state.safetensors"
    expected = [event for event in fit(whole, SETTINGS, 0) if isinstance(event, Step)]
    assert len(expected) == 18
    first = fit(prediction(name, dropout=0.2), SETTINGS, 0, Checkpoint(path, NEVER))
    for _ in zip(range(broken), (event for event in first if isinstance(event, Step)), strict=False):
        pass
    first.close()
    again = prediction(name, dropout=0.2)
    torch.manual_seed(9)
    steps = [event for event in fit(again, SETTINGS, 0, Checkpoint(path, NEVER)) if isinstance(event, Step)]
    assert steps == expected[broken:]
    assert weights(again.module) == weights(whole.module)


def test_numbers_have_no_accuracy_by_which_to_judge():
    made = replace(SETTINGS, monitor="accuracy")
    with pytest.raises(SettingError, match=r"training\.monitor=accuracy wants labels.*: set it to loss"):
        prediction(made=made)
    prediction(train=series(labels=True), made=made)


@each
@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 6))
@settings(max_examples=10)
def test_running_on_is_reading_all_that_was_read_and_foretold_anew(name, rows, time, steps):
    network = RUNNING[name]
    read = torch.from_numpy(series(rows, time).inputs)
    for _ in range(steps):
        with torch.inference_mode():
            read = torch.cat([read, network(read)[0][:, -1:]], 1)
    found = run_on(network, read[:, :time].numpy(), steps)
    assert (found.shape, found.dtype) == ((rows, steps, DIM), np.float32)
    np.testing.assert_allclose(found, read[:, time:].numpy(), atol=1e-5, rtol=1e-4)


RUNNING = {name: series_network(name, outputs=DIM).eval() for name in NETWORKS}


def test_running_on_sees_to_dropout_itself():
    network = series_network("gru", outputs=DIM, dropout=0.5).train()
    first, second = (run_on(network, series().inputs, 4) for _ in range(2))
    assert first.tolist() == second.tolist()


def test_answers_of_another_shape_cannot_be_fed_back():
    with pytest.raises(SettingError, match=f"^{OUTPUTS} outputs cannot be fed to a network that reads {DIM}$"):
        run_on(NETWORKS["gru"], series().inputs, 2)
