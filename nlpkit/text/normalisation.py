"""One spelling for what readers take for the same: nothing invisible, NFKC, lower case, simplified characters."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nlpkit.text.invisible import INVISIBLE, ranges

ZEROS = str.maketrans("123456789", "0" * 9)
HAN = (*range(0x3400, 0xA000), *range(0xF900, 0xFB00))  # of the Basic Multilingual Plane
PLAIN = ((0x00, 0x7F), (0x2010, 0x2010), (0x2012, 0x2016), (0x2018, 0x2023), (0x3001, 0x3020))  # and Han
MARKS_TOGETHER = 30  # combining marks that are put in order together; no language has more than a few
SHORT_TEXT = 512  # characters of a text that is done at once, whatever it is made of
PIECE = 1 << 16  # characters of a line after which an interrupt is waited for
_EDGES = np.array([edge for first, last in INVISIBLE for edge in (first, last + 1)], dtype=np.uint32)
_PIECE = re.compile(f"(?s).{{1,{PIECE}}}[^{ranges(PLAIN)}\u3400-\u4dbf\u4e00-\u9fff]*")
_SENTENCES = re.compile(f"(?s).{{1,{PIECE}}}[^ .!?。！？]*")


def nfkc(text: str) -> str:
    """Compose as Unicode's NFKC does, in time that grows with the length alone, whatever stands in the text.

    Putting combining marks in order takes the square of their number. So in a long text they are ordered anew after
    each 30 in a row, as in the Stream-Safe Text Process (https://unicode.org/reports/tr15/#Stream_Safe_Text_Format); on
    a text with fewer this is equal to ``unicodedata.normalize``. Long texts go piece by piece, so that an interrupt is
    heard.
    """
    if len(text) <= SHORT_TEXT:
        return unicodedata.normalize("NFKC", text)
    return "".join(unicodedata.normalize("NFKC", part) for piece in _pieces(_PIECE, text) for part in _ordered(piece))


def _pieces(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    """Give a text as it is or, if it is long, in pieces that a pattern finds."""
    return (match[0] for match in pattern.finditer(text)) if len(text) > PIECE else iter([text])


def _ordered(text: str) -> Iterator[str]:
    """Cut a text after each 30 combining marks that more follow."""
    codes = _codes(text)
    marks, places = _marks()[np.minimum(codes, len(_marks()) - 1)], np.arange(len(codes))
    number = places - np.maximum.accumulate(np.where(marks, -1, places))  # of a mark in its row, from 1
    cuts = np.flatnonzero((number > MARKS_TOGETHER) & (number % MARKS_TOGETHER == 1)).tolist()
    return (text[first:last] for first, last in itertools.pairwise([0, *cuts, len(text)]))


@cache
def _marks() -> NDArray[np.bool_]:
    """Mark combining marks, and what is made of nothing else, by code point."""
    return np.array([code >= 0x300 and _is_mark(chr(code)) for code in range(0x20000)] + [False])


def _is_mark(character: str) -> bool:
    if not unicodedata.decomposition(character):
        return bool(unicodedata.combining(character))
    return all(map(unicodedata.combining, unicodedata.normalize("NFKD", character)))


@dataclass(frozen=True)
class Normaliser:
    """Which steps a model's texts go through, in this order but for ``visible``, which comes first.

    :param nfkc: Unicode's compatibility composition: ``Ａ！`` becomes ``A!`` (https://unicode.org/reports/tr15/).
    :param lower: lower case.
    :param simplify: a text that holds a traditional character is converted by OpenCC's ``t2s``.
    :param zero: every digit becomes 0, for models to which prices and sizes are all the same.
    :param visible: characters that nobody sees are dropped: Unicode's default ignorable ones
        (https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point: zero width signs, soft hyphens, variation
        selectors, marks of direction, tags, Hangul fillers), marks of annotation, and control characters but for white
        space. A joined emoji becomes its parts, which are no letters and so no evidence either way.
    :param words: no step of a text but one of words: what a tokenizer's dictionary holds is known in the spelling that
        the other steps make of it, so that none of them cuts a word; see `nlpkit.plugins.base.Tokenizer`.
    """

    nfkc: bool = True
    lower: bool = True
    simplify: bool = True
    zero: bool = False
    visible: bool = True
    words: bool = True

    @classmethod
    def of(cls, config: Mapping[str, bool]) -> Self:
        """Read what config.json says.

        A model whose config.json lacks ``visible`` gets it all the same: in its training texts such characters stood
        next to nowhere, even if its vocabulary has some, so that nothing is lost with them but their harm. One that
        lacks ``words`` has learnt from words that were cut, and cuts them on.

        :raises ValueError: or TypeError, if that is something else.
        """
        steps = dict(config)
        if odd := [name for name, value in steps.items() if not isinstance(value, bool)]:
            raise ValueError(f"normalisation.{odd[0]} is true or false, was: {steps[odd[0]]!r:.60}")
        return cls(**{"words": False} | steps)

    @property
    def config(self) -> dict[str, Any]:
        """The steps as JSON."""
        return asdict(self)

    def __call__(self, text: str) -> str:
        """Return one text normalised, its line breaks as spaces."""
        return self.batch([text])[0]

    def batch(self, texts: Sequence[str]) -> list[str]:
        """Return each text normalised, in order; one pass over the joined texts is ten times faster than a loop.

        No step joins or splits anything across a line break, so the texts can share one string.
        """
        if not texts:
            return []
        joined = "\n".join(texts)
        if joined.count("\n") != len(texts) - 1:
            joined = "\n".join(text.replace("\n", " ") for text in texts)
        joined = self._composed(_codes(joined))
        if self.lower:
            joined = joined.lower()
        if self.zero:
            joined = joined.translate(ZEROS)
        lines = joined.split("\n")
        return _simplified(joined, lines) if self.simplify else lines

    def _composed(self, codes: NDArray[np.uint32]) -> str:
        """Take the first two steps, equal to `visible` and ``unicodedata.normalize``.

        The latter is slow on any text with a full-width sign: nearly all of ours. So full-width ASCII is mapped first,
        a character to a character with the same decomposition; then only lines that hold anything but plain characters
        can change.
        """
        if not (self.visible or self.nfkc):
            return _text(codes)
        if self.nfkc:
            codes = np.where((codes >= 0xFF01) & (codes <= 0xFF5E), codes - 0xFEE0, codes)
        odd = _places(codes, _not_plain())
        if self.visible and (hidden := _invisible(codes[odd])).any():
            codes = np.delete(codes, odd[hidden])
            odd = (odd - np.cumsum(hidden))[~hidden]
        return _composed(codes, odd) if self.nfkc else _text(codes)


def _composed(codes: NDArray[np.uint32], odd: NDArray[np.intp]) -> str:
    """Bring lines to NFKC, of which only those with characters that are not plain, at places ``odd``, can change."""
    lines = _text(codes).split("\n")
    for row in _rows(codes, odd):
        lines[row] = nfkc(lines[row])
    return "\n".join(lines)


@cache
def _not_plain() -> NDArray[np.bool_]:
    """Mark all but visible characters that neither decompose nor compose: most of what a review is made of."""
    table = np.ones(0xA001, dtype=np.bool_)
    for first, last in PLAIN:
        table[first : last + 1] = False
    table[0x3400:0x4DC0] = table[0x4E00:0xA000] = False  # Han
    return table | _invisible(np.arange(len(table), dtype=np.uint32))


def _invisible(codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Mark characters that nobody sees."""
    return np.asarray(np.searchsorted(_EDGES, codes, side="right") % 2 == 1)


def _simplified(joined: str, lines: list[str]) -> list[str]:
    codes = _codes(joined)
    for row in _rows(codes, _places(codes, _traditional())):
        lines[row] = "".join(map(_opencc().convert, _pieces(_SENTENCES, lines[row])))
    return lines


@cache
def _traditional() -> NDArray[np.bool_]:
    """Mark the code points of the Basic Multilingual Plane that OpenCC changes where they stand alone."""
    apart = "\n".join(map(chr, HAN))
    before, after = apart.split("\n"), _opencc().convert(apart).split("\n")
    table = np.zeros(HAN[-1] + 2, dtype=np.bool_)
    table[list(HAN)] = [a != b for a, b in zip(before, after, strict=True)]
    return table


def _codes(joined: str) -> NDArray[np.uint32]:
    """Return code points; lone surrogates, which no file can hold but any Python string can, become U+FFFD."""
    try:
        data = joined.encode("utf-32-le")
    except UnicodeEncodeError:
        data = joined.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode("utf-32-le")
    return np.frombuffer(data, dtype=np.uint32)


def _text(codes: NDArray[np.uint32]) -> str:
    return codes.astype("<u4", copy=False).tobytes().decode("utf-32-le")


def _places(codes: NDArray[np.uint32], table: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Find where characters stand that are true in a table by code point, of which the last entry is for all beyond."""
    return np.flatnonzero(table[np.minimum(codes, len(table) - 1)])


def _rows(codes: NDArray[np.uint32], places: NDArray[np.intp]) -> list[int]:
    """Find the lines in which places lie."""
    if not len(places):
        return []
    breaks = np.flatnonzero(codes == ord("\n"))
    return [int(row) for row in np.unique(np.searchsorted(breaks, places))]


@cache
def _opencc() -> Any:
    from opencc import OpenCC  # reads its dictionaries: only a model that simplifies pays for it

    return OpenCC("t2s")
