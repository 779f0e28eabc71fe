"""What an opinion is, where it stands in a text, and how a row of a corpus holds several of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from nlpkit import DataError
from nlpkit.text import parse_json

Polarity: TypeAlias = Literal["negative", "neutral", "positive"]
Span: TypeAlias = tuple[int, int]  # of characters, as Python slices a text
POLARITIES: tuple[Polarity, ...] = ("negative", "neutral", "positive")
_SENTENCE = re.compile(r"[^。！？!?\r\n]*[。！？!?\r\n]+|[^。！？!?\r\n]+")


@dataclass(frozen=True)
class Opinion:
    """What a text says of something.

    :param target: of what, as a span of the text; None where it does not say it.
    :param opinion: the words that say it.
    :param probability: how sure a model is of the words and the polarity together; None of one that a person marked.
    """

    target: Span | None
    opinion: Span
    polarity: Polarity
    probability: float | None = None

    @property
    def key(self) -> tuple[Span | None, Span, Polarity]:
        """Return what two opinions have in common that are the same."""
        return self.target, self.opinion, self.polarity

    def agrees(self, other: Opinion) -> bool:
        """Tell whether it is much the same: of one polarity, its words and its target overlapping the other's."""
        targets = (
            self.target == other.target
            if self.target is None or other.target is None
            else overlap(self.target, other.target)
        )
        return self.polarity == other.polarity and targets and overlap(self.opinion, other.opinion)

    def moved(self, by: int) -> Opinion:
        """Return the same so many characters later."""
        target = None if self.target is None else (self.target[0] + by, self.target[1] + by)
        return Opinion(target, (self.opinion[0] + by, self.opinion[1] + by), self.polarity, self.probability)

    def to_json(self) -> dict[str, Any]:
        """Return it as a row of a corpus holds it."""
        found: dict[str, Any] = {"target": self.target, "opinion": self.opinion, "label": self.polarity}
        return found if self.probability is None else {**found, "probability": self.probability}


class Opinions(NamedTuple):
    """The opinions of a text in its order; where there are none, ``reason`` says why."""

    opinions: list[Opinion]
    reason: str | None = None


def overlap(one: Span, other: Span) -> bool:
    """Tell whether two spans have a character in common."""
    return max(one[0], other[0]) < min(one[1], other[1])


def split_sentences(text: str) -> list[Span]:
    """Return where the sentences of a text stand; together they are all of it.

    >>> split_sentences("房间很大！就是隔音不好")
    [(0, 5), (5, 11)]
    """
    return [match.span() for match in _SENTENCE.finditer(text)]


def read_opinions(text: str, answer: str) -> list[Opinion]:
    """Read what stands beside a text in a corpus: a list of objects with ``target``, ``opinion`` and ``label``.

    :raises DataError: if it is something else.
    """
    found = parse_json(answer)
    try:
        if not isinstance(found, list):
            raise ValueError(f"a list was expected, found {answer:.40}")
        return [_read_opinion(text, one) for one in found]
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            "the opinions of the text {text!r:.40} cannot be read ({why}): expected a list of objects such as "
            '{{"target": [0, 2], "opinion": [2, 4], "label": "positive"}}',
            text=text,
            why=error,
        ) from error


def write_opinions(opinions: Iterable[Opinion]) -> list[dict[str, Any]]:
    """Return what `read_opinions` reads, as JSON holds it."""
    return [opinion.to_json() for opinion in opinions]


def _read_opinion(text: str, fields: Mapping[str, Any]) -> Opinion:
    target, polarity = fields["target"], fields["label"]
    if polarity not in POLARITIES:
        raise ValueError(f"the label {polarity!r} is none of {', '.join(POLARITIES)}")
    return Opinion(None if target is None else _read_span(text, target), _read_span(text, fields["opinion"]), polarity)


def _read_span(text: str, span: Sequence[Any]) -> Span:
    begin, end = span
    if not (type(begin) is int and type(end) is int and 0 <= begin < end <= len(text)):
        raise ValueError(f"{list(span)} is no span of {len(text)} characters")
    return begin, end
