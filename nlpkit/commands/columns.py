"""Which columns are written of a row: those that it came with, then those of its answer."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from nlpkit.errors import DataError
from nlpkit.text.cells import TypedRow
from nlpkit.text.json_rows import as_written
from nlpkit.text.rows import Row, Source

if TYPE_CHECKING:
    from nlpkit.commands.answers import Form


class Writer(ABC):
    """Writes blocks of rows and their answers, with a header before the first."""

    apart: ClassVar[bool] = True  # whether the lines of a block depend on no other block, once it has begun

    def __call__(self, source: Source, first: int, rows: Sequence[Row], answers: Sequence[Any]) -> bytes:
        """Return what is to be written now.

        :param first: the number of the first row in its file, from 1.
        """
        return self.begin(source, answers) + self.lines(source, first, rows, answers)

    def begin(self, source: Source, answers: Sequence[Any]) -> bytes:  # noqa: ARG002
        """Return what is to be written before the first block: nothing before any other.

        :param answers: of a block, or the first of them, by which it may be known what an answer has.
        :raises DataError: for a file that cannot follow upon the first.
        """
        return b""

    @abstractmethod
    def lines(self, source: Source, first: int, rows: Sequence[Row], answers: Sequence[Any]) -> bytes:
        """Return what is to be written of a block."""

    def end(self) -> bytes:
        """Return what is to be written behind the last block."""
        return b""


def columns_of(source: Source, form: Form) -> list[str]:
    """Return what the columns of rows are called: as in their table, or file, row and text."""
    return source.header or source.fields or ["file", "row", form.text]


def names_of(source: Source, form: Form, answers: Sequence[Any]) -> Sequence[str] | None:
    """Return what the columns of an answer are called; None as long as nothing is known of them."""
    names = form.columns or form.fields or (answers[0]._fields if answers else None)
    return names and [*_number_of(source, form, "row"), *names]


def records_of(source: Source, form: Form, number: int, row: Row, answer: Any) -> list[list[Any]]:
    """Return an answer as lines of cells: one, or several, each with the number of its row if no column has it."""
    lines = form.lines(row, answer) if form.several_lines else [form.cells(answer)]
    return [[*_number_of(source, form, number), *line] for line in lines]


def _number_of(source: Source, form: Form, number: Any) -> Sequence[Any]:
    """Return what tells of which row a line is, unless its source's own columns do, or a row is a line."""
    return [number] if form.several_lines and (source.header or source.fields) is not None else []


def check_columns(source: Source, columns: Sequence[str], first: Sequence[str]) -> None:
    """Refuse a file whose columns are not those of the first.

    :raises DataError: naming it.
    """
    if columns != first:
        raise DataError(
            "{name} has other columns than the first file: score them apart, or use --format jsonl",
            name=source.name,
        )


def values_of(source: Source, number: int, row: Row, columns: Sequence[str]) -> Sequence[Any]:
    """Return what a row has in the columns of its source, typed as far as it is there."""
    if isinstance(row, TypedRow):
        return row.values
    cells = cells_of(source, number, row, columns)
    if row.fields is None:
        return cells
    own = [row.fields.get(name) for name in columns]
    return [value if isinstance(value, int | float) else cell for value, cell in zip(own, cells, strict=True)]


def cells_of(source: Source, number: int, row: Row, columns: Sequence[str]) -> Sequence[Any]:
    """Return what a row has in the columns of its source."""
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
            "{name}, line {line}: the field {more!r} is none of the first objects, and would be "
            "lost in a table: use --format jsonl",
            name=source.name,
            line=row.line,
            more=min(more),
        )
    return [as_cell(fields.get(name)) for name in columns]


def as_cell(value: Any) -> str:
    """Return a value of JSON as a cell of a table: a text as it is, nothing for null, anything else as JSON."""
    if value is None or isinstance(value, str | int | float):
        return as_written(value) or ""
    return json.dumps(value, ensure_ascii=False)
