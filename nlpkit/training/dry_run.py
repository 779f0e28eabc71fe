"""A dry run: what a run would compose, how large it would be and how fast, from the first rows of a corpus."""

from __future__ import annotations

import itertools
import random
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import torch

from nlpkit.model.bundle import WEIGHTS
from nlpkit.tasks.base import Task, resolve
from nlpkit.text.corpus import Example
from nlpkit.training.base_model import BaseModel
from nlpkit.training.devices import choose_device
from nlpkit.training.events import Event, Note, Remark
from nlpkit.training.loop import Diverged, Objective, Step, fit
from nlpkit.training.member import Layer, Member, prepare_member
from nlpkit.training.run import Run, count_rows, remark_on_dealing
from nlpkit.training.run_folder import CORPUS
from nlpkit.training.settings import LoopSettings
from nlpkit.training.teacher import Trial

T = TypeVar("T")
MOST_ROWS = 1_000_000  # rows of the corpus that are read at most
SAMPLE_ROWS = 20_000  # of them by which the run is judged
SECONDS = 3.0  # of training show the speed
MAIN_SETTINGS = ("epochs", "batch_size", "batch_tokens", "streams", "loss", "optimizer", "learning_rate", "patience")
WARMUP_STEPS = 3  # steps that are left out: a network warms up


@dataclass(frozen=True)
class LoopPlan:
    """A loop as it would be.

    :param what: that it is, if it is not the main one.
    :param epochs: at most.
    :param epoch: seconds that an epoch over the sample takes, on this machine as busy as it is now; None for too few
        steps to tell.
    """

    what: str
    epochs: int
    epoch: float | None


@dataclass(frozen=True)
class MemberPlan:
    """One member as it would be.

    :param size: bytes in the model, without the weights as trained.
    :param weights: bytes of these.
    :param training: settings of the loop that are not the defaults, and those that say how long it lasts.
    :param base: what it has of the saved model from which training would go on.
    """

    name: str
    layers: Sequence[Layer]
    vocabulary: int
    parameters: int
    runtime: str
    size: int
    weights: int
    loops: Sequence[LoopPlan]
    training: Mapping[str, Any]
    base: str | None = None


@dataclass(frozen=True)
class Plan:
    """A whole run, judged by its first rows.

    :param rows: read; ``whole`` says whether these were all.
    :param sample: of these, by which it was judged.
    :param train: training rows among the sample; ``labels`` counts them by label.
    :param remarks: what a user should know of the files that parts were given, and of the rows.
    :param notes: what was done with the rows, a sentence each.
    :param unlabelled: rows of the sample that train besides, without labels.
    """

    rows: int
    whole: bool
    sample: int
    train: int
    labels: Mapping[str, int]
    members: Sequence[MemberPlan]
    remarks: Sequence[str] = ()
    notes: Sequence[str] = ()
    unlabelled: int = 0


def plan(
    task: Task, rows: Iterable[Example], settings: Any, base: BaseModel | None = None, device: str = "cpu"
) -> Plan:
    """Compose every member on the first rows, train each for a moment, and keep nothing.

    :param base: the saved model from which training would go on.
    :param device: where networks would be trained.
    :raises DataError: if these rows could not be trained on.
    """
    run: Run = resolve(task.run)(task, settings)
    place = choose_device(device)
    if base is not None:
        run.go_on_from(base)
    remarks = run.rehearse()
    sample, count, whole = _sample(rows, settings.seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:  # Windows holds on to files that are mapped
        folder = Path(name)
        corpus = drain(run.store(folder / CORPUS, sample), remarks)
        counts = count_rows(corpus, labelled=task.rows.answer == "label")
        notes: list[str] = list(run.notes(corpus))
        remarks += [*remark_on_dealing(corpus), *run.remarks(corpus)]
        run.trial = Trial(SECONDS, count / max(len(sample), 1))
        data = drain(run.prepare(folder, corpus), remarks, notes)
        if base is not None:
            remarks += [event.sentence for event in run.remark_on_base(base, corpus) if isinstance(event, Remark)]
        members = [
            _plan_member(run.make_member(position, data), folder, place) for position in range(len(settings.members))
        ]
        unlabelled = len(corpus.rows("unlabelled")) if corpus.unlabelled else 0
        return Plan(count, whole, len(sample), counts.train, counts.labels, members, remarks, notes, unlabelled)


def _sample(rows: Iterable[Example], seed: int) -> tuple[list[Example], int, bool]:
    """Rows drawn evenly from the first (Vitter 1985, algorithm R), how many were read, and whether these are all."""
    draw, count = random.Random(seed), 0
    sample: list[Example] = []
    rows = iter(rows)
    for count, example in enumerate(itertools.islice(rows, MOST_ROWS), start=1):
        if len(sample) < SAMPLE_ROWS:
            sample.append(example)
        elif (place := draw.randrange(count)) < SAMPLE_ROWS:
            sample[place] = example
    return sample, count, next(rows, None) is None


def _plan_member(member: Member, folder: Path, device: torch.device) -> MemberPlan:
    drain(prepare_member(member, folder), [])
    start, layers = member.describe(), member.layers()
    loops: list[LoopPlan] = []

    def minimise(
        objective: Objective, settings: LoopSettings, what: str = ""
    ) -> Generator[Event, None, Diverged | None]:
        loops.append(_plan_loop(what, fit(objective, settings, member.seed, device=device), settings.epochs))
        yield from ()
        return None

    drain(member.train(minimise), [])
    export = member.export()
    return MemberPlan(
        *(member.name, layers, start.vocabulary if start else 0, start.parameters if start else 0),
        *(export.entry["runtime"], export.size, len(export.files.get(WEIGHTS, b"")), loops),
        *(_pick_settings(member.loop_settings), member.describe_base()),
    )


def _pick_settings(training: Any) -> dict[str, Any]:
    if training is None:
        return {}
    defaults = {f.name: f.default for f in fields(training) if f.default is not MISSING}
    return {k: v for k, v in asdict(training).items() if k in MAIN_SETTINGS or v != defaults.get(k)}


def _plan_loop(what: str, events: Iterator[Any], epochs: int) -> LoopPlan:
    """Find how many epochs a loop has, and the seconds that one takes; it is given up after a moment."""
    steps, start, each = 0, 0.0, 0
    for count, event in enumerate((e for e in events if isinstance(e, Step)), start=1):
        epochs = event.epochs
        if count <= WARMUP_STEPS:
            start = time.monotonic()
            continue
        steps, each = steps + 1, event.steps
        if time.monotonic() - start > SECONDS:
            break
    return LoopPlan(what, epochs, each * (time.monotonic() - start) / steps if steps else None)


def drain(steps: Generator[Any, None, T], remarks: list[str], notes: list[str] | None = None) -> T:
    """Return what a generator returns at its end; take down the remarks among its events, and the notes."""
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if isinstance(event, Remark):
            remarks.append(event.sentence)
        elif isinstance(event, Note) and notes is not None:
            notes.append(event.sentence)
