"""Cells that have types, as those of a workbook and of a Parquet file: what they are as a text, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from nlpkit.text.json_rows import Number
from nlpkit.text.row import UNDECODED, Row

WHOLE = 1 << 53  # below which a float tells each whole number from the next


@dataclass(slots=True)
class TypedRow(Row):
    """A row whose cells have types.

    :param values: of all cells; ``cells`` are their texts.
    :param batch: the rows that it was read with, of a Parquet file, among which it is that at ``index``.
    """

    values: Sequence[Any] = ()
    batch: Any = None
    index: int = 0


class CellError(str):
    """What Excel shows in place of a value that it could not compute: ``#N/A``, ``#DIV/0!``."""

    __slots__ = ()


def typed_row(values: Sequence[Any], position: int, line: int, batch: Any = None, index: int = 0) -> TypedRow:
    """Make a row whose text stands in the column at ``position``."""
    cells = [value if type(value) is str else text_of(value) for value in values]
    return TypedRow(cells[position], _fault_of(values[position]), cells, line, None, None, values, batch, index)


def text_of(value: Any) -> str:
    """Write a cell as Excel writes it to CSV, but numbers and times in full.

    >>> [text_of(value) for value in (1.0, 2.5, True, datetime(2024, 1, 31), datetime(2024, 1, 31, 9, 5), None)]
    ['1', '2.5', 'TRUE', '2024-01-31', '2024-01-31 09:05:00', '']
    """
    if value is None or value != value:  # NaN says that there is no number
        return ""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, Number):  # of JSON
        return value.written
    if isinstance(value, float):
        return str(whole(value))
    if isinstance(value, datetime) and value.time() == time() and value.tzinfo is None:
        return value.date().isoformat()
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, timedelta):
        minutes, seconds = divmod(value.seconds, 60)
        return f"{24 * value.days + minutes // 60}:{minutes % 60:02}:{seconds:02}"
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=text_of)
    return str(value)


def json_of(value: Any) -> Any:
    """Return a cell as a value that JSON has: a number or a truth as it is, a time as a text."""
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, list):
        return [json_of(item) for item in value]
    if isinstance(value, dict):
        return {str(name): json_of(item) for name, item in value.items()}
    return text_of(value)


def whole(number: float) -> float | int:
    """Return a float that is a whole number as an integer: a workbook knows no other numbers."""
    return int(number) if number.is_integer() and abs(number) < WHOLE else number


def _fault_of(value: Any) -> str | None:
    """Say why a cell holds no text that could be used."""
    if isinstance(value, CellError):
        return f"error {value}"
    if isinstance(value, list | dict):
        return "nested text"
    return UNDECODED if isinstance(value, bytes) and "\ufffd" in text_of(value) else None
