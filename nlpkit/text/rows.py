"""Reads the files that people have, row by row: lines, the records of a table, or objects of JSON."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nlpkit.errors import DataError, DataWarning, Sentence, reason_of
from nlpkit.text.decoding import WINDOWS, Decoded
from nlpkit.text.encodings import UNDECODABLE
from nlpkit.text.json_rows import JSON_LINES, JsonRows, as_json, as_written, holds_objects
from nlpkit.text.line_numbers import which_lines
from nlpkit.text.records import SEPARATOR, TABLES, Records, column_position, suffix_of
from nlpkit.text.row import Row as Row
from nlpkit.text.row import make_row
from nlpkit.text.table import Choice, TypedTable
from nlpkit.text.typed_files import open_table

TEXT_COLUMNS = (
    "text",
    "review",
    "content",
    "comment",
    "sentence",
    *["文本", "评论", "内容", "评价", "评论内容", "评价内容", "評論", "內容", "評價"],
)
DOCCANO = {"id", "data", "label"}  # columns of what doccano exports, some of whose versions call the text so
LONGEST_NAME = 30  # characters of a column's name that are shown


@dataclass(frozen=True)
class Source:
    """An open file, and its rows in blocks, read as they are asked for.

    :param header: the columns of a table.
    :param fields: the fields of objects of JSON, as far as the first of them show.
    :param field: that of the text.
    :param table: whose rows are `nlpkit.text.cells.TypedRow`; None where all is text.
    """

    name: str
    header: list[str] | None
    blocks: Iterator[list[Row]]
    decoded: Decoded | None = None
    fields: list[str] | None = None
    field: str | None = None
    table: TypedTable | None = None
    of_windows: bool = False

    @property
    def windows(self) -> bool:
        """Whether the file is one of Excel, or encoded as by it, which reads UTF-8 only behind a byte order mark."""
        if self.of_windows:
            return True
        encoding = self.decoded.encoding if self.decoded else None
        return encoding in WINDOWS or (self.table is not None and self.table.windows)

    def head(self) -> Source:
        """Return what is known of the file without its rows, which can be sent to another process."""
        return Source(self.name, self.header, iter(()), None, self.fields, self.field, None, self.windows)

    def progress(self) -> float | None:
        """Tell which share of the file was read; None where its size is unknown."""
        return None if self.decoded is None else self.decoded.progress()


@contextmanager
def open_rows(
    path: str | Path | IO[bytes],
    *,
    column: str | None = None,
    encoding: str | None = None,
    table: bool = False,
    sheet: str | None = None,
) -> Iterator[Source]:
    """Open a file of rows: lines of text; a table, for ``column``, ``table`` or a name in .csv or .tsv; or JSON.

    Workbooks and Parquet files are known by their first bytes.

    JSON is what is named so, or begins with an object; then ``column`` is one of its fields. A file is a table, too, if
    its first line has the usual name of a text among names parted by tabs: Excel calls such files .txt.

    :param path: a path, or an open binary stream, which stays open; either may be packed by gzip, bzip2 or xz.
    :param sheet: of a workbook; None: the only one that holds rows.
    :raises DataError: if the file is missing, empty or binary, its encoding unknown, or the column absent.
    :raises MissingExtra: if what reads workbooks, or Parquet, is needed and not installed.
    :raises SettingError: if there is no ``encoding`` or ``sheet`` of that name.
    """
    choice = Choice(sheet, [column] if column else [], TEXT_COLUMNS)
    with open_file(path, choice, encoding=encoding, quoted=True if table or column else None) as content:
        if isinstance(content, Decoded):
            yield _source_of(content, name_of(path), column, table=table)
        else:
            position = column_position(content.name, content.header, column, usual_texts(content.header), "--column")
            yield Source(name_of(path), content.header, content.blocks(position), table=content)


def _source_of(decoded: Decoded, name: str, column: str | None, *, table: bool) -> Source:
    """Tell what the rows of a text are: objects, records, lines."""
    suffix = suffix_of(decoded.name)
    if suffix in JSON_LINES or (suffix not in TABLES and holds_objects(decoded.head())):
        objects = JsonRows(decoded)
        field = objects.field(column, usual_texts(objects.keys), "--column")
        return Source(name, None, objects.blocks(field), decoded, objects.keys, field)
    if column is not None or table or suffix in TABLES or _is_table(decoded.head()):
        records = Records(decoded)
        position = column_position(decoded.name, records.header, column, usual_texts(records.header), "--column")
        return Source(name, records.header, records.blocks(position), decoded)
    if looks_like := _header(decoded.head()):
        what = Sentence(
            "{name} is read line by line, and looks like a table with the columns {looks_like}",
            name=decoded.name,
            looks_like=looks_like,
        )
        warnings.warn(DataWarning("{what}: say --column to read one of them", what=what), stacklevel=2)
    return Source(name, None, _rows(decoded), decoded)


@contextmanager
def open_file(
    path: str | Path | IO[bytes], choice: Choice, *, encoding: str | None = None, quoted: bool | None = None
) -> Iterator[TypedTable | Decoded]:
    """Open a file as the table that its first bytes say it is, a workbook or Parquet, or else as text.

    Errors are those of `open_rows`.
    """
    name = _said(path)
    with _open(path, name) as stream:
        table = open_table(name, stream, choice)
        if table is not None:
            yield table
            return
        with _decode(name, stream, encoding, quoted=quoted) as decoded:
            yield decoded


@contextmanager
def open_text(
    path: str | Path | IO[bytes], *, encoding: str | None = None, quoted: bool | None = None, tell: bool = True
) -> Iterator[Decoded]:
    """Open a file as text, of which no more is read than is asked for; errors as `open_rows` has them.

    :param quoted: whether line breaks within quotes end no line; None: if it is named as a table.
    :param tell: at the end, by a `DataWarning`, if the encoding is in doubt.
    """
    name = _said(path)
    with _open(path, name) as stream, _decode(name, stream, encoding, quoted=quoted, tell=tell) as decoded:
        yield decoded


@contextmanager
def _decode(
    name: str, stream: IO[bytes], encoding: str | None, *, quoted: bool | None, tell: bool = True
) -> Iterator[Decoded]:
    """Read an open stream as text, as `open_text` has it."""
    decoded = Decoded(name, stream, encoding, quoted=suffix_of(name) in TABLES if quoted is None else quoted)
    yield decoded
    if tell and decoded.doubt:
        warnings.warn(decoded.doubt, DataWarning, stacklevel=2)
    if tell and decoded.foreign:
        what = Sentence(
            "{name} is read as {encoding}, and has UTF-8 in {foreign}: its texts are wrong there",
            name=name,
            encoding=decoded.encoding,
            foreign=decoded.foreign,
        )
        warnings.warn(what, DataWarning, stacklevel=2)


def preview(
    path: str | Path | IO[bytes], *, rows: int = 5, encoding: str | None = None, sheet: str | None = None
) -> tuple[list[str] | None, list[list[str]]]:
    """Show the columns of a file, or the fields of its objects, and its first rows, before a column is chosen.

    :returns: names, None of a file of lines; and the cells of so many rows.
    :raises NlpkitError: as `open_rows`, but for columns.
    """
    with open_file(path, Choice(sheet, [], TEXT_COLUMNS), encoding=encoding) as content:
        if not isinstance(content, Decoded):
            names = list(content.header)
            return names, [list(row.cells) for row in _first(content.blocks(0), rows)]
        suffix, head = suffix_of(content.name), content.head()
        if suffix in JSON_LINES or (suffix not in TABLES and holds_objects(head)):
            objects = JsonRows(content)
            first = [item.fields or {} for item in itertools.islice(objects.first, rows)]
            return objects.keys, [[_show(fields.get(key)) for key in objects.keys] for fields in first]
        if suffix in TABLES or _is_table(head):
            records = Records(content)
            return records.header, [list(row.cells) for row in _first(records.blocks(0), rows)]
        return None, [[row.text] for row in _first(_rows(content), rows)]


def usual_texts(names: Sequence[str]) -> Sequence[str]:
    """Return the usual names of a text's column among others."""
    return ("data",) if set(names) >= DOCCANO and not set(names) & set(TEXT_COLUMNS) else TEXT_COLUMNS


def name_of(path: str | Path | IO[bytes]) -> str:
    """Return what a file is called in results; ``-`` for an open stream."""
    return argument_row(str(path)).text if isinstance(path, str | Path) else "-"


def _said(path: str | Path | IO[bytes]) -> str:
    """Return what a file is called in sentences."""
    return name_of(path) if isinstance(path, str | Path) else "stdin"


def argument_row(argument: str) -> Row:
    """Make a row of a text from the command line, where undecodable bytes come as lone surrogates."""
    return make_row("".join(UNDECODABLE if "\ud800" <= c <= "\udfff" else c for c in argument))


@contextmanager
def _open(path: str | Path | IO[bytes], name: str) -> Iterator[IO[bytes]]:
    if not isinstance(path, str | Path):
        yield path
        return
    try:
        stream = Path(path).open("rb", buffering=0)  # noqa: SIM115 - its errors are told apart from those of its reader
    except OSError as error:
        raise DataError("{name} cannot be read: {reason}", name=name, reason=reason_of(error)) from error
    with stream:
        yield stream


def _is_table(head: Sequence[str]) -> bool:
    """Tell whether the first line says what parts cells, or names columns between tabs, one of them by a usual name."""
    first = next((line for line in head[:100] if line.strip()), "")
    if SEPARATOR.fullmatch(first):
        return True
    names = _names(head)
    return len(names) > 1 and sum(name.lower() in TEXT_COLUMNS for name in names) == 1


def _header(head: Sequence[str]) -> str:
    """Return what the first line says, if most lines are parted by tabs and so may be a table."""
    lines = [line for line in head[:100] if line.strip()]
    if len(lines) < 2 or "\t" not in lines[0].strip() or 2 * sum("\t" in line for line in lines) <= len(lines):
        return ""
    return ", ".join(name[:LONGEST_NAME] for name in _names(head))


def _names(head: Sequence[str]) -> list[str]:
    first = next((line for line in head[:100] if line.strip()), "")
    return [name.strip(' "') for name in first.rstrip("\r").split("\t")]


def _rows(decoded: Decoded) -> Iterator[list[Row]]:
    number = 0
    zeros: list[int] = []
    for lines in decoded.line_blocks():
        texts = [line.removesuffix("\r") for line in lines]
        yield [make_row(text) for text in texts] if decoded.undecodable else [Row(text) for text in texts]
        if decoded.zeros:
            zeros += [at for at, text in enumerate(texts, number + 1) if "\0" in text]
        number += len(texts)
    if zeros:
        warnings.warn(
            DataWarning(
                "{name} has zero bytes in its text: {which_lines}", name=decoded.name, which_lines=which_lines(zeros)
            ),
            stacklevel=2,
        )


def _first(blocks: Iterator[list[Any]], rows: int) -> list[Any]:
    return list(itertools.islice(itertools.chain.from_iterable(blocks), rows))


def _show(value: Any) -> str:
    """Return a value as a cell, whatever it is."""
    written = as_written(value)
    return written if written is not None else as_json(value) or ""
