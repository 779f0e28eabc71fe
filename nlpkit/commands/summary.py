"""Rows counted by their labels: all of them, and those of each value of some columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING, Any

from nlpkit.commands.columns import as_cell
from nlpkit.errors import DataError, Sentence, headings, join, nearest
from nlpkit.text.json_rows import has, value

if TYPE_CHECKING:
    from nlpkit.text.rows import Row, Source

NORMAL_95 = 1.959964  # standard deviations on each side of the mean, between which 95% of a normal distribution lie
NONE = "(none)"  # the value of a row that has none


def interval(hits: int, rows: int) -> tuple[float, float]:
    """Return the 95% interval of a share (Wilson 1927, https://doi.org/10.2307/2276774)."""
    if not rows:
        return 0.0, 1.0
    square = NORMAL_95**2
    centre = (hits + square / 2) / (rows + square)
    width = NORMAL_95 / (rows + square) * sqrt(hits * (rows - hits) / rows + square / 4)
    return min(hits / rows, max(0.0, centre - width)), max(hits / rows, min(1.0, centre + width))


@dataclass
class Counts:
    """Rows by label; those without one by the reason.

    :param reasons: shortened: what follows a colon or stands in brackets is of the row alone.
    """

    labels: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    rows: int = 0

    def add(self, answer: Any) -> None:
        """Count a row."""
        self.extend([answer])

    def extend(self, answers: Sequence[Any]) -> None:
        """Count rows."""
        self.rows += len(answers)
        self.reasons.update(shorten(answer.reason) for answer in answers if answer.reason)
        if answers and "labels" in answers[0]._fields:  # several of a text
            self.labels.update(label for answer in answers for label in answer.labels or ())
        elif answers and "label" in answers[0]._fields:
            self.labels.update(answer.label for answer in answers if answer.label is not None)

    def join(self, other: Counts) -> None:
        """Count the rows of another, too."""
        self.rows += other.rows
        self.labels.update(other.labels)
        self.reasons.update(other.reasons)

    def state(self) -> dict[str, Any]:
        """Return what it has counted, as JSON."""
        return {"labels": dict(self.labels), "reasons": dict(self.reasons), "rows": self.rows}

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Counts:
        """Return what `state` has told."""
        return cls(Counter(state["labels"]), Counter(state["reasons"]), state["rows"])

    def describe(self, labels: Sequence[str]) -> Sentence:
        """Return ``100 rows: 60 positive, 36 negative, 4 without an answer``."""
        parts: list[str] = [f"{self.labels[label]:,} {label}" for label in labels if self.labels[label]]
        parts += [Sentence("{total:,} without an answer", total=self.reasons.total())] if self.reasons else []
        rows = Sentence("{rows:,} row" if self.rows == 1 else "{rows:,} rows", rows=self.rows)
        return Sentence("{rows}: {parts}", rows=rows, parts=join(parts)) if parts else rows

    def to_json(self, labels: Sequence[str]) -> dict[str, Any]:
        """Return counts and shares of the rows that have an answer."""
        scored = self.rows - self.reasons.total()
        shares = {}
        for label in labels:
            low, high = interval(self.labels[label], scored)
            share = self.labels[label] / scored if scored else None
            shares[label] = {
                "rows": self.labels[label],
                "share": None if share is None else round(share, 4),
                "low": round(low, 4),
                "high": round(high, 4),
            }
        return {"rows": self.rows, "unscored": self.reasons.total(), "labels": shares}


def shorten(reason: str) -> str:
    """Return what many rows may have in common of a reason: ``unsure`` of ``unsure (0.61)``."""
    return reason.split(":")[0].split(" (")[0]


class Summary:
    """Counts rows by label within each value of some columns, or of each combination of their values.

    :param columns: of tables, or fields of JSON objects.
    """

    def __init__(self, columns: Sequence[str] = ()) -> None:
        self.columns = columns
        self.groups: dict[tuple[str, ...], Counts] = {}

    def check(self, source: Source) -> None:
        """Refuse a file that lacks a column.

        :raises DataError: saying which there are.
        """
        for column in self.columns:
            known = source.header or source.fields
            if known is None:
                raise DataError("{name} has no columns, and so no {column!r}", name=source.name, column=column)
            if column not in known and (source.header or column.partition(".")[0] not in known):
                raise DataError(
                    "{name} has no column {column!r}{there_is}",
                    name=source.name,
                    column=column,
                    there_is=nearest(column, known),
                )

    def add(self, source: Source, rows: Sequence[Row], answers: Sequence[Any]) -> None:
        """Count rows of a file."""
        for row, answer in zip(rows, answers, strict=True):
            self.count(self.key(source, row), answer)

    def key(self, source: Source, row: Row) -> tuple[str, ...]:
        """Return what a row of a file has in the columns."""
        if source.header is None:
            return tuple(self._field(row, column) for column in self.columns)
        return tuple(row.cells[source.header.index(column)].strip() or NONE for column in self.columns)

    def count(self, key: tuple[str, ...], answer: Any) -> None:
        """Count a row of a group."""
        counts = self.groups.get(key)
        if counts is None:
            counts = self.groups[key] = Counts()
        counts.add(answer)

    def join(self, other: Summary) -> None:
        """Count the rows of another, too."""
        for key, counts in other.groups.items():
            self.groups.setdefault(key, Counts()).join(counts)

    def state(self) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
        """Return what it has counted, as JSON."""
        return [(key, counts.state()) for key, counts in self.groups.items()]

    def _field(self, row: Row, column: str) -> str:
        if not row.fields or not has(row.fields, column):
            return NONE
        return as_cell(value(row.fields, column)).strip() or NONE

    def ordered(self) -> list[tuple[tuple[str, ...], Counts]]:
        """Return the groups, the greatest first."""
        return sorted(self.groups.items(), key=lambda item: (-item[1].rows, item[0]))

    def to_rows(self, labels: Sequence[str]) -> tuple[list[str], list[list[Any]]]:
        """Return a header, and a row for each group and label."""
        rows = []
        for key, counts in self.ordered():
            figures = counts.to_json(labels)
            for label, shares in figures["labels"].items():
                rows.append([*key, figures["rows"], figures["unscored"], label, *shares.values()])
        own = ["rows", "unscored", "label", "rows_of_label", "share", "low", "high"]
        return [*(f"by_{column}" if column in own else column for column in self.columns), *own], rows

    def to_objects(self, labels: Sequence[str]) -> list[dict[str, Any]]:
        """Return an object for each group; a column whose name the counts have is called ``by_rows``, say."""
        columns = [f"by_{column}" if column in ("rows", "unscored", "labels") else column for column in self.columns]
        return [dict(zip(columns, key, strict=True)) | counts.to_json(labels) for key, counts in self.ordered()]

    def draw(self, labels: Sequence[str], colours: Mapping[str, str]) -> Any:
        """Return a rich table: a group a row, shares with their intervals, and a bar."""
        from nlpkit.commands.bars import StackedBar
        from nlpkit.commands.printing import make_table
        from nlpkit.commands.screen import to_one_line

        table = make_table(*self.columns, *headings(">rows", ">unscored"), *(f">{label}" for label in labels), "")
        for key, counts in self.ordered():
            figures = counts.to_json(labels)
            cells = [_percent(**shares) for shares in figures["labels"].values()]
            parts = [(counts.labels[label], colours.get(label, "")) for label in labels]
            names = [to_one_line(part) for part in key]
            table.add_row(*names, f"{figures['rows']:,}", f"{figures['unscored']:,}", *cells, StackedBar(parts))
        return table


def _percent(*, share: float | None, low: float, high: float, **_: int) -> str:
    """Write a share with its interval: ``33% (6–79)``."""
    return "-" if share is None else f"{share:.0%} ({low * 100:.0f}–{high * 100:.0f})"
