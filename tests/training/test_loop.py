import copy
import math
import re
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from nlpkit.errors import NlpkitError  # noqa: E402
from nlpkit.tasks.sentiment.objective import Classification  # noqa: E402
from nlpkit.tasks.sentiment.pretraining import Pretraining, pretraining_settings  # noqa: E402
from nlpkit.tasks.sentiment.settings import ClassifierTraining  # noqa: E402
from nlpkit.training.checkpoint import Checkpoint, State  # noqa: E402
from nlpkit.training.loop import Diverged, Epoch, Resumed, Step, Validation, fit  # noqa: E402
from nlpkit.training.optimizer import schedule_of  # noqa: E402
from tests.training.networks import classification, network, rows, weights  # noqa: E402

pytestmark = pytest.mark.train
SETTINGS = ClassifierTraining(epochs=3, batch_size=8, learning_rate=0.05, patience=2)
PLAIN = replace(SETTINGS, schedule="constant", warmup=0.0, clip=0.0)
NEVER = 1e9  # seconds between saves


def the(kind, events):
    return [event for event in events if isinstance(event, kind)]


def told(epochs):
    """What is the same in two runs that are."""
    return [{k: v for k, v in asdict(epoch).items() if k != "seconds"} for epoch in epochs]


def test_a_run_learns_and_reports():
    objective = classification(SETTINGS)
    events = list(fit(objective, SETTINGS, seed=0))
    steps, epochs = the(Step, events), the(Epoch, events)
    assert [(s.epoch, s.step, s.steps, s.epochs) for s in steps] == [
        (e, s, 5, 3) for e in (1, 2, 3) for s in range(1, 6)
    ]
    assert [sum(s.rows for s in steps if s.epoch == e) for e in (1, 2, 3)] == [40, 40, 40]
    assert [e.rows for e in epochs] == [40, 40, 40]
    assert epochs[-1].validation_loss < epochs[0].validation_loss
    assert epochs[-1].validation_accuracy > 0.9
    for epoch in epochs:
        its = [s for s in steps if s.epoch == epoch.epoch]
        assert epoch.train_loss == pytest.approx(sum(s.loss * s.rows for s in its) / 40)
        assert epoch.train_accuracy == sum(s.right for s in its) / 40
        assert epoch.norm == pytest.approx(np.mean([s.norm for s in its]))
        assert epoch.greatest_norm == max(s.norm for s in its)
        assert epoch.learning_rate == its[-1].rate


def test_early_stopping_keeps_the_best_weights():
    objective, best, epochs = classification(SETTINGS, validation=rows(2, flipped=True)), None, []
    for event in fit(objective, replace(SETTINGS, epochs=9), seed=0):
        if isinstance(event, Epoch):
            epochs.append(event)
            best = weights(objective.module) if event.best else best
    assert [e.best for e in epochs] == [True, False, False]  # the validation rows contradict: each epoch is worse
    assert weights(objective.module) == best
    assert objective.validate().loss == pytest.approx(epochs[0].validation_loss)


def test_a_seed_gives_the_same_weights_and_another_gives_others():
    found = []
    for seed in (0, 0, 1):
        objective = classification(SETTINGS, network(dropout=0.3))
        list(fit(objective, SETTINGS, seed=seed))
        found.append(weights(objective.module))
    assert found[0] == found[1] != found[2]


def test_a_loss_that_is_low_enough_ends_a_run():
    made = replace(SETTINGS, epochs=30, patience=30)
    losses = [epoch.train_loss for epoch in the(Epoch, fit(classification(made), made, seed=0))]
    wanted = losses[4] + 1e-6
    reached = next(number for number, loss in enumerate(losses, 1) if loss < wanted)
    stopped = replace(made, stop_loss=wanted)
    assert len(the(Epoch, fit(classification(stopped), stopped, seed=0))) == reached < 30


LONGER = replace(SETTINGS, min_steps=400)  # 80 epochs of 5 steps, judged in every second


def test_of_few_rows_a_run_makes_as_many_steps_as_it_must_at_least():
    events = list(fit(classification(LONGER), replace(LONGER, patience=3), seed=0))
    steps, epochs = the(Step, events), the(Epoch, events)
    assert [(s.epoch, s.step) for s in steps] == [(e, s) for e in range(1, 81) for s in range(1, 6)]
    assert {(s.steps, s.epochs) for s in steps} == {(5, 80)}
    assert [(e.epoch, e.rows) for e in epochs] == [(e, 80) for e in range(2, 81, 2)]
    assert steps[-1].rate < 1e-4 < steps[200].rate < steps[30].rate  # the schedule lasts as long
    for epoch in epochs:
        its = [s for s in steps if epoch.epoch - 2 < s.epoch <= epoch.epoch]
        assert epoch.train_loss == pytest.approx(sum(s.loss * s.rows for s in its) / 80)
        assert epoch.norm == pytest.approx(np.mean([s.norm for s in its]))


def test_its_patience_is_the_same_share_of_it():
    objective = classification(LONGER, validation=rows(2, flipped=True))
    epochs = the(Epoch, fit(objective, replace(LONGER, patience=1), seed=0))
    assert [e.best for e in epochs] == [True] + [False] * 14  # a third of 40 times
    assert objective.validate().loss == pytest.approx(epochs[0].validation_loss)


def test_a_run_that_is_long_enough_is_the_same_bit_for_bit():
    objectives = [classification(SETTINGS) for _ in range(2)]
    first, second = (
        told(the(Epoch, fit(one, replace(SETTINGS, min_steps=least), seed=0)))
        for one, least in zip(objectives, (0, 15), strict=True)
    )
    assert first == second
    assert weights(objectives[0].module) == weights(objectives[1].module)


class Told(Classification):
    """Judged by what it is told."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.figures = iter([(1.0, 0.5), (0.9, 0.4), (0.95, 0.6), (0.97, 0.6), (0.98, 0.6)])

    def validate(self):
        return Validation(*next(self.figures))


@pytest.mark.parametrize(
    ("monitor", "best"), [("loss", [True, True, False, False]), ("accuracy", [True, False, True, False, False])]
)
def test_an_epoch_is_judged_by_what_is_monitored(monitor, best):
    made = replace(SETTINGS, epochs=9, monitor=monitor)
    assert [e.best for e in the(Epoch, fit(classification(made, kind=Told), made, seed=0))] == best


class Sure(Told):
    """Too sure of itself, which calibration mends."""

    def validate(self):
        return replace(super().validate(), calibrated=partial(float, next(self.calibrated)))

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.calibrated = iter([0.9, 0.8, 0.7, 0.75, 0.76])


@pytest.mark.parametrize(
    ("least", "monitor", "best"),
    [
        (0, "loss", [True, True, False, False, False]),
        (21, "loss", [True, True, True, False, False]),
        (21, "accuracy", [True, False, True, False, False]),
    ],
)
def test_of_few_rows_an_epoch_is_judged_by_its_calibrated_loss(least, monitor, best):
    made = replace(SETTINGS, epochs=5 if not least else 4, patience=9, min_steps=least, monitor=monitor)
    epochs = the(Epoch, fit(classification(made, kind=Sure), made, seed=0))
    assert [e.best for e in epochs] == best
    known = [0.9, 0.8, 0.7, 0.75, 0.76] if least and monitor == "loss" else [None] * 5
    assert [e.calibrated_loss for e in epochs] == known
    assert [e.validation_loss for e in epochs] == [1.0, 0.9, 0.95, 0.97, 0.98]


class Numbers(Told):
    """As where none is simply right."""

    def validate(self):
        return replace(super().validate(), accuracy=None)


@pytest.mark.parametrize("monitor", ["loss", "accuracy"])
def test_an_epoch_without_an_accuracy_is_judged_by_its_loss(monitor):
    made = replace(SETTINGS, epochs=9, monitor=monitor)
    found = the(Epoch, fit(classification(made, kind=Numbers), made, seed=0))
    assert [e.best for e in found] == [True, True, False, False]
    assert {e.validation_accuracy for e in found} == {None}


# Interrupted and resumed: each of these must come to the weights that it would have come to undisturbed.
LANGUAGE = replace(SETTINGS, pretrain=3, pretrain_rate=0.02)
CASES = {
    "bag": (SETTINGS, {"dropout": 0.3}),
    "lstm": (SETTINGS, {"encoder": "lstm", "hidden": 4, "layers": 2, "dropout": 0.3}),
    "gru": (SETTINGS, {"encoder": "gru", "dropout": 0.2}),
    "batch norm": (SETTINGS, {"encoder": "rnn", "norm": "batch"}),
    "frozen head": (SETTINGS, {"hidden": 4, "dropout": 0.5}),
    "adam": (replace(SETTINGS, optimizer="adam"), {}),
    "amsgrad": (replace(SETTINGS, optimizer="amsgrad"), {}),
    "adadelta": (replace(SETTINGS, optimizer="adadelta", learning_rate=1.0), {}),
    "sgd": (replace(SETTINGS, optimizer="sgd"), {}),
    "sgd without momentum": (replace(SETTINGS, optimizer="sgd", momentum=0.0), {}),
    "balanced": (replace(SETTINGS, class_weights="balanced", loss="bce", schedule="linear"), {}),
    "r-drop": (replace(SETTINGS, r_drop=1.0, loss="mse"), {"dropout": 0.3}),
    "early stopping": (replace(SETTINGS, epochs=9, patience=1, learning_rate=0.9), {}),
    "few rows": (replace(SETTINGS, epochs=1, min_steps=35, batch_size=40, patience=1), {"dropout": 0.3}),
    "language model": (LANGUAGE, {"encoder": "lstm"}),
}
BROAD = ("bag", "lstm", "few rows", "early stopping", "language model")


def begun(case, seed):
    """The objective of a case, its network's weights drawn by a seed, and how it is trained."""
    made, options = CASES[case]
    if made is LANGUAGE:
        return Pretraining(network(**options, seed=seed), rows(1), made.batch_size), pretraining_settings(made)
    validation = rows(2, flipped=case == "early stopping")
    return classification(made, network(**options, seed=seed), validation=validation), made


@pytest.fixture(scope="module")
def undisturbed():
    """Each case's events and weights at the end."""
    found = {}
    for case in CASES:
        objective, made = begun(case, 0)
        events = list(fit(objective, made, seed=5))
        found[case] = events, weights(objective.module)
    return found


def check_resumed(case, undisturbed, path):
    """Go on from a file, and compare the whole with what nobody disturbed."""
    objective, made = begun(case, 99)  # all that it starts from is in the file
    torch.manual_seed(123)
    events = list(fit(objective, made, 5, Checkpoint(path, NEVER)))
    expected, end = undisturbed[case]
    resumed = the(Resumed, events)
    assert told([*(resumed[0].history if resumed else []), *the(Epoch, events)]) == told(the(Epoch, expected))
    assert weights(objective.module) == end
    if resumed:
        behind = (resumed[0].epoch, resumed[0].step)
        after = [s for s in the(Step, expected) if (s.epoch, s.step) > behind]
        assert the(Step, events) == after


moments = st.lists(st.integers(0, 30), min_size=1, max_size=3)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_run_that_is_closed_anywhere_comes_to_the_same_weights(undisturbed, tmp_path_factory, case):
    @settings(max_examples=6 if case in BROAD else 2)
    @given(moments)
    def closed_and_resumed(moments):
        path = tmp_path_factory.mktemp("state") / "state.safetensors"
        for seed, moment in enumerate(moments):
            objective, made = begun(case, seed)
            running = fit(objective, made, 5, Checkpoint(path, NEVER))
            for _ in zip(range(moment + 1), running, strict=False):
                pass
            running.close()
        assert path.exists()
        check_resumed(case, undisturbed, path)

    closed_and_resumed()


@pytest.mark.parametrize("case", BROAD)
def test_a_run_that_is_killed_anywhere_comes_to_the_same_weights(undisturbed, tmp_path, case):
    path, copied = tmp_path / "state.safetensors", tmp_path / "copy.safetensors"
    objective, made = begun(case, 0)
    states = [path.read_bytes() for _ in fit(objective, made, 5, Checkpoint(path, every=0))]  # what a kill would leave

    @settings(max_examples=6)
    @given(st.integers(0, len(states) - 1))
    def resumed(moment):
        copied.write_bytes(states[moment])
        check_resumed(case, undisturbed, copied)

    resumed()
    check_resumed(case, undisturbed, path)  # the last state is that of a run that ended


def test_a_run_that_has_ended_trains_no_more(tmp_path):
    path = tmp_path / "state.safetensors"
    first = classification(SETTINGS)
    epochs = the(Epoch, fit(first, SETTINGS, 0, Checkpoint(path)))
    again = classification(SETTINGS, network(seed=9))
    (resumed,) = fit(again, SETTINGS, 0, Checkpoint(path))
    assert list(resumed.history) == epochs
    assert weights(again.module) == weights(first.module)


def test_the_state_of_another_network_is_one_sentence(tmp_path):
    path = tmp_path / "state.safetensors"
    list(fit(classification(SETTINGS), SETTINGS, 0, Checkpoint(path)))
    other = classification(SETTINGS, network("gru", hidden=3))
    with pytest.raises(NlpkitError, match=r"state does not fit .*--force") as caught:
        list(fit(other, SETTINGS, 0, Checkpoint(path)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("values", [{}, {"epoch": 1, "nonsense": 2}])
def test_a_state_that_lacks_parts_is_one_sentence(tmp_path, values):
    checkpoint = Checkpoint(tmp_path / "state.safetensors")
    checkpoint.save(State({"one": torch.zeros(2)}, values))
    with pytest.raises(NlpkitError, match=r"state does not fit .*--force"):
        list(fit(classification(SETTINGS), SETTINGS, 0, checkpoint))


# Numbers that are none


class Breaking(Classification):
    """Its loss is no number at one of its steps."""

    at = 0

    def loss(self, rows):
        loss, right = super().loss(rows)
        self.at -= 1
        return (loss * math.nan if self.at == 0 else loss), right


def breaking(at, made=SETTINGS):
    objective = classification(made, kind=Breaking)
    objective.at = at
    return objective


@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_loss_that_is_no_number_before_any_epoch_says_where(step):
    with pytest.raises(NlpkitError, match=rf"loss is nan.* epoch 1, step {step}: lower training\.learning_rate"):
        list(fit(breaking(step), SETTINGS, seed=0))


@pytest.mark.parametrize("step", [6, 8, 11, 15])
def test_a_loss_that_is_no_number_later_ends_the_run_with_the_best_weights(step, tmp_path):
    path, best, events, objective = tmp_path / "state.safetensors", None, [], breaking(step)
    for event in fit(objective, SETTINGS, 0, Checkpoint(path)):
        events.append(event)
        if isinstance(event, Epoch) and event.best:
            best = weights(objective.module)
    *_, last = events
    epoch, step = (step - 1) // 5 + 1, (step - 1) % 5 + 1
    assert isinstance(last, Diverged)
    assert (last.epoch, last.step, last.best) == (epoch, step, epoch - 1)
    assert "loss is nan" in last.what
    assert len(the(Epoch, events)) == epoch - 1
    assert weights(objective.module) == best


def test_a_run_that_diverged_is_resumed_as_one_that_diverged(tmp_path):
    path, objective = tmp_path / "state.safetensors", breaking(8)
    first = list(fit(objective, SETTINGS, 0, Checkpoint(path)))
    again = classification(SETTINGS, network(seed=9))
    events = list(fit(again, SETTINGS, 0, Checkpoint(path)))
    assert the(Step, events) == []
    assert weights(again.module) == weights(objective.module)
    assert the(Diverged, events) == the(Diverged, first)


def test_a_gradient_that_is_no_number_ends_the_run_too():
    objective, seen = classification(SETTINGS), []
    parameter = next(objective.module.parameters())
    parameter.register_hook(lambda gradient: gradient * (math.inf if seen.append(1) or len(seen) == 8 else 1))
    *_, last = fit(objective, SETTINGS, seed=0)
    assert isinstance(last, Diverged)
    assert (last.epoch, last.step, last.best) == (2, 3, 1)
    assert re.search("norm of its gradient (inf|nan)", last.what)


def test_a_rate_beyond_all_measure_is_one_sentence():
    made = replace(PLAIN, learning_rate=1e38, optimizer="sgd")
    with pytest.raises(NlpkitError, match=r"epoch 1, step [23]: lower training\.learning_rate"):
        list(fit(classification(made), made, seed=0))


@pytest.mark.parametrize("monitor", ["loss", "accuracy"])
def test_weights_that_are_no_numbers_after_the_last_step_are_never_kept(monitor):
    made = replace(PLAIN, learning_rate=1e38, optimizer="sgd", epochs=1, batch_size=40, monitor=monitor)
    with pytest.raises(NlpkitError, match=r"lower training\.learning_rate"):
        list(fit(classification(made), made, seed=0))


def test_a_language_model_that_diverges_names_its_own_rate():
    made = replace(SETTINGS, pretrain=2, pretrain_rate=1e38)
    objective = Pretraining(network("lstm"), rows(1), 8)
    with pytest.raises(NlpkitError, match=r"lower training\.pretrain_rate"):
        list(fit(objective, pretraining_settings(made), seed=0))


# Steps, by hand


def by_hand(made, optimizer, clip=0.0, rates=None):
    """The weights and norms that torch's own parts come to over the same batches."""
    objective = classification(made)
    module, found = objective.module.train(), []
    optimizer = optimizer(list(module.parameters()))
    position = 0
    for epoch in range(1, made.epochs + 1):
        for chosen in objective.batches(epoch, np.random.default_rng((3, epoch))):
            if rates:
                optimizer.param_groups[0]["lr"] = rates[position]
            loss = torch.nn.functional.cross_entropy(*logits_and_labels(module, chosen))
            optimizer.zero_grad()
            loss.backward()
            found.append(torch.nn.utils.clip_grad_norm_(module.parameters(), clip or math.inf).item())
            optimizer.step()
            position += 1
    return module, found


def logits_and_labels(module, chosen):
    ids, mask, labels = rows(1).batch(chosen)
    return module(ids, mask), labels


def close(module, other):
    torch.testing.assert_close(dict(module.state_dict()), dict(other.state_dict()), rtol=1e-4, atol=1e-6)


OPTIMIZERS = {
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.9, 0.99), weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.9, 0.99), weight_decay=0.1),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.9, 0.99), weight_decay=0.1, amsgrad=True),
    "adadelta": lambda p: torch.optim.Adadelta(p, lr=0.05, weight_decay=0.1),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_move_weights_as_those_of_torch(name):
    made = replace(PLAIN, epochs=2, optimizer=name, weight_decay=0.1)
    objective = classification(made)
    before = weights(objective.module)
    steps = the(Step, fit(objective, made, seed=3))
    module, norms = by_hand(made, OPTIMIZERS[name])
    assert weights(objective.module) != before
    close(objective.module, module)
    assert [s.norm for s in steps] == pytest.approx(norms, rel=1e-4)


@pytest.mark.parametrize("clip", [0.05, 0.2, 5.0])
def test_gradients_are_clipped_as_by_torch_and_norms_are_those_before(clip):
    made = replace(PLAIN, epochs=1, optimizer="sgd", weight_decay=0.0, clip=clip)
    objective = classification(made)
    events = list(fit(objective, made, seed=3))
    module, norms = by_hand(made, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9), clip)
    close(objective.module, module)
    (epoch,) = the(Epoch, events)
    assert [s.norm for s in the(Step, events)] == pytest.approx(norms, rel=1e-4)
    assert epoch.clipped == pytest.approx(np.mean([norm > clip for norm in norms]))
    assert epoch.greatest_norm == pytest.approx(max(norms), rel=1e-4)


def test_without_clipping_norms_are_recorded():
    made = replace(PLAIN, learning_rate=1.0)
    epochs = the(Epoch, fit(classification(made), made, seed=0))
    assert all(e.clipped == 0 and 0 < e.norm <= e.greatest_norm for e in epochs)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_rates_rise_then_fall(schedule):
    factor = schedule_of(ClassifierTraining(schedule=schedule, warmup=0.1), 100)
    rising = [factor(step) for step in range(10)]
    falling = [factor(step) for step in range(10, 101)]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    assert falling[0] == 1
    assert falling[-1] == pytest.approx(1 if schedule == "constant" else 0)


def test_each_step_has_the_rate_of_the_schedule():
    made = replace(PLAIN, schedule="linear", warmup=0.2)
    steps = the(Step, fit(classification(made), made, seed=0))
    factor = schedule_of(made, 15)
    assert [s.rate for s in steps] == pytest.approx([0.05 * factor(step) for step in range(15)])
    objective = classification(made)
    list(fit(objective, made, seed=3))
    plain = lambda p: torch.optim.AdamW(p, betas=(0.9, 0.99), weight_decay=0.01)  # noqa: E731
    if the(Epoch, fit(classification(made), made, seed=3))[-1].best:
        close(objective.module, by_hand(made, plain, rates=[0.05 * factor(step) for step in range(15)])[0])


def test_what_was_given_is_trained_and_nothing_else():
    objective, other = classification(SETTINGS), network()
    before = copy.deepcopy(weights(other))
    list(fit(objective, SETTINGS, seed=0))
    assert weights(other) == before != weights(objective.module)


def test_the_embedding_has_a_rate_of_its_own():
    made = replace(SETTINGS, optimizer="sgd", momentum=0.0, weight_decay=0.0, clip=0.0, epochs=1, embedding_rate=0.001)
    slow, fast, before = (classification(kind) for kind in (made, replace(made, embedding_rate=None), made))
    for objective, kind in ((slow, made), (fast, replace(made, embedding_rate=None))):
        steps = fit(objective, kind, seed=0)
        assert next(steps).rate == 0.05  # what is told is that of the rest
        steps.close()
    moved = [
        {name: (tensor - before.module.state_dict()[name]) for name, tensor in one.module.state_dict().items()}
        for one in (slow, fast)
    ]
    for name, by_fast in moved[1].items():
        share = 0.02 if name.startswith("embedding.") else 1.0
        torch.testing.assert_close(moved[0][name], share * by_fast, rtol=1e-3, atol=1e-6)
    assert any(name.startswith("embedding.") and by_fast.any() for name, by_fast in moved[1].items())
