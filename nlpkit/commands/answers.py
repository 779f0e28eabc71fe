"""What is written of a row: all that came in, unchanged, then what is answered, under names that are free."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from nlpkit.text.json_rows import as_written
from nlpkit.text.rows import Row, Source


class JsonLines:
    """Writes rows as lines of JSON: their fields or cells, or else file, number and text, then what is answered.

    :param names: of what is answered.
    :param text: what the text is called.
    """

    def __init__(self, names: Sequence[str], *, text: str = "text") -> None:
        self._names, self._text = names, text
        self._source: Source | None = None

    def __call__(self, source: Source, first: int, rows: Sequence[Row], answers: Iterable[Sequence[Any]]) -> bytes:
        """Lines of some rows and the answer to each.

        :param first: the number of the first row in its file, from 1.
        """
        if source is not self._source:
            self._prepare(source)
        pairs = enumerate(zip(rows, answers, strict=True), start=first)
        return b"".join([self._line(number, row, answer) for number, (row, answer) in pairs])

    def _prepare(self, source: Source) -> None:
        """Choose the names of a file's lines: those of its columns, and for the rest such as are free."""
        self._source, self._file = source, source.name
        columns = unique(source.header or source.fields or ())
        self._added = [name not in columns for name in ("file", "row", self._text)]
        place = itertools.compress(("file", "row", self._text), self._added)
        self._free = [free(name, columns) for name in self._names]
        self._keys = [*place, *columns, *self._free]

    def _line(self, number: int, row: Row, answer: Sequence[Any]) -> bytes:
        if row.record is not None:
            return _spliced(row.record, row.fields or {}, dict(zip(self._free, answer, strict=True)))
        if self._source is not None and self._source.fields is not None:
            named = {"file": self._file, "row": number, self._text: row.text}
            return dump(named | dict(zip(self._free, answer, strict=True))) + b"\n"
        place = itertools.compress((self._file, number, row.text), self._added)
        return dump(dict(zip(self._keys, (*place, *row.cells, *answer), strict=True))) + b"\n"


def _spliced(record: str, fields: Mapping[str, Any], answer: Mapping[str, Any]) -> bytes:
    """An object as it was written, with more fields at its end: no number of it loses a digit."""
    more = dump({free(name, fields): value for name, value in answer.items()})
    body = record.rstrip().removesuffix("}").rstrip()
    return body.encode("utf-8", "replace") + (b"," if fields else b"") + more[1:] + b"\n"


def dump(found: Mapping[str, Any]) -> bytes:
    """An object as JSON on one line."""
    import orjson

    try:
        return orjson.dumps(found)
    except TypeError:  # halves of characters, which orjson does not write, and whole numbers beyond 64 bits
        return json.dumps(found, separators=(",", ":")).encode()


def as_cell(found: Any) -> str:
    """A value of JSON as a cell of a table: a text as it is, nothing for null, anything else as JSON."""
    if found is None or isinstance(found, str | int | float):
        return as_written(found) or ""
    return json.dumps(found, ensure_ascii=False)


def csv_lines(rows: Iterable[Sequence[Any]], delimiter: str, *, end: str) -> str:
    """Records as text that every reader of CSV reads: a cell with any line break is quoted, whatever ends the lines."""
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


def free(name: str, taken: Container[str]) -> str:
    """A name for what is answered: itself, or one that nothing has yet."""
    tries = itertools.chain([name, f"predicted_{name}"], (f"predicted_{name}_{n}" for n in itertools.count(2)))
    return next(wanted for wanted in tries if wanted not in taken)


def unique(names: Sequence[str]) -> list[str]:
    """Names of columns, of which no two are the same: the second ``n`` is ``n_2``."""
    found: list[str] = []
    for at, name in enumerate(names):
        others = {*found, *names[at + 1 :]} if name in found else set()
        tries = itertools.chain([name], (f"{name}_{n}" for n in itertools.count(2)))
        found.append(next(wanted for wanted in tries if wanted not in others))
    return found
