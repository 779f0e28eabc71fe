"""The rows of a run as a network sees them: ids of tokens, and marks of the opinions among them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from nlpkit.files import replace_file
from nlpkit.text import PAD, Normaliser, Tokens, Vocabulary, token_spans
from nlpkit.training import RowNumbers, StoredCorpus
from numpy.typing import NDArray
from safetensors.numpy import load_file, save
from torch import Tensor

from nlpkit_aspects.marks import NO_TARGET, OUTSIDE, mark_opinions, write_marks
from nlpkit_aspects.opinions import read_opinions

NO_POLARITY = -100  # of a token of no opinion, as torch's cross entropy wants it


class Batch(NamedTuple):
    """What is shown in one step, and asked.

    :param ids: ``(batch, time)``, and their ``mask``.
    :param targets: marks of targets ``(batch, time)``; of ``opinions`` likewise.
    :param polarities: of the tokens of opinions ``(batch, time)``.
    :param pairs: 1 where the first token is of an opinion on what the second is of ``(batch, time, time)``.
    :param weights: of the rows ``(batch,)``.
    """

    ids: Tensor
    mask: Tensor
    targets: Tensor
    opinions: Tensor
    polarities: Tensor
    pairs: Tensor
    weights: Tensor


@dataclass(frozen=True)
class MarkedRows:
    """Rows of ids and the opinions in them.

    :param ids: row after row ``(total,)``; row ``i`` is ``ids[starts[i]:starts[i + 1]]``.
    :param marks: of each opinion what `mark_opinions` says ``(opinions, 5)``, row after row.
    :param bounds: of row ``i`` they are those from ``bounds[i]`` to ``bounds[i + 1]``.
    :param weights: of the rows ``(rows,)``.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    marks: NDArray[np.int32]
    bounds: NDArray[np.int64]
    weights: NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Write them down."""
        replace_file(path, save(dict(vars(self))))

    @classmethod
    def load(cls, path: Path) -> MarkedRows:
        """Read what `save` wrote."""
        return cls(**load_file(path))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row ``(rows,)``."""
        return np.diff(self.starts)

    @cached_property
    def names(self) -> NDArray[np.int32]:
        """Ids of the targets of one token, each once."""
        row = np.repeat(np.arange(len(self)), np.diff(self.bounds))
        single = (self.marks[:, 2] != NO_TARGET) & (self.marks[:, 2] == self.marks[:, 3])
        return np.unique(self.ids[self.starts[row[single]] + self.marks[single, 2]])

    def opinions_of(self, row: int) -> NDArray[np.int32]:
        """Return the marks of one row ``(opinions, 5)``."""
        return self.marks[self.bounds[row] : self.bounds[row + 1]]

    def batch(self, rows: RowNumbers, replaced: float = 0.0) -> Batch:
        """Pad some rows to the length of the longest of them.

        :param replaced: share of the targets of one token that become some other, drawn by torch's random numbers.
        """
        size, time = len(rows), max(1, int(self.lengths[rows].max(initial=0)))
        mask = np.arange(time) < self.lengths[rows][:, None]
        ids = np.full((size, time), PAD, np.int64)
        targets, opinions = np.full((size, time), OUTSIDE, np.int64), np.full((size, time), OUTSIDE, np.int64)
        polarities, pairs = np.full((size, time), NO_POLARITY, np.int64), np.zeros((size, time, time), np.float32)
        for at, row in enumerate(rows.tolist()):
            ids[at, : self.lengths[row]] = self.ids[self.starts[row] : self.starts[row + 1]]
            for begin, end, first, last, polarity in self.opinions_of(row).tolist():
                write_marks(opinions[at], begin, end)
                polarities[at, begin : end + 1] = polarity
                if first != NO_TARGET:
                    write_marks(targets[at], first, last)
                    pairs[at, begin : end + 1, first : last + 1] = 1
                    if first == last and replaced and float(torch.rand(())) < replaced:
                        ids[at, first] = self.names[int(torch.randint(len(self.names), ()))]
        arrays = (ids, mask, targets, opinions, polarities, pairs, self.weights[rows])
        return Batch(*map(torch.from_numpy, arrays))


def read_places(corpus: StoredCorpus, place: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the texts of a place in blocks, and what stands beside each."""
    answers = iter(corpus.answers(place))
    for texts in corpus.texts(place):
        yield texts, list(itertools.islice(answers, len(texts)))


def mark_rows(
    corpus: StoredCorpus,
    place: str,
    tokenizer: Any,
    normaliser: Normaliser,
    vocabulary: Vocabulary,
    longest: int,
) -> MarkedRows:
    """Encode the rows of a place, of each at most ``longest`` tokens, and mark the opinions among them.

    :raises ValueError: if a token has not one id.
    """
    ids: list[NDArray[np.int32]] = []
    marks: list[NDArray[np.int32]] = []
    for texts, answers in read_places(corpus, place):
        tokens, spans = token_spans(texts, tokenizer, normaliser)
        rows = encode_rows(vocabulary, tokens)
        ids += [row[:longest] for row in rows]
        found = map(read_opinions, texts, answers)
        marks += [mark_opinions(opinions, own[:longest]) for opinions, own in zip(found, spans, strict=True)]
    sources = corpus.source_of(place)
    weights = np.array([source.weight for source in corpus.sources] or [1.0], np.float32)[sources]
    starts = np.cumsum([0, *map(len, ids)], dtype=np.int64)
    bounds = np.cumsum([0, *map(len, marks)], dtype=np.int64)
    empty = np.zeros(0, np.int32)
    return MarkedRows(
        np.concatenate([empty, *ids]), starts, np.concatenate([empty.reshape(0, 5), *marks]), bounds, weights
    )


def encode_rows(vocabulary: Vocabulary, tokens: Tokens) -> Sequence[NDArray[np.int32]]:
    """Return one id a token of each document.

    :raises ValueError: if the vocabulary gives a token none, or several.
    """
    rows = vocabulary.encode(tokens).rows()
    if [len(row) for row in rows] != np.diff(tokens.starts).tolist():
        raise ValueError("marks of tokens want one id a token")
    return rows
