"""The command of a verb: rows in, an answer a row out, in order."""

from __future__ import annotations

import gc
import inspect
import itertools
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import click

from nlpkit.commands.arguments import divide_texts, say_texts
from nlpkit.commands.conversation import converse, is_conversation
from nlpkit.commands.options import (
    OWN,
    encoding_option,
    jobs_option,
    model_option,
    options_of_dataclass,
    sheet_option,
)
from nlpkit.commands.printing import FILE, INPUT, say, say_replaced
from nlpkit.errors import DataError, Sentence, nearest
from nlpkit.files import describe_file
from nlpkit.tasks.base import Task, Verb, resolve
from nlpkit.version import __version__

if TYPE_CHECKING:
    from nlpkit.commands.answers import Form
    from nlpkit.commands.columns import Writer
    from nlpkit.commands.questions import Answered, Block, BlockAnswerer, Question
    from nlpkit.commands.resuming import Part
    from nlpkit.commands.sorting import SortedRows
    from nlpkit.commands.summary import Summary
    from nlpkit.commands.tally import Tally

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
        click.Option(["--resume"], is_flag=True, help="Go on with an --output whose run was stopped."),
        click.Option(["--strict"], is_flag=True, help="Exit with 1 if any row has no answer."),
        jobs_option("Answer in so many processes; 0: one a core. The same rows, byte for byte."),
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


@dataclass(frozen=True)
class _Call:
    """What a command was told, but for the options of its verb."""

    texts: Sequence[str]
    files: Sequence[str]
    column: str | None
    model: str | None
    kind: str | None
    output: Path | None
    force: bool
    strict: bool
    encoding: str | None
    sheet: str | None
    by: Sequence[str] = ()
    sort: str | None = None
    top: int | None = None
    probabilities: bool = False
    jobs: int = 1
    resume: bool = False

    @property
    def of_file(self) -> bool:
        """Whether anything was said of a file."""
        return bool(self.column or self.encoding or self.sheet)

    @property
    def summed(self) -> bool:
        """Whether rows are counted and not written."""
        return bool(self.by) and self.output is None


def _answer(task: Task, verb: Verb, options: dict[str, Any], **values: Any) -> None:
    """Answer texts, or the rows of files."""
    from nlpkit.model.workers import count_jobs

    gc.disable()  # a fifth of the time, for a million rows of which none makes a cycle
    call, taken = _read_call(verb, **values)
    nothing = not (call.texts or call.files or call.of_file or call.by or call.sort)
    conversation = nothing and is_conversation(call.output)
    if not conversation:
        _check_input(call, verb)
    say_texts(taken)
    _check_counting(call, explain=bool(options.get("explain")))
    tables = find_table_format(call.files, call.column, call.encoding, call.sheet, call.by)
    terminal = sys.stdout.isatty()
    question = _make_question(task, verb, options, call, tables=tables, terminal=terminal)
    answerer = question.open()
    name = "TEXT" if verb.reads == "texts" else "--text"
    if conversation:
        _converse(answerer, name, styled=question.kind == "table", strict=call.strict)
        return
    jobs = 1 if call.texts else count_jobs(call.jobs)
    tally = _write_answers(question, answerer, call, name, jobs=jobs, flush=terminal)
    if call.by:
        _show_counts(tally.summary, _format_of_counts(call, terminal=terminal), answerer.form)
    if call.output is not None and call.output.is_file():
        some = Sentence(" the first {top:,} of these", top=call.top) if call.top and call.top < tally.rows.rows else ""
        say(
            "{describe}; saved{some} in {output}",
            describe=tally.rows.describe(answerer.form.labels),
            some=some,
            output=call.output,
        )
    tally.tell(task, answerer.form)
    if call.strict and tally.rows.reasons:
        raise click.exceptions.Exit(1)


def _read_call(
    verb: Verb, *, arguments: Sequence[str], texts: Sequence[str], files: Sequence[str], **values: Any
) -> tuple[_Call, Sequence[str]]:
    """Tell which arguments are texts and which are files; return those taken for texts, too."""
    taken: Sequence[str] = []
    if verb.reads == "files":
        named = arguments
        if not any(values.get(option) for option in ("column", "encoding", "sheet", "by")):  # which are those of a file
            taken, named = divide_texts(arguments)
        texts, files = (*taken, *texts), (*named, *files)
    else:
        texts = (*arguments, *texts)
    if str(values["output"]) == "-":
        values["output"] = None
    return _Call(texts, files, **values), taken


def _make_question(
    task: Task, verb: Verb, options: dict[str, Any], call: _Call, *, tables: str | None, terminal: bool
) -> Question:
    from nlpkit.commands.answers import Look, choose_format
    from nlpkit.commands.questions import Question
    from nlpkit.commands.spared_rows import find_owner

    eyes = terminal and call.output is None
    columns = shutil.get_terminal_size().columns if eyes else None
    look = Look(color=terminal and (eyes or bool(call.by)) and not os.environ.get("NO_COLOR"), width=columns)
    kind = choose_format(None if call.by else call.kind, call.output, tables=tables, terminal=terminal)
    return Question(
        resolve(task.model).load(call.model),
        verb.method,
        options,
        verb.form,
        kind,
        look,
        call.probabilities,
        call.by,
        lines=not (call.summed or call.sort),
        owner=find_owner(task),
    )


def _format_of_counts(call: _Call, *, terminal: bool) -> str:
    from nlpkit.commands.answers import choose_format

    return choose_format(call.kind, None, tables="csv", terminal=terminal)


def _write_answers(
    question: Question, answerer: BlockAnswerer, call: _Call, name: str, *, jobs: int, flush: bool
) -> Tally:
    """Answer all rows, and write them; return what was counted.

    :param name: of texts of the command line.
    """
    from nlpkit.commands.questions import Block, answer_blocks
    from nlpkit.commands.sorting import SortedRows
    from nlpkit.commands.streams import draw_bar, read_blocks
    from nlpkit.commands.tally import Tally

    order = SortedRows(call.sort, call.top, answerer.form.labels) if call.sort else None
    with (
        _open_output(question, answerer, call) as (out, part),
        draw_bar(show=call.output is not None or not flush or call.summed) as advance,
    ):
        done = part.state.blocks if part else 0
        tally = Tally.from_json(call.by, part.state.tally) if part and done else Tally(call.by)
        rows = _Rows(None if call.summed else out, answerer.write, order)
        read = {"column": call.column, "encoding": call.encoding, "sheet": call.sheet}
        blocks = itertools.starmap(Block, read_blocks(call.files, call.texts, name, **read))
        cut = _check_each(_cut_blocks(blocks, answerer.form.together), tally)
        for number, (block, answered) in enumerate(answer_blocks(question, answerer, cut, jobs, done), start=done + 1):
            if len(call.texts) == 1:
                _refuse_text(answerer.form, call.texts[0], answered.answers[0])
            rows.take(block, answered)
            if flush or block.source.name == STDIN:
                out.flush()
            tally.join(answered.tally)
            advance(tally.rows.rows, block.source.progress())
            if part and part.is_due():
                part.keep(blocks=number, rows=tally.rows.rows, tally=tally.to_json())
        rows.end()
    return tally


@contextmanager
def _open_output(question: Question, answerer: BlockAnswerer, call: _Call) -> Iterator[tuple[IO[bytes], Part | None]]:
    """Yield where answers are written, and the same as a part that another run can go on with, if one can."""
    from nlpkit.commands.resuming import open_part
    from nlpkit.commands.streams import explain_faults, open_output

    why_not = _find_obstacle(answerer.write, question.kind, call)
    if call.resume and why_not:
        raise click.UsageError(Sentence("--resume goes on with a file of --output, {why_not}", why_not=why_not))
    if why_not or call.output is None:
        output = None if call.summed else call.output
        with open_output(output, force=call.force, styled=question.kind == "table") as out:
            yield out, None
        return
    before = describe_file(call.output) if call.output.is_file() else None
    if before and not call.force:
        raise DataError("{output} exists: choose another name, or say --force to replace it", output=call.output)
    asked = _asked(question, call)
    with explain_faults(call.output), open_part(call.output, asked, force=call.force, resume=call.resume) as part:
        yield cast("IO[bytes]", part), part
    say_replaced(call.output, before)


def _find_obstacle(write: Writer, kind: str, call: _Call) -> str | None:
    """Say why nobody could go on with the output of this run if it were stopped; None if one can."""
    from nlpkit.commands.streams import is_device

    if call.output is None:
        return Sentence("and there is none")
    if call.sort:
        return Sentence("and sorted rows are written in the end")
    if not write.apart:
        return Sentence("and this one, in {kind}, is written in the end", kind=kind)
    if not call.files or any(not Path(file).is_file() for file in call.files):
        return Sentence("of rows that are in files, which can be read again")
    return Sentence("and this is none") if is_device(call.output) else None


def _asked(question: Question, call: _Call) -> dict[str, Any]:
    """Return all by which the output of two runs may differ."""
    files = [[os.path.realpath(file), Path(file).stat().st_size, Path(file).stat().st_mtime_ns] for file in call.files]
    return {
        "files": files,
        "columns": [call.column, call.encoding, call.sheet, list(call.by)],
        "model": question.model.bundle.fingerprint,
        "options": [question.method, *(f"{name}={value}" for name, value in sorted(question.options.items()))],
        "format": [question.kind, question.probabilities],
        "version of nlpkit": __version__,
        "versions of plugins": _list_versions(question.model.bundle.config),
    }


def _list_versions(config: object) -> list[str]:
    """Return which versions of distributions are here of those that a model needs."""
    from nlpkit.plugins.registry import registry

    needed, waiting = set[object](), [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            needed.add(part.get("distribution"))
        waiting += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return sorted({f"{p.distribution} {p.version}" for p in registry().plugins if p.distribution in needed})


def _check_each(blocks: Iterable[Block], tally: Tally) -> Iterator[Block]:
    """Refuse a file without a column that is counted by, when it is opened."""
    for block in blocks:
        tally.check(block.source, block.rows)
        yield block


def _refuse_text(form: Form, text: str, answer: Any) -> None:
    """Refuse the one text that was asked about."""
    if answer.reason and (wrong := form.refuse(text, answer.reason)):
        raise DataError(wrong)


class _Rows:
    """Writes rows as they come, or in the order of a label, or not at all.

    :param out: None: not at all.
    """

    def __init__(self, out: IO[bytes] | None, write: Writer, order: SortedRows | None) -> None:
        self._out, self._write, self._order = out, write, order

    def take(self, block: Block, answered: Answered) -> None:
        """Take a block of rows; one without any brings the header of its file."""
        if self._order is not None and block.rows:
            self._order.add(*block, answered.answers)
        elif self._out is not None:
            lines = answered.lines
            self._out.write(self._write(*block, answered.answers) if lines is None else lines)

    def end(self) -> None:
        """Write what has waited until all rows were there."""
        if self._out is not None:
            for place in self._order or ():
                self._out.write(self._write(*place))
            self._out.write(self._write.end())


def _converse(answerer: BlockAnswerer, name: str, *, styled: bool, strict: bool) -> None:
    """Answer texts as they are typed.

    :param name: of their source.
    """
    from nlpkit.commands.questions import Block
    from nlpkit.commands.streams import open_output
    from nlpkit.text.rows import Source, argument_row

    source = Source(name, None, iter(()))
    unanswered = 0

    def answer(number: int, text: str) -> None:
        nonlocal unanswered
        answered = answerer(Block(source, number, [argument_row(text)]))
        unanswered += answered.tally.rows.reasons.total()
        _refuse_text(answerer.form, text, answered.answers[0])
        with open_output(None, force=False, styled=styled) as out:
            out.write(answered.lines or b"")

    converse(answer)
    if strict and unanswered:
        raise click.exceptions.Exit(1)


def _check_counting(call: _Call, *, explain: bool) -> None:
    """Refuse what counts of labels, or rows in order, have no room for."""
    if call.top and not call.sort:
        raise click.UsageError("--top is of sorted rows: say --sort LABEL, too")
    if call.by and call.kind in ("xlsx", "parquet", "html"):
        raise click.UsageError(
            Sentence(
                "--format is that of the counts by {by}, which are no {kind}: jsonl, csv, tsv or table",
                by=call.by[0],
                kind=call.kind,
            )
        )
    rows = {"--sort": bool(call.sort), "--explain": explain, "--probabilities": call.probabilities}
    if call.summed and (of_rows := [name for name, wanted in rows.items() if wanted]):
        raise click.UsageError(
            Sentence(
                "{of_rows} is of rows, of which --by writes none: say --output FILE for them, too", of_rows=of_rows[0]
            )
        )


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


def _check_input(call: _Call, verb: Verb) -> None:
    if call.texts and call.files:
        raise click.UsageError(
            "give FILES or --text, not both" if verb.reads == "files" else "give TEXT or --file, not both"
        )
    if call.texts and call.of_file:
        raise click.UsageError("--column, --sheet and --encoding are those of a file: give a file, or leave them out")
    if not call.files and not call.texts and sys.stdin.isatty():
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


def _cut_blocks(blocks: Iterable[Block], size: int | None) -> Iterator[Block]:
    """Yield the same rows, so few at a time that answers come soon."""
    for block in blocks:
        if size is None or not block.rows:
            yield block
            continue
        for at in range(0, len(block.rows), size):
            yield block._replace(first=block.first + at, rows=block.rows[at : at + size])
