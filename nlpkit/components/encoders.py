"""Factories of the built-in encoders; the modules are in `encoder_layers`, `recurrent` and `transformer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from nlpkit.plugins.options import Share, Size

if TYPE_CHECKING:
    from nlpkit.plugins.base import Encoder

Norm: TypeAlias = Literal["none", "layer", "batch"]
Start: TypeAlias = Literal["uniform", "orthogonal"]


def none(*, input_dim: int) -> Encoder:
    """States are the vectors themselves: a bag of tokens."""
    from nlpkit.components.encoder_layers import NoEncoder  # torch

    return NoEncoder(input_dim=input_dim)


def cnn(*, input_dim: int, widths: Sequence[Size] = (1, 2, 3), filters: Size = 64, dropout: Share = 0.0) -> Encoder:
    """Convolutions of several widths side by side (Kim 2014, https://aclanthology.org/D14-1181).

    :param widths: tokens under each convolution.
    :param filters: filters of each width.
    :param dropout: on the vectors that go in.
    """
    from nlpkit.components.encoder_layers import CnnEncoder  # torch

    return CnnEncoder(input_dim=input_dim, widths=widths, filters=filters, dropout=dropout)


def rnn(
    *,
    input_dim: int,
    hidden: Size = 64,
    layers: Size = 1,
    bidirectional: bool = True,
    dropout: Share = 0.0,
    weight_dropout: Share = 0.0,
    norm: Norm = "none",
    start: Start = "uniform",
    nonlinearity: Literal["tanh", "relu"] = "tanh",
) -> Encoder:
    """Plain recurrence (Elman 1990, https://doi.org/10.1207/s15516709cog1402_1): a state is one layer over the last.

    :param hidden: units of each layer and direction.
    :param layers: layers on top of each other.
    :param bidirectional: read from the end as well.
    :param dropout: on what goes into each layer.
    :param weight_dropout: of the recurrent weights, anew in each step (Merity et al. 2018, https://arxiv.org/abs/1708.02182).
    :param norm: none, layer or batch: how the states of each layer are normalised.
    :param start: of its weights: uniform, as torch draws them, or orthogonal (Saxe et al. 2014, https://arxiv.org/abs/1312.6120).
    :param nonlinearity: tanh or relu.
    """
    from nlpkit.components.recurrent import RecurrentEncoder  # torch

    return RecurrentEncoder(
        "rnn",
        input_dim=input_dim,
        hidden=hidden,
        layers=layers,
        bidirectional=bidirectional,
        dropout=dropout,
        weight_dropout=weight_dropout,
        norm=norm,
        start=start,
        nonlinearity=nonlinearity,
    )


def lstm(
    *,
    input_dim: int,
    hidden: Size = 64,
    layers: Size = 1,
    bidirectional: bool = True,
    dropout: Share = 0.0,
    weight_dropout: Share = 0.0,
    norm: Norm = "none",
    start: Start = "uniform",
) -> Encoder:
    """Long short-term memory (Hochreiter and Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735).

    :param hidden: units of each layer and direction.
    :param layers: layers on top of each other.
    :param bidirectional: read from the end as well.
    :param dropout: on what goes into each layer.
    :param weight_dropout: of the recurrent weights, anew in each step (Merity et al. 2018, https://arxiv.org/abs/1708.02182).
    :param norm: none, layer or batch: how the states of each layer are normalised.
    :param start: of its weights: uniform, as torch draws them, or orthogonal (Saxe et al. 2014, https://arxiv.org/abs/1312.6120).
    """
    from nlpkit.components.recurrent import RecurrentEncoder  # torch

    return RecurrentEncoder(
        "lstm",
        input_dim=input_dim,
        hidden=hidden,
        layers=layers,
        bidirectional=bidirectional,
        dropout=dropout,
        weight_dropout=weight_dropout,
        norm=norm,
        start=start,
    )


def gru(
    *,
    input_dim: int,
    hidden: Size = 64,
    layers: Size = 1,
    bidirectional: bool = True,
    dropout: Share = 0.0,
    weight_dropout: Share = 0.0,
    norm: Norm = "none",
    start: Start = "uniform",
) -> Encoder:
    """Gated recurrent units (Cho et al. 2014, https://aclanthology.org/D14-1179): three quarters of an LSTM's weights.

    :param hidden: units of each layer and direction.
    :param layers: layers on top of each other.
    :param bidirectional: read from the end as well.
    :param dropout: on what goes into each layer.
    :param weight_dropout: of the recurrent weights, anew in each step (Merity et al. 2018, https://arxiv.org/abs/1708.02182).
    :param norm: none, layer or batch: how the states of each layer are normalised.
    :param start: of its weights: uniform, as torch draws them, or orthogonal (Saxe et al. 2014, https://arxiv.org/abs/1312.6120).
    """
    from nlpkit.components.recurrent import RecurrentEncoder  # torch

    return RecurrentEncoder(
        "gru",
        input_dim=input_dim,
        hidden=hidden,
        layers=layers,
        bidirectional=bidirectional,
        dropout=dropout,
        weight_dropout=weight_dropout,
        norm=norm,
        start=start,
    )


def transformer(
    *,
    input_dim: int,
    dim: Size = 128,
    layers: Size = 2,
    heads: Size = 4,
    feedforward: Size | None = None,
    dropout: Share = 0.1,
    causal: bool = False,
    window: Size = 128,
) -> Encoder:
    """Attention with rotary positions (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762; Su et al. 2021, https://arxiv.org/abs/2104.09864).

    :param dim: numbers in a state; vectors of another length go through a linear layer first.
    :param layers: layers on top of each other.
    :param heads: of each layer; dim is a multiple of twice as many.
    :param feedforward: units between; None: four times dim.
    :param dropout: on what goes into the first layer, and on what each part of a layer adds.
    :param causal: no position sees a later one; needed to generate.
    :param window: of a causal one: how many positions before itself a position sees in each layer.
    """
    from nlpkit.components.transformer import TransformerEncoder  # torch

    return TransformerEncoder(
        input_dim=input_dim,
        dim=dim,
        layers=layers,
        heads=heads,
        feedforward=feedforward,
        dropout=dropout,
        causal=causal,
        window=window,
    )
