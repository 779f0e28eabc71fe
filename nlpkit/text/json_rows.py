"""Reads objects of JSON, one a line or in one array, and finds the values of their fields."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from nlpkit.errors import DataError, nearest
from nlpkit.text.decoding import Decoded
from nlpkit.text.encodings import UNDECODABLE
from nlpkit.text.records import RECORDS
from nlpkit.text.row import UNDECODED, Row

JSON_LINES = (".jsonl", ".ndjson", ".json")
FIRST_OBJECTS = 1000  # those by which it is found out which fields there are
NO_OBJECT, NESTED = "no JSON object", "nested text"
MISSING = object()  # stands for the value of a field that is not there
_HALF = re.compile(r"[\ud800-\udfff]")  # of a character beyond the Basic Multilingual Plane, as JSON may escape it
FIRST_LINES = 20  # those that show whether they are objects
_BEGINNING = re.compile(r"""\s*(\[\s*)?\{\s*("(?:[^"\\]|\\.)*"\s*:|\}\s*[,\]])""")
_INEXACT = re.compile(r"\d{17}|\.\d*0(?!\d)|\d[eE]")  # numbers that a float may not give back as they were written


class Number(float):
    """A number with a point, which knows how it was written."""

    written: str

    def __new__(cls, written: str) -> Number:
        """Read it."""
        number = super().__new__(cls, written)
        number.written = written
        return number


class Object(NamedTuple):
    """One object as it was written, on one line; ``fields`` is None where it is no object.

    :param number: of its line, or of its place in an array, from 1.
    """

    number: int
    written: str
    fields: Mapping[str, Any] | None


class JsonRows:
    """The objects of a file, read as they are asked for; those that are not on one line each are read whole.

    :raises DataError: if the first lines hold none, or what is read whole is broken.
    """

    def __init__(self, decoded: Decoded) -> None:
        self.name = decoded.name
        self._objects = _of_lines(decoded) if _are_objects(decoded.head()) else _of_text(decoded)
        self._first = list(itertools.islice(self._objects, FIRST_OBJECTS))
        self.keys = list(dict.fromkeys(key for item in self._first for key in item.fields or ()))
        if not any(item.fields is not None for item in self._first):
            raise DataError(
                '{name} holds no JSON object a line: expected lines such as {{"text": "好用", "label": '
                '"positive"}}, or one array of such objects',
                name=self.name,
            )

    @property
    def first(self) -> Sequence[Object]:
        """The first objects, by which it is found out which fields there are; none once they were gone through."""
        return self._first

    def __iter__(self) -> Iterator[Object]:
        """Go through all objects, once."""
        first, self._first = self._first, []
        return itertools.chain(first, self._objects)

    def field(self, wanted: str | None, usual: Sequence[str], option: str) -> str:
        """Choose the field that is wanted, ``review.content`` for one inside another, or the one with a usual name.

        :raises DataError: if none of the first objects has it.
        """
        if wanted is not None and any(item.fields and has(item.fields, wanted) for item in self._first):
            return wanted
        if wanted is not None:
            raise DataError(
                "{name} has no field {wanted!r}{there_is}",
                name=self.name,
                wanted=wanted,
                there_is=nearest(wanted, paths(self._first)),
            )
        keys = [key for key in self.keys if key.strip().lower() in usual]
        if len(keys) == 1:
            return keys[0]
        raise DataError(
            "{name} has the fields {first}: say which one by {option}",
            name=self.name,
            first=", ".join(paths(self._first)),
            option=option,
        )

    def blocks(self, field: str) -> Iterator[list[Row]]:
        """Give rows whose text is the value of a field."""
        rows = (row_of(item, field) for item in self)
        while block := list(itertools.islice(rows, RECORDS)):
            yield block


def row_of(item: Object, field: str) -> Row:
    """Make the row of an object; one that has no text there says so."""
    undecoded = UNDECODABLE in item.written
    written = item.written.replace(UNDECODABLE, "�") if undecoded else item.written
    if item.fields is None:
        return Row(written, UNDECODED if undecoded else NO_OBJECT, line=item.number)
    fields = parse_json(written) if undecoded else item.fields
    text = value(item.fields, field, MISSING)
    fault = UNDECODED if undecoded and UNDECODABLE in str(text) else None
    as_text = "" if text is MISSING else as_written(text.replace(UNDECODABLE, "�") if fault else text)
    fault = f"no field {field!r}" if text is MISSING else NESTED if as_text is None else fault
    return Row(as_text or "", fault, line=item.number, record=written, fields=fields)


def holds_objects(lines: Sequence[str]) -> bool:
    """Tell whether first lines are those of JSON: objects, one a line or over several, or an array of them."""
    return _are_objects(lines) or _BEGINNING.match("\n".join(lines[:FIRST_OBJECTS])) is not None


def _are_objects(lines: Sequence[str]) -> bool:
    """Tell whether at least half of the first lines are objects, and not those of one array that begins before them."""
    first = list(itertools.islice(filter(str.strip, lines), FIRST_LINES))
    if first and first[0].lstrip("\ufeff ").startswith("[") and not first[0].rstrip().endswith("]"):
        return False
    objects = [line for line in first if line.lstrip("\ufeff ").startswith("{") and _object(line) is not None]
    return bool(first) and 2 * len(objects) >= len(first)


def has(fields: Mapping[str, Any], path: str) -> bool:
    """Tell whether an object has a field of that name, or one inside others: ``review.content``, ``lines.0``."""
    return value(fields, path, MISSING) is not MISSING


def value(fields: Mapping[str, Any], path: str, default: Any = None) -> Any:
    """Return the value of a field, or the default if there is none; see `has`."""
    if path in fields:
        return fields[path]
    inner: Any = fields
    for name in path.split("."):
        if isinstance(inner, list) and name.isdecimal() and int(name) < len(inner):
            inner = inner[int(name)]
        elif isinstance(inner, Mapping) and name in inner:
            inner = inner[name]
        else:
            return default
    return inner


def as_written(item: Any) -> str | None:
    """Write a value as a text: what is no string as JSON has it, nothing for null; None for one that holds others."""
    if isinstance(item, str):
        if not _HALF.search(item):
            return item
        return item.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if item is None:
        return ""
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, Number):
        return item.written
    return str(item) if isinstance(item, int | float) else None


def only(item: Any) -> Any:
    """Return the one element of a list that has one, null for a list that has none, and anything else as it is."""
    return item if not isinstance(item, list) or len(item) > 1 else item[0] if item else None


def as_json(item: Any) -> str | None:
    """Write a value as JSON on one line; None for null, and for what JSON cannot hold, such as NaN."""
    try:
        return None if item is None else as_written(json.dumps(item, ensure_ascii=False, allow_nan=False))
    except (ValueError, RecursionError):
        return None


def parse_json(text: str) -> Any:
    """Read a text as JSON, None if it is none; let NaN and halves of characters pass, as Python does.

    Numbers keep all of their digits.
    """
    import orjson  # only those who read JSON need it

    try:
        if not _INEXACT.search(text):
            return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(text, parse_float=Number)
    except (ValueError, RecursionError):
        return None


def paths(objects: Sequence[Object]) -> list[str]:
    """List the fields of objects, those inside others too, as `has` wants them."""
    names: dict[str, None] = {}
    for fields in (item.fields for item in objects if item.fields):
        for name, inside in fields.items():
            inner = inside if isinstance(inside, dict) else {}
            names |= dict.fromkeys([f"{name}.{key}" for key in inner] or [name])
    return list(names)


def _object(line: str) -> Mapping[str, Any] | None:
    """Read the object on a line, which may be followed by a comma or begin with a byte order mark."""
    item = parse_json(line.strip("\ufeff, \t\r"))
    return item if isinstance(item, dict) else None


def _of_lines(decoded: Decoded) -> Iterator[Object]:
    for number, line in enumerate(itertools.chain.from_iterable(decoded.line_blocks()), 1):
        if line.strip():  # a blank line, such as the last, is no row
            fields = _object(line)
            yield Object(number, line.strip() if fields is None else line.strip("\ufeff, \t\r"), fields)


def _of_text(decoded: Decoded) -> Iterator[Object]:
    """Read objects of an array, or over several lines, with commas between them or without."""
    text = "".join(decoded.lines()).rstrip()
    scan = json.JSONDecoder(parse_float=Number).raw_decode
    at = _blank(text, 0)
    array = text.startswith("[", at)
    if not (array or text.startswith("{", at)):
        return
    at = _blank(text, at + array)
    for number in itertools.count(1):
        if text.startswith("]", at) if array else at == len(text):
            break
        try:
            fields, end = scan(text, at)
        except (ValueError, RecursionError):
            raise _broken(decoded.name, text, at) from None
        written = text[at:end].replace("\r", " ").replace("\n", " ")  # no string of JSON holds them
        yield Object(number, written, fields if isinstance(fields, dict) else None)
        at = _blank(text, end)
        if array and not text.startswith((",", "]"), at):
            raise _broken(decoded.name, text, at)
        at = _blank(text, at + 1) if text.startswith(",", at) else at
    if array and _blank(text, at + 1) < len(text):
        raise _broken(decoded.name, text, at + 1)


def _blank(text: str, at: int) -> int:
    """Find where something stands again after white space."""
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _broken(name: str, text: str, at: int) -> DataError:
    line = text.count("\n", 0, at) + 1
    return DataError(
        "{name}, line {line}: JSON that is broken here: expected objects or one array of them", name=name, line=line
    )
