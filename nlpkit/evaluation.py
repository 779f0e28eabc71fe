"""Figures of a classifier on labelled rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlpkit.corpus import Example
from nlpkit.inference.sentiment import Score

BINS = 10


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


def measure(truth: Sequence[str], scores: Sequence[Score], labels: Sequence[str]) -> Metrics:
    """Compare answers with true labels, all of which stand in ``labels``."""
    position = {label: i for i, label in enumerate(labels)}
    confusion = np.zeros((len(labels), len(labels) + 1), dtype=int)
    for true, score in zip(truth, scores, strict=True):
        confusion[position[true], len(labels) if score.label is None else position[score.label]] += 1
    rows, hits = int(confusion.sum()), np.diag(confusion)
    present = confusion.sum(1) > 0
    f1 = 2 * hits / np.maximum(confusion.sum(1) + confusion[:, :-1].sum(0), 1)
    return Metrics(
        rows=rows,
        accuracy=float(hits.sum() / max(rows, 1)),
        macro_f1=float(f1[present].mean()) if present.any() else 0.0,
        calibration_error=_calibration_error(truth, scores),
        unscored=int(confusion[:, -1].sum()),
        labels=tuple(labels),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def groups(examples: Sequence[Example]) -> dict[str, list[int]]:
    """Rows by name: "all", each corpus if there are several, each group; no two are called the same."""
    corpora = dict.fromkeys(e.corpus for e in examples)
    short = Counter(["all", *(Path(corpus).name for corpus in corpora)])
    by_path = {corpus: name if short[name := Path(corpus).name] == 1 else corpus for corpus in corpora}
    names = _apart("corpus", by_path, {"all"}) if len(corpora) > 1 else {}
    called = _apart("group", {e.group: e.group for e in examples if e.group}, {"all", *names.values()})
    found = {"all": list(range(len(examples)))}
    for position, example in enumerate(examples):
        if example.corpus in names:
            found.setdefault(names[example.corpus], []).append(position)
        if example.group:
            found.setdefault(called[example.group], []).append(position)
    return found


def _apart(kind: str, wanted: Mapping[str, str], taken: set[str]) -> dict[str, str]:
    """The name that each key wants or, where that is taken, the same behind what kind of thing it is."""
    called: dict[str, str] = {}
    for key in sorted(wanted, key=lambda key: wanted[key] in taken):  # those that may keep theirs come first
        name = wanted[key]
        while name in taken or name in called.values():
            name = f"{kind} {name}"
        called[key] = name
    return called


def _calibration_error(truth: Sequence[str], scores: Sequence[Score]) -> float:
    pairs = [
        (s.probability, s.label == true) for true, s in zip(truth, scores, strict=True) if s.probability is not None
    ]
    if not pairs:
        return 0.0
    sure, right = np.array([p for p, _ in pairs]), np.array([r for _, r in pairs], dtype=float)
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = np.abs(np.bincount(bins, right, BINS) - np.bincount(bins, sure, BINS))
    return float(gaps.sum() / len(pairs))
