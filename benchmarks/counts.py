"""A word given the words on both its sides, from counts of n-grams: what a network is measured by.

A side's probability is a Witten-Bell mixture of its n-grams, the longest first (Witten & Bell 1991,
https://doi.org/10.1109/18.87000). The two sides are multiplied as if they were independent given the word, and so is
each word farther off, counted without what lies between (Rosenfeld 1996, https://doi.org/10.1006/csla.1996.0011):
``P(left)**NEAR P(right)**NEAR (P(far) / P)**FAR ... / P**ALPHA``. That product is the prior of the n-grams that reach
over both sides. The settings came out best on validation rows of goods.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial

import numpy as np

from nlpkit.tasks.cloze.blanks import Blank
from nlpkit.tasks.cloze.model import ClozeModel

ORDER = 4  # words of the longest n-gram
MIN_COUNT = 3  # times that one of three words or more, or a distant pair, must be seen to be kept
REACH = 5  # tokens, how far off a word still says something
ESCAPE = 16.0  # how much the shorter context weighs: those that were left out count for it
NEAR, FAR, ALPHA = 0.9, 0.5, 0.9
END, OTHER = "|", "?"  # the ends of a text, and tokens that were seen once


class Counts:
    """Counts of tokenised texts, of which each counts by its weight."""

    def __init__(self, documents: Sequence[Sequence[str]], weights: Sequence[float], answers: Sequence[str]) -> None:
        times = Counter(itertools.chain.from_iterable(documents))
        self._known = {token for token, n in times.items() if n > 1}
        self._place = {word: place for place, word in enumerate(answers) if word in self._known}
        self._found: dict[Hashable, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        lines = [[END, *map(self._shown, document), END] for document in documents]
        prior = np.ones(len(answers))
        for line, weight in zip(lines, weights, strict=True):
            for place in (self._place[token] for token in line if token in self._place):
                prior[place] += weight
        self._prior = prior / prior.sum()
        kept: set[tuple[str, ...]] | None = None
        for size in range(2, ORDER + 1):
            kept = self._add(size, lines, weights, partial(_ngrams, size), kept)
        self._add("far", lines, weights, _distant, None)

    def _add(
        self,
        kind: Hashable,
        lines: Sequence[Sequence[str]],
        weights: Sequence[float],
        grams: Callable[[Sequence[str]], Iterable[tuple[str, ...]]],
        shorter: set[tuple[str, ...]] | None,
    ) -> set[tuple[str, ...]]:
        """Count what is seen often enough; of n-grams only such whose parts are."""
        seen = Counter(
            gram
            for line in lines
            for gram in grams(line)
            if shorter is None or (gram[:-1] in shorter and gram[1:] in shorter)
        )
        kept = {gram for gram, n in seen.items() if kind == 2 or n >= MIN_COUNT}
        for line, weight in zip(lines, weights, strict=True):
            for gram in filter(kept.__contains__, grams(line)):
                for at, token in enumerate(gram):
                    if token in self._place:
                        self._found[kind, gram[:at], gram[at + 1 :]][self._place[token]] += weight
        return kept

    def logits(self, blank: Blank) -> np.ndarray:
        """Log-probabilities ``(answers,)``."""
        left, right = self._side(blank.left[::-1]), self._side(blank.right)
        before = after = self._prior
        for n in range(1, ORDER):
            escape = 1.0 if n == 1 else ESCAPE
            if n <= len(left):
                before = self._mixed(before, (n + 1, tuple(left[:n][::-1]), ()), escape)
            if n <= len(right):
                after = self._mixed(after, (n + 1, (), tuple(right[:n])), escape)
        found = NEAR * np.log(before * after) - ALPHA * np.log(self._prior)
        for place, words in ((0, left), (1, right)):
            for word in words[1:REACH]:
                context = ((word,), ()) if place == 0 else ((), (word,))
                found += FAR * np.log(self._mixed(self._prior, ("far", *context), ESCAPE) / self._prior)
        chances = np.exp(found - found.max())
        chances /= chances.sum()
        for i, j in ((1, 1), (2, 1), (1, 2)):
            if i <= len(left) and j <= len(right):
                chances = self._mixed(chances, (i + j + 1, tuple(left[:i][::-1]), tuple(right[:j])), ESCAPE)
        return np.log(chances)

    def _mixed(self, prior: np.ndarray, context: Hashable, escape: float) -> np.ndarray:
        """What is seen in a context, mixed with a prior."""
        found = self._found.get(context)
        if not found:
            return prior
        escape *= len(found)
        mixed = escape * prior
        mixed[list(found)] += list(found.values())
        return mixed / (sum(found.values()) + escape)

    def _side(self, tokens: Sequence[str | None]) -> list[str]:
        """Tokens from the blank outwards, up to another blank."""
        near = list(itertools.takewhile(lambda token: token is not None, tokens))
        return [*map(self._shown, near), *([END] if len(near) == len(tokens) else [])]

    def _shown(self, token: str | None) -> str:
        return token if token in self._known else OTHER


def _ngrams(size: int, line: Sequence[str]) -> Iterable[tuple[str, ...]]:
    return zip(*(line[at:] for at in range(size)), strict=False)


def _distant(line: Sequence[str]) -> Iterable[tuple[str, ...]]:
    for distance in range(2, REACH + 1):
        yield from zip(line[1:-1], line[1 + distance : -1], strict=False)


class CountModel(ClozeModel):
    """Counts in the place of a model's members, with its tokenizer and its words."""

    def __init__(self, model: ClozeModel, counts: Counts) -> None:
        super().__init__(model.bundle)
        self._counts = counts

    def logits(self, blanks: Sequence[Blank]) -> np.ndarray:
        """Map blanks to log-probabilities ``(batch, answers)``."""
        return np.array([self._counts.logits(blank) for blank in blanks]).reshape(len(blanks), len(self.words))
