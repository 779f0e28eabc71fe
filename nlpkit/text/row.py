"""One row of a file, as every reader makes it and every command answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from nlpkit.errors import SettingError
from nlpkit.text.encodings import UNDECODABLE

UNDECODED = "undecodable bytes"
Answer = TypeVar("Answer")
LONGEST_TEXT = 1_000_000  # characters of a text that is answered: a long novel


@dataclass(slots=True)
class Row:
    """One row of a file.

    :param text: what to score; undecodable bytes stand as U+FFFD.
    :param fault: None, or why the row cannot be used.
    :param cells: all cells of a CSV row, as many as its header has; what is too much is in the last.
    :param line: the line on which a CSV row begins, from 1.
    :param record: the object of a JSON row as it was written, on one line.
    :param fields: the same parsed.
    """

    text: str
    fault: str | None = None
    cells: Sequence[str] = ()
    line: int = 0
    record: str | None = None
    fields: Mapping[str, Any] | None = None


def make_row(text: str, cells: Sequence[str] = (), line: int = 0) -> Row:
    """Make a row whose undecodable bytes are told and shown as U+FFFD."""
    if any(UNDECODABLE in value for value in (text, *cells)):
        fault = UNDECODED if UNDECODABLE in text else None
        return Row(text.replace(UNDECODABLE, "�"), fault, [cell.replace(UNDECODABLE, "�") for cell in cells], line)
    return Row(text, None, cells, line)


def answer_rows(
    rows: Sequence[Row], answer: Callable[[Iterable[str]], Iterable[Answer]], refuse: Callable[[str], Answer]
) -> list[Answer]:
    """Answer rows of a file; one that could not be read is refused with its fault."""
    answers = answer("" if row.fault else row.text for row in rows)
    return [own if row.fault is None else refuse(row.fault) for row, own in zip(rows, answers, strict=True)]


def check_texts(texts: object, verb: str) -> None:
    """Refuse one text, and what holds no texts.

    :raises SettingError: saying that texts to score, or what the verb is, come in a list.
    """
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise SettingError(
            "texts to {verb} come in a list or another iterable, found one {kind}", verb=verb, kind=type(texts).__name__
        )


def is_number(cell: str | bytes) -> bool:
    """Tell whether what stands in a cell, or in another field of a line, is a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def unfit(text: object) -> str | None:
    """Say why something cannot be answered, whatever is wanted: it is no text, or longer than memory should hold."""
    if not isinstance(text, str):
        return f"not a text but {type(text).__name__}"
    return f"too long: {len(text):,} characters, {LONGEST_TEXT:,} are the most" if len(text) > LONGEST_TEXT else None
