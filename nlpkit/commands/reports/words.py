"""Which words stand in the rows of a label more than elsewhere."""

from __future__ import annotations

from collections import Counter
from math import log, sqrt
from typing import NamedTuple

LEAST_ROWS = 3  # that hold a word
LEAST_Z = 1.96  # standard errors from nothing
PRIOR = 10  # rows that are thought to hold words as all rows together do


class Word(NamedTuple):
    """A word, the rows of both kinds that hold it, and how much more likely it is in the first, in standard errors."""

    word: str
    rows: int
    others: int
    z: float


def compare_words(first: Counter[str], second: Counter[str], *, rows: int, others: int, most: int = 12) -> list[Word]:
    """Return the words that stand in the first rows more than in the second, the surest first.

    Log odds with a prior that holds all rows together (Monroe, Colaresi and Quinn 2008, "Fightin' Words",
    https://doi.org/10.1093/pan/mpn018), so that neither rare words nor words that are frequent anyway come out on top.

    :param first: how many of ``rows`` hold each word; ``second``: of ``others``.
    """
    if not rows or not others:
        return []
    compared = []
    for word, hits in first.items():
        misses = second[word]
        if hits + misses < LEAST_ROWS:
            continue
        share = (hits + misses + 0.5) / (rows + others + 1)  # never nothing, nor all
        with_word, without = PRIOR * share, PRIOR * (1 - share)
        odds = log((hits + with_word) / (rows - hits + without)) - log(
            (misses + with_word) / (others - misses + without)
        )
        z = odds / sqrt(1 / (hits + with_word) + 1 / (misses + with_word))
        if z >= LEAST_Z:
            compared.append(Word(word, hits, misses, z))
    return sorted(compared, key=lambda word: (-word.z, word.word))[:most]
