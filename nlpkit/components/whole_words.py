"""Words that stay whole though a segmenter would cut them: with spaces, with signs, with letters beside characters."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

SEGMENTED = re.compile(r"[\u4e00-\u9fd5a-zA-Z0-9+#&._%-]+")  # all that jieba looks up; it cuts at every other character
OF_JIEBA = """
    1号店 4S店 AA制 AB型 AT&T A型 A座 A股 A轮 BB机 BP机 B型 B座 B股 B超 B轮 CALL机 CD机 CD盒 C座 C盘 C语言 D座 D版
    D盘 E化 E座 E盘 E通 F座 F盘 G盘 H盘 H股 IC卡 IP卡 IP地址 IP电话 I盘 K党 K歌之王 N年 O型 PC机 PH值 QQ号 Q版 RSS订阅
    SIM卡 T台 T型台 T恤 T恤衫 T盘 U盘 VISA卡 X光 X光线 X射线 Z盘 大S 小S 江南Style 阿Q
"""  # words of its dictionary that lower case, or a nought for every digit, would cut
LACKING = """
    3D打印 A4纸 A字裙 BB霜 B站 CC霜 CT片 K歌 K线 LED灯 O型腿 POLO衫 POS机 P图 QQ群 Q弹 SD卡 T字裤 USB线 U型枕 U盾
    VIP卡 V领 X光片 X型腿 卡拉OK 维生素A 维生素B 维生素C 维生素D 维生素E
"""  # words of the same kind that it lacks
MIXED = (OF_JIEBA + LACKING).split()
_SPACES = re.compile(r"\s+")


class WholeWords:
    """Finds words in a text, from left to right, of those that begin at one place the longest.

    A word that begins or ends in a letter or digit of ASCII is found only where no other stands beside it: there is no
    ``b超`` in ``usb超好用``. White space of whatever kind and length is one space.

    :param words: each holds something besides Han characters.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(" ".join(word.split()) for word in words)
        lengths: dict[str, set[int]] = {}
        for word in self._words:
            lengths.setdefault(word[0], set()).add(len(word))
        self._lengths = {first: sorted(sizes, reverse=True) for first, sizes in lengths.items()}
        self._spaced = any(" " in word for word in self._words)
        pairs = [_rarest_pair(word) for word in self._words]
        self._pair = re.compile("".join(_any_of(pair[side : side + 1] for pair in pairs) for side in (0, 1)))
        follows = _any_of(word[1:2] for word in self._words)
        self._first = re.compile(f"{_any_of(self._lengths)}(?={follows})")

    def may_hold(self, text: str) -> bool:
        """Whether a text may hold any of them; if not, which is quickly told, it need not be gone through."""
        return self._pair.search(text) is not None

    def cut(self, text: str) -> Iterator[tuple[str, bool]]:
        """Cut a text into pieces; beside each stands whether it is one of the words."""
        text = _SPACES.sub(" ", text) if self._spaced else text
        done = 0
        for match in self._first.finditer(text):
            if match.start() >= done and (word := self._find_word(text, match.start())):
                yield text[done : match.start()], False
                yield word, True
                done = match.start() + len(word)
        yield text[done:], False

    def _find_word(self, text: str, at: int) -> str | None:
        ends = (at + length for length in self._lengths[text[at]] if text[at : at + length] in self._words)
        whole = (text[at:end] for end in ends if not (_is_inside(text, at) or _is_inside(text, end)))
        return next(whole, None)


def _rarest_pair(word: str) -> str:
    """Return the two neighbours in a word that are rarest side by side, by their kinds; of one character, that."""
    pairs = [a + b for a, b in itertools.pairwise(word)]
    return max(pairs, key=lambda pair: len({_kind_of(c) for c in pair}), default=word)


def _kind_of(character: str) -> str:
    if character.isascii() and character.isalnum():
        return "letter"
    return "han" if SEGMENTED.fullmatch(character) else "sign"


def _any_of(characters: Iterable[str]) -> str:
    """Write a regular expression for one of some characters, or for nothing if that is one of them."""
    kinds = set(characters)
    inside = "".join(r"\s" if c == " " else re.escape(c) for c in sorted(kinds - {""}))
    return (f"[{inside}]" if inside else "(?!)") + "?" * ("" in kinds)


def _is_inside(text: str, at: int) -> bool:
    """Whether letters or digits of ASCII stand on both sides of a place."""
    sides = text[at - 1 : at + 1] if at else ""
    return len(sides) == 2 and sides.isascii() and sides.isalnum()
