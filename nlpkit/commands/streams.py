"""Rows in and results out, block by block: what commands that answer each row have in common."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, cast

import click

from nlpkit.commands.printing import say_replaced
from nlpkit.commands.screen import HarmlessBytes, binary
from nlpkit.errors import DataError, DataWarning, reason_of
from nlpkit.files import describe_file, replacing
from nlpkit.text.rows import Row, Source, argument_row, open_rows

PATIENCE = 1.0  # seconds of silence
_DESCRIPTOR = re.compile(r"/dev/(?:fd/(?P<number>\d+)|(?P<name>stdin|stdout|stderr))|/proc/self/fd/(?P<other>\d+)")


@contextlib.contextmanager
def open_output(output: Path | None, *, force: bool, styled: bool = False) -> Iterator[IO[bytes]]:
    """Yield stdout, or a file beside ``output`` that takes its name when all went well.

    A link is followed, as by a shell's ``>``. What is no file (a device, a pipe, what /dev/stdout stands for) is
    written to, never replaced.

    :param styled: whether what is written there is harmless to a terminal but for its colours.
    :raises DataError: if ``output`` exists and not ``force``, or cannot be written.
    """
    if output is None:
        stream = binary(sys.stdout, styled=styled)
        yield stream
        stream.flush()
        return
    number = _descriptor_of(output)
    device = is_device(output)
    if output.exists() and not device and not force:
        raise DataError("{output} exists: choose another name, or say --force to replace it", output=output)
    with explain_faults(output):
        if device:
            with output.open("wb") if number is None else os.fdopen(os.dup(number), "wb") as stream:
                yield cast(IO[bytes], HarmlessBytes(stream)) if stream.isatty() else stream
        else:
            target = Path(os.path.realpath(output))
            if target.is_symlink():
                raise DataError("{output} cannot be written: it is a link that leads to itself", output=output)
            before = describe_file(target) if target.is_file() else None
            with replacing(target, force=force) as stream:
                yield stream
            say_replaced(output, before)


@contextlib.contextmanager
def explain_faults(output: Path) -> Iterator[None]:
    """Turn what the system says while a file is written into a sentence about that file."""
    try:
        yield
    except FileExistsError as error:
        template = "{output} has appeared since this began: choose another name, or say --force to replace it"
        raise DataError(template, output=output) from error
    except BrokenPipeError:  # whoever read it has seen enough
        raise
    except OSError as error:
        raise DataError("{output} cannot be written: {reason}", output=output, reason=reason_of(error)) from error


def is_device(output: Path) -> bool:
    """Tell whether a path is no file, nor would be one: what is written there goes elsewhere."""
    return _descriptor_of(output) is not None or (output.exists() and not output.is_file())


def _descriptor_of(output: Path) -> int | None:
    """Return the open file that a name such as /dev/stdout stands for."""
    match = _DESCRIPTOR.fullmatch(os.path.abspath(output))  # noqa: PTH100 - whose resolve() follows the link
    if not match:
        return None
    return (
        ("stdin", "stdout", "stderr").index(match["name"]) if match["name"] else int(match["number"] or match["other"])
    )


def read_headers(
    files: Sequence[str], *, column: str | None, encoding: str | None, sheet: str | None = None
) -> list[list[str] | None]:
    """Read the header of each file, None of lines; so every file is opened once, before work begins."""
    if files.count("-") > 1:
        raise click.UsageError("- stands for stdin, which can be read once")
    headers = []
    for file in files:
        if file != "-" and not (Path(file).exists() and not Path(file).is_file()):  # a pipe can be read once
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DataWarning)  # which comes when the rows are read
                with open_rows(file, column=column, encoding=encoding, sheet=sheet) as source:
                    headers.append(source.header)
    return headers


def read_blocks(
    files: Sequence[str],
    texts: Sequence[str],
    name: str,
    *,
    column: str | None,
    encoding: str | None,
    sheet: str | None = None,
) -> Iterator[tuple[Source, int, Sequence[Row]]]:
    """Yield each source with blocks of its rows and the number of the first, from 1.

    :param texts: of the command line, whose source is called ``name``; without them and files it is stdin.
    """
    if texts:
        yield Source(name, None, iter(())), 1, [argument_row(text) for text in texts]
        return
    for file in files or ("-",):
        stream: str | IO[bytes] = sys.stdin.buffer if file == "-" else file
        with open_rows(stream, column=column, encoding=encoding, sheet=sheet) as source:
            yield source, 1, []  # a table without rows still has a header
            first = 1
            for block in source.blocks:
                yield source, first, block
                first += len(block)


@contextlib.contextmanager
def draw_reading(*, show: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Draw a bar of what must be read before anything is written, on a terminal, if it takes long."""
    with contextlib.ExitStack() as stack:
        began, draw = time.monotonic(), None

        def advance(so_far: int, in_all: int) -> None:
            nonlocal draw
            if draw is None and show and sys.stderr.isatty() and time.monotonic() - began > PATIENCE:
                draw = stack.enter_context(_draw_reading_bar())
            if draw is not None:
                draw(so_far, in_all)
            if so_far >= in_all:
                stack.close()  # what is written next must not meet it
                draw = None  # nor is that drawn on again, should more be read

        yield advance


@contextlib.contextmanager
def _draw_reading_bar() -> Iterator[Callable[[int, int], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from nlpkit.commands.printing import make_console

    columns = (
        TextColumn("reading"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("characters"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=make_console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda so_far, in_all: progress.update(task, completed=so_far, total=in_all)


@contextlib.contextmanager
def draw_bar(*, show: bool) -> Iterator[Callable[[int, float | None], None]]:
    """Draw a bar of rows on stderr where that is a terminal."""
    if not show or not sys.stderr.isatty():
        yield lambda _rows, _share: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from nlpkit.commands.printing import make_console

    columns = (
        TextColumn("{task.fields[rows]:,} rows", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=make_console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None, rows=0)

        def advance(rows: int, share: float | None) -> None:
            progress.update(task, rows=rows, completed=share or 0, total=None if share is None else 1)

        yield advance
