"""Makes examples of the rows that a file holds, whatever its shape, and counts those that make none."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import isfinite
from typing import Literal, TypeAlias

from nlpkit.errors import DataError, DataWarning, Sentence, join
from nlpkit.text.example import NO_LABEL, Example, Faults
from nlpkit.text.json_rows import as_json, parse_json
from nlpkit.text.labels import check_guessed, is_missing
from nlpkit.text.row import UNDECODED, is_number
from nlpkit.text.several import SEVERAL, Labels, Separation, find_few, find_separation, has_separator

SEVERAL_COLUMNS = ("labels",)  # where a text may have several, and no column has a usual name
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
    :param several: whether a text may have several labels, a `Labels` each; None: it is found out. False: rows with
        several are left out.
    :param label_separator: what stands between several labels in a cell; None: it is found out.
    :param label_columns: columns of a label each, which hold 1 or 0, or the like.
    :param several_option: what says ``several`` in a command.
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
    several: bool | None = False
    label_separator: str | None = None
    label_columns: Sequence[str] | None = None
    several_option: str = "--set several"

    @property
    def named_columns(self) -> list[str]:
        """The columns that somebody has named."""
        return [
            name for name in (self.column, self.label_column, self.group_column, *(self.label_columns or ())) if name
        ]

    def find_answer_columns(self, columns: Iterable[str]) -> Sequence[str]:
        """Return the usual names of the answer's column, as far as they are among some columns."""
        names = {column.strip().lower() for column in columns}
        if self.wants_several is not False and names.isdisjoint(self.answer_columns):
            return SEVERAL_COLUMNS
        return self.answer_columns

    @property
    def answer_option(self) -> str:
        """How to say which column holds the answer."""
        several = self.answer == "label" and self.wants_several is not False
        return Sentence("--label-column, or a column a label by --label-columns" if several else "--label-column")

    @property
    def wants_several(self) -> bool | None:
        """Whether each text has labels, not one; None if that is to be found out."""
        return True if self.label_separator or self.label_columns else self.several


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
        where = (
            Sentence("the column {text!r} of {name}", text=content.text, name=content.name)
            if content.text
            else content.name
        )
        remedy = Sentence("say --column") if content.text else Sentence("expected text")
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
    return lru_cache(FIRST_ROWS, typed=True)(
        partial(_ANSWERS[query.answer], query.kept)
    )  # there may be few different ones


def take_labels(
    rows: Iterator[Candidate], name: str, query: Query, *, read_as: str, remedy: str = ""
) -> Iterator[Candidate]:
    """Give rows back with one label each, or with several, unless they cannot be any; other answers show what they are.

    :param read_as: in which shape, or with which column.
    :param remedy: what to do if they are labels; nothing where somebody has said that they are.
    :raises DataError: with an example.
    """
    if query.answer != "label":
        return rows
    head = list(itertools.islice(rows, FIRST_ROWS))
    labels = [(line, written) for line, _, written, _, fault in head if written and fault != UNDECODED]
    labels = [(line, label) for line, label in labels if not is_missing(label, query.kept)]
    separation = _separate(name, [label for _, label in labels], query)
    if remedy:
        if query.wants_several is None and separation is None:
            several = "{remedy}; if they are several, what stands between them by --label-separator"
            remedy = Sentence(several, remedy=remedy)
        check_guessed(name, read_as, list(_parts_of(labels, separation)), query.kept, remedy)
    make = _make_one if separation is None else partial(_make_several, separation, query.kept)
    return map(make, itertools.chain(head, rows))


def _separate(name: str, labels: Sequence[str], query: Query) -> Separation | None:
    """Find out how several labels stand in a cell, and say so; None where each text has one."""
    if query.wants_several is False:
        return None
    if query.label_separator:
        return Separation(query.label_separator, whole=True)
    found = find_separation(labels, kept=query.kept, sure=bool(query.wants_several))
    if query.wants_several:
        if not found and (signed := [label for label in labels if label not in query.kept and has_separator(label)]):
            _warn(
                "{name}: cells such as {example} are taken for one label each: --label-separator says what stands "
                "between several",
                name=name,
                example=signed[0],
            )
        return found or Separation()
    if found:
        several = (label for label in labels if len((found(label, query.kept) or Labels.of([])).names) > 1)
        _warn(
            "{name}: texts have several labels each{between}, such as {example}: {option}=false takes one a "
            "text{other}",
            name=name,
            option=query.several_option,
            between=Sentence(", with {separators} between them", separators=join(map(repr, found.separator), " or "))
            if found.separator
            else "",
            example=next(several, labels[0]),
            other=Sentence(", --label-separator says what else stands between") if found.separator else "",
        )
    elif few := find_few(labels):
        _warn(
            "{name}: texts have one label each, but {few:,} of the first {rows:,} may have several, such as {example}, "
            "and {became}: {option}=true takes them for several",
            name=name,
            option=query.several_option,
            few=len(few),
            rows=len(labels),
            example=few[0],
            became=Sentence("are left out") if isinstance(few[0], Labels) else Sentence("are classes of their own"),
        )
    return found


def _warn(template: str, **values: object) -> None:
    warnings.warn(DataWarning(template, **values), stacklevel=2)


def _parts_of(labels: Iterable[tuple[int, str]], separation: Separation | None) -> Iterator[tuple[int, str]]:
    """Yield each label by itself; where each text is to have one, no list is a label."""
    for line, label in labels:
        if separation is not None:
            yield from ((line, part) for part in (separation(label) or Labels.of([])).names)
        elif not isinstance(label, Labels):
            yield line, label
        elif len(label.names) == 1:
            yield line, label.names[0]


def _make_one(row: Candidate) -> Candidate:
    line, text, written, group, fault = row
    if not isinstance(written, Labels):
        return row
    if len(written.names) == 1:
        return line, text, written.names[0], group, fault
    return line, text, None, group, fault or (SEVERAL if written.names else NO_LABEL)


def _make_several(separation: Separation, kept: Collection[str], row: Candidate) -> Candidate:
    line, text, written, group, fault = row
    labels = None if written is None or fault else separation(written, kept)
    return line, text, written if labels is None else labels, group, fault or (NO_LABEL if labels is None else None)


def _with_few_labels(examples: Iterable[Example], content: Content) -> Iterator[Example]:
    """Give examples back, unless they have many labels, all of them numbers."""
    column, name = content.answer, content.name
    labels: set[str] = set()
    for e in examples:
        if len(labels) <= MANY_NUMBERS:
            labels.add(e.label)
            if len(labels) > MANY_NUMBERS and all(map(is_number, labels)):
                where = (
                    Sentence("the label column {column!r} of {name} holds", column=column, name=name)
                    if column
                    else Sentence("the labels of {name} are", name=name)
                )
                raise DataError(
                    "{where} more than {many_numbers} different numbers: expected a few labels",
                    where=where,
                    many_numbers=MANY_NUMBERS,
                )
        yield e


def _read_label(kept: Collection[str], written: str) -> str | None:
    if isinstance(written, Labels):
        return written
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
