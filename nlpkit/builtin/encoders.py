"""Factories of the built-in encoders; the modules themselves are in `nlpkit.builtin.layers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlpkit.protocols import Encoder


def none(*, input_dim: int) -> Encoder:
    """States are the vectors themselves: a bag of tokens."""
    from nlpkit.builtin.layers import NoEncoder  # torch

    return NoEncoder(input_dim=input_dim)


def cnn(*, input_dim: int, widths: Sequence[int] = (1, 2, 3), filters: int = 64, dropout: float = 0.0) -> Encoder:
    """Convolutions of several widths side by side (Kim 2014, https://aclanthology.org/D14-1181).

    :param widths: tokens under each convolution.
    :param filters: filters of each width.
    :param dropout: on the vectors that go in.
    """
    from nlpkit.builtin.layers import CnnEncoder  # torch

    return CnnEncoder(input_dim=input_dim, widths=widths, filters=filters, dropout=dropout)


def lstm(
    *, input_dim: int, hidden: int = 64, layers: int = 1, bidirectional: bool = True, dropout: float = 0.0
) -> Encoder:
    """Long short-term memory (Hochreiter and Schmidhuber 1997).

    :param hidden: units of each layer and direction.
    :param layers: layers on top of each other.
    :param bidirectional: read from the end as well.
    :param dropout: on what goes into each layer.
    """
    from nlpkit.builtin.layers import LstmEncoder  # torch

    return LstmEncoder(input_dim=input_dim, hidden=hidden, layers=layers, bidirectional=bidirectional, dropout=dropout)
