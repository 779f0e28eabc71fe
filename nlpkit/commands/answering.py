"""The command of a verb: rows in, an answer a row out, in order."""

from __future__ import annotations

import gc
import inspect
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from nlpkit.commands.options import (
    OWN,
    count_reasons,
    encoding_option,
    model_option,
    options_of_dataclass,
    sheet_option,
)
from nlpkit.commands.printing import FILE, INPUT, say, warn
from nlpkit.errors import DataError
from nlpkit.tasks.base import Task, Verb, resolve

if TYPE_CHECKING:
    from nlpkit.text.rows import Row, Source

STDIN = "-"


def command(task: Task, verb: Verb) -> click.Command:
    """Make the command of a verb."""
    if verb.command:
        return cast(click.Command, resolve(verb.command))
    own, params = options_of_dataclass(verb.options)
    what, kind = ("[FILE]...", INPUT) if verb.reads == "files" else ("[TEXT]...", None)
    params = [
        click.Argument(["arguments"], nargs=-1, metavar=what, type=kind),
        click.Option(["--text", "-t", "texts"], multiple=True, help="Answer this text; may be repeated."),
        click.Option(["--file", "files"], multiple=True, type=INPUT, help="Answer its rows; - is stdin."),
        click.Option(["--column", "-c"], help="The column of a table, or field of JSON, with the text."),
        *params,
        model_option(task),
        click.Option(
            ["--format", "-f", "kind"],
            type=click.Choice(["table", "jsonl", "csv", "tsv", "xlsx", "parquet"]),
            help="Default: what --output is called, a table on a terminal, else as the input.",
        ),
        click.Option(["--output", "-o"], type=FILE, help="Write here instead of to stdout."),
        click.Option(["--force"], is_flag=True, help="Let --output replace a file."),
        click.Option(["--strict"], is_flag=True, help="Exit with 1 if any row has no answer."),
        sheet_option(),
        encoding_option(),
    ]

    def callback(**values: Any) -> None:
        options = {name: values.pop(OWN + name) for name in own}
        _answer(task, verb, options, **values)

    return click.Command(verb.name, params=params, callback=callback, help=inspect.cleandoc(verb.about))


def _answer(
    task: Task,
    verb: Verb,
    options: dict[str, Any],
    *,
    arguments: Sequence[str],
    texts: Sequence[str],
    files: Sequence[str],
    column: str | None,
    model: str | None,
    kind: str | None,
    output: Path | None,
    force: bool,
    strict: bool,
    encoding: str | None,
    sheet: str | None,
) -> None:
    """Answer texts, or the rows of files."""
    from nlpkit.commands.answers import Look, choose_format, make_writer
    from nlpkit.commands.streams import draw_bar, open_output, read_blocks

    gc.disable()  # a fifth of the time, for a million rows of which none makes a cycle
    if verb.reads == "files":
        files = (*arguments, *files)
    else:
        texts = (*arguments, *texts)
    _check_input(texts, files, verb, of_file=bool(column or encoding or sheet))
    saved = resolve(task.model).load(model)
    output = None if str(output) == "-" else output
    terminal = sys.stdout.isatty()
    kind = choose_format(kind, output, tables=_find_table_format(files, column, encoding, sheet), terminal=terminal)
    eyes = terminal and output is None
    columns = shutil.get_terminal_size().columns if eyes else None
    look = Look(color=eyes and not os.environ.get("NO_COLOR"), width=columns)
    form = resolve(verb.form)(saved, look)
    write, ask = make_writer(kind, form), getattr(saved, verb.method)(**options)
    name = "TEXT" if verb.reads == "texts" else "--text"
    reasons: Counter[str] = Counter()
    unlike = Unlike()
    rows = 0
    with (
        open_output(output, force=force, styled=kind == "table") as out,
        draw_bar(show=output is not None or not terminal) as advance,
    ):
        blocks = read_blocks(files, texts, name, column=column, encoding=encoding, sheet=sheet)
        for source, first, block in _cut_blocks(blocks, form.together):
            answers = ask(block)
            if len(texts) == 1 and answers[0].reason and (wrong := form.refuse(texts[0], answers[0].reason)):
                raise DataError(wrong)
            out.write(write(source, first, block, answers))
            if terminal or source.name == STDIN:
                out.flush()
            reasons.update(answer.reason.split(":")[0] for answer in answers if answer.reason)
            unlike.add(source.name, answers)
            rows += len(block)
            advance(rows, source.progress())
        out.write(write.end())
    if sentence := unlike.describe():
        warn(f"{sentence}: `nlpkit {task.name} evaluate` on labelled rows of the kind tells what they are worth")
    if reasons:
        say(f"{reasons.total():,} of {rows:,} rows could not be {form.done}: {count_reasons(reasons)}")
        if strict:
            raise click.exceptions.Exit(1)


class Unlike:
    """Counts the rows of each file of which a model says that they are unlike its training text."""

    def __init__(self) -> None:
        self._rows: Counter[str] = Counter()
        self._warned: Counter[str] = Counter()

    def add(self, name: str, answers: Sequence[Any]) -> None:
        """Take answers to rows of a file, if they have a ``warning`` at all."""
        if answers and "warning" in answers[0]._fields:
            self._rows[name] += len(answers)
            self._warned[name] += sum(answer.warning is not None for answer in answers)

    def describe(self) -> str:
        """Say which files are unlike it as a whole, and how many of their rows; nothing if none is."""
        if not self._warned.total():
            return ""
        from nlpkit.text.familiarity import is_unlike

        files = [name for name, warned in self._warned.items() if is_unlike(warned, self._rows[name])]
        if not files:
            return ""
        listed = ", ".join(f"{self._warned[name]:,} of {self._rows[name]:,} rows of {name}" for name in files)
        return f"{listed} are unlike the text that the model was made from, where answers may mean little"


def _check_input(texts: Sequence[str], files: Sequence[str], verb: Verb, *, of_file: bool) -> None:
    if texts and files:
        raise click.UsageError(
            "give FILES or --text, not both" if verb.reads == "files" else "give TEXT or --file, not both"
        )
    if texts and of_file:
        raise click.UsageError("--column, --sheet and --encoding are those of a file: give a file, or leave them out")
    if not files and not texts and sys.stdin.isatty():
        raise click.UsageError("no input: give a text, a file, or pipe something in; see --help")


def _find_table_format(files: Sequence[str], column: str | None, encoding: str | None, sheet: str | None) -> str | None:
    """Return the format of the input if all of it are tables of one shape."""
    from nlpkit.commands.streams import read_headers
    from nlpkit.text.records import suffix_of

    headers = read_headers(files, column=column, encoding=encoding, sheet=sheet)
    if any(header is None or header != headers[0] for header in headers):
        return None
    return "tsv" if any(suffix_of(file) == ".tsv" for file in files) else "csv" if headers or column else None


def _cut_blocks(
    blocks: Iterator[tuple[Source, int, Sequence[Row]]], size: int | None
) -> Iterator[tuple[Source, int, Sequence[Row]]]:
    """Yield the same rows, so few at a time that answers come soon."""
    for source, first, block in blocks:
        if size is None or not block:
            yield source, first, block
            continue
        for at in range(0, len(block), size):
            yield source, first + at, block[at : at + size]
