"""What several models of a task are asked alike, so that they can be compared item by item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from nlpkit.text.corpus import Example


class Outcome(NamedTuple):
    """What a model made of an item.

    :param right: whether it said what stands there; it did not where it has no answer.
    :param answer: None where it has none; ``reason`` then says why.
    """

    right: bool
    answer: str | None
    probability: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Items:
    """Items, the same for several models.

    :param examples: one an item, in order; its label is what is right.
    :param answer: what asks a model about some of them: it returns an `Outcome` for each, in order.
    :param remarks: sentences on how the question was made the same for all models.
    """

    examples: Sequence[Example]
    answer: Callable[[Any, Sequence[Example]], Sequence[Outcome]]
    remarks: Sequence[str] = ()
    together: ClassVar[int] = 4096  # items that are asked about in one call
