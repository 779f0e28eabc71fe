"""The encoder ``srn``, Elman's simple recurrent network; light, as nlpkit imports it to read its options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nlpkit.plugins import Size

if TYPE_CHECKING:
    from nlpkit import Encoder


def srn(*, input_dim: int, hidden: Size = 64, nonlinearity: Literal["tanh", "relu"] = "tanh") -> Encoder:
    """Read forwards by a simple recurrent network (Elman 1990, https://doi.org/10.1207/s15516709cog1402_1).

    :param hidden: numbers in a state.
    :param nonlinearity: tanh or relu.
    """
    from nlpkit_srn.layer import SimpleRecurrentEncoder  # torch: only training pays for it

    return SimpleRecurrentEncoder(input_dim=input_dim, hidden=hidden, nonlinearity=nonlinearity)
