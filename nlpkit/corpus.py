"""Reads the files that people have, row by row; deduplicates and splits labelled rows."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import itertools
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar, cast

from nlpkit.errors import DataError, SettingError, nearest

T = TypeVar("T")
TEXT_COLUMNS = ("text", "review", "content", "comment", "sentence", "文本", "评论", "内容", "评价")
LABEL_COLUMNS = ("label", "sentiment", "class", "标签", "情感", "类别")
UNDECODABLE = "\udcff"  # stands for bytes that the encoding does not know; no file can hold it
HEAD = 1 << 16  # bytes from which the encoding is found out
BLOCK = 1 << 19  # bytes read at a time
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_FORMATS = {b"PK\x03\x04": "a zip file or an Excel workbook: save it as CSV", b"\x1f\x8b": "gzip: unpack it first"}
_FORMATS |= {b"%PDF": "a PDF", b"\xd0\xcf\x11\xe0": "an old Office file: save it as CSV", b"\x89PNG": "a picture"}

codecs.register_error("nlpkit", lambda e: (UNDECODABLE, e.end) if isinstance(e, UnicodeDecodeError) else ("", 0))


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
    """An open file: its encoding, its header if it is a table, and its rows in blocks, read as they are asked for."""

    name: str
    encoding: str
    header: list[str] | None
    blocks: Iterator[list[Row]]
    stream: io.BufferedReader | None = None

    @property
    def windows(self) -> bool:
        """Whether the file is encoded as Excel writes it, which reads UTF-8 only behind a byte order mark."""
        return self.encoding in ("utf-8-sig", "gb18030")

    def progress(self) -> float | None:
        """The share of the file that was read; None where its size is unknown."""
        if self.stream is None or not self.stream.seekable():
            return None
        return self.stream.raw.tell() / max(1, os.fstat(self.stream.fileno()).st_size)


@contextmanager
def open_rows(
    path: str | Path | IO[bytes], *, column: str | None = None, encoding: str | None = None, table: bool = False
) -> Iterator[Source]:
    """Open a text file (a row a line) or, with ``column``, ``table`` or a name in .csv or .tsv, a table.

    :param path: a path, or an open binary stream.
    :raises DataError: if the file is missing, empty or binary, its encoding unknown, or the column absent.
    :raises SettingError: if there is no ``encoding`` of that name.
    """
    name = decoded(str(path)).text if isinstance(path, str | Path) else "-"
    with _open(path) as stream:
        head = stream.peek(HEAD)
        _refuse_binary(name, head)
        encoding = encoding or detect_encoding(name, head)
        file = stream if isinstance(path, str | Path) else None
        suffix = Path(name).suffix.lower()
        if column is None and not table and suffix not in (".csv", ".tsv"):
            yield Source(name, encoding, None, _line_blocks(stream, _lookup(encoding)), file)
            return
        lines = io.TextIOWrapper(stream, _lookup(encoding), errors="nlpkit", newline="")
        header, records = _table(name, lines, suffix)
        position = _position(name, header, column, TEXT_COLUMNS, "--column")
        yield Source(name, encoding, header, _record_blocks(name, records, len(header), position), file)


def detect_encoding(name: str, head: bytes) -> str:
    """Return utf-8, utf-8-sig, gb18030, utf-16, utf-16-le or utf-16-be for a file's first bytes.

    Counted by lines, so that one bad line does not turn a file of UTF-8 into one of GB18030.

    :raises DataError: if most lines fit none.
    """
    for bom, encoding in _BOMS.items():
        if head.startswith(bom):
            return encoding
    if b"\0" in head and (wide := max(("utf-16-le", "utf-16-be"), key=lambda e: _plausible(head, e))):
        return wide if _plausible(head, wide) > 0.9 else "utf-8"
    lines = [line for line in head.splitlines(keepends=True) if not line.isascii()]
    good = {encoding: sum(_decodes(line, encoding) for line in lines) for encoding in ("utf-8", "gb18030")}
    best = "utf-8" if good["utf-8"] * 2 >= len(lines) else max(good, key=lambda encoding: good[encoding])
    if lines and not good[best]:
        raise DataError(
            f"{name} is in no encoding that could be found out (UTF-8, GB18030, UTF-16): say it by --encoding"
        )
    return best


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

    Rows without a text, without a label or with undecodable bytes are left out, and counted in ``faults`` by reason.

    :param group_column: a column whose value is kept as ``group``.
    :raises DataError: if the file cannot be read or holds no labels.
    """
    table = bool(text_column or label_column or group_column)
    with open_rows(path, column=text_column, encoding=encoding, table=table) as source:
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
def _open(path: str | Path | IO[bytes]) -> Iterator[io.BufferedReader]:
    if not isinstance(path, str | Path):
        yield path if isinstance(path, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, path))
        return
    try:
        with io.FileIO(str(path)) as file:
            yield io.BufferedReader(file, HEAD)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise DataError(f"{path} cannot be read: {(error.strerror or '').lower()}") from error


def _refuse_binary(name: str, head: bytes) -> None:
    if not head or head in _BOMS:
        raise DataError(f"{name} is empty: expected a review a line, or a CSV with a header")
    for start, what in _FORMATS.items():
        if head.startswith(start):
            raise DataError(f"{name} is {what}")
    wide = b"\0" in head and max(_plausible(head, "utf-16-le"), _plausible(head, "utf-16-be")) > 0.9
    if wide or head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return
    control = sum(head.count(code) for code in range(32) if code not in b"\0\t\n\r\x0b\x0c\x1b")
    if control > 0.05 * len(head) or head.count(0) > 0.2 * len(head):
        raise DataError(f"{name} is binary: expected text, a review a line, or a CSV with a header")


def _plausible(head: bytes, encoding: str) -> float:
    """Share of characters that Chinese text is made of, if the bytes are read so."""
    text = head[: len(head) // 2 * 2].decode(encoding, "replace")
    usual = sum(
        "一" <= c <= "鿿" or " " <= c <= "~" or c in "\r\n\t" or "　" <= c <= "〕" or "！" <= c <= "～" for c in text
    )
    return usual / max(1, len(text))


def _decodes(line: bytes, encoding: str) -> bool:
    """Whether a line fits an encoding; one without its end, the last of a head, may end inside a character."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(line, final=line.endswith(b"\n"))
    except UnicodeDecodeError:
        return False
    return True


def _lookup(encoding: str) -> str:
    try:
        "".encode(encoding)  # refuses codecs that are not of text, such as base64
        return codecs.lookup(encoding).name
    except LookupError:
        raise SettingError(f"there is no encoding {encoding!r}; try utf-8, gb18030 or utf-16") from None


def _line_blocks(stream: io.BufferedReader, encoding: str) -> Iterator[list[Row]]:
    """Lines end in LF or CRLF; a lone CR, as any other character, is part of a line. A pipe is read as it fills."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="nlpkit")
    rest: list[str] = []
    while data := stream.read1(BLOCK):
        first, *more = decoder.decode(data).split("\n")
        rest.append(first)
        if more:
            yield _rows(["".join(rest), *more[:-1]])
            rest = more[-1:]
    if last := "".join(rest) + decoder.decode(b"", final=True):
        yield _rows([last])


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


def decoded(argument: str) -> Row:
    """A row from the command line, where undecodable bytes come as lone surrogates."""
    return _checked("".join(UNDECODABLE if "\ud800" <= c <= "\udfff" else c for c in argument))


def _table(name: str, lines: io.TextIOWrapper, suffix: str) -> tuple[list[str], Iterator[list[str]]]:
    csv.field_size_limit(1 << 30)
    first = lines.readline()
    usual = "\t" if suffix == ".tsv" else ","
    delimiter = usual if usual in first else next((d for d in "\t;" if d in first), usual)
    records = csv.reader(itertools.chain([first], lines), delimiter=delimiter)
    header = next(records, [])
    if not any(header):
        raise DataError(f"{name} has no header: expected a first line that names the columns")
    return header, records


def _record_blocks(name: str, records: Iterator[list[str]], width: int, position: int) -> Iterator[list[Row]]:
    def row(cells: list[str]) -> Row:
        last = cells[width - 1 :] if any(cells[width:]) else cells[width - 1 : width]
        fitted = [*cells[: width - 1], ",".join(last)] + [""] * (width - len(cells) - (not last))
        if any(cells[width:]) or len(cells) <= position:
            return Row("", f"{len(cells)} columns where the header has {width}", _checked("", fitted).cells)
        return _checked(cells[position], fitted)

    meant = (cells for cells in records if cells or width == 1)  # a blank line is a row only where a row has one cell
    try:
        for block in _blocks((cells or [""] for cells in meant), 4096):
            yield [row(cells) for cells in block]
    except csv.Error as error:
        raise DataError(f"{name} is no CSV: {error}") from error


def _blocks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while block := list(itertools.islice(remaining, size)):
        yield block


def _position(name: str, header: Sequence[str], wanted: str | None, usual: Sequence[str], option: str) -> int:
    """Where a column stands: the one asked for, or else the only one with a usual name."""
    if wanted is not None:
        if wanted not in header:
            raise DataError(f"{name} has no column {wanted!r}{nearest(wanted, header)}")
        return list(header).index(wanted)
    found = [i for i, column in enumerate(header) if column.strip().lower() in usual]
    if len(found) == 1:
        return found[0]
    if len(header) == 1:
        return 0
    raise DataError(f"{name} has the columns {', '.join(header)}: say which one by {option}")


def _lacks(text: str, label: str) -> str | None:
    return "no text" if not text.strip() else "no label" if not label.strip() else None


def _comma_labelled(name: str, rows: Iterable[Row], faults: Counter[str]) -> Iterator[Example]:
    for number, row in enumerate(rows, start=1):
        text, comma, label = row.text.rpartition(",")
        if not comma:
            raise DataError(f"{name}, line {number}: expected TEXT,,LABEL, found no comma")
        text = text.removesuffix(",")
        if fault := row.fault or _lacks(text, label):
            faults[fault] += 1
        else:
            yield Example(text, label.strip(), name)
