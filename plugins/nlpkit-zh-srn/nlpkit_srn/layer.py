"""The encoder ``srn`` as a torch module; imported only where something is trained."""

from __future__ import annotations

from typing import Any

import torch
from nlpkit import Encoder
from torch import Tensor, nn
from torch._higher_order_ops import scan

NONLINEARITIES = {"tanh": torch.tanh, "relu": torch.relu}


class SimpleRecurrentEncoder(Encoder, nn.Module):
    """h(t) = f(W x(t) + U h(t - 1) + b), with h(0) = 0; see `nlpkit_srn.srn`."""

    causal = True  # no state depends on a later vector

    def __init__(self, *, input_dim: int, hidden: int, nonlinearity: str) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"hidden": hidden, "nonlinearity": nonlinearity}
        self.output_dim = hidden
        self.inward = nn.Linear(input_dim, hidden)  # W and b
        self.across = nn.Linear(hidden, hidden, bias=False)  # U

    def forward(self, vectors: Tensor, mask: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Vectors ``(batch, time, input_dim)`` to states ``(batch, time, hidden)`` and the last, ``(batch, hidden)``.

        The mask is not needed: rows are padded behind their end, where a state reads nothing but what is before it.
        """
        drives = self.inward(vectors).transpose(0, 1)  # (time, batch, hidden): W x + b of all times at once
        before = torch.zeros_like(drives[0]) if state is None else state
        if torch.onnx.is_in_onnx_export():  # a loop in Python would be as long as the exporter's example, for ever
            last, states = scan(self._scanned, before, drives)
            return states.transpose(0, 1), last
        states = []
        for drive in drives:
            before = self.step(before, drive)
            states.append(before)
        return torch.stack(states, 1), before

    def step(self, before: Tensor, drive: Tensor) -> Tensor:
        """One state from the one before it, all ``(batch, hidden)``."""
        return NONLINEARITIES[self.config["nonlinearity"]](drive + self.across(before))

    def _scanned(self, before: Tensor, drive: Tensor) -> tuple[Tensor, Tensor]:
        """As ``scan`` wants it: what is carried on, and what is kept of it, which must be a copy."""
        state = self.step(before, drive)
        return state, state.clone()
