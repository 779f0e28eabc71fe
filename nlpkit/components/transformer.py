"""The transformer as a torch module; imported only where something is trained."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlpkit.plugins.base import Encoder

BASE = 10_000  # of the wavelengths, as Su et al. take it
SCALE = 0.25  # of states at the start, as of recurrent ones: with larger ones first guesses are much too sure
Past: TypeAlias = tuple[Tensor, Tensor]  # keys and values of a layer, each (batch, heads, window, size)
State: TypeAlias = tuple[Tensor, list[Past]]  # which of the columns are there (batch, window), and each layer's


class TransformerEncoder(Encoder, nn.Module):
    """Layers of attention and a feed-forward network between them; see `nlpkit.components.encoders`.

    The layers are those of Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762), normalised before, not behind
    (Xiong et al. 2020, https://arxiv.org/abs/2002.04745). Queries and keys are turned by their positions (Su et al.
    2021, https://arxiv.org/abs/2104.09864): only how far apart two are counts, so there is no greatest length, and a
    state that is carried need not know how much was read before it.
    """

    def __init__(
        self,
        *,
        input_dim: int,
        dim: int,
        layers: int,
        heads: int,
        feedforward: int | None,
        dropout: float,
        causal: bool,
        window: int,
    ) -> None:
        super().__init__()
        if dim % (2 * heads):
            raise ValueError(f"dim must be a multiple of twice the heads, here {2 * heads}, was: {dim}")
        units = 4 * dim if feedforward is None else feedforward
        self.config: dict[str, Any] = {"dim": dim, "layers": layers, "heads": heads, "feedforward": units}
        self.config |= {"dropout": dropout, "causal": causal, "window": window}
        self.causal, self.window = causal, window
        self.output_dim = dim
        self.front = nn.Identity() if input_dim == dim else nn.Linear(input_dim, dim)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(_Layer(dim, heads, units, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        nn.init.constant_(self.norm.weight, SCALE)
        rates = BASE ** -(torch.arange(0, dim // heads, 2) * heads / dim)  # of each pair of numbers in a head
        self.register_buffer("rates", rates.repeat(2), persistent=False)
        self.rates: Tensor

    def forward(self, vectors: Tensor, mask: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """Vectors ``(batch, time, input_dim)`` to states ``(batch, time, dim)``.

        The carried state holds what each layer made of the last ``window`` columns, and which of them were tokens. All
        zeros, it says that nothing was read. It is None unless the encoder is causal.
        """
        if state is not None and not self.causal:
            raise ValueError("a transformer that is not causal cannot carry a state: each position sees all others")
        present = mask if state is None else torch.cat([state[0] > 0, mask], 1)  # (batch, columns)
        past = [None] * len(self.layers) if state is None else state[1]
        visible = self._find_visible(present, mask.shape[1])
        turns = self._compute_turns(present.shape[1])
        states = self.dropout(self.front(vectors.masked_fill(~mask[:, :, None], 0)))
        pasts: list[Past] = []
        for layer, before in zip(self.layers, past, strict=True):
            states, past_after = layer(states, visible, turns, before)
            pasts.append(past_after)
        states = self.norm(states)
        return states, self._keep_last(present.to(states.dtype), pasts) if self.causal else None

    def _find_visible(self, present: Tensor, time: int) -> Tensor:
        """Which columns each of the last ``time`` sees ``(batch, 1, time, columns)``: itself, be it padding or not."""
        columns = torch.arange(present.shape[1], device=present.device)
        back = columns[-time:, None] - columns  # (time, columns): how far a column lies before that which sees
        visible = present[:, None, None, :]
        if self.causal:
            visible = visible & (back >= 0) & (back <= self.window)
        return visible | (back == 0)

    def _compute_turns(self, columns: int) -> Tensor:
        """Cosine and sine by which each number and its partner are turned in each column ``(2, columns, size)``."""
        angles = torch.arange(columns, device=self.rates.device)[:, None] * self.rates
        return torch.stack([angles.cos(), angles.sin()])

    def _keep_last(self, present: Tensor, pasts: list[Past]) -> State:
        """Keep the last ``window`` columns, with zeros before them where fewer were read."""
        latest = functional.pad(present, (self.window, 0))[:, -self.window :]
        return latest, [(_take_last(keys, self.window), _take_last(values, self.window)) for keys, values in pasts]


class _Layer(nn.Module):
    """Attention, then a feed-forward network, each added to what goes in."""

    def __init__(self, dim: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.inward, self.outward = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)
        self.feedforward = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, feedforward), nn.GELU(), nn.Linear(feedforward, dim), nn.Dropout(dropout)
        )

    def forward(self, states: Tensor, visible: Tensor, turns: Tensor, past: Past | None) -> tuple[Tensor, Past]:
        """States ``(batch, time, dim)`` to the same shape, and all keys and values, those of the past before them."""
        parts = self.inward(self.norm(states)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, keys, values = parts.unbind(0)  # (batch, heads, time, size)
        time = query.shape[2]
        if past is not None:
            keys, values = torch.cat([past[0], keys], 2), torch.cat([past[1], values], 2)
        pair = _turn(query, turns[:, -time:]), _turn(keys, turns)
        mixture = functional.scaled_dot_product_attention(*pair, values, attn_mask=visible)
        states = states + self.dropout(self.outward(mixture.transpose(1, 2).flatten(2)))
        return states + self.feedforward(states), (keys, values)


def _turn(vectors: Tensor, turns: Tensor) -> Tensor:
    """Vectors ``(batch, heads, columns, size)``, each number turned with its partner in the other half."""
    cosine, sine = turns.to(vectors.dtype).unbind(0)
    first, second = vectors.chunk(2, 3)
    return vectors * cosine + torch.cat([-second, first], 3) * sine


def _take_last(vectors: Tensor, window: int) -> Tensor:
    """Return the last columns of ``(batch, heads, columns, size)``, zeros before them."""
    return functional.pad(vectors, (0, 0, window, 0))[:, :, -window:]
