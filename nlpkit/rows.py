"""Reads the files that people have, row by row: lines, or the records of a table."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nlpkit.decoding import BLOCK, UNDECODABLE, WINDOWS, Decoded
from nlpkit.errors import DataError, nearest

TEXT_COLUMNS = (
    "text",
    "review",
    "content",
    "comment",
    "sentence",
    *["文本", "评论", "内容", "评价", "评论内容", "评价内容", "評論", "內容", "評價"],
)
TABLES = (".csv", ".tsv")
RECORDS = 4096  # rows of a table read together, fewer where they are long


@dataclass(slots=True)
class Row:
    """One row of a file.

    :param text: what to score; undecodable bytes stand as U+FFFD.
    :param fault: None, or why the row cannot be used.
    :param cells: all cells of a CSV row, as many as its header has; what is too much is in the last.
    :param line: the line on which a CSV row begins, from 1.
    """

    text: str
    fault: str | None = None
    cells: Sequence[str] = ()
    line: int = 0


@dataclass(frozen=True)
class Source:
    """An open file: its header if it is a table, and its rows in blocks, read as they are asked for."""

    name: str
    header: list[str] | None
    blocks: Iterator[list[Row]]
    decoded: Decoded | None = None

    @property
    def windows(self) -> bool:
        """Whether the file is encoded as Excel writes it, which reads UTF-8 only behind a byte order mark."""
        return self.decoded is not None and self.decoded.encoding in WINDOWS

    def progress(self) -> float | None:
        """The share of the file that was read; None where its size is unknown."""
        return None if self.decoded is None else self.decoded.progress()


@contextmanager
def open_rows(
    path: str | Path | IO[bytes], *, column: str | None = None, encoding: str | None = None, table: bool = False
) -> Iterator[Source]:
    """Open a text file (a row a line) or, with ``column``, ``table`` or a name in .csv or .tsv, a table.

    :param path: a path, or an open binary stream, which stays open; either may be packed by gzip.
    :raises DataError: if the file is missing, empty or binary, its encoding unknown, or the column absent.
    :raises SettingError: if there is no ``encoding`` of that name.
    """
    with open_text(path, encoding=encoding) as decoded:
        if column is None and not table and suffix_of(decoded.name) not in TABLES:
            yield Source(decoded.name, None, _rows(decoded), decoded)
            return
        records = Records(decoded)
        option = "--text-column" if table else "--column"
        position = column_position(decoded.name, records.header, column, TEXT_COLUMNS, option)
        yield Source(decoded.name, records.header, records.blocks(position), decoded)


@contextmanager
def open_text(path: str | Path | IO[bytes], *, encoding: str | None = None) -> Iterator[Decoded]:
    """Open a file as text, of which no more is read than is asked for; errors as `open_rows` has them."""
    name = argument_row(str(path)).text if isinstance(path, str | Path) else "-"
    with _open(path, name) as stream:
        yield Decoded(name, stream, encoding)


def suffix_of(name: str) -> str:
    """The suffix that tells a file's shape, in lower case: ``.csv`` of ``Reviews.CSV.gz``."""
    return Path(name.lower().removesuffix(".gz")).suffix


@contextmanager
def _open(path: str | Path | IO[bytes], name: str) -> Iterator[IO[bytes]]:
    if not isinstance(path, str | Path):
        yield path
        return
    try:
        stream = Path(path).open("rb", buffering=0)  # noqa: SIM115 - its errors are told apart from those of its reader
    except OSError as error:
        raise DataError(f"{name} cannot be read: {(error.strerror or str(error)).lower()}") from error
    with stream:
        yield stream


def _rows(decoded: Decoded) -> Iterator[list[Row]]:
    for lines in decoded.line_blocks():
        texts = [line.removesuffix("\r") for line in lines]
        yield [_checked(text) for text in texts] if decoded.undecodable else [Row(text) for text in texts]


def _checked(text: str, cells: Sequence[str] = (), line: int = 0) -> Row:
    """A row whose undecodable bytes are told and shown as U+FFFD."""
    if any(UNDECODABLE in value for value in (text, *cells)):
        fault = "undecodable bytes" if UNDECODABLE in text else None
        return Row(text.replace(UNDECODABLE, "�"), fault, [cell.replace(UNDECODABLE, "�") for cell in cells], line)
    return Row(text, None, cells, line)


def argument_row(argument: str) -> Row:
    """A row from the command line, where undecodable bytes come as lone surrogates."""
    return _checked("".join(UNDECODABLE if "\ud800" <= c <= "\udfff" else c for c in argument))


class Records:
    """The records of a CSV or TSV file, and its header.

    A quote that never closes would swallow all that follows, so the lines of the record at hand are kept until it ends.
    """

    def __init__(self, decoded: Decoded) -> None:
        self._name = decoded.name
        self._decoded = decoded
        self._lines = decoded.lines()
        self._held: list[str] = []
        self._line = 0  # on which the record at hand begins
        csv.field_size_limit(1 << 26)
        first = next(self._lines, "")
        said = first.strip().lower().removeprefix("sep=") if first.lower().startswith("sep=") else ""
        first = next(self._lines, "") if said else first  # Excel's own way to name the delimiter
        self._above = 1 if said else 0  # lines that the reader never sees
        usual = "\t" if suffix_of(self._name) == ".tsv" else ","
        self._delimiter = (
            said[:1] if said else usual if usual in first else next((d for d in "\t;" if d in first), usual)
        )
        self._lines = itertools.chain([first], self._lines)
        self._reader = csv.reader(self._kept(), delimiter=self._delimiter)
        self.header = next(self._records(), [])
        if not any(self.header):
            raise DataError(f"{self._name} has no header: expected a first line that names the columns")

    def blocks(self, position: int) -> Iterator[list[Row]]:
        """Rows whose text stands in the column at ``position``."""
        width, block, size = len(self.header), [], 0
        for cells in self._records():
            if len(cells) == width and not self._decoded.undecodable:
                block.append(Row(cells[position], None, cells, self._line))
            elif cells or width == 1:  # a blank line is a row only where a row has one cell
                block.append(self._row(cells or [""], position))
            size += sum(map(len, cells))
            if len(block) == RECORDS or size > BLOCK:
                yield block
                block, size = [], 0
        if block:
            yield block

    def _row(self, cells: list[str], position: int) -> Row:
        width = len(self.header)
        if len(cells) == width:
            return _checked(cells[position], cells, self._line)
        last = cells[width - 1 :] if any(cells[width:]) else cells[width - 1 : width]
        fitted = [*cells[: width - 1], ",".join(last)] + [""] * (width - len(cells) - (not last))
        if any(cells[width:]) or len(cells) <= position:
            fault = f"{len(cells)} columns where the header has {width}"
            return Row("", fault, _checked("", fitted).cells, self._line)
        return _checked(cells[position], fitted, self._line)

    def _records(self) -> Iterator[list[str]]:
        try:
            for record in self._reader:
                if len(self._held) > 1 or (record and record[-1].endswith("\n")):
                    self._check_closed()
                self._line = self._above + self._reader.line_num - len(self._held) + 1
                self._held.clear()
                yield record
        except csv.Error as error:
            raise DataError(f"{self._name}, line {self._above + self._reader.line_num}: no CSV: {error}") from error

    def _check_closed(self) -> None:
        try:
            list(csv.reader(self._held, delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            if "end of data" in str(error):
                line = self._above + self._reader.line_num - len(self._held) + 1
                raise DataError(f"{self._name}, line {line}: a quote opens that never closes") from None

    def _kept(self) -> Iterator[str]:
        for line in self._lines:
            self._held.append(line)
            yield line


def column_position(name: str, header: Sequence[str], wanted: str | None, usual: Sequence[str], option: str) -> int:
    """Where a column stands: the one asked for, or else the only one with a usual name."""
    if wanted is not None:
        if wanted not in header:
            raise DataError(f"{name} has no column {wanted!r}{nearest(wanted, header)}")
        if list(header).count(wanted) > 1:
            raise DataError(f"{name} has {list(header).count(wanted)} columns {wanted!r}: rename all but one")
        return list(header).index(wanted)
    found = [i for i, column in enumerate(header) if column.strip().lower() in usual]
    if len(found) == 1:
        return found[0]
    lines = "; if it has no header but a text a line, name it .txt"
    hint = "; if that is no header, put one above it" if len(header) > 1 else lines
    raise DataError(f"{name} has the columns {', '.join(header)}: say which one by {option}{hint}")
