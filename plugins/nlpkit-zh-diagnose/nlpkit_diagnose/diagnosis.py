"""A diagnosis: trials of encoders under a task's conditions, each with several seeds; all that is done is kept."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import torch
from nlpkit import NlpkitError, PluginError, SettingError
from nlpkit.files import replace_file
from nlpkit.model import spread
from nlpkit.training import Checkpoint, Diverged, Epoch, Resumed, Step, fit

from nlpkit_diagnose.networks import SavedNetwork, dump_networks, load_networks
from nlpkit_diagnose.task import Result, Settings, Task, Trial, name_trial

DONE = "trained"  # the folder of a run's finished trials


@dataclass(frozen=True)
class Began:
    """A trial begins: which of how many, and how many of its numbers are trained."""

    name: str
    position: int
    total: int
    parameters: int


@dataclass(frozen=True)
class Ended:
    """A trial ended, or had ended before the run was resumed.

    :param history: its epochs.
    :param network: what it has learnt, unless its task keeps no networks.
    """

    result: Result
    history: Sequence[Epoch]
    network: SavedNetwork | None = None


@dataclass(frozen=True)
class Unlearnt:
    """A trial diverged in its first epoch, and is measured as it began."""

    why: str


Event: TypeAlias = Began | Ended | Unlearnt | Step | Epoch | Resumed | Diverged


def diagnose(
    task: Task,
    settings: Mapping[str, Settings],
    seeds: Sequence[int],
    run: Path | None = None,
    *,
    every: float = 30.0,
    finished: Mapping[str, Ended] | None = None,
    jobs: int = 1,
) -> Generator[Event, None, None]:
    """Make all trials, and tell how they go.

    :param settings: for each encoder by its name.
    :param run: a folder that keeps what is done: what an earlier attempt finished there is not done again. None keeps
        nothing.
    :param every: seconds between saves of the state of a trial.
    :param finished: trials by their names that an earlier diagnosis has made: they are taken as they are.
    :param jobs: processes, each of which makes some of the trials; with several, steps and epochs are not told.
    :raises SettingError: before anything is learnt, if an encoder does not go with the task.
    """
    trials = list(_list_trials(task, settings, seeds))
    for encoder, condition, seed in trials:
        if seed == seeds[0]:
            _compose(task, settings[encoder], (encoder, condition, seed))
    taken = {which: ended for which in trials if (ended := _find_ended(run, name_trial(*which), finished or {}))}
    places = {which: Place(which, position, len(trials)) for position, which in enumerate(trials, 1)}
    make = Maker(task, settings, run, every, torch.get_num_threads())
    if jobs == 1:
        for which, place in places.items():
            yield from [taken[which]] if which in taken else make.events(place)
        return
    yield from taken.values()
    for _, events in spread(make, [place for which, place in places.items() if which not in taken], jobs):
        yield from events


def _find_ended(run: Path | None, name: str, finished: Mapping[str, Ended]) -> Ended | None:
    """Return what came of a trial, if an earlier diagnosis or attempt has made it."""
    return finished.get(name) or TrialFiles(run, name).read()


@dataclass(frozen=True)
class Place:
    """A trial that is to be made, and which of how many it is."""

    which: Which
    position: int
    total: int


@dataclass(frozen=True)
class Maker:
    """Makes trials, in this process or, as it can be sent there, in another."""

    task: Task
    settings: Mapping[str, Settings]
    run: Path | None
    every: float
    threads: int

    def __call__(self) -> Callable[[Place], list[Event]]:
        """Begin as another process: return what makes a trial, and tells all but its steps and epochs."""
        torch.set_num_threads(self.threads)
        return lambda place: [event for event in self.events(place) if not isinstance(event, Step | Epoch)]

    def events(self, place: Place) -> Generator[Event, None, None]:
        """Make a trial, and tell how it goes."""
        which, settings = place.which, self.settings[place.which[0]]
        kept = TrialFiles(self.run, name_trial(*which))
        trial = _compose(self.task, settings, which)
        yield Began(kept.name, place.position, place.total, trial.parameters)
        ended = yield from _run_trial(self.task, trial, settings, which, Checkpoint(kept.state, self.every))
        kept.write(ended)
        yield ended


Which: TypeAlias = tuple[str, str, int]  # encoder, condition, seed


def _list_trials(task: Task, settings: Mapping[str, Settings], seeds: Sequence[int]) -> Iterator[Which]:
    """List the trials: every encoder once before any seed is the second."""
    for seed in seeds:
        for encoder, chosen in settings.items():
            for condition in task.conditions(chosen.data):
                yield encoder, condition, seed


def _compose(task: Task, settings: Settings, which: Which) -> Trial:
    """Compose a trial that has learnt nothing, the same each time."""
    _, condition, seed = which
    torch.manual_seed(seed)
    return task.trial(condition, settings, seed)


def _run_trial(
    task: Task, trial: Trial, settings: Settings, which: Which, checkpoint: Checkpoint
) -> Generator[Event, None, Ended]:
    """Fit one trial, and measure it; one that diverges in its first epoch is measured as it began."""
    epochs: list[Epoch] = []
    diverged = False
    fitting = fit(trial.objective, settings.training, which[2], checkpoint)
    try:
        for event in fitting:
            match event:
                case Resumed():
                    epochs = list(event.history)
                case Epoch():
                    epochs.append(event)
                case Diverged():
                    diverged = True
            yield event
    except SettingError as error:
        yield Unlearnt(str(error))
        trial, diverged, epochs = _compose(task, settings, which), True, []
    except Exception as error:
        raise _make_error(error, which, len(epochs) + 1) from error
    finally:
        fitting.close()  # so that it saves its state when we are closed
    try:
        measured = trial.measure()
    except Exception as error:
        raise _make_error(error, which, len(epochs)) from error
    best = max((epoch.epoch for epoch in epochs if epoch.best), default=0)
    seconds = sum(epoch.seconds for epoch in epochs)
    facts: dict[str, Any] = {"parameters": trial.parameters, "epochs": len(epochs), "best": best, "seconds": seconds}
    facts |= {"diverged": diverged, "config": dict(trial.encoder), "reads": trial.reads}
    result = Result(*which, measured.figures, measured.curves, **facts)
    return Ended(result, epochs, _save_network(task, trial, result, epochs, settings))


def _save_network(
    task: Task, trial: Trial, result: Result, epochs: Sequence[Epoch], settings: Settings
) -> SavedNetwork | None:
    """Take the network of a trial, and note which it is, and how it was judged: the less, the better."""
    if trial.network is None:
        return None
    judged = None
    for epoch in epochs:
        if epoch.epoch == result.best:
            by_accuracy = settings.training.monitor == "accuracy" and epoch.validation_accuracy is not None
            judged = -(epoch.validation_accuracy or 0.0) if by_accuracy else epoch.validation_loss
    which = {"encoder": result.encoder, "condition": result.condition, "seed": result.seed}
    return SavedNetwork.of(trial.network, {"task": task.name, **which, "judged": judged, **trial.plan})


def _make_error(error: Exception, which: Which, epoch: int) -> Exception:
    """Return our faults, files' and memory's as they are; of a stranger's code, say what it raised, in which trial, and
    the innermost line outside of torch.
    """
    if isinstance(error, NlpkitError | OSError | MemoryError):
        return error
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f"{os.sep}torch{os.sep}" not in f.filename]
    said = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return PluginError(
        "{trial_name}, epoch {epoch}: {said} ({filename}, line {lineno})",
        trial_name=name_trial(*which),
        epoch=epoch,
        said=said,
        filename=frames[-1].filename,
        lineno=frames[-1].lineno,
    )


class TrialFiles:
    """What a run's folder holds of one trial.

    :param run: None keeps nothing.
    """

    def __init__(self, run: Path | None, name: str) -> None:
        self.name = name
        file = quote(name, safe="")
        self.state = None if run is None else run / f"{file}.safetensors"
        self._path = None if run is None else run / DONE / f"{file}.json"
        self._network = None if run is None else run / DONE / f"{file}.safetensors"

    def read(self) -> Ended | None:
        """Read what came of it, if it has ended.

        :raises NlpkitError: if the file is damaged.
        """
        if self._path is None or self._network is None or not self._path.exists():
            return None
        try:
            found = json.loads(self._path.read_text("utf-8"))
            network = load_networks(self._network)[self.name] if self._network.exists() else None
            return Ended(Result(**found["result"]), [Epoch(**epoch) for epoch in found["history"]], network)
        except (ValueError, KeyError, TypeError) as error:
            raise NlpkitError(
                "{path} is damaged ({error}): remove it, and go on by --resume", path=self._path, error=error
            ) from error

    def write(self, ended: Ended) -> None:
        """Keep what came of it, and no state any more."""
        if self._path is not None and self._network is not None and self.state is not None:
            self._path.parent.mkdir(exist_ok=True)
            if ended.network is not None:  # first: by the other file it is known that the trial has ended
                replace_file(self._network, dump_networks({self.name: ended.network}))
            told = {"result": asdict(ended.result), "history": [asdict(epoch) for epoch in ended.history]}
            replace_file(self._path, json.dumps(told).encode())
            self.state.unlink(missing_ok=True)
