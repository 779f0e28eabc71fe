"""Signals that end a command as Ctrl-C does: what is half-written is cleared away, the exit code names the signal."""

from __future__ import annotations

import signal
from types import FrameType

import click


class Stopped(KeyboardInterrupt):
    """A signal asks us to end.

    :param number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def listen() -> None:
    """Let SIGTERM and SIGHUP end us as SIGINT does, unless whoever started us wants them ignored."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows knows no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler gets both
    """End, by an exception.

    :raises Stopped: always.
    """
    raise Stopped(number)


def exit_code(number: int) -> int:
    """Return what shells say of a process that a signal has ended: 130 of SIGINT, 143 of SIGTERM."""
    return 128 + number


def signal_of(error: BaseException | None) -> int:
    """Return the signal behind an exception, SIGINT unless another is known; click has an exception of its own."""
    while isinstance(error, KeyboardInterrupt | click.Abort):
        if isinstance(error, Stopped):
            return error.number
        error = error.__cause__
    return signal.SIGINT
