"""From which probability on a row may leave a cascade: found on validation rows, where early answers are late ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import Sentence, join
from nlpkit.model.members import Floats
from nlpkit.model.mixing import Stage

STEPS = 1e6  # an exit is rounded down to one part in so many


@dataclass(frozen=True)
class Leaving:
    """Rows of a group that would leave at an exit.

    :param rows: of the group that come to it.
    :param left: how many of them leave.
    :param agree: of these, to how many the whole model gives the same answer.
    """

    rows: int
    left: int
    agree: int


@dataclass(frozen=True)
class FoundExit:
    """The exit of a member.

    :param exit: the probability; None: no row leaves.
    :param groups: by name what leaves there.
    """

    member: str
    exit: float | None
    agreement: float
    groups: Mapping[str, Leaving]

    def tell(self) -> Sentence:
        """Say what leaves, or that nothing does."""
        if self.exit is None:
            return Sentence(
                "no row leaves at {member}: there is no probability from which on the whole model gives the same "
                "answer to {agreement:g} of the rows of {names}",
                member=self.member,
                agreement=self.agreement,
                names=" and of ".join(self.groups),
            )
        listed = (
            Sentence(
                "{left:,} of {rows:,} {name}, {agree:.2%} of these as the whole model says",
                left=of.left,
                rows=of.rows,
                name=name,
                agree=of.agree / max(of.left, 1),
            )
            for name, of in self.groups.items()
        )
        return Sentence(
            "rows leave at {member} from {exit:g} on: {groups}",
            member=self.member,
            exit=self.exit,
            groups=join(listed, "; "),
        )

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        return asdict(self)


def find_exits(
    stages: Sequence[Stage],
    logits: Sequence[Floats],
    groups: Mapping[str, NDArray[np.int64]],
    names: Sequence[str],
    agreement: float,
) -> tuple[list[Stage], list[FoundExit]]:
    """Give each stage but the last the lowest exit at which enough rows of every group get the whole model's answer.

    A stage without one goes: all of its rows are asked further on.

    :param stages: as they are mixed, each of some members, the last of all.
    :param logits: for each member ``(rows, labels)``.
    :param groups: numbers of rows by name.
    :param names: of the members.
    :param agreement: the least share, of the rows of a group that leave.
    """
    probabilities = [stage.probabilities(logits[: len(stage.weights)]) for stage in stages]
    answers = stages[-1].choose(probabilities[-1])
    here = np.ones(len(answers), dtype=np.bool_)  # rows that have not left before
    kept, found = [], []
    for stage, shares in zip(stages[:-1], probabilities, strict=False):
        sure, same = stage.sureness(shares), stages[-1].choose(shares) == answers
        same = same.all(1) if same.ndim > 1 else same  # of several answers all
        coming = {name: rows[here[rows]] for name, rows in groups.items()}
        leave = find_exit([(sure[rows], same[rows]) for rows in coming.values()], agreement)
        gone = sure >= (leave or math.inf)
        leaving = {
            name: Leaving(len(rows), int(gone[rows].sum()), int((gone & same)[rows].sum()))
            for name, rows in coming.items()
        }
        found.append(FoundExit(names[len(stage.weights) - 1], leave, agreement, leaving))
        if leave is not None:
            kept.append(replace(stage, exit=leave))
            here &= ~gone
    return [*kept, stages[-1]], found


def find_exit(groups: Sequence[tuple[NDArray[np.floating[Any]], NDArray[np.bool_]]], agreement: float) -> float | None:
    """Find the lowest probability of a row from which on, in every group, at least such a share of the rows agrees.

    :param groups: of each row the probability, and whether it agrees.
    :returns: None if there is none at which any row leaves.
    """
    if not sum(len(sure) for sure, _ in groups):
        return None
    candidates = np.unique(np.floor(np.concatenate([sure for sure, _ in groups]) * STEPS) / STEPS)
    holds, leaves = np.ones(len(candidates), dtype=np.bool_), np.zeros(len(candidates), dtype=np.int64)
    for sure, same in groups:
        order = np.argsort(sure, kind="stable")
        agreeing = np.concatenate([[0], np.cumsum(same[order][::-1])])  # among so many of the surest
        left = len(sure) - np.searchsorted(sure[order], candidates, "left")
        holds &= agreeing[left] >= agreement * left - 1e-9
        leaves += left
    fitting = candidates[holds & (leaves > 0)]
    return float(fitting[0]) if len(fitting) else None
