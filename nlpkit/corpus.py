"""Reads the files that people have, row by row; deduplicates and splits labelled rows."""

from __future__ import annotations

import csv
import hashlib
import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
LABEL_COLUMNS = ("label", "sentiment", "class", "标签", "情感", "类别", "標籤")
RECORDS = 4096  # rows of a table read together, fewer where they are long


@dataclass(slots=True)
class Row:
    """One row of a file.

    :param text: what to score; undecodable bytes stand as U+FFFD.
    :param fault: None, or why the row cannot be used.
    :param cells: all cells of a CSV row, as many as its header has; what is too much is in the last.
    """

    text: str
    fault: str | None = None
    cells: Sequence[str] = ()


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

    :param path: a path, or an open binary stream, which stays open.
    :raises DataError: if the file is missing, empty or binary, its encoding unknown, or the column absent.
    :raises SettingError: if there is no ``encoding`` of that name.
    """
    name = argument_row(str(path)).text if isinstance(path, str | Path) else "-"
    suffix = Path(name).suffix.lower()
    with _open(path, name) as stream:
        decoded = Decoded(name, stream, encoding)
        if column is None and not table and suffix not in (".csv", ".tsv"):
            yield Source(name, None, map(_rows, decoded.line_blocks()), decoded)
            return
        records = _Records(decoded, suffix)
        position = _position(name, records.header, column, TEXT_COLUMNS, "--text-column" if table else "--column")
        yield Source(name, records.header, records.blocks(position), decoded)


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled text and the file that it came from."""

    text: str
    label: str
    corpus: str = ""
    group: str = ""


def read_examples(
    path: str | Path,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    encoding: str | None = None,
    faults: Counter[str] | None = None,
) -> Iterator[Example]:
    """Read a labelled corpus: CSV or TSV with a header, or lines ``TEXT,,LABEL``, whose text may hold commas.

    A file is a table if it is named .csv or .tsv, or if its first line holds all columns that are named.
    Rows without a text, without a label or with undecodable bytes are left out, and counted in ``faults`` by reason.

    :param group_column: a column whose value is kept as ``group``.
    :raises DataError: if the file cannot be read or holds no labels.
    """
    table = _holds(path, encoding, [name for name in (text_column, label_column, group_column) if name])
    with open_rows(path, column=text_column if table else None, encoding=encoding, table=table) as source:
        rows = itertools.chain.from_iterable(source.blocks)
        faults = Counter() if faults is None else faults
        if source.header is None:
            yield from _comma_labelled(source.name, rows, faults)
            return
        label = _position(source.name, source.header, label_column, LABEL_COLUMNS, "--label-column")
        group = None if group_column is None else _position(source.name, source.header, group_column, (), "--by")
        for row in rows:
            if fault := row.fault or _lacks(row.text, row.cells[label]):
                faults[fault] += 1
            else:
                yield Example(
                    row.text, row.cells[label].strip(), source.name, row.cells[group] if group is not None else ""
                )


def renamed(examples: Iterable[Example], names: Mapping[str, str]) -> Iterator[Example]:
    """Examples under the labels that ``names`` gives theirs; one renamed to nothing is left out, others keep theirs."""
    for e in examples:
        if label := names.get(e.label, e.label):
            yield Example(e.text, label, e.corpus, e.group)


def letters(text: str) -> str:
    """What two copies of a text share: letters and digits, in NFKC and lower case."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


@dataclass(frozen=True)
class Deduplicated:
    """Rows that differ in letters, in their first order, and how many went.

    ``conflicts`` counts the texts that stood under several labels; all of their rows went.
    """

    examples: list[Example]
    duplicates: int
    conflicts: int
    empty: int


def deduplicate(examples: Iterable[Example]) -> Deduplicated:
    """Keep the first of rows equal in letters; drop those that differ in label alone, and those without letters."""
    kept: dict[str, Example] = {}
    conflicts: set[str] = set()
    rows = empty = 0
    for example in examples:
        rows += 1
        key = letters(example.text)
        if not key:
            empty += 1
        elif kept.setdefault(key, example).label != example.label:
            conflicts.add(key)
    examples = [example for key, example in kept.items() if key not in conflicts]
    return Deduplicated(examples, rows - empty - len(kept), len(conflicts), empty)


@dataclass(frozen=True)
class Split:
    """Disjoint rows for training, for every decision during it, and for the figures reported after it."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]


def split(examples: Iterable[Example], *, test: float = 0.2, validation: float = 0.2) -> Split:
    """Place each row by the SHA-1 of its letters alone: the same text goes to the same place in every corpus and run.

    Residues modulo 100 are dealt out so that a larger share contains every smaller one.

    :param test: share of rows, a whole percentage.
    :param validation: likewise.
    """
    slots = sorted(range(100), key=lambda residue: ((residue - 1) % 5, residue))
    first, second = round(test * 100), round((test + validation) * 100)
    places = dict.fromkeys(slots[:first], "test") | dict.fromkeys(slots[first:second], "validation")
    found: dict[str, list[Example]] = {"train": [], "validation": [], "test": []}
    for example in examples:
        digest = int(hashlib.sha1(letters(example.text).encode()).hexdigest(), 16)
        found[places.get(digest % 100, "train")].append(example)
    return Split(**found)


def fingerprint(examples: Iterable[Example]) -> str:
    """SHA-256 over texts and labels in order: which data a model was made from."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(f"{example.text}\0{example.label}\n".encode("utf-8", "replace"))
    return digest.hexdigest()


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


def _rows(lines: list[str]) -> list[Row]:
    texts = [line.removesuffix("\r") for line in lines]
    if UNDECODABLE not in "\n".join(texts):
        return [Row(text) for text in texts]
    return [_checked(text) for text in texts]


def _checked(text: str, cells: Sequence[str] = ()) -> Row:
    """A row whose undecodable bytes are told and shown as U+FFFD."""
    if any(UNDECODABLE in value for value in (text, *cells)):
        fault = "undecodable bytes" if UNDECODABLE in text else None
        return Row(text.replace(UNDECODABLE, "�"), fault, [cell.replace(UNDECODABLE, "�") for cell in cells])
    return Row(text, None, cells)


def argument_row(argument: str) -> Row:
    """A row from the command line, where undecodable bytes come as lone surrogates."""
    return _checked("".join(UNDECODABLE if "\ud800" <= c <= "\udfff" else c for c in argument))


class _Records:
    """The records of a CSV or TSV file, and its header.

    A quote that never closes would swallow all that follows, so the lines of the record at hand are kept until it ends.
    """

    def __init__(self, decoded: Decoded, suffix: str) -> None:
        self._name = decoded.name
        self._lines = decoded.lines()
        self._held: list[str] = []
        csv.field_size_limit(1 << 26)
        first = next(self._lines, "")
        said = first.strip().lower().removeprefix("sep=") if first.lower().startswith("sep=") else ""
        first = next(self._lines, "") if said else first  # Excel's own way to name the delimiter
        usual = "\t" if suffix == ".tsv" else ","
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
            if not cells and width > 1:
                continue  # a blank line is a row only where a row has one cell
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
            return _checked(cells[position], cells)
        last = cells[width - 1 :] if any(cells[width:]) else cells[width - 1 : width]
        fitted = [*cells[: width - 1], ",".join(last)] + [""] * (width - len(cells) - (not last))
        if any(cells[width:]) or len(cells) <= position:
            return Row("", f"{len(cells)} columns where the header has {width}", _checked("", fitted).cells)
        return _checked(cells[position], fitted)

    def _records(self) -> Iterator[list[str]]:
        try:
            for record in self._reader:
                if len(self._held) > 1 or (record and record[-1].endswith("\n")):
                    self._check_closed()
                self._held.clear()
                yield record
        except csv.Error as error:
            raise DataError(f"{self._name}, line {self._reader.line_num}: no CSV: {error}") from error

    def _check_closed(self) -> None:
        try:
            list(csv.reader(self._held, delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            if "end of data" in str(error):
                line = self._reader.line_num - len(self._held) + 1
                raise DataError(f"{self._name}, line {line}: a quote opens that never closes") from None

    def _kept(self) -> Iterator[str]:
        for line in self._lines:
            self._held.append(line)
            yield line


def _position(name: str, header: Sequence[str], wanted: str | None, usual: Sequence[str], option: str) -> int:
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
    hint = "" if len(header) > 1 else "; if it has no header but a review a line, name it .txt"
    raise DataError(f"{name} has the columns {', '.join(header)}: say which one by {option}{hint}")


def _holds(path: str | Path, encoding: str | None, columns: Sequence[str]) -> bool:
    """Whether a file is a table: by its name, or because its first line holds the columns asked for."""
    if not columns or Path(path).suffix.lower() in (".csv", ".tsv"):
        return Path(path).suffix.lower() in (".csv", ".tsv")
    with open_rows(path, encoding=encoding) as source:
        first = next(source.blocks)[0].text
    return all(column in first for column in columns)


def _lacks(text: str, label: str) -> str | None:
    return "no text" if not text.strip() else "no label" if not label.strip() else None


def _comma_labelled(name: str, rows: Iterable[Row], faults: Counter[str]) -> Iterator[Example]:
    found = False
    for row in rows:
        text, comma, label = row.text.rpartition(",")
        text = text.removesuffix(",")
        if fault := row.fault or (_lacks(text, label) if comma or not row.text.strip() else "no comma"):
            faults[fault] += 1
        else:
            found = True
            yield Example(text, label.strip(), name)
    if not found:
        raise DataError(f"{name} has no labelled rows: expected lines TEXT,,LABEL, or a CSV with a header")
