"""A stranger's code is kept apart from the others: what it raises is told of it, and stops nobody else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from nlpkit.errors import PluginError


@contextmanager
def isolate() -> Iterator[list[str]]:
    """Run a stranger's code: what it prints goes to stderr, what it raises becomes a sentence in the list."""
    faults: list[str] = []
    try:
        with redirect_stdout(sys.stderr):  # or it would stand among results
            yield faults
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit among it, and what compiled modules raise when they panic
        faults.append(describe_error(error))


def describe_error(error: BaseException) -> str:
    """Say an error in one line, with its class unless it is one of ours."""
    text = " ".join(str(error).split())
    return text if isinstance(error, PluginError) else f"{type(error).__name__}: {text}"
