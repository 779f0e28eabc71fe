"""Answers beside their rows in files whose cells have types: workbooks and Parquet."""

from __future__ import annotations

import io
import itertools
import re
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from nlpkit.commands.columns import Writer, cells_of, check_columns, columns_of, names_of, records_of, values_of
from nlpkit.errors import DataError, DataWarning, MissingExtra, Sentence
from nlpkit.text.cells import WHOLE, TypedRow, text_of
from nlpkit.text.json_rows import Number
from nlpkit.text.line_numbers import which_lines
from nlpkit.text.names import find_free_name, make_unique
from nlpkit.text.rows import Row, Source

if TYPE_CHECKING:
    from nlpkit.commands.answers import Form

MOST_ROWS = 1 << 20  # of a sheet, the header among them; https://support.microsoft.com/office/1672b34d-7043-467e-8e27
MOST_COLUMNS = 1 << 14
EVERYWHERE = "A1:XFD1048576"
LONGEST_CELL = 32_767  # UTF-16 code units
FIRST_DAY = datetime(1900, 3, 1)  # before it, Excel's calendar has a day that never was
GROUP = 1 << 16  # rows of a Parquet file that are written together
INSTEAD = Sentence("write .csv, .jsonl or .parquet instead")
_STRANGE = re.compile("[\ud800-\udfff\ufffe\uffff]")  # what no workbook can hold, however it is written
_FORMATS = {datetime: "yyyy-mm-dd hh:mm:ss", date: "yyyy-mm-dd", time: "hh:mm:ss", timedelta: "[h]:mm:ss"}


class ExcelWriter(Writer):
    """A workbook of one sheet: a bold header that stays in sight, the table's own cells typed as they were.

    A text is never a formula, a link or a number, whatever it looks like.

    :raises MissingExtra: if XlsxWriter is not installed.
    """

    apart = False

    def __init__(self, form: Form) -> None:
        try:
            import xlsxwriter
        except ImportError:
            raise MissingExtra("XlsxWriter", "excel", "writing .xlsx") from None
        self._form, self._content = form, io.BytesIO()
        self._columns: list[str] | None = None
        folder = tempfile.mkdtemp(prefix="nlpkit-")  # of rows, until the workbook is put together
        self._workbook = xlsxwriter.Workbook(self._content, {"constant_memory": True, "tmpdir": folder})
        self._sheet = self._workbook.add_worksheet(form.done)
        self._remove = weakref.finalize(self, _remove, self._sheet, folder)
        self._formats = {kind: self._workbook.add_format({"num_format": code}) for kind, code in _FORMATS.items()}
        self._rows = 0
        self._strange: list[int] = []  # rows with characters that stand as U+FFFD

    def lines(self, source: Source, first: int, rows: Sequence[Row], answers: Sequence[Any]) -> bytes:
        """Write a block; nothing is there before `end`."""
        columns, names = columns_of(source, self._form), names_of(source, self._form, answers)
        if names is None:
            return b""
        if self._columns is None:
            self._columns = columns
            self._begin([*columns, *(find_free_name(name, columns) for name in names)])
        check_columns(source, columns, self._columns)
        for number, (row, answer) in enumerate(zip(rows, answers, strict=True), start=first):
            own = values_of(source, number, row, columns)
            for record in records_of(source, self._form, number, row, answer):
                self._write([*own, *record], source.name)
        return b""

    def end(self) -> bytes:
        """Return the workbook."""
        self._workbook.close()
        self._remove()
        if self._strange:
            where = which_lines(self._strange).replace("line", "row", 1)
            what = Sentence("characters that no workbook can hold (U+FFFE, U+FFFF), for which � stands")
            warnings.warn(DataWarning("the workbook has {what}: {where}", what=what, where=where), stacklevel=2)
        return self._content.getvalue()

    def _begin(self, header: Sequence[str]) -> None:
        if len(header) > MOST_COLUMNS:
            what = Sentence(
                "{header:,} columns, and a sheet holds {most_columns:,}", header=len(header), most_columns=MOST_COLUMNS
            )
            raise DataError("there are {what}: {instead}", what=what, instead=INSTEAD)
        self._sheet.freeze_panes(1, 0)
        self._sheet.ignore_errors({"number_stored_as_text": EVERYWHERE})  # those of a CSV are texts
        bold = self._workbook.add_format({"bold": True})
        for column, name in enumerate(header):
            self._write_text(column, name, Sentence("the header"), bold)
        self._rows = 1

    def _write(self, values: Sequence[Any], name: str) -> None:
        if self._rows == MOST_ROWS:
            what = Sentence("more than {most_rows:,} rows, which is all that a sheet holds", most_rows=MOST_ROWS - 1)
            raise DataError("there are {what}: {instead}", what=what, instead=INSTEAD)
        for column, value in enumerate(values):
            if value is not None:
                self._write_cell(column, value, name)
        self._rows += 1

    def _write_cell(self, column: int, value: Any, name: str) -> None:
        if isinstance(value, bool):
            self._sheet.write_boolean(self._rows, column, value)
        elif isinstance(value, int | float | Decimal) and _fits(value):
            self._sheet.write_number(self._rows, column, value)
        elif type(value) in self._formats and _is_in_calendar(value):
            self._sheet.write_datetime(self._rows, column, value, self._formats[type(value)])
        elif text := text_of(value):
            self._write_text(column, text, Sentence("row {rows:,} of {name}", rows=self._rows, name=name))

    def _write_text(self, column: int, text: str, where: str, style: Any = None) -> None:
        if _STRANGE.search(text):
            text = _STRANGE.sub("\ufffd", text)
            self._strange.append(self._rows + 1)
        units = len(text) if len(text) * 2 <= LONGEST_CELL else len(text.encode("utf-16-le")) // 2
        if units > LONGEST_CELL:
            what = Sentence(
                "a cell of {units:,} characters, and Excel's hold {longest_cell:,}",
                units=units,
                longest_cell=LONGEST_CELL,
            )
            raise DataError("{where} has {what}: {instead}", where=where, what=what, instead=INSTEAD)
        self._sheet.write_string(self._rows, column, text, style)


def _remove(sheet: Any, folder: str) -> None:
    """Remove the rows that wait to be put together, of a workbook that was never ended, too."""
    sheet.row_data_fh.close()
    shutil.rmtree(folder, ignore_errors=True)


def _fits(number: float | Decimal) -> bool:
    """Tell whether Excel, whose numbers are floats, keeps a number as it is."""
    if isinstance(number, Number):  # of JSON
        number = Decimal(number.written)
    if isinstance(number, float):
        return abs(number) < float("inf")
    return abs(number) < WHOLE and Decimal(repr(float(number))) == number


def _is_in_calendar(value: Any) -> bool:
    if isinstance(value, datetime):
        return value.tzinfo is None and value >= FIRST_DAY and value.microsecond % 1000 == 0
    if isinstance(value, timedelta):
        return value >= timedelta()
    return (isinstance(value, time) and value.tzinfo is None) or (isinstance(value, date) and value >= FIRST_DAY.date())


class ParquetWriter(Writer):
    """A Parquet file: the columns of a Parquet file as they were, those of any other as texts; then the answer's.

    :raises MissingExtra: if pyarrow is not installed.
    """

    apart = False

    def __init__(self, form: Form) -> None:
        try:
            import pyarrow
        except ImportError:
            raise MissingExtra("pyarrow", "parquet", "writing .parquet") from None
        self._arrow, self._form, self._sink = pyarrow, form, _Sink()
        self._columns: list[str] | None = None
        self._names: list[str] = []  # of the answer's columns
        self._schema: Any = None  # of a Parquet file that is read
        self._types: dict[str, Any] = {}  # of the answer's columns, as far as they are known
        self._waiting: list[tuple[Any, Mapping[str, list[Any]]]] = []
        self._file: Any = None

    def lines(self, source: Source, first: int, rows: Sequence[Row], answers: Sequence[Any]) -> bytes:
        """Write blocks when they make a group of rows, by which it is known of what type the answer is."""
        columns, names = columns_of(source, self._form), names_of(source, self._form, answers)
        if names is None:
            return b""
        schema = source.table.schema if source.table else None
        if self._columns is None:
            self._columns, self._schema = columns, schema
            free = [find_free_name(name, columns) for name in names]
            self._names = make_unique([*columns, *free])[len(columns) :]
        check_columns(source, columns, self._columns)
        if (schema is None) != (self._schema is None) or not (schema is None or schema.equals(self._schema)):
            what = Sentence("columns of other types than the first file: score them apart")
            raise DataError("{name} has {what}", name=source.name, what=what)
        pairs = enumerate(zip(rows, answers, strict=True), start=first)
        records = [records_of(source, self._form, number, row, answer) for number, (row, answer) in pairs]
        answered = list(zip(*itertools.chain.from_iterable(records), strict=True)) or [()] * len(self._names)
        cells = {name: list(values) for name, values in zip(self._names, answered, strict=True)}
        own = self._own(source, first, rows, columns)
        if self._form.several_lines:
            numbers = [number for number, lines in enumerate(records) for _ in lines]
            own = own.take(self._arrow.array(numbers, self._arrow.int64()))
        self._waiting.append((own, cells))
        self._find_types(cells)
        if sum(own.num_rows for own, _ in self._waiting) >= GROUP:
            self._flush()
        return self._sink.take()

    def end(self) -> bytes:
        """Return the rest of the file."""
        if self._columns is not None:
            self._flush()
            self._file.close()
        return self._sink.take()

    def _own(self, source: Source, first: int, rows: Sequence[Row], columns: Sequence[str]) -> Any:
        """Return what the rows have of their own as a table of Arrow."""
        if self._schema is not None:
            parts = [batch.slice(begin, count) for batch, begin, count in _runs(rows)]
            return self._arrow.Table.from_batches(parts, schema=self._schema)
        texts = [
            list(map(_text, row.values if isinstance(row, TypedRow) else cells_of(source, number, row, columns)))
            for number, row in enumerate(rows, start=first)
        ]
        arrays = [self._arrow.array(column, self._arrow.string()) for column in zip(*texts, strict=True)]
        empty = [self._arrow.array([], self._arrow.string())] * len(columns)
        return self._arrow.table(arrays or empty, names=list(columns))

    def _find_types(self, cells: Mapping[str, list[Any]]) -> None:
        for name, values in cells.items():
            value = next((value for value in values if value is not None), None)
            if value is not None and name not in self._types:
                number = isinstance(value, int | float) and not isinstance(value, bool)
                self._types[name] = self._arrow.float64() if number else self._arrow.string()

    def _flush(self) -> None:
        from pyarrow import parquet

        for name in self._names:
            self._types.setdefault(name, self._arrow.string())
        if self._waiting:
            group = self._arrow.concat_tables([own for own, _ in self._waiting])
            for name in self._names:
                values = itertools.chain.from_iterable(cells[name] for _, cells in self._waiting)
                group = group.append_column(name, self._array(list(values), self._types[name]))
            self._file = self._file or parquet.ParquetWriter(self._sink, group.schema)
            self._file.write_table(group)
        self._waiting.clear()

    def _array(self, values: Sequence[Any], kind: Any) -> Any:
        if kind == self._arrow.string():
            values = list(map(_text, values))
        return self._arrow.array(values, kind)


def _text(value: Any) -> str | None:
    return None if value is None else text_of(value).encode("utf-8", "replace").decode()


def _runs(rows: Sequence[Row]) -> Iterator[tuple[Any, int, int]]:
    """Give the batches of rows, and from where on how many of each are among them, one after the other."""
    batch, begin, count = None, 0, 0
    for row in rows:
        if not isinstance(row, TypedRow):
            continue
        if row.batch is batch and row.index == begin + count:
            count += 1
            continue
        if count:
            yield batch, begin, count
        batch, begin, count = row.batch, row.index, 1
    if count:
        yield batch, begin, count


class _Sink(io.RawIOBase):
    """Takes what is written until it is asked for."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._size += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        return self._size

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data
