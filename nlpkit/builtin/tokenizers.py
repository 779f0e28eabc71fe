"""Tokenizers. The factories are light; what is heavy is imported when a tokenizer is made."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit.builtin.options import switch
from nlpkit.errors import DataError

if TYPE_CHECKING:
    from nlpkit.vocabulary import Tokens

DICTIONARY = "dictionary.txt"
_ENTRY = re.compile(r"(?P<word>.+?)(?:\s+(?P<freq>[0-9]+))?(?:\s+(?P<tag>[a-zA-Z]+))?")


class CharTokenizer:
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

        from nlpkit.vocabulary import Tokens

        codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        kept = ~_spaces()[np.minimum(codes, 0x3001)]
        ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
        before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(kept)])
        return Tokens(codes[kept], np.concatenate([before[:1], before[ends]]))


class WhitespaceTokenizer:
    """Tokens are what stands between white space: for text that is split already."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}

    def tokenize(self, text: str) -> list[str]:
        """``"衣服 质量"`` becomes ``["衣服", "质量"]``."""
        return text.split()


class WordTokenizer:
    """Words of a segmenter, without white space.

    :param cut: text and whether to guess unknown words by a hidden Markov model, to words.
    :raises TypeError: if ``hmm`` is neither true nor false.
    """

    def __init__(self, cut: Callable[[str, bool], Any], *, hmm: bool, files: dict[str, bytes]) -> None:
        switch(hmm=hmm)
        self._cut = cut
        self.config: dict[str, Any] = {"hmm": hmm}
        self.files = files

    def tokenize(self, text: str) -> list[str]:
        """``"衣服质量不错"`` becomes ``["衣服", "质量", "不错"]``."""
        return [word for word in self._cut(text, self.config["hmm"]) if not word.isspace()]


def char() -> CharTokenizer:
    """Characters; white space is dropped."""
    return CharTokenizer()


def whitespace() -> WhitespaceTokenizer:
    """What stands between white space."""
    return WhitespaceTokenizer()


def jieba(*, hmm: bool = True, dictionary: str | None = None, files: dict[str, bytes] | None = None) -> WordTokenizer:
    """Words by jieba (https://github.com/fxsjy/jieba), the slow original.

    :param hmm: guess words that the dictionary does not hold.
    :param dictionary: path of a user dictionary: a word a line, then an optional frequency and an optional tag.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its source has escapes that newer Pythons warn of
        from jieba import Tokenizer, setLogLevel  # reads 5 MB when first used

    setLogLevel(60)  # it reports loading on stderr
    segmenter = Tokenizer()
    frequencies = segmenter.gen_pfdict(
        segmenter.get_dict_file()
    )  # its own way loads a cache that anyone may have planted
    segmenter.FREQ, segmenter.total = frequencies
    segmenter.initialized = True
    kept = _dictionary(dictionary, files)
    for word, frequency, tag in _entries(kept):
        segmenter.add_word(word, frequency, tag)
    return WordTokenizer(lambda text, guess: segmenter.cut(text, HMM=guess), hmm=hmm, files=kept)


def rjieba(*, hmm: bool = True, dictionary: str | None = None, files: dict[str, bytes] | None = None) -> WordTokenizer:
    """Words by jieba-rs (https://github.com/messense/rjieba-py): jieba's dictionary in Rust, ten times faster.

    :param hmm: guess words that the dictionary does not hold.
    :param dictionary: path of a user dictionary: a word a line, then an optional frequency and an optional tag.
    """
    import rjieba  # reads 5 MB, and as much again for a segmenter of one's own

    kept = _dictionary(dictionary, files)
    if not kept:
        return WordTokenizer(rjieba.cut, hmm=hmm, files=kept)
    segmenter = rjieba.Jieba()
    for word, frequency, tag in _entries(kept):
        segmenter.add_word(word, frequency, tag)
    return WordTokenizer(segmenter.cut, hmm=hmm, files=kept)


def parse_dictionary(data: bytes) -> list[tuple[str, int | None, str | None]]:
    """Entries ``(word, frequency, tag)`` of a user dictionary in UTF-8; a BOM and CRLF do no harm.

    :raises DataError: if the bytes are not UTF-8.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"the user dictionary is not UTF-8: byte {error.start} is 0x{data[error.start]:02x}") from None
    matches = (_ENTRY.fullmatch(line.strip()) for line in text.splitlines() if line.strip())
    return [(m["word"], int(m["freq"]) if m["freq"] else None, m["tag"]) for m in matches if m]


def _dictionary(path: str | None, files: dict[str, bytes] | None) -> dict[str, bytes]:
    if files is not None or path is None:  # a saved model brings its dictionary, and must never name a path
        return files or {}
    try:
        return {DICTIONARY: Path(path).read_bytes()}
    except OSError as error:
        raise DataError(f"the user dictionary {path} cannot be read: {error.strerror}") from error


def _entries(files: dict[str, bytes]) -> Iterator[tuple[str, int | None, str | None]]:
    """Each entry as written and, where it differs, as the normaliser spells it."""
    if DICTIONARY not in files:
        return
    from nlpkit.normalisation import Normaliser  # needs numpy, which start-up must not import

    normalise = Normaliser()
    for word, frequency, tag in parse_dictionary(files[DICTIONARY]):
        for spelling in dict.fromkeys((word, normalise(word))):
            yield spelling, frequency, tag


def _spaces() -> Any:
    """True at the code points of white space, indexed up to U+3001, beyond which there is none."""
    import numpy as np

    global _SPACES
    if _SPACES is None:
        _SPACES = np.array([chr(c).isspace() for c in range(0x3002)])
    return _SPACES


_SPACES: Any = None
