"""What is written of a row: all that came in, unchanged, then what is answered, under names that are free."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from nlpkit.commands.columns import Writer, as_cell, cells_of, check_columns, columns_of, names_of, records_of
from nlpkit.commands.screen import make_harmless, to_one_line
from nlpkit.errors import Sentence, SettingError
from nlpkit.text.cells import TypedRow, json_of
from nlpkit.text.names import find_free_name, make_unique
from nlpkit.text.rows import Row, Source

FORMATS = ("table", "jsonl", "csv", "tsv", "xlsx", "parquet", "html")
BINARY = ("xlsx", "parquet")  # what is for no eyes
OTHERS = ("json", "xls", "xlsm", "xlsb", "ods", "gz", "bz2", "xz", "zip")  # what must not be had by name only


_PAGE = """<!DOCTYPE html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>nlpkit</title>
<style>body{font-family:system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif;line-height:1.6}
table{border-collapse:collapse}td,th{padding:.2rem .5rem;border-bottom:1px solid #ddd}
td,th{text-align:left;vertical-align:top}
td:first-child{overflow-wrap:anywhere}td:last-child{color:#777}*{print-color-adjust:exact}</style>
<table>
"""
NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Look:
    """What is drawn on: whether it has colours, and its columns, if these are few."""

    color: bool = False
    width: int | None = None

    def cut(self, text: str, columns: int) -> str:
        """Return as much of a text as fits beside so many columns."""
        if not self.width:
            return text
        from rich.cells import set_cell_size

        return set_cell_size(text, max(20, self.width - columns)).rstrip()


class Form:
    """How the answers of a verb are written; a task's own inherits from it.

    :param model: that answers.
    :param options: of the verb, by name; ``probabilities``, if each label shall have a column.
    """

    fields: Sequence[str] = ()  # of an answer in JSON; none: those of the answer
    columns: Sequence[str] = ()  # of an answer in a table of delimited cells; none: the same
    labels: Sequence[str]  # that an answer may have, where it has one; those of the model
    colours: Mapping[str, str] = NO_OPTIONS  # of labels on a terminal
    text: ClassVar[str] = "text"  # what the text of a row is called
    several_lines: ClassVar[bool] = False  # whether a row may become several lines of a table: see `lines`
    done: ClassVar[str] = Sentence("answered")  # what becomes of a row
    together: ClassVar[int | None] = None  # rows that are answered together at most, where that lasts

    def __init__(self, model: Any, look: Look, options: Mapping[str, Any] = NO_OPTIONS) -> None:
        self.model, self.look, self.options = model, look, options
        self.labels = getattr(model, "labels", ())

    def values(self, answer: Any) -> Sequence[Any]:
        """Return an answer as JSON values, one a field."""
        return answer  # type: ignore[no-any-return]

    def cells(self, answer: Any) -> Sequence[Any]:
        """Return an answer as cells, one a column."""
        return [value if type(value) in (int, float) else as_cell(value) or None for value in self.values(answer)]

    def lines(self, row: Row, answer: Any) -> Sequence[Sequence[Any]]:  # noqa: ARG002
        """Return an answer as lines of a table, each as `cells` has it, where there may be several."""
        return [self.cells(answer)]

    def writer(self, kind: str) -> Writer | None:  # noqa: ARG002
        """Return what writes a format in place of what writes row by row: what sums all answers up, say."""
        return None

    def line(self, row: Row, answer: Any) -> str:
        """Return what a terminal shows of a row and its answer, line ends included."""
        parts = [str(value) for value in self.values(answer) if value is not None]
        return f"{to_one_line('  '.join(parts))}  {to_one_line(row.text)}\n"

    def html(self, row: Row, answer: Any) -> str:  # noqa: ARG002
        """Return the text of a row as HTML."""
        return f"<bdi>{escape(row.text)}</bdi>"

    def refuse(self, text: str, reason: str) -> str | None:  # noqa: ARG002
        """Return what is wrong with the one text that was asked about, if it is an error; None if it is a row."""
        return None


def choose_format(kind: str | None, output: Path | None, *, tables: str | None, terminal: bool) -> str:
    """Return the format asked for, or that of the output's name, or a table for a terminal, or that of the input.

    :param tables: the format of the input's tables, if it has any.
    """
    suffix = output.suffix.lower().removeprefix(".") if output else ""
    suffix = "jsonl" if suffix == "ndjson" else suffix
    if kind is None and suffix in OTHERS:
        raise SettingError(
            "{output} would hold no {suffix}: name it .csv, .tsv, .jsonl, .xlsx or .html, or say --format",
            output=output,
            suffix=suffix,
        )
    kind = kind or (suffix if suffix in FORMATS else None)
    if kind in BINARY and terminal and output is None:
        raise SettingError("{kind} is for a file, not for a terminal: say --output", kind=kind)
    if kind:
        return kind
    if terminal and output is None:
        return "table"
    return tables or "jsonl"


def make_writer(kind: str, form: Form) -> Writer:
    """Return what writes a format.

    :raises MissingExtra: if what writes it is not installed.
    """
    if own := form.writer(kind):
        return own
    if kind in BINARY:
        from nlpkit.commands.typed_answers import ExcelWriter, ParquetWriter

        return ExcelWriter(form) if kind == "xlsx" else ParquetWriter(form)
    if kind == "table":
        return _LinesForm(form)
    if kind == "html":
        return _HtmlForm(form)
    return _JsonForm(form) if kind == "jsonl" else _DelimitedForm("\t" if kind == "tsv" else ",", form)


class _LinesForm(Writer):
    """What a terminal shows of each row."""

    def __init__(self, form: Form) -> None:
        self._form = form

    def lines(self, source: Source, first: int, rows: Sequence[Row], answers: Sequence[Any]) -> bytes:  # noqa: ARG002
        return "".join(map(self._form.line, rows, answers)).encode("utf-8", "replace")


class _HtmlForm(Writer):
    """A page with a table: where a row stands, its answer, its text."""

    def __init__(self, form: Form) -> None:
        self._form, self._begun = form, False

    def begin(self, source: Source, answers: Sequence[Any]) -> bytes:  # noqa: ARG002
        if self._begun or not answers:
            return b""
        self._begun = True
        names = self._form.columns or self._form.fields or answers[0]._fields
        return make_harmless(_PAGE + _row_of("th", [self._form.text, *map(escape, names), ""])).encode()

    def lines(self, source: Source, first: int, rows: Sequence[Row], answers: Sequence[Any]) -> bytes:
        lines: list[str] = []
        for number, (row, answer) in enumerate(zip(rows, answers, strict=True), start=first):
            place = escape(f"{source.name}:{number}")
            for line in self._form.lines(row, answer) if self._form.several_lines else [self._form.cells(answer)]:
                cells = ("" if cell is None else escape(str(cell)) for cell in line)
                lines.append(_row_of("td", [self._form.html(row, answer), *cells, place]))
        return make_harmless("".join(lines)).encode("utf-8", "replace")

    def end(self) -> bytes:
        return b"</table>\n" if self._begun else f"{_PAGE}</table>\n".encode()


def _row_of(tag: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in cells)}</tr>\n"


class _JsonForm(Writer):
    """A line of JSON a row."""

    def __init__(self, form: Form) -> None:
        self._form, self._lines = form, JsonLines(form.fields, text=form.text)

    def lines(self, source: Source, first: int, rows: Sequence[Row], answers: Sequence[Any]) -> bytes:
        if answers and not self._form.fields:
            self._form.fields = answers[0]._fields
            self._lines = JsonLines(self._form.fields, text=self._form.text)
        return self._lines(source, first, rows, map(self._form.values, answers))


class _DelimitedForm(Writer):
    """A table's own columns, or file, row and text; then those of the answer."""

    def __init__(self, delimiter: str, form: Form) -> None:
        self._delimiter, self._form = delimiter, form
        self._header: list[str] | None = None
        self._end = "\n"  # of a line, as the first file has it

    def begin(self, source: Source, answers: Sequence[Any]) -> bytes:
        columns, names = columns_of(source, self._form), names_of(source, self._form, answers)
        if names is None:
            return b""
        if self._header is not None:
            check_columns(source, columns, self._header)
            return b""
        self._header, self._end = columns, "\r\n" if source.windows else "\n"
        header = [*columns, *(find_free_name(name, columns) for name in names)]
        mark = "\ufeff" if source.windows else ""
        return (mark + csv_lines([header], self._delimiter, end=self._end)).encode("utf-8", "replace")

    def lines(self, source: Source, first: int, rows: Sequence[Row], answers: Sequence[Any]) -> bytes:
        columns = columns_of(source, self._form)
        records: list[Sequence[Any]] = []
        for number, (row, answer) in enumerate(zip(rows, answers, strict=True), start=first):
            cells = cells_of(source, number, row, columns)
            records += [[*cells, *record] for record in records_of(source, self._form, number, row, answer)]
        return csv_lines(records, self._delimiter, end=self._end).encode("utf-8", "replace")


class JsonLines:
    """Writes rows as lines of JSON: their fields or cells, or else file, number and text, then what is answered.

    :param names: of what is answered.
    :param text: what the text is called.
    """

    def __init__(self, names: Sequence[str], *, text: str = "text") -> None:
        self._names, self._text = names, text
        self._source: Source | None = None

    def __call__(self, source: Source, first: int, rows: Sequence[Row], answers: Iterable[Sequence[Any]]) -> bytes:
        """Return lines of some rows and the answer to each.

        :param first: the number of the first row in its file, from 1.
        """
        if source is not self._source:
            self._prepare(source)
        pairs = enumerate(zip(rows, answers, strict=True), start=first)
        return b"".join([self._line(number, row, answer) for number, (row, answer) in pairs])

    def _prepare(self, source: Source) -> None:
        """Choose the names of a file's lines: those of its columns, and for the rest such as are free."""
        self._source, self._file = source, source.name
        columns = make_unique(source.header or source.fields or ())
        self._free_places = [name not in columns for name in ("file", "row", self._text)]
        place = itertools.compress(("file", "row", self._text), self._free_places)
        self._free = [find_free_name(name, columns) for name in self._names]
        self._keys = [*place, *columns, *self._free]

    def _line(self, number: int, row: Row, answer: Sequence[Any]) -> bytes:
        if row.record is not None:
            return _splice(row.record, row.fields or {}, dict(zip(self._free, answer, strict=True)))
        if self._source is not None and self._source.fields is not None:
            where = {"file": self._file, "row": number, self._text: row.text}
            return dump(where | dict(zip(self._free, answer, strict=True))) + b"\n"
        place = itertools.compress((self._file, number, row.text), self._free_places)
        own = map(json_of, row.values) if isinstance(row, TypedRow) else row.cells
        return dump(dict(zip(self._keys, (*place, *own, *answer), strict=True))) + b"\n"


def _splice(record: str, fields: Mapping[str, Any], answer: Mapping[str, Any]) -> bytes:
    """Return an object as it was written, with more fields at its end: no number of it loses a digit."""
    more = dump({find_free_name(name, fields): value for name, value in answer.items()})
    body = record.rstrip().removesuffix("}").rstrip()
    return body.encode("utf-8", "replace") + (b"," if fields else b"") + more[1:] + b"\n"


def dump(fields: Mapping[str, Any]) -> bytes:
    """Return an object as JSON on one line."""
    import orjson

    try:
        return orjson.dumps(fields)
    except TypeError:  # halves of characters, which orjson does not write, and whole numbers beyond 64 bits
        return json.dumps(fields, separators=(",", ":")).encode()


def csv_lines(rows: Iterable[Sequence[Any]], delimiter: str, *, end: str) -> str:
    """Write records as CSV that every reader reads: a cell with any line break is quoted, whatever ends the lines."""
    text = io.StringIO()
    out = csv.writer(_Ending(text, end), delimiter=delimiter, lineterminator="\r\n")
    out.writerows(rows)
    return text.getvalue()


class _Ending:
    """Lets records end in something else than what csv, which quotes no cell with a CR if they end in LF, thinks."""

    def __init__(self, stream: io.StringIO, end: str) -> None:
        self._write, self._end = stream.write, end

    def write(self, record: str) -> int:
        return self._write(record[:-2] + self._end)
