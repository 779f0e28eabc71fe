"""Drops copies of a text, and deals rows out to training, validation and test by what is in them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpkit.text.corpus import Example
from nlpkit.text.invisible import visible
from nlpkit.text.normalisation import nfkc

PLACES = ("train", "validation", "test")  # a row's place is a position here
CHANCE = 1e-6  # that a hash fills a place as it does: below it something else has chosen the rows
FEW = 10  # rows: fewer may all fall into one place by chance
DEALS = 100  # by the seed, of which one is even


def letters(text: str) -> str:
    """Reduce a text to what its copies share: visible letters and digits, in NFKC and lower case."""
    return "".join(c for c in nfkc(visible(text)).lower() if c.isalnum())


@dataclass(frozen=True, slots=True)
class Key:
    """By what a text is compared and placed: its letters' SHA-1, of which 64 bits are enough to tell texts apart.

    Among 5,000,000 texts two that differ have the same 64 bits once in a million corpora.
    """

    bits: int
    residue: int

    @classmethod
    def of(cls, text: str) -> Key | None:
        """Return the key; None for a text without letters and digits."""
        characters = letters(text)
        if not characters:
            return None
        value = int.from_bytes(hashlib.sha1(characters.encode()).digest())
        return cls(value >> 96, value % 100)


@dataclass(frozen=True)
class FirstCopies:
    """Which rows stay ``(rows,)``, and how many went.

    ``conflicts`` counts the texts that stood under several labels; all of their rows went.
    """

    mask: NDArray[np.bool_]
    duplicates: int
    conflicts: int


def first_copies(bits: NDArray[np.uint64], labels: NDArray[Any]) -> FirstCopies:
    """Keep the first of rows with equal key bits ``(rows,)``; drop those that differ in label ``(rows,)`` alone."""
    _, first, owner = np.unique(bits, return_index=True, return_inverse=True)
    conflicting = np.zeros(len(first), dtype=np.bool_)
    conflicting[owner[labels != labels[first][owner]]] = True
    mask = np.zeros(len(bits), dtype=np.bool_)
    mask[first[~conflicting]] = True
    return FirstCopies(mask, len(bits) - len(first), int(conflicting.sum()))


def places(residues: NDArray[np.integer[Any]], *, test: float, validation: float) -> NDArray[np.uint8]:
    """Find each row's position in `PLACES` by its key's residue modulo 100; larger shares contain the smaller ones.

    :param test: share of rows, a whole percentage.
    :param validation: likewise.
    """
    slots = sorted(range(100), key=lambda residue: ((residue - 1) % 5, residue))
    first, second = round(test * 100), round((test + validation) * 100)
    table = np.full(100, PLACES.index("train"), dtype=np.uint8)
    table[slots[:first]], table[slots[first:second]] = PLACES.index("test"), PLACES.index("validation")
    return np.asarray(table[residues])


@dataclass(frozen=True)
class Unevenness:
    """A place that holds far fewer rows than its share, or all that there are, and not by chance.

    :param rows: of ``of`` rows; ``expected`` were to be.
    """

    place: str
    rows: int
    of: int
    expected: int


def find_unevenness(residues: NDArray[np.integer[Any]], *, test: float, validation: float) -> Unevenness | None:
    """Find the place that holds least of its share, if that is less than half of it, and not by chance.

    A hash deals rows that nothing has chosen evenly. Those that a like hash has dealt before, as part of another
    corpus, it may deal into one place. So are ten rows or more uneven, too, that all lie in one. A place that is merely
    somewhat larger or smaller does no harm, and stays. Chance would do it less than once in a million times, by
    Chernoff's bound: ``exp(-n KL(share found, share))``.

    :param residues: of the rows ``(rows,)``, by which `places` deals them.
    """
    total = len(residues)
    counts = np.bincount(places(residues, test=test, validation=validation), minlength=len(PLACES)).tolist()
    shares = (1 - test - validation, validation, test)
    if max(counts) == total >= FEW and max(shares) < 1:
        found = int(np.argmax(counts))
    else:
        wanted = [place for place, share in enumerate(shares) if share > 0]
        found = min(wanted, key=lambda place: counts[place] / shares[place])
        if 2 * counts[found] >= shares[found] * total or _bound_chance(counts[found], total, shares[found]) >= CHANCE:
            return None
    return Unevenness(PLACES[found], counts[found], total, round(shares[found] * total))


def _bound_chance(count: int, total: int, share: float) -> float:
    """Bound the chance that a place holds so many rows, or a number still farther from its share."""
    if not total or not 0 < share < 1:
        return 1.0
    found = count / total
    parts = [a * math.log(a / b) for a, b in ((found, share), (1 - found, 1 - share)) if a]
    return math.exp(-total * max(0.0, sum(parts)))


def deal_by_seed(bits: NDArray[np.uint64], seed: int, *, test: float, validation: float) -> NDArray[np.uint8]:
    """Return other residues for rows by their keys' bits ``(rows,)``: they hang on the seed and a row's letters alone.

    Of several deals the first is taken that is even: rows may have been dealt so before, too.
    """
    for deal in range(DEALS):
        residues = (_mix(bits + _mix(np.full(1, seed * DEALS + deal, np.uint64))) % np.uint64(100)).astype(np.uint8)
        if find_unevenness(residues, test=test, validation=validation) is None:
            break
    return residues


def deal_folds(examples: Sequence[Example], folds: int, seed: int) -> NDArray[np.int64]:
    """Deal rows out to folds ``(rows,)``, of which each has as many of each label as any other, but for one.

    Within a label the seed and a row's letters say in which order rows are dealt. `places` knows nothing of it, so
    each fold is as likely to be in any place.
    """
    bits = np.array([key.bits if (key := Key.of(e.text)) else 0 for e in examples], dtype=np.uint64)
    labels = np.unique([e.label for e in examples], return_inverse=True)[1]
    result = np.empty(len(examples), dtype=np.int64)
    result[np.lexsort((_mix(bits + _mix(np.full(1, seed, np.uint64))), labels))] = np.arange(len(examples)) % folds
    return result


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of numbers ``(rows,)`` until none tells of another: SplitMix64 (Steele et al. 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def places_in_order(corpora: NDArray[np.integer[Any]], *, test: float, validation: float) -> NDArray[np.uint8]:
    """Find the position in `PLACES` of rows that follow each other, by their corpora ``(rows,)``.

    Each corpus is cut into three blocks: its beginning is for training, its end for the test, what lies between for
    validation. So no text of the test has neighbours in training, but at one seam.

    :param test: share of each corpus's rows.
    :param validation: likewise; at least one row, where there are three.
    """
    positions = np.full(len(corpora), PLACES.index("train"), dtype=np.uint8)
    for corpus in np.unique(corpora):
        rows = np.flatnonzero(corpora == corpus)
        tested = len(rows) - round(test * len(rows))
        judged = tested - max(round(validation * len(rows)), int(len(rows) > 2))
        positions[rows[tested:]], positions[rows[max(0, judged) : tested]] = (
            PLACES.index("test"),
            PLACES.index("validation"),
        )
    return positions


@dataclass(frozen=True)
class DistinctRows:
    """Rows that differ in letters, in their first order, and how many went: see `FirstCopies`."""

    examples: list[Example]
    duplicates: int
    conflicts: int
    empty: int


def deduplicate(examples: Iterable[Example]) -> DistinctRows:
    """Keep the first of rows equal in letters; drop those that differ in label alone, and those without letters."""
    rows = list(examples)
    keyed = [(example, key) for example in rows if (key := Key.of(example.text))]
    bits = np.array([key.bits for _, key in keyed], dtype=np.uint64)
    copies = first_copies(bits, np.array([example.label for example, _ in keyed], dtype=object))
    examples = [example for (example, _), stays in zip(keyed, copies.mask, strict=True) if stays]
    return DistinctRows(examples, copies.duplicates, copies.conflicts, len(rows) - len(keyed))


@dataclass(frozen=True)
class Split:
    """Disjoint rows for training, for every decision during it, and for the figures reported after it."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]


def split_rows(examples: Iterable[Example], *, test: float = 0.2, validation: float = 0.2) -> Split:
    """Place each row by the SHA-1 of its letters alone: the same text goes to the same place in every corpus and run.

    :param test: share of rows, a whole percentage.
    :param validation: likewise.
    """
    rows = list(examples)
    keys = [Key.of(example.text) for example in rows]
    residues = np.array([key.residue if key else 0 for key in keys], dtype=np.int64)
    placed = places(residues, test=test, validation=validation)
    parts: dict[str, list[Example]] = {name: [] for name in PLACES}
    for example, place in zip(rows, placed.tolist(), strict=True):
        parts[PLACES[place]].append(example)
    return Split(**parts)


def fingerprint(rows: Iterable[Example | tuple[str, str]]) -> str:
    """Compute the SHA-256 over texts and labels in order: which data a model was made from."""
    digest = hashlib.sha256()
    for text, label in _pairs(rows):
        digest.update(f"{text}\0{label}\n".encode("utf-8", "replace"))
    return digest.hexdigest()


def _pairs(rows: Iterable[Example | tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for row in rows:
        yield (row.text, row.label) if isinstance(row, Example) else row
