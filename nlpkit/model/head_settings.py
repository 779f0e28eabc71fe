"""How states become numbers: what a head is told. Apart from the head, which needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nlpkit.errors import SettingError, nearest
from nlpkit.plugins.options import Count, Share

POOLINGS = ("attention", "last", "max", "mean", "sqrtn", "sum")


@dataclass(frozen=True)
class HeadSettings:
    """How states become logits.

    :param pooling: attention, last, max, mean, sum, or sqrtn (the sum over the square root of the length); or several
        side by side: ``max+attention``.
    :param hidden: units of a layer with ReLU between; 0 for none.
    :param norm: none, layer or batch: how these units are normalised before the ReLU.
    :param dropout: on what goes into each layer.
    :param projection: false: the pooled states are the logits but for a bias, one a label.
    :param standardised: shift and scale the pooled states so that each of their numbers has mean 0 and variance 1 over
        the training rows before the first step, and begin the last layer at zero: for states of a pretrained embedding,
        which all point the same way, and few rows.
    :raises SettingError: for a value that no head could use.
    """

    pooling: str = "max"
    hidden: Count = 0
    norm: Literal["none", "layer", "batch"] = "none"
    dropout: Share = 0.0
    projection: bool = True
    standardised: bool = False

    def __post_init__(self) -> None:
        for pooling in self.pooling.split("+"):
            if pooling not in POOLINGS:
                there_is = nearest(pooling, POOLINGS)
                raise SettingError(
                    "there is no pooling {pooling!r}{there_is}, or several joined by +",
                    pooling=pooling,
                    there_is=there_is,
                )
        if self.standardised and not self.projection:
            raise SettingError("head.standardised=true wants a layer behind the pooled states: head.projection=true")
        if self.norm != "none" and not self.hidden:
            raise SettingError(
                "head.norm={norm} normalises hidden units, and there are none: set head.hidden", norm=self.norm
            )
