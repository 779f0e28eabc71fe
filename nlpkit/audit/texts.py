"""What the texts of a corpus look like: how long they are, how they are written, and what is broken in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from nlpkit.text.characters import Characters
from nlpkit.text.invisible import visible
from nlpkit.text.normalisation import Normaliser

Ints = NDArray[np.int64]
SCRIPTS: Mapping[str, Sequence[tuple[int, int]]] = {
    "Han": ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF)),
    "kana": ((0x3041, 0x309F), (0x30A1, 0x30FA), (0x30FD, 0x30FF), (0xFF66, 0xFF9D)),
    "Hangul": ((0x1100, 0x11FF), (0x3131, 0x318E), (0xAC00, 0xD7A3)),
    "Latin": ((0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0xFF21, 0xFF3A), (0xFF41, 0xFF5A)),
}
WRITINGS = (
    "Chinese, simplified",
    "Chinese, traditional",
    "Japanese",
    "Korean",
    "Latin letters",
    "other letters",
    "no letters",
)
KANA = 0.2  # share of kana among kana and Han that makes a text Japanese
QUANTILES = {"least": 0.0, "5%": 0.05, "median": 0.5, "95%": 0.95, "99%": 0.99, "most": 1.0}
ODD: Mapping[str, re.Pattern[str]] = {
    "characters that were lost": re.compile("\ufffd|锟斤拷|烫烫烫|屯屯屯"),
    "another encoding read wrongly": re.compile(r"[ä-é][\x80-\xbf€\u0152-\u2122]{2}|â€[\x80-\xbf\u0152-\u2122]"),
    "HTML": re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6});|</?(?:br|p|div|span|a|img|b|i)\b[^>]*>", re.IGNORECASE),
    "addresses of the web": re.compile(r"https?://|www\.", re.IGNORECASE),
}
INVISIBLE = "characters that nobody sees"


def lengths(texts: Sequence[str]) -> Ints:
    """Return the characters of each text ``(rows,)``."""
    return np.array([len(text) for text in texts], dtype=np.int64)


def quantiles(numbers: Ints) -> dict[str, int]:
    """Return the least, the median, the most and others between them."""
    return {name: int(np.quantile(numbers, share, method="nearest")) for name, share in QUANTILES.items()}


def writings(texts: Sequence[str]) -> Ints:
    """Find the position in `WRITINGS` of each text, by its letters alone ``(rows,)``."""
    characters = Characters.of(texts)
    scripts = characters.look_up(_script_table())
    han, kana, hangul, latin, other = (characters.count(scripts == at) for at in range(1, 6))
    most = np.stack([han + kana, hangul, latin, other]).argmax(0)
    result = np.choose(most, [0, 3, 4, 5])
    result[(most == 0) & (kana > 0) & (kana >= KANA * (han + kana))] = WRITINGS.index("Japanese")
    result[han + kana + hangul + latin + other == 0] = WRITINGS.index("no letters")
    chinese = np.flatnonzero(result == 0)
    plain = [texts[row].replace("\n", " ") for row in chinese.tolist()]
    simplified = Normaliser(nfkc=False, lower=False, visible=False).batch(plain)
    traditional = [a != _whole(b) for a, b in zip(simplified, plain, strict=True)]
    result[chinese[np.array(traditional, dtype=np.bool_)]] = WRITINGS.index("Chinese, traditional")
    return np.asarray(result)


def _whole(text: str) -> str:
    """Return a text whose lone surrogates are U+FFFD, as a normaliser leaves them."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@cache
def _script_table() -> NDArray[np.uint8]:
    """Return of each code point the number of its script, from 1; 0: no letter."""
    table = np.zeros(0x323B1, dtype=np.uint8)
    table[:0x20000] = [5 * chr(code).isalpha() for code in range(0x20000)]
    for number, ranges in enumerate(SCRIPTS.values(), 1):
        for first, last in ranges:
            table[first : last + 1] = number
    return table


def find_odd(texts: Sequence[str]) -> dict[str, list[int]]:
    """Find the rows that hold what no writer meant, by what it is."""
    odd = {name: [row for row, text in enumerate(texts) if pattern.search(text)] for name, pattern in ODD.items()}
    odd[INVISIBLE] = [row for row, text in enumerate(texts) if visible(text) != text]
    return {name: rows for name, rows in odd.items() if rows}
