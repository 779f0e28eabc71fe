"""Matrices in blocks of 4 bits as torch modules: 32 numbers, each a whole number from -8 to 7 times the block's scale.

It is the format Q4_0 of ggml (https://github.com/ggml-org/ggml), but that a byte holds two neighbours, as
MatMulNBits of ONNX Runtime wants it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlpkit_e5.weights import BLOCK

ZERO = 8  # the code of nought
Linear: TypeAlias = Callable[[int, int], nn.Module]  # makes a layer of so many inputs and outputs


class BlockTable(nn.Module):
    """Vectors in blocks, a row each; nothing of it is trained."""

    def __init__(self, rows: int, dim: int) -> None:
        super().__init__()
        self.codes: Tensor
        self.scales: Tensor
        self.register_buffer("codes", torch.zeros(rows, dim // 2, dtype=torch.uint8))
        self.register_buffer("scales", torch.zeros(rows, dim // BLOCK, dtype=torch.float16))

    def forward(self, ids: Tensor) -> Tensor:
        """Ids ``(batch, time)`` to vectors ``(batch, time, dim)``."""
        return unpack(self.codes[ids], self.scales[ids])


class BlockLinear(nn.Module):
    """A linear layer whose matrix is in blocks; nothing of it is trained. The numbers themselves are made when it is
    loaded, and are not saved.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.codes: Tensor
        self.scales: Tensor
        self.bias: Tensor
        self.weight: Tensor
        self.register_buffer("codes", torch.zeros(outputs, inputs // 2, dtype=torch.uint8))
        self.register_buffer("scales", torch.zeros(outputs, inputs // BLOCK, dtype=torch.float16))
        self.register_buffer("bias", torch.zeros(outputs))
        self.register_buffer("weight", torch.zeros(outputs, inputs), persistent=False)
        self.register_load_state_dict_post_hook(_renew)  # type: ignore[no-untyped-call]

    def forward(self, states: Tensor) -> Tensor:
        """States ``(..., inputs)`` to ``(..., outputs)``."""
        return functional.linear(states, self.weight, self.bias)

    def renew(self) -> None:
        """Make the numbers of codes and scales."""
        self.weight.copy_(unpack(self.codes, self.scales))


class RoundedLinear(nn.Linear):
    """A linear layer that is trained as it is stored: its matrix is rounded to blocks whenever it is used, and the
    gradient passes as if it were not (Bengio et al. 2013, https://arxiv.org/abs/1308.3432).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.stored: Tensor
        self.register_buffer("stored", torch.zeros(outputs, inputs), persistent=False)
        self.register_load_state_dict_post_hook(_renew)  # type: ignore[no-untyped-call]

    def forward(self, states: Tensor) -> Tensor:
        """States ``(..., inputs)`` to ``(..., outputs)``."""
        if not self.training:
            return functional.linear(states, self.stored, self.bias)
        weight: Tensor = _Rounding.apply(self.weight)  # type: ignore[no-untyped-call]
        return functional.linear(states, weight, self.bias)

    def train(self, mode: bool = True) -> Self:
        """Set the mode; outside training the rounded matrix is made once."""
        self.renew()
        return super().train(mode)

    @torch.no_grad()
    def renew(self) -> None:
        """Round the matrix."""
        self.stored.copy_(round_blocks(self.weight))

    @torch.no_grad()
    def finish(self) -> None:
        """Let the rounded matrix be the matrix."""
        self.renew()
        self.weight.copy_(self.stored)


class _Rounding(torch.autograd.Function):
    """Rounds a matrix, and lets the gradient pass."""

    @staticmethod
    def forward(_: Any, matrix: Tensor) -> Tensor:
        return round_blocks(matrix)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return gradient


def unpack(codes: Tensor, scales: Tensor) -> Tensor:
    """Codes ``(..., dim / 2)``, two a byte, and scales ``(..., blocks)`` to the numbers ``(..., dim)``."""
    high = (codes.float() / 16).floor()  # no shift of bits: not every exporter has one of bytes
    pairs = torch.stack([codes.float() - 16 * high, high], -1).flatten(-2)
    blocks: Tensor = pairs.reshape(*scales.shape, BLOCK) - ZERO
    return (blocks * scales.float().unsqueeze(-1)).flatten(-2)


def round_blocks(matrix: Tensor) -> Tensor:
    """Round a matrix ``(outputs, inputs)`` to blocks; one that is so rounded stays as it is.

    A block's scale is an eighth of its number farthest from nought, with the other sign, in float16.
    """
    blocks = matrix.reshape(len(matrix), -1, BLOCK)
    low, high = torch.aminmax(blocks, dim=-1, keepdim=True)
    scales = (torch.where(high > -low, high, low) / -ZERO).half().float()
    codes = (blocks / torch.where(scales == 0, 1.0, scales)).round_().clamp_(-ZERO, ZERO - 1)
    return codes.mul_(scales).flatten(-2)


def _renew(module: Any, _: object) -> None:
    module.renew()
