"""What a difference between two models on the same items is worth: intervals, tests, and a correction for many.

An interval of two models covers what chance there is in the items alone: other items of the same kind would have given
another difference. One of two recipes, each trained several times, also covers what other training rows and seeds
would have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan, cos, isfinite, pi, sin, sqrt
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95  # of the intervals
ROUNDS = 10_000
SEED = 0
FARTHEST = 1e9  # that a quantile is looked for
Bools: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class Estimate:
    """A difference of two accuracies, as a share, and what it may be.

    :param low: where its interval begins, and ``high``, where it ends.
    :param p: the probability of a difference so great if there were none.
    """

    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Pairs:
    """How two models did on the same items.

    :param first: items that only the first has right; ``second`` likewise.
    """

    items: int
    first: int
    second: int

    @classmethod
    def of(cls, first: Bools, second: Bools) -> Pairs:
        """Count items ``(items,)`` that each has right."""
        return cls(len(first), int((first & ~second).sum()), int((second & ~first).sum()))


def bootstrap(pairs: Pairs) -> tuple[float, float]:
    """Return the interval of a difference by drawing the items anew, with both models' outcomes on each.

    A row has one of three outcomes, so a draw of all rows is one of three counts. Where models hardly ever differ, the
    plain bootstrap knows nothing of what it has not seen, and covers the truth in far fewer than 95 of 100 cases; so it
    draws from counts to which half an item is added in each of the four cells, right or wrong by either, as in the
    interval of Agresti and Min (2005, https://doi.org/10.1002/sim.1781). `benchmarks/comparison.py` measures it.
    """
    cells = np.array([pairs.first + 0.5, pairs.second + 0.5, pairs.items - pairs.first - pairs.second + 1])
    draws = np.random.default_rng(SEED).multinomial(pairs.items, cells / cells.sum(), ROUNDS)
    low, high = np.quantile((draws[:, 0] - draws[:, 1]) / pairs.items, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mcnemar(first: int, second: int) -> float:
    """Return the two-sided mid-p value of McNemar's exact test.

    Of the items that only one of two models has right, each would be either's with a probability of one half. The mid-p
    value counts half of what was observed, which keeps the level of 5% and is less timid than the exact one (Fagerland
    et al. 2013, https://doi.org/10.1186/1471-2288-13-91).
    """
    throws, least = first + second, min(first, second)
    heads = np.arange(1, least + 1)
    ways = np.concatenate([[0.0], np.cumsum(np.log((throws - heads + 1) / heads))])  # logarithms of binomials
    chances = np.exp(ways - throws * np.log(2))
    return min(1.0, float(2 * chances.sum() - chances[-1]))


def estimate(first: Bools, second: Bools) -> Estimate:
    """Return the difference of two models by their outcomes on the same items ``(items,)``, one or more."""
    pairs = Pairs.of(first, second)
    low, high = bootstrap(pairs)
    return Estimate((pairs.first - pairs.second) / pairs.items, low, high, mcnemar(pairs.first, pairs.second))


def estimate_trained(rounds: Sequence[tuple[Bools, Bools]], folds: int) -> Estimate:
    """Return the difference of two recipes by what models made of the folds that they were not trained on.

    The models of several folds and seeds share rows, so their differences are less unlike each other than those of new
    corpora would be: a corrected resampled t-test (Nadeau and Bengio 2003, https://doi.org/10.1023/A:1024068626366;
    for folds dealt anew with each seed Bouckaert and Frank 2004, https://doi.org/10.1007/978-3-540-24775-3_3). As few
    folds may be alike by chance, the interval is never narrower than the chance in the rows of one pass makes it.

    :param rounds: the outcomes ``(items,)`` of two models on one fold, one or more, for each fold of each seed.
    :param folds: into how many parts the rows were cut.
    :returns: an endless interval where there is but one round.
    """
    totals = [int(first.sum()) - int(second.sum()) for first, second in rounds]
    items = [len(first) for first, _ in rounds]
    difference = sum(totals) / sum(items)
    freedom = len(rounds) - 1
    if not freedom:
        return Estimate(difference, -1.0, 1.0, 1.0)
    spread = float(np.var([total / count for total, count in zip(totals, items, strict=True)], ddof=1))
    variance = max((1 / len(rounds) + 1 / (folds - 1)) * spread, _variance_of_items(rounds, sum(items), folds))
    half = t_quantile((1 + LEVEL) / 2, freedom) * sqrt(variance)
    p = 1 - t_share(abs(difference) / sqrt(variance), freedom)
    return Estimate(difference, max(-1.0, difference - half), min(1.0, difference + half), p)


def _variance_of_items(rounds: Sequence[tuple[Bools, Bools]], items: int, folds: int) -> float:
    """Return the variance that the difference of one pass over all folds has by its items; `bootstrap` adds as much."""
    pairs = [Pairs.of(first, second) for first, second in rounds]
    passes = max(1.0, len(rounds) / folds)
    of_one = items / passes + 2
    first, second = (sum(counts) / passes + 0.5 for counts in zip(*((p.first, p.second) for p in pairs), strict=True))
    return float((first + second - (first - second) ** 2 / of_one) / of_one**2)


def holm(values: Sequence[float]) -> list[float]:
    """Return p values that hold for all of several tests together (Holm 1979, https://www.jstor.org/stable/4615733)."""
    adjusted, least = [0.0] * len(values), 0.0
    for place, number in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        least = max(least, min(1.0, values[number] * (len(values) - place)))
        adjusted[number] = least
    return adjusted


def t_share(t: float, freedom: int) -> float:
    """Return the share of Student's distribution that lies between -t and t.

    By the finite series for whole degrees of freedom (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).
    """
    if not isfinite(t):
        return 1.0
    angle = atan(t / sqrt(freedom))
    term = total = cos(angle) if freedom % 2 else 1.0
    for power in range(2 + freedom % 2, freedom - 1, 2):
        term *= cos(angle) ** 2 * (power - 1) / power
        total += term
    if freedom % 2 == 0:
        return sin(angle) * total
    return 2 / pi * (angle + (sin(angle) * total if freedom > 1 else 0.0))


def t_quantile(share: float, freedom: int) -> float:
    """Return the value above 0 below which such a share, more than half, of Student's distribution lies."""
    low, high = 0.0, FARTHEST
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 + t_share(middle, freedom)) / 2 < share else (low, middle)
    return (low + high) / 2
