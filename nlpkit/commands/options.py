"""Options that commands of all tasks have: one meaning, one name; and options of commands made of dataclasses."""

from __future__ import annotations

import types
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import click

from nlpkit.commands.printing import FILE, say
from nlpkit.errors import DataWarning, Sentence, SettingError, join
from nlpkit.plugins.options import Option, Range, options_of
from nlpkit.tasks.base import Task
from nlpkit.text.labels import rename_options
from nlpkit.text.names import read_names

if TYPE_CHECKING:
    from nlpkit.text.example import Example, Faults

ABOUT_ENCODING = "Of the input; found out unless said: UTF-8, GB18030, Big5, UTF-16."
ABOUT_SHEET = "The sheet of a workbook, if several hold rows."
ENCODING = click.option("--encoding", help=ABOUT_ENCODING)  # for commands that are functions
SHEET = click.option("--sheet", help=ABOUT_SHEET)
_JOBS: dict[str, Any] = {"type": click.IntRange(0), "default": 1, "show_default": True, "metavar": "N"}
JOBS = click.option("--jobs", "-j", **_JOBS, help="Work in so many processes; 0: one a core. The same, byte for byte.")
SHAPES = ("csv", "tsv", "jsonl", "doccano", "label-studio")  # of rows to be looked at
COLUMN = click.option("--column", "-c", help="Column of the text.")
OWN = "own_"  # before the names of a task's own options, lest they meet those of every task
WORDS = 4  # that were taken for no label, named


def encoding_option() -> click.Option:
    """Make the option ``--encoding``."""
    return click.Option(["--encoding"], help=ABOUT_ENCODING)


def jobs_option(about: str) -> click.Option:
    """Make the option ``--jobs``."""
    return click.Option(["--jobs", "-j"], **_JOBS, help=about)


def shape_option() -> click.Option:
    """Make the option ``--as``."""
    about = "How these rows are written, where the name of the file does not say it; doccano, label-studio: to import."
    return click.Option(["--as", "shape"], type=click.Choice(SHAPES), help=about)


def model_option(task: Task) -> click.Option:
    """Make the option ``--model``."""
    shipped = task.default_model
    return click.Option(
        ["--model", "-m"],
        default=shipped,
        show_default=shipped is not None,
        required=shipped is None,
        help="A model's name or folder.",
    )


def sheet_option() -> click.Option:
    """Make the option ``--sheet``."""
    return click.Option(["--sheet"], help=ABOUT_SHEET)


def row_options(task: Task) -> list[click.Parameter]:
    """Make the options that say which columns of a corpus hold what, and in which encoding."""
    columns = [click.Option(["--column", "-c"], help="Column of the text.")]
    if task.rows.answer:
        columns.append(click.Option(["--label-column"], help=f"Column of the {task.rows.answer}."))
    if task.rows.answer == "label":
        columns.append(
            click.Option(
                ["--label", "labels"],
                multiple=True,
                metavar="FOUND=NAME",
                help="Rename a label of the corpus: 1=positive; 3= leaves its rows out.",
            )
        )
    if task.rows.several:
        columns += several_options()
    return [*columns, sheet_option(), encoding_option()]


def several_options() -> list[click.Option]:
    """Make the options that say how several labels of a text are written."""
    return [
        click.Option(
            ["--label-separator"],
            metavar="TEXT",
            help="What stands between several labels of a text in one cell; found out unless said.",
        ),
        click.Option(
            ["--label-columns"],
            metavar="NAME,NAME",
            callback=lambda _context, _option, value: value and read_names(value),
            help="Columns of a label each, which hold 1 or 0.",
        ),
    ]


def options_of_dataclass(kind: type[Any] | None) -> tuple[list[str], list[click.Parameter]]:
    """Make an option of each field of a dataclass; return the fields' names, too.

    A command gets them by these names behind `OWN`.

    A field's metadata may say what it is for ``short``.
    """
    options = list(options_of(kind).values()) if kind else []
    short = {f.name: [f.metadata["short"]] for f in fields(kind) if "short" in f.metadata} if kind else {}
    return [option.name for option in options], [_make_option(option, short.get(option.name, [])) for option in options]


def _make_option(option: Option, short: Sequence[str]) -> click.Option:
    flags = [f"--{option.name.replace('_', '-')}", *short, OWN + option.name]
    if option.annotation is bool:
        return click.Option(flags, is_flag=True, default=option.default, help=option.help)
    has_default = option.default is not None
    return click.Option(
        flags, type=_type_of(option.annotation), default=option.default, show_default=has_default, help=option.help
    )


def _type_of(annotation: Any) -> Any:
    """Return the type that click has for an annotation."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _type_of(next(arg for arg in args if arg is not type(None)))
    if origin is Literal:
        return click.Choice(list(args))
    if origin is Annotated:
        bounds = next((extra for extra in args[1:] if isinstance(extra, Range)), Range())
        limits = {"min_open": bounds.low_open, "max_open": bounds.high_open}
        if args[0] is int:
            return click.IntRange(
                None if bounds.low is None else int(bounds.low),
                None if bounds.high is None else int(bounds.high),
                **limits,
            )
        return click.FloatRange(bounds.low, bounds.high, **limits) if args[0] is float else _type_of(args[0])
    return FILE if annotation is Path else annotation


def read_rows(
    task: Task, corpora: Sequence[str], *, read: Callable[..., Iterable[Example]] | None = None, **query: Any
) -> Iterator[Example]:
    """Read rows of a task as they are asked for; at the end say on stderr how many were left out and why.

    :param read: what reads a corpus, if it is not read as those of the task are.
    :param query: which columns hold what, as `nlpkit.text.catalogue.examples_of` has it.
    """
    from nlpkit.text.catalogue import examples_of
    from nlpkit.text.example import Faults

    faults = Faults()
    if task.rows.columns:
        query["answer_columns"] = task.rows.columns
    for corpus in corpora:
        yield from (read or examples_of)(corpus, answer=task.rows.answer, faults=faults, **query)
    say_left_out(faults)


def check_columns(corpora: Sequence[str], columns: Mapping[str, Any]) -> None:
    """Refuse a column that a table lacks, before anything heavy is loaded; other files are judged when they are read.

    :param columns: ``column``, ``label_column`` and the like, as `read_rows` takes them.
    :raises DataError: saying which there are.
    """
    from nlpkit.text.records import TABLES, suffix_of
    from nlpkit.text.table import TYPED

    named = [columns.get(name) for name in ("column", "label_column", "group_column")]
    wanted = [name for name in (*named, *(columns.get("label_columns") or ())) if name]
    for corpus in corpora if wanted else ():
        if Path(corpus).is_file() and suffix_of(corpus) in (*TABLES, *TYPED):
            _check_header(corpus, wanted, columns)


def _check_header(corpus: str, wanted: Sequence[str], columns: Mapping[str, Any]) -> None:
    from nlpkit.text.records import column_position
    from nlpkit.text.rows import open_rows

    encoding, sheet = columns.get("encoding"), columns.get("sheet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # which comes when the rows are read
        with open_rows(corpus, column=wanted[0], encoding=encoding, sheet=sheet) as source:
            for name in wanted:
                column_position(source.name, source.header or wanted, name, (), "")


def say_left_out(faults: Faults) -> None:
    """Say on stderr how many rows were left out and why, if any were."""
    if faults:
        say("{total:,} rows were left out: {faults}", total=faults.total(), faults=faults.describe())
    if faults.no_labels:
        words = ", ".join(f"{word!r} ({rows:,})" for word, rows in faults.no_labels.most_common(WORDS))
        first = faults.no_labels.most_common(1)[0][0]
        say(
            "taken for no label: {words}; {option} keeps it as a class",
            words=words,
            option=rename_options({first: first}),
        )


def count_reasons(reasons: Counter[str]) -> Sentence:
    """Return ``3 empty, 1 no label``."""
    return join(Sentence("{n:,} {reason}", n=n, reason=Sentence(reason)) for reason, n in reasons.most_common())


def read_renames(pairs: Iterable[str]) -> dict[str, str]:
    """Return what the values of ``--label`` say.

    :raises SettingError: for one that is no FOUND=NAME.
    """
    names = {}
    for pair in pairs:
        old, equals, new = pair.partition("=")
        if not equals or not old:
            raise SettingError("--label expects FOUND=NAME such as 1=positive, found {pair!r}", pair=pair)
        names[old] = new
    return names
