"""The composition that is trained: embedding, encoder, head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlpkit.errors import SettingError
from nlpkit.plugins.base import Embedding, Encoder
from nlpkit.training.settings import HeadSettings

_LOW = -1e9


class Network(nn.Module):
    """Ids to logits.

    :param embedding: its ``build`` or ``fit`` has been called.
    """

    def __init__(self, embedding: Embedding, encoder: Encoder, head: Head) -> None:
        super().__init__()
        self.embedding, self.encoder, self.head = embedding, encoder, head

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids and mask ``(batch, time)``, the mask true at tokens, to logits ``(batch, labels)``."""
        vectors = self.embedding(ids, mask)  # (batch, time, dim)
        states, _ = self.encoder(vectors, mask)  # (batch, time, output_dim)
        return self.head(states, mask)  # type: ignore[no-any-return]


class VectorNetwork(nn.Module):
    """Vectors to logits: what of a network learns where its embedding does not, and all there is of one fed numbers."""

    def __init__(self, encoder: Encoder, head: Head) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Vectors ``(batch, time, dim)`` and mask ``(batch, time)`` to logits ``(batch, labels)``."""
        states, _ = self.encoder(vectors, mask)
        return self.head(states, mask)  # type: ignore[no-any-return]


class BatchNorm(nn.BatchNorm1d):
    """Batch norm of rows (Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167); one alone, which has no variance,
    is normalised as outside training.
    """

    def forward(self, rows: Tensor) -> Tensor:
        """Rows ``(batch, dim)`` to the same shape."""
        if self.training and len(rows) > 1:
            return super().forward(rows)
        return functional.batch_norm(rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


def _norm(name: str, dim: int) -> list[nn.Module]:
    """The layer that a setting names; none if it names none."""
    match name:
        case "layer":
            return [nn.LayerNorm(dim)]
        case "batch":
            return [BatchNorm(dim)]
        case _:
            return []


class Head(nn.Module):
    """Pooling over the states under the mask, then one or two linear layers.

    :param directions: two where the first half of each state's numbers was read forwards and the second backwards.
    """

    def __init__(self, settings: HeadSettings, *, input_dim: int, labels: int, directions: int = 1) -> None:
        super().__init__()
        self.poolings = settings.pooling.split("+")
        self.directions = directions
        if not settings.projection and (settings.hidden or input_dim != labels):
            raise SettingError(
                f"head.projection=false wants hidden 0 and states of {labels} (labels), was: {input_dim}"
            )
        self.config: dict[str, Any] = asdict(settings)
        if directions == 2 and "last" in self.poolings:
            self.config["directions"] = directions  # models without the key took both halves at the last token
        self.attention = nn.Linear(input_dim, 1) if "attention" in self.poolings else None
        input_dim *= len(self.poolings)
        self.bias = None if settings.projection else nn.Parameter(torch.zeros(labels))
        layers: list[nn.Module] = [nn.Dropout(settings.dropout)]
        if settings.hidden:
            norm = _norm(settings.norm, settings.hidden)
            layers += [nn.Linear(input_dim, settings.hidden), *norm, nn.ReLU(), nn.Dropout(settings.dropout)]
            input_dim = settings.hidden
        layers.append(nn.Linear(input_dim, labels))
        self.layers = nn.Sequential(*layers) if settings.projection else nn.Sequential()

    @classmethod
    def over(cls, encoder: Encoder, settings: HeadSettings, *, labels: int) -> Head:
        """A new head on the states of an encoder."""
        return cls(settings, input_dim=encoder.output_dim, labels=labels, directions=encoder.directions)

    @classmethod
    def again(cls, config: Mapping[str, Any], *, input_dim: int, labels: int) -> Head:
        """A head as config.json records it.

        :raises TypeError: or ValueError, for what no head records.
        """
        settings = {name: value for name, value in config.items() if name != "directions"}
        if (directions := config.get("directions", 1)) not in (1, 2) or input_dim % directions:
            raise ValueError(f"the head has no directions {directions!r}: expected 1, or 2 halves of a state")
        return cls(HeadSettings(**settings), input_dim=input_dim, labels=labels, directions=directions)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """States ``(batch, time, dim)`` and mask ``(batch, time)`` to logits ``(batch, labels)``."""
        logits = self.layers(self.pool(states, mask))
        return logits if self.bias is None else logits + self.bias  # type: ignore[no-any-return]

    def pool(self, states: Tensor, mask: Tensor) -> Tensor:
        """States ``(batch, time, dim)`` to vectors ``(batch, dim * poolings)``; zero for a row without tokens."""
        return torch.cat([self._pool(pooling, states, mask) for pooling in self.poolings], 1)

    def _pool(self, pooling: str, states: Tensor, mask: Tensor) -> Tensor:
        there = mask[:, :, None]
        lengths = mask.sum(1, keepdim=True).clamp(min=1)  # (batch, 1)
        match pooling:
            case "last":
                return self._last(states * there, lengths)
            case "max":
                return states.masked_fill(~there, _LOW).amax(1) * mask.any(1, keepdim=True)
            case "attention":
                assert self.attention is not None
                scores = self.attention(torch.tanh(states)).masked_fill(~there, _LOW)  # (batch, time, 1)
                return (torch.softmax(scores, 1) * states * there).sum(1)
            case "mean":
                return (states * there).sum(1) / lengths
            case "sqrtn":
                return (states * there).sum(1) / lengths.to(states.dtype).sqrt()
            case _:
                return (states * there).sum(1)

    def _last(self, states: Tensor, lengths: Tensor) -> Tensor:
        """What has read the whole text: the last state or, of two directions, its half and that of the first state."""
        at = (lengths - 1)[:, :, None].expand(-1, -1, states.shape[2])
        last = states.gather(1, at)[:, 0]  # (batch, dim)
        if self.directions == 1:
            return last
        half = states.shape[2] // 2
        return torch.cat([last[:, :half], states[:, 0, half:]], 1)
