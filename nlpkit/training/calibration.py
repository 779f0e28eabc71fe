"""Weights and temperature of a mixture, tuned on validation rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from nlpkit.model.members import Floats
from nlpkit.model.mixing import Stage

RANGE = float(np.log(100))


def tune_stages(
    logits: Sequence[Floats],
    labels: NDArray[np.int64],
    exits: Sequence[float | None],
    weights: NDArray[np.float64] | None = None,
) -> list[Stage]:
    """Make a stage after each member that has an exit, and a last one with all members.

    :param logits: for each member ``(rows, labels)``.
    :param exits: for the first members, the probability at which a row leaves; None where that is yet to be found.
    :param weights: what each row counts ``(rows,)``; None: one as much as another.
    """
    stages = [tune_stage(logits[: i + 1], labels, leave, weights) for i, leave in enumerate(exits)]
    return [*stages, tune_stage(logits, labels, None, weights)]


def tune_stage(
    logits: Sequence[Floats],
    labels: NDArray[np.int64],
    leave: float | None,
    counts: NDArray[np.float64] | None = None,
) -> Stage:
    """Minimise cross entropy over non-negative weights; their sum is one over the temperature.

    One member's weight is temperature scaling (Guo et al. 2017); several are a log-linear mixture of experts. Members
    that tell nothing, or rows so few that all are told apart, have no best weights: then equal ones stay.

    :param counts: what each row counts ``(rows,)``; None: one as much as another.
    """
    members = torch.from_numpy(np.stack(logits))  # (members, rows, labels)
    truth = torch.from_numpy(labels)

    def loss(weights: torch.Tensor) -> torch.Tensor:
        mixed = torch.einsum("m,mrl->rl", weights, members)
        if counts is None:
            return torch.nn.functional.cross_entropy(mixed, truth)
        losses: torch.Tensor = torch.nn.functional.cross_entropy(mixed, truth, reduction="none")
        return (losses * torch.from_numpy(counts)).sum() / float(counts.sum())

    equal = torch.full((len(logits),), 1 / len(logits), dtype=torch.float64)
    best = _descend(loss, equal)
    weights = best if bool(best.isfinite().all()) and loss(best) < loss(equal) else equal
    total = weights.sum().item()
    return Stage(tuple(round(w / total, 6) for w in weights.tolist()), round(1 / total, 6), leave)


def _descend(loss: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor) -> torch.Tensor:
    """Where LBFGS over the logarithms of the weights ends, each held between 1/100 and 100."""
    raw = start.log().requires_grad_()
    optimiser = torch.optim.LBFGS([raw], max_iter=200, line_search_fn="strong_wolfe")

    def step() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss(raw.clamp(-RANGE, RANGE).exp())
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(step)  # type: ignore[no-untyped-call]
    return raw.detach().clamp(-RANGE, RANGE).exp()
