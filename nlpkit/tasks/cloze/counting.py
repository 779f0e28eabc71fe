"""Counts of n-grams from a corpus of any size, as the arrays that `nlpkit.tasks.cloze.counts.CountMember` reads.

What is kept are tables, never the texts: n-grams of three or four words and distant pairs only where they were seen
several times. Counts are stored in a byte each, as one of 256 levels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import SettingError
from nlpkit.model.members import Floats
from nlpkit.tasks.cloze.counts import BOUNDARY, FAR, HIGHEST, LONGEST, MOST_IDS
from nlpkit.text.vocabulary import Ints, TableVocabulary, Tokens

Keys: TypeAlias = NDArray[np.uint64]  # n-grams as numbers of 16 bits a word, the first word highest
BLOCK = 8192  # documents that are counted together
TOGETHER = 1 << 21  # n-grams that are sorted together
HELD = 1 << 23  # different n-grams that are in memory between blocks: 1.2 GB while two blocks are added up
LEVELS = 256  # a code takes one byte
_BITS = np.uint64(16)
_WORD = np.uint64((1 << 16) - 1)


@dataclass(frozen=True)
class CountSettings:
    """Which n-grams are counted and how much each kind of context weighs.

    :param order: words of the longest n-gram, at most 4; 0 means no counts.
    :param min_count: times that an n-gram of three or four words, or a distant pair, must be seen to be kept.
    :param reach: how far off, in tokens, the other word of a distant pair may stand; below 2 none are counted.
    :param escape: how much the shorter context weighs against kept n-grams, 1 as Witten and Bell have it; pruned ones
        want more, as those that were left out count for the shorter context.
    :param near: exponent of what each side says.
    :param far: exponent of what each distant word says.
    :param alpha: exponent of the prior by which the product of both sides is divided.
    :param corpora: what an n-gram of each corpus counts, in their order; one that is left out counts 1.
    :raises SettingError: if a value is out of its range.
    """

    order: int = 4
    min_count: int = 2
    reach: int = 3
    escape: float = 12.0
    near: float = 0.9
    far: float = 0.5
    alpha: float = 0.9
    corpora: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.order <= LONGEST:
            raise SettingError(f"counts.order must be 0 to {LONGEST}, was: {self.order}")
        if self.min_count < 1 or not 0 <= self.reach < 1 << 8:
            raise SettingError(
                f"counts.min_count must be above 0 and counts.reach 0 to 255, were: {self.min_count}, {self.reach}"
            )
        if not (math.isfinite(self.escape) and self.escape > 0):
            raise SettingError(f"counts.escape must be above 0, was: {self.escape}")
        if not all(math.isfinite(weight) and weight > 0 for weight in self.corpora):
            raise SettingError(f"counts.corpora wants weights above 0, was: {list(self.corpora)}")
        if not all(0 <= value <= HIGHEST for value in (self.near, self.far, self.alpha)):
            raise SettingError(
                f"counts.near, far and alpha must be in [0, {HIGHEST}], were: {self.near}, {self.far}, {self.alpha}"
            )


def context_vocabulary(documents: Iterable[Sequence[str]]) -> TableVocabulary:
    """All tokens that are seen twice, as far as two bytes can number them, for `count_ngrams`."""
    return TableVocabulary.count(documents, min_count=2, max_size=MOST_IDS - 2)


def count_ngrams(
    documents: Iterable[Sequence[str]],
    weights: Sequence[float] | None,
    vocabulary: TableVocabulary,
    answers: Sequence[str],
    settings: CountSettings,
) -> dict[str, NDArray[Any]]:
    """Count the n-grams of a corpus, which is gone through once for each length and never held.

    Of a corpus so large that more than `HELD` different n-grams of three or four words, or distant pairs, are at hand
    at a time, the rarest are lost, or counted too low.

    :param documents: tokens of each; can be iterated several times.
    :param weights: what an n-gram of each document counts, above 0; None for 1.
    :param vocabulary: of the contexts, at most 65,536 ids.
    :raises ValueError: if the weights or the vocabulary do not fit.
    """
    if len(vocabulary) > MOST_IDS:
        raise ValueError(f"the contexts of n-grams want at most {MOST_IDS} ids, found: {len(vocabulary)}")
    corpus = _Corpus(documents, weights, vocabulary)
    counted = {"1": _count(corpus, lambda block: block.ngrams(1, None))}
    for order in range(2, settings.order + 1):
        counted[str(order)] = _count_longer(corpus, order, counted[str(order - 1)], settings.min_count)
    if settings.reach > 1:
        distant = _count(corpus, lambda block: block.distant(settings.reach), lossy=True)
        counted[FAR] = distant.seen(settings.min_count)
    return {
        "parameters": np.array([settings.escape, settings.near, settings.far, settings.alpha]),
        "lengths": np.array([settings.order, settings.reach], dtype=np.uint8),
        "unigrams": _unigrams(counted["1"], vocabulary, answers),
        **_tables(counted, len(vocabulary)),
    }


class _Counted(NamedTuple):
    """Distinct n-grams in order, how often each was seen, and how much that weighs."""

    keys: Keys
    counts: Ints
    weights: Floats

    @classmethod
    def sum(cls, parts: Sequence[_Counted]) -> _Counted:
        """Add up what several parts say of the same n-grams."""
        keys, counts, weights = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        distinct, places = np.unique(keys, return_inverse=True)
        size = len(distinct)
        seen = np.bincount(places, counts, size).astype(np.int64)
        return cls(distinct, seen, np.bincount(places, weights, size).astype(np.float64))

    def seen(self, times: int) -> _Counted:
        """What was seen so many times."""
        kept = self.counts >= times
        return _Counted(self.keys[kept], self.counts[kept], self.weights[kept])


@dataclass(frozen=True)
class _Block:
    """Some documents in a row: a boundary, the ids of one, a boundary, … at last a boundary.

    :param ids: ``(total,)``.
    :param documents: the document of each id, a boundary's is the one after it ``(total,)``.
    :param weights: of each id ``(total,)``.
    """

    ids: Keys
    documents: Ints
    weights: Floats

    def ngrams(self, n: int, shorter: Keys | None) -> _Counted:
        """N-grams within a document, boundaries only at their ends.

        :param shorter: the n-grams one shorter of which they must be made; None for all.
        """
        total = max(len(self.ids) - n + 1, 0)
        columns = [self.ids[at : at + total] for at in range(n)]
        keys = columns[0].copy()
        for column in columns[1:]:
            keys = keys << _BITS | column
        kept = keys != BOUNDARY
        for column in columns[1:-1]:
            kept &= column != BOUNDARY
        if shorter is not None:
            tail = np.uint64((1 << 16 * (n - 1)) - 1)
            kept &= _among(keys >> _BITS, shorter) & _among(keys & tail, shorter)
        return self._counted(keys[kept], self.weights[:total][kept])

    def distant(self, reach: int) -> _Counted:
        """Pairs of words with one to ``reach - 1`` words between them."""
        parts = [self._pairs(distance) for distance in range(2, reach + 1)]
        return _Counted.sum(parts)

    def _pairs(self, distance: int) -> _Counted:
        total = max(len(self.ids) - distance, 0)
        first, second = self.ids[:total], self.ids[distance:]
        kept = (first != BOUNDARY) & (second != BOUNDARY) & (self.documents[:total] == self.documents[distance:])
        return self._counted((first << _BITS | second)[kept], self.weights[:total][kept])

    @staticmethod
    def _counted(keys: Keys, weights: Floats) -> _Counted:
        return _Counted(keys, np.ones(len(keys), dtype=np.int64), weights)


class _Corpus:
    """The documents as blocks of ids, as often as they are asked for."""

    def __init__(
        self, documents: Iterable[Sequence[str]], weights: Sequence[float] | None, vocabulary: TableVocabulary
    ) -> None:
        if weights is not None and not all(0 < weight < math.inf for weight in weights):
            raise ValueError("the weights of documents must be above 0")
        self._documents, self._weights, self._vocabulary = documents, weights, vocabulary

    def __iter__(self) -> Iterator[_Block]:
        weighted = itertools.repeat(1.0) if self._weights is None else self._weights
        pairs = zip(self._documents, weighted, strict=self._weights is not None)
        while batch := list(itertools.islice(pairs, BLOCK)):
            documents, weights = zip(*batch, strict=True)
            yield self._block(documents, np.array(weights, dtype=np.float64))

    def _block(self, documents: Sequence[Sequence[str]], weights: Floats) -> _Block:
        found = self._vocabulary.encode(Tokens.of(documents))
        lengths = np.diff(found.starts) + 1
        ids = np.insert(found.grid[0].astype(np.uint64), found.starts, BOUNDARY)
        owners = np.repeat(np.arange(len(documents)), lengths)
        owners = np.append(owners, len(documents))
        return _Block(ids, owners, np.append(weights, 1.0)[owners])


def _count(corpus: _Corpus, ngrams: Callable[[_Block], _Counted], *, lossy: bool = False) -> _Counted:
    """Add up the n-grams of all blocks, those at hand together with the sum once they are as many.

    :param lossy: let the rarest so far go each time that there are `HELD`, in the manner of Manku and Motwani 2002
        (https://www.vldb.org/conf/2002/S10P03.pdf), until half as many are left.
    """
    total, waiting = _Counted(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0)), list[_Counted]()
    for block in corpus:
        waiting.append(ngrams(block))
        if sum(len(part.keys) for part in waiting) > max(len(total.keys), TOGETHER):
            total, waiting = _Counted.sum([total, *waiting]), []
            if lossy and len(total.keys) > HELD:
                total = total.seen(1 + int(np.partition(total.counts, -HELD // 2)[-HELD // 2]))
    return _Counted.sum([total, *waiting])


def _count_longer(corpus: _Corpus, order: int, shorter: _Counted, min_count: int) -> _Counted:
    """N-grams of an order; frequent ones are made of frequent ones (Agrawal & Srikant 1994): others are not held."""
    if order == 2:  # pairs are kept, however rare: no context of one word may do without
        return _count(corpus, lambda block: block.ngrams(2, None))
    frequent = shorter.seen(min_count).keys
    return _count(corpus, lambda block: block.ngrams(order, frequent), lossy=True).seen(min_count)


def _among(keys: Keys, known: Keys) -> NDArray[np.bool_]:
    """Which keys are among some that are sorted."""
    if not len(known):
        return np.zeros(len(keys), dtype=np.bool_)
    places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.asarray(known[places] == keys)


def _unigrams(counted: _Counted, vocabulary: TableVocabulary, answers: Sequence[str]) -> NDArray[np.float32]:
    """The weight of each answer ``(answers,)``, 0 for one that is no context."""
    by_id = np.zeros(len(vocabulary), dtype=np.float32)
    by_id[counted.keys.astype(np.int64)] = counted.weights
    by_id[:2] = 0  # neither a boundary nor an unknown word is an answer
    return np.asarray(by_id[vocabulary.encode(Tokens.of([answers])).grid[0]])


def _tables(counted: dict[str, _Counted], size: int) -> dict[str, NDArray[Any]]:
    """Columns of the tables: each n-gram's last word, the code of its weight, and where the words before it stand."""
    tables = {name: found for name, found in counted.items() if name != "1"}
    levels = _levels(np.concatenate([np.zeros(0), *(found.weights for found in tables.values())]))
    middles = np.sqrt(levels[:-1] * levels[1:])
    arrays: dict[str, NDArray[Any]] = {"levels": levels.astype(np.float32)}
    for name, found in tables.items():
        arrays[f"{name}.words"] = (found.keys & _WORD).astype(np.uint16)
        arrays[f"{name}.codes"] = np.searchsorted(middles, found.weights).astype(np.uint8)
        firsts = found.keys >> _BITS
        if name in (FAR, "2"):
            arrays[f"{name}.successors"] = _narrow(np.bincount(firsts.astype(np.int64), minlength=size))
        else:
            parents = np.searchsorted(counted[str(int(name) - 1)].keys, firsts)
            arrays[f"{name}.steps"] = _narrow(np.diff(parents, prepend=0))
    return arrays


def _levels(weights: Floats) -> Floats:
    """All weights if they are few, else such as keep the same relative distance, here about 2%."""
    distinct = np.unique(weights)
    return distinct if len(distinct) <= LEVELS else np.geomspace(distinct[0], distinct[-1], LEVELS)


def _narrow(values: Ints) -> NDArray[Any]:
    """The same numbers in as few bytes as the largest needs."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))
