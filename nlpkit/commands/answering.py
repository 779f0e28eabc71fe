"""The command of a verb: rows in, an answer a row out, in order."""

from __future__ import annotations

import gc
import inspect
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import click

from nlpkit.commands.arguments import divide_texts, say_texts
from nlpkit.commands.conversation import converse, is_conversation
from nlpkit.commands.options import (
    OWN,
    count_reasons,
    encoding_option,
    model_option,
    options_of_dataclass,
    sheet_option,
)
from nlpkit.commands.printing import FILE, INPUT, say, warn
from nlpkit.errors import DataError, nearest
from nlpkit.tasks.base import Task, Verb, resolve

if TYPE_CHECKING:
    from nlpkit.commands.answers import Form
    from nlpkit.commands.columns import Writer
    from nlpkit.commands.sorting import SortedRows
    from nlpkit.commands.summary import Summary
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
            type=click.Choice(["table", "jsonl", "csv", "tsv", "xlsx", "parquet", "html"]),
            help="Default: what --output is called, a table on a terminal, else as the input.",
        ),
        click.Option(["--output", "-o"], type=FILE, help="Write here instead of to stdout."),
        click.Option(["--force"], is_flag=True, help="Let --output replace a file."),
        click.Option(["--strict"], is_flag=True, help="Exit with 1 if any row has no answer."),
        sheet_option(),
        encoding_option(),
        *(_label_options() if verb.labelled else ()),
    ]

    def callback(**values: Any) -> None:
        options = {name: values.pop(OWN + name) for name in own}
        _answer(task, verb, options, **values)

    return click.Command(verb.name, params=params, callback=callback, help=inspect.cleandoc(verb.about))


def _label_options() -> list[click.Parameter]:
    """Make the options by which rows are counted and sorted."""
    return [
        click.Option(
            ["--by"],
            multiple=True,
            metavar="COLUMN",
            help="Count labels by the values of a column, or of several; rows are written only where --output says.",
        ),
        click.Option(["--sort"], metavar="LABEL", help="Rows in the order of this label's probability, highest first."),
        click.Option(["--top"], type=click.IntRange(1), metavar="N", help="Of sorted rows, only the first N."),
        click.Option(["--probabilities"], is_flag=True, help="In CSV and TSV, a column for each label's probability."),
    ]


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
    by: Sequence[str] = (),
    sort: str | None = None,
    top: int | None = None,
    probabilities: bool = False,
) -> None:
    """Answer texts, or the rows of files."""
    from nlpkit.commands.answers import Look, choose_format, make_writer
    from nlpkit.commands.sorting import SortedRows
    from nlpkit.commands.spared_rows import SparingAnswer
    from nlpkit.commands.streams import draw_bar, open_output, read_blocks

    gc.disable()  # a fifth of the time, for a million rows of which none makes a cycle
    taken: Sequence[str] = []
    if verb.reads == "files":
        named = arguments
        if not (column or encoding or sheet or by):  # which are those of a file
            taken, named = divide_texts(arguments)
        texts, files = (*taken, *texts), (*named, *files)
    else:
        texts = (*arguments, *texts)
    output = None if str(output) == "-" else output
    of_file = bool(column or encoding or sheet)
    conversation = not (texts or files or of_file or by or sort) and is_conversation(output)
    if not conversation:
        _check_input(texts, files, verb, of_file=of_file)
    say_texts(taken)
    if top and not sort:
        raise click.UsageError("--top is of sorted rows: say --sort LABEL, too")
    _check_counting(by, output, kind, sort=sort, explain=bool(options.get("explain")), probabilities=probabilities)
    tables = find_table_format(files, column, encoding, sheet, by)
    saved = resolve(task.model).load(model)
    terminal = sys.stdout.isatty()
    summed = bool(by) and output is None  # rows are counted and not written
    format_of_counts = choose_format(kind, None, tables="csv", terminal=terminal) if by else ""
    kind = choose_format(None if by else kind, output, tables=tables, terminal=terminal)
    eyes = terminal and output is None
    columns = shutil.get_terminal_size().columns if eyes else None
    look = Look(color=terminal and (eyes or bool(by)) and not os.environ.get("NO_COLOR"), width=columns)
    form = resolve(verb.form)(saved, look, {**options, "probabilities": probabilities})
    ask = SparingAnswer(task, getattr(saved, verb.method)(**options))
    write = make_writer(kind, form)
    name = "TEXT" if verb.reads == "texts" else "--text"
    if conversation:
        _converse(ask, form, write, name, styled=kind == "table", strict=strict)
        return
    order = SortedRows(sort, top, form.labels) if sort else None
    tally = _Tally(by)
    with (
        open_output(None if summed else output, force=force, styled=kind == "table") as out,
        draw_bar(show=output is not None or not terminal or summed) as advance,
    ):
        rows = _Rows(None if summed else out, write, order)
        blocks = read_blocks(files, texts, name, column=column, encoding=encoding, sheet=sheet)
        for source, first, block in _cut_blocks(blocks, form.together):
            tally.check(source, block)
            answers = ask(block)
            if len(texts) == 1 and answers[0].reason and (wrong := form.refuse(texts[0], answers[0].reason)):
                raise DataError(wrong)
            rows.take(source, first, block, answers)
            if terminal or source.name == STDIN:
                out.flush()
            tally.add(source, block, answers)
            advance(tally.rows.rows, source.progress())
        rows.end()
    if by:
        _show_counts(tally.summary, format_of_counts, form)
    if output is not None and output.is_file():
        some = f" the first {top:,} of these" if top and top < tally.rows.rows else ""
        say(f"{tally.rows.describe(form.labels)}; saved{some} in {output}")
    tally.tell(task, form)
    if strict and tally.rows.reasons:
        raise click.exceptions.Exit(1)


class _Rows:
    """Writes rows as they come, or in the order of a label, or not at all.

    :param out: None: not at all.
    """

    def __init__(self, out: IO[bytes] | None, write: Writer, order: SortedRows | None) -> None:
        self._out, self._write, self._order = out, write, order

    def take(self, source: Source, first: int, rows: Sequence[Row], answers: Sequence[Any]) -> None:
        """Take a block of rows; one without any brings the header of its file."""
        if self._order is not None and rows:
            self._order.add(source, first, rows, answers)
        elif self._out is not None:
            self._out.write(self._write(source, first, rows, answers))

    def end(self) -> None:
        """Write what has waited until all rows were there."""
        if self._out is not None:
            self._out.writelines(self._write(*place) for place in self._order or ())
            self._out.write(self._write.end())


class _Tally:
    """Counts rows by label, by reason, by the values of columns, and those that are unlike the training text."""

    def __init__(self, by: Sequence[str]) -> None:
        from nlpkit.commands.summary import Counts, Summary

        self.rows, self.summary = Counts(), Summary(by)
        self._unlike = Unlike()

    def check(self, source: Source, rows: Sequence[Row]) -> None:
        """Refuse a file, of which no rows have come yet, without one of the columns."""
        if not rows:
            self.summary.check(source)

    def add(self, source: Source, rows: Sequence[Row], answers: Sequence[Any]) -> None:
        """Count rows of a file."""
        if self.summary.columns:
            self.summary.add(source, rows, answers)
        self.rows.extend(answers)
        self._unlike.add(source.name, answers)

    def tell(self, task: Task, form: Form) -> None:
        """Say what is to be known of the rows: how many are unlike the training text, or have no answer."""
        if sentence := self._unlike.describe():
            warn(f"{sentence}: `nlpkit {task.name} evaluate` on labelled rows of the kind tells what they are worth")
        if reasons := self.rows.reasons:
            say(f"{reasons.total():,} of {self.rows.rows:,} rows could not be {form.done}: {count_reasons(reasons)}")


def _converse(
    ask: Callable[[Sequence[Row]], Sequence[Any]],
    form: Form,
    write: Callable[..., bytes],
    name: str,
    *,
    styled: bool,
    strict: bool,
) -> None:
    """Answer texts as they are typed.

    :param name: of their source.
    """
    from nlpkit.commands.streams import open_output
    from nlpkit.text.rows import Source, argument_row

    source = Source(name, None, iter(()))
    unanswered = 0

    def answer(number: int, text: str) -> None:
        nonlocal unanswered
        rows = [argument_row(text)]
        answers = ask(rows)
        unanswered += answers[0].reason is not None
        if answers[0].reason and (wrong := form.refuse(text, answers[0].reason)):
            raise DataError(wrong)
        with open_output(None, force=False, styled=styled) as out:
            out.write(write(source, number, rows, answers))

    converse(answer)
    if strict and unanswered:
        raise click.exceptions.Exit(1)


def _check_counting(
    by: Sequence[str], output: Path | None, kind: str | None, *, sort: str | None, explain: bool, probabilities: bool
) -> None:
    """Refuse what counts of labels have no room for."""
    if by and kind in ("xlsx", "parquet", "html"):
        raise click.UsageError(
            f"--format is that of the counts by {by[0]}, which are no {kind}: jsonl, csv, tsv or table"
        )
    rows = {"--sort": bool(sort), "--explain": explain, "--probabilities": probabilities}
    if by and output is None and (of_rows := [name for name, wanted in rows.items() if wanted]):
        raise click.UsageError(f"{of_rows[0]} is of rows, of which --by writes none: say --output FILE for them, too")


def _show_counts(summary: Summary, kind: str, form: Form) -> None:
    """Print counts by the values of columns on stdout: as a table with bars, as CSV or TSV, or as lines of JSON."""
    from nlpkit.commands.answers import csv_lines, dump
    from nlpkit.commands.printing import make_console, tell

    if kind == "table":
        make_console().print(summary.draw(form.labels, form.colours))
    elif kind == "jsonl":
        tell("\n".join(dump(group).decode() for group in summary.to_objects(form.labels)))
    else:
        header, rows = summary.to_rows(form.labels)
        tell(csv_lines([header, *rows], "\t" if kind == "tsv" else ",", end="\n"), end="")


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


def find_table_format(
    files: Sequence[str], column: str | None, encoding: str | None, sheet: str | None, by: Sequence[str]
) -> str | None:
    """Return the format of the input if all of it are tables of one shape.

    :param by: columns that each must have.
    :raises DataError: if one has not, before anything is loaded.
    """
    from nlpkit.commands.streams import read_headers
    from nlpkit.text.records import suffix_of

    headers = read_headers(files, column=column, encoding=encoding, sheet=sheet)
    for header in headers:
        if header is not None and (missing := [name for name in by if name not in header]):
            raise DataError("there is no column {name!r}{known}", name=missing[0], known=nearest(missing[0], header))
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
