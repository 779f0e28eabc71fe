"""How often intervals of `compare` cover the truth, beside plain ones, for simulated pairs whose difference is known.

Models: each row has a difficulty, drawn from a beta distribution, so that two models tend to be right on the same rows;
one is right a little more often. Beside nlpkit's interval is the percentile bootstrap as it is usually done.

Recipes: linear classifiers of Gaussian features, ridge regression with all of them and with some of them, trained on
random parts of the rows without a fold; the accuracy of each is known exactly. Beside nlpkit's interval is that of a
t-test that takes folds and seeds for independent.
"""

import argparse
import itertools
from collections.abc import Sequence
from math import sqrt

import numpy as np

from nlpkit.tasks.statistics import Estimate, estimate, estimate_trained, t_quantile

ACCURACY, ALIKE = 0.95, (0.1, 0.5)  # of the better model; the less alike, the oftener they differ
ROWS, DIFFERENCES = (100, 300, 1000, 5000), (0.0, 0.01, 0.03)
FEATURES, FEWER, NOISE, PART, RIDGE = 30, (30, 24, 12), 1.5, 0.8, 1.0
DESIGNS = ((2, 1), (5, 1), (5, 3), (10, 1))  # folds, seeds
FRESH = 2000  # training sets by which the true difference of recipes is known
PLAIN_ROUNDS = 2000


def draw_models(rows: int, difference: float, alike: float, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes ``(rows,)`` of two models; the first is right in `ACCURACY` of all rows, the second in less."""
    easy = draw.beta(ACCURACY * alike, (1 - ACCURACY) * alike, rows)
    return draw.random(rows) < easy, draw.random(rows) < easy * (1 - difference / ACCURACY)


def plain_bootstrap(first: np.ndarray, second: np.ndarray, draw: np.random.Generator) -> tuple[float, float]:
    """Where 95% of resampled differences lie."""
    better, worse = int((first & ~second).sum()), int((second & ~first).sum())
    cells = np.array([better, worse, len(first) - better - worse]) / len(first)
    draws = draw.multinomial(len(first), cells, PLAIN_ROUNDS)
    low, high = np.quantile((draws[:, 0] - draws[:, 1]) / len(first), [0.025, 0.975])
    return float(low), float(high)


def covers(low: float, high: float, truth: float) -> bool:
    return low - 1e-9 <= truth <= high + 1e-9


class Coverage:
    """Counts how often intervals cover the truth, and how often a difference is shown."""

    def __init__(self) -> None:
        self.covered = self.rival = self.shown = 0
        self.width = 0.0

    def add(self, found: Estimate, rival: tuple[float, float], truth: float) -> None:
        self.covered += covers(found.low, found.high, truth)
        self.rival += covers(*rival, truth)
        self.shown += not found.low <= 0 <= found.high and found.p < 0.05
        self.width += found.high - found.low

    def cells(self, pairs: int) -> str:
        shares = " | ".join(f"{count / pairs:.1%}" for count in (self.covered, self.rival, self.shown))
        return f"{shares} | {100 * self.width / pairs:.2f} |"


def measure_models(rows: int, difference: float, alike: float, pairs: int) -> str:
    """A line of the table of models."""
    draw, coverage, differing = np.random.default_rng([rows, int(1000 * difference), int(1000 * alike)]), Coverage(), 0
    for _ in range(pairs):
        first, second = draw_models(rows, difference, alike, draw)
        coverage.add(estimate(first, second), plain_bootstrap(first, second, draw), difference)
        differing += int((first != second).sum())
    return f"| {rows:,} | {100 * difference:g} | {differing / pairs / rows:.1%} | {coverage.cells(pairs)}"


def draw_rows(rows: int, weights: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features ``(rows, features)`` and labels -1 and 1 ``(rows,)``."""
    features = draw.normal(size=(rows, len(weights)))
    return features, np.where(features @ weights + NOISE * draw.normal(size=rows) > 0, 1.0, -1.0)


def learn(features: np.ndarray, labels: np.ndarray, used: int, draw: np.random.Generator) -> np.ndarray:
    """Weights of a classifier that uses the first of the features, trained on a random part of the rows."""
    rows = draw.permutation(len(labels))[: round(PART * len(labels))]
    x = features[rows, :used]
    weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(used), x.T @ labels[rows])
    return np.pad(weights, (0, features.shape[1] - used))


def accuracy(weights: np.ndarray, truth: np.ndarray) -> float:
    """The exact accuracy: two Gaussian variables have one sign in so many of all cases."""
    likeness = weights @ truth / (np.linalg.norm(weights) * sqrt(truth @ truth + NOISE**2))
    return 1 - float(np.arccos(np.clip(likeness, -1, 1))) / np.pi


def find_truth(rows: int, folds: int, used: int, weights: np.ndarray, draw: np.random.Generator, fresh: int) -> float:
    """The difference that recipes have in the mean of training sets."""
    size, total = rows - rows // folds, 0.0
    for _ in range(fresh):
        features, labels = draw_rows(size, weights, draw)
        total += accuracy(learn(features, labels, FEATURES, draw), weights)
        total -= accuracy(learn(features, labels, used, draw), weights)
    return total / fresh


def cross_validate(
    features: np.ndarray, labels: np.ndarray, used: int, folds: int, seeds: int, draw: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Outcomes of both recipes on each fold of each seed."""
    rounds = []
    for _, fold in itertools.product(range(seeds), range(folds)):
        if not fold:
            owners = draw.permutation(len(labels)) % folds
        train, test = owners != fold, owners == fold
        both = [learn(features[train], labels[train], count, draw) for count in (FEATURES, used)]
        first, second = ((features[test] @ weights > 0) == (labels[test] > 0) for weights in both)
        rounds.append((first, second))
    return rounds


def naive_interval(rounds: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """The interval of a t-test on the differences of all folds, as if they were independent."""
    found = np.array([first.mean() - second.mean() for first, second in rounds])
    half = t_quantile(0.975, len(found) - 1) * found.std(ddof=1) / sqrt(len(found))
    return float(found.mean() - half), float(found.mean() + half)


def measure_recipes(rows: int, folds: int, seeds: int, used: int, pairs: int, fresh: int) -> str:
    """A line of the table of recipes."""
    draw, coverage = np.random.default_rng([rows, folds, seeds, used]), Coverage()
    weights = draw.normal(size=FEATURES) / sqrt(FEATURES) * 2
    truth = find_truth(rows, folds, used, weights, draw, fresh) if used < FEATURES else 0.0
    for _ in range(pairs):
        features, labels = draw_rows(rows, weights, draw)
        rounds = cross_validate(features, labels, used, folds, seeds, draw)
        coverage.add(estimate_trained(rounds, folds), naive_interval(rounds), truth)
    return f"| {rows:,} | {folds} | {seeds} | {100 * truth:.2f} | {coverage.cells(pairs)}"


def main(argv: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=200, help="simulated of each kind")
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--fresh", type=int, default=FRESH, help="training sets by which recipes are known")
    args = parser.parse_args(argv)
    more = "covered | plain covers | shown | width, points |"
    print(f"| rows | true points | rows that differ | {more}\n|{'---:|' * 7}")
    for rows, difference, alike in itertools.product(args.rows, DIFFERENCES, ALIKE):
        print(measure_models(rows, difference, alike, args.pairs), flush=True)
    print(f"\n| rows | folds | seeds | true points | {more}\n|{'---:|' * 8}")
    for rows, (folds, seeds), used in itertools.product(args.rows[:3], DESIGNS, FEWER):
        print(measure_recipes(rows, folds, seeds, used, args.pairs, args.fresh), flush=True)


if __name__ == "__main__":
    main()
