"""Texts whose blanks are filled, jointly where a text has several."""

from __future__ import annotations

import itertools
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import Sentence, SettingError, join
from nlpkit.plugins.watched import TokenizerError
from nlpkit.tasks.cloze.blanks import MARK, Blank, blank_at, find_foreign_mark, split_at_blanks
from nlpkit.text.blocks import blocks_of
from nlpkit.text.invisible import visible
from nlpkit.text.normalisation import Normaliser
from nlpkit.text.row import Row, answer_rows, check_texts, unfit

if TYPE_CHECKING:
    from nlpkit.tasks.cloze.model import ClozeModel

BLOCK = 1024  # texts filled together, so that the network gets batches of similar length
BEAM = 10
LIMIT = 8  # blanks in a text
WIDEST = 1_000  # ways to fill some of several blanks that are held
NO_BLANK, OTHER_BLANK = "no blank", "a blank marked otherwise"
Words: TypeAlias = tuple["str | None", ...]  # what stands at each blank of a text, None where it is empty


class Filling(NamedTuple):
    """One way to fill the blanks of a text.

    :param words: one for each blank, in the model's spelling.
    :param score: natural logarithm of the probability.
    :param probability: among all words; of several blanks, that of each word given those filled before it, multiplied.
    :param text: the text as it came, with the words put in.
    """

    words: tuple[str, ...]
    score: float
    probability: float
    text: str


class Filled(NamedTuple):
    """The best fillings of a text, in order; where there are none, ``reason`` says why."""

    fillings: list[Filling]
    reason: str | None = None


@dataclass(frozen=True)
class Candidates:
    """Which of a model's words may be said.

    :param positions: among all its words, ascending; None is all of them.
    :param unknown: words of the lexicon that the model does not know, none of which can be said.
    :param reason: why there is nothing to say, if there is nothing.
    """

    positions: NDArray[np.intp] | None = None
    unknown: Sequence[str] = ()
    reason: str | None = None

    @classmethod
    def of(
        cls,
        words: Sequence[str],
        normaliser: Normaliser,
        *,
        lexicon: Iterable[str] | None = None,
        pattern: str | None = None,
        length: int | None = None,
    ) -> Candidates:
        """Choose those that meet all conditions; see `ClozeModel.fill`."""
        if lexicon is None and pattern is None and length is None:
            return cls()
        allowed = None if lexicon is None else _normalise(lexicon, normaliser)
        matches = _make_matcher(pattern)
        if length is not None:
            _check("length", length)
        positions = [
            i
            for i, word in enumerate(words)
            if (allowed is None or word in allowed) and (length is None or len(word) == length) and matches(word)
        ]
        known = set(words)
        unknown = [spelling for word, spelling in (allowed or {}).items() if word not in known]
        reason = None if positions else _say_nothing_fits(len(words), allowed is not None, pattern, length)
        return cls(np.array(positions, dtype=np.intp), unknown, reason)


@dataclass
class _Search:
    """A text with several blanks, on its way.

    :param order: the blanks, in the order in which they are filled.
    :param beam: what is tried further, with scores.
    """

    segments: Sequence[Sequence[str]]
    order: list[int]
    beam: list[tuple[float, Words]] = field(default_factory=list)


class Filler:
    """Fills texts by a model, always under the same conditions.

    :param beam: see `ClozeModel.fill`.
    :raises SettingError: if a number is not positive.
    """

    def __init__(
        self, model: ClozeModel, *, top: int = 10, beam: int | None = None, candidates: Candidates | None = None
    ) -> None:
        _check("top", top)
        self._model, self._top, self._beam = model, top, min(max(top, BEAM), WIDEST) if beam is None else beam
        _check("beam", self._beam, WIDEST)
        self._ways = min(max(top, self._beam), WIDEST)
        self._candidates = candidates or Candidates()

    def fill(self, texts: Iterable[str]) -> list[Filled]:
        """Fill each text, in order.

        :raises SettingError: if it is given one text, or nothing that holds texts.
        """
        return list(self.stream(texts))

    def stream(self, texts: Iterable[str]) -> Iterator[Filled]:
        """Fill texts as they come, a block at a time, so that memory does not grow with their number."""
        check_texts(texts, "fill")
        for block in blocks_of(texts, BLOCK):
            yield from self._block(block)

    def fill_rows(self, rows: Sequence[Row]) -> list[Filled]:
        """Fill rows of a file; a row that could not be read has its fault as the reason."""
        return answer_rows(rows, self.fill, lambda fault: Filled([], fault))

    def _block(self, texts: Sequence[Any]) -> list[Filled]:
        parts = [[] if unfit(text) else split_at_blanks(text) for text in texts]
        reasons = [_fault_of(text, part) for text, part in zip(texts, parts, strict=True)]
        rows = [i for i, reason in enumerate(reasons) if reason is None]
        tokens = dict(self._cut(rows, parts, reasons))
        rows = list(tokens)
        for i, reason in zip(rows, self._reasons(list(tokens.values())), strict=True):
            reasons[i] = reason
        rows = [i for i in rows if reasons[i] is None]
        ways = dict(zip(rows, self._search([tokens[i] for i in rows]), strict=True))
        return [
            Filled([] if reason else [_make_filling(parts[i], *way) for way in ways[i]], reason)
            for i, reason in enumerate(reasons)
        ]

    def _cut(
        self, rows: Sequence[int], parts: Sequence[Sequence[str]], reasons: list[str | None]
    ) -> Iterator[tuple[int, list[list[str]]]]:
        """Yield the tokens of rows; one that a stranger's tokenizer cannot cut gets a reason."""
        try:
            yield from zip(rows, self._tokens([parts[i] for i in rows]), strict=True)
        except TokenizerError as error:
            for i in rows:
                segments = self._model.normaliser.batch(parts[i])
                reasons[i] = next((error.reasons[text] for text in segments if text in error.reasons), None)
            yield from self._cut([i for i in rows if reasons[i] is None], parts, reasons)

    def _tokens(self, parts: Sequence[Sequence[str]]) -> list[list[list[str]]]:
        """Return the tokens of the segments of each text."""
        segments = list(itertools.chain.from_iterable(parts))
        tokens = iter(self._model.tokenize(self._model.normaliser.batch(segments)))
        return [list(itertools.islice(tokens, len(part))) for part in parts]

    def _reasons(self, texts: Sequence[Sequence[Sequence[str]]]) -> list[str | None]:
        """Say why each text has nothing to go by, or why nothing may be said."""
        documents = [list(itertools.chain.from_iterable(segments)) for segments in texts]
        known = self._model.knows(documents)
        return [
            "nothing but a blank"
            if not tokens
            else self._candidates.reason
            if knows
            else "no known word around the blank"
            for tokens, knows in zip(documents, known.tolist(), strict=True)
        ]

    def _search(self, texts: Sequence[Sequence[Sequence[str]]]) -> list[list[tuple[float, Words]]]:
        """Find the best ways to fill each text, with scores: a beam search over its blanks, the surest first.

        The first word of a text with several blanks is chosen while the others are empty, so it had better be the one
        that depends on them least.
        """
        places = [(i, at) for i, segments in enumerate(texts) for at in range(len(segments) - 1)]
        empty = [(None,) * (len(segments) - 1) for segments in texts]
        blanks = [blank_at(texts[i], empty[i], at) for i, at in places]
        firsts: list[dict[int, list[tuple[float, Words]]]] = [{} for _ in texts]
        for (i, at), ways in zip(places, self._best(blanks, max(self._top, self._beam)), strict=True):
            firsts[i][at] = [(score, _put(empty[i], at, word)) for score, word in ways]
        searches = [_begin(segments, first) for segments, first in zip(texts, firsts, strict=True)]
        for step in range(1, LIMIT):
            if not (going := [search for search in searches if len(search.order) > step]):
                break
            self._step(going, step)
        return [search.beam[: self._top] for search in searches]

    def _step(self, searches: Sequence[_Search], step: int) -> None:
        """Fill one more blank of each text."""
        for search in searches:
            del search.beam[self._beam :]
        blanks = [
            blank_at(search.segments, words, search.order[step]) for search in searches for _, words in search.beam
        ]
        best = iter(self._best(blanks, self._ways))
        for search in searches:
            at, beam = search.order[step], search.beam
            ways = [(before + score, _put(words, at, word)) for before, words in beam for score, word in next(best)]
            search.beam = sorted(ways, key=lambda way: -way[0])[: self._ways]

    def _best(self, blanks: Sequence[Blank], size: int) -> list[list[tuple[float, str]]]:
        """Return the best words at each blank, with log-probabilities."""
        positions, values = self._model.best(blanks, size, self._candidates.positions)
        words = self._model.words
        return [
            [(value, words[i]) for i, value in zip(row, scores, strict=True)]
            for row, scores in zip(positions.tolist(), values.tolist(), strict=True)
        ]


def _begin(segments: Sequence[Sequence[str]], first: dict[int, list[tuple[float, Words]]]) -> _Search:
    order = sorted(first, key=lambda at: -first[at][0][0])
    return _Search(segments, order, first[order[0]])


def _put(words: Words, at: int, word: str) -> Words:
    return (*words[:at], word, *words[at + 1 :])


def _make_filling(parts: Sequence[str], score: float, words: Sequence[str | None]) -> Filling:
    filling = tuple(word for word in words if word is not None)
    text = "".join(itertools.chain.from_iterable(zip(parts, filling, strict=False))) + parts[-1]
    score = min(score, 0.0)
    return Filling(filling, round(score, 6), float(f"{np.exp(score):.6g}"), text)


def _fault_of(text: object, parts: Sequence[str]) -> str | None:
    if (fault := unfit(text)) or not isinstance(text, str):
        return fault
    if len(parts) < 2:
        if mark := find_foreign_mark(visible(text)):
            return Sentence(
                "{no_blank}: write {mark} for {written}, one blank for each word that is missing",
                no_blank=Sentence(NO_BLANK),
                mark=MARK,
                written=mark,
            )
        return NO_BLANK if visible(text).strip() else "empty"
    if (mark := find_foreign_mark(" ".join(parts))) and mark[1:-1].lower() == "mask":
        return Sentence(
            "{other_blank}: write {mark} for {written}, too", other_blank=Sentence(OTHER_BLANK), mark=MARK, written=mark
        )
    return (
        Sentence("too many blanks: {parts}, {limit} are the most", parts=len(parts) - 1, limit=LIMIT)
        if len(parts) - 1 > LIMIT
        else None
    )


def _normalise(lexicon: Iterable[str], normaliser: Normaliser) -> dict[str, str]:
    """Return each word as it was given, by its normalised spelling."""
    if isinstance(lexicon, str | bytes):
        raise SettingError("a lexicon is a list of words, found one {kind}", kind=type(lexicon).__name__)
    words = list(lexicon)
    return dict(zip(normaliser.batch(words), words, strict=True))


def _make_matcher(pattern: str | None) -> Any:
    if pattern is None:
        return lambda _word: True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what later versions of Python may read otherwise
            return re.compile(pattern).fullmatch
    except (re.error, OverflowError, RecursionError) as error:
        raise SettingError(
            "the pattern {pattern!r} is no regular expression: {error}", pattern=pattern, error=error
        ) from None


def _check(name: str, value: object, most: float = math.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise SettingError("{name} must be a whole number, was: {value!r}", name=name, value=value)
    if not 1 <= value <= most:
        raise SettingError(
            "{name} must be at least 1{most}, was: {value}",
            name=name,
            most=Sentence(" and at most {most}", most=most) if most < math.inf else "",
            value=value,
        )


def _say_nothing_fits(words: int, lexicon: bool, pattern: str | None, length: int | None) -> str:
    conditions = [Sentence("is in the lexicon")] * lexicon
    conditions += [] if pattern is None else [Sentence("matches {pattern!r}", pattern=pattern)]
    conditions += (
        []
        if length is None
        else [Sentence("has {length} character" if length == 1 else "has {length} characters", length=length)]
    )
    return Sentence(
        "no word fits: of the model's {words:,} words none {conditions}",
        words=words,
        conditions=join(conditions, " and "),
    )
