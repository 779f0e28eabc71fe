"""What becomes of rows whose corpora are more than dealt out: all for one place, drawn by label, or without labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nlpkit.text.example import DEALT, Source
from nlpkit.text.split import PLACES

Ints: TypeAlias = NDArray[np.int64]
DRAWN = ("train", "validation")  # places of which rows are drawn: a test tells more by all of its rows
ORDER = {"validation": 0, "dealt": 1, "train": 2}  # of copies in different sources the first is kept
ROUNDING = 1e-9


@dataclass(frozen=True)
class UnlabelledCounts:
    """Rows without labels, and what became of them.

    :param rows: that were read.
    :param empty: without letters.
    :param copies: of each other.
    :param trained: copies of a labelled training row.
    :param held_out: copies of a validation or test row.
    :param left: by a ``share`` of their corpus.
    :param rest: training rows with a label that were not drawn, and are used without; they are not among ``rows``.
    """

    rows: int
    empty: int = 0
    copies: int = 0
    trained: int = 0
    held_out: int = 0
    left: int = 0
    rest: int = 0


@dataclass(frozen=True)
class Draw:
    """What was drawn of a source's training rows.

    :param of: rows by label before, ``rows`` after.
    """

    name: str
    of: Mapping[str, int]
    rows: Mapping[str, int]


@dataclass(frozen=True)
class SourcedRows:
    """Rows of several sources, by arrays ``(rows,)``.

    :param owners: the position of each row's source in ``sources``.
    :param bits: of each row's key, by which copies are known.
    :param labels: the position of each row's label in ``names``, -1 without one.
    """

    sources: Sequence[Source]
    owners: NDArray[np.integer[Any]]
    bits: NDArray[np.uint64]
    labels: NDArray[np.int32]
    names: Sequence[str]
    seed: int
    draws: list[Draw] = field(default_factory=list)

    @property
    def plain(self) -> bool:
        """Whether all rows are simply dealt out, and one counts as much as another."""
        return all(source == DEALT for source in self.sources)

    def order(self, rows: Ints) -> Ints:
        """Leave out rows without labels, and put first those that are kept where others are copies of them."""
        if self.plain:
            return rows
        orders = np.array([ORDER.get(source.use, -1) for source in self.sources])[self.owners[rows]]
        rows = rows[orders >= 0]
        return rows[np.argsort(orders[orders >= 0], kind="stable")]

    def select_dealt(self, rows: Ints) -> Ints:
        """Leave out rows that are all for one place."""
        dealt = np.array([source.use == "dealt" for source in self.sources], np.bool_)
        return np.asarray(rows[dealt[self.owners[rows]]])

    def place(self, places: NDArray[np.integer[Any]]) -> None:
        """Put rows that are all for one place there, in place."""
        for number, source in enumerate(self.sources):
            if source.use in DRAWN:
                places[self.owners == number] = PLACES.index(source.use)

    def draw(self, rows: Mapping[str, Ints]) -> dict[str, Ints]:
        """Draw rows of the sources that are to be balanced, or of which a share is wanted.

        :param rows: numbers by place.
        :returns: those that stay, and as ``rest`` training rows that are to be used without their labels.
        """
        result, rest = dict(rows), [np.zeros(0, np.int64)]
        for number, source in enumerate(self.sources):
            if (source.balance or source.share < 1) and source.use != "unlabelled":
                of = {place: rows[place][self.owners[rows[place]] == number] for place in DRAWN}
                kept = self._draw_by_label(source, of)
                for place in DRAWN:
                    others = np.setdiff1d(result[place], of[place], assume_unique=True)
                    result[place] = np.sort(np.concatenate([others, kept[place]]))
                if source.rest == "teach":
                    rest.append(np.setdiff1d(of["train"], kept["train"], assume_unique=True))
                self.draws.append(Draw(source.name, self._count(of["train"]), self._count(kept["train"])))
        return result | {"rest": np.concatenate(rest)}

    def select_unlabelled(self, rows: Mapping[str, Ints]) -> tuple[Ints, dict[str, int]]:
        """Return rows to be used without labels, no copies of each other or of others, and what became of them all.

        :param rows: numbers by place.
        """
        free = np.array([source.use == "unlabelled" for source in self.sources])[self.owners]
        found = np.flatnonzero(free)
        _, first = np.unique(self.bits[found], return_index=True)
        kept = found[np.sort(first)]
        held_out = np.isin(self.bits[kept], self.bits[np.concatenate([rows["validation"], rows["test"]])])
        trained = np.isin(self.bits[kept], self.bits[np.concatenate([rows["train"], rows["rest"]])])
        counts = {"copies": len(found) - len(kept), "trained": int(trained.sum()), "held_out": int(held_out.sum())}
        kept = kept[~(trained | held_out)]
        drawn = [self._first(kept[self.owners[kept] == n], source.share) for n, source in enumerate(self.sources)]
        left = len(kept) - sum(map(len, drawn))
        chosen = np.sort(np.concatenate([*drawn, rows["rest"]]))
        return chosen, counts | {"left": left, "rest": len(rows["rest"])}

    def _draw_by_label(self, source: Source, of: Mapping[str, Ints]) -> dict[str, Ints]:
        """Draw training rows, and of each label as large a share of the validation rows."""
        judged = of["train"] if len(of["train"]) else of["validation"]
        labels, counts = np.unique(self.labels[judged], return_counts=True)
        wanted = counts.min() / counts if source.balance and len(counts) else np.ones(len(counts))
        shares = dict(zip(labels.tolist(), wanted.tolist(), strict=True))
        kept = {}
        for place, rows in of.items():
            parts = (
                self._first(rows[self.labels[rows] == label], source.share * shares.get(label, 1.0))
                for label in np.unique(self.labels[rows]).tolist()
            )
            kept[place] = np.concatenate([rows[:0], *parts])
        return kept

    def _first(self, rows: Ints, share: float) -> Ints:
        """Return a share of rows, by chance that hangs on seed and text alone: a larger share holds every smaller."""
        factor = np.random.default_rng(self.seed).integers(1 << 63, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        return rows[np.argsort(self.bits[rows] * factor, kind="stable")][: math.ceil(share * len(rows) - ROUNDING)]

    def _count(self, rows: Ints) -> dict[str, int]:
        labels, counts = np.unique(self.labels[rows], return_counts=True)
        pairs = zip(labels.tolist(), counts.tolist(), strict=True)
        return dict(sorted((self.names[label], count) for label, count in pairs))
