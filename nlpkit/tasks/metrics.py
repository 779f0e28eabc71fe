"""What figures of every task are: a row of a table, JSON, and doubts in words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nlpkit.errors import Sentence


@dataclass(frozen=True)
class Table:
    """A table to be drawn: its columns, of which those that begin with ``>`` hold numbers, and its rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Metrics(ABC):
    """Figures of a model on some rows."""

    of: ClassVar[str] = Sentence("rows of")  # what stands above the names of the rows that were measured
    columns: ClassVar[tuple[str, ...]]  # the other columns of the table; such as hold numbers begin with ``>``

    @abstractmethod
    def cells(self) -> tuple[str, ...]:
        """Return the figures as a row of the table."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return all figures, rounded."""

    def tables(self) -> Sequence[Table]:
        """Return what else is drawn of all rows together."""
        return ()

    def remarks(self, name: str) -> Sequence[str]:  # noqa: ARG002
        """Return sentences that stand below the table.

        :param name: of the rows that were measured.
        """
        return ()

    def draw(self) -> Mapping[str, bytes]:
        """Return pictures of the figures by the names of their files; of all rows together.

        :raises MissingExtra: if what draws them is not installed.
        """
        return {}

    def doubts(self, model: Any = None) -> Sequence[str]:  # noqa: ARG002
        """Return sentences that warn of what the figures show.

        :param model: that was measured; None where a run has told what depends on it.
        """
        return ()

    @property
    def settled(self) -> Mapping[str, Any]:
        """Options of measuring that these rows have settled for the groups among them."""
        return {}

    def nothing(self, options: Mapping[str, Any]) -> str:  # noqa: ARG002
        """Return why there was nothing to measure.

        :param options: by which it was measured.
        """
        return Sentence("holds no row to measure")

    @property
    def rows_measured(self) -> int:
        """How many rows, or items, there were."""
        return 1


def table_of(metrics: Mapping[str, Metrics]) -> Table:
    """Return figures by name as one table."""
    first = next(iter(metrics.values()))
    return Table([first.of, *first.columns], [[name, *one.cells()] for name, one in metrics.items()])
