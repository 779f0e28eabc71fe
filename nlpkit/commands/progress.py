"""The live line of a run on a terminal, and what Ctrl-C does to it."""

from __future__ import annotations

import functools
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

import click

from nlpkit.commands.printing import make_console, say
from nlpkit.commands.signals import exit_code, signal_of, stop
from nlpkit.errors import Sentence
from nlpkit.language import translate

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from nlpkit.training.loop import Step

E = TypeVar("E")
PER_SECOND = 10  # times that the bar is told something new


@contextmanager
def draw_live() -> Iterator[tuple[Callable[[str], None], Bar]]:
    """Yield what prints on stderr above a live line, and that line, which is drawn on a terminal alone."""
    from rich.progress import BarColumn, Progress, TextColumn

    screen = make_console(stderr=True)
    text = functools.partial(TextColumn, markup=False)
    columns = (text("{task.description}"), BarColumn(bar_width=12), text("{task.fields[what]}"))
    with Progress(*columns, console=screen, transient=True, disable=not sys.stderr.isatty()) as progress:
        yield screen.print, Bar(progress)


def follow(events: Generator[E, None, None], draw: Callable[[E], None], *, resumable: bool = True) -> int:
    """Draw events, and return 0 when they have come to their end, else the exit code of the signal that ended them.

    At the first Ctrl-C (or SIGTERM) they are closed, so that they save their state.

    :param resumable: whether there is a state to go on from.
    """
    try:
        with _listen_for_stop() as interrupted:
            for event in events:
                draw(event)
                if number := interrupted():
                    events.close()
                    return exit_code(number)
        return 0
    except KeyboardInterrupt as error:
        say(
            "Interrupted at once: the same command with --resume goes on from the state that was saved last."
            if resumable
            else "Interrupted at once."
        )
        raise click.exceptions.Exit(exit_code(signal_of(error))) from None


@contextmanager
def _listen_for_stop() -> Iterator[Callable[[], int]]:
    """Let the step at hand end at the first Ctrl-C (or SIGTERM), and the state be saved; stop at once at the second."""
    received = 0

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal received
        if received:
            stop(number, frame)
        received = number
        say("Stopping after this step; press Ctrl-C again to stop at once.")

    numbers = [
        n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN
    ]  # as in a shell's &
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield lambda: received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Bar:
    """The live line: what is done, and how much of it."""

    _task: TaskID | None = None

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._name, self._last = "", 0.0
        self._steps, self._since = 0, 0.0
        self._rows, self._loss, self._right = 0, 0.0, 0.0

    def work(self, what: str, done: int, total: int | None) -> None:
        """Show work that has no loss."""
        self._name = ""
        if self.due() or not done:
            self.update(what, done, total, Sentence("{done:,} rows", done=done) if done else "")

    def fitting(self, name: str) -> None:
        """Begin a loop."""
        self._name, self._since = name, time.monotonic()
        self._steps = self._rows = 0

    def step(self, event: Step) -> None:
        """Show one update: loss and accuracy of the last twenty or so, the speed, and the time left at most."""
        share = 1 / 20 if self._steps else 1
        self._steps += 1
        self._rows += event.rows
        self._loss += share * (event.loss - self._loss)
        if event.right is not None:
            self._right += share * (event.right / event.rows - self._right)
        if not self.due():
            return
        elapsed = max(time.monotonic() - self._since, 1e-9)
        left = (event.epochs - event.epoch + 1) * event.steps - event.step
        accuracy = accuracy_of(None if event.right is None else self._right)
        # the first steps warm up
        rest = (
            Sentence("  {duration} left", duration=format_duration(left * elapsed / self._steps)) if elapsed > 1 else ""
        )
        speed = (
            Sentence("{steps:,.1f} steps/s", steps=self._steps / elapsed)
            if event.right is None
            else Sentence("{rows:,.0f} rows/s", rows=self._rows / elapsed)
        )
        what = Sentence(
            "loss {loss:.4f}{accuracy}  {speed}{rest}", loss=self._loss, accuracy=accuracy, speed=speed, rest=rest
        )
        name = Sentence("{name}  epoch {epoch}/{epochs}", name=self._name, epoch=event.epoch, epochs=event.epochs)
        self.update(name, event.step, event.steps, what)

    def due(self) -> bool:
        """Tell whether the line was last drawn some time ago."""
        now = time.monotonic()
        if now - self._last < 1 / PER_SECOND:
            return False
        self._last = now
        return True

    def update(self, name: str, done: int, total: int | None, what: str) -> None:
        """Show that so much is done."""
        if self._task is None:
            self._task = self._progress.add_task("", total=total, what="")
        name, what = translate(name), translate(what)
        self._progress.update(self._task, description=name, completed=done, total=total, what=what)


def format_duration(seconds: float) -> str:
    """Return ``0:01:05``."""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def accuracy_of(share: float | None) -> str:
    """Return `` acc 0.9123``, ready to append; nothing where there is none."""
    return "" if share is None else Sentence(" acc {share:.4f}", share=share)
