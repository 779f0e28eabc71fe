"""A forced choice: which of a model's labels may be the answer, and how sure it must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import SettingError, nearest
from nlpkit.model.members import Floats
from nlpkit.text.names import read_names

LEAST = 1e-300  # of a probability, so that of two that are next to nothing the greater is the answer


@dataclass(frozen=True)
class Choice:
    """Some labels of a model, in its order.

    :param labels: those that may be the answer.
    :param columns: where each of them stands among all labels; None where all may be the answer.
    :param least: probability of an answer; one that is less sure is none.
    :param several: whether they exclude each other not: then each has a probability of its own.
    """

    labels: list[str]
    columns: list[int] | None = None
    least: float = 0
    several: bool = False

    @classmethod
    def among(
        cls, known: Sequence[str], labels: Sequence[str] | None, *, least: float = 0, several: bool = False
    ) -> Choice:
        """Choose among labels of a model; None: among all that it knows.

        :raises SettingError: for labels that it does not know, or fewer than two, of several that are answered at once
            fewer than one; or for what is no probability.
        """
        if isinstance(least, bool) or not isinstance(least, int | float) or not 0 <= least <= 1:
            raise SettingError("min_probability is a number from 0 to 1, found: {least!r:.40}", least=least)
        if labels is None:
            return cls(list(known), None, least, several)
        if isinstance(labels, str):
            raise SettingError("labels are a list of names, found one text: {found!r}", found=labels)
        if unknown := [label for label in labels if label not in known]:
            raise SettingError(
                "the model has no label {unknown!r}{there_is}",
                unknown=unknown[0],
                there_is=nearest(unknown[0], list(known)),
            )
        if len(set(labels)) < (fewest := 1 if several else 2):
            raise SettingError(
                "a choice is among {fewest} or more, found {found}; the model has {known}",
                fewest="one label" if fewest == 1 else "two labels",
                found=", ".join(labels) or "none",
                known=", ".join(known),
            )
        columns = [position for position, label in enumerate(known) if label in labels]
        chosen = [known[column] for column in columns]
        return cls(chosen, columns if len(columns) < len(known) else None, least, several)

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return those of the chosen labels, of values that have all labels on their last axis."""
        return values if self.columns is None else values[..., self.columns]

    def probabilities(self, probabilities: Floats) -> Floats:
        """Map probabilities of all labels ``(batch, labels)`` to those of the chosen, whose sum is 1.

        Where labels do not exclude each other they are as they were.
        """
        if self.columns is None or self.several:
            return self.of(probabilities)
        chosen = np.maximum(probabilities[:, self.columns], LEAST)
        return np.asarray(chosen / chosen.sum(1, keepdims=True))


def read_labels(names: str) -> list[str]:
    """Read names with commas between them; a name that holds a comma stands in double quotes.

    >>> read_labels('negative, positive')
    ['negative', 'positive']
    """
    return read_names(names)


def write_labels(labels: Sequence[str]) -> str:
    """Write names as `read_labels` reads them."""
    return ",".join(f'"{label}"' if "," in label else label for label in labels)
