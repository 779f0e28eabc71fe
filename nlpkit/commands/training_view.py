"""Draws a training run: a live bar on a terminal, a row an epoch; on stdout nothing but the figures at its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from nlpkit.commands import console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from nlpkit.training.sentiment import Event, MemberExported, MemberStarted, Prepared, Saved


def show(events: Iterable[Event]) -> None:
    """Draw events until the run ends."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from nlpkit.training import loop, pretraining, sentiment

    screen = console(stderr=True)
    columns = (
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        TextColumn("{task.fields[what]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = _Bar(progress)
        for event in events:
            match event:
                case loop.Step():
                    bar.step(event)
                case loop.Epoch():
                    mark = "  best" if event.best else ""
                    screen.print(
                        f"  epoch {event.epoch:>3}  train {event.train_loss:.4f}  "
                        f"validation {event.validation_loss:.4f}  accuracy {event.validation_accuracy:.4f}  "
                        f"{event.seconds:.1f} s{mark}"
                    )
                case pretraining.PretrainingEpoch():
                    screen.print(f"  language model, epoch {event.epoch}  loss {event.loss:.4f}  {event.seconds:.1f} s")
                case sentiment.Prepared():
                    screen.print(_prepared(event))
                case sentiment.MemberStarted():
                    screen.print(_started(event))
                case sentiment.MemberExported():
                    screen.print(_exported(event))
                    bar.stop()
                case sentiment.Saved():
                    saved = event
    _saved(saved)


class _Bar:
    """The live line: epoch, loss and speed of the run at hand."""

    _task: TaskID | None = None

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._rows, self._since, self._loss = 0, time.monotonic(), 0.0

    def step(self, event: Any) -> None:
        if self._task is None or event.step == 1:
            self.stop()
            self._task = self._progress.add_task("", total=event.steps, epoch=event.epoch, what="")
            self._rows, self._since, self._loss = 0, time.monotonic(), event.loss
        self._rows += event.rows
        self._loss += 0.05 * (event.loss - self._loss)
        speed = self._rows / max(time.monotonic() - self._since, 1e-9)
        if self._task is not None:
            what = f"loss {self._loss:.4f}  {speed:,.0f} rows/s"
            self._progress.update(self._task, completed=event.step, what=what)

    def stop(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


def _prepared(event: Prepared) -> str:
    labels = ", ".join(f"{label} {n:,}" for label, n in sorted(event.labels.items()))
    return (
        f"{event.rows:,} rows; dropped: {event.duplicates:,} copies, {event.conflicts:,} texts under several labels, "
        f"{event.empty:,} without letters\n"
        f"train {event.train:,} ({labels}), validation {event.validation:,}, test {event.test:,}"
    )


def _started(event: MemberStarted) -> str:
    return f"{event.name}: {event.composition}; {event.parameters:,} parameters, {event.vocabulary:,} ids"


def _exported(event: MemberExported) -> str:
    return (
        f"{event.name}: exported as a {event.runtime}, {event.size / 1e6:.2f} MB; "
        f"greatest difference of a probability from torch on {event.checked} rows: {event.difference:.2g}"
    )


def _saved(event: Saved) -> None:
    from nlpkit.commands.sentiment import show_metrics

    for stage in event.stages:
        leave = "" if stage.exit is None else f", leaves at {stage.exit}"
        console(stderr=True).print(f"mixture {list(stage.weights)}, temperature {stage.temperature}{leave}")
    if event.metrics:
        show_metrics(dict(event.metrics))
    use = f"nlpkit sentiment score FILE --model {event.folder}"
    console(stderr=True).print(f"saved {event.folder} ({event.size / 1e6:.1f} MB): {use}")
