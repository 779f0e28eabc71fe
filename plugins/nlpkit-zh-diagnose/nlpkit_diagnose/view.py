"""Draws a diagnosis: a live line and a line for each trial on stderr, a table or JSON on stdout."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click
from nlpkit.commands import format_duration, make_console, make_table

from nlpkit_diagnose.summary import Spread, summarise

if TYPE_CHECKING:
    from nlpkit.commands import Bar
    from nlpkit.training import Epoch, Step

    from nlpkit_diagnose.diagnosis import Began, Ended, Event
    from nlpkit_diagnose.networks import SavedNetwork
    from nlpkit_diagnose.report import Diagnosis
    from nlpkit_diagnose.task import Result, Task


HUGE = 1e5  # a figure of something that ran away


class Drawing:
    """Says what happens, an event at a time, and keeps what came of it."""

    def __init__(self, task: Task, say: Callable[[str], None], bar: Bar) -> None:
        self._task, self._say, self._bar = task, say, bar
        self.results: list[Result] = []
        self.histories: dict[str, list[Epoch]] = {}
        self.networks: dict[str, SavedNetwork] = {}
        self._began: Began
        self._told = False
        self._since, self._share = time.monotonic(), -1.0

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        from nlpkit.training import Diverged, Resumed, Step

        from nlpkit_diagnose import diagnosis

        match event:
            case Step():
                self._step(event)
            case diagnosis.Began():
                if event.total > 1 and not self._told:
                    self._say(f"{event.total} trials")
                self._began, self._told = event, True
                if self._share < 0:  # what was done before took no time of ours
                    self._since, self._share = time.monotonic(), (event.position - 1) / event.total
            case diagnosis.Ended():
                self._end(event)
            case Resumed():
                self._say(f"{self._began.name}: resumed at epoch {event.epoch}, behind step {event.step}")
            case Diverged():
                self._say(
                    f"{self._began.name}: {event.what} in epoch {event.epoch}: ended, and kept epoch {event.best}"
                )
            case diagnosis.Unlearnt():
                self._say(f"{self._began.name}: {event.why}; it is measured as it began")

    def _step(self, event: Step) -> None:
        if not self._bar.due():
            return
        began = self._began
        within = (event.epoch - 1 + event.step / event.steps) / event.epochs
        done = (began.position - 1 + within) / began.total
        spent = time.monotonic() - self._since
        gone = done - self._share
        left = f"  {format_duration(spent * (1 - done) / gone)} left" if spent > 2 and gone > 0 else ""
        what = f"loss {event.loss:.4f}  epoch {event.epoch}/{event.epochs}{left}"
        self._bar.update(f"{began.name}  {began.position} of {began.total}", round(done * 10_000), 10_000, what)

    def _end(self, event: Ended) -> None:
        result = event.result
        self.results.append(result)
        self.histories[result.name] = list(event.history)
        if event.network is not None:
            self.networks[result.name] = event.network
        figure = result.figures[self._task.figure]
        self._say(
            f"{result.name}: {self._task.figure} {figure:.4f}; {result.parameters:,} parameters, "
            f"epoch {result.best} of {result.epochs}, {result.seconds:.1f} s"
        )


def show_table(diagnosis: Diagnosis) -> None:
    """Print a row for each encoder and condition, and what must be read with them."""
    rows = summarise(diagnosis.results)
    task = diagnosis.task
    conditions = any(row.condition for row in rows)
    columns = [*(["length"] if conditions else []), *rows[0].figures, "seconds", "parameters"]
    table = make_table("encoder", *(f">{column}" for column in columns))
    cells = [_format_column([row.figures[name] for row in rows]) for name in rows[0].figures]
    for row, figures in zip(rows, zip(*cells, strict=True), strict=True):
        facts = (f"{row.seconds:.1f}", f"{row.parameters:,}")
        table.add_row(row.encoder, *([row.condition] if conditions else []), *figures, *facts)
    table.add_row("tutorial", *([""] if conditions else []), task.tutorial)
    screen = make_console()
    screen.print(table)
    better, seeds = "higher" if task.higher else "lower", max(row.seeds for row in rows)
    screen.print(f"{task.figure}: {better} is better; {seeds} {'seeds' if seeds > 1 else 'seed'}")
    for sentence in diagnosis.findings():
        screen.print(sentence)


def _format_column(figures: Sequence[Spread]) -> list[str]:
    """Format means and, if seeds differ anywhere, standard deviations, all with as many digits."""
    digits = 4 if any(0 < abs(figure.mean) < 0.1 for figure in figures) else 3
    spread = any(figure.spread for figure in figures)
    return [
        _format_number(figure.mean, digits)
        + (f" ± {_format_number(figure.spread, digits)}" if spread and figure.spread is not None else "")
        for figure in figures
    ]


def _format_number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if abs(value) < HUGE else f"{value:.2g}"


def show_json(diagnosis: Diagnosis) -> None:
    """Print all figures as one JSON document."""
    click.echo(diagnosis.document(), nl=False)
