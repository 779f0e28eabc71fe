"""What a report says, gathered from rows as they are answered."""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from nlpkit.commands.summary import NONE, Counts, Summary

if TYPE_CHECKING:
    from nlpkit.text.rows import Row, Source

SHOWN = 20  # rows of each table
_DATE = re.compile(
    r"(?<!\d)(\d{4})\s*([-/.年])\s*(\d{1,2})(?:\s*[-/.月]\s*(\d{1,2}))?(?!\d|\s*[-/.月]\s*\d)|(?<!\d)(\d{4})(\d{2})(\d{2})(?!\d)"
)
YEARS = range(1900, 2101)  # others stand for no date, or for none in particular
FEW_DAYS, MANY_DAYS = 45, 270  # up to which a time line has a point a day, and a week; of more, a month


class Shown(NamedTuple):
    """A row of a table.

    :param group: what it has in the columns of the groups.
    """

    file: str
    number: int
    text: str
    group: str
    answer: Any


class TopRows:
    """Holds the rows that come first by some number."""

    def __init__(self, most: int) -> None:
        self._most, self._numbers = most, count()
        self._heap: list[tuple[float, int, Shown]] = []

    def add(self, value: float, row: Shown) -> None:
        """Take a row; of those with the same number the first stays."""
        item = (value, -next(self._numbers), row)
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, item)
        elif item[:2] > self._heap[0][:2]:
            heapq.heapreplace(self._heap, item)

    def rows(self) -> list[Shown]:
        """Return them in order."""
        return [row for _, _, row in sorted(self._heap, key=lambda item: item[:2], reverse=True)]


@dataclass
class Gathered:
    """All that a report says of rows.

    :param labels: that an answer may have.
    :param worst: the label whose surest rows are shown.
    :param by: the columns whose values are groups; ``dates``: the column of the time line.
    :param cut: a text to words.
    """

    labels: Sequence[str]
    worst: str
    by: Sequence[str]
    dates: str | None
    cut: Callable[[str], Sequence[str]]
    all: Counts = field(default_factory=Counts)
    undated: int = 0
    unlike: int = 0

    def __post_init__(self) -> None:
        self.groups = Summary(self.by)
        self._dates = Summary([self.dates] if self.dates else [])
        self.days: dict[date, Counts] = {}
        self.words: dict[tuple[tuple[str, ...], str], Counter[str]] = {}  # rows that hold a word, by group and label
        self.worst_rows, self.unsure_rows, self.unscored_rows = TopRows(SHOWN), TopRows(SHOWN), TopRows(SHOWN)

    def check(self, source: Source) -> None:
        """Refuse a file without one of the columns."""
        self.groups.check(source)
        self._dates.check(source)

    def add(self, source: Source, first: int, rows: Sequence[Row], answers: Sequence[Any]) -> None:
        """Take rows of a file, and their answers."""
        self.all.extend(answers)
        for number, (row, answer) in enumerate(zip(rows, answers, strict=True), start=first):
            key = self.groups.key(source, row)
            self.groups.count(key, answer)
            if self.dates:
                self._add_day(self._dates.key(source, row)[0], answer)
            self._add_words(key, row.text, answer)
            shown = Shown(source.name, number, row.text, " / ".join(key), answer)
            self.unlike += getattr(answer, "warning", None) is not None
            if answer.label is None and answer.probability is None:
                self.unscored_rows.add(0, shown)
                continue
            self.unsure_rows.add(-answer.probability, shown)
            if answer.label == self.worst:
                self.worst_rows.add(answer.probability, shown)

    def _add_day(self, written: str, answer: Any) -> None:
        day = read_date(written)
        if day is None:
            self.undated += 1
        else:
            self.days.setdefault(day, Counts()).add(answer)

    def _add_words(self, group: tuple[str, ...], text: str, answer: Any) -> None:
        if answer.label is None:
            return
        words = {word for word in self.cut(text) if len(word) > 1 and not word.isascii()}
        self.words.setdefault((group, answer.label), Counter()).update(words)


def read_date(written: str) -> date | None:
    """Read the day in a cell: ``2024-01-31 08:00``, ``2024/1/31``, ``2024年1月``, ``20240131``; None if none is."""
    match = _DATE.search(written)
    if not match or (match[2] == "." and not match[4]):  # 1234.5 is a number
        return None
    year, month, day = (match[1], match[3], match[4] or "1") if match[1] else (match[5], match[6], match[7])
    try:
        return date(int(year), int(month), int(day)) if int(year) in YEARS else None
    except ValueError:
        return None


def put_together(days: dict[date, Counts]) -> tuple[str, dict[date, Counts]]:
    """Put days together to weeks or months, where there are many.

    :returns: ``day``, ``week`` or ``month``, and the counts of each by its first day, in order.
    """
    if not days:
        return "day", {}
    span = (max(days) - min(days)).days
    step = "day" if span <= FEW_DAYS else "week" if span <= MANY_DAYS else "month"
    begins: dict[str, Callable[[date], date]] = {
        "day": lambda day: day,
        "week": lambda day: day - timedelta(days=day.weekday()),
        "month": lambda day: day.replace(day=1),
    }
    result: dict[date, Counts] = {}
    for day in sorted(days):
        result.setdefault(begins[step](day), Counts()).join(days[day])
    return step, result


def group_name(group: str, none: str) -> str:
    """Return what a group is called where a value is missing."""
    return " / ".join(none if part == NONE else part for part in group.split(" / "))
