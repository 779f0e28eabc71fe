"""A text with blanks as the tokens around each of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from nlpkit.model.members import Floats
from nlpkit.text.invisible import ANY_INVISIBLE

MARK = "__"
BEGIN, END, BLANK = -1, -2, -3  # ids of the marks that a network reads beside those of a vocabulary
_BLANK = re.compile(f"[_＿](?:{ANY_INVISIBLE}*[_＿])+")
_ELSEWHERE = re.compile(  # how others mark what is missing
    r"\[mask\]|<mask>|\{mask\}|\[unused\d+\]|[(（]\s*[)）]|[\[【]\s*[\]】]|[□▢☐]+|[*＊×]{2,}|[?？]{3,}|[_＿]",
    re.IGNORECASE,
)


class Blank(NamedTuple):
    """One blank to be filled: the tokens before and after it, in the order of the text; None is another blank."""

    left: Sequence[str | None]
    right: Sequence[str | None]


class FillingMember(Protocol):
    """Anything that gives each answer a logit at each blank."""

    def logits(self, blanks: Sequence[Blank]) -> Floats:
        """Map blanks to logits ``(batch, answers)``; a blank's logits do not depend on the others."""
        ...


def split_at_blanks(text: str) -> list[str]:
    """Return what stands between the blanks of a text; two underscores or more, of whatever width, are one blank.

    Characters that nobody sees may stand between the underscores.
    """
    return _BLANK.split(text)


def find_foreign_mark(text: str) -> str | None:
    """Return what in a text marks a blank elsewhere, such as ``[MASK]`` or （）, and none here.

    >>> foreign_mark("衣服质量[MASK]哦")
    '[MASK]'
    """
    match = _ELSEWHERE.search(text)
    return match[0] if match else None


def blanks_of(segments: Sequence[Sequence[str]]) -> list[Blank]:
    """Return the blanks between tokenised segments, one fewer than these.

    >>> blanks_of([["衣服", "质量"], ["哦"]])
    [Blank(left=['衣服', '质量'], right=['哦'])]
    """
    empty = [None] * (len(segments) - 1)
    return [blank_at(segments, empty, at) for at in range(len(empty))]


def blank_at(segments: Sequence[Sequence[str]], words: Sequence[str | None], at: int) -> Blank:
    """Return one blank between tokenised segments, where some of the others may be filled.

    :param words: what stands at each blank, one fewer than the segments; None where it is empty.

    >>> blank_at([["很"], ["，"], []], [None, "推荐"], 0)
    Blank(left=['很'], right=['，', '推荐'])
    """
    return Blank(_join(segments[: at + 1], words[:at]), _join(segments[at + 1 :], words[at + 1 :]))


def _join(segments: Sequence[Sequence[str]], words: Sequence[str | None]) -> list[str | None]:
    """Return segments as one list, and between each of them and the next a word."""
    tokens: list[str | None] = list(segments[0])
    for word, segment in zip(words, segments[1:], strict=True):
        tokens += [word, *segment]
    return tokens
