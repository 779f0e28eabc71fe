"""Tokens to ids: a table of tokens, or a hash of token n-grams. Both take a whole batch at once."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
PAD, UNKNOWN = 0, 1
_PRIME = 0x01000193  # FNV-1a, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv/), over code points
_OFFSET = 0x811C9DC5
_STEP = np.uint32(0x9E3779B1)  # a prime near 2**32 over the golden ratio (Knuth, TAOCP 3, 6.4)
_BEGIN, _END = np.uint32(0x5BD1E995), np.uint32(0x1B873593)
_ALL = (1 << 32) - 1


@dataclass(frozen=True)
class Tokens:
    """The tokens of a batch as one flat run; document ``i`` is ``units[starts[i]:starts[i + 1]]``.

    ``units`` is a list of strings or, where every token is one character, an array of code points (uint32).
    """

    units: Sequence[str] | NDArray[np.uint32]
    starts: Ints  # (batch + 1,)

    @classmethod
    def of(cls, documents: Sequence[Sequence[str]]) -> Tokens:
        """Flatten lists of tokens."""
        starts = np.zeros(len(documents) + 1, dtype=np.int64)
        np.cumsum([len(document) for document in documents], out=starts[1:])
        return cls([token for document in documents for token in document], starts)

    def lists(self) -> list[list[str]]:
        """Return one list of strings a document."""
        units = self.units if not isinstance(self.units, np.ndarray) else [chr(c) for c in self.units.tolist()]
        bounds = self.starts.tolist()
        return [list(units[a:b]) for a, b in itertools.pairwise(bounds)]


@dataclass(frozen=True)
class Ids:
    """The ids of a batch: at each token those of what begins there, a row of the grid for each length of n-gram.

    :param grid: ``(kinds, total)``, `PAD` where nothing begins; document ``i`` has columns ``starts[i]:starts[i + 1]``.
    :param starts: ``(size + 1,)``.
    """

    grid: NDArray[np.int32]
    starts: Ints

    @classmethod
    def of(cls, rows: Sequence[NDArray[np.int32]]) -> Ids:
        """Flatten one array of ids a document."""
        starts = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=starts[1:])
        return cls(np.concatenate(rows or [np.zeros(0, dtype=np.int32)])[None, :], starts)

    @property
    def size(self) -> int:
        """Documents in the batch."""
        return len(self.starts) - 1

    @property
    def counts(self) -> Ints:
        """Ids in each document ``(size,)``."""
        return self.sums((self.grid != PAD).sum(0, dtype=np.int64))

    def sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """Add up values ``(total,)`` within each document ``(size,)``, whatever stands in the others."""
        result = np.zeros(self.size, dtype=values.dtype)
        filled = np.diff(self.starts) > 0
        if filled.any():
            result[filled] = np.add.reduceat(values, self.starts[:-1][filled])
        return result

    def rows(self) -> list[NDArray[np.int32]]:
        """Return one array of ids a document, the shorter n-grams first."""
        bounds = self.starts.tolist()
        parts = (self.grid[:, a:b] for a, b in itertools.pairwise(bounds))
        return [part[part != PAD] for part in parts]

    def truncated(self, length: int) -> Ids:
        """Cut each document to its first and last ``length / 2`` ids (Sun et al. 2019, https://arxiv.org/abs/1905.05583)."""
        if self.counts.max(initial=0) <= length:
            return self
        head, tail = length - length // 2, length // 2
        return Ids.of([r if len(r) <= length else np.concatenate([r[:head], r[len(r) - tail :]]) for r in self.rows()])

    def padded(self) -> tuple[Ints, NDArray[np.bool_]]:
        """Pad ids ``(size, longest)`` on the right with `PAD`, and mask them, true at ids. One column at least."""
        dense = self if len(self.grid) == 1 and self.grid.all() else Ids.of(self.rows())
        lengths = np.diff(dense.starts)
        mask = np.arange(max(1, lengths.max(initial=0))) < lengths[:, None]
        ids = np.full(mask.shape, PAD, dtype=np.int64)
        ids[mask] = dense.grid[0]
        return ids, mask


class TableVocabulary:
    """A list of tokens; ids 0 and 1 are padding and unknown.

    :param tokens: the known tokens, without the two special ones, in the order of their ids.
    :param suffixes: an unknown token has the id of its longest known suffix: what a Chinese word is stands at its end.
    """

    kind: ClassVar[str] = "table"
    low: ClassVar[int] = 1
    marks: ClassVar[bool] = False

    def __init__(self, tokens: Sequence[str], *, suffixes: bool = False) -> None:
        self.tokens, self.suffixes = list(tokens), suffixes
        self._ids = {token: position for position, token in enumerate(self.tokens, start=2)}
        self._by_code: NDArray[np.int32] | None = None

    @classmethod
    def count(
        cls, documents: Iterable[Sequence[str]], *, min_count: int, max_size: int, suffixes: bool = False
    ) -> TableVocabulary:
        """Keep the most frequent tokens, at most ``max_size``, each seen ``min_count`` times; ties by the token.

        Documents that know how often each token stands in them may say so by ``counts()``, a mapping; others are gone
        through once, and never held.
        """
        seen = documents.counts() if hasattr(documents, "counts") else Counter(itertools.chain.from_iterable(documents))
        ranked = sorted(
            ((token, n) for token, n in seen.items() if n >= min_count), key=lambda item: (-item[1], item[0])
        )
        return cls([token for token, _ in ranked[:max_size]], suffixes=suffixes)

    def __len__(self) -> int:
        return len(self.tokens) + 2

    def encode(self, tokens: Tokens) -> Ids:
        """Map each token to its id, or to that of what it ends in, or to `UNKNOWN`."""
        if isinstance(tokens.units, np.ndarray):
            table = self._characters()
            flat = table[np.minimum(tokens.units, len(table) - 1)]
        else:
            ids = map(self._ids.get, tokens.units, itertools.repeat(UNKNOWN))
            flat = np.fromiter(ids, np.int32, len(tokens.units))
            if self.suffixes:
                for at in np.flatnonzero(flat == UNKNOWN).tolist():
                    flat[at] = self._suffix(tokens.units[at])
        return Ids(flat[None, :], tokens.starts)

    def to_json(self) -> dict[str, Any]:
        """Return everything needed to make an equal one."""
        return {"kind": self.kind, "tokens": self.tokens} | ({"suffixes": True} if self.suffixes else {})

    def _suffix(self, token: str) -> int:
        known = (self._ids[token[at:]] for at in range(1, len(token)) if token[at:] in self._ids)
        return next(known, UNKNOWN)

    def _characters(self) -> NDArray[np.int32]:
        """Ids by code point, the last entry for all that lie beyond."""
        if self._by_code is None:
            known = {ord(token): i for token, i in self._ids.items() if len(token) == 1}
            by_code = np.full(max(known, default=0) + 2, UNKNOWN, dtype=np.int32)
            by_code[list(known)] = list(known.values())
            self._by_code = by_code  # whole, as other threads read it
        return self._by_code


class HashVocabulary:
    """No table: each n-gram of ``low`` to ``high`` tokens falls into one of ``2**bits`` buckets.

    The hashing trick (Weinberger et al. 2009, https://arxiv.org/abs/0902.2206). A token's hash is FNV-1a over its
    code points, an n-gram's a polynomial over its tokens' hashes; so characters are hashed without making strings.

    :param marks: count the beginning and the end of a document as tokens, so that n-grams tell where they stand.
    """

    kind: ClassVar[str] = "hash"

    def __init__(self, *, bits: int, low: int, high: int, marks: bool = False) -> None:
        if not (1 <= low <= high <= 8 and 4 <= bits <= 26):
            raise ValueError(
                f"n-grams of {low} to {high} in 2**{bits} buckets; wants 1 <= low <= high <= 8, 4 to 26 bits"
            )
        self.bits, self.low, self.high, self.marks = bits, low, high, marks

    def __len__(self) -> int:
        return (1 << self.bits) + 1  # bucket b has id b + 1, as 0 is padding

    def encode(self, tokens: Tokens) -> Ids:
        """Return the ids of all n-grams, none of which reaches into the next document."""
        hashes, starts = self._hash(tokens.units), tokens.starts
        if self.marks:
            hashes, starts = _marked(hashes, starts)
        total = len(hashes)
        first = np.zeros(total + 1, dtype=np.bool_)
        first[starts] = True
        grid = np.zeros((self.high - self.low + 1, total), dtype=np.int32)
        gram, within = hashes, np.ones(total, dtype=np.bool_)
        for n in range(1, min(self.high, total) + 1):
            if n > 1:
                within = within[:-1] & ~first[n - 1 : total]
                gram = gram[:-1] * _STEP + hashes[n - 1 :]
            if n >= self.low:
                grid[n - self.low, : total - n + 1] = self._bucket(gram) * within
        return Ids(grid, starts)

    def to_json(self) -> dict[str, Any]:
        """Return everything needed to make an equal one."""
        return {"kind": self.kind, "bits": self.bits, "low": self.low, "high": self.high, "marks": self.marks}

    def _bucket(self, gram: NDArray[np.uint32]) -> NDArray[np.int32]:
        mixed = (gram ^ (gram >> np.uint32(15))) * _STEP
        return (mixed >> np.uint32(32 - self.bits)).view(np.int32) + 1

    @staticmethod
    def _hash(units: Sequence[str] | NDArray[np.uint32]) -> NDArray[np.uint32]:
        if isinstance(units, np.ndarray):
            return (np.uint32(_OFFSET) ^ units) * np.uint32(_PRIME)
        return np.fromiter(map(_fnv, units), np.uint32, len(units))


Vocabulary: TypeAlias = TableVocabulary | HashVocabulary


@lru_cache(maxsize=1 << 16)
def _fnv(token: str) -> int:
    value = _OFFSET
    for character in token:
        value = ((value ^ ord(character)) * _PRIME) & _ALL
    return value


def _marked(hashes: NDArray[np.uint32], starts: Ints) -> tuple[NDArray[np.uint32], Ints]:
    """Put a mark before and after each document."""
    shifted = starts + 2 * np.arange(len(starts))
    result = np.empty(len(hashes) + 2 * (len(starts) - 1), dtype=np.uint32)
    inside = np.ones(len(result), dtype=np.bool_)
    inside[shifted[:-1]] = inside[shifted[1:] - 1] = False
    result[inside] = hashes
    result[shifted[:-1]], result[shifted[1:] - 1] = _BEGIN, _END
    return result, shifted


def dump_vocabulary(vocabulary: Vocabulary) -> bytes:
    """Write JSON in UTF-8: a token may be a newline."""
    return json.dumps(vocabulary.to_json(), ensure_ascii=False).encode("utf-8", "surrogatepass")


def load_vocabulary(data: bytes) -> Vocabulary:
    """Read what `dump_vocabulary` wrote.

    :raises ValueError: or KeyError or TypeError, if the data is something else.
    """
    config = json.loads(data.decode("utf-8", "surrogatepass"))
    if config["kind"] == HashVocabulary.kind:
        if not all(type(config[name]) is int for name in ("bits", "low", "high")) or type(config["marks"]) is not bool:
            raise ValueError("bits, low and high are whole numbers, marks is true or false")
        return HashVocabulary(bits=config["bits"], low=config["low"], high=config["high"], marks=config["marks"])
    if config["kind"] != TableVocabulary.kind:
        raise ValueError(f"the kind of vocabulary {config['kind']!r:.40} is unknown")
    tokens, suffixes = config["tokens"], config.get("suffixes", False)
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ValueError("tokens are texts")
    if type(suffixes) is not bool:
        raise ValueError(f"suffixes is true or false, was: {suffixes!r:.40}")
    if len(set(tokens)) != len(tokens):
        twice = next(token for token, n in Counter(tokens).items() if n > 1)
        raise ValueError(f"the token {twice!r:.60} stands there more than once")
    return TableVocabulary(tokens, suffixes=suffixes)
