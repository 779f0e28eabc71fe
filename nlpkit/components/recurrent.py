"""The recurrent encoders as one torch module, and ONNX's own operators for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from nlpkit.plugins.base import Encoder


@dataclass(frozen=True)
class Cell:
    """A kind of recurrent unit: torch's module, ONNX's operator, and torch's gates in the order that ONNX wants."""

    module: Callable[..., nn.RNNBase]
    operator: str
    gates: tuple[int, ...]


CELLS = {
    "rnn": Cell(nn.RNN, "RNN", (0,)),
    "lstm": Cell(nn.LSTM, "LSTM", (0, 3, 1, 2)),  # input, forget, cell, output → input, output, forget, cell
    "gru": Cell(nn.GRU, "GRU", (1, 0, 2)),  # reset, update, new → update, reset, new
}


class RecurrentEncoder(Encoder, nn.Module):
    """Layers of recurrent units on top of each other; see `nlpkit.components.encoders`.

    The backward direction reverses each row within its own length. That lets no padding in, and needs no packed
    sequences, which the ONNX exporter refuses and which take a CPU four times as long.

    The first half of a state is the forward direction's, the second the backward's (``directions``). Each direction's
    states are normalised apart. So, with one layer, half of a state has still read nothing but what is
    before it and half nothing but what is after (``one_way_halves``); under batch norm that fails in training, as its
    statistics have read all.

    :param cell: a name in `CELLS`.
    :param nonlinearity: of a plain unit; None for the others.
    :param start: of its weights, before they are trained.
    """

    def __init__(
        self,
        cell: str,
        *,
        input_dim: int,
        hidden: int,
        layers: int,
        bidirectional: bool,
        dropout: float,
        weight_dropout: float,
        norm: str,
        nonlinearity: str | None = None,
        start: str = "uniform",
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"hidden": hidden, "layers": layers, "bidirectional": bidirectional}
        self.config |= {"dropout": dropout, "weight_dropout": weight_dropout, "norm": norm}
        own = {} if nonlinearity is None else {"nonlinearity": nonlinearity}
        self.config |= own | ({} if start == "uniform" else {"start": start})  # uniform is torch's, and older models'
        self.cell = CELLS[cell]
        self.causal = not bidirectional
        self.one_way_halves = bidirectional and layers == 1 and norm != "batch"
        self.directions = 2 if bidirectional else 1
        self.output_dim = hidden * self.directions
        self.dropout = nn.Dropout(dropout)
        sizes = [input_dim] + [self.output_dim] * (layers - 1)

        def stack(sizes: Sequence[int]) -> nn.ModuleList:
            return nn.ModuleList(self.cell.module(size, hidden, batch_first=True, **own) for size in sizes)

        self.forwards = stack(sizes)
        self.backwards = stack(sizes if bidirectional else [])
        self.norms = nn.ModuleList(
            nn.ModuleList(_make_norm(norm, hidden) for _ in range(self.directions)) for _ in sizes
        )
        if start == "orthogonal":
            for layer in (*self.forwards, *self.backwards):
                _start_orthogonal(cast(nn.RNNBase, layer))

    def forward(self, vectors: Tensor, mask: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Vectors ``(batch, time, input_dim)`` to states ``(batch, time, output_dim)``.

        The carried state, one entry a layer, is that after the last column: what follows a row that ended earlier has
        read padding. It is None where there is a backward direction, which begins at an end that has yet to come.
        """
        if state is not None and not self.causal:
            raise ValueError("a bidirectional encoder cannot carry a state: it reads from the end as well")
        read = self._read_onnx if torch.onnx.is_in_onnx_export() else self._read
        states, states_after = vectors, []
        for depth, norms in enumerate(self.norms):
            parts, last = read(depth, self.dropout(states), mask, None if state is None else state[depth])
            pairs = zip(cast(nn.ModuleList, norms), parts, strict=True)
            parts = [norm(part, mask) if isinstance(norm, MaskedBatchNorm) else norm(part) for norm, part in pairs]
            states = torch.cat(parts, 2) if len(parts) > 1 else parts[0]
            states_after.append(last)
        return states, states_after if self.causal else None

    def _read(self, depth: int, vectors: Tensor, mask: Tensor, state: Any) -> tuple[Sequence[Tensor], Any]:
        """States ``(batch, time, hidden)`` of each direction, and the forward direction's last."""
        ahead, last = self._read_direction(self.forwards[depth], vectors, state)
        if self.causal:
            return [ahead], last
        behind, _ = self._read_direction(self.backwards[depth], reverse(vectors, mask), None)
        return [ahead, reverse(behind, mask)], last

    def _read_direction(self, layer: nn.Module, vectors: Tensor, state: Any) -> tuple[Tensor, Any]:
        if vectors.is_cuda and torch.is_autocast_enabled("cuda"):  # which knows of float16 alone, for these
            with torch.autocast("cuda", enabled=False):
                return self._read_direction(layer, vectors.float(), state)
        if not (self.training and self.config["weight_dropout"]):
            return cast(tuple[Tensor, Any], layer(vectors, state))
        weights = functional.dropout(cast(Tensor, layer.weight_hh_l0), self.config["weight_dropout"])
        return cast(tuple[Tensor, Any], functional_call(layer, {"weight_hh_l0": weights}, (vectors, state)))

    def _read_onnx(self, depth: int, vectors: Tensor, mask: Tensor, state: Any) -> tuple[Sequence[Tensor], Any]:
        """As `_read`, by ONNX's own operator, which turns each row round by its length in a third of our time."""
        directions = [layers[depth] for layers in (self.forwards, self.backwards) if layers]
        return _call_operator(self.cell, directions, vectors, mask, state)


class MaskedBatchNorm(nn.Module):
    """Batch norm over the positions under the mask (Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167).

    One mean and variance for all times, as in Laurent et al. 2016 (https://arxiv.org/abs/1510.01378). Outside training
    it is an affine map by running statistics, so a row's states do not depend on the rows beside it.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dim)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """States ``(batch, time, dim)`` and mask ``(batch, time)`` to the same shape; zero at padding in training."""
        if self.training and mask.sum() > 1:  # one position has no variance
            result = torch.zeros_like(states)
            result[mask] = self.norm(states[mask])
            return result
        mean, variance = cast(Tensor, self.norm.running_mean), cast(Tensor, self.norm.running_var)
        scale = self.norm.weight * torch.rsqrt(variance + self.norm.eps)
        return (states - mean) * scale + self.norm.bias


def reverse(vectors: Tensor, mask: Tensor) -> Tensor:
    """Turn each row of ``(batch, time, dim)`` round within its length by ``mask`` ``(batch, time)``; padding stays."""
    lengths = mask.sum(1, keepdim=True)
    positions = torch.arange(mask.shape[1], device=mask.device)[None, :]
    source = torch.where(positions < lengths, lengths - 1 - positions, positions)
    return vectors.gather(1, source[:, :, None].expand(-1, -1, vectors.shape[2]))


@torch.no_grad()
def _start_orthogonal(layer: nn.RNNBase) -> None:
    """Let each gate's recurrent matrix keep lengths (Saxe et al. 2014), the others be Glorot's, and biases be zero.

    An LSTM's forget gates are open: their bias is 1 (Jozefowicz et al. 2015, https://proceedings.mlr.press/v37/jozefowicz15).
    """
    size = layer.hidden_size
    for name, parameter in layer.named_parameters():
        for gate in torch.split(parameter, size):
            if name.startswith("weight_hh"):
                nn.init.orthogonal_(gate)
            elif name.startswith("weight"):
                nn.init.xavier_uniform_(gate)
            else:
                nn.init.zeros_(gate)
    if isinstance(layer, nn.LSTM):
        cast(Tensor, layer.bias_ih_l0)[size : 2 * size] = 1


def _make_norm(name: str, dim: int) -> nn.Module:
    """Layer norm is that of Ba et al. 2016 (https://arxiv.org/abs/1607.06450)."""
    match name:
        case "layer":
            return nn.LayerNorm(dim)
        case "batch":
            return MaskedBatchNorm(dim)
        case _:
            return nn.Identity()


def _call_operator(
    cell: Cell, directions: Sequence[nn.Module], vectors: Tensor, mask: Tensor, state: Any
) -> tuple[Sequence[Tensor], Any]:
    """One layer as ONNX's LSTM, GRU or RNN (https://onnx.ai/onnx/operators/onnx__LSTM.html and its neighbours)."""

    def reorder(name: str) -> Tensor:
        parts = [getattr(direction, name).chunk(len(cell.gates)) for direction in directions]
        return torch.stack([torch.cat([gates[gate] for gate in cell.gates]) for gates in parts])

    hidden = int(cast(Any, directions[0]).hidden_size)
    biases = torch.cat([reorder("bias_ih_l0"), reorder("bias_hh_l0")], 1)
    weights = reorder("weight_ih_l0"), reorder("weight_hh_l0"), biases
    before = () if state is None else state if isinstance(state, tuple) else (state,)
    batch, time, ways = vectors.shape[0], vectors.shape[1], len(directions)
    last_shapes = [(ways, batch, hidden)] * (2 if cell.operator == "LSTM" else 1)
    states, *last = torch.onnx.ops.symbolic_multi_out(
        cell.operator,
        (vectors.transpose(0, 1), *weights, mask.sum(1, dtype=torch.int32), *before),
        _attributes_of(cell, directions, hidden),
        dtypes=[vectors.dtype] * (1 + len(last_shapes)),
        shapes=[(time, ways, batch, hidden), *last_shapes],
    )
    return states.permute(1, 2, 0, 3).unbind(0), tuple(last) if len(last) > 1 else last[0]


def _attributes_of(cell: Cell, directions: Sequence[nn.Module], hidden: int) -> dict[str, Any]:
    """Return what tells ONNX's operator to compute as torch does."""
    attributes: dict[str, Any] = {"hidden_size": hidden, "direction": ("forward", "bidirectional")[len(directions) - 1]}
    if cell.operator == "GRU":
        attributes["linear_before_reset"] = 1  # torch resets after the recurrent product and its bias
    if cell.operator == "RNN":
        attributes["activations"] = [str(cast(Any, direction).nonlinearity).capitalize() for direction in directions]
    return attributes
