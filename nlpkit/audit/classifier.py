"""A linear classifier of texts by the characters in them, which needs numpy alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nlpkit.audit.copies import mix
from nlpkit.text.characters import Characters
from nlpkit.text.normalisation import Normaliser

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
ORDER = 3  # characters of the longest n-gram
BITS = 20  # of the hash of an n-gram, fewer where there are many labels
MOST_WEIGHTS = 21  # binary logarithm
MOST_LABELS = 128
FEWEST = 2  # training texts that hold an n-gram
LONGEST = 2000  # characters of a text that are read
STRENGTH = 5.0  # of the rows against weights of 0
STEPS, MEMORY = 20, 8  # of the descent
CLOSE = 1e-2  # share of the first gradient at which it ends
ENOUGH = 1e-4  # share of what the gradient promises that a step must bring (Armijo 1966)


@dataclass(frozen=True)
class Features:
    """Which n-grams texts hold, and what each counts.

    :param ids: of all n-grams, text by text ``(total,)``; ``values`` likewise.
    :param rows: the text of each ``(total,)``, ascending.
    """

    ids: Ints
    values: NDArray[np.float32]
    rows: Ints
    texts: int

    def sums(self, weights: Floats) -> Floats:
        """Add up the weights ``(ids,)`` of each text ``(texts,)``."""
        return np.asarray(
            np.bincount(self.rows, self.values * weights.take(self.ids), minlength=self.texts), np.float64
        )

    def spread(self, errors: Floats, size: int) -> Floats:
        """Add up for each id ``(size,)`` the errors ``(texts,)`` of the texts that hold it."""
        return np.asarray(np.bincount(self.ids, self.values * errors.take(self.rows), minlength=size), np.float64)


@dataclass(frozen=True)
class Ngrams:
    """The n-grams of one to `ORDER` characters that count, each by how rare it is.

    :param rarity: of each hash ``(2 ** bits,)``: its inverse document frequency, 0 if it does not count.
    """

    bits: int
    rarity: NDArray[np.float32]

    @classmethod
    def fit(cls, texts: Sequence[str], bits: int) -> Self:
        """Count those of normalised texts."""
        ids, _ = _hash_ngrams(texts, bits)
        counts = np.bincount(ids, minlength=1 << bits)
        rarity = np.log(max(len(texts), 1) / np.maximum(counts, 1)) + 1
        return cls(bits, np.where(counts >= FEWEST, np.maximum(rarity, 0.1), 0).astype(np.float32))

    def __call__(self, texts: Sequence[str]) -> Features:
        """Return the features of normalised texts, each of length 1."""
        ids, rows = _hash_ngrams(texts, self.bits)
        values = self.rarity[ids]
        ids, rows, values = ids[values > 0], rows[values > 0], values[values > 0]
        lengths = np.sqrt(np.bincount(rows, np.square(values), minlength=len(texts)))
        return Features(ids, (values / lengths[rows]).astype(np.float32), rows, len(texts))


def normalise(texts: Sequence[str]) -> list[str]:
    """Return the texts as the classifier reads them."""
    return Normaliser().batch([text[:LONGEST] for text in texts])


def _hash_ngrams(texts: Sequence[str], bits: int) -> tuple[Ints, Ints]:
    """Hash the n-grams of each text, each once ``(total,)``, text by text; return the text of each, too."""
    characters = Characters.of(texts)
    codes = characters.codes.astype(np.uint64)
    rows = np.repeat(np.arange(len(texts)), characters.lengths)
    left = characters.ends[rows] - np.arange(len(codes))  # characters up to the end of the text
    pairs, runs = [], np.zeros(len(codes), dtype=np.uint64)
    for order in range(1, min(ORDER, max(len(codes), 1)) + 1):
        runs = (runs[: len(codes) - order + 1] << np.uint64(21)) | codes[order - 1 :]
        whole = left[: len(runs)] >= order
        ids = (mix(runs[whole] + np.uint64(order)) >> np.uint64(64 - bits)).astype(np.int64)
        pairs.append(rows[: len(runs)][whole] << bits | ids)
    both = np.sort(np.concatenate(pairs))
    both = both[np.diff(both, prepend=-1) > 0]
    return both & (1 << bits) - 1, both >> bits


@dataclass(frozen=True)
class Classifier:
    """Multinomial logistic regression on n-grams.

    :param weights: ``(labels, hashes)``, ``biases`` ``(labels,)``.
    """

    ngrams: Ngrams
    weights: Floats
    biases: Floats

    @classmethod
    def fit(cls, texts: Sequence[str], targets: Ints, labels: int) -> Self:
        """Learn the label of each normalised text.

        :param targets: positions of labels ``(texts,)``.
        :param labels: at most `MOST_LABELS`.
        """
        columns = 1 if labels == 2 else labels  # of two labels one is known by the other
        ngrams = Ngrams.fit(texts, min(BITS, MOST_WEIGHTS - (columns - 1).bit_length()))
        features = ngrams(texts)
        used = np.flatnonzero(np.bincount(features.ids, minlength=1))  # most hashes stand nowhere
        features = replace(features, ids=np.searchsorted(used, features.ids))
        loss = _make_loss(features, targets, labels, (columns, len(used) + 1))
        solution = _descend(loss, np.zeros(columns * (len(used) + 1))).reshape(columns, -1)
        weights, biases = np.zeros((labels, 1 << ngrams.bits)), np.zeros(labels)
        weights[-columns:, used], biases[-columns:] = solution[:, :-1], solution[:, -1]
        return cls(ngrams, weights, biases)

    def logits(self, texts: Sequence[str]) -> Floats:
        """Return the logits of normalised texts ``(texts, labels)``."""
        features = self.ngrams(texts)
        return np.stack([features.sums(row) for row in self.weights], axis=1) + self.biases


def _make_loss(
    features: Features, targets: Ints, labels: int, shape: tuple[int, int]
) -> Callable[[Floats], tuple[float, Floats]]:
    """Make a function of all weights that returns the loss and its gradient.

    :param shape: of the weights: the last labels, the n-grams and the bias.
    """
    columns, rows = range(labels - shape[0], labels), np.arange(len(targets))

    def loss(solution: Floats) -> tuple[float, Floats]:
        table = solution.reshape(shape)
        logits = np.zeros((len(targets), labels))
        for column, weights in zip(columns, table, strict=True):
            logits[:, column] = features.sums(weights[:-1]) + weights[-1]
        logs = log_softmax(logits)
        errors = np.exp(logs)
        errors[rows, targets] -= 1
        gradient = table / STRENGTH
        gradient[:, -1] = 0
        for column, part in zip(columns, gradient, strict=True):
            part[:-1] += features.spread(errors[:, column], shape[1] - 1)
            part[-1] = errors[:, column].sum()
        prior = float(np.square(table[:, :-1]).sum()) / (2 * STRENGTH)
        return prior - float(logs[rows, targets].sum()), gradient.ravel()

    return loss


def log_softmax(logits: Floats) -> Floats:
    """Return log probabilities ``(rows, labels)``."""
    logits = logits - logits.max(1, keepdims=True)
    return np.asarray(logits - np.log(np.exp(logits).sum(1, keepdims=True)))


def _descend(loss: Callable[[Floats], tuple[float, Floats]], solution: Floats) -> Floats:
    """Minimise a smooth function by L-BFGS (Nocedal & Wright 2006, algorithm 7.5)."""
    value, gradient = loss(solution)
    first = float(np.linalg.norm(gradient))
    past: list[tuple[Floats, Floats]] = []  # steps, and what they did to the gradient
    for _ in range(STEPS):
        if np.linalg.norm(gradient) <= CLOSE * first:
            break
        direction = _direct(gradient, past)
        slope, size = float(gradient @ direction), 1.0
        while size > 1e-6:
            step = -size * direction
            new_value, new_gradient = loss(solution + step)
            if new_value <= value - ENOUGH * size * slope:
                break
            size /= 2
        else:
            break
        if step @ (new_gradient - gradient) > 0:
            past = [*past[1 - MEMORY :], (step, new_gradient - gradient)]
        solution, value, gradient = solution + step, new_value, new_gradient
    return solution


def _direct(gradient: Floats, past: Sequence[tuple[Floats, Floats]]) -> Floats:
    """Multiply a gradient by the inverse of the curvature, as past steps show it (algorithm 7.4)."""
    direction, shares = gradient.copy(), []
    for step, change in reversed(past):
        shares.append(float(step @ direction) / float(change @ step))
        direction -= shares[-1] * change
    if past:
        step, change = past[-1]
        direction *= float(step @ change) / float(change @ change)
    else:
        direction /= max(1.0, float(np.linalg.norm(gradient)))
    for (step, change), share in zip(past, reversed(shares), strict=True):
        direction += step * (share - float(change @ direction) / float(change @ step))
    return direction
