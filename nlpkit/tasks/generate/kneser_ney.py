"""N-grams of tokens by modified Kneser-Ney smoothing, as the tables that `NgramMember` reads.

Chen and Goodman 1999 (https://doi.org/10.1006/csla.1999.0128), interpolated, stored for back-off: an n-gram that is
kept has its probability; what a context leaves goes to the other tokens as by the context without its first token.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nlpkit.tasks.generate.ngrams import BITS, MOST_IDS, encode_probabilities
from nlpkit.tasks.generate.settings import NgramSettings
from nlpkit.text.vocabulary import Ints

Floats = NDArray[np.float64]


class _Level(NamedTuple):
    """The n-grams of one length, sorted by the one they begin with, then by their last token.

    :param prefixes: the position of what each begins with among the n-grams one shorter ``(n,)``.
    :param last: the last token of each ``(n,)``.
    :param counts: how often each was seen ``(n,)``.
    :param places: a place in the text where each begins ``(n,)``.
    :param at: which n-gram begins at each place of the text, as far as it is long enough.
    """

    prefixes: Ints
    last: Ints
    counts: Ints
    places: Ints
    at: Ints


def count_ngrams(ids: NDArray[Any], size: int, settings: NgramSettings) -> dict[str, NDArray[Any]]:
    """Count the n-grams of a text, smooth and prune them.

    Memory is some 190 bytes a token.

    :param ids: of the tokens ``(total,)``, below ``size``.
    :raises ValueError: if there are more ids than two bytes can number.
    """
    if size > MOST_IDS:
        raise ValueError(f"n-grams want at most {MOST_IDS} ids, found: {size}")
    levels = _count_levels(np.asarray(ids, dtype=np.int64), size, settings.order)
    probabilities = _smooth(levels, size)
    keeps = [level.counts >= (settings.min_count if n > 2 else 1) for n, level in enumerate(levels, 1)]
    arrays: dict[str, NDArray[Any]] = {"1.probabilities": encode_probabilities(probabilities[0])}
    new_place = np.arange(size)
    for n in range(2, len(levels) + 1):
        level, chosen = levels[n - 1], keeps[n - 1]
        below = probabilities[n - 2][_find_suffixes(levels, n)]
        prefixes = new_place[level.prefixes[chosen]]
        size_before = int(new_place.max()) + 1
        sums = np.bincount(prefixes, probabilities[n - 1][chosen], size_before)
        shared = np.bincount(prefixes, below[chosen], size_before)
        left = np.clip(1 - sums, 1e-9, 1) / np.clip(1 - shared, 1e-9, 1)
        successors = np.bincount(prefixes, minlength=size_before)
        arrays[f"{n}.last"] = level.last[chosen].astype(np.uint16)
        arrays[f"{n}.probabilities"] = encode_probabilities(probabilities[n - 1][chosen])
        arrays[f"{n}.successors"] = successors.astype(np.min_scalar_type(int(successors.max(initial=0))))
        arrays[f"{n}.left"] = encode_probabilities(left)
        new_place = np.cumsum(chosen) - 1
    return arrays


def _count_levels(ids: Ints, size: int, order: int) -> list[_Level]:
    """Return all n-grams of up to ``order`` tokens that the text holds."""
    occurrences = np.bincount(ids, minlength=size)
    levels = [_Level(np.zeros(size, np.int64), np.arange(size), occurrences, np.zeros(size, np.int64), ids)]
    for n in range(2, order + 1):
        if len(ids) < n:
            break
        keys = levels[-1].at[: len(ids) - n + 1].astype(np.int64) << BITS | ids[n - 1 :]
        grams, places, at, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        parts = (grams >> BITS, grams & (MOST_IDS - 1), counts, places, at)
        levels.append(_Level(*(part.astype(np.int32) for part in parts)))
    return levels


def _find_suffixes(levels: list[_Level], n: int) -> Ints:
    """Return the position of what each n-gram ends in among those one shorter."""
    return np.asarray(levels[n - 2].at[levels[n - 1].places + 1])


def _smooth(levels: list[_Level], size: int) -> list[Floats]:
    """Smooth the probability of each n-gram's last token given those before it, for each length."""
    probabilities: list[Floats] = []
    for n, level in enumerate(levels, 1):
        counts = level.counts
        if n < len(levels):  # how many tokens stand before it, not how often it stands
            counts = np.bincount(_find_suffixes(levels, n + 1), minlength=len(counts))
        discounts = _estimate_discounts(counts)[np.minimum(counts, 3)]
        totals, shares = np.bincount(level.prefixes, counts), np.bincount(level.prefixes, discounts)
        shared = np.where(totals > 0, shares / np.maximum(totals, 1), 1.0)  # a context before which nothing stands
        below = 1 / size if n == 1 else probabilities[-1][_find_suffixes(levels, n)]
        own = np.maximum(counts - discounts, 0) / np.maximum(totals, 1)[level.prefixes]
        probabilities.append(own + shared[level.prefixes] * below)
    return probabilities


def _estimate_discounts(counts: Ints) -> Floats:
    """Return what is taken off a count of 0, 1, 2, or 3 and more."""
    n = np.bincount(np.minimum(counts, 5), minlength=6).astype(np.float64)
    if not n[1]:
        return np.zeros(4)
    y = n[1] / (n[1] + 2 * n[2])
    discounts = [k - (k + 1) * y * n[k + 1] / n[k] if n[k] else 0.0 for k in (1, 2, 3)]
    return np.asarray(np.clip([0.0, *discounts], 0, [0, 1, 2, 3]))
