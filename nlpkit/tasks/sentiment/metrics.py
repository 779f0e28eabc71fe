"""Figures of a classifier on labelled rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import comb, erfc, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpkit.tasks.sentiment.model import Score

BINS = 10
CHANCE = 0.05  # of what is told although there is nothing to it
EXACT = 1000  # throws of a coin: of more, the normal distribution tells as much


@dataclass(frozen=True)
class Metrics:
    """Figures over ``rows`` labelled rows.

    :param accuracy: share of rows with the right label; a row that could not be scored is wrong.
    :param macro_f1: mean over labels of the harmonic mean of precision and recall.
    :param calibration_error: expected calibration error over ten bins of the scored rows (Guo et al. 2017).
    :param unscored: rows without an answer.
    :param confusion: rows by true label, then by answer; the last answer of each is "none".
    """

    rows: int
    accuracy: float
    macro_f1: float
    calibration_error: float
    unscored: int
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """All figures, rounded to four places."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


@dataclass(frozen=True)
class Answers:
    """What a model made of labelled rows, as arrays ``(rows,)``.

    :param truth: the position of each row's label.
    :param found: that of the answer, -1 for none.
    :param probability: that of the answer; anything where there is none.
    """

    truth: NDArray[np.integer[Any]]
    found: NDArray[np.integer[Any]]
    probability: NDArray[np.floating[Any]]

    @classmethod
    def of(cls, truth: Sequence[str], scores: Sequence[Score], labels: Sequence[str]) -> Answers:
        """Arrays of true labels and scores, whose labels all stand in ``labels``."""
        position = {label: i for i, label in enumerate(labels)}
        pairs = list(zip(truth, scores, strict=True))
        return cls(
            np.array([position[true] for true, _ in pairs], dtype=np.int32),
            np.array([-1 if s.label is None else position[s.label] for _, s in pairs], dtype=np.int32),
            np.array([s.probability or 0.0 for _, s in pairs], dtype=np.float64),
        )

    def __getitem__(self, rows: Any) -> Answers:
        return Answers(self.truth[rows], self.found[rows], self.probability[rows])


def measure(truth: Sequence[str], scores: Sequence[Score], labels: Sequence[str]) -> Metrics:
    """Compare answers with true labels, all of which stand in ``labels``."""
    return metrics(Answers.of(truth, scores, labels), labels)


def metrics(answers: Answers, labels: Sequence[str]) -> Metrics:
    """Figures over all rows of ``answers``."""
    size = len(labels)
    columns = np.where(answers.found < 0, size, answers.found)
    places = answers.truth.astype(np.int64) * (size + 1) + columns
    confusion = np.bincount(places, minlength=size * (size + 1)).reshape(size, size + 1)
    rows, hits = int(confusion.sum()), np.diag(confusion)
    present = confusion.sum(1) > 0
    f1 = 2 * hits / np.maximum(confusion.sum(1) + confusion[:, :-1].sum(0), 1)
    return Metrics(
        rows=rows,
        accuracy=float(hits.sum() / max(rows, 1)),
        macro_f1=float(f1[present].mean()) if present.any() else 0.0,
        calibration_error=_calibration_error(answers),
        unscored=int(confusion[:, -1].sum()),
        labels=tuple(labels),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


@dataclass(frozen=True)
class Neglect:
    """How often a label occurs, and how often it is the answer."""

    rows: int
    answers: int


def neglected(found: Sequence[Metrics], trained: Mapping[str, int]) -> dict[str, Neglect]:
    """Rare labels that are answered less than half as often as they occur, and not by chance.

    Chance: of two models that are equally often wrong either way, one in twenty would miss so many more rows of the
    label than it gives it to others (McNemar 1947, https://doi.org/10.1007/BF02295996).

    :param found: figures of some rows and of others, of the same labels.
    :param trained: training rows by label; those with less than half as many as the most frequent are rare.
    """
    confusion = np.sum([metrics.confusion for metrics in found], 0)
    most = max(trained.values(), default=0)
    neglect = {}
    for position, label in enumerate(found[0].labels):
        rows, answers, right = confusion[position].sum(), confusion[:, position].sum(), confusion[position, position]
        missed, taken = int(rows - right - confusion[position, -1]), int(answers - right)
        few = 2 * answers < rows and _chance(missed, taken) < CHANCE
        if few and 2 * trained.get(label, most) < most:
            neglect[label] = Neglect(int(rows), int(answers))
    return neglect


def _chance(heads: int, tails: int) -> float:
    """The probability of at least so many heads among so many throws of a coin."""
    throws = heads + tails
    return sum(comb(throws, n) for n in range(heads, throws + 1)) / 2**throws if throws < EXACT else _tail(heads, tails)


def _tail(heads: int, tails: int) -> float:
    """The same of many throws, by the normal distribution."""
    return erfc((heads - tails - 1) / sqrt(2 * (heads + tails))) / 2


def _calibration_error(answers: Answers) -> float:
    scored = answers.found >= 0
    if not scored.any():
        return 0.0
    sure = answers.probability[scored]
    right = (answers.found == answers.truth)[scored].astype(float)
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = np.abs(np.bincount(bins, right, BINS) - np.bincount(bins, sure, BINS))
    return float(gaps.sum() / len(sure))
