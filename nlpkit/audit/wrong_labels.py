"""Labels that are likely wrong: confident learning (Northcutt et al. 2021, https://arxiv.org/abs/1911.00068)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nlpkit.audit.classifier import MOST_LABELS, Classifier, log_softmax, normalise
from nlpkit.errors import Sentence

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
FOLDS = 5
FEWEST = 2 * FOLDS  # different texts of a label: fewer teach nothing
MOST_TRAINED = 100_000  # texts that a fold learns from
BLOCK = 20_000  # texts that are answered together
HARDLY = 0.05  # probability of a label that is likely wrong, however few the rows
TOLD = 0.05  # share of the labels' entropy that the texts must take away, or they do not tell the labels
TEMPERATURES = np.exp(np.linspace(-2, 2, 81))


@dataclass(frozen=True)
class Suspicion:
    """A row whose label is likely wrong.

    :param label: position of the one that it should have; ``probability`` of it, ``own`` of the one that it has.
    """

    row: int
    label: int
    probability: float
    own: float


@dataclass(frozen=True)
class WrongLabels:
    """Rows whose label is likely wrong, the surest first.

    :param rows: that were judged.
    :param accuracy: share of them that the classifier answers by their own label, from rows that it has not seen.
    :param majority: the same of one who always says the most frequent label.
    :param share: of wrong labels, as the confident joint has it.
    """

    suspicions: list[Suspicion]
    rows: int
    accuracy: float
    majority: float
    share: float


@dataclass(frozen=True)
class CrossValidation:
    """Classifiers of which each has learnt from all rows but those of its fold, and from no copy of them.

    :param rows: that have been answered.
    :param classes: position of their labels.
    :param targets: of each of these rows the position in ``classes`` ``(rows,)``; ``folds`` likewise.
    :param probabilities: of each row by the classifier that has not seen it ``(rows, classes)``.
    """

    rows: Ints
    classes: Ints
    targets: Ints
    folds: Ints
    classifiers: Sequence[Classifier]
    temperature: float
    probabilities: Floats

    def answer(self, rows: Ints, texts: Sequence[str]) -> Floats:
        """Return probabilities ``(rows, classes)`` of rows that hold other texts now.

        :param rows: some of ``self.rows``.
        """
        folds = self.folds[np.searchsorted(self.rows, rows)]
        plain = normalise(texts)
        logits = np.zeros((len(rows), len(self.classes)))
        for fold in np.unique(folds).tolist():
            inside = np.flatnonzero(folds == fold)
            logits[inside] = self.classifiers[fold].logits([plain[at] for at in inside.tolist()])
        return np.exp(log_softmax(logits / self.temperature))


def cross_validate(
    texts: Sequence[str],
    labels: Ints,
    clusters: Ints,
    *,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> CrossValidation | Sentence:
    """Answer each row by a classifier that has not seen it, nor a copy of it; or say why nobody can.

    :param labels: position of each row's label ``(rows,)``; -1: none.
    :param clusters: the same number for rows that are copies ``(rows,)``.
    """
    rows, classes = _choose(labels, clusters)
    if len(classes) < 2:
        return Sentence("fewer than two labels have {fewest} different texts each", fewest=FEWEST)
    if len(classes) > MOST_LABELS:
        return Sentence("there are {labels:,} labels, {most} are the most", labels=len(classes), most=MOST_LABELS)
    targets, folds = np.searchsorted(classes, labels[rows]), _deal(clusters[rows], seed)
    plain = normalise([texts[row] for row in rows.tolist()])
    logits, classifiers = _train(plain, targets, folds, len(classes), seed, progress)
    temperature = _find_temperature(logits, targets)
    logs = log_softmax(logits / temperature)
    shares = np.bincount(targets) / len(targets)
    if -logs[np.arange(len(targets)), targets].mean() > (TOLD - 1) * float((shares * np.log(shares)).sum()):
        return Sentence(
            "the texts do not tell their labels: a classifier is right on {accuracy:.1%} of the rows that it has not "
            "seen, and who always says the most frequent label on {majority:.1%}",
            accuracy=float((logs.argmax(1) == targets).mean()),
            majority=float(shares.max()),
        )
    return CrossValidation(rows, classes, targets, folds, classifiers, temperature, np.exp(logs))


def _choose(labels: Ints, clusters: Ints) -> tuple[Ints, Ints]:
    """Choose the rows of all labels with enough different texts, and these labels."""
    labelled = np.flatnonzero(labels >= 0)
    pairs = np.unique(np.stack([labels[labelled], clusters[labelled]], axis=1), axis=0)
    classes, counts = np.unique(pairs[:, 0], return_counts=True)
    classes = classes[counts >= FEWEST]
    return labelled[np.isin(labels[labelled], classes)], classes


def _deal(clusters: Ints, seed: int) -> Ints:
    """Deal rows out to folds by chance, copies together."""
    _, owners = np.unique(clusters, return_inverse=True)
    folds = np.arange(owners.max() + 1) % FOLDS
    np.random.default_rng(seed).shuffle(folds)
    return np.asarray(folds[owners])


def _train(
    texts: Sequence[str],
    targets: Ints,
    folds: Ints,
    labels: int,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[Floats, list[Classifier]]:
    """Return logits ``(texts, labels)`` of each text by a classifier of the other folds, and the classifiers."""
    logits = np.zeros((len(texts), labels))
    rng = np.random.default_rng(seed)
    classifiers = []
    for fold in range(FOLDS):
        if progress:
            progress(fold, FOLDS)
        train, rest = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if len(train) > MOST_TRAINED:
            train = np.sort(rng.choice(train, MOST_TRAINED, replace=False))
        classifiers.append(Classifier.fit([texts[row] for row in train.tolist()], targets[train], labels))
        for at in range(0, len(rest), BLOCK):
            block = rest[at : at + BLOCK]
            logits[block] = classifiers[-1].logits([texts[row] for row in block.tolist()])
    return logits, classifiers


def _find_temperature(logits: Floats, targets: Ints) -> float:
    """Find the temperature with the least cross entropy (Guo et al. 2017)."""
    rows = np.arange(len(targets))
    losses = [-log_softmax(logits / temperature)[rows, targets].sum() for temperature in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def find_wrong_labels(validated: CrossValidation) -> WrongLabels:
    """Find rows whose label is likely wrong, those with the largest margin first.

    The confident joint counts a row as one of a label if its probability is at least the mean of those that have the
    label; of several such labels, as one of the most probable. It says how many rows of each label should have each
    other, and so many are taken, those with the largest margin (the paper's "prune by noise rate"); and all whose own
    label has hardly any probability.
    """
    probabilities, targets = validated.probabilities, validated.targets
    rows, counts = np.arange(len(targets)), np.bincount(targets)
    rates = _estimate_rates(probabilities, targets)
    own, other = probabilities[rows, targets], probabilities.argmax(1)
    margins = own - probabilities[rows, other]
    wrong = [np.flatnonzero(own < HARDLY)]
    for label, to in zip(*np.nonzero(rates), strict=True):
        of = np.flatnonzero((targets == label) & (other == to)) if label != to else rows[:0]
        wrong.append(of[np.argsort(margins[of], kind="stable")][: round(rates[label, to] * counts[label])])
    chosen = np.unique(np.concatenate(wrong))
    chosen = chosen[np.argsort(margins[chosen], kind="stable")]
    likely = probabilities[chosen, other[chosen]]
    facts = zip(validated.rows[chosen], validated.classes[other[chosen]], likely, own[chosen], strict=True)
    return WrongLabels(
        [Suspicion(int(row), int(label), float(best), float(given)) for row, label, best, given in facts],
        len(targets),
        float((other == targets).mean()),
        float(counts.max() / counts.sum()),
        float((counts * (1 - np.diag(rates))).sum() / counts.sum()),
    )


def _estimate_rates(probabilities: Floats, targets: Ints) -> Floats:
    """Return which share of the rows of each label should have each label ``(labels, labels)``."""
    labels = probabilities.shape[1]
    thresholds = np.array([probabilities[targets == label, label].mean() for label in range(labels)])
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    counted = confident.max(1) >= 0
    cells = targets[counted] * labels + confident[counted].argmax(1)
    joint = np.bincount(cells, minlength=labels**2).reshape(labels, labels).astype(np.float64)
    empty = joint.sum(1) == 0
    joint[empty, np.flatnonzero(empty)] = 1.0  # of a label of which nothing is sure, nothing is said
    return np.asarray(joint / joint.sum(1, keepdims=True))
