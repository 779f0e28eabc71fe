"""Rows in and results out, block by block: what commands that answer each row have in common."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

import click

from nlpkit.errors import DataError
from nlpkit.rows import Row, Source, argument_row, open_rows

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # a review must not be able to steer the terminal


def shown(text: str) -> str:
    """A text as one line of a terminal."""
    return _CONTROL.sub("�", " ".join(text.split()))


def harmless(text: str) -> str:
    """A text as lines of a terminal."""
    return _CONTROL.sub(lambda found: "\n" if found[0] == "\n" else "�", text)


@contextlib.contextmanager
def opened(output: Path | None, *, force: bool) -> Iterator[IO[bytes]]:
    """Yield stdout, or a file beside ``output`` that takes its name when all went well.

    :raises DataError: if ``output`` exists and not ``force``, or cannot be written.
    """
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if output.exists() and not output.is_file():  # a device or a pipe is written to, never replaced
        with output.open("wb") as stream:
            yield stream
        return
    if output.exists() and not force:
        raise DataError(f"{output} exists: choose another name, or say --force to replace it")
    target = output.resolve()
    part = target.with_name(f".nlpkit-{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            yield stream
        part.replace(target)
    except OSError as error:
        raise DataError(f"{output} cannot be written: {(error.strerror or str(error)).lower()}") from error
    finally:
        part.unlink(missing_ok=True)


def headers(files: Sequence[str], *, column: str | None, encoding: str | None) -> list[list[str] | None]:
    """The header of each file, None of lines; so every file is opened once, before work begins."""
    if files.count("-") > 1:
        raise click.UsageError("- stands for stdin, which can be read once")
    found = []
    for file in files:
        if file != "-" and not (Path(file).exists() and not Path(file).is_file()):  # a pipe can be read once
            with open_rows(file, column=column, encoding=encoding) as source:
                found.append(source.header)
    return found


def blocks(
    files: Sequence[str], texts: Sequence[str], name: str, *, column: str | None, encoding: str | None
) -> Iterator[tuple[Source, int, Sequence[Row]]]:
    """Yield each source with blocks of its rows and the number of the first, from 1.

    :param texts: of the command line, whose source is called ``name``; without them and files it is stdin.
    """
    if texts:
        yield Source(name, None, iter(())), 1, [argument_row(text) for text in texts]
        return
    for file in files or ("-",):
        stream: str | IO[bytes] = sys.stdin.buffer if file == "-" else file
        with open_rows(stream, column=column, encoding=encoding) as source:
            yield source, 1, []  # a table without rows still has a header
            first = 1
            for block in source.blocks:
                yield source, first, block
                first += len(block)


def width() -> int:
    """Columns of the terminal."""
    return shutil.get_terminal_size().columns


@contextlib.contextmanager
def bar(*, show: bool) -> Iterator[Callable[[int, float | None], None]]:
    """A bar on stderr where that is a terminal and stdout is not."""
    if not show or not sys.stderr.isatty():
        yield lambda _rows, _share: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from nlpkit.commands import console

    columns = (TextColumn("{task.fields[rows]:,} rows"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None, rows=0)

        def advance(rows: int, share: float | None) -> None:
            progress.update(task, rows=rows, completed=share or 0, total=None if share is None else 1)

        yield advance
