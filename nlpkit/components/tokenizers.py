"""Tokenizers. The factories are light; what is heavy is imported when a tokenizer is made."""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nlpkit.components.dictionaries import (
    Entry,
    decode_dictionary,
    parse_dictionary,
    parse_older_dictionary,
    read_dictionary,
)
from nlpkit.components.whole_words import MIXED, SEGMENTED, WholeWords
from nlpkit.plugins.base import Tokenizer

if TYPE_CHECKING:
    from nlpkit.text.normalisation import Normaliser
    from nlpkit.text.vocabulary import Tokens

DICTIONARY = "dictionary.txt"
_SPACE, _LINE_END = re.compile(r"\s"), re.compile(r"[\r\n]")


class CharTokenizer(Tokenizer):
    """Every character but white space is a token."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}

    def tokenize(self, text: str) -> list[str]:
        """``"好 用!"`` becomes ``["好", "用", "!"]``."""
        return [c for c in text if not c.isspace()]

    def batch(self, texts: Sequence[str]) -> Tokens:
        """As `tokenize`, for all texts at once, as code points."""
        import numpy as np  # start-up imports this module, and must not pay for numpy

        from nlpkit.text.characters import Characters, mark_spaces
        from nlpkit.text.vocabulary import Tokens

        characters = Characters.of(texts)
        mask = ~mark_spaces(characters.codes)
        before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(mask)])
        return Tokens(characters.codes[mask], np.concatenate([before[:1], before[characters.ends]]))


class WhitespaceTokenizer(Tokenizer):
    """Tokens are what stands between white space: for text that is split already."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}

    def tokenize(self, text: str) -> list[str]:
        """``"衣服 质量"`` becomes ``["衣服", "质量"]``."""
        return text.split()


@dataclass(frozen=True)
class Words:
    """What a segmenter shall know besides its own dictionary.

    :param entries: for the segmenter.
    :param whole: words that are found before the segmenter sees a text; None for a model that was made before there
        were any.
    :param files: the user's dictionary, as a model keeps it.
    :param remarks: about that dictionary.
    """

    entries: Sequence[Entry] = ()
    whole: WholeWords | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    remarks: Sequence[str] = ()


class WordTokenizer(Tokenizer):
    """Words of a segmenter, without white space.

    :param cut: text and whether to guess unknown words by a hidden Markov model, to words.
    """

    def __init__(self, cut: Callable[[str, bool], Any], *, hmm: bool, words: Words) -> None:
        self._cut, self._whole = cut, words.whole
        self.config: dict[str, Any] = {"hmm": hmm}
        self.files, self.remarks = words.files, words.remarks

    def tokenize(self, text: str) -> list[str]:
        """``"衣服质量不错"`` becomes ``["衣服", "质量", "不错"]``."""
        if self._whole is None or not self._whole.may_hold(text):
            return self._segment(text)
        tokens: list[str] = []
        for piece, whole in self._whole.cut(text):
            tokens += [piece] if whole else self._segment(piece)
        return tokens

    def batch(self, texts: Sequence[str]) -> Tokens:
        """As `tokenize`; texts without words that stay whole are joined by line ends, where every segmenter cuts."""
        from nlpkit.text.vocabulary import Tokens  # numpy

        plain = [_LINE_END.search(text) is None and not self._may_hold_whole(text) for text in texts]
        words = list(self._cut("\n".join(itertools.compress(texts, plain)), self.config["hmm"]))
        words.append("\n")
        documents: list[list[str]] = []
        start = 0
        for text, joined in zip(texts, plain, strict=True):
            if joined:
                end = words.index("\n", start)
                documents.append(_without_spaces(words[start:end], text))
                start = end + 1
            else:
                documents.append(self.tokenize(text))
        return Tokens.of(documents)

    def _may_hold_whole(self, text: str) -> bool:
        return self._whole is not None and self._whole.may_hold(text)

    def _segment(self, text: str) -> list[str]:
        return _without_spaces(list(self._cut(text, self.config["hmm"])), text)


def _without_spaces(words: list[str], text: str) -> list[str]:
    return [word for word in words if not word.isspace()] if _SPACE.search(text) else words


def char() -> CharTokenizer:
    """Characters; white space is dropped."""
    return CharTokenizer()


def whitespace() -> WhitespaceTokenizer:
    """Split at white space, which is dropped."""
    return WhitespaceTokenizer()


def jieba(
    *,
    hmm: bool = True,
    dictionary: str | None = None,
    files: dict[str, bytes] | None = None,
    normaliser: Normaliser | None = None,
) -> WordTokenizer:
    """Words by jieba (https://github.com/fxsjy/jieba), the slow original.

    :param hmm: guess words that the dictionary does not hold.
    :param dictionary: path of a user dictionary: a word a line, then an optional frequency and an optional tag.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its source has escapes that newer Pythons warn of
        from jieba import Tokenizer, setLogLevel  # reads 5 MB when first used

    words = _make_words(dictionary, files, normaliser)
    setLogLevel(60)  # it reports loading on stderr
    segmenter = Tokenizer()
    frequencies = segmenter.gen_pfdict(
        segmenter.get_dict_file()
    )  # its own way loads a cache that anyone may have planted
    segmenter.FREQ, segmenter.total = frequencies
    segmenter.initialized = True
    for entry in words.entries:
        segmenter.add_word(*entry)
    return WordTokenizer(lambda text, guess: segmenter.cut(text, HMM=guess), hmm=hmm, words=words)


def rjieba(
    *,
    hmm: bool = True,
    dictionary: str | None = None,
    files: dict[str, bytes] | None = None,
    normaliser: Normaliser | None = None,
) -> WordTokenizer:
    """Words by jieba-rs (https://github.com/messense/rjieba-py): jieba's dictionary in Rust, ten times faster.

    :param hmm: guess words that the dictionary does not hold.
    :param dictionary: path of a user dictionary: a word a line, then an optional frequency and an optional tag.
    """
    import rjieba  # reads 5 MB, and as much again for a segmenter of one's own

    words = _make_words(dictionary, files, normaliser)
    if not words.entries:
        return WordTokenizer(rjieba.cut, hmm=hmm, words=words)
    segmenter = rjieba.Jieba()
    for entry in words.entries:
        if entry.frequency != 0 or segmenter.has_word(entry.word):  # a nought for a new word confuses it
            segmenter.add_word(*entry)
    return WordTokenizer(segmenter.cut, hmm=hmm, words=words)


def _make_words(path: str | None, files: dict[str, bytes] | None, normaliser: Normaliser | None) -> Words:
    """Words of a user dictionary, from its path or as a saved model keeps it: this must never name a path."""
    from nlpkit.text.normalisation import Normaliser  # needs numpy, which start-up must not import

    normaliser, user = normaliser or Normaliser(), None
    if files is None and path is not None:
        user = read_dictionary(path)
        files = {DICTIONARY: user.text.encode()}
    files = files or {}
    if not normaliser.words:  # of a model whose normalisation says nothing of words
        entries = parse_older_dictionary(files[DICTIONARY]) if DICTIONARY in files else []
        return Words(_spell(entries, normaliser), files=files)
    if user is None and DICTIONARY in files:
        user = parse_dictionary(decode_dictionary(files[DICTIONARY]), DICTIONARY)
    entries = _spell(user.entries, normaliser) if user else []
    segments = [entry for entry in entries if SEGMENTED.fullmatch(entry.word)]
    return Words(segments, _make_whole(entries, normaliser), files, user.remarks if user else ())


def _spell(entries: Sequence[Entry], normaliser: Normaliser) -> list[Entry]:
    """Each entry as written and, where it differs, as texts are spelled."""
    spellings = normaliser.batch([entry.word for entry in entries])
    pairs = zip(entries, spellings, strict=True)
    return [entry._replace(word=word) for entry, spelling in pairs for word in dict.fromkeys((entry.word, spelling))]


def _make_whole(entries: Iterable[Entry], normaliser: Normaliser) -> WholeWords:
    """Words that the segmenter could not find, or would not in the spelling of texts; none that the user takes away."""
    words = dict.fromkeys(normaliser.batch(MIXED))
    for entry in entries:
        if entry.frequency == 0:
            words.pop(entry.word, None)
        elif not SEGMENTED.fullmatch(entry.word):
            words[entry.word] = None
    return WholeWords(word for word in words if word.strip())
