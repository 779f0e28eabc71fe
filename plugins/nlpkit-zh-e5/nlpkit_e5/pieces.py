"""The tokenizer ``e5-pieces``: needs the library tokenizers, never torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import nlpkit
from nlpkit.text import Tokens
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import Metaspace

from nlpkit_e5.weights import BEGIN, END, PIECES, SPACE, UNKNOWN, folder, load_pieces

MARKS = 2
NOWHERE = "\0"  # what the library calls unknown; stands in no text that it is given
PREFIXES = {"query": "query: ", "passage": "passage: ", "none": ""}
_SPACES = re.compile(" {2,}")


class PiecesTokenizer(nlpkit.Tokenizer):
    """Pieces of a text by their probabilities (Kudo 2018, https://aclanthology.org/P18-1007), between two marks.

    Before it is cut, characters are spelled as e5's own normalisation does (NFKC, white space), and a prefix is put
    before the text. A run of characters that no piece has becomes ``<unk>``. There are no more than ``longest`` tokens,
    of which the first is ``<s>`` and the last ``</s>``; ``cut`` is the number of texts so far that had more. A text of
    nothing but white space has no tokens. What reads like a mark in a text is text.

    :param files: pieces.json.
    :param prefix: a name: query, passage or none.
    :param longest: tokens in a text, marks and prefix among them.
    :raises ValueError: if the file is missing or damaged.
    """

    embeddings = ("e5", "trainable")

    def __init__(self, files: dict[str, bytes], *, prefix: str, longest: int) -> None:
        if PIECES not in files:
            raise ValueError(f"the files that were kept lack {PIECES}")
        scored, spelling = load_pieces(files[PIECES])
        self.config: dict[str, Any] = {"prefix": prefix, "longest": longest}
        self.files = files
        self.longest, self.cut, self._most = longest, 0, longest - MARKS
        self.pieces = [piece for piece, _ in scored]
        self._names = [UNKNOWN, *self.pieces]
        self._spelling = str.maketrans({**spelling, NOWHERE: ""})
        self._prefix = PREFIXES[prefix]
        self._model = Tokenizer(Unigram([(NOWHERE, 0.0), *scored], unk_id=0, byte_fallback=False))
        self._model.pre_tokenizer = Metaspace(replacement=SPACE, prepend_scheme="always", split=True)

    def tokenize(self, text: str) -> list[str]:
        """Cut a text: ``"质量好"`` becomes ``["<s>", "▁query", ":", "▁", "质量", "好", "</s>"]``."""
        return self.batch([text]).lists()[0]

    def batch(self, texts: Sequence[str]) -> Tokens:
        """Cut all texts at once, as `tokenize` does."""
        spelled = [self._spell(text) for text in texts]
        found = self._model.encode_batch_fast([_SPACES.sub(" ", f"{self._prefix}{text}") for text in spelled])
        rows = zip(spelled, found, strict=True)
        return Tokens.of([self._row(each.ids) if text.strip() else [] for text, each in rows])

    def _spell(self, text: str) -> str:
        """Spell a text as the pieces are; halves of surrogate pairs stand for no character, and go."""
        return text.encode("utf-8", "ignore").decode("utf-8").translate(self._spelling)

    def _row(self, ids: Sequence[int]) -> list[str]:
        self.cut += len(ids) > self._most
        return [BEGIN, *(self._names[i] for i in ids[: self._most]), END]


def read_files() -> dict[str, bytes]:
    """Read the pieces that come with the package."""
    return {PIECES: (folder() / PIECES).read_bytes()}
