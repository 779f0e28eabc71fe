"""A word given the words on both its sides, from counts of n-grams; numpy alone.

One table of n-grams serves every place that a blank can take in them: pairs hold what follows a word and what precedes
one, triples ``(l2 l1 w)``, ``(w r1 r2)`` and ``(l1 w r1)``. The words that stand a little farther off are counted in
pairs without what lies between (distant bigrams: Rosenfeld 1996, https://doi.org/10.1006/csla.1996.0011).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nlpkit.model.members import Arrays, Floats, array_of
from nlpkit.tasks.cloze.blanks import Blank
from nlpkit.text.vocabulary import PAD, UNKNOWN, Ints, TableVocabulary, Tokens

BOUNDARY = PAD  # the id of the beginning and the end of a text: which of them, its place in an n-gram tells
MOST_IDS = 1 << 16  # an id takes two bytes
LONGEST = 4  # words in an n-gram
FAR = "far"  # the table of distant pairs; the others are called by the length of their n-grams
HIGHEST = 2.0  # of an exponent: no probability underflows
CACHED = 4096  # contexts whose words stay at hand
_BOTH_SIDES = ((1, 1), (2, 1), (1, 2))
Context: TypeAlias = tuple[int | None, ...]  # the ids of an n-gram, None at the blank
Found: TypeAlias = tuple[Ints, Floats]  # answers, and how often each stands there


class CountMember:
    """Counts as a member of a cloze bundle.

    A side's probability is a Witten-Bell mixture of its n-grams, the longest first (Witten & Bell 1991,
    https://doi.org/10.1109/18.87000). The two sides are multiplied as if they were independent given the word, and so
    is each word farther off: ``P(left)**near P(right)**near (P(far) / P)**far ... / P**alpha``. That product is the
    prior of the n-grams that reach over both sides.

    :param arrays: what `nlpkit.tasks.cloze.counting.count_ngrams` made.
    :param vocabulary: of the contexts.
    :raises ValueError: if these do not fit each other.
    """

    def __init__(self, arrays: Arrays, vocabulary: TableVocabulary, answers: Sequence[str]) -> None:
        self._vocabulary = vocabulary
        self._escape, self._near, self._far, self._alpha = _parameters(arrays)
        self._order, self._reach = _lengths(arrays)
        self._prior = _prior(arrays, len(answers))
        self._log_prior = np.log(self._prior)
        names = [str(n) for n in range(2, self._order + 1)] + [FAR] * (self._reach > 1)
        self._tables = _tables(arrays, names, vocabulary)
        self._answers = self._answer_of_each_id(answers)
        self._found = lru_cache(maxsize=CACHED)(self._find)  # a method's own cache would outlive its member

    def logits(self, blanks: Sequence[Blank]) -> Floats:
        """Map blanks to log-probabilities ``(batch, answers)``; a blank's do not depend on the others."""
        rows = [self._logits(blank) for blank in blanks]
        return np.stack(rows) if rows else np.zeros((0, len(self._prior)))

    def _logits(self, blank: Blank) -> Floats:
        left, right = self._nearest(reversed(blank.left)), self._nearest(blank.right)
        longest = range(1, self._order)
        before = self._side([_context(left[:n], []) for n in longest if n <= len(left)])
        after = self._side([_context([], right[:n]) for n in longest if n <= len(right)])
        scores = self._near * (np.log(before) + np.log(after)) - self._alpha * self._log_prior
        self._add_far(scores, left, right)
        found = np.exp(scores - scores.max(initial=-math.inf))
        found /= found.sum()
        for i, j in _BOTH_SIDES:
            if i + j < self._order and i <= len(left) and j <= len(right):
                found = self._mixed(found, _context(left[:i], right[:j]))
        return np.asarray(np.log(found))

    def _side(self, contexts: Iterable[Context]) -> Floats:
        found = self._prior
        for context in contexts:
            found = self._mixed(found, context)
        return found

    def _mixed(self, prior: Floats, context: Context) -> Floats:
        """Witten-Bell: (count + escape * types * prior) / (total + escape * types)."""
        answers, counts = self._found(str(len(context)), context)
        if not len(answers):
            return prior
        escape = len(answers) * (self._escape if len(context) > 2 else 1.0)  # pairs are not pruned
        total = counts.sum() + escape
        found: Floats = prior * (escape / total)
        found[answers] += counts / total
        return found

    def _add_far(self, scores: Floats, left: list[int], right: list[int]) -> None:
        """Add ``far * log(P(word | other) / P(word))`` but for a constant, which is 0 where they never met."""
        contexts: list[Context] = [(other, None) for other in left[1 : self._reach]]
        contexts += [(None, other) for other in right[1 : self._reach]]
        for context in contexts:
            if BOUNDARY not in context:
                answers, counts = self._found(FAR, context)
                escape = self._escape * len(answers)
                scores[answers] += self._far * np.log1p(counts / (escape * self._prior[answers]))

    def _nearest(self, tokens: Iterable[str | None]) -> list[int]:
        """Ids of one side's tokens, the nearest first, up to where another blank is or no table reaches."""
        limit, known = max(self._order - 1, self._reach), list[str]()
        for token in tokens:
            if token is None or len(known) == limit:
                return self._ids(known)
            known.append(token)
        return [*self._ids(known), BOUNDARY]

    def _ids(self, tokens: Sequence[str]) -> list[int]:
        ids: list[int] = self._vocabulary.encode(Tokens.of([tokens])).grid[0].tolist()
        return ids

    def _find(self, table: str, context: Context) -> Found:
        words, counts = self._tables[table].at(context)
        answers = self._answers[words]
        known = answers >= 0
        return answers[known], counts[known]

    def _answer_of_each_id(self, answers: Sequence[str]) -> Ints:
        """Positions ``(ids,)`` among the answers, -1 for what is none."""
        positions = np.full(len(self._vocabulary), -1, dtype=np.int64)
        positions[self._ids(answers)] = np.arange(len(answers))
        positions[UNKNOWN] = -1
        return positions


class _Table:
    """N-grams in the order of their words' ids.

    :param columns: the first words, the second words, … each ``(n-grams,)``.
    :param codes: which of the levels is an n-gram's count ``(n-grams,)``.
    """

    def __init__(self, columns: list[NDArray[Any]], codes: NDArray[Any], levels: Floats, size: int) -> None:
        self.columns, self._codes, self._levels, self._size = columns, codes, levels, size

    def at(self, context: Context) -> tuple[NDArray[Any], Floats]:
        """Ids of the words that fill a context, each once, and their counts."""
        rows = self._ending(context[-1]) if context[0] is None else self._beginning(context[0])
        for column, word in zip(self.columns, context, strict=True):
            if word is not None:
                rows = rows[column[rows] == word]
        return self.columns[context.index(None)][rows], self._levels[self._codes[rows]]

    def _beginning(self, word: int) -> Ints:
        return np.arange(self._starts[word], self._starts[word + 1])

    def _ending(self, word: int | None) -> Ints:
        starts, rows = self._by_last
        return rows[starts[word] : starts[word + 1]] if word is not None else np.arange(len(rows))

    @cached_property
    def _starts(self) -> Ints:
        return _starts(self.columns[0], self._size)

    @cached_property
    def _by_last(self) -> tuple[Ints, Ints]:
        return _starts(self.columns[-1], self._size), np.argsort(self.columns[-1], kind="stable")  # a radix sort


def _starts(column: NDArray[Any], size: int) -> Ints:
    """Where each id's rows would start if the column were sorted ``(size + 1,)``."""
    return np.concatenate([[0], np.cumsum(np.bincount(column, minlength=size))])


def _context(left: list[int], right: list[int]) -> Context:
    """The ids around a blank in the order of the text; each side comes with the nearest first."""
    return (*reversed(left), None, *right)


def _column(arrays: Arrays, name: str, kind: str) -> NDArray[Any]:
    """One array of a column, of a kind of numbers."""
    found = array_of(arrays, name)
    if found.ndim != 1 or found.dtype.kind != kind or found.dtype == np.uint64:  # whose sums could overflow
        raise ValueError(f"the array {name!r} of the counts is {found.dtype} {found.shape}, which nothing writes")
    return found


def _parameters(arrays: Arrays) -> list[float]:
    """The escape and the exponents near, far and alpha."""
    found = _column(arrays, "parameters", "f")
    if found.shape != (4,) or not found[0] > 0 or not ((found >= 0) & np.isfinite(found)).all():
        raise ValueError(f"the counts want four parameters above 0, found: {found.tolist()}")
    if found[1:].max() > HIGHEST:
        raise ValueError(f"the exponents of the counts must be at most {HIGHEST}, found: {found[1:].tolist()}")
    return [float(value) for value in found]


def _lengths(arrays: Arrays) -> tuple[int, int]:
    """Words of the longest n-gram, and how far off the other word of a distant pair may be."""
    found = _column(arrays, "lengths", "u")
    if found.shape != (2,) or found[0] > LONGEST:
        raise ValueError(f"the counts want an order of at most {LONGEST} and a reach, found: {found.tolist()}")
    return int(found[0]), int(found[1])


def _prior(arrays: Arrays, answers: int) -> Floats:
    """Probabilities of the answers wherever they stand, with one added to each count (Laplace)."""
    counts: Floats = _column(arrays, "unigrams", "f").astype(np.float64)
    if len(counts) != answers or not ((counts >= 0) & np.isfinite(counts)).all():
        raise ValueError(f"the counts want a number not below 0 for each of {answers} answers, found {len(counts)}")
    return np.asarray((counts + 1) / (counts + 1).sum())


def _tables(arrays: Arrays, names: Iterable[str], vocabulary: TableVocabulary) -> dict[str, _Table]:
    size, levels = len(vocabulary), _column(arrays, "levels", "f").astype(np.float64)
    if size > MOST_IDS or not ((levels > 0) & np.isfinite(levels)).all():
        raise ValueError(f"the counts want at most {MOST_IDS} ids and levels above 0, found {size} ids")
    tables = dict[str, _Table]()
    for name in names:
        words = _column(arrays, f"{name}.words", "u")
        firsts = _pairs(arrays, name, size) if name in (FAR, "2") else _longer(arrays, name, tables[str(int(name) - 1)])
        tables[name] = _table(arrays, name, [*firsts, words], levels, size)
    return tables


def _pairs(arrays: Arrays, name: str, size: int) -> list[NDArray[Any]]:
    """The first words of pairs, of which each has so many successors."""
    successors = _column(arrays, f"{name}.successors", "u")
    if len(successors) != size or successors.sum(dtype=np.int64) != len(arrays[f"{name}.words"]):
        raise ValueError(f"the successors of the pairs {name!r} do not fit the vocabulary of {size} ids")
    return [np.repeat(np.arange(size, dtype=np.uint16), successors)]


def _longer(arrays: Arrays, name: str, shorter: _Table) -> list[NDArray[Any]]:
    """All words of n-grams but the last: those of an n-gram one shorter, so many rows after the one before."""
    rows = np.cumsum(_column(arrays, f"{name}.steps", "u"), dtype=np.int64)
    if rows.max(initial=-1) >= len(shorter.columns[0]):
        raise ValueError(f"the n-grams {name!r} go on from some that are not there")
    return [column[rows] for column in shorter.columns]


def _table(arrays: Arrays, name: str, columns: list[NDArray[Any]], levels: Floats, size: int) -> _Table:
    codes = _column(arrays, f"{name}.codes", "u")
    if not len(columns[0]) == len(columns[-1]) == len(codes):
        raise ValueError(f"the columns of the n-grams {name!r} differ in length")
    if columns[-1].max(initial=0) >= size or codes.max(initial=0) >= max(len(levels), 1):
        raise ValueError(f"the n-grams {name!r} do not fit the vocabulary of {size} ids and the {len(levels)} levels")
    return _Table(columns, codes, levels, size)
