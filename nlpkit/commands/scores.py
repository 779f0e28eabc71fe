"""Writes scored rows as table, JSONL, CSV or TSV, block by block."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import click

from nlpkit.commands.streams import shown
from nlpkit.errors import DataError, SettingError
from nlpkit.inference.sentiment import Score
from nlpkit.rows import Row, Source

OTHERS = ("json", "xls", "xlsx", "parquet")  # what people ask for, and must not get under a false name
FORMATS = ("table", "jsonl", "csv", "tsv")
ADDED = ("label", "probability", "reason")
_COLOURS = ("red", "green", "yellow", "cyan", "magenta")
Write: TypeAlias = Callable[[Source, int, Sequence[Row], Sequence[Score]], bytes]  # the number is that of the first row


def writer(kind: str, labels: Sequence[str], *, color: bool, width: int | None) -> Write:
    """Return a function that formats a block of rows and their scores, with a header before the first.

    :param width: columns of the terminal, for the table.
    """
    if kind == "jsonl":
        return _jsonl
    if kind == "table":
        return _Table(labels, color=color, width=width)
    return _Delimited("\t" if kind == "tsv" else ",")


def choose(kind: str | None, output: Path | None, *, tables: str | None, terminal: bool) -> str:
    """Return the format asked for, or that of the output's name, or a table for a terminal, or that of the input.

    :param tables: the format of the input's tables, if it has any.
    """
    suffix = output.suffix.lower().removeprefix(".") if output else ""
    if kind is None and suffix in OTHERS:
        raise SettingError(f"{output} would hold no {suffix}: name it .csv, .tsv or .jsonl, or say --format")
    if kind or suffix in FORMATS:
        return kind or suffix
    if terminal and output is None:
        return "table"
    return tables or "jsonl"


def _jsonl(source: Source, first: int, rows: Sequence[Row], scores: Sequence[Score]) -> bytes:
    import orjson

    lines = [
        orjson.dumps(
            {
                "file": source.name,
                "row": number,
                "text": row.text,
                "label": score.label,
                "probability": score.probability,
                "probabilities": score.probabilities,
                "reason": score.reason,
            }
        )
        for number, (row, score) in enumerate(zip(rows, scores, strict=True), start=first)
    ]
    return b"\n".join([*lines, b""])


class _Delimited:
    """A table's own columns, or file, row and text; then label, probability and reason."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._header: list[str] | None = None

    def __call__(self, source: Source, first: int, rows: Sequence[Row], scores: Sequence[Score]) -> bytes:
        columns = ["file", "row", "text"] if source.header is None else source.header
        text = io.StringIO()
        out = csv.writer(text, delimiter=self._delimiter, lineterminator="\r\n" if source.windows else "\n")
        if self._header is None:
            text.write("\ufeff" if source.windows else "")
            out.writerow([*columns, *(_free(name, columns) for name in ADDED)])
            self._header = columns
        elif self._header != columns:
            raise DataError(
                f"{source.name} has other columns than the first file: score them apart, or use --format jsonl"
            )
        for number, (row, score) in enumerate(zip(rows, scores, strict=True), start=first):
            cells = (source.name, number, row.text) if source.header is None else row.cells
            out.writerow([*cells, score.label, score.probability, score.reason])
        return text.getvalue().encode("utf-8", "replace")


def _free(name: str, columns: Sequence[str]) -> str:
    """A name for a new column: itself, or one that no column has yet."""
    tries = itertools.chain([name, f"predicted_{name}"], (f"predicted_{name}_{n}" for n in itertools.count(2)))
    return next(name for name in tries if name not in columns)


class _Table:
    """One line a row: label, probability, as much of the text as fits."""

    def __init__(self, labels: Sequence[str], *, color: bool, width: int | None) -> None:
        self._colours = dict(zip(labels, _COLOURS, strict=False)) if color else {}
        self._label_width = max(8, *map(len, labels))
        self._width = width

    def __call__(self, _source: Source, _first: int, rows: Sequence[Row], scores: Sequence[Score]) -> bytes:
        return "".join(map(self._line, rows, scores)).encode("utf-8", "replace")

    def _line(self, row: Row, score: Score) -> str:
        label = (score.label or "-").ljust(self._label_width)
        sure = "     -" if score.probability is None else f"{score.probability:6.3f}"
        text = shown(row.text)
        if score.reason:
            text = f"({score.reason})  {text}"  # first, lest a narrow terminal cut it off
        if self._width:
            from rich.cells import set_cell_size

            room = max(20, self._width - self._label_width - 9)
            text = set_cell_size(text, room).rstrip()
        colour = self._colours.get(score.label or "")
        return f"{click.style(label, fg=colour) if colour else label} {sure}  {text}\n"
