"""Drops copies of a text, and deals rows out to training, validation and test by what is in them."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from nlpkit.corpus import Example


def letters(text: str) -> str:
    """What two copies of a text share: letters and digits, in NFKC and lower case."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


@dataclass(frozen=True)
class Deduplicated:
    """Rows that differ in letters, in their first order, and how many went.

    ``conflicts`` counts the texts that stood under several labels; all of their rows went.
    """

    examples: list[Example]
    duplicates: int
    conflicts: int
    empty: int


def deduplicate(examples: Iterable[Example]) -> Deduplicated:
    """Keep the first of rows equal in letters; drop those that differ in label alone, and those without letters."""
    kept: dict[str, Example] = {}
    conflicts: set[str] = set()
    rows = empty = 0
    for example in examples:
        rows += 1
        key = letters(example.text)
        if not key:
            empty += 1
        elif kept.setdefault(key, example).label != example.label:
            conflicts.add(key)
    examples = [example for key, example in kept.items() if key not in conflicts]
    return Deduplicated(examples, rows - empty - len(kept), len(conflicts), empty)


@dataclass(frozen=True)
class Split:
    """Disjoint rows for training, for every decision during it, and for the figures reported after it."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]


def split(examples: Iterable[Example], *, test: float = 0.2, validation: float = 0.2) -> Split:
    """Place each row by the SHA-1 of its letters alone: the same text goes to the same place in every corpus and run.

    Residues modulo 100 are dealt out so that a larger share contains every smaller one.

    :param test: share of rows, a whole percentage.
    :param validation: likewise.
    """
    slots = sorted(range(100), key=lambda residue: ((residue - 1) % 5, residue))
    first, second = round(test * 100), round((test + validation) * 100)
    places = dict.fromkeys(slots[:first], "test") | dict.fromkeys(slots[first:second], "validation")
    found: dict[str, list[Example]] = {"train": [], "validation": [], "test": []}
    for example in examples:
        digest = int(hashlib.sha1(letters(example.text).encode()).hexdigest(), 16)
        found[places.get(digest % 100, "train")].append(example)
    return Split(**found)


def fingerprint(examples: Iterable[Example]) -> str:
    """SHA-256 over texts and labels in order: which data a model was made from."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(f"{example.text}\0{example.label}\n".encode("utf-8", "replace"))
    return digest.hexdigest()
