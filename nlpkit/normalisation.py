"""One spelling for what readers take for the same: NFKC, lower case, simplified characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

ZEROS = str.maketrans("123456789", "0" * 9)
HAN = (*range(0x3400, 0xA000), *range(0xF900, 0xFB00))  # of the Basic Multilingual Plane


@dataclass(frozen=True)
class Normaliser:
    """Which steps a model's texts go through, in this order.

    :param nfkc: Unicode's compatibility composition: ``Ａ！`` becomes ``A!`` (https://unicode.org/reports/tr15/).
    :param lower: lower case.
    :param simplify: a text that holds a traditional character is converted by OpenCC's ``t2s``.
    :param zero: every digit becomes 0, for models to which prices and sizes are all the same.
    """

    nfkc: bool = True
    lower: bool = True
    simplify: bool = True
    zero: bool = False

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
        joined = _without_surrogates("\n".join(texts))
        if joined.count("\n") != len(texts) - 1:
            joined = _without_surrogates("\n".join(text.replace("\n", " ") for text in texts))
        if self.nfkc:
            joined = _nfkc(joined)
        if self.lower:
            joined = joined.lower()
        if self.zero:
            joined = joined.translate(ZEROS)
        lines = joined.split("\n")
        return _simplified(joined, lines) if self.simplify else lines


def _without_surrogates(joined: str) -> str:
    """Lone surrogates, which no file can hold but any Python string can, become U+FFFD."""
    try:
        joined.encode("utf-32-le")
    except UnicodeEncodeError:
        return joined.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return joined


def _nfkc(joined: str) -> str:
    """Equal to ``unicodedata.normalize``, which is slow on any text with a full-width sign: nearly all of ours.

    Full-width ASCII is mapped first, a character to a character with the same decomposition; then only lines that hold
    anything but plain characters can change.
    """
    codes = _codes(joined)
    wide = (codes >= 0xFF01) & (codes <= 0xFF5E)
    codes = np.where(wide, codes - 0xFEE0, codes)
    lines = codes.astype("<u4").tobytes().decode("utf-32-le").split("\n")
    for row in _rows_with(codes, _not_plain()):
        lines[row] = unicodedata.normalize("NFKC", lines[row])
    return "\n".join(lines)


@cache
def _not_plain() -> NDArray[np.bool_]:
    """False at characters that neither decompose nor compose with what follows: most of what a review is made of."""
    table = np.ones(0xA001, dtype=np.bool_)
    for first, last in ((0, 0x7F), (0x2010, 0x2010), (0x2012, 0x2016), (0x2018, 0x2023), (0x3001, 0x3020)):
        table[first : last + 1] = False
    table[0x3400:0x4DC0] = table[0x4E00:0xA000] = False  # Han
    return table


def _simplified(joined: str, lines: list[str]) -> list[str]:
    for row in _rows_with(_codes(joined), _traditional()):
        lines[row] = _opencc().convert(lines[row])
    return lines


@cache
def _traditional() -> NDArray[np.bool_]:
    """True at the code points of the Basic Multilingual Plane that OpenCC changes where they stand alone."""
    apart = "\n".join(map(chr, HAN))
    before, after = apart.split("\n"), _opencc().convert(apart).split("\n")
    table = np.zeros(HAN[-1] + 2, dtype=np.bool_)
    table[list(HAN)] = [a != b for a, b in zip(before, after, strict=True)]
    return table


def _codes(joined: str) -> NDArray[np.uint32]:
    return np.frombuffer(joined.encode("utf-32-le"), dtype=np.uint32)


def _rows_with(codes: NDArray[np.uint32], table: NDArray[np.bool_]) -> list[int]:
    """Numbers of the lines with a character that is true in a table by code point; its last entry is for all beyond."""
    found = np.flatnonzero(table[np.minimum(codes, len(table) - 1)])
    if not len(found):
        return []
    breaks = np.flatnonzero(codes == ord("\n"))
    return [int(row) for row in np.unique(np.searchsorted(breaks, found))]


@cache
def _opencc() -> Any:
    from opencc import OpenCC  # reads its dictionaries: only a model that simplifies pays for it

    return OpenCC("t2s")
