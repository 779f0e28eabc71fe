"""Weights and temperature of a mixture, tuned on validation rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits

from nlpkit.model.members import Floats
from nlpkit.model.mixing import SigmoidStage, Stage

RANGE = float(np.log(100))
SPREAD = 1.0  # standard deviation of the logarithm of a temperature, before any row was seen
SHIFT_SPREAD = 2.0  # likewise of what is added to the logit of a label that is answered by itself
BELIEF = 20  # rows that have a label: with so many, they count as much for its threshold as its probabilities do
LEAST, MOST = 0.1, 0.9  # of a threshold


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
    weights = _better(loss, best, equal)
    total = weights.sum().item()
    return Stage(tuple(round(w / total, 6) for w in weights.tolist()), round(1 / total, 6), leave)


def tune_sigmoid_stages(
    logits: Sequence[Floats],
    targets: NDArray[np.uint8],
    exits: Sequence[float | None],
    weights: NDArray[np.float64] | None = None,
) -> list[Stage]:
    """Make stages as `tune_stages` does, of labels that do not exclude each other, with thresholds.

    :param targets: 1 where a row has a label, 0 elsewhere ``(rows, labels)``.
    """
    ends = [(i + 1, leave) for i, leave in enumerate(exits)] + [(len(logits), None)]
    stages = [tune_sigmoid_stage(logits[:end], targets, leave, weights) for end, leave in ends]
    probabilities = stages[-1].probabilities(logits)
    thresholds = tune_thresholds(probabilities, targets, weights)
    return [replace(stage, thresholds=thresholds) for stage in stages]


def tune_sigmoid_stage(
    logits: Sequence[Floats],
    targets: NDArray[np.uint8],
    leave: float | None,
    counts: NDArray[np.float64] | None = None,
) -> SigmoidStage:
    """Minimise binary cross entropy over members' weights, whose sum is one, then over a scale and a shift a label.

    The second is Platt scaling (Platt 1999): of ``n`` rows that have a label, each is aimed at with
    (n + 1) / (n + 2), and of ``m`` that do not with 1 / (m + 2); and before any row is seen, the logarithm of the scale
    and the shift are taken to lie around 0, normally distributed with `SPREAD` and `SHIFT_SPREAD`. A label that few
    rows have, or none, stays near to what the members say.

    :param targets: 1 where a row has a label, 0 elsewhere ``(rows, labels)``.
    :param counts: what each row counts ``(rows,)``; None: one as much as another.
    """
    members, truth = torch.from_numpy(np.stack(logits)), torch.from_numpy(targets.astype(np.float64))
    shares = torch.ones(len(truth), dtype=torch.float64) if counts is None else torch.from_numpy(counts)
    rows = len(truth) if counts is None else float(counts.sum() ** 2 / np.square(counts).sum())  # Kish 1965
    own = (shares / shares.sum() * rows)[:, None]
    having, lacking = (own * truth).sum(0), (own * (1 - truth)).sum(0)  # (labels,)
    aims = torch.where(truth > 0, (having + 1) / (having + 2), 1 / (lacking + 2))

    def losses(mixed: torch.Tensor) -> torch.Tensor:
        """Return the sum over rows of each label's ``(labels,)``."""
        return (own * binary_cross_entropy_with_logits(mixed, aims, reduction="none")).sum(0)

    def loss(weights: torch.Tensor) -> torch.Tensor:
        prior = (weights.sum().log() / SPREAD).square() / 2
        total: torch.Tensor = losses(torch.einsum("m,mrl->rl", weights, members)).sum()
        return (total + prior) / max(rows, 1)

    equal = torch.full((len(logits),), 1 / len(logits), dtype=torch.float64)
    weights = equal if len(logits) == 1 else _better(loss, _descend(loss, equal), equal)
    weights = weights / weights.sum()
    mixed = torch.einsum("m,mrl->rl", weights, members)

    def scaled_loss(parameters: torch.Tensor) -> torch.Tensor:
        logarithm, shift = parameters
        priors = (logarithm / SPREAD).square() / 2 + (shift / SHIFT_SPREAD).square() / 2
        scale = logarithm.clamp(-RANGE, RANGE).exp()
        total: torch.Tensor = (losses(mixed * scale + shift) + priors).sum()
        return total / max(rows, 1)

    start = torch.zeros((2, truth.shape[1]), dtype=torch.float64)
    logarithms, shifts = _better(scaled_loss, _minimise(scaled_loss, start), start)
    return SigmoidStage(
        tuple(round(w, 6) for w in weights.tolist()),
        exit=leave,
        scales=tuple(round(s, 6) for s in logarithms.clamp(-RANGE, RANGE).exp().tolist()),
        shifts=tuple(round(s, 6) for s in shifts.tolist()),
        thresholds=(0.5,) * truth.shape[1],
    )


def tune_thresholds(
    probabilities: Floats, targets: NDArray[np.uint8], counts: NDArray[np.float64] | None = None
) -> tuple[float, ...]:
    """Find the threshold of each label that gives the best F1.

    Where few rows have a label, its best threshold is a matter of chance. So a row counts as having it as far as it
    does and, for the rest, as far as its calibrated probability says: the rarer the label, the more (as many as
    `BELIEF` rows of it: half). By the probabilities alone the best threshold is half of the F1 that it gives (Lipton et
    al. 2014, https://arxiv.org/abs/1402.1892).

    :param probabilities: calibrated ``(rows, labels)``.
    :param targets: 1 where a row has a label, 0 elsewhere ``(rows, labels)``.
    :param counts: what each row counts ``(rows,)``; None: one as much as another.
    """
    shares = np.ones(len(targets)) if counts is None else counts
    counted = shares > 0
    pairs = zip(probabilities[counted].T, targets[counted].T.astype(np.float64), strict=True)
    return tuple(_tune_threshold(own, truth, shares[counted]) for own, truth in pairs)


def _tune_threshold(probabilities: Floats, truth: Floats, shares: Floats) -> float:
    if not truth.any():
        return 0.5
    having = (shares * truth).sum() ** 2 / (shares**2 * truth).sum()  # Kish 1965
    belief = BELIEF / (BELIEF + having)
    order = np.argsort(-probabilities, kind="stable")
    likely = ((1 - belief) * truth + belief * probabilities)[order] * shares[order]
    descending = probabilities[order]
    f1 = 2 * likely.cumsum() / (shares[order].cumsum() + likely.sum())  # where so many of the surest are answers
    middles = (descending + np.append(descending[1:], 0)) / 2
    fits = (middles >= LEAST) & (middles <= MOST) & (np.append(descending[1:], -1) < descending)
    if not fits.any():
        return 0.5
    best = middles[fits & (f1 >= f1[fits].max() - 1e-12)]
    return round(float(best[np.abs(best - 0.5).argmin()]), 4)


def calibrated_sigmoid_loss(
    logits: Floats, targets: NDArray[np.uint8], counts: NDArray[np.float64] | None = None
) -> float:
    """Return the mean binary cross entropy of logits ``(rows, labels)`` in nats a label, once they are calibrated."""
    probabilities = tune_sigmoid_stage([logits], targets, None, counts).probabilities([logits]).clip(1e-12, 1 - 1e-12)
    losses = -np.log(np.where(targets > 0, probabilities, 1 - probabilities))
    return float(np.average(losses.mean(1), weights=counts))


def calibrated_loss(logits: Floats, labels: NDArray[np.int64], counts: NDArray[np.float64] | None = None) -> float:
    """Return the mean cross entropy of logits ``(rows, labels)`` in nats, once a temperature is tuned on these rows.

    :param counts: what each row counts ``(rows,)``; None: one as much as another.
    """
    probabilities = tune_stage([logits], labels, None, counts).probabilities([logits])
    return float(np.average(-np.log(probabilities[np.arange(len(labels)), labels]), weights=counts))


def ends_at_bound(stage: Stage) -> bool:
    """Tell whether a stage was tuned to the end of what its weights may be, so that its probabilities mean little."""
    total = 1 / farthest_temperature(stage)
    return not 1.001 * np.exp(-RANGE) * len(stage.weights) < total < 0.999 * np.exp(RANGE)


def farthest_temperature(stage: Stage) -> float:
    """Return the temperature of a stage; where each label has its own, the one that is farthest from 1."""
    if isinstance(stage, SigmoidStage):
        return 1 / max(stage.scales, key=lambda scale: abs(np.log(max(scale, 1e-12))))
    return stage.temperature


def _descend(loss: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor) -> torch.Tensor:
    """Where LBFGS over the logarithms of the weights ends, each held between 1/100 and 100."""
    raw = _minimise(lambda raw: loss(raw.clamp(-RANGE, RANGE).exp()), start.log())
    return raw.clamp(-RANGE, RANGE).exp()


def _minimise(loss: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor) -> torch.Tensor:
    """Where LBFGS ends."""
    raw = start.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([raw], max_iter=200, line_search_fn="strong_wolfe")

    def step() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss(raw)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(step)  # type: ignore[no-untyped-call]
    return raw.detach()


def _better(loss: Callable[[torch.Tensor], torch.Tensor], best: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """Return the best parameters unless they are none, or no better than those at the start."""
    return best if bool(best.isfinite().all()) and loss(best) < loss(start) else start
