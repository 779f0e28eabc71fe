"""The encoders without recurrence as torch modules; imported only where something is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nlpkit.plugins.base import Encoder


class NoEncoder(Encoder, nn.Module):
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


class CnnEncoder(Encoder, nn.Module):
    """Parallel convolutions and a ReLU; output ``filters`` for each width, side by side."""

    causal = False

    def __init__(self, *, input_dim: int, widths: Sequence[int], filters: int, dropout: float) -> None:
        super().__init__()
        if not widths:
            raise ValueError(f"widths must be a list of at least one width, was: {widths!r}")
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
