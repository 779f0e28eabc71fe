"""Tokens to ids: a table of tokens, a hash of token n-grams, a token and its pieces. All take a whole batch at once."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
PAD, UNKNOWN = 0, 1
FIRST, LAST = "\x02", "\x03"  # before and behind the characters of a token (STX and ETX, which no text holds)
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
        """Flatten one array of ids a document, ``(time,)`` or, where a token has several, ``(time, pieces)``."""
        starts = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=starts[1:])
        flat = np.concatenate(rows or [np.zeros(0, dtype=np.int32)])
        return cls(flat[None, :], starts) if flat.ndim == 1 else PieceIds(flat.T, starts)

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

    def average(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values of the grid ``(kinds, total)`` as they are: what begins at a token counts as one each."""
        return values

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


class PieceIds(Ids):
    """The ids of a batch where a token has several: each column of the grid is a token, its own id first.

    Its vector is the mean of theirs, as in fastText. Behind the last of a token's ids there is `PAD`.
    """

    @property
    def counts(self) -> Ints:
        """Tokens in each document ``(size,)``."""
        return np.diff(self.starts)

    def average(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the mean of each token's values ``(1, total)``; that of `PAD` must be 0."""
        present = np.maximum((self.grid != PAD).sum(0), 1).astype(values.dtype)
        return cast("NDArray[Any]", values.sum(0, keepdims=True) / present)

    def rows(self) -> list[NDArray[np.int32]]:
        """Return the ids ``(time, pieces)`` of each document."""
        flat, bounds = np.ascontiguousarray(self.grid.T), self.starts.tolist()
        return [flat[a:b] for a, b in itertools.pairwise(bounds)]

    def padded(self) -> tuple[Ints, NDArray[np.bool_]]:
        """Pad ids ``(size, longest, pieces)``, and mask tokens ``(size, longest)``; no more pieces than there are."""
        lengths = np.diff(self.starts)
        mask = np.arange(max(1, lengths.max(initial=0))) < lengths[:, None]
        grid = self.grid[: count_pieces(self.grid)]
        ids = np.full((*mask.shape, len(grid)), PAD, dtype=np.int64)
        ids[mask] = grid.T
        return ids, mask


def count_pieces(grid: NDArray[Any]) -> int:
    """Return how many ids the token has that has the most of them ``(pieces, total)``; at least one."""
    return max(1, int(np.count_nonzero(grid.any(1))))


class TableVocabulary:
    """A list of tokens; ids 0 and 1 are padding and unknown.

    :param tokens: the known tokens, without the two special ones, in the order of their ids.
    :param suffixes: an unknown token has the id of its longest known suffix: what a Chinese word is stands at its end.
    """

    kind: ClassVar[str] = "table"
    low: ClassVar[int] = 1
    marks: ClassVar[bool] = False
    pieces: ClassVar[int] = 0  # a token has one id, and there is no axis for it

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
        return cls(_choose_frequent(_count_tokens(documents), min_count, max_size), suffixes=suffixes)

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
    pieces: ClassVar[int] = 0

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
        return _mix(gram, self.bits).view(np.int32) + 1

    @staticmethod
    def _hash(units: Sequence[str] | NDArray[np.uint32]) -> NDArray[np.uint32]:
        if isinstance(units, np.ndarray):
            return (np.uint32(_OFFSET) ^ units) * np.uint32(_PRIME)
        return np.fromiter(map(_fnv, units), np.uint32, len(units))


class SubwordVocabulary:
    """A token has several ids: its own, or `UNKNOWN`, and one for each n-gram of its characters, in a hashed bucket.

    So a word that no text held is known by what it is written with, as in fastText (Bojanowski et al. 2017,
    https://aclanthology.org/Q17-1010). The beginning and the end of a token count as characters. N-grams with a
    character that is in none of ``characters`` have no id, as nothing was learnt of them: of a token of which all
    are such, there is no evidence but that it is unknown.

    :param tokens: those with an id of their own, in the order of these.
    :param characters: all that the texts held.
    :param bits: there are ``2**bits`` buckets.
    :param shortest: characters in the shortest n-gram, ``longest``: in the longest.
    :param pieces: ids that a token has at most; of a long one, its beginning is read.
    """

    kind: ClassVar[str] = "subwords"
    low: ClassVar[int] = 1
    marks: ClassVar[bool] = False

    def __init__(
        self,
        tokens: Sequence[str],
        *,
        characters: Iterable[str],
        bits: int = 16,
        shortest: int = 1,
        longest: int = 3,
        pieces: int = 16,
    ) -> None:
        if not (1 <= shortest <= longest <= 8 and 4 <= bits <= 26 and 2 <= pieces <= 64):
            raise ValueError(
                f"n-grams of {shortest} to {longest} characters in 2**{bits} buckets, {pieces} ids a token; wants "
                f"1 <= shortest <= longest <= 8, 4 to 26 bits, 2 to 64 ids"
            )
        self.tokens, self.characters = list(tokens), frozenset(characters)
        self.bits, self.shortest, self.longest, self.pieces = bits, shortest, longest, pieces
        self._ids = {token: position for position, token in enumerate(self.tokens, start=2)}
        self._seen = self.characters | {FIRST, LAST}
        self._row: Callable[[str], bytes] = lru_cache(maxsize=1 << 16)(self._make_row)

    @classmethod
    def count(
        cls, documents: Iterable[Sequence[str]], *, min_count: int, max_size: int, **options: int
    ) -> SubwordVocabulary:
        """Keep the most frequent tokens as `TableVocabulary.count` does, and the characters of all."""
        seen = _count_tokens(documents)
        return cls(_choose_frequent(seen, min_count, max_size), characters=set("".join(seen)), **options)

    def __len__(self) -> int:
        return len(self.tokens) + 2 + (1 << self.bits)

    def encode(self, tokens: Tokens) -> PieceIds:
        """Return the ids of each token ``(pieces, total)``."""
        units = map(chr, tokens.units.tolist()) if isinstance(tokens.units, np.ndarray) else tokens.units
        rows = np.frombuffer(b"".join(map(self._row, units)), np.int32)
        return PieceIds(rows.reshape(-1, self.pieces).T, tokens.starts)

    def to_json(self) -> dict[str, Any]:
        """Return everything needed to make an equal one."""
        sizes = {"bits": self.bits, "shortest": self.shortest, "longest": self.longest, "pieces": self.pieces}
        return {"kind": self.kind, "tokens": self.tokens, "characters": "".join(sorted(self.characters)), **sizes}

    def _make_row(self, token: str) -> bytes:
        """Return a token's ids, as the bytes of int32 numbers, filled up with `PAD`."""
        row = np.full(self.pieces, PAD, dtype=np.int32)
        grams = dict.fromkeys(itertools.islice(self._list_grams(token), self.pieces - 1))
        hashes = np.array([_fnv(gram) for gram in grams], dtype=np.uint32)
        row[0] = self._ids.get(token, UNKNOWN)
        row[1 : len(grams) + 1] = _mix(hashes, self.bits).view(np.int32) + len(self.tokens) + 2
        return row.tobytes()

    def _list_grams(self, token: str) -> Iterator[str]:
        """Yield the n-grams of which all characters are known, by where they begin."""
        marked = f"{FIRST}{token}{LAST}"
        for at in range(len(marked)):
            for end in range(at + self.shortest, min(at + self.longest, len(marked)) + 1):
                gram = marked[at:end]
                if self._seen.issuperset(gram) and gram not in (FIRST, LAST):
                    yield gram


Vocabulary: TypeAlias = TableVocabulary | HashVocabulary | SubwordVocabulary


def _count_tokens(documents: Any) -> Mapping[str, int]:
    """Say how often each token stands in documents, which may know that by ``counts()``."""
    counted: Mapping[str, int] = (
        documents.counts() if hasattr(documents, "counts") else Counter(itertools.chain.from_iterable(documents))
    )
    return counted


def _choose_frequent(seen: Mapping[str, int], min_count: int, max_size: int) -> list[str]:
    ranked = sorted(((token, n) for token, n in seen.items() if n >= min_count), key=lambda item: (-item[1], item[0]))
    return [token for token, _ in ranked[:max_size]]


def _mix(hashes: NDArray[np.uint32], bits: int) -> NDArray[np.uint32]:
    """Return the bucket of each hash, of ``2**bits``."""
    mixed = (hashes ^ (hashes >> np.uint32(15))) * _STEP
    return cast("NDArray[np.uint32]", mixed >> np.uint32(32 - bits))


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
    if (kind := config["kind"]) not in _READERS:
        raise ValueError(f"the kind of vocabulary {kind!r:.40} is unknown")
    return _READERS[kind](config)


def _read_hash(config: Mapping[str, Any]) -> HashVocabulary:
    if not all(type(config[name]) is int for name in ("bits", "low", "high")) or type(config["marks"]) is not bool:
        raise ValueError("bits, low and high are whole numbers, marks is true or false")
    return HashVocabulary(bits=config["bits"], low=config["low"], high=config["high"], marks=config["marks"])


def _read_table(config: Mapping[str, Any]) -> TableVocabulary:
    suffixes = config.get("suffixes", False)
    if type(suffixes) is not bool:
        raise ValueError(f"suffixes is true or false, was: {suffixes!r:.40}")
    return TableVocabulary(_read_tokens(config), suffixes=suffixes)


def _read_subwords(config: Mapping[str, Any]) -> SubwordVocabulary:
    sizes = {name: config[name] for name in ("bits", "shortest", "longest", "pieces")}
    if not all(type(size) is int for size in sizes.values()):
        raise ValueError(f"{', '.join(sizes)} are whole numbers")
    if not isinstance(config["characters"], str):
        raise ValueError("characters are a text")
    return SubwordVocabulary(_read_tokens(config), characters=config["characters"], **sizes)


def _read_tokens(config: Mapping[str, Any]) -> list[str]:
    tokens = config["tokens"]
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ValueError("tokens are texts")
    if len(set(tokens)) != len(tokens):
        twice = next(token for token, n in Counter(tokens).items() if n > 1)
        raise ValueError(f"the token {twice!r:.60} stands there more than once")
    return tokens


_READERS: dict[Any, Callable[[Mapping[str, Any]], Vocabulary]] = {
    TableVocabulary.kind: _read_table,
    HashVocabulary.kind: _read_hash,
    SubwordVocabulary.kind: _read_subwords,
}
