"""Figures of a classifier on rows that may have several labels each, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import Sentence, headings
from nlpkit.model.members import Floats
from nlpkit.tasks.metrics import Metrics, Table
from nlpkit.tasks.sentiment.choice import Choice, write_labels
from nlpkit.tasks.sentiment.model import DECIMALS

Indicators: TypeAlias = NDArray[np.bool_]  # whether a row has a label ``(rows, labels)``
BINS = 10


@dataclass(frozen=True)
class LabelFigures:
    """Figures of one label.

    :param rows: that have it; ``answers``: rows that were given it; ``right``: rows of which both are true.
    :param threshold: the probability from which on it is an answer.
    """

    label: str
    rows: int
    answers: int
    right: int
    precision: float
    recall: float
    f1: float
    threshold: float


@dataclass(frozen=True)
class SeveralMetrics(Metrics):
    """Figures over ``rows`` rows, each with several labels or none.

    A row that could not be scored is given no label, and does not match.

    :param micro_f1: harmonic mean of precision and recall over all pairs of a row and a label.
    :param macro_f1: mean over labels of theirs, of those that a row has or was given.
    :param exact_match: share of rows that were given their labels and no others.
    :param hamming_loss: share of wrong ones among all pairs of a row and a label.
    :param calibration_error: expected calibration error over ten bins of the scored rows (Guo et al. 2017), of whether
        a label applies; the mean over labels.
    :param unscored: rows without an answer.
    :param excluded: labels of the model that were not looked at.
    """

    rows: int
    micro_f1: float
    macro_f1: float
    exact_match: float
    hamming_loss: float
    calibration_error: float
    unscored: int
    labels: tuple[LabelFigures, ...]
    excluded: tuple[str, ...] = ()

    columns = headings(">rows", ">micro F1", ">macro F1", ">exact match", ">calibration error", ">unscored")

    def nothing(self, options: Mapping[str, Any]) -> str:  # noqa: ARG002
        """Say that there were no labels."""
        return Sentence("no labelled rows")

    @property
    def rows_measured(self) -> int:
        """All of them."""
        return self.rows

    @property
    def settled(self) -> Mapping[str, Any]:
        """The labels that were looked at, so that groups of the rows are measured by the same."""
        return {"labels": [figures.label for figures in self.labels]}

    def cells(self) -> tuple[str, ...]:
        """Return the figures as a row of the table."""
        shares = (self.micro_f1, self.macro_f1, self.exact_match, self.calibration_error)
        return f"{self.rows:,}", *(f"{share:.4f}" for share in shares), f"{self.unscored:,}"

    def to_json(self) -> dict[str, Any]:
        """Return all figures, rounded to four places."""
        return {name: _round(value) for name, value in asdict(self).items()}

    def tables(self) -> Sequence[Table]:
        """Return the figures of each label."""
        columns = headings("label", ">rows", ">answers", ">right", ">precision", ">recall", ">F1", ">threshold")
        rows = [
            [
                *(of.label, f"{of.rows:,}", f"{of.answers:,}", f"{of.right:,}"),
                *(f"{share:.4f}" for share in (of.precision, of.recall, of.f1, of.threshold)),
            ]
            for of in self.labels
        ]
        return [Table(columns, rows)]

    def doubts(self, model: Any = None) -> Sequence[str]:
        """Return what figures say of labels that are never answered, or that no row has."""
        doubts = []
        if never := [of.label for of in self.labels if of.rows and not of.right]:
            doubts.append(
                Sentence(
                    "no row was rightly given {labels}: more rows of it are needed",
                    labels=" or ".join(map(repr, never)),
                )
            )
        absent = [of.label for of in self.labels if not of.rows and of.answers]
        if model is not None and absent and len(absent) < len(self.labels):
            others = [of.label for of in self.labels if of.label not in absent]
            doubts.append(
                Sentence(
                    "no row has {labels}, so that each such answer is wrong: if nobody looked for it, --labels "
                    "{others} leaves it out",
                    labels=" or ".join(map(repr, absent)),
                    others=write_labels(others),
                )
            )
        return doubts


@dataclass(frozen=True)
class SeveralAnswers:
    """What a model made of rows that may have several labels.

    :param truth: which labels each row has ``(rows, labels)``.
    :param given: which it was given ``(rows, labels)``; none where it was not scored.
    :param probabilities: ``(rows, labels)``; anything where it was not scored.
    :param answered: which rows have an answer ``(rows,)``.
    """

    truth: Indicators
    given: Indicators
    probabilities: Floats
    answered: NDArray[np.bool_]

    @classmethod
    def of(
        cls, truth: Indicators, answered: NDArray[np.bool_], probabilities: Floats, thresholds: Floats
    ) -> SeveralAnswers:
        """Make arrays of labels and what a model says.

        :param truth: of all labels ``(rows, labels)``.
        :param probabilities: of the rows that have an answer ``(answered, labels)``.
        :param thresholds: ``(labels,)``.
        """
        shares = np.zeros(truth.shape)
        shares[answered] = np.round(probabilities, DECIMALS)
        return cls(truth, (shares >= thresholds) & answered[:, None], shares, answered)

    @classmethod
    def join(cls, parts: Sequence[SeveralAnswers]) -> SeveralAnswers:
        """Return those of all rows, of which these are parts in their order."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def take(self, rows: NDArray[np.int64]) -> SeveralAnswers:
        """Return those of some rows."""
        return SeveralAnswers(*(getattr(self, field.name)[rows] for field in fields(self)))


def measure_several(
    answers: SeveralAnswers, choice: Choice, thresholds: Floats, excluded: Sequence[str] = ()
) -> SeveralMetrics:
    """Compute the figures over all rows of ``answers``.

    :param choice: the labels that are looked at.
    :param thresholds: of all labels ``(labels,)``.
    """
    truth, given, shares = map(choice.of, (answers.truth, answers.given, answers.probabilities))
    rows, right = len(truth), truth & given
    having, answered, hits = (pairs.sum(0) for pairs in (truth, given, right))
    f1 = 2 * hits / np.maximum(having + answered, 1)
    counted = having + answered > 0
    per_label = zip(choice.labels, having, answered, hits, f1, choice.of(thresholds), strict=True)
    return SeveralMetrics(
        rows=rows,
        micro_f1=float(2 * hits.sum() / max(having.sum() + answered.sum(), 1)),
        macro_f1=float(f1[counted].mean()) if counted.any() else 0.0,
        exact_match=float(((truth == given).all(1) & answers.answered).sum() / max(rows, 1)),
        hamming_loss=float((truth != given).mean()) if rows else 0.0,
        calibration_error=_calibration_error(truth[answers.answered], shares[answers.answered]),
        unscored=int((~answers.answered).sum()),
        labels=tuple(
            LabelFigures(label, int(n), int(m), int(k), float(k / max(m, 1)), float(k / max(n, 1)), float(f), float(t))
            for label, n, m, k, f, t in per_label
        ),
        excluded=tuple(excluded),
    )


def _calibration_error(truth: Indicators, shares: Floats) -> float:
    """Return the mean over labels of how far probabilities are off, in bins of them."""
    if not len(truth):
        return 0.0
    bins = np.minimum((shares * BINS).astype(int), BINS - 1) + BINS * np.arange(truth.shape[1])
    counts = (np.bincount(bins.ravel(), values.ravel(), BINS * truth.shape[1]) for values in (truth, shares))
    return float(np.abs(np.subtract(*counts)).sum() / truth.size)


def _round(value: Any) -> Any:
    """Round the numbers in a value of JSON to four places."""
    if isinstance(value, dict):
        return {name: _round(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_round(inner) for inner in value]
    return round(value, 4) if isinstance(value, float) else value
