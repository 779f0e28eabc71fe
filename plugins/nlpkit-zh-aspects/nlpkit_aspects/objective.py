"""What training an opinion model minimises: the loss of marks, polarities and pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from nlpkit.training import RowNumbers, Validation, draw_batches, sort_batches, weigh_mean
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from nlpkit_aspects.marks import OPINION, OWN, POLARITY, TARGET, Decoding, decode
from nlpkit_aspects.metrics import Tally
from nlpkit_aspects.network import AspectsNetwork
from nlpkit_aspects.opinions import POLARITIES, Opinion
from nlpkit_aspects.rows import NO_POLARITY, Batch, MarkedRows
from nlpkit_aspects.settings import AspectsTraining

TOGETHER = 64  # validation rows
JUDGED = 3_000  # validation rows that are enough to judge an epoch by


class Marking:
    """The `nlpkit.training.Objective` of a network that marks opinions.

    An epoch's accuracy is the F1 of the opinions of the validation rows, each found with its target and polarity.
    """

    rate_setting = "training.learning_rate"

    def __init__(
        self, module: AspectsNetwork, train: MarkedRows, validation: MarkedRows, settings: AspectsTraining
    ) -> None:
        self.module: nn.Module = module
        self._train, self._validation, self._settings = train, validation, settings

    def batches(self, epoch: int, draw: np.random.Generator) -> Sequence[RowNumbers]:  # noqa: ARG002
        """Return rows of similar length together."""
        return draw_batches(self._train.lengths, self._settings.batch_size, draw)

    def loss(self, rows: RowNumbers) -> tuple[Tensor, None]:
        """Return the mean loss of some rows."""
        batch = self._train.batch(rows, self._settings.replaced)
        return loss_of(self.module(batch.ids, batch.mask), batch), None

    def validate(self) -> Validation:
        """Judge by the validation rows: their loss, and the F1 of their opinions."""
        self.module.eval()
        tally, loss, rows = Tally(), 0.0, self._validation
        count = min(len(rows), JUDGED)
        with torch.inference_mode():
            for chosen in sort_batches(rows.lengths[:count], TOGETHER):
                batch = rows.batch(chosen)
                numbers = self.module(batch.ids, batch.mask)
                loss += float(loss_of(numbers, batch)) * len(chosen)
                found = decode(numbers.float().numpy(), rows.lengths[chosen], Decoding())
                for row, opinions in zip(chosen.tolist(), found, strict=True):
                    tally.add(opinions_of(rows, row), opinions)
        return Validation(loss / max(1, count), tally.exact.f1 / 100)


def loss_of(numbers: Tensor, batch: Batch) -> Tensor:
    """Return the mean over rows of what a token's marks, polarities and pairs cost in nats, weighted.

    :param numbers: of the network ``(batch, time, OWN + time)``.
    """
    weights = batch.weights[:, None].expand_as(batch.mask) * batch.mask  # (batch, time)
    said = weights * (batch.polarities != NO_POLARITY)
    pairs = binary_cross_entropy_with_logits(numbers[..., OWN:], batch.pairs, reduction="none")
    losses = [
        _mean(_entropies(numbers[..., TARGET], batch.targets), weights),
        _mean(_entropies(numbers[..., OPINION], batch.opinions), weights),
        _mean(_entropies(numbers[..., POLARITY], batch.polarities), said),
        _mean(pairs, said[:, :, None] * batch.mask[:, None, :]),
    ]
    return torch.stack(losses).sum()


def _entropies(logits: Tensor, asked: Tensor) -> Tensor:
    """Return the cross entropy of each token ``(batch, time)``."""
    return cross_entropy(logits.transpose(1, 2), asked, reduction="none", ignore_index=NO_POLARITY)


def _mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of losses, each with its weight; 0 if none has any."""
    total = weights.sum()
    return weigh_mean((losses.reshape(-1) * weights.reshape(-1)).sum() / total.clamp(min=1e-6), total)


def opinions_of(rows: MarkedRows, row: int) -> list[Opinion]:
    """Return the opinions of a row as they were marked, their spans counted in tokens."""
    return [
        Opinion(None if first < 0 else (first, last + 1), (begin, end + 1), POLARITIES[polarity])
        for begin, end, first, last, polarity in rows.opinions_of(row).tolist()
    ]
