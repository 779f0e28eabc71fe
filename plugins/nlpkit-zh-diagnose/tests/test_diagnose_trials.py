"""Whole diagnoses with real encoders: what they find, what they refuse, and that they go on where they stopped."""

import json
import math
import re
from dataclasses import asdict, replace

import pytest

torch = pytest.importorskip("torch")

from nlpkit import DataError, NlpkitError, PluginError, SettingError, registry  # noqa: E402
from nlpkit.plugins import Component  # noqa: E402
from nlpkit.training import Diverged, Epoch, Resumed, Step  # noqa: E402
from tiny_diagnoses import quick, task_of  # noqa: E402

from nlpkit_diagnose.ball import Ball  # noqa: E402
from nlpkit_diagnose.diagnosis import Began, Ended, Unlearnt, diagnose  # noqa: E402
from nlpkit_diagnose.letters import Letters  # noqa: E402
from nlpkit_diagnose.settings import settings_of  # noqa: E402
from nlpkit_diagnose.task import name_trial  # noqa: E402
from nlpkit_diagnose.tasks import TASKS  # noqa: E402

pytestmark = pytest.mark.train
SEQUENCES = ("digit-sum", "letters", "ball")  # any encoder
SERIES = ("sine", "stock")  # one that reads one way and carries a state
CARRYING = ("rnn", "lstm", "gru", "transformer")
FIGURES = {
    "digit-sum": {"accuracy", "development"},
    "letters": {"accuracy"},
    "ball": {"1 - relative error", "1 - sum of errors / sum", "longer"},
    "sine": {"RMSE of the free run", "last step"},
    "stock": {"accuracy", "baseline", "account", "holding"},
    "salary": {"1 - relative error", "1 - sum of errors / sum"},
}


@pytest.fixture
def tasks(prices, salaries):
    """Each task by its name."""
    return {task.name: task_of(task.name, prices, salaries) for task in TASKS}


def events_of(task, encoders, *assignments, seeds=(0,), run=None, every=0.0):
    settings = settings_of(task, encoders, quick(task.name, *assignments), {})
    return diagnose(task, settings, seeds, run, every=every)


def ended(events):
    return [event for event in events if isinstance(event, Ended)]


def known(event):
    """All of a trial but what the clock says."""
    history = [asdict(replace(epoch, seconds=0.0)) for epoch in event.history]
    return json.loads(json.dumps({"result": asdict(replace(event.result, seconds=0.0)), "history": history}))


@pytest.mark.parametrize(
    ("name", "encoders"),
    [
        *((name, ["gru", "cnn", "none", "transformer"]) for name in SEQUENCES),
        *((name, CARRYING) for name in SERIES),
        ("salary", ["none"]),
    ],
)
def test_every_task_measures_the_encoders_that_it_accepts(tasks, name, encoders):
    found = ended(events_of(tasks[name], encoders))
    assert {event.result.encoder for event in found} == set(encoders)
    for event in found:
        result = event.result
        assert set(result.figures) == FIGURES[name]
        assert (result.seed, result.epochs, result.best, result.diverged) == (0, 1, 1, False)
        assert len(event.history) == 1
        assert result.parameters > 0
        assert result.config == json.loads(json.dumps(result.config))


@pytest.mark.parametrize("name", [*SEQUENCES, *SERIES])
def test_a_strangers_encoder_runs_through_every_task_without_code_of_its_own(tasks, name):
    pytest.importorskip("nlpkit_srn")
    found = ended(events_of(tasks[name], ["srn"]))
    assert {event.result.config["hidden"] for event in found} == {32}
    assert set(found[0].result.figures) == FIGURES[name]


def test_an_encoder_with_one_layer_of_norm_and_dropout_carries_its_state(tasks):
    settings = ("gru.norm=layer", "gru.layers=2", "gru.dropout=0.2", "gru.weight_dropout=0.2")
    assert ended(events_of(tasks["stock"], ["gru"], *settings))[0].result.config["norm"] == "layer"


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize(
    ("encoders", "assignments", "sentence"),
    [
        (["cnn"], [], "the encoder cnn sees what comes after, which is yet to come: choose another, such as lstm"),
        (["gru", "cnn"], [], "the encoder cnn sees what comes after"),
        (["none"], [], "carries no state from one step to the next: choose lstm, gru, rnn or transformer"),
        (["gru", "none"], [], "carries no state"),
        (["gru"], ["gru.bidirectional=true"], "sees what comes after.*: set encoder.bidirectional=false"),
        (["gru", "transformer"], ["transformer.causal=false"], "sees what comes after.*: set encoder.causal=true"),
        (["gru", "rnn"], ["rnn.hidden=0"], "hidden"),
    ],
)
def test_encoders_that_do_not_go_with_a_task_are_refused_before_anything_is_learnt(
    tasks, name, encoders, assignments, sentence
):
    with pytest.raises(SettingError, match=sentence):
        next(events_of(tasks[name], encoders, *assignments))


def test_numbers_are_not_judged_by_their_accuracy(tasks):
    for name in ("ball", "sine", "salary"):
        with pytest.raises(SettingError, match="monitor=accuracy wants labels"):
            next(events_of(tasks[name], ["none" if name == "salary" else "gru"], "training.monitor=accuracy"))


def test_data_that_make_no_task_are_refused_before_anything_is_learnt(tasks):
    with pytest.raises(SettingError, match="of length 2 there are 0 sequences"):
        next(events_of(tasks["digit-sum"], ["gru"], "data.lengths=[10, 2]"))
    with pytest.raises(DataError, match="wanted"):
        next(events_of(tasks["stock"], ["gru"], "data.train=500"))


def test_every_encoder_has_its_turn_before_any_seed_is_the_second(tasks):
    events = list(events_of(tasks["digit-sum"], ["gru", "rnn"], seeds=(3, 4)))
    began = [event for event in events if isinstance(event, Began)]
    names = [name_trial(encoder, length, seed) for seed in (3, 4) for encoder in ("gru", "rnn") for length in "46"]
    assert [event.name for event in began] == names == [event.result.name for event in ended(events)]
    assert [(event.position, event.total) for event in began] == [(at, 8) for at in range(1, 9)]
    assert {event.result.condition for event in ended(events)} == {"4", "6"}
    assert [event.parameters for event in began] == [event.result.parameters for event in ended(events)]
    kinds = [type(event) for event in events[:8]]
    assert kinds == [Began, *[Step] * 4, Epoch, Ended, Began]


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_a_seed_always_comes_to_the_same_and_another_seed_to_something_else(tasks, name):
    encoders = ["none"] if name == "salary" else ["gru"]
    first, again = (list(map(known, ended(events_of(tasks[name], encoders, seeds=(5,))))) for _ in range(2))
    torch.rand(7)  # nothing depends on what was drawn before
    alone = list(map(known, ended(events_of(tasks[name], encoders, seeds=(4, 5)))))
    assert first == again == [found for found in alone if found["result"]["seed"] == 5]
    losses = {found["result"]["seed"]: found["history"] for found in alone}
    assert losses[4] != losses[5]


def test_an_encoder_comes_to_the_same_whatever_stands_beside_it(tasks):
    beside = {
        event.result.encoder: known(event) for event in ended(events_of(tasks["letters"], ["rnn", "gru", "lstm"]))
    }
    assert known(ended(events_of(tasks["letters"], ["gru"]))[0]) == beside["gru"]


def test_the_best_epoch_is_measured(tasks):
    settings = ("training.learning_rate=0.3", "training.schedule=constant")
    found = ended(events_of(tasks["letters"], ["gru"], *settings, "training.epochs=8"))[0]
    losses = [epoch.validation_loss for epoch in found.history]
    best = losses.index(min(losses)) + 1
    assert found.result.best == best < 8
    shorter = ended(events_of(tasks["letters"], ["gru"], *settings, f"training.epochs={best}"))[0]
    assert found.result.figures == shorter.result.figures


def test_training_stops_where_it_gets_no_better(tasks):
    found = ended(
        events_of(tasks["ball"], ["gru"], "training.epochs=50", "training.learning_rate=1", "training.patience=1")
    )
    assert found[0].result.epochs < 50
    assert found[0].result.epochs == found[0].result.best + 1 == len(found[0].history)


RESUMED = ("training.epochs=2", "gru.dropout=0.3", "rnn.dropout=0.3")  # whose random numbers go on, too
EVENTS = 2 * 2 * (1 + 2 * 4 + 1)  # two encoders, two seeds; a trial begins, 3 steps and an epoch twice, ends


@pytest.fixture(scope="module")
def uninterrupted():
    return list(map(known, ended(events_of(Letters(), ["gru", "rnn"], *RESUMED, seeds=(0, 1)))))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("at", [1, 2, 4, 5, 8, 9, 10, 11, 13, 25, EVENTS - 1, EVENTS])
def test_a_run_that_was_interrupted_comes_to_the_same_and_does_nothing_twice(tmp_path, uninterrupted, at):
    events = events_of(Letters(), ["gru", "rnn"], *RESUMED, seeds=(0, 1), run=tmp_path)
    seen = [next(events) for _ in range(at)]
    events.close()
    done = [event.result.name for event in ended(seen)]
    rest = list(events_of(Letters(), ["gru", "rnn"], *RESUMED, seeds=(0, 1), run=tmp_path))
    assert list(map(known, ended(rest))) == uninterrupted
    began = [event.name for event in rest if isinstance(event, Began)]
    assert not set(began) & set(done)
    assert len(began) == 4 - len(done)
    steps = sum(isinstance(event, Step) for event in seen), sum(isinstance(event, Step) for event in rest)
    assert sum(steps) == 4 * 2 * 3
    assert any(isinstance(event, Resumed) for event in rest) == (len(seen) > 10 * len(done) + 1)


@pytest.mark.parametrize("name", ["digit-sum", "ball", "sine", "stock", "salary"])
def test_every_task_can_be_gone_on_with(tmp_path, tasks, name):
    encoders = ["none"] if name == "salary" else ["lstm"]
    more = ("training.epochs=3", *(["lstm.dropout=0.2"] if name != "salary" else ["head.dropout=0.2"]))
    whole = list(map(known, ended(events_of(tasks[name], encoders, *more))))
    found, interrupted = [], 0
    while len(found) < len(whole):  # each attempt makes a few steps
        events = events_of(tasks[name], encoders, *more, run=tmp_path)
        found = []
        for count, event in enumerate(events):
            found += ended([event])
            if count > 5 + 2 * len(found):
                break
        events.close()
        interrupted += 1
        assert interrupted < 40
    assert interrupted > 1
    assert list(map(known, found)) == whole


def test_a_run_that_was_killed_goes_on_from_the_state_saved_last(tmp_path, uninterrupted):
    saved = {}
    events = events_of(Letters(), ["gru", "rnn"], *RESUMED, seeds=(0, 1), run=tmp_path)
    for count, _ in enumerate(events):
        if count == 25:  # what a process leaves that has no time to close anything
            saved = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
            break
    events.close()
    for path in list(tmp_path.rglob("*")):
        if path.is_file():
            path.write_bytes(saved[path]) if path in saved else path.unlink()
    rest = list(events_of(Letters(), ["gru", "rnn"], *RESUMED, seeds=(0, 1), run=tmp_path))
    assert list(map(known, ended(rest))) == uninterrupted
    assert sum(isinstance(event, Began) for event in rest) == 2


def test_no_state_stays_of_a_trial_that_has_ended(tmp_path, tasks):
    list(events_of(tasks["ball"], ["gru"], seeds=(0, 1), run=tmp_path))
    assert list(tmp_path.glob("*.safetensors")) == []
    kept = [f"gru-{seed}.{kind}" for seed in (0, 1) for kind in ("json", "safetensors")]
    assert sorted(path.name for path in (tmp_path / "trained").iterdir()) == kept


DIVERGING = ("rnn.nonlinearity=relu", "training.learning_rate=1e12")


class Breaking(torch.nn.Module):
    """What comes in, until it is asked too often."""

    causal, output_dim = True, 1

    def __init__(self):
        super().__init__()
        self.config, self._asked = {}, 0
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, vectors, mask, state=None):  # noqa: ARG002
        self._asked += 1
        if self._asked > 4:
            raise ValueError("it is enough")
        return vectors * self.weight, None


def test_an_encoder_that_fails_in_training_is_told_with_its_trial_and_its_line(monkeypatch):
    def breaking(*, input_dim):  # noqa: ARG001
        return Breaking()

    made = Component("encoder", "breaking", breaking, "theirs", "1.0", "theirs")
    monkeypatch.setitem(registry().components, ("encoder", "breaking"), made)
    told = r"^breaking-0, epoch \d: ValueError: it is enough \(.*test_diagnose_trials.py, line \d+\)$"
    with pytest.raises(PluginError, match=told):
        list(events_of(Ball(), ["breaking"]))


def test_a_trial_that_diverges_in_its_first_epoch_is_measured_as_it_began_and_the_others_go_on(tmp_path):
    events = list(events_of(Ball(), ["rnn", "none"], *DIVERGING))
    broken, whole = ended(events)
    (told,) = (event for event in events if isinstance(event, Unlearnt))
    assert "lower training.learning_rate" in told.why
    assert (broken.result.diverged, broken.result.epochs, broken.result.best) == (True, 0, 0)
    assert not whole.result.diverged
    assert all(map(math.isfinite, broken.result.figures.values()))
    still = ended(events_of(Ball(), ["rnn"], "rnn.nonlinearity=relu", "training.learning_rate=1e-30"))[0]
    assert broken.result.figures == pytest.approx(still.result.figures)
    seen = events_of(Ball(), ["rnn", "none"], *DIVERGING, run=tmp_path)
    while not isinstance(next(seen), Unlearnt):
        pass
    seen.close()
    again = ended(events_of(Ball(), ["rnn", "none"], *DIVERGING, run=tmp_path))
    assert list(map(known, again)) == list(map(known, [broken, whole]))


RISING = ("training.optimizer=sgd", "training.learning_rate=1e6", "training.clip=0", "training.schedule=constant")


def test_a_trial_that_diverges_later_is_measured_as_it_was_best(tmp_path):
    settings = (*RISING, "training.epochs=20")
    (found,) = ended(events_of(Ball(), ["none"], *settings))
    assert found.result.diverged
    assert found.result.best <= found.result.epochs == len(found.history) < 20
    shorter = ended(events_of(Ball(), ["none"], *RISING, f"training.epochs={found.result.best}"))[0].result
    assert (found.result.figures, found.result.curves) == (shorter.figures, shorter.curves)
    assert not shorter.diverged
    for event in (events := events_of(Ball(), ["none"], *settings, run=tmp_path)):
        if isinstance(event, Diverged):
            events.close()
    assert list(map(known, ended(events_of(Ball(), ["none"], *settings, run=tmp_path)))) == [known(found)]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"result": {}, "history": []}'])
def test_what_is_kept_of_a_trial_and_damaged_is_named(tmp_path, damage):
    list(events_of(Ball(), ["none"], run=tmp_path))
    path = tmp_path / "trained" / "none-0.json"
    path.write_text(damage)
    with pytest.raises(NlpkitError, match=re.escape(f"{path} is damaged")):
        list(events_of(Ball(), ["none"], run=tmp_path))
