"""What comes next by n-grams with back-off: a tree of tables, numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpkit.model.members import Arrays, array_of
from nlpkit.tasks.generate.writing import Chances, Logits, State
from nlpkit.text.vocabulary import UNKNOWN, Ints, TableVocabulary

BITS = 16
MOST_IDS = 1 << BITS  # an id takes two bytes
LONGEST = 8  # tokens of an n-gram
RANGE = 25.5  # bits: a probability is stored as its logarithm, in a byte
NOWHERE = -1  # the place of an n-gram that is not in the tables


class NgramMember:
    """N-grams as a member of a model that generates.

    Its state are the places in the tables of the last tokens: of the last one, of the last two, ….

    :param arrays: what `nlpkit.tasks.generate.kneser_ney.count_ngrams` made.
    :raises ValueError: if these do not fit each other or the vocabulary.
    """

    def __init__(self, arrays: Arrays, vocabulary: TableVocabulary) -> None:
        self.axes: Sequence[int] = [0]
        self._size = len(vocabulary)
        first = decode_probabilities(array_of(arrays, "1.probabilities"))
        if first.shape != (self._size,):
            raise ValueError(f"probabilities of {len(first)} ids for a vocabulary of {len(vocabulary)}")
        self._probabilities, self._left = [first], list[NDArray[np.float32]]()
        self._last, self._starts, self._keys = list[Ints](), list[Ints](), list[Ints]()
        while f"{len(self._probabilities) + 1}.last" in arrays:
            self._add(arrays, len(self._probabilities) + 1)

    @property
    def order(self) -> int:
        """Tokens of the longest n-gram."""
        return len(self._probabilities)

    def begin(self, batch: int) -> State:
        """Return the state before the first token of so many texts: nothing has been read."""
        return [np.full((batch, self.order - 1), NOWHERE)]

    def read(self, ids: Ints, state: State) -> tuple[Logits, State]:
        """Map ids ``(batch, time)`` to log-probabilities ``(batch, ids - 1)`` of what comes next, and the state."""
        (places,) = state
        for column in ids.T[-max(self.order - 1, 1) :]:  # no place reaches further back
            places = self._next(places, column)
        return np.log(self._following(places)), [places]

    def score(self, ids: Ints, state: State) -> tuple[Chances, State]:
        """Map ids ``(batch, time + 1)`` to the probability of each but the first, given those before it; see `read`.

        The state that comes back is that before the last id.
        """
        (places,) = state
        chances = np.empty((len(ids), ids.shape[1] - 1))
        for time in range(ids.shape[1] - 1):
            places = self._next(places, ids[:, time])
            chances[:, time] = self._chance(places, ids[:, time + 1])
        return chances, [places]

    def _add(self, arrays: Arrays, n: int) -> None:
        """Take in the n-grams of one length."""
        last, successors = array_of(arrays, f"{n}.last").astype(np.int64), array_of(arrays, f"{n}.successors")
        names = (f"{n}.probabilities", f"{n}.left")
        probabilities, left = (decode_probabilities(array_of(arrays, name)) for name in names)
        before = len(self._probabilities[-1])
        starts = np.zeros(before + 1, dtype=np.int64)
        np.cumsum(successors, out=starts[1 : len(successors) + 1])
        starts[len(successors) + 1 :] = starts[len(successors)]
        if starts[-1] != len(last) or len(probabilities) != len(last) or len(left) != len(successors):
            raise ValueError(f"the tables of {n}-grams do not fit each other")
        if len(last) and last.max() >= self._size:
            raise ValueError(f"the {n}-grams hold ids beyond the vocabulary")
        prefixes = np.repeat(np.arange(before), np.diff(starts))
        keys = prefixes << BITS | last
        if len(keys) and (np.diff(keys) <= 0).any():
            raise ValueError(f"the {n}-grams are not in order")
        self._probabilities.append(probabilities)
        self._left.append(np.concatenate([left, np.ones(before - len(left), dtype=np.float32)]))
        self._last.append(last)
        self._starts.append(starts)
        self._keys.append(keys)

    def _next(self, places: Ints, ids: Ints) -> Ints:
        """Return the state behind one more token of each text ``(batch,)``."""
        after = np.empty_like(places)
        after[:, :1] = ids[:, None]
        for n in range(2, self.order):
            after[:, n - 1] = self._find(n, places[:, n - 2], ids)
        return after

    def _find(self, n: int, prefixes: Ints, ids: Ints) -> Ints:
        """Find the n-grams that begin with these and end in these ids ``(batch,)``."""
        table = self._keys[n - 2]
        if not len(table):
            return np.full(len(ids), NOWHERE)
        keys = prefixes << BITS | ids
        places = np.minimum(np.searchsorted(table, keys), len(table) - 1)
        return np.where((prefixes >= 0) & (table[places] == keys), places, NOWHERE)

    def _chance(self, places: Ints, ids: Ints) -> NDArray[np.float64]:
        """Return the probability of one token of each text ``(batch,)``."""
        chances = self._probabilities[0][ids].astype(np.float64)
        for n in range(2, self.order + 1):
            if not len(self._last[n - 2]):  # pruned away, and so are all that are longer
                break
            contexts = places[:, n - 2]
            known = contexts >= 0
            whole = self._find(n, contexts, ids)
            left = np.where(known, self._left[n - 2][np.maximum(contexts, 0)], 1.0)
            chances = np.where(whole >= 0, self._probabilities[n - 1][np.maximum(whole, 0)], left * chances)
        return chances

    def _following(self, places: Ints) -> NDArray[np.float32]:
        """Return probabilities ``(batch, ids - 1)`` of all tokens but padding."""
        chances = np.repeat(self._probabilities[0][None], len(places), 0)
        for n in range(2, self.order + 1):
            last, starts, left = self._last[n - 2], self._starts[n - 2], self._left[n - 2]
            for row, context in enumerate(places[:, n - 2].tolist()):
                if context >= 0:
                    begin, end = starts[context], starts[context + 1]
                    chances[row] *= left[context]
                    chances[row, last[begin:end]] = self._probabilities[n - 1][begin:end]
        return chances[:, UNKNOWN:]


def encode_probabilities(probabilities: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a byte for each: tenths of bits below 1; what lies above 1 is 1."""
    bits = -np.log2(np.maximum(probabilities, 2.0**-RANGE))
    return np.asarray(np.round(np.clip(bits, 0, RANGE) * 10), dtype=np.uint8)


def decode_probabilities(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what `encode_probabilities` was given, to a twentieth of a bit."""
    if codes.dtype != np.uint8 or codes.ndim != 1:
        raise ValueError(f"expected codes of one byte, found {codes.dtype} {codes.shape}")
    return np.exp2(-codes.astype(np.float32) / 10)
