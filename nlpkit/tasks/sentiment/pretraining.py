"""A two-way language model on the training texts, from which a classifier with the same encoder starts.

What the labels are too few to teach, the texts themselves do (Dai and Le 2015, https://arxiv.org/abs/1511.01432; Peters
et al. 2018, https://aclanthology.org/N18-1202). No labels and no other texts are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nlpkit.errors import SettingError
from nlpkit.model.network import Network
from nlpkit.tasks.sentiment.settings import ClassifierTraining
from nlpkit.text.vocabulary import PAD, UNKNOWN
from nlpkit.training.ahead import Ahead
from nlpkit.training.batching import RowNumbers, Rows, draw_batches
from nlpkit.training.processes import weigh_mean

NEGATIVES = 400  # tokens that share a batch's softmax with the right ones
SKEW = 0.75  # exponent on token counts by which they are drawn
DROPOUT = 0.1


def pretraining_settings(settings: ClassifierTraining) -> ClassifierTraining:
    """Say how the language model is trained; its epochs are all run, as nothing judges them."""
    return replace(
        settings,
        epochs=settings.pretrain,
        min_steps=0,
        learning_rate=settings.pretrain_rate,
        weight_decay=0.001,
        optimizer="adamw",
    )


class Pretraining:
    """The `Objective` that tells each token from what stands before it, and from what stands after.

    Sampled softmax with the log of the expected count subtracted (Jean et al. 2015, https://arxiv.org/abs/1412.2007);
    the output table is the embedding's own. Embedding and encoder are the network's, and are trained in place.

    :raises SettingError: if the encoder mixes directions, or the embedding has no vector of its own for each id.
    """

    rate_setting = "training.pretrain_rate"

    def __init__(self, network: Network, rows: Rows, batch_size: int) -> None:
        encoder: Any = network.encoder
        embedding: Any = network.embedding
        table = getattr(embedding, "table", None)
        if not encoder.one_way_halves or not isinstance(table, nn.Embedding):
            raise SettingError(
                "training.pretrain wants a recurrent encoder with layers=1 that is bidirectional, and the embedding "
                "trainable"
            )
        counts = rows.count_ids(table.num_embeddings) + 0.1
        counts[[PAD, UNKNOWN]] = 0
        chances = counts**SKEW / (counts**SKEW).sum()
        self._cumulative = torch.from_numpy(np.cumsum(chances))
        self._rows, self._batch_size = rows, batch_size
        self._ahead = Ahead(rows.batch, rows.ahead)
        self._embedding, self._encoder = embedding, encoder
        self._head = _TokenHead(encoder.output_dim // 2, table, counts, chances)
        self.module: nn.Module = nn.ModuleDict({"embedding": embedding, "encoder": encoder, "head": self._head})

    def batches(self, epoch: int, draw: np.random.Generator) -> Sequence[RowNumbers]:  # noqa: ARG002
        """Put rows of similar length together."""
        return draw_batches(self._rows.lengths, self._batch_size, draw)

    def foresee(self, coming: Sequence[RowNumbers]) -> None:
        """Make batches ahead."""
        self._ahead.foresee(coming)

    def loss(self, rows: RowNumbers) -> tuple[Tensor, None]:
        """Return the mean over both directions of the sampled cross entropy, in nats a token."""
        ids, mask, _ = self._ahead.take(rows)  # (batch, time), (batch, time)
        states, _ = self._encoder(self._embedding(ids, mask), mask)  # (batch, time, 2 * half)
        before, after = states.chunk(2, 2)
        known = mask & (ids != UNKNOWN)
        drawn = torch.rand(NEGATIVES, dtype=torch.float64, device="cpu")  # not every device has such numbers
        negatives = torch.searchsorted(self._cumulative, drawn).clamp(max=len(self._cumulative) - 1).to(ids.device)
        ahead = self._head(0, before[:, :-1][known[:, 1:]], ids[:, 1:][known[:, 1:]], negatives)
        behind = self._head(1, after[:, 1:][known[:, :-1]], ids[:, :-1][known[:, :-1]], negatives)
        return (ahead + behind) / 2, None

    def validate(self) -> None:
        """Judge nothing: what counts is the classifier that starts from it."""


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
        """Map states ``(n, half)``, targets ``(n,)`` and negatives ``(k,)`` to the mean loss; 0 without targets."""
        if not len(targets):
            return weigh_mean(states.sum() * 0, 0)  # as others may have some
        vectors = self.dropout(self.projections[direction](states))  # (n, dim)
        table, offset = self._table[0].weight, self.bias - self._expected.to(states.device)
        right = (vectors * table[targets]).sum(1) + offset[targets]  # (n,)
        wrong = vectors @ table[negatives].T + offset[negatives]  # (n, k)
        wrong = wrong.masked_fill(negatives[None, :] == targets[:, None], -1e4)
        return weigh_mean((torch.logaddexp(right, wrong.logsumexp(1)) - right).mean(), len(targets))
