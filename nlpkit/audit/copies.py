"""Texts that stand in a corpus several times: letter for letter, or nearly so."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nlpkit.text.characters import Characters
from nlpkit.text.split import PLACES, Key, deal_by_seed, find_unevenness, letters, places

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
SHINGLE = 2  # letters that are compared together
ALIKE = 0.7  # share of shingles that near copies have in common: Jaccard's index
FEWEST = 8  # different shingles of a text: with fewer, texts are alike by chance
BANDS, ROWS = 32, 4  # so that 9,998 of 10,000 pairs at `ALIKE` meet in a band
ALL_PAIRS = 12  # rows of one bucket of which each is compared with each
MOST = np.uint64(2**64 - 1)
LONGEST = 20_000  # letters of a text that are looked at


@dataclass(frozen=True)
class Pair:
    """Two rows that are nearly copies.

    :param row: the later one, ``copy_of`` the one before it.
    :param alike: Jaccard's index of their shingles.
    """

    row: int
    copy_of: int
    alike: float


@dataclass(frozen=True)
class Copies:
    """Which rows are copies.

    :param first: of each row the first one with the same letters ``(rows,)``: itself, if there is none before it, or if
        it has no letters.
    :param cluster: the first row of those that are copies or nearly so, however far around ``(rows,)``.
    :param pairs: near copies, both the first of their letters.
    :param place: position in `nlpkit.text.split.PLACES` where training puts each row ``(rows,)``.
    :param lettered: whether each row has letters or digits ``(rows,)``: training drops the others.
    """

    first: Ints
    cluster: Ints
    pairs: list[Pair]
    place: NDArray[np.uint8]
    lettered: NDArray[np.bool_]

    def crosses(self, pair: Pair) -> bool:
        """Tell whether near copies are put in different places."""
        return bool(self.place[pair.row] != self.place[pair.copy_of])


def find_copies(texts: Sequence[str], *, seed: int, test: float = 0.2, validation: float = 0.2) -> Copies:
    """Find copies, near copies, and where training puts them."""
    keys = [Key.of(text) for text in texts]
    first = _first_of(keys)
    distinct = np.array([row for row in np.unique(first).tolist() if keys[row]], dtype=np.int64)
    pairs = [
        Pair(int(distinct[b]), int(distinct[a]), alike)
        for a, b, alike in near_copies([letters(texts[row])[:LONGEST] for row in distinct.tolist()], seed=seed)
    ]
    place = _deal(keys, distinct, seed, test, validation)[first]
    lettered = np.array([key is not None for key in keys], dtype=np.bool_)
    return Copies(first, _clusters(first, pairs), pairs, place, lettered)


def _first_of(keys: Sequence[Key | None]) -> Ints:
    seen: dict[int, int] = {}
    return np.array([row if key is None else seen.setdefault(key.bits, row) for row, key in enumerate(keys)], np.int64)


def _deal(keys: Sequence[Key | None], distinct: Ints, seed: int, test: float, validation: float) -> NDArray[np.uint8]:
    """Put rows where training does ``(rows,)``; those without letters, which it drops, into the first place."""
    result = np.full(len(keys), PLACES.index("train"), dtype=np.uint8)
    chosen = [key for row in distinct.tolist() if (key := keys[row])]
    residues = np.array([key.residue for key in chosen], dtype=np.uint8)
    if find_unevenness(residues, test=test, validation=validation):
        bits = np.array([key.bits for key in chosen], dtype=np.uint64)
        residues = deal_by_seed(bits, seed, test=test, validation=validation)
    result[distinct] = places(residues, test=test, validation=validation)
    return result


def near_copies(texts: Sequence[str], *, seed: int) -> Iterator[tuple[int, int, float]]:
    """Yield pairs of different texts that share most of their shingles, ascending, and Jaccard's index of them.

    MinHash (Broder 1997) finds candidates: texts that meet in a band of `ROWS` least hashes (Leskovec et al. 2020,
    Mining of Massive Datasets, 3.4). Of many that meet, each is compared with its neighbours and with the first, so
    that the time grows with the number of texts.
    """
    shingles, starts = _shingles(texts)
    long = np.flatnonzero(np.diff(starts) >= FEWEST)
    candidates = [np.zeros(0, dtype=np.int64)]
    for band in _bands(shingles, starts, long, np.random.default_rng(seed)):
        a, b = _meet(band)
        candidates = [np.union1d(candidates[0], long[a] * len(texts) + long[b])]

    @lru_cache(1 << 16)
    def of(text: int) -> frozenset[int]:
        return frozenset(shingles[starts[text] : starts[text + 1]].tolist())

    for a, b in zip(*(part.tolist() for part in np.divmod(candidates[0], max(len(texts), 1))), strict=True):
        common = len(of(a) & of(b))
        alike = common / (len(of(a)) + len(of(b)) - common)
        if alike >= ALIKE and min(len(of(a)), len(of(b))) >= FEWEST:
            yield a, b, round(alike, 4)


def _shingles(texts: Sequence[str]) -> tuple[Hashes, Ints]:
    """Hash all runs of `SHINGLE` letters ``(total,)``; return where those of each text start ``(texts + 1,)``, too."""
    characters = Characters.of(texts)
    counts = np.maximum(characters.lengths - SHINGLE + 1, 0)
    codes = characters.codes.astype(np.uint64)
    size = max(len(codes) - SHINGLE + 1, 0)
    runs = np.zeros(size, dtype=np.uint64)
    for at in range(SHINGLE):
        runs = (runs << np.uint64(21)) | codes[at : at + size]
    begins = np.repeat(characters.ends - characters.lengths, counts)
    starts = np.concatenate([[0], counts.cumsum()])
    within = np.arange(starts[-1]) - np.repeat(starts[:-1], counts)
    return mix(runs[begins + within]), starts


def mix(values: Hashes) -> Hashes:
    """Mix the bits of numbers until none tells of another: the end of SplitMix64 (Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))


def _bands(shingles: Hashes, starts: Ints, chosen: Ints, rng: np.random.Generator) -> Iterator[Hashes]:
    """Yield a hash of `ROWS` least hashes of each chosen text ``(chosen,)``, for each band."""
    if not len(chosen):
        return
    for _ in range(BANDS):
        band = np.zeros(len(chosen), dtype=np.uint64)
        for number in rng.integers(1 << 62, size=ROWS, dtype=np.uint64):
            hashes = mix(shingles ^ number)
            least = np.minimum.reduceat(np.append(hashes, MOST), starts[:-1])[chosen]
            band = mix(band + least)
        yield band


def _meet(band: Hashes) -> tuple[Ints, Ints]:
    """Return pairs of texts, each ascending, that have the same hash."""
    order = np.argsort(band, kind="stable")
    edges = np.flatnonzero(np.diff(band[order])) + 1
    pairs: list[tuple[int, int]] = []
    for bucket in np.split(order, edges) if len(edges) < len(order) - 1 else ():
        if len(bucket) > 1:
            rows = bucket.tolist()
            near = itertools.combinations(rows, 2) if len(rows) <= ALL_PAIRS else itertools.pairwise(rows)
            pairs += [*near, *((rows[0], row) for row in rows[2:] if len(rows) > ALL_PAIRS)]
    array = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def _clusters(first: Ints, pairs: Sequence[Pair]) -> Ints:
    """Join copies and near copies: of each row the first of all that are joined to it ``(rows,)``."""
    parent = first.tolist()

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for pair in pairs:
        a, b = sorted((root(pair.row), root(pair.copy_of)))
        parent[b] = a
    return np.array([root(row) for row in range(len(parent))], dtype=np.int64)
