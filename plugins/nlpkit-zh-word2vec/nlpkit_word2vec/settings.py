"""How vectors are fitted."""

from __future__ import annotations

from dataclasses import dataclass

SEEDS = 1 << 32


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """How vectors are fitted (Mikolov et al. 2013, https://arxiv.org/abs/1310.4546).

    :param dim: numbers in a vector.
    :param min_count: a word seen less often has no vector.
    :param window: words to each side.
    :param sg: skip-gram; false: CBOW.
    :param negative: words drawn at random against each that is right.
    :param epochs: passes over the documents, after one that counts.
    :param seed: below 2**32.
    """

    dim: int
    min_count: int = 5
    window: int = 5
    sg: bool = False
    negative: int = 5
    epochs: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed >= SEEDS:
            raise ValueError(f"seed must be below 2**32, was: {self.seed!r}")
