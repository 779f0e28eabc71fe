"""Encoded rows, in memory or mapped from disk, and the batches in which they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nlpkit.vocabulary import PAD

POOL = 64  # batches drawn together and sorted by length before they are cut
BLOCK = 1 << 22  # ids that are counted together
Chosen: TypeAlias = NDArray[np.int64]  # numbers of rows


@dataclass(frozen=True)
class Rows:
    """Encoded rows one after the other, and the index of each one's label.

    :param ids: ``(total,)``; row ``i`` is ``ids[starts[i]:starts[i + 1]]``. May be a memory map.
    :param starts: ``(rows + 1,)``.
    :param labels: ``(rows,)``.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, ids: Sequence[NDArray[Any]], labels: NDArray[np.int64]) -> Rows:
        """Rows of one array of ids each."""
        starts = np.cumsum([0, *map(len, ids)], dtype=np.int64)
        return cls(np.concatenate([*ids, np.zeros(0)]).astype(np.int32), starts, labels)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def first(self, count: int) -> Rows:
        """The first rows, at most ``count``."""
        return Rows(self.ids, self.starts[: count + 1], self.labels[:count])

    @cached_property
    def lengths(self) -> NDArray[np.int32]:
        """Ids in each row ``(rows,)``."""
        return np.diff(self.starts).astype(np.int32)

    def counts(self, size: int) -> NDArray[np.int64]:
        """How often each of ``size`` ids stands in the rows ``(size,)``."""
        total = np.zeros(size, dtype=np.int64)
        for at in range(0, int(self.starts[-1]), BLOCK):
            total += np.bincount(self.ids[at : min(at + BLOCK, int(self.starts[-1]))], minlength=size)
        return total

    def places(self, rows: Chosen) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """A mask ``(batch, time)`` of some rows, and where in ``ids`` the tokens under it lie, row after row."""
        lengths = self.lengths[rows]
        steps = np.arange(max(1, int(lengths.max(initial=0))))
        mask = steps < lengths[:, None]
        return mask, (self.starts[rows][:, None] + steps)[mask]

    def batch(self, rows: Chosen) -> tuple[Tensor, Tensor, Tensor]:
        """Ids ``(batch, time)``, mask ``(batch, time)`` and labels ``(batch,)`` of some rows."""
        mask, at = self.places(rows)
        ids = np.full(mask.shape, PAD, dtype=np.int64)
        ids[mask] = self.ids[at]
        return torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(self.labels[rows])


def batches(lengths: NDArray[np.integer[Any]], size: int, draw: np.random.Generator) -> list[Chosen]:
    """Rows of similar length together, in random order: shuffled, cut into pools, each pool sorted and cut."""
    order = draw.permutation(len(lengths))
    found: list[Chosen] = []
    for start in range(0, len(order), size * POOL):
        pool = order[start : start + size * POOL]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        found += [pool[at : at + size] for at in range(0, len(pool), size)]
    return [found[at] for at in draw.permutation(len(found))]


def in_order(lengths: NDArray[np.integer[Any]], size: int) -> list[Chosen]:
    """Batches of all rows, the longest first: the fastest way through rows of which nothing is learnt."""
    order = np.argsort(-lengths, kind="stable")
    return [order[at : at + size] for at in range(0, len(order), size)]


def focused(first: NDArray[np.bool_], focus: Sequence[float], done: float, draw: np.random.Generator) -> Chosen:
    """As many numbers as there are, of which a share are those where ``first`` is true.

    None comes again before all of its kind have come.

    :param focus: the share in the first and the last epoch; empty: every number once.
    :param done: 0 in the first epoch, 1 in the last.
    """
    ours, others = np.flatnonzero(first), np.flatnonzero(~first)
    if not (focus and len(ours) and len(others)):
        return np.arange(len(first))
    wanted = round((focus[0] + done * (focus[1] - focus[0])) * len(first))
    return np.concatenate([_cycled(ours, wanted, draw), _cycled(others, len(first) - wanted, draw)])


def _cycled(numbers: Chosen, count: int, draw: np.random.Generator) -> Chosen:
    rounds = [draw.permutation(numbers) for _ in range(-(-count // len(numbers)))]
    return np.concatenate([*rounds, numbers[:0]])[:count]
