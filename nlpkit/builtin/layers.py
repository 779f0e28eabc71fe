"""The built-in embeddings and encoders as torch modules; imported only where something is trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from nlpkit.builtin.ppmi import ppmi_vectors
from nlpkit.vocabulary import PAD, HashVocabulary, TableVocabulary, Tokens, Vocabulary


class TrainableEmbedding(nn.Module):
    """A table of vectors over a `TableVocabulary`; see `nlpkit.builtin.embeddings.trainable`."""

    def __init__(self, *, dim: int, min_count: int, max_size: int, start: str, dropout: float) -> None:
        super().__init__()
        _positive(dim=dim, min_count=min_count, max_size=max_size)
        if start not in ("normal", "ppmi"):
            raise ValueError(f"start must be normal or ppmi, was: {start!r}")
        self.config: dict[str, Any] = {"dim": dim, "min_count": min_count, "max_size": max_size}
        self.config |= {"start": start, "dropout": dropout}
        self.dim = dim
        self.token_dropout = TokenDropout(dropout)
        self.table: nn.Embedding

    def fit(self, documents: Iterable[Sequence[str]], labels: Sequence[int]) -> Vocabulary:  # noqa: ARG002
        """Count the tokens and give each a vector: drawn from a normal distribution, or made from its neighbours."""
        documents = list(documents)
        limits = {"min_count": self.config["min_count"], "max_size": self.config["max_size"]}
        vocabulary = TableVocabulary.count(documents, **limits)
        self.build(vocabulary)
        if self.config["start"] == "ppmi" and documents:
            ids = vocabulary.encode(Tokens.of(documents)).rows()
            with torch.no_grad():
                self.table.weight.copy_(ppmi_vectors(ids, len(vocabulary), self.dim))
                self.table.weight[PAD] = 0
        return vocabulary

    def build(self, vocabulary: Vocabulary) -> None:
        """Make a table with a row for each id; that of padding stays zero."""
        self.table = nn.Embedding(len(vocabulary), self.dim, padding_idx=PAD)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids and mask ``(batch, time)`` to vectors ``(batch, time, dim)``."""
        return self.token_dropout(self.table(ids), mask)  # type: ignore[no-any-return]

    def vectors(self) -> Tensor:
        """The vector of every id ``(ids, dim)``."""
        return self.table.weight


class NgramEmbedding(nn.Module):
    """Vectors of hashed n-grams, each times a fixed scale; see `nlpkit.builtin.embeddings.ngrams`.

    The scale is ``floor + max over labels of |log-count ratio|`` (Wang and Manning 2012, https://aclanthology.org/P12-2018),
    which lets an n-gram that tells labels apart learn faster than one that does not. Weights start at zero.
    """

    ordered = False  # unigrams, then bigrams: no encoder can read that

    def __init__(
        self, *, low: int, high: int, bits: int, marks: bool, dim: int | None, floor: float, dropout: float
    ) -> None:
        super().__init__()
        self._vocabulary = HashVocabulary(bits=bits, low=low, high=high, marks=marks)
        self.config: dict[str, Any] = {"low": low, "high": high, "bits": bits, "marks": marks, "dim": dim}
        self.config |= {"floor": floor, "dropout": dropout}
        self.dim = dim or 0
        self.token_dropout = TokenDropout(dropout)
        self.table: nn.Embedding
        self.scale: Tensor

    def fit(self, documents: Iterable[Sequence[str]], labels: Sequence[int]) -> Vocabulary:
        """Count in how many documents of each label every bucket stands."""
        targets = np.asarray(labels)
        classes = int(targets.max()) + 1
        self.dim = self.config["dim"] = self.dim or classes
        present = np.zeros((classes, len(self._vocabulary)))
        for start, tokens in _chunks(documents):
            for row, ids in enumerate(self._vocabulary.encode(tokens).rows(), start=start):
                present[targets[row], np.unique(ids)] += 1
        self.build(self._vocabulary)
        self.scale[:, 0] = torch.from_numpy(_log_count_ratio(present, targets) + self.config["floor"])
        return self._vocabulary

    def build(self, vocabulary: Vocabulary) -> None:
        """Zero weights for every bucket, scale one."""
        self.table = nn.Embedding(
            len(vocabulary), self.dim, padding_idx=PAD, _weight=torch.zeros(len(vocabulary), self.dim)
        )
        self.register_buffer("scale", torch.ones(len(vocabulary), 1))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids and mask ``(batch, time)`` to vectors ``(batch, time, dim)``."""
        return self.token_dropout(self.table(ids) * self.scale[ids], mask)  # type: ignore[no-any-return]

    def vectors(self) -> Tensor:
        """The vector of every id ``(ids, dim)``."""
        return self.table.weight * self.scale


class TokenDropout(nn.Module):
    """Blanks whole vectors in training, so that no single token is relied upon; those kept are scaled up."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise ValueError(f"dropout must be in [0, 1), was: {probability}")
        self.probability = probability

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Vectors ``(batch, time, dim)`` to the same shape."""
        if not self.training or not self.probability:
            return vectors
        kept = torch.rand(mask.shape, device=mask.device) >= self.probability
        return vectors * (kept / (1 - self.probability))[:, :, None]


class NoEncoder(nn.Module):
    """The identity: states are vectors."""

    causal = True
    identity = True

    def __init__(self, *, input_dim: int) -> None:
        super().__init__()
        self.config: dict[str, Any] = {}
        self.output_dim = input_dim

    def forward(self, vectors: Tensor, mask: Tensor, state: Any = None) -> tuple[Tensor, Any]:  # noqa: ARG002
        """Vectors ``(batch, time, dim)`` to themselves."""
        return vectors, state


class CnnEncoder(nn.Module):
    """Parallel convolutions and a ReLU; output ``filters`` for each width, side by side."""

    causal = False

    def __init__(self, *, input_dim: int, widths: Sequence[int], filters: int, dropout: float) -> None:
        super().__init__()
        _positive(filters=filters, **{f"width_{i}": width for i, width in enumerate(widths)})
        self.config: dict[str, Any] = {"widths": list(widths), "filters": filters, "dropout": dropout}
        self.output_dim = filters * len(widths)
        self.dropout = nn.Dropout(dropout)
        self.convolutions = nn.ModuleList(nn.Conv1d(input_dim, filters, width) for width in widths)

    def forward(self, vectors: Tensor, mask: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Vectors ``(batch, time, input_dim)`` to states ``(batch, time, output_dim)``; the end is padded by zeros."""
        columns = (self.dropout(vectors) * mask[:, :, None]).transpose(1, 2)  # (batch, input_dim, time)
        states = [
            conv(nn.functional.pad(columns, ((width - 1) // 2, width // 2)))
            for width, conv in zip(self.config["widths"], self.convolutions, strict=True)
        ]
        return torch.relu(torch.cat(states, 1)).transpose(1, 2), state


class LstmEncoder(nn.Module):
    """Stacked LSTM layers. The backward direction reverses each row within its own length.

    That needs no packed sequences, which the ONNX exporter refuses, and lets no padding in.
    """

    def __init__(self, *, input_dim: int, hidden: int, layers: int, bidirectional: bool, dropout: float) -> None:
        super().__init__()
        _positive(hidden=hidden, layers=layers)
        self.config = {"hidden": hidden, "layers": layers, "bidirectional": bidirectional, "dropout": dropout}
        self.causal = not bidirectional
        self.one_way_halves = (
            bidirectional and layers == 1
        )  # half of a state has read what is before it, half what is after
        self.output_dim = hidden * (2 if bidirectional else 1)
        self.dropout = nn.Dropout(dropout)
        sizes = [input_dim] + [self.output_dim] * (layers - 1)
        self.forwards = nn.ModuleList(nn.LSTM(size, hidden, batch_first=True) for size in sizes)
        self.backwards = nn.ModuleList(nn.LSTM(size, hidden, batch_first=True) for size in sizes if bidirectional)

    def forward(self, vectors: Tensor, mask: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Vectors ``(batch, time, input_dim)`` to states ``(batch, time, output_dim)``."""
        states, final = vectors, []
        for depth, layer in enumerate(self.forwards):
            if torch.onnx.is_in_onnx_export():
                states = _onnx_lstm(
                    states, mask, [layers[depth] for layers in (self.forwards, self.backwards) if layers]
                )
                continue
            states = self.dropout(states)
            ahead, last = layer(states, state[depth]) if state else layer(states)
            if self.backwards:
                behind, _ = self.backwards[depth](reverse(states, mask))
                ahead = torch.cat([ahead, reverse(behind, mask)], 2)
            states = ahead
            final.append(last)
        return states, final


def _onnx_lstm(vectors: Tensor, mask: Tensor, directions: Sequence[nn.Module]) -> Tensor:
    """One layer as ONNX's own operator, which turns each row round by its length in a third of the time of our steps.

    https://onnx.ai/onnx/operators/onnx__LSTM.html; its gates stand in another order than torch's.
    """

    def reordered(name: str) -> Tensor:
        gates = [getattr(direction, name).chunk(4) for direction in directions]  # input, forget, cell, output
        return torch.stack([torch.cat([i, o, f, c]) for i, f, c, o in gates])

    hidden = int(cast(Any, directions[0]).hidden_size)
    weights = reordered("weight_ih_l0"), reordered("weight_hh_l0")
    biases = torch.cat([reordered("bias_ih_l0"), reordered("bias_hh_l0")], 1)
    inputs = (vectors.transpose(0, 1), *weights, biases, mask.sum(1, dtype=torch.int32))
    options: dict[str, Any] = {
        "hidden_size": hidden,
        "direction": "bidirectional" if len(directions) == 2 else "forward",
    }
    shape = (vectors.shape[1], len(directions), vectors.shape[0], hidden)
    states = torch.onnx.ops.symbolic("LSTM", inputs, options, dtype=vectors.dtype, shape=shape)
    return states.permute(2, 0, 1, 3).flatten(2)  # (batch, time, directions * hidden)


def reverse(vectors: Tensor, mask: Tensor) -> Tensor:
    """Turn each row of ``(batch, time, dim)`` round within its length by ``mask`` ``(batch, time)``; padding stays."""
    lengths = mask.sum(1, keepdim=True)
    positions = torch.arange(mask.shape[1], device=mask.device)[None, :]
    source = torch.where(positions < lengths, lengths - 1 - positions, positions)
    return vectors.gather(1, source[:, :, None].expand(-1, -1, vectors.shape[2]))


def _log_count_ratio(present: np.ndarray[Any, Any], targets: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """``max over labels |log p(bucket | label) - log p(bucket | other labels)|``, add-one; counts ``(labels, ids)``."""
    sizes = np.bincount(targets, minlength=len(present))[:, None]
    with_label = (present + 1) / (sizes + 2)
    without = (present.sum(0) - present + 1) / (sizes.sum() - sizes + 2)
    return cast("np.ndarray[Any, Any]", np.abs(np.log(with_label / without)).max(0))


def _chunks(documents: Iterable[Sequence[str]], size: int = 2048) -> Iterable[tuple[int, Tokens]]:
    held: list[Sequence[str]] = []
    start = 0
    for document in documents:
        held.append(document)
        if len(held) == size:
            yield start, Tokens.of(held)
            start, held = start + size, []
    if held:
        yield start, Tokens.of(held)


def _positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, was: {size}")
