"""Weights and temperature of a mixture, tuned on validation rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from nlpkit.inference.members import Floats
from nlpkit.inference.sentiment import Stage


def tune_stages(logits: Sequence[Floats], labels: NDArray[np.int64], exits: Sequence[float]) -> list[Stage]:
    """Make a stage after each member that has an exit, and a last one with all members.

    :param logits: for each member ``(rows, labels)``.
    :param exits: for the first members, the probability at which a row leaves.
    """
    stages = [tune_stage(logits[: i + 1], labels, leave) for i, leave in enumerate(exits)]
    return [*stages, tune_stage(logits, labels, None)]


def tune_stage(logits: Sequence[Floats], labels: NDArray[np.int64], leave: float | None) -> Stage:
    """Minimise cross entropy over non-negative weights; their sum is one over the temperature.

    One member's weight is temperature scaling (Guo et al. 2017); several are a log-linear mixture of experts.
    """
    members = torch.from_numpy(np.stack(logits))  # (members, rows, labels)
    truth = torch.from_numpy(labels)
    raw = torch.full((len(logits),), -float(np.log(len(logits))), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([raw], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = torch.nn.functional.cross_entropy(torch.einsum("m,mrl->rl", raw.exp(), members), truth)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    weights = raw.detach().exp()
    total = weights.sum().item()
    return Stage(tuple(round(w / total, 6) for w in weights.tolist()), round(1 / total, 6), leave)
