"""Keeps from stdout, where results go, what a stranger's code prints: Python's prints, and C's to the descriptor."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import TextIO, cast

MOST = 200  # characters that are kept


class Prints:
    """Stands for stdout while a stranger's code runs; who holds it longer writes to stderr."""

    encoding, errors = "utf-8", "replace"

    def __init__(self) -> None:
        self.text, self.open, self.buffer = "", True, self

    def write(self, text: str | bytes) -> int:
        """Keep a text, or the beginning of it."""
        written = text if isinstance(text, str) else bytes(text).decode(errors="replace")
        if self.open:
            self.text += written[: 2 * MOST - len(self.text)]
        else:
            sys.stderr.write(written)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Keep lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Have nothing to pass on."""

    def isatty(self) -> bool:
        """Say that it is no terminal."""
        return False

    def writable(self) -> bool:
        """Say that it is."""
        return True

    def fileno(self) -> int:
        """Return that of stderr, for a program that is started meanwhile."""
        return sys.stderr.fileno()


@contextmanager
def keep_prints(changes: list[str], printed: list[str]) -> Iterator[None]:
    """Keep what Python prints.

    :param changes: gets the name of what was put in its place meanwhile.
    :param printed: gets the text.
    """
    prints, stdout = Prints(), sys.stdout
    sys.stdout = cast(TextIO, prints)
    try:
        yield
    finally:
        if sys.stdout is not prints:  # type: ignore[comparison-overlap]
            changes.append("sys.stdout")
        sys.stdout, prints.open = stdout, False
        printed.append(prints.text)


@contextmanager
def keep_descriptors(changes: list[str], printed: list[str]) -> Iterator[None]:
    """Keep what is written to file descriptor 1; put back 0 to 2. For a process that nobody else writes from."""
    saved = {number: own for number in (0, 1, 2) if (own := _try(os.dup, number)) is not None}
    if 1 not in saved:  # it was closed before we were started
        yield
        return
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    kept = _open_kept(os.getpid())
    os.ftruncate(kept, 0)
    os.lseek(kept, 0, os.SEEK_SET)
    os.dup2(kept, 1)
    try:
        yield
    finally:
        changes += [f"file descriptor {n}" for n, own in {**saved, 1: kept}.items() if not _is_same(n, own)]
        for number, own in saved.items():
            os.dup2(own, number)
            os.close(own)
        os.lseek(kept, 0, os.SEEK_SET)
        printed.append(os.read(kept, 2 * MOST).decode(errors="replace"))


def shorten(texts: Iterable[str]) -> str:
    """Return what was printed as one line, its beginning if it is long."""
    line = " ".join(" ".join(texts).split())
    return line if len(line) <= MOST else f"{line[:MOST]}…"


@cache
def _open_kept(process: int) -> int:  # noqa: ARG001 - a fork has a file of its own
    """Open a file without a name, once in a process."""
    from tempfile import TemporaryFile  # few starts need it

    with TemporaryFile() as file:
        return os.dup(file.fileno())


def _try(function: Callable[[int], int], number: int) -> int | None:
    try:
        return function(number)
    except OSError:
        return None


def _is_same(one: int, other: int) -> bool:
    try:
        return os.path.sameopenfile(one, other)
    except OSError:  # it was closed
        return False
