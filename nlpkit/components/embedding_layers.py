"""The built-in embeddings as torch modules; imported only where something is trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nlpkit.components.ppmi import corpus_vectors, sort_distinct, split_blocks
from nlpkit.components.vectors import VectorFile
from nlpkit.plugins.base import SharedEmbedding, StaticEmbedding
from nlpkit.text.normalisation import Normaliser
from nlpkit.text.vocabulary import PAD, UNKNOWN, HashVocabulary, TableVocabulary, Tokens, Vocabulary

DIM = 64  # numbers in a vector, unless told
READ = 4  # characters of a token that make part of its vector


class TrainableEmbedding(SharedEmbedding, nn.Module):
    """A table of vectors over a `TableVocabulary`; see `nlpkit.components.embeddings.trainable`.

    ``found`` is known after `fit` where vectors came from a file: how many tokens they are of, and of how many;
    ``repeated`` is how many more lines of the file are of one of these.
    """

    def __init__(
        self,
        *,
        dim: int | None,
        min_count: int,
        max_size: int,
        start: str,
        dropout: float,
        vectors: str | None = None,
        frozen: bool = False,
        normaliser: Normaliser | None = None,
    ) -> None:
        super().__init__()
        self._file = (
            None if vectors is None else VectorFile(vectors, dim, normaliser)
        )  # a saved model must never name a path
        self.dim = self._file.dim if self._file else dim or DIM
        self.config: dict[str, Any] = {"dim": self.dim, "min_count": min_count, "max_size": max_size}
        self.config |= {"start": start, "dropout": dropout, "frozen": frozen}
        self.pretrained = start == "ppmi" or vectors is not None
        self.token_dropout = TokenDropout(dropout)
        self.table: nn.Embedding

    def fit(self, documents: Iterable[Sequence[str]], labels: Sequence[int]) -> Vocabulary:  # noqa: ARG002
        """Count the tokens and give each a vector: from a file, from its neighbours, or drawn at random.

        The documents are gone through as often as that needs, and never held.
        """
        limits = {"min_count": self.config["min_count"], "max_size": self.config["max_size"]}
        vocabulary = TableVocabulary.count(documents, **limits)
        self.build(vocabulary)
        if self.config["start"] == "ppmi" and vocabulary.tokens:
            self._start(corpus_vectors(documents, vocabulary, self.dim))
        if self._file is not None:
            self.found = self._fill(self._file, vocabulary)
        return vocabulary

    def build(self, vocabulary: Vocabulary) -> None:
        """Make a table with a row for each id; that of padding stays zero."""
        self.table = nn.Embedding(len(vocabulary), self.dim, padding_idx=PAD)
        self.table.weight.requires_grad_(not self.config["frozen"])

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids and mask ``(batch, time)`` to vectors ``(batch, time, dim)``."""
        return self.token_dropout(self.table(ids), mask)  # type: ignore[no-any-return]

    def vectors(self) -> Tensor:
        """Return the vector of every id ``(ids, dim)``."""
        return self.table.weight

    def take(self, vectors: Tensor) -> bool:
        """Make the vectors these ``(ids, dim)``."""
        self._start(vectors)
        return True

    def lookup(self, ids: Tensor) -> Tensor:
        """Vectors ``(n, dim)`` of ids ``(n,)``, whole also in training."""
        return self.table(ids)  # type: ignore[no-any-return]

    def _start(self, vectors: Tensor) -> None:
        with torch.no_grad():
            self.table.weight.copy_(vectors)
            self.table.weight[PAD] = 0

    def _fill(self, file: VectorFile, vocabulary: TableVocabulary) -> tuple[int, int]:
        """Put in what the file has of the vocabulary; return of how many tokens, and of how many there are."""
        vectors, ids = self.table.weight.detach().clone(), []
        for position, vector in file.read(vocabulary.tokens):
            ids.append(position + UNKNOWN + 1)
            vectors[ids[-1]] = torch.from_numpy(vector)
        self._start(vectors)
        self.repeated = file.repeated
        return len(ids), len(vocabulary.tokens)


class SpelledEmbedding(SharedEmbedding, nn.Module):
    """A row for each token and rows for its characters, added up; see `nlpkit.components.embeddings.spelled`.

    As fastText makes words of character n-grams (Bojanowski et al. 2017, https://aclanthology.org/Q17-1010): the mean
    of the first `READ` characters, and half of the first and of the last, which have rows of their own there.
    """

    def __init__(self, *, dim: int, min_count: int, max_size: int, dropout: float) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"dim": dim, "min_count": min_count, "max_size": max_size, "dropout": dropout}
        self.dim = dim
        self.token_dropout = TokenDropout(dropout)
        self.table: nn.Embedding
        self.characters: nn.Embedding
        self.ends: nn.Embedding
        self.spelling: Tensor
        self.shares: Tensor
        self.sides: Tensor

    def fit(self, documents: Iterable[Sequence[str]], labels: Sequence[int]) -> Vocabulary:  # noqa: ARG002
        """Count the tokens; all rows are drawn at random."""
        limits = {"min_count": self.config["min_count"], "max_size": self.config["max_size"]}
        vocabulary = TableVocabulary.count(documents, **limits, suffixes=True)
        self.build(vocabulary)
        return vocabulary

    def build(self, vocabulary: Vocabulary) -> None:
        """Make the rows, and note how each token is spelled."""
        if not isinstance(vocabulary, TableVocabulary):
            raise TypeError(f"expected a vocabulary of tokens, found: {vocabulary.kind}")
        rows = {character: row for row, character in enumerate(sorted(set("".join(vocabulary.tokens))), start=1)}
        spelling = np.zeros((len(vocabulary), READ), dtype=np.int64)
        sides = np.zeros((len(vocabulary), 2), dtype=np.int64)
        for at, token in enumerate(vocabulary.tokens, start=UNKNOWN + 1):
            read = [rows[character] for character in token[:READ]]
            spelling[at, : len(read)] = read
            sides[at] = rows[token[0]], rows[token[-1]] + len(rows)
        shares = (spelling > 0) / np.maximum((spelling > 0).sum(1, keepdims=True), 1)
        for name, values in (("spelling", spelling), ("sides", sides), ("shares", shares.astype(np.float32))):
            self.register_buffer(name, torch.from_numpy(values), persistent=False)
        self.table = _make_rows(len(vocabulary), self.dim)
        self.characters, self.ends = _make_rows(len(rows) + 1, self.dim), _make_rows(2 * len(rows) + 1, self.dim)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids and mask ``(batch, time)`` to vectors ``(batch, time, dim)``."""
        different, places = torch.unique(ids, return_inverse=True)
        return self.token_dropout(functional.embedding(places, self.lookup(different)), mask)  # type: ignore[no-any-return]

    def lookup(self, ids: Tensor) -> Tensor:
        """Vectors ``(n, dim)`` of ids ``(n,)``, whole also in training."""
        # no embedding_bag: that is exported as a loop over words, of loops over characters, seventy times as slow
        inside = self.characters(self.spelling[ids]) * self.shares[ids][:, :, None]  # (n, READ, dim)
        outside = self.ends(self.sides[ids])  # (n, 2, dim)
        return self.table(ids) + inside.sum(1) + outside.sum(1) / 2  # type: ignore[no-any-return]

    def vectors(self) -> Tensor:
        """Return the vector of every id ``(ids, dim)``."""
        return self.lookup(torch.arange(len(self.spelling), device=self.spelling.device))

    def take(self, vectors: Tensor) -> bool:
        """Make the vectors these ``(ids, dim)``; those of characters begin at nothing, as theirs are in them."""
        with torch.no_grad():
            self.table.weight.copy_(vectors)
            for rows in (self.characters, self.ends):
                rows.weight.zero_()
        return True


def _make_rows(count: int, dim: int) -> nn.Embedding:
    """Small random rows but for the first, padding."""
    table = nn.Embedding(count, dim, padding_idx=PAD)
    nn.init.normal_(table.weight, std=0.1)
    table.weight.data[PAD] = 0
    return table


class NgramEmbedding(StaticEmbedding, nn.Module):
    """Vectors of hashed n-grams, each times a fixed scale; see `nlpkit.components.embeddings.ngrams`.

    The scale is ``floor + max over labels of |log-count ratio|`` (Wang and Manning 2012, https://aclanthology.org/P12-2018),
    which lets an n-gram that tells labels apart learn faster than one that does not. Weights start at zero.
    """

    ordered = False  # unigrams, then bigrams: no encoder can read that

    def __init__(
        self, *, low: int, high: int, bits: int, marks: bool, dim: int | None, floor: float, dropout: float
    ) -> None:
        super().__init__()
        self._vocabulary = HashVocabulary(bits=bits, low=low, high=high, marks=marks)
        self.config: dict[str, Any] = {"low": low, "high": high, "bits": bits, "marks": marks, "dim": dim}
        self.config |= {"floor": floor, "dropout": dropout}
        self.dim = dim or 0
        self.token_dropout = TokenDropout(dropout)
        self.table: nn.Embedding
        self.scale: Tensor

    def fit(self, documents: Iterable[Sequence[str]], labels: Sequence[int]) -> Vocabulary:
        """Count in how many documents of each label every bucket stands."""
        targets = np.asarray(labels)
        classes = int(targets.max()) + 1 if targets.ndim == 1 else targets.shape[1]
        self.dim = self.config["dim"] = self.dim or classes
        size, first = len(self._vocabulary), 0
        present, total = np.zeros(classes * size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        for block in split_blocks(documents):
            rows, ids = _find_distinct(self._vocabulary, Tokens.of(block))
            owners, of_label = _find_owners(targets[first + rows])
            np.add.at(present, of_label * size + ids[owners], 1)
            np.add.at(total, ids, 1)
            first += len(block)
        self.build(self._vocabulary)
        sizes = np.bincount(_find_owners(targets)[1], minlength=classes)
        ratio = _log_count_ratio(present.reshape(classes, size), total, sizes, len(targets))
        self.scale[:, 0] = torch.from_numpy(ratio + self.config["floor"])
        return self._vocabulary

    def build(self, vocabulary: Vocabulary) -> None:
        """Zero weights for every bucket, scale one."""
        self.table = nn.Embedding(
            len(vocabulary), self.dim, padding_idx=PAD, _weight=torch.zeros(len(vocabulary), self.dim)
        )
        self.register_buffer("scale", torch.ones(len(vocabulary), 1))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids and mask ``(batch, time)`` to vectors ``(batch, time, dim)``."""
        return self.token_dropout(self.table(ids) * self.scale[ids], mask)  # type: ignore[no-any-return]

    def vectors(self) -> Tensor:
        """Return the vector of every id ``(ids, dim)``."""
        return self.table.weight * self.scale

    def take(self, vectors: Tensor) -> bool:
        """Make the vectors these ``(ids, dim)``; all n-grams then learn alike, unless a scale says otherwise."""
        with torch.no_grad():
            self.table.weight.copy_(vectors / self.scale)
        return True


class TokenDropout(nn.Module):
    """Blanks whole vectors in training, so that no single token is relied upon; those kept are scaled up."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.probability = dropout

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Vectors ``(batch, time, dim)`` to the same shape."""
        if not self.training or not self.probability:
            return vectors
        survivors = torch.rand(mask.shape, device=mask.device) >= self.probability
        return vectors * (survivors / (1 - self.probability))[:, :, None]


def _find_distinct(vocabulary: HashVocabulary, tokens: Tokens) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each document's different ids: the documents' positions, and the ids."""
    ids = vocabulary.encode(tokens)
    owner = np.repeat(np.arange(ids.size), np.diff(ids.starts))
    keys = sort_distinct((owner * len(vocabulary) + ids.grid)[ids.grid != PAD])
    return keys // len(vocabulary), keys % len(vocabulary)


def _find_owners(targets: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return positions of documents, each as often as it has labels, and the labels.

    :param targets: one label a document ``(documents,)``, or 1 where it has one ``(documents, labels)``.
    """
    if targets.ndim == 1:
        return np.arange(len(targets)), targets
    documents, labels = np.nonzero(targets)
    return documents, labels


def _log_count_ratio(
    present: np.ndarray[Any, Any], total: np.ndarray[Any, Any], sizes: np.ndarray[Any, Any], documents: int
) -> np.ndarray[Any, Any]:
    """``max over labels |log p(bucket | label) - log p(bucket | no such label)|``, add-one.

    :param present: in how many documents of each label a bucket stands ``(labels, ids)``; ``total``: of all ``(ids,)``.
    :param sizes: documents of each label ``(labels,)``, of so many.
    """
    sizes = sizes[:, None]
    with_label = (present + 1) / (sizes + 2)
    without = (total - present + 1) / (documents - sizes + 2)
    return cast("np.ndarray[Any, Any]", np.abs(np.log(with_label / without)).max(0))
