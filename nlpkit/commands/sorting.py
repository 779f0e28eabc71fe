"""Rows in the order of a label's probability."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

from nlpkit.errors import SettingError, nearest

if TYPE_CHECKING:
    from nlpkit.text.rows import Row, Source

Place: TypeAlias = "tuple[Source, int, Sequence[Row], Sequence[Any]]"  # a block of one row, as it is written


class SortedRows:
    """Takes rows with their answers, and gives them back with the highest probability of a label first.

    Rows that are equal keep their order; those without an answer come last.

    :param most: rows that are given back, and held; None: all.
    :param labels: that there are.
    :raises SettingError: if ``label`` is none of them.
    """

    def __init__(self, label: str, most: int | None, labels: Sequence[str]) -> None:
        if label not in labels:
            raise SettingError("--sort: there is no label {label!r}{known}", label=label, known=nearest(label, labels))
        self._label, self._most = label, most
        self._numbers = count()
        self._rows: list[tuple[float, int, Place]] = []

    def add(self, source: Source, first: int, rows: Sequence[Row], answers: Sequence[Any]) -> None:
        """Take rows of a file, of which the first has a number."""
        for number, (row, answer) in enumerate(zip(rows, answers, strict=True), start=first):
            probability = -1.0 if answer.reason else (answer.probabilities or {}).get(self._label, -1.0)
            item = (probability, -next(self._numbers), (source, number, [row], [answer]))
            if self._most is None or len(self._rows) < self._most:
                heapq.heappush(self._rows, item)
            else:
                heapq.heappushpop(self._rows, item)

    def __iter__(self) -> Iterator[Place]:
        return (place for _, _, place in sorted(self._rows, key=lambda item: item[:2], reverse=True))
