"""Continuous text, such as a novel: its lines in order, and what has no line ends cut where sentences end."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from operator import attrgetter

from nlpkit.text.corpus import Example

LONG_LINE = 4000  # characters; a longer line is no line of a text, but a text without line ends
SHORTEST_PIECE = 200  # characters from which on a piece ends with its sentence
LONGEST_PIECE = 1000  # characters of a piece in which no sentence ends
SENTENCE_END = re.compile(r"(?:[。！？!?…]+|\.(?=\s))[”’」』）》〉】\"')\]]*\s*")


class Continuous:
    """Texts as they come, but that those which follow each other are lines.

    :param all_texts: that all of them do; otherwise only those of a corpus that is one text without line ends.
    """

    def __init__(self, texts: Iterable[Example], *, all_texts: bool) -> None:
        self._texts, self._all = texts, all_texts
        self.corpora: set[str] = set()  # whose texts follow each other, as far as they have been read
        self.cut: dict[str, int] = {}  # pieces that were cut, by corpus

    def __iter__(self) -> Iterator[Example]:
        for corpus, group in itertools.groupby(self._texts, attrgetter("corpus")):
            first = list(itertools.islice(group, 2))
            texts = itertools.chain(first, group)  # noqa: B031 - the rest of it
            if self._all or (len(first) == 1 and len(first[0].text) > LONG_LINE):
                self.corpora.add(corpus)
                yield from self._lines(corpus, texts)
            else:
                yield from texts

    def _lines(self, corpus: str, texts: Iterable[Example]) -> Iterator[Example]:
        for example in texts:
            for line in example.text.split("\n"):
                pieces = [line] if len(line) <= LONG_LINE else cut_at_sentences(line)
                if len(pieces) > 1:
                    self.cut[corpus] = self.cut.get(corpus, 0) + len(pieces)
                yield from (Example(piece.removesuffix("\r"), "", corpus) for piece in pieces)


def cut_at_sentences(text: str) -> list[str]:
    """Cut a text into pieces, each of whole sentences where these are not too long.

    >>> [len(piece) for piece in cut_at_sentences("天色已晚。" * 100)]
    [200, 200, 100]
    """
    pieces, begin = [], 0
    while len(text) - begin > SHORTEST_PIECE:
        sentence = SENTENCE_END.search(text, begin + SHORTEST_PIECE - 1, begin + LONGEST_PIECE)
        end = sentence.end() if sentence else begin + LONGEST_PIECE
        pieces.append(text[begin:end])
        begin = end
    return [*pieces, text[begin:]] if begin < len(text) else pieces
