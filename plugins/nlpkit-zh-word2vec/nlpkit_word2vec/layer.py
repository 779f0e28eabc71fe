"""The embedding ``word2vec`` as a torch module; imported only where something is trained."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from nlpkit import DataError, SettingError, SharedEmbedding
from nlpkit.components import TokenDropout, TokenFilter
from nlpkit.text import PAD, UNKNOWN, Normaliser, TableVocabulary, Vocabulary
from numpy.typing import NDArray
from torch import Tensor, nn

from nlpkit_word2vec.files import Vector, Vectors, open_vectors
from nlpkit_word2vec.settings import SEEDS, Fitting

DIM = 200
RARE = 10  # one word in so many, the rarest, stands for those that are not known


class Word2VecEmbedding(SharedEmbedding, nn.Module):
    """A table of vectors that are there before the network is trained; see `nlpkit_word2vec.word2vec`.

    An unknown word has the mean of the vectors of the rarest tenth of the known words. ``found`` is there after `fit`
    where vectors came from a file: how many words of the training texts it has, and of how many; ``repeated`` is how
    many more entries of the file are of a word that was taken.
    """

    pretrained = True

    def __init__(
        self,
        *,
        dim: int | None,
        vectors: str | None,
        extra: int | Literal["all"],
        frozen: bool,
        dropout: float,
        seed: int | None,
        normaliser: Normaliser | None = None,
        **fitting: Any,
    ) -> None:
        super().__init__()
        self._extra = sys.maxsize if isinstance(extra, str) else extra
        self._file = (
            None if vectors is None else open_vectors(vectors, dim, normaliser)
        )  # a saved model must never name a path
        self.dim = self._file.dim if self._file else DIM if dim is None else dim
        self._fitting = Fitting(dim=self.dim, seed=seed or 0, **fitting)
        self.config: dict[str, Any] = {"dim": self.dim, "extra": extra, "frozen": frozen, "dropout": dropout}
        self.config |= {**fitting, "seed": seed}
        self.found: tuple[int, int] | None = None
        self.repeated = 0
        self.token_dropout = TokenDropout(dropout)
        self.table: nn.Embedding

    def fit(self, documents: Iterable[Sequence[str]], labels: Sequence[int]) -> Vocabulary:  # noqa: ARG002
        """Fit vectors to the documents, which are gone through and never held; or take what they need of the file.

        :raises SettingError: if words beside those of the documents are asked for, and there is no file.
        :raises DataError: if no word is left, or the file is at fault.
        """
        if self._file is not None:
            return self._take(self._file, _count(documents))
        if self._extra:
            raise SettingError("extra keeps words of a file: say by vectors of which, or leave extra out")
        from nlpkit_word2vec.fitting import fit_vectors  # gensim takes a second, which loading a model need not

        seed = torch.initial_seed() % SEEDS if self.config["seed"] is None else self._fitting.seed
        words, vectors = fit_vectors(documents, replace(self._fitting, seed=seed))
        return self._fill(words, vectors, _average_rarest(vectors))

    def build(self, vocabulary: Vocabulary) -> None:
        """Make a table with a row for each id; that of padding stays zero."""
        self.table = nn.Embedding(len(vocabulary), self.dim, padding_idx=PAD)
        self.table.weight.requires_grad_(not self.config["frozen"])

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Map ids and mask ``(batch, time)`` to vectors ``(batch, time, dim)``."""
        return self.token_dropout(self.table(ids), mask)  # type: ignore[no-any-return]

    def vectors(self) -> Tensor:
        """Return the vector of every id ``(ids, dim)``."""
        return self.table.weight

    def take(self, vectors: Tensor) -> bool:
        """Make the vectors these ``(ids, dim)``."""
        with torch.no_grad():
            self.table.weight.copy_(vectors)
        return True

    def lookup(self, ids: Tensor) -> Tensor:
        """Map ids ``(n,)`` to vectors ``(n, dim)``, whole also in training."""
        return self.table(ids)  # type: ignore[no-any-return]

    def _take(self, file: Vectors, counts: Mapping[str, int]) -> Vocabulary:
        """Take what the file has of the documents; if that is tuned, frequent other words; and the extra ones."""
        found, extra, self.repeated = _choose(file, counts, self._extra)
        self.found = len(found), len(counts)
        known = _rank({word: counts[word] for word in found})
        unknown = _average_rarest(np.stack([found[word] for word in known]))
        missing = {word: n for word, n in counts.items() if word not in found and n >= self._fitting.min_count}
        lacking = [] if self.config["frozen"] else _rank(missing)
        vectors = [*(found[word] for word in known), *(unknown for _ in lacking), *extra.values()]
        return self._fill([*known, *lacking, *extra], np.stack(vectors), unknown)

    def _fill(self, words: Sequence[str], vectors: NDArray[np.float32], unknown: NDArray[np.float32]) -> Vocabulary:
        vocabulary = TableVocabulary(words)
        self.build(vocabulary)
        with torch.no_grad():
            self.table.weight[PAD] = 0
            self.table.weight[UNKNOWN] = torch.from_numpy(unknown)
            self.table.weight[UNKNOWN + 1 :] = torch.from_numpy(vectors)
        return vocabulary


def _count(documents: Iterable[Sequence[str]]) -> Mapping[str, int]:
    if hasattr(documents, "counts"):
        return documents.counts()  # type: ignore[no-any-return]
    return Counter(itertools.chain.from_iterable(documents))


def _rank(counts: Mapping[str, int]) -> list[str]:
    """Sort words, the most frequent first, ties by the word."""
    return sorted(counts, key=lambda word: (-counts[word], word))


def _choose(file: Vectors, counts: Mapping[str, int], limit: int) -> tuple[dict[str, Vector], dict[str, Vector], int]:
    """Choose the vectors of the words that are counted and of so many others; count those that come again."""
    found: dict[str, Vector] = {}
    extra: dict[str, Vector] = {}
    first = TokenFilter(lambda word: word in counts or word in extra or len(extra) < limit)
    for word, vector in file.choose(first):
        (found if word in counts else extra)[word] = vector
    if not found:
        raise DataError(
            "{path} has none of the {count:,} words of the training texts: is it UTF-8, and of "
            "words as the tokenizer cuts them?",
            path=file.path,
            count=len(counts),
        )
    return found, extra, first.repeated


def _average_rarest(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average the rarest of vectors ``(words, dim)`` that stand by frequency."""
    rarest = vectors[-max(1, len(vectors) // RARE) :]
    return rarest.mean(0)  # type: ignore[no-any-return]
