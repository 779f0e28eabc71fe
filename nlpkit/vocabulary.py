"""Tokens to ids: a table of tokens, or a hash of token n-grams. Both take a whole batch at once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import BundleError

Ints: TypeAlias = NDArray[np.int64]
PAD, UNKNOWN = 0, 1
_PRIME = 0x100000001B3  # FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/), over code points
_OFFSET = 0xCBF29CE484222325
_STEP = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio (Knuth, TAOCP 3, 6.4)
_ALL = (1 << 64) - 1


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
        """One list of strings a document."""
        units = self.units if not isinstance(self.units, np.ndarray) else [chr(c) for c in self.units.tolist()]
        bounds = self.starts.tolist()
        return [list(units[a:b]) for a, b in zip(bounds, bounds[1:], strict=False)]


@dataclass(frozen=True)
class Ids:
    """The ids of a batch as one flat run, with the document that each belongs to."""

    flat: Ints  # (total,)
    documents: Ints  # (total,), ascending for a table; ascending within each n for a hash
    size: int  # documents in the batch

    @property
    def counts(self) -> Ints:
        """Ids in each document ``(size,)``."""
        return np.bincount(self.documents, minlength=self.size)

    @classmethod
    def of(cls, rows: Sequence[Ints]) -> Ids:
        """Flatten one array of ids a document."""
        documents = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        flat = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
        return cls(flat, documents, len(rows))

    def rows(self) -> list[Ints]:
        """One array of ids a document."""
        flat = self.flat[np.argsort(self.documents, kind="stable")]
        return np.split(flat, np.cumsum(self.counts)[:-1]) if self.size else []

    def truncated(self, length: int) -> Ids:
        """Cut each document to its first and last ``length / 2`` ids (Sun et al. 2019, https://arxiv.org/abs/1905.05583)."""
        if self.counts.max(initial=0) <= length:
            return self
        head, tail = length - length // 2, length // 2
        return Ids.of([r if len(r) <= length else np.concatenate([r[:head], r[len(r) - tail :]]) for r in self.rows()])

    def padded(self) -> tuple[Ints, NDArray[np.bool_]]:
        """Ids ``(size, longest)`` padded on the right with `PAD`, and the mask, true at ids. At least one column."""
        counts = self.counts
        mask = np.arange(max(1, counts.max(initial=0))) < counts[:, None]
        ids = np.full(mask.shape, PAD, dtype=np.int64)
        ids[mask] = self.flat[np.argsort(self.documents, kind="stable")]
        return ids, mask


class TableVocabulary:
    """A list of tokens; ids 0 and 1 are padding and unknown.

    :param tokens: the known tokens, without the two special ones, in the order of their ids.
    """

    kind: ClassVar[str] = "table"

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = list(tokens)
        self._ids = {token: position for position, token in enumerate(self.tokens, start=2)}
        self._by_code: Ints | None = None

    @classmethod
    def count(cls, documents: Iterable[Sequence[str]], *, min_count: int, max_size: int) -> TableVocabulary:
        """Keep the most frequent tokens, at most ``max_size``, each seen ``min_count`` times; ties by the token."""
        seen = Counter(token for document in documents for token in document)
        ranked = sorted(seen.items(), key=lambda item: (-item[1], item[0]))
        return cls([token for token, n in ranked[:max_size] if n >= min_count])

    def __len__(self) -> int:
        return len(self.tokens) + 2

    def encode(self, tokens: Tokens) -> Ids:
        """Map each token to its id, or to `UNKNOWN`."""
        documents = np.repeat(np.arange(len(tokens.starts) - 1), np.diff(tokens.starts))
        if isinstance(tokens.units, np.ndarray):
            table = self._characters()
            flat = table[np.minimum(tokens.units, len(table) - 1)]
        else:
            flat = np.fromiter((self._ids.get(t, UNKNOWN) for t in tokens.units), np.int64, len(tokens.units))
        return Ids(flat, documents, len(tokens.starts) - 1)

    def to_json(self) -> dict[str, Any]:
        """Everything needed to make an equal one."""
        return {"kind": self.kind, "tokens": self.tokens}

    def _characters(self) -> Ints:
        """Ids by code point, the last entry for all that lie beyond."""
        if self._by_code is None:
            known = {ord(token): i for token, i in self._ids.items() if len(token) == 1}
            self._by_code = np.full(max(known, default=0) + 2, UNKNOWN, dtype=np.int64)
            self._by_code[list(known)] = list(known.values())
        return self._by_code


class HashVocabulary:
    """No table: each n-gram of ``low`` to ``high`` tokens falls into one of ``2**bits`` buckets.

    The hashing trick (Weinberger et al. 2009, https://arxiv.org/abs/0902.2206). A token's hash is FNV-1a over its
    code points, an n-gram's a polynomial over its tokens' hashes; so characters are hashed without making strings.
    """

    kind: ClassVar[str] = "hash"

    def __init__(self, *, bits: int, low: int, high: int) -> None:
        if not (1 <= low <= high <= 8 and 4 <= bits <= 26):
            raise ValueError(
                f"n-grams of {low} to {high} in 2**{bits} buckets; wants 1 <= low <= high <= 8, 4 to 26 bits"
            )
        self.bits, self.low, self.high = bits, low, high

    def __len__(self) -> int:
        return (1 << self.bits) + 1  # bucket b has id b + 1, as 0 is padding

    def encode(self, tokens: Tokens) -> Ids:
        """Ids of all n-grams, the shorter ones first, within one n in the order of the text."""
        hashes = self._hash(tokens.units)
        ends = np.repeat(tokens.starts[1:], np.diff(tokens.starts))  # where each token's document ends
        owner = np.repeat(np.arange(len(tokens.starts) - 1), np.diff(tokens.starts))
        flat, documents = [], []
        gram, total = np.zeros(len(hashes), dtype=np.uint64), len(hashes)
        positions = np.arange(total)
        for n in range(1, self.high + 1):
            inside = max(0, total - n + 1)
            gram = gram[:inside] * np.uint64(_STEP) + hashes[n - 1 :]
            if n >= self.low:
                within = positions[:inside] + n <= ends[:inside]
                flat.append(self._bucket(gram[within]))
                documents.append(owner[:inside][within])
        return Ids(np.concatenate(flat), np.concatenate(documents), len(tokens.starts) - 1)

    def to_json(self) -> dict[str, Any]:
        """Everything needed to make an equal one."""
        return {"kind": self.kind, "bits": self.bits, "low": self.low, "high": self.high}

    def _bucket(self, gram: NDArray[np.uint64]) -> Ints:
        mixed = (gram ^ (gram >> np.uint64(29))) * np.uint64(_STEP)
        return (mixed >> np.uint64(64 - self.bits)).astype(np.int64) + 1

    @staticmethod
    def _hash(units: Sequence[str] | NDArray[np.uint32]) -> NDArray[np.uint64]:
        if isinstance(units, np.ndarray):
            return (np.uint64(_OFFSET) ^ units.astype(np.uint64)) * np.uint64(_PRIME)
        return np.fromiter(map(_fnv, units), np.uint64, len(units))


Vocabulary: TypeAlias = TableVocabulary | HashVocabulary


@lru_cache(maxsize=1 << 16)
def _fnv(token: str) -> int:
    value = _OFFSET
    for character in token:
        value = ((value ^ ord(character)) * _PRIME) & _ALL
    return value


def dump_vocabulary(vocabulary: Vocabulary) -> bytes:
    """JSON in UTF-8: a token may be a newline."""
    return json.dumps(vocabulary.to_json(), ensure_ascii=False).encode("utf-8", "surrogatepass")


def load_vocabulary(data: bytes) -> Vocabulary:
    """Read what `dump_vocabulary` wrote.

    :raises BundleError: if the data is something else.
    """
    try:
        found = json.loads(data.decode("utf-8", "surrogatepass"))
        if found["kind"] == TableVocabulary.kind:
            return TableVocabulary(found["tokens"])
        return HashVocabulary(bits=found["bits"], low=found["low"], high=found["high"])
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"a vocabulary cannot be read: {type(error).__name__}: {error}") from error
