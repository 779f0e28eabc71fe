"""What a model has seen, so that it can say "I do not know" where a text holds none of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from nlpkit.text.characters import Characters
from nlpkit.text.invisible import visible

_HAN = "㐀-鿿豈-﫿𠀀-𳑿"
_WORD = re.compile(rf"[^\W\d_{_HAN}]{{2,}}")
_CHARACTER = re.compile(rf"[{_HAN}]")


class Evidence:
    """The Han characters and the words of other scripts that the training texts held.

    :param characters: Han characters seen.
    :param words: words of at least two letters in other scripts, seen often enough to mean something.
    """

    def __init__(self, characters: Iterable[str], words: Iterable[str]) -> None:
        self.characters, self.words = frozenset(characters), frozenset(words)
        codes = np.array(sorted(map(ord, self.characters)), dtype=np.int64)
        self._known = np.zeros(int(codes.max(initial=0)) + 2, dtype=np.bool_)
        self._known[codes] = True

    @classmethod
    def fit(cls, texts: Iterable[str]) -> Evidence:
        """Read normalised training texts: see `EvidenceCount`."""
        count = EvidenceCount()
        count.add(texts)
        return count.evidence()

    def with_tokens(self, tokens: Iterable[str]) -> Evidence:
        """Add the Han characters of tokens that a model knows though no training text held them."""
        return Evidence(self.characters.union(_CHARACTER.findall(" ".join(tokens))), self.words)

    def join(self, other: Evidence) -> Evidence:
        """Return what either has seen."""
        return Evidence(self.characters | other.characters, self.words | other.words)

    def reasons(self, texts: Sequence[str], characters: Characters | None = None) -> list[str | None]:
        """Return None for each normalised text, or why it holds no evidence.

        :param characters: those of the texts, if they are known.
        """
        characters = characters or Characters.of(texts)
        reasons: list[str | None] = [None] * len(texts)
        for number in np.flatnonzero(characters.count(characters.look_up(self._known)) == 0).tolist():
            reasons[number] = self._reason(texts[number])
        return reasons

    def to_json(self) -> dict[str, Any]:
        """Return everything needed to make an equal one."""
        return {"characters": "".join(sorted(self.characters)), "words": sorted(self.words)}

    def _reason(self, text: str) -> str | None:
        if not visible(text).strip():
            return "empty"
        if not any(c.isalpha() for c in text):
            return "no evidence: no letters"
        if self.words.isdisjoint(_WORD.findall(text)):
            return "no evidence: no known character or word"
        return None


class EvidenceCount:
    """Reads normalised training texts, some after the other.

    Words count only where at least a fifth of the texts hold no Han character: a model of Chinese has seen "ok" and
    "good" in passing, and knows nothing of English. Then a word counts from three texts on, or from one in 5,000.
    """

    def __init__(self) -> None:
        self._characters: set[str] = set()
        self._words: Counter[str] = Counter()
        self._rows = self._without = 0

    def add(self, texts: Iterable[str]) -> None:
        """Take some texts."""
        for text in texts:
            characters = _CHARACTER.findall(text)
            self._rows, self._without = self._rows + 1, self._without + (not characters)
            self._characters.update(characters)
            self._words.update(set(_WORD.findall(text)))

    def evidence(self) -> Evidence:
        """Return what the texts so far hold."""
        enough = max(3, self._rows // 5000)
        words = (word for word, n in self._words.items() if n >= enough) if self._without * 5 >= self._rows else ()
        return Evidence(self._characters, words)
