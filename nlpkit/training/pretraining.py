"""A two-way language model on the training texts, from which a classifier with the same encoder starts.

What the labels are too few to teach, the texts themselves do (Dai and Le 2015, https://arxiv.org/abs/1511.01432; Peters
et al. 2018, https://aclanthology.org/N18-1202). No labels and no other texts are used.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nlpkit.errors import SettingError
from nlpkit.training.loop import Rows, Step, batches, rate
from nlpkit.training.network import Network
from nlpkit.training.settings import TrainingSettings
from nlpkit.vocabulary import PAD, UNKNOWN

NEGATIVES = 400  # tokens that share a batch's softmax with the right ones
SKEW = 0.75  # exponent on token counts by which they are drawn
DROPOUT = 0.1


@dataclass(frozen=True)
class PretrainingEpoch:
    """One pass; ``loss`` is the mean of both directions' sampled cross entropy in nats a token."""

    epoch: int
    loss: float
    seconds: float


def pretrain(network: Network, rows: Rows, settings: TrainingSettings, seed: int) -> Iterator[Step | PretrainingEpoch]:
    """Train embedding and encoder in place to tell each token from what stands before it, and from what stands after.

    Sampled softmax with the log of the expected count subtracted (Jean et al. 2015, https://arxiv.org/abs/1412.2007);
    the output table is the embedding's own.

    :raises SettingError: if the encoder mixes directions, or the embedding has no vector of its own for each id.
    """
    encoder: Any = network.encoder
    embedding: Any = network.embedding
    table = getattr(embedding, "table", None)
    if not getattr(encoder, "one_way_halves", False) or not isinstance(table, nn.Embedding):
        raise SettingError("training.pretrain wants the encoder lstm with layers=1 and the embedding trainable")
    torch.manual_seed(seed)
    shuffle, draw = random.Random(seed), np.random.default_rng(seed)
    counts = np.bincount(np.concatenate(rows.ids), minlength=table.num_embeddings) + 0.1
    counts[[PAD, UNKNOWN]] = 0
    chances = counts**SKEW / (counts**SKEW).sum()
    cumulative = np.cumsum(chances)
    head = _TokenHead(encoder.output_dim // 2, table, counts, chances)
    parameters = [p for part in (table, encoder, head) for p in part.parameters()]
    optimiser = torch.optim.AdamW(parameters, settings.pretrain_rate, betas=(0.9, settings.beta2), weight_decay=0.001)
    per_epoch = -(-len(rows) // settings.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate(settings, per_epoch * settings.pretrain))
    network.train()
    for epoch in range(1, settings.pretrain + 1):
        started, total = time.monotonic(), 0.0
        for step, chosen in enumerate(batches(rows.ids, settings.batch_size, shuffle), start=1):
            ids, mask, _ = rows.batch(chosen)  # (batch, time), (batch, time)
            states, _ = encoder(embedding(ids, mask), mask)  # (batch, time, 2 * half)
            before, after = states.chunk(2, 2)
            known = mask & (ids != UNKNOWN)
            negatives = torch.from_numpy(np.searchsorted(cumulative, draw.random(NEGATIVES)).clip(max=len(counts) - 1))
            ahead = head(0, before[:, :-1][known[:, 1:]], ids[:, 1:][known[:, 1:]], negatives)
            behind = head(1, after[:, 1:][known[:, :-1]], ids[:, :-1][known[:, :-1]], negatives)
            loss = (ahead + behind) / 2
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(parameters, settings.clip)
            optimiser.step()
            schedule.step()
            total += loss.item() * len(chosen)
            yield Step(epoch, step, per_epoch, len(chosen), loss.item(), float(norm))
        yield PretrainingEpoch(epoch, total / len(rows), time.monotonic() - started)


class _TokenHead(nn.Module):
    """States to the loss of the right token among sampled ones: a projection a direction, a bias a token."""

    def __init__(self, half: int, table: nn.Embedding, counts: NDArray[Any], chances: NDArray[Any]) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(half, table.embedding_dim, bias=False) for _ in range(2))
        self.bias = nn.Parameter(torch.from_numpy(np.log(counts + 1e-9) - np.log(counts.sum())).float())
        self.dropout = nn.Dropout(DROPOUT)
        self._expected = torch.from_numpy(np.log(chances * NEGATIVES + 1e-12)).float()
        self._table = [table]  # in a list: it is the embedding's, not ours

    def forward(self, direction: int, states: Tensor, targets: Tensor, negatives: Tensor) -> Tensor:
        """States ``(n, half)``, targets ``(n,)`` and negatives ``(k,)`` to the mean loss; 0 without targets."""
        if not len(targets):
            return states.sum() * 0
        vectors = self.dropout(self.projections[direction](states))  # (n, dim)
        table, offset = self._table[0].weight, self.bias - self._expected
        right = (vectors * table[targets]).sum(1) + offset[targets]  # (n,)
        wrong = vectors @ table[negatives].T + offset[negatives]  # (n, k)
        wrong = wrong.masked_fill(negatives[None, :] == targets[:, None], -1e4)
        return cast(Tensor, (torch.logaddexp(right, wrong.logsumexp(1)) - right).mean())
