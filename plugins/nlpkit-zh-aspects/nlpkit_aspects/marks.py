"""Opinions as marks of tokens, and back: what a network is asked, and what is read from its answers. Needs numpy alone.

Each token has a mark for targets and one for opinions, in the scheme IOBES (outside, begin, inside, end, single);
each token of an opinion has a polarity; and of each pair of tokens it is asked whether the first is of an opinion on
what the second is of. So an opinion may have several targets, or none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nlpkit_aspects.opinions import POLARITIES, Opinion, Span, overlap

OUTSIDE, BEGIN, INSIDE, END, SINGLE = range(5)
MARKS = 5
TARGET, OPINION = slice(0, MARKS), slice(MARKS, 2 * MARKS)  # columns of a network's numbers of a token
POLARITY = slice(2 * MARKS, 2 * MARKS + len(POLARITIES))
OWN = 2 * MARKS + len(POLARITIES)  # columns of a token; behind them one for each token of the row
NO_TARGET = -1
_NEVER = -1e9
_FOLLOWS = np.zeros((MARKS, MARKS), dtype=bool)
_FOLLOWS[[OUTSIDE, END, SINGLE], :] = [True, True, False, False, True]
_FOLLOWS[[BEGIN, INSIDE], :] = [False, False, True, True, False]
_MAY_FOLLOW = np.where(_FOLLOWS, 0.0, _NEVER)  # (before, after)
_MAY_BEGIN = np.where([True, True, False, False, True], 0.0, _NEVER)
_MAY_END = np.where([True, False, False, True, True], 0.0, _NEVER)
Floats: TypeAlias = NDArray[Any]


class Decoding(NamedTuple):
    """How opinions are read from numbers; both are chosen on validation rows.

    :param outside: added to the logit that a token is of no opinion: less finds more opinions.
    :param pair: the logit from which on a target belongs to an opinion.
    """

    outside: float = 0.0
    pair: float = 0.0


def mark_opinions(opinions: Sequence[Opinion], spans: Sequence[Span]) -> NDArray[np.int32]:
    """Return opinions as tokens ``(opinions, 5)``: first and last of the words, of the target, and the polarity.

    Where two opinions overlap and are not the same words, the first counts: a token has one mark.

    :param spans: of the tokens.
    """
    rows: list[tuple[int, ...]] = []
    for opinion in sorted(opinions, key=lambda one: (one.opinion, one.target or (0, 0))):
        words, target = _tokens_of(opinion.opinion, spans), _tokens_of(opinion.target, spans)
        clash = any(
            (words != row[:2] and _meet(words, row[:2])) or (target != row[2:4] and _meet(target, row[2:4]))
            for row in rows
        )
        if words[0] != NO_TARGET and not clash:
            rows.append((*words, *target, POLARITIES.index(opinion.polarity)))
    return np.array(rows, dtype=np.int32).reshape(-1, 5)


def _tokens_of(span: Span | None, spans: Sequence[Span]) -> tuple[int, int]:
    """Return the first and the last token that overlap a span."""
    at = [] if span is None else [at for at, token in enumerate(spans) if overlap(token, span)]
    return (at[0], at[-1]) if at else (NO_TARGET, NO_TARGET)


def _meet(one: Sequence[int], other: Sequence[int]) -> bool:
    return one[0] != NO_TARGET and other[0] != NO_TARGET and one[0] <= other[1] and other[0] <= one[1]


def write_marks(marks: NDArray[np.integer[Any]], first: int, last: int) -> None:
    """Write the marks of one span into those of a row ``(time,)``."""
    marks[first : last + 1] = INSIDE
    marks[first], marks[last] = BEGIN, END
    if first == last:
        marks[first] = SINGLE


def decode(numbers: Floats, lengths: NDArray[np.int64], decoding: Decoding) -> Iterator[list[Opinion]]:
    """Yield the opinions of each row, their spans counted in tokens.

    :param numbers: of a network ``(batch, time, OWN + time)``.
    :param lengths: tokens of each row ``(batch,)``.
    """
    logits = numbers[..., OPINION].astype(np.float64)
    logits[..., OUTSIDE] += decoding.outside
    targets = find_best_marks(log_softmax(numbers[..., TARGET]), lengths)
    words = find_best_marks(log_softmax(logits), lengths)
    sure = np.exp(log_softmax(numbers[..., OPINION]))
    for row, length in enumerate(lengths.tolist()):
        yield _read_row(
            numbers[row], sure[row], spans_of(words[row, :length]), spans_of(targets[row, :length]), decoding.pair
        )


def _read_row(
    numbers: Floats, sure: Floats, words: Sequence[Span], targets: Sequence[Span], least: float
) -> list[Opinion]:
    """Read the opinions of a row: each of its words' targets that are likely enough, or one opinion on nothing."""
    opinions = []
    for begin, end in words:
        polarities = np.exp(log_softmax(numbers[begin:end, POLARITY].mean(0)))
        best = int(polarities.argmax())
        there = float((1 - sure[begin:end, OUTSIDE]).mean())
        links = [float(numbers[begin:end, OWN + first : OWN + last].mean()) for first, last in targets]
        chosen: list[Span | None] = [span for span, link in zip(targets, links, strict=True) if link > least]
        probability = round(float(polarities[best]) * there, 4)
        opinions += [Opinion(span, (begin, end), POLARITIES[best], probability) for span in chosen or [None]]
    return opinions


def find_best_marks(scores: Floats, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the likeliest marks ``(batch, time)`` of which each may follow the one before it (Viterbi 1967).

    :param scores: ``(batch, time, MARKS)``; what is behind the end of a row does not count.
    """
    batch, time, _ = scores.shape
    outside = np.where(np.arange(MARKS) == OUTSIDE, 0.0, _NEVER)
    behind = np.arange(time) >= lengths[:, None]
    scores = np.where(behind[..., None], outside, scores)  # so that a row has to be whole where it ends
    best, came = _MAY_BEGIN + scores[:, 0], np.zeros((time, batch, MARKS), dtype=np.int64)
    for at in range(1, time):
        paths = best[:, :, None] + _MAY_FOLLOW
        came[at] = paths.argmax(1)
        best = paths.max(1) + scores[:, at]
    marks = np.zeros((batch, time), dtype=np.int64)
    marks[:, -1] = (best + _MAY_END).argmax(1)
    for at in range(time - 1, 0, -1):
        marks[:, at - 1] = came[at, np.arange(batch), marks[:, at]]
    return marks


def spans_of(marks: NDArray[np.int64]) -> list[Span]:
    """Return the spans that marks ``(time,)`` stand for, each of which may follow the one before it."""
    begins = np.flatnonzero((marks == BEGIN) | (marks == SINGLE)).tolist()
    ends = np.flatnonzero((marks == END) | (marks == SINGLE)).tolist()
    return [(begin, end + 1) for begin, end in zip(begins, ends, strict=True)]


def log_softmax(logits: Floats) -> NDArray[np.float64]:
    """Return logarithms of probabilities along the last axis."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))
