"""Reads lines of text: whole, or parted into a text and a label."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from nlpkit.text.decoding import Decoded
from nlpkit.text.encodings import UNDECODABLE
from nlpkit.text.example import NO_LABEL
from nlpkit.text.judging import Candidate
from nlpkit.text.row import UNDECODED
from nlpkit.text.several import Labels

FASTTEXT = re.compile(r"(?<!\S)__label__(\S+)")
DOUBLED = re.compile(r"(.*),,([^,]{0,40})", re.DOTALL)  # TEXT,,LABEL, as nobody writes by chance

Part: TypeAlias = Callable[[str], tuple[str, str | None, str | None]]  # of a line its text, its label, what is wrong


def read_lines(decoded: Decoded, part: Part) -> Iterator[Candidate]:
    """Read a row a line."""
    for number, line in enumerate(itertools.chain.from_iterable(decoded.line_blocks()), 1):
        text, label, fault = part(line.removesuffix("\r"))
        yield number, text, label, "", UNDECODED if decoded.undecodable and UNDECODABLE in line else fault


def whole(line: str) -> tuple[str, None, None]:
    """Part nothing."""
    return line, None, None


def before_commas(line: str) -> tuple[str, None, None]:
    """Cut off what stands behind the ``,,`` of ``TEXT,,LABEL``."""
    cut = DOUBLED.fullmatch(line)
    return cut[1] if cut else line, None, None


def fasttext(line: str) -> tuple[str, str | None, str | None]:
    """Part ``__label__LABEL TEXT``; there may be several labels."""
    labels = FASTTEXT.findall(line)
    if not labels:
        return line, None, NO_LABEL if line and not line.isspace() else None
    return FASTTEXT.sub("", line).strip(), labels[0] if len(labels) == 1 else Labels.of(labels), None


class Pair:
    """Parts lines at a separator; quotes around all texts, or all labels, of the first of them are none of theirs.

    :param last: whether the label is what stands behind the last separator, not before the first.
    :param quoted: whether labels may be quoted so.
    """

    def __init__(self, separator: str, head: Sequence[str], *, last: bool, quoted: bool = True) -> None:
        self._separator, self._last = separator, last
        self._fault = "no comma" if separator == "," else "no tab"
        pairs = [pair for line in head if (pair := self._part(line))[1]]
        self._text_quoted = bool(pairs) and all(_is_quoted(text) for text, _ in pairs)
        self._label_quoted = quoted and bool(pairs) and all(_is_quoted(label or "") for _, label in pairs)

    def __call__(self, line: str) -> tuple[str, str | None, str | None]:
        """Part a line."""
        text, label = self._part(line)
        if label is None:
            return text, None, self._fault if line and not line.isspace() else None
        return _unquote(text) if self._text_quoted else text, _unquote(label) if self._label_quoted else label, None

    def _part(self, line: str) -> tuple[str, str | None]:
        if self._last:
            text, separator, label = line.rpartition(self._separator)
            text = text.removesuffix(",") if separator == "," else text
        else:
            label, separator, text = line.partition(self._separator)
        return text, label.strip() if separator else None


def _is_quoted(cell: str) -> bool:
    cell = cell.strip()
    return len(cell) > 1 and cell[0] == cell[-1] == '"'


def _unquote(cell: str) -> str:
    return cell.strip()[1:-1].replace('""', '"') if _is_quoted(cell) else cell
