"""Writes scored rows as table, JSONL, CSV or TSV, block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import click

from nlpkit.commands.answers import JsonLines, as_cell, csv_lines, free
from nlpkit.commands.screen import shown
from nlpkit.errors import DataError, SettingError
from nlpkit.tasks.sentiment.model import Score
from nlpkit.text.rows import Row, Source

# what people ask for, and must not get under a false name
OTHERS = ("json", "xls", "xlsx", "parquet", "gz", "bz2", "xz", "zip")
FORMATS = ("table", "jsonl", "csv", "tsv")
ADDED = ("label", "probability", "reason")
_COLOURS = ("red", "green", "yellow", "cyan", "magenta")
Write: TypeAlias = Callable[[Source, int, Sequence[Row], Sequence[Score]], bytes]  # the number is that of the first row


def writer(kind: str, labels: Sequence[str], *, color: bool, width: int | None) -> Write:
    """Return a function that formats a block of rows and their scores, with a header before the first.

    :param width: columns of the terminal, for the table.
    """
    if kind == "jsonl":
        return JsonLines(Score._fields)
    if kind == "table":
        return _Table(labels, color=color, width=width)
    return _Delimited("\t" if kind == "tsv" else ",")


def choose(kind: str | None, output: Path | None, *, tables: str | None, terminal: bool) -> str:
    """Return the format asked for, or that of the output's name, or a table for a terminal, or that of the input.

    :param tables: the format of the input's tables, if it has any.
    """
    suffix = output.suffix.lower().removeprefix(".") if output else ""
    suffix = "jsonl" if suffix == "ndjson" else suffix
    if kind is None and suffix in OTHERS:
        raise SettingError(f"{output} would hold no {suffix}: name it .csv, .tsv or .jsonl, or say --format")
    if kind or suffix in FORMATS:
        return kind or suffix
    if terminal and output is None:
        return "table"
    return tables or "jsonl"


class _Delimited:
    """A table's own columns, or file, row and text; then label, probability and reason."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._header: list[str] | None = None
        self._end = "\n"  # of a line, as the first file has it

    def __call__(self, source: Source, first: int, rows: Sequence[Row], scores: Sequence[Score]) -> bytes:
        columns = source.header or source.fields or ["file", "row", "text"]
        records: list[Sequence[Any]] = []
        mark = ""
        if self._header is None:
            mark = "\ufeff" if source.windows else ""
            self._end = "\r\n" if source.windows else "\n"
            records.append([*columns, *(free(name, columns) for name in ADDED)])
            self._header = columns
        elif self._header != columns:
            raise DataError(
                f"{source.name} has other columns than the first file: score them apart, or use --format jsonl"
            )
        for number, (row, score) in enumerate(zip(rows, scores, strict=True), start=first):
            cells = _cells(source, number, row, columns)
            records.append([*cells, score.label, score.probability, score.reason])
        return (mark + csv_lines(records, self._delimiter, end=self._end)).encode("utf-8", "replace")


def _cells(source: Source, number: int, row: Row, columns: Sequence[str]) -> Sequence[Any]:
    """What a row has in the columns of its source."""
    if source.header:
        return row.cells
    if source.fields is None:
        return source.name, number, row.text
    if row.fields is None:  # no object: what stands there is all that it has
        own = source.field if source.field in columns else (source.field or "").partition(".")[0]
        return [row.text if name == own else "" for name in columns]
    fields = row.fields
    if more := fields.keys() - set(columns):
        raise DataError(
            f"{source.name}, line {row.line}: the field {min(more)!r} is none of the first objects, and would be lost "
            "in a table: use --format jsonl"
        )
    return [as_cell(fields.get(name)) for name in columns]


class _Table:
    """One line a row: label, probability, as much of the text as fits."""

    def __init__(self, labels: Sequence[str], *, color: bool, width: int | None) -> None:
        self._colours = dict(zip(labels, _COLOURS, strict=False)) if color else {}
        self._label_width = max(8, *map(len, labels))
        self._width = width

    def __call__(self, _source: Source, _first: int, rows: Sequence[Row], scores: Sequence[Score]) -> bytes:
        return "".join(map(self._line, rows, scores)).encode("utf-8", "replace")

    def _line(self, row: Row, score: Score) -> str:
        label = shown(score.label or "-").ljust(self._label_width)
        sure = "     -" if score.probability is None else f"{score.probability:6.3f}"
        text = shown(row.text)
        if score.reason:
            text = f"({shown(score.reason)})  {text}"  # first, lest a narrow terminal cut it off
        if self._width:
            from rich.cells import set_cell_size

            room = max(20, self._width - self._label_width - 9)
            text = set_cell_size(text, room).rstrip()
        colour = self._colours.get(score.label or "")
        return f"{click.style(label, fg=colour) if colour else label} {sure}  {text}\n"
