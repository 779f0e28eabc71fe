"""Makes examples of the rows that a file holds, whatever its shape, and counts those that make none."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import isfinite
from typing import Literal, TypeAlias

from nlpkit.errors import DataError
from nlpkit.text.example import NO_LABEL, Example, Faults
from nlpkit.text.json_rows import as_json, parse_json
from nlpkit.text.labels import check_guessed, is_missing
from nlpkit.text.row import UNDECODED, is_number

LABEL_COLUMNS = ("label", "sentiment", "class", "标签", "情感", "类别", "標籤")
FIRST_ROWS = 1000  # by which a shape is found out, and by which texts are told from numbers
MANY_NUMBERS = 100  # more different numbers than this are no labels
NO_TEXT = "no text"

Answer: TypeAlias = Literal["label", "number", "json"] | None
# The number of a row's line, its text, what stands there for the answer, its group, and None or why it is of no use.
Candidate: TypeAlias = tuple[int, str, str | None, str, str | None]


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is read of a corpus; a column that is None is found by its usual name.

    :param answer: what stands beside each text: a ``label``, one of a few; a ``number``; ``json``, whatever that may
        hold but null; None where the text alone is read.
    :param answer_columns: usual names of its column.
    :param sheet: of a workbook; None: the only one that holds rows.
    :param kept: labels that would be taken for none, and are meant.
    :param blank_lines: every line of a file of lines is a text as it stands, blank ones too.
    """

    answer: Answer = "label"
    answer_columns: Sequence[str] = LABEL_COLUMNS
    column: str | None = None
    label_column: str | None = None
    group_column: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    kept: Collection[str] = ()
    blank_lines: bool = False

    @property
    def named_columns(self) -> list[str]:
        """The columns that somebody has named."""
        return [name for name in (self.column, self.label_column, self.group_column) if name]


@dataclass(frozen=True)
class Content:
    """What a file holds.

    :param text: the column of the text; None where there are no columns.
    :param answer: likewise that of the answer.
    :param blanks: whether a text may be blank.
    """

    name: str
    rows: Iterator[Candidate]
    text: str | None = None
    answer: str | None = None
    blanks: bool = False


def judge(content: Content, query: Query, faults: Faults) -> Iterator[Example]:
    """Give the examples that a file holds.

    :raises DataError: if texts or labels turn out to be numbers: a wrong column, as a rule.
    """
    examples = sift(content, query, faults)
    head = list(itertools.islice(examples, FIRST_ROWS))
    if head and not any(character.isalpha() for e in head for character in e.text):
        where = f"the column {content.text!r} of {content.name}" if content.text else content.name
        remedy = "say --column" if content.text else "expected text"
        raise DataError("{where} holds numbers or signs, no text: {remedy}", where=where, remedy=remedy)
    examples = itertools.chain(head, examples)
    return _with_few_labels(examples, content) if query.answer == "label" else examples


def sift(content: Content, query: Query, faults: Faults) -> Iterator[Example]:
    """Make examples of the rows that can be used; count the others."""
    read, missing = answer_reader(query), _MISSING[query.answer]
    for row, (line, text, written, group, fault) in enumerate(content.rows, 1):
        if not fault and not content.blanks and (not text or text.isspace()):
            fault = NO_TEXT
        answer = None if fault else read(written or "")
        if answer is None:
            faults.add(fault or missing, content.name, line, written)
        else:
            yield Example(text, answer, content.name, group, file=content.name, row=row if line else 0, line=line)


def answer_reader(query: Query) -> Callable[[str], str | None]:
    """Return what makes an answer of what is written for it, and None of what is none."""
    return lru_cache(FIRST_ROWS)(partial(_ANSWERS[query.answer], query.kept))  # there may be few different ones


def confirm_labels(
    rows: Iterator[Candidate], name: str, query: Query, *, read_as: str, remedy: str
) -> Iterator[Candidate]:
    """Give rows back, unless what was taken for their labels cannot be any; other answers show what they are.

    :param read_as: in which shape, or with which column.
    :param remedy: what to do if they are labels.
    :raises DataError: with an example.
    """
    if query.answer != "label":
        return rows
    head = list(itertools.islice(rows, FIRST_ROWS))
    labels = [(line, written) for line, _, written, _, fault in head if written and fault != UNDECODED]
    check_guessed(name, read_as, labels, query.kept, remedy)
    return itertools.chain(head, rows)


def _with_few_labels(examples: Iterable[Example], content: Content) -> Iterator[Example]:
    """Give examples back, unless they have many labels, all of them numbers."""
    column, name = content.answer, content.name
    labels: set[str] = set()
    for e in examples:
        if len(labels) <= MANY_NUMBERS:
            labels.add(e.label)
            if len(labels) > MANY_NUMBERS and all(map(is_number, labels)):
                where = f"the label column {column!r} of {name} holds" if column else f"the labels of {name} are"
                raise DataError(
                    "{where} more than {many_numbers} different numbers: expected a few labels",
                    where=where,
                    many_numbers=MANY_NUMBERS,
                )
        yield e


def _read_label(kept: Collection[str], written: str) -> str | None:
    label = written.strip()
    return label if label and not is_missing(label, kept) else None


def _read_number(kept: Collection[str], written: str) -> str | None:  # noqa: ARG001
    number = written.strip()
    return number if is_number(number) and isfinite(float(number)) else None


def _read_json(kept: Collection[str], written: str) -> str | None:  # noqa: ARG001
    return as_json(parse_json(written))


def _read_nothing(kept: Collection[str], written: str) -> str:  # noqa: ARG001
    return ""


_ANSWERS: dict[Answer, Callable[[Collection[str], str], str | None]] = {
    "label": _read_label,
    "number": _read_number,
    "json": _read_json,
    None: _read_nothing,
}
_MISSING: dict[Answer, str] = {"label": NO_LABEL, "number": "no number", "json": "no JSON", None: ""}
