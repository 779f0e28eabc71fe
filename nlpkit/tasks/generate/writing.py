"""What a member of a model that generates can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nlpkit.text.vocabulary import Ints

State: TypeAlias = Sequence[NDArray[Any]]  # what a member remembers of each text
Logits: TypeAlias = NDArray[np.float32]
Chances: TypeAlias = NDArray[np.float64]


class WritingMember(Protocol):
    """Reads tokens of several texts side by side and foretells the next of each.

    Columns are ids without padding: column 0 is the unknown token.
    """

    axes: Sequence[int]  # of each part of the state, that along which the texts lie

    def begin(self, batch: int) -> State:
        """Return the state before the first token of so many texts."""
        ...

    def read(self, ids: Ints, state: State) -> tuple[Logits, State]:
        """Map ids ``(batch, time)`` to logits ``(batch, ids - 1)`` of what follows the last, and the state behind."""
        ...

    def score(self, ids: Ints, state: State) -> tuple[Chances, State]:
        """Map ids ``(batch, time + 1)`` to the probability of each but the first, given those before it.

        The state that comes back is that before the last id.
        """
        ...


def choose_texts(member: WritingMember, state: State, rows: Ints) -> State:
    """Return the state of some of the texts."""
    return [np.take(part, rows, axis) for part, axis in zip(state, member.axes, strict=True)]


def join_texts(member: WritingMember, states: Sequence[State]) -> State:
    """Return the states of several texts as one."""
    parts = zip(*states, strict=True)
    return [np.concatenate(part, axis) for part, axis in zip(parts, member.axes, strict=True)]
