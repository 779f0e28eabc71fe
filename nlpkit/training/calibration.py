"""Weights and temperature of a mixture, tuned on validation rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from nlpkit.model.members import Floats
from nlpkit.model.mixing import Stage

RANGE = float(np.log(100))
SPREAD = 1.0  # standard deviation of the logarithm of a temperature, before any row was seen


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

    One member's weight is temperature scaling (Guo et al. 2017); several are a log-linear mixture of experts. Few rows
    must not make it sure: though all of ``n`` are right, the next one may be wrong, so a label is aimed at with
    (n + 1) / (n + 2), by Laplace's rule of succession (as in Platt 1999); and before any row is seen, the logarithm of
    the temperature is taken to lie around 0, normally distributed with `SPREAD`. Either counts the less the more rows
    there are. Members that tell nothing have no best weights: then equal ones stay.

    :param counts: what each row counts ``(rows,)``; None: one as much as another.
    """
    members = torch.from_numpy(np.stack(logits))  # (members, rows, labels)
    truth = torch.from_numpy(labels)
    size = members.shape[2]
    rows = len(truth) if counts is None else float(counts.sum() ** 2 / np.square(counts).sum())  # Kish 1965
    smoothing = size / (max(size - 1, 1) * (rows + 2))  # of which the label itself gets a share again

    def loss(weights: torch.Tensor) -> torch.Tensor:
        mixed = torch.einsum("m,mrl->rl", weights, members)
        prior = (weights.sum().log() / SPREAD).square() / (2 * max(rows, 1))
        if counts is None:
            return torch.nn.functional.cross_entropy(mixed, truth, label_smoothing=smoothing) + prior
        losses: torch.Tensor = torch.nn.functional.cross_entropy(
            mixed, truth, label_smoothing=smoothing, reduction="none"
        )
        return (losses * torch.from_numpy(counts)).sum() / float(counts.sum()) + prior

    equal = torch.full((len(logits),), 1 / len(logits), dtype=torch.float64)
    best = _descend(loss, equal)
    weights = best if bool(best.isfinite().all()) and loss(best) < loss(equal) else equal
    total = weights.sum().item()
    return Stage(tuple(round(w / total, 6) for w in weights.tolist()), round(1 / total, 6), leave)


def calibrated_loss(logits: Floats, labels: NDArray[np.int64], counts: NDArray[np.float64] | None = None) -> float:
    """Return the mean cross entropy of logits ``(rows, labels)`` in nats, once a temperature is tuned on these rows.

    :param counts: what each row counts ``(rows,)``; None: one as much as another.
    """
    probabilities = tune_stage([logits], labels, None, counts).probabilities([logits])
    return float(np.average(-np.log(probabilities[np.arange(len(labels)), labels]), weights=counts))


def ends_at_bound(stage: Stage) -> bool:
    """Tell whether a stage was tuned to the end of what its weights may be, so that its probabilities mean little."""
    total = 1 / stage.temperature
    return not 1.001 * np.exp(-RANGE) * len(stage.weights) < total < 0.999 * np.exp(RANGE)


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
