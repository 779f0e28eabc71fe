"""Which words are near a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Self

import numpy as np
from nlpkit import DataError
from nlpkit.text import Normaliser, visible
from numpy.typing import NDArray

from nlpkit_word2vec.files import open_vectors


@dataclass(frozen=True)
class Neighbour:
    """A word, and the cosine of the angle between its vector and that of the word asked for."""

    word: str
    similarity: float


class Neighbours:
    """Words and their vectors ``(words, dim)``."""

    def __init__(self, words: Sequence[str], vectors: NDArray[np.float32], name: str = "the vectors") -> None:
        self._words, self._name = list(words), name
        self._positions = {word: position for position, word in enumerate(self._words)}
        self._vectors = vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        self._directions = vectors / np.where(lengths > 0, lengths, 1)

    @classmethod
    def read(cls, path: str) -> Self:
        """Read a whole file: see `nlpkit_word2vec.files.open_vectors`.

        Of words that have one spelling in texts, the first counts, as in training.

        :raises DataError: if it is at fault, or holds no words.
        """
        found: dict[str, NDArray[np.float32]] = {}
        for word, vector in open_vectors(path).choose(lambda word: word not in found):
            found.setdefault(word, vector)
        words = _drop_repeated(list(found))
        if not words:
            raise DataError("{path} holds no words: expected at least one with its vector", path=path)
        return cls(list(map(visible, words)), np.stack([found[word] for word in words]), path)

    def near(self, word: str, top: int) -> list[Neighbour]:
        """Return the nearest other words, the nearest first.

        :raises DataError: if the word is not known as it stands, nor normalised as texts are.
        """
        at = self._position(word)
        return self._nearest(self._directions[at], top, {at})

    def complete(self, first: str, second: str, third: str, top: int) -> list[Neighbour]:
        """Return words that are to ``third`` as ``second`` is to ``first``, the best first; none of these among them.

        They are near ``second - first + third``, each of length 1 (Mikolov et al. 2013,
        https://aclanthology.org/N13-1090).

        :raises DataError: if one is not known.
        """
        a, b, c = (self._position(word) for word in (first, second, third))
        wanted = self._directions[b] - self._directions[a] + self._directions[c]
        return self._nearest(wanted / max(float(np.linalg.norm(wanted)), 1e-12), top, {a, b, c})

    def similarity(self, one: str, other: str) -> float:
        """Return the cosine of the angle between two words' vectors.

        :raises DataError: if one is not known.
        """
        return float(self._directions[self._position(one)] @ self._directions[self._position(other)])

    def vector(self, word: str) -> NDArray[np.float32]:
        """Return the vector of a word ``(dim,)`` as the file has it.

        :raises DataError: if it is not known.
        """
        vector: NDArray[np.float32] = self._vectors[self._position(word)]
        return vector

    def _nearest(self, direction: NDArray[np.float32], top: int, besides: set[int]) -> list[Neighbour]:
        similarities = self._directions @ direction
        similarities[list(besides)] = -np.inf
        order = np.argsort(-similarities, kind="stable")[: min(top, len(self._words) - len(besides))]
        return [Neighbour(self._words[i], float(similarities[i])) for i in order]

    @cached_property
    def _spelled(self) -> dict[str, int]:
        """The position of the first word of each spelling that texts may have."""
        spellings = Normaliser().batch(self._words)
        return {spelling: position for position, spelling in reversed(list(enumerate(spellings)))}

    def _position(self, word: str) -> int:
        if (at := self._positions.get(word)) is not None:
            return at
        if (at := self._spelled.get(Normaliser()(word))) is not None:
            return at
        akin = [known for known in self._words if not set(word).isdisjoint(known)]  # a comparison with all takes long
        close = get_close_matches(word, akin, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else f" among its {len(self._words):,}"
        raise DataError("{name} has no word {word!r}{hint}", name=self._name, word=word, hint=hint)


def _drop_repeated(words: Sequence[str]) -> list[str]:
    """Drop words that texts could not tell from one before, or that nobody would see."""
    first: dict[str, str] = {}
    for word, spelling in zip(words, Normaliser().batch(words), strict=True):
        if spelling:
            first.setdefault(spelling, word)
    return list(first.values())
