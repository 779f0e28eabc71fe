"""Members' logits, mixed to probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpkit.model.members import Floats

MOST = 1e6  # of a weight, and of a temperature or what divides 1: far beyond what is tuned, and no logit overflows


@dataclass(frozen=True)
class Stage:
    """A mixture of the first ``len(weights)`` members.

    A row leaves at the first stage that is sure enough, so that later members cost only where there is doubt: a cascade
    (Viola and Jones 2001).

    :param weights: a weight for each member's logits.
    :param temperature: the mixture is divided by it (Guo et al. 2017, https://arxiv.org/abs/1706.04599).
    :param exit: the probability from which on no further member is asked; None at the last stage.
    """

    weights: tuple[float, ...]
    temperature: float = 1.0
    exit: float | None = None

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Stage:
        """Read the stage that config.json describes.

        :raises ValueError: or KeyError or TypeError, if it is none that could be computed with.
        """
        weights = tuple(_check_number("a weight", weight, -MOST, MOST) for weight in table["weights"])
        if not weights:
            raise ValueError("a stage has no weights")
        leave = table["exit"]
        return cls(
            weights,
            _check_number("a temperature", table["temperature"], 1 / MOST, MOST),
            None if leave is None else _check_number("an exit", leave, 0, MOST),
        )

    def logits(self, logits: Sequence[Floats]) -> Floats:
        """Mix members' logits, each ``(batch, answers)``, to logits ``(batch, answers)``."""
        mixed = sum(weight * member for weight, member in zip(self.weights, logits, strict=True)) / self.temperature
        return np.asarray(mixed)

    def probabilities(self, logits: Sequence[Floats]) -> Floats:
        """Mix members' logits, each ``(batch, answers)``, to probabilities ``(batch, answers)``."""
        return softmax(self.logits(logits))


def _check_number(what: str, value: object, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{what} must be a number from {least:g} to {most:g}, was: {value!r:.60}")
    return float(value)


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Probabilities along the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def log_sum(logits: NDArray[Any]) -> NDArray[Any]:
    """Return the logarithm of the sum of exponentials along the last axis, which is kept as one column."""
    most = logits.max(-1, keepdims=True)
    return np.asarray(most + np.log(np.exp(logits - most).sum(-1, keepdims=True)))
