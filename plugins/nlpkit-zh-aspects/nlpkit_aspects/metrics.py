"""How many opinions a model finds, and how many of those that it finds are there."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from nlpkit.tasks import Metrics
from nlpkit.text import Example

from nlpkit_aspects.opinions import Opinion, Opinions, read_opinions

if TYPE_CHECKING:
    from nlpkit_aspects.model import AspectsModel

BLOCK = 512  # rows that are asked about together


@dataclass
class Figures:
    """Precision, recall and F1 in percent, of opinions that are right."""

    right: int = 0
    told: int = 0
    there: int = 0

    def add(self, right: int, told: int, there: int) -> None:
        """Count the opinions of a row."""
        self.right, self.told, self.there = self.right + right, self.told + told, self.there + there

    @property
    def precision(self) -> float:
        """Share of those told that are right."""
        return 100 * self.right / max(1, self.told)

    @property
    def recall(self) -> float:
        """Share of those that are there which are told."""
        return 100 * self.right / max(1, self.there)

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        return 200 * self.right / max(1, self.told + self.there)

    def to_json(self) -> dict[str, float]:
        """Return all three, rounded."""
        return {name: round(getattr(self, name), 2) for name in ("precision", "recall", "f1")}


@dataclass
class Tally:
    """Opinions counted row by row.

    :param exact: right are those with the very spans and polarity.
    :param overlapping: right are those of the same polarity whose words overlap, and whose targets do or both are none.
    """

    rows: int = 0
    exact: Figures = field(default_factory=Figures)
    overlapping: Figures = field(default_factory=Figures)

    def add(self, expected: Sequence[Opinion], found: Sequence[Opinion]) -> None:
        """Count a row; each opinion that is there counts for one that was found at most."""
        self.rows += 1
        size = len(found), len(expected)
        keys = {opinion.key for opinion in expected}
        self.exact.add(len(keys & {opinion.key for opinion in found}), *size)
        self.overlapping.add(count_agreeing(expected, found), *size)


def count_agreeing(expected: Sequence[Opinion], found: Sequence[Opinion]) -> int:
    """Return how many can be paired that are much the same, each with one other; those exactly the same first."""
    keys = {opinion.key for opinion in expected} & {opinion.key for opinion in found}
    left = [opinion for opinion in expected if opinion.key not in keys]
    right = len(keys)
    for opinion in (one for one in found if one.key not in keys):
        partner = next((other for other in left if opinion.agrees(other)), None)
        if partner is not None:
            left.remove(partner)
            right += 1
    return right


@dataclass(frozen=True)
class AspectsMetrics(Metrics):
    """Figures of the opinions of some rows."""

    tally: Tally
    columns: ClassVar[tuple[str, ...]] = (
        *(">rows", ">opinions", ">precision", ">recall", ">F1"),
        *(">overlapping: precision", ">recall", ">F1"),
    )

    def cells(self) -> tuple[str, ...]:
        """Return the figures as a row of the table."""
        both = (*self.tally.exact.to_json().values(), *self.tally.overlapping.to_json().values())
        return f"{self.tally.rows:,}", f"{self.tally.exact.there:,}", *(f"{figure:.1f}" for figure in both)

    def to_json(self) -> dict[str, Any]:
        """Return all figures, rounded."""
        tally = self.tally
        counts = {"rows": tally.rows, "opinions": tally.exact.there, "told": tally.exact.told}
        return {**counts, "exact": tally.exact.to_json(), "overlapping": tally.overlapping.to_json()}

    @property
    def rows_measured(self) -> int:
        """All of them."""
        return self.tally.rows


def measure(model: AspectsModel, examples: Iterable[Example]) -> AspectsMetrics:
    """Find the opinions of rows, and compare them with those that stand beside."""
    tally = Tally()
    for block, answers in model.map(_find, _cut(examples)):
        for example, found in zip(block, answers, strict=True):
            tally.add(read_opinions(example.text, example.label), found.opinions)
    return AspectsMetrics(tally)


def _cut(examples: Iterable[Example]) -> Iterator[list[Example]]:
    remaining = iter(examples)
    while block := list(itertools.islice(remaining, BLOCK)):
        yield block


def _find(model: AspectsModel, block: Sequence[Example]) -> list[Opinions]:
    return model.find([example.text for example in block])
