"""Reads the records of a table whose cells are parted by a comma, a tab or a semicolon, quoted or not."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from nlpkit.errors import DataError, DataWarning, Sentence, nearest
from nlpkit.text.decoding import BLOCK, Decoded
from nlpkit.text.line_numbers import which_lines
from nlpkit.text.row import Row, make_row

TABLES = (".csv", ".tsv")
PACKED = (".gz", ".bz2", ".xz")
RECORDS = 4096  # rows of a table read together, fewer where they are long
LONGEST_CELL = (1 << 31) - 1  # characters in a cell
LONGEST_QUOTE = 1 << 22  # characters that quotes may enclose over several lines; one that encloses more is not meant so
CR = "\udcfe"  # stands for a CR that ends no line, at which csv would end one; no file can hold it
SEPARATOR = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE | re.DOTALL)
_QUOTED = re.compile(r'"[^"]*"')


def suffix_of(name: str) -> str:
    """Return the suffix that tells a file's shape, in lower case: ``.csv`` of ``Reviews.CSV.gz``."""
    path = Path(name.lower())
    return path.with_suffix("").suffix if path.suffix in PACKED else path.suffix


class Records:
    """The records of a CSV or TSV file, and its header.

    Quotes enclose whole cells, or else they are part of the text. So a record in which they do not is read without
    quoting, and told at the end by a `DataWarning`; a file parted by tabs whose first lines hold such a record is read
    without quoting throughout, as those who part by tabs mostly write it.

    :raises DataError: if there is no header.
    """

    def __init__(self, decoded: Decoded) -> None:
        self.name = decoded.name
        self._decoded = decoded
        self._blocks = decoded.line_blocks()
        self._lines: list[str] = []  # at hand, each with its end
        self._at = 0  # which of them comes next
        self._number = 1  # of the first of them
        self._hidden = False  # whether any CR so far is hidden from csv
        self._stray: list[int] = []  # lines on which records with stray quotes begin
        self._doubtful: list[int] = []  # lines on which records begin that hold what looks like records
        self._zeros: list[int] = []  # lines on which records begin that hold zero bytes
        csv.field_size_limit(LONGEST_CELL)
        self.header: list[str] = []
        first = self._first_line()
        separator = SEPARATOR.fullmatch(first)  # Excel's own way to name the delimiter
        if separator:
            self._at += 1
            first = self._first_line()
        if CR in _QUOTED.sub("", first):
            raise DataError("{name} ends its first line in CR and a later one in LF: let all end in LF", name=self.name)
        self._delimiter = separator[1] if separator else _delimiter(first, suffix_of(self.name))
        self._quoted = _is_quoted(first, self._delimiter)
        stray = None if self._quoted or self._delimiter != "\t" else _stray_quote(self._lines[self._at :])
        self._plain = stray is not None
        if stray is not None:
            where = Sentence("line {number:,}", number=self._number + self._at + stray)
            what = Sentence(
                "{name} is read without quoting, as on {where} quotes do not enclose a whole cell",
                name=self.name,
                where=where,
            )
            warnings.warn(what, DataWarning, stacklevel=2)
        self.header = next(self._records(), ([], 0))[0]
        if not any(self.header):
            raise DataError("{name} has no header: expected a first line that names the columns", name=self.name)

    def blocks(self, position: int) -> Iterator[list[Row]]:
        """Give rows whose text stands in the column at ``position``."""
        width, block, size = len(self.header), [], 0
        for cells, line in self._records():
            if len(cells) == width and not self._decoded.undecodable:
                block.append(Row(cells[position], None, cells, line))
            elif cells or width == 1:  # a blank line is a row only where a row has one cell
                block.append(self._row(cells or [""], position, line))
            if self._decoded.zeros and any("\0" in cell for cell in cells):
                self._zeros.append(line)
            size += sum(map(len, cells))
            if len(block) == RECORDS or size > BLOCK:
                yield block
                block, size = [], 0
        if block:
            yield block
        self._tell()

    def _first_line(self) -> str:
        """Find the next line that holds anything."""
        while self._at < len(self._lines) or self._fill():
            if self._lines[self._at].strip():
                return self._lines[self._at]
            self._at += 1
        return ""

    def _row(self, cells: list[str], position: int, line: int) -> Row:
        width = len(self.header)
        surplus = cells[width:]
        if len(cells) == width or (width == 1 and not any(surplus)):  # a text may end in a comma
            cells = cells if len(cells) == width else [self._delimiter.join(cells)]
            return make_row(cells[position], cells, line)
        last = cells[width - 1 :] if any(surplus) else cells[width - 1 : width]
        fitted = [*cells[: width - 1], self._delimiter.join(last)] + [""] * (width - len(cells) - (not last))
        if any(surplus) or len(cells) <= position:
            fault = f"{len(cells)} columns where the header has {width}"
            return Row("", fault, make_row("", fitted).cells, line)
        return make_row(cells[position], fitted, line)

    def _records(self) -> Iterator[tuple[list[str], int]]:
        """Give the cells of each record, and the number of the line on which it begins."""
        while self._at < len(self._lines) or self._fill():
            yield from self._clean()
            if self._at < len(self._lines):
                line = self._number + self._at
                yield self._show(self._odd()), line

    def _clean(self) -> Iterator[tuple[list[str], int]]:
        """Read the lines at hand, up to a record whose quotes are not as they should be, or are not closed yet."""
        begin = self._at
        if self._plain:
            for line in self._lines[begin:]:
                self._at += 1
                yield self._show(self._split(line)), self._number + self._at - 1
            return
        at_hand = map(self._lines.__getitem__, range(begin, len(self._lines)))
        reader = csv.reader(at_hand, delimiter=self._delimiter, strict=True)
        try:
            for cells in reader:
                at, self._at = self._at, begin + reader.line_num
                if not self._enclose(cells, at):
                    self._at = at
                    return
                yield self._show(cells), self._number + at
        except csv.Error:
            return

    def _odd(self) -> list[str]:
        """Read the record of the next line, by quotes if they close, maybe lines later, else without quoting."""
        begin = self._at
        reader = csv.reader(self._coming(), delimiter=self._delimiter, strict=True)
        try:
            cells = next(reader)
        except csv.Error:
            cells = []
        if cells and self._enclose(cells, begin):
            return cells
        one_line = self._at == begin + 1
        self._at = begin + 1
        self._stray.append(self._number + begin)
        line = self._lines[begin]
        cells = self._split(line)
        if one_line and len(cells) != len(self.header):
            by_csv = next(csv.reader([line], delimiter=self._delimiter))
            return by_csv if len(by_csv) == len(self.header) else cells
        return cells

    def _coming(self) -> Iterator[str]:
        """Give lines as they come, as long as quotes may enclose them."""
        size = 0
        while (self._at < len(self._lines) or self._fill(keep=True)) and size < LONGEST_QUOTE:
            line = self._lines[self._at]
            self._at, size = self._at + 1, size + len(line)
            yield line

    def _enclose(self, cells: Sequence[str], begin: int) -> bool:
        """Tell whether quotes enclose the cells that csv has made of lines from one on, not what stands between.

        Where others than tabs part cells, they are believed, and the doubt is told.
        """
        if self._at == begin + 1 and (self._delimiter != "\t" or len(cells) == len(self.header)):
            return True
        lines = self._lines[begin : self._at]
        trusted = self._quoted and _quoted(cells, self._delimiter) == "".join(lines).rstrip("\r\n")
        if trusted or not _look_like_records(lines, self._delimiter, len(self.header)):
            return True
        if self._delimiter != "\t":
            self._doubtful.append(self._number + begin)
        return self._delimiter != "\t"

    def _split(self, line: str) -> list[str]:
        body = line.rstrip("\r\n")
        return body.split(self._delimiter) if body else []

    def _fill(self, *, keep: bool = False) -> bool:
        """Read more lines; tell whether there were any.

        :param keep: those at hand, too.
        """
        block = next(self._blocks, None)
        if block is None:
            return False
        end = self._decoded.line_end
        lines = [line + end for line in block] if end == "\r" else [_hide(line) + end for line in block]
        self._hidden = self._hidden or (end == "\n" and any(CR in line for line in lines))
        if keep:
            self._lines.extend(lines)
        else:
            self._number, self._at, self._lines = self._number + len(self._lines), 0, lines
        return True

    def _show(self, cells: list[str]) -> list[str]:
        return [cell.replace(CR, "\r") for cell in cells] if self._hidden else cells

    def _tell(self) -> None:
        doubts = {
            Sentence("a quote that does not enclose a whole cell, and is read as part of the text"): self._stray,
            Sentence("a quoted cell with lines in it that look like rows"): self._doubtful,
            Sentence("zero bytes in its text"): self._zeros,
        }
        for what, lines in doubts.items():
            if lines:
                warnings.warn(
                    DataWarning(
                        "{name} has {what}: {which_lines}", name=self.name, what=what, which_lines=which_lines(lines)
                    ),
                    stacklevel=2,
                )


def column_position(name: str, header: Sequence[str], wanted: str | None, usual: Sequence[str], option: str) -> int:
    """Find where a column stands: the one that is wanted, or the only one with a usual name."""
    if wanted is not None:
        if wanted not in header:
            raise DataError(
                "{name} has no column {wanted!r}{there_is}", name=name, wanted=wanted, there_is=nearest(wanted, header)
            )
        if list(header).count(wanted) > 1:
            raise DataError(
                "{name} has {count} columns {wanted!r}: rename all but one",
                name=name,
                count=list(header).count(wanted),
                wanted=wanted,
            )
        return list(header).index(wanted)
    positions = [i for i, column in enumerate(header) if column.strip().lower() in usual]
    if len(positions) == 1:
        return positions[0]
    lines = Sentence("; if it has no header but a text a line, name it .txt")
    hint = Sentence("; if that is no header, put one above it") if len(header) > 1 else lines
    raise DataError(
        "{name} has the columns {header}: say which one by {option}{hint}",
        name=name,
        header=", ".join(header),
        option=option,
        hint=hint,
    )


def _delimiter(header: str, suffix: str) -> str:
    """Tell what parts the names of a header; a tab for .tsv or else a comma, unless it shows only another."""
    usual, bare = "\t" if suffix == ".tsv" else ",", _QUOTED.sub("", header)
    return usual if usual in bare else next((d for d in "\t;" if d in bare), usual)


def _look_like_records(lines: Sequence[str], delimiter: str, width: int) -> bool:
    """Tell whether more than half of some lines have as many cells as a record has, and that is more than one."""
    return width > 1 and 2 * sum(line.count(delimiter) == width - 1 for line in lines) > len(lines)


def _is_quoted(header: str, delimiter: str) -> bool:
    """Tell whether all names of a header are quoted, as by somebody who quotes every cell."""
    return all(name.startswith('"') for name in header.split(delimiter))


def _quoted(cells: Sequence[str], delimiter: str) -> str:
    """Write a record as somebody does who quotes every cell."""
    return delimiter.join('"' + cell.replace('"', '""') + '"' for cell in cells)


def _stray_quote(lines: Sequence[str]) -> int | None:
    """Find which of some lines parted by tabs is the first with a quote that does not enclose a whole cell."""
    if not any('"' in line for line in lines):
        return None
    reader = csv.reader(lines, delimiter="\t", strict=True)
    done, width = 0, 0
    try:
        for cells in reader:
            at, own, done = done, lines[done : reader.line_num], reader.line_num
            width = width or len(cells)
            plain = own[0].rstrip("\r\n").split("\t")
            if (len(own) > 1 or len(cells) != width) and _look_like_records(own, "\t", width):
                return at
            if len(own) == 1 and len(plain) == len(cells) and any('"' in cell and cell[0] != '"' for cell in plain):
                return at
    except csv.Error as error:
        left = lines[done:]  # if a quote is open, it may close in lines that are not at hand
        opens = "end of data" in str(error) and sum(map(len, left)) < LONGEST_QUOTE
        return None if opens and not (len(left) > 1 and _look_like_records(left, "\t", width)) else done
    return None


def _hide(line: str) -> str:
    """Hide the CRs of a line that do not end it from csv."""
    if "\r" not in line:
        return line
    body = line.rstrip("\r")
    return body.replace("\r", CR) + line[len(body) :]
