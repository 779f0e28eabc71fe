"""The encoder ``srn``, Elman's simple recurrent network; light, as it is imported at every start of nlpkit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nlpkit import hookimpl

if TYPE_CHECKING:
    from nlpkit.plugins.base import Encoder
    from nlpkit.plugins.hookspecs import RegisterComponent


def srn(*, input_dim: int, hidden: int = 64, nonlinearity: str = "tanh") -> Encoder:
    """A simple recurrent network, read forwards (Elman 1990, https://doi.org/10.1207/s15516709cog1402_1).

    :param hidden: numbers in a state.
    :param nonlinearity: tanh or relu.
    """
    from nlpkit_srn.layer import SimpleRecurrentEncoder  # torch: only training pays for it

    return SimpleRecurrentEncoder(input_dim=input_dim, hidden=hidden, nonlinearity=nonlinearity)


@hookimpl
def nlpkit_register_encoders(register: RegisterComponent) -> None:
    """Register the encoder."""
    register("srn", srn)
