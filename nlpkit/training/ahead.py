"""Batches made ahead of the steps that show them.

A processor makes several small arrays one after the other much sooner than the same between the steps of a network, as
what it needs for that is at hand; a GPU computes a step meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar, runtime_checkable

from nlpkit.training.batching import RowNumbers

T = TypeVar("T")
AHEAD = 8  # batches


@runtime_checkable
class Foresighted(Protocol):
    """An `nlpkit.training.loop.Objective` that can use to know which rows come next."""

    def foresee(self, coming: Sequence[RowNumbers]) -> None:
        """Take note of the rows of the next steps; their losses are asked for in this order, with these very arrays."""
        ...


class Coming:
    """The rows of an epoch's steps, told to an objective that can use to know them.

    :param part: what of a step's rows this process is to learn from.
    """

    def __init__(
        self, objective: object, order: Sequence[RowNumbers], part: Callable[[RowNumbers], RowNumbers]
    ) -> None:
        self._objective = objective if isinstance(objective, Foresighted) else None
        self._order, self._part, self._window = order, part, dict[int, RowNumbers]()

    def take(self, step: int) -> RowNumbers:
        """Return the rows of a step."""
        return self._window.pop(step) if step in self._window else self._part(self._order[step])

    def foresee(self, step: int) -> None:
        """Tell of a step and those behind it."""
        if self._objective is None:
            return
        for coming in range(step, min(step + AHEAD, len(self._order))):
            if coming not in self._window:
                self._window[coming] = self._part(self._order[coming])
        self._objective.foresee(list(self._window.values()))


class Ahead(Generic[T]):
    """Makes batches, some of them ahead.

    :param make: makes one; what it does must not hang on when it is called.
    :param most: that are made together.
    """

    def __init__(self, make: Callable[[RowNumbers], T], most: int = AHEAD) -> None:
        self._make, self._most = make, most
        self._made: deque[tuple[RowNumbers, T]] = deque()

    def foresee(self, coming: Sequence[RowNumbers]) -> None:
        """Make the first of these, if no other are at hand."""
        if not self._made:
            self._made.extend((rows, self._make(rows)) for rows in coming[: self._most])

    def take(self, rows: RowNumbers) -> T:
        """Return the batch of some rows, made before or now."""
        while self._made:
            known, batch = self._made.popleft()
            if known is rows:
                return batch
        return self._make(rows)
