"""How familiar texts are to a model, by what its training texts were like: a label means little where they are not."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from math import exp, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpkit.text.characters import Characters, Ints

BITS = 16  # of the hash of two characters
USUAL = 8000  # buckets of it that the most frequent pairs fill
ENOUGH = 20  # validation rows: from fewer nothing follows
LONG = 60  # characters from which on a text weighs no more in a mean
LONGER, SHORTER = 2, 10  # times the longest, which is too long; and part of the shortest, below which it is too short
RATE = 0.005  # share of rows like the training text that are told all the same
SHARE, CHANCE = 0.05, 0.01  # of a file's rows, and that this many are told by chance: then it is unlike as a whole
MANY = 50  # rows that are told as a rule: ten times as many are never told by chance
FOREIGN = ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x1FFF), (0x3041, 0x30FF), (0xAC00, 0xD7A3))
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """How a share lies in texts like those of the training: of short ones it varies more.

    Of texts of ``n`` characters the variance is ``within / n + between``.

    :param most: standard deviations above the mean that a text like them has at most.
    """

    mean: float
    within: float
    between: float
    most: float

    @classmethod
    def fit(
        cls, lengths: Ints, shares: Floats, *, floor: float, quantile: float, least: float, margin: float
    ) -> Spread:
        """Fit the variance by least squares, and let ``most`` be a quantile of the deviations.

        :param lengths: characters of each text ``(rows,)``.
        :param floor: of the standard deviation between texts: where all are alike, a small difference means nothing.
        :param least: of ``most``, which few rows show too small.
        :param margin: added to it over the root of the number of rows, for the same reason.
        """
        mean = float(np.average(shares, weights=np.clip(lengths, 1, LONG)))
        inverse = 1 / np.maximum(lengths, 1)
        weights = 1 / (inverse + 1 / LONG)
        parts = np.stack([inverse, np.ones_like(inverse)], axis=1) * weights[:, None]
        within, between = np.linalg.lstsq(parts, (shares - mean) ** 2 * weights, rcond=None)[0].tolist()
        spread = cls(mean, max(within, 1e-6), max(between, floor**2), 0.0)
        most = max(least, float(np.quantile(spread.deviations(lengths, shares), quantile)))
        return cls(*(round(v, 6) for v in (mean, spread.within, spread.between, most + margin / len(shares) ** 0.5)))

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Spread:
        """Read what config.json says.

        :raises ValueError: or KeyError or TypeError, if it is something else.
        """
        values = [table[name] for name in ("mean", "within", "between", "most")]
        if not all(isinstance(v, int | float) and not isinstance(v, bool) and isfinite(v) and v >= 0 for v in values):
            raise ValueError(f"a spread is four numbers that are not negative, found: {values!r:.80}")
        if not values[1] + values[2] > 0:
            raise ValueError("a spread has a variance above 0")
        return cls(*map(float, values))

    def deviations(self, lengths: Ints, shares: Floats) -> Floats:
        """Return by how many standard deviations shares lie above the mean ``(rows,)``."""
        result: Floats = (shares - self.mean) / np.sqrt(self.within / np.maximum(lengths, 1) + self.between)
        return result


@dataclass(frozen=True)
class Familiarity:
    """What the training texts were like.

    :param unusual: true for hashes of two characters that are not among those that often stood side by side
        ``(2 ** BITS,)``.
    :param pairs: how large a share of such pairs is in a text.
    :param foreign: how large a share of its characters are letters and digits, but no Chinese ones.
    :param shortest: characters of the shortest training text; ``longest`` likewise.
    """

    unusual: NDArray[np.bool_]
    pairs: Spread
    foreign: Spread
    shortest: int
    longest: int

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Familiarity:
        """Read what config.json says.

        :raises ValueError: or KeyError or TypeError, if it is something else.
        """
        try:
            usual = np.frombuffer(base64.b64decode(table["usual"], validate=True), np.uint8)
        except binascii.Error as error:
            raise ValueError(f"usual pairs are bits in base64: {error}") from error
        shortest, longest = table["shortest"], table["longest"]
        if len(usual) * 8 != 1 << BITS or not (type(shortest) is type(longest) is int and 0 <= shortest <= longest):
            raise ValueError(f"usual pairs are {1 << BITS} bits, shortest and longest are lengths")
        pairs, foreign = (Spread.from_json(table[name]) for name in ("pairs", "foreign"))
        return cls(np.unpackbits(usual) == 0, pairs, foreign, shortest, longest)

    def to_json(self) -> dict[str, Any]:
        """Return everything needed to make an equal one."""
        usual = base64.b64encode(np.packbits(~self.unusual).tobytes()).decode()
        spreads = {"pairs": asdict(self.pairs), "foreign": asdict(self.foreign)}
        return {"usual": usual, **spreads, "shortest": self.shortest, "longest": self.longest}

    def warnings(self, texts: Characters) -> dict[int, str]:
        """Say of each normalised text that is unlike the training texts, by its number, what is unlike."""
        lengths = texts.lengths
        pairs, foreign = measure_shares(texts, self.unusual)
        odd = self.pairs.deviations(lengths, pairs) > self.pairs.most
        mixed = self.foreign.deviations(lengths, foreign) > self.foreign.most
        unfit = (lengths > LONGER * self.longest) | (SHORTER * lengths < self.shortest)
        warnings = {}
        for number in np.flatnonzero(odd | mixed | unfit).tolist():
            parts = []
            if odd[number]:
                parts.append(
                    f"{pairs[number]:.0%} of its pairs of characters are unusual there, {self.pairs.mean:.0%} as a rule"
                )
            if mixed[number]:
                parts.append(f"{foreign[number]:.0%} are other letters and digits, {self.foreign.mean:.0%} as a rule")
            if unfit[number]:
                parts.append(f"{lengths[number]:,} characters, {self.shortest:,} to {self.longest:,} there")
            warnings[number] = f"unlike the training text: {'; '.join(parts)}"
        return warnings


class FamiliarityCount:
    """Reads normalised training texts, then those of the validation, some after the other."""

    def __init__(self) -> None:
        self._counts = np.zeros(1 << BITS, dtype=np.int64)
        self._shortest, self._longest = 0, 0
        self._rows = 0

    def add(self, texts: Sequence[str]) -> None:
        """Take some training texts."""
        if not texts:
            return
        characters = Characters.of(texts)
        inside = np.ones(len(characters.codes), dtype=np.bool_)
        characters.clear_last(inside)
        self._counts += np.bincount(_hash_pairs(characters.codes)[inside[:-1]], minlength=1 << BITS)
        shortest, longest = int(characters.lengths.min()), int(characters.lengths.max())
        self._shortest = min(shortest, self._shortest) if self._rows else shortest
        self._longest = max(longest, self._longest)
        self._rows += len(texts)

    def familiarity(self, validation: Iterable[Sequence[str]]) -> Familiarity | None:
        """Return what the training texts were like, judged by those of the validation; None if these are too few.

        What is usual there is asked of rows that were not counted: of one row in two hundred at most it is said that it
        is unlike the training text, for each of the two shares.
        """
        order = np.argsort(-self._counts, kind="stable")[:USUAL]
        unusual = np.ones(1 << BITS, dtype=np.bool_)
        unusual[order[self._counts[order] > 0]] = False
        parts = [
            (characters.lengths, *measure_shares(characters, unusual)) for characters in map(Characters.of, validation)
        ]
        if sum(len(lengths) for lengths, _, _ in parts) < ENOUGH:
            return None
        lengths, pairs, foreign = map(np.concatenate, zip(*parts, strict=True))
        return Familiarity(
            unusual,
            Spread.fit(lengths, pairs, floor=0.05, quantile=0.997, least=2.6, margin=3.0),
            Spread.fit(lengths, foreign, floor=0.03, quantile=0.998, least=5.0, margin=16.0),
            self._shortest,
            self._longest,
        )


def measure_shares(texts: Characters, unusual: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Measure the share of each text's pairs of characters that are unusual, and of its characters that are foreign.

    :returns: both ``(rows,)``.
    """
    pairs = np.zeros(len(texts.codes), dtype=np.bool_)
    unusual.take(_hash_pairs(texts.codes), out=pairs[:-1], mode="clip")
    texts.clear_last(pairs)
    lengths = texts.lengths
    foreign = texts.count(texts.look_up(_foreign())) / np.maximum(lengths, 1)
    return texts.count(pairs) / np.maximum(lengths - 1, 1), foreign


def is_unlike(warned: int, rows: int) -> bool:
    """Tell whether so many of a file's rows are unlike the training text that the file is, not a few odd rows of it.

    Chance is a Poisson distribution's.
    """
    if not warned or warned < SHARE * rows:
        return False
    expected, term, below = RATE * rows, exp(-RATE * rows), 0.0
    for count in range(warned):
        below += term
        term *= expected / (count + 1)
    return expected > MANY or 1 - below <= CHANCE


def _hash_pairs(codes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Hash each character with the next, across the ends of texts too ``(total - 1,)``."""
    hashes = codes[:-1] * np.uint32(0x9E3779B1)
    hashes += codes[1:]
    hashes *= np.uint32(0x85EBCA6B)
    hashes >>= np.uint32(32 - BITS)
    return hashes


@cache
def _foreign() -> NDArray[np.bool_]:
    """Mark letters and digits that are no Chinese ones, by code point."""
    table = np.zeros(FOREIGN[-1][1] + 2, dtype=np.bool_)
    for first, last in FOREIGN:
        table[first : last + 1] = True
    return table
