"""A stranger's code is kept apart from the others: what it raises is told of it, and stops nobody else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from nlpkit.errors import PluginError
from nlpkit.plugins.surroundings import Visit, keep


@dataclass
class Attempt:
    """What came of running a plugin's code.

    :param fault: why it failed, None if it did not.
    :param visit: what it did to the process; None of code of ours.
    """

    fault: str | None = None
    visit: Visit | None = None
    seconds: float = 0.0


@contextmanager
def isolate(owner: str | None = None) -> Iterator[Attempt]:
    """Run a plugin's code: what it prints is kept from stdout, what it raises becomes a sentence.

    :param owner: whose code it is, to begin a sentence with; None where it is ours.
    """
    attempt, started = Attempt(), time.perf_counter()
    try:
        with keep(owner) if owner else nullcontext() as attempt.visit:
            yield attempt
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit among it, and what compiled modules raise when they panic
        attempt.fault = describe_error(error)
    attempt.seconds = time.perf_counter() - started


def describe_error(error: BaseException) -> str:
    """Say an error in one line, with its class unless it is one of ours."""
    text = message_of(error)
    return text if isinstance(error, PluginError) else f"{type(error).__name__}: {text}"


def message_of(error: BaseException) -> str:
    """Return an error's text as one line that a terminal can show."""
    try:
        text = str(error)
    except Exception:  # a stranger's class may fail at that, too
        text = ""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))
