"""Rows of ids or of numbers, in memory or mapped from disk, and the batches in which they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nlpkit.text.vocabulary import PAD, count_pieces
from nlpkit.training.devices import device_of, to_device, work_on

POOL = 64  # batches drawn together and sorted by length before they are cut
BLOCK = 1 << 22  # ids that are counted together
RowNumbers: TypeAlias = NDArray[np.int64]  # numbers of rows


class Batch(NamedTuple):
    """What is shown in one step.

    :param inputs: ids ``(batch, time)``, several of each token ``(batch, time, pieces)``, or numbers
        ``(batch, time, dim)``; padding is zero.
    :param mask: true where a row has something ``(batch, time)``.
    :param targets: the index of each row's label ``(batch,)``, or the numbers asked for ``(batch, outputs)``.
    """

    inputs: Tensor
    mask: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Rows:
    """Rows of ids or of vectors, one after the other, and what is asked of each.

    :param inputs: ids ``(total,)`` or ``(total, pieces)``, or numbers ``(total, dim)``, which are no integers; row
        ``i`` is ``inputs[starts[i]:starts[i + 1]]``. May be a memory map.
    :param starts: ``(rows + 1,)``.
    :param targets: the index of each row's label ``(rows,)``, or numbers ``(rows, outputs)``.
    """

    inputs: NDArray[Any]
    starts: NDArray[np.int64]
    targets: NDArray[Any]

    @classmethod
    def of(cls, rows: Sequence[NDArray[Any]], targets: NDArray[Any]) -> Rows:
        """Rows of one array each: of ids ``(time,)`` or ``(time, pieces)``, or of numbers ``(time, dim)``."""
        starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        inputs = np.concatenate(rows) if rows else np.zeros(0)
        numbers = inputs.ndim > 1 and inputs.dtype.kind == "f"
        return cls(inputs.astype(np.float32 if numbers else np.int32), starts, targets)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, count: int) -> Rows:
        """Return the first rows, at most ``count``."""
        return Rows(self.inputs, self.starts[: count + 1], self.targets[:count])

    @cached_property
    def lengths(self) -> NDArray[np.int32]:
        """Ids or vectors in each row ``(rows,)``."""
        return np.diff(self.starts).astype(np.int32)

    def count_ids(self, size: int) -> NDArray[np.int64]:
        """How often each of ``size`` ids stands in the rows ``(size,)``."""
        total = np.zeros(size, dtype=np.int64)
        for at in range(0, int(self.starts[-1]), BLOCK):
            total += np.bincount(self.inputs[at : min(at + BLOCK, int(self.starts[-1]))].ravel(), minlength=size)
        return total

    def locate(self, rows: RowNumbers) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Return a mask ``(batch, time)`` of some rows, and where in ``inputs`` what is under it lies."""
        lengths = self.lengths[rows]
        steps = np.arange(max(1, int(lengths.max(initial=0))))
        mask = steps < lengths[:, None]
        return mask, (self.starts[rows][:, None] + steps)[mask]

    @property
    def ahead(self) -> int:
        """Batches that may be made ahead without much memory."""
        return 8 if self.inputs.dtype.kind != "f" else 1

    def batch(self, rows: RowNumbers) -> Batch:
        """Pad some rows to the length of the longest of them; of tokens, no more pieces than one of them has."""
        if self.inputs.ndim == 1 and len(self.inputs):
            ids, mask = self._pad(rows)
            return Batch(to_device(ids), to_device(mask), to_device(self.targets[rows]))
        mask, at = self.locate(rows)
        found, are_ids = self.inputs[at], self.inputs.dtype.kind != "f"
        if are_ids and found.ndim > 1:
            found = found[:, : count_pieces(found.T)]
        inputs = np.full((*mask.shape, *found.shape[1:]), PAD, dtype=np.int64 if are_ids else np.float32)
        inputs[mask] = found
        return Batch(to_device(inputs), to_device(mask), to_device(self.targets[rows]))

    def _pad(self, rows: RowNumbers) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return ids of one piece a token ``(batch, time)``, and their mask.

        What is not under it is read and blanked, which is sooner done than not to read it.
        """
        lengths = self.lengths[rows]
        steps = np.arange(max(1, int(lengths.max(initial=0))))
        mask = steps < lengths[:, None]
        ids = self.inputs.take(self.starts[rows][:, None] + steps, mode="clip").astype(np.int64)
        ids *= mask  # PAD is 0
        return ids, mask


def draw_batches(lengths: NDArray[np.integer[Any]], size: int, draw: np.random.Generator) -> list[RowNumbers]:
    """Rows of similar length together, in random order: shuffled, cut into pools, each pool sorted and cut."""
    order = draw.permutation(len(lengths))
    parts: list[RowNumbers] = []
    for start in range(0, len(order), size * POOL):
        pool = order[start : start + size * POOL]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        parts += [pool[at : at + size] for at in range(0, len(pool), size)]
    return [parts[at] for at in draw.permutation(len(parts))]


def sort_batches(lengths: NDArray[np.integer[Any]], size: int) -> list[RowNumbers]:
    """Batches of all rows, the longest first: the fastest way through rows of which nothing is learnt."""
    order = np.argsort(-lengths, kind="stable")
    return [order[at : at + size] for at in range(0, len(order), size)]


def draw_with_focus(
    first: NDArray[np.bool_], focus: Sequence[float], done: float, draw: np.random.Generator
) -> RowNumbers:
    """As many numbers as there are, of which a share are those where ``first`` is true.

    None comes again before all of its kind have come.

    :param focus: the share in the first and the last epoch; empty: every number once.
    :param done: 0 in the first epoch, 1 in the last, and whatever is beyond counts as 1.
    """
    firsts, others = np.flatnonzero(first), np.flatnonzero(~first)
    if not (focus and len(firsts) and len(others)):
        return np.arange(len(first))
    count = round((focus[0] + min(1.0, done) * (focus[1] - focus[0])) * len(first))
    return np.concatenate([_draw_in_rounds(firsts, count, draw), _draw_in_rounds(others, len(first) - count, draw)])


def _draw_in_rounds(numbers: RowNumbers, count: int, draw: np.random.Generator) -> RowNumbers:
    rounds = [draw.permutation(numbers) for _ in range(-(-count // len(numbers)))]
    return np.concatenate([*rounds, numbers[:0]])[:count]


def logits_of(network: nn.Module, rows: Rows, size: int = 64, numbers: RowNumbers | None = None) -> Tensor:
    """Logits ``(rows, labels)`` of rows in their order, without gradients or dropout.

    :param numbers: of the rows; None: all.
    """
    numbers = np.arange(len(rows)) if numbers is None else numbers
    network.eval()
    result = torch.empty(0)
    with work_on(device_of(network)), torch.inference_mode():
        for batch in sort_batches(rows.lengths[numbers], size):
            logits = network(*rows.batch(numbers[batch])[:2])
            if not len(result):  # one array for all: results kept one by one would hold on to the memory between them
                result = logits.new_empty(len(numbers), logits.shape[1])
            result[torch.as_tensor(batch)] = logits
    return result.cpu()
