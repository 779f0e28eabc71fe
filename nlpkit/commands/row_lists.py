"""Rows to be looked at, written as a table, as lines of JSON, or as an annotation tool imports them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from nlpkit.commands.annotation_formats import KINDS, SuspectRow, write_rows
from nlpkit.errors import DataError, SettingError

TABLES = ("csv", "tsv", "jsonl")
NAMES = ".csv, .tsv or .jsonl"


def choose_shape(output: Path, shape: str | None, *, force: bool) -> str:
    """Return how rows are written; told before the work what would be refused after it.

    :raises SettingError: if neither an option nor the name says it.
    :raises DataError: if there is such a file, and not ``force``.
    """
    suffix = output.suffix.lower().removeprefix(".")
    suffix = "jsonl" if suffix == "ndjson" else suffix
    if shape is None and suffix not in TABLES:
        raise SettingError("{output} says no format: name it {names}, or say --as", output=output, names=NAMES)
    if shape in KINDS and suffix in ("csv", "tsv"):
        raise SettingError("{output} would hold no {suffix}, but JSON", output=output, suffix=suffix)
    if output.is_file() and not force:
        raise DataError("{output} exists: choose another name, or say --force to replace it", output=output)
    return shape or suffix


def save_rows(
    output: Path,
    shape: str,
    fields: Sequence[str],
    rows: Iterable[Sequence[Any]],
    as_suspect: Callable[[dict[str, Any]], SuspectRow],
    *,
    force: bool,
    windows: bool = False,
) -> None:
    """Write rows.

    :param rows: values of ``fields``, as JSON has them.
    :param as_suspect: makes of them what an annotation tool imports.
    :param windows: for Excel, which reads UTF-8 only behind a byte order mark.
    """
    from nlpkit.commands.streams import open_output

    named = (dict(zip(fields, values, strict=True)) for values in rows)
    with open_output(output, force=force) as out:
        if shape in KINDS:
            out.writelines(write_rows(shape, map(as_suspect, named)))
        else:
            out.write(format_rows(shape, fields, (list(row.values()) for row in named), windows=windows))


def format_rows(shape: str, fields: Sequence[str], rows: Iterable[Sequence[Any]], *, windows: bool = False) -> bytes:
    """Return rows as CSV, TSV or lines of JSON."""
    from nlpkit.commands.answers import csv_lines, dump
    from nlpkit.commands.columns import as_cell

    if shape == "jsonl":
        return b"".join(dump(dict(zip(fields, values, strict=True))) + b"\n" for values in rows)
    cells = [fields, *([as_cell(value) for value in values] for values in rows)]
    text = csv_lines(cells, "\t" if shape == "tsv" else ",", end="\r\n" if windows else "\n")
    return (("\ufeff" if windows else "") + text).encode("utf-8", "replace")
