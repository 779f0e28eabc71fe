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
        if cls is Stage and "scales" in table:
            return SigmoidStage.from_json(table)
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

    def sureness(self, probabilities: Floats) -> Floats:
        """Return how sure each row's answer is ``(batch,)``: its probability."""
        return np.asarray(probabilities.max(1))

    def choose(self, probabilities: Floats) -> NDArray[Any]:
        """Return each row's answer, its position ``(batch,)``."""
        return np.asarray(probabilities.argmax(1))


@dataclass(frozen=True)
class SigmoidStage(Stage):
    """A mixture whose answers do not exclude each other: each has a probability of its own.

    :param scales: by which each answer's mixed logit is multiplied, then shifted by ``shifts``: Platt scaling (Platt
        1999, https://www.researchgate.net/publication/2594015) of each answer.
    :param thresholds: from which probability on each is an answer; those of the last stage hold for all.
    """

    scales: tuple[float, ...] = ()
    shifts: tuple[float, ...] = ()
    thresholds: tuple[float, ...] = ()

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> SigmoidStage:
        """Read the stage that config.json describes; see `Stage.from_json`."""
        mixture = Stage.from_json({name: table[name] for name in ("weights", "temperature", "exit")})
        stage = cls(
            mixture.weights,
            mixture.temperature,
            mixture.exit,
            scales=tuple(_check_number("a scale", scale, 0, MOST) for scale in table["scales"]),
            shifts=tuple(_check_number("a shift", shift, -MOST, MOST) for shift in table["shifts"]),
            thresholds=tuple(_check_number("a threshold", value, 0, 1) for value in table["thresholds"]),
        )
        if not len(stage.scales) == len(stage.shifts) == len(stage.thresholds):
            raise ValueError("a stage has a scale, a shift and a threshold for each label")
        return stage

    def probabilities(self, logits: Sequence[Floats]) -> Floats:
        """Mix members' logits, each ``(batch, answers)``, to a probability for each answer ``(batch, answers)``."""
        return sigmoid(self.logits(logits) * np.array(self.scales) + np.array(self.shifts))

    def sureness(self, probabilities: Floats) -> Floats:
        """Return how sure the least sure answer of each row is, that it is one or that it is none ``(batch,)``."""
        return np.asarray(np.maximum(probabilities, 1 - probabilities).min(1))

    def choose(self, probabilities: Floats) -> NDArray[Any]:
        """Return which answers reach their threshold ``(batch, answers)``."""
        return np.asarray(probabilities >= np.array(self.thresholds))


def _check_number(what: str, value: object, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{what} must be a number from {least:g} to {most:g}, was: {value!r:.60}")
    return float(value)


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Probabilities along the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def sigmoid(logits: NDArray[Any]) -> NDArray[Any]:
    """Probabilities, each by itself."""
    return np.asarray(0.5 * (1 + np.tanh(logits / 2)))


def log_sum(logits: NDArray[Any]) -> NDArray[Any]:
    """Return the logarithm of the sum of exponentials along the last axis, which is kept as one column."""
    most = logits.max(-1, keepdims=True)
    return np.asarray(most + np.log(np.exp(logits - most).sum(-1, keepdims=True)))
