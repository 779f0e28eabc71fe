"""Vectors of tokens from what stands near them: positive pointwise mutual information, factorised."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nlpkit.text.vocabulary import TableVocabulary, Tokens

Ints: TypeAlias = NDArray[np.int64]
WINDOW = 5
SMOOTHING = 0.75  # exponent on the counts of contexts, which keeps rare ones from looking informative
SPREAD = 0.3  # standard deviation of the numbers that come out
DOCUMENTS = 2048  # that are in memory at once
MOST = 10_000_000  # tokens: more would change the vectors little, and fill the memory with rare pairs
BLOCK = 1 << 20  # tokens whose pairs are in memory at once


def corpus_vectors(documents: Iterable[Sequence[str]], vocabulary: TableVocabulary, dim: int) -> Tensor:
    """`ppmi_vectors` of documents, or of an even share of them: ``(ids, dim)``."""
    return ppmi_vectors(draw_evenly(documents, vocabulary, MOST), len(vocabulary), dim)


def ppmi_vectors(documents: Sequence[NDArray[np.integer[Any]]], size: int, dim: int) -> Tensor:
    """U times the root of S of a truncated SVD of PPMI (Levy et al. 2015, https://aclanthology.org/Q15-1016).

    Neighbours count by one over their distance. Random numbers come from torch's generator. Memory grows with the
    number of different pairs, not with that of tokens.

    :param documents: ids of each document, below ``size``.
    :returns: ``(size, dim)``; zero for an id that stands in no document.
    """
    rows, columns, counts = _count_neighbours(documents, size)
    totals = np.bincount(rows, counts, size) + 1e-9
    contexts = totals**SMOOTHING
    information = np.log(counts / totals[rows] / (contexts[columns] / contexts.sum()))
    positive = information > 0
    matrix = torch.sparse_coo_tensor(
        torch.from_numpy(np.stack([rows[positive], columns[positive]])),
        torch.from_numpy(information[positive].astype(np.float32)),
        (size, size),
        check_invariants=False,
        is_coalesced=True,  # each pair stands once, in order
    )
    del rows, columns, counts, information, positive  # as large as the matrix, which the next line copies
    rank = min(dim, size)
    left, strengths, _ = torch.svd_lowrank(matrix, q=min(rank + 8, size), niter=3)
    vectors = torch.zeros(size, dim)
    vectors[:, :rank] = left[:, :rank] * strengths[:rank].sqrt()
    return vectors * (SPREAD / vectors.std().clamp(min=1e-9))


def split_blocks(documents: Iterable[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    """Yield the documents, some at a time."""
    source = iter(documents)
    while block := list(itertools.islice(source, DOCUMENTS)):
        yield block


def draw_evenly(documents: Iterable[Sequence[str]], vocabulary: TableVocabulary, limit: int) -> list[NDArray[np.int32]]:
    """Ids of every document, or of every second, fourth, eighth …, so that there are at most ``limit`` tokens."""
    ids: list[NDArray[np.int32]] = []
    stride, done, total = 1, 0, 0
    for block in split_blocks(documents):
        rows = vocabulary.encode(Tokens.of(block[-done % stride :: stride])).rows()
        ids += rows
        done, total = done + len(block), total + sum(map(len, rows))
        while total > limit and len(ids) > 1:
            ids, stride = ids[::2], 2 * stride
            total = sum(map(len, ids))
    return ids


def sort_distinct(keys: Ints) -> Ints:
    """Each key, which is not negative, once, sorted; newer numpys' ``unique`` hashes, ten times as long."""
    ordered = np.sort(keys)
    once: Ints = ordered[np.diff(ordered, prepend=-1) != 0]
    return once


def _count_neighbours(documents: Sequence[NDArray[Any]], size: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Pairs of ids within the window, both ways, each once with its weighted count, in order.

    The count of a pair is the same both ways, so only the triangle is counted: its pairs are listed, then each pair's
    occurrences are added up, the near ones first. So the size of a block changes no bit of a sum.
    """
    flat = np.concatenate([*documents, np.zeros(0, dtype=np.int32)]).astype(np.int32)
    owner = np.repeat(np.arange(len(documents), dtype=np.int32), [len(document) for document in documents])
    keys = np.zeros(0, dtype=np.int64)
    for at in range(0, len(flat), BLOCK):
        parts = [_list_pairs(flat, owner, at, distance, size) for distance in range(1, WINDOW + 1)]
        keys = sort_distinct(np.concatenate([keys, sort_distinct(np.concatenate(parts))]))
    counts = np.zeros(len(keys))
    for distance in range(1, WINDOW + 1):
        for at in range(0, len(flat), BLOCK):
            pairs = np.sort(_list_pairs(flat, owner, at, distance, size))
            twins = pairs[pairs // size == pairs % size]  # a token beside itself is a neighbour on either side
            for some in (pairs, twins):
                np.add.at(counts, np.searchsorted(keys, some), 1 / distance)
    return _mirror(keys // size, keys % size, counts, size)


def _list_pairs(flat: NDArray[Any], owner: NDArray[Any], at: int, distance: int, size: int) -> Ints:
    """Return a key ``lesser * size + greater`` for each pair at a distance, the first token in the block at ``at``."""
    right = slice(at + distance, at + distance + BLOCK)
    left = slice(at, at + len(flat[right]))
    same = owner[left] == owner[right]
    a, b = flat[left][same], flat[right][same]
    keys: Ints = np.minimum(a, b).astype(np.int64) * size + np.maximum(a, b)
    return keys


def _mirror(
    rows: NDArray[Any], columns: NDArray[Any], counts: NDArray[Any], size: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Add the mirror image to the triangle, sorted by row and column."""
    upper = rows < columns
    keys = np.concatenate([rows * size + columns, columns[upper] * size + rows[upper]])
    order = np.argsort(keys)
    keys = keys[order]
    return keys // size, keys % size, np.concatenate([counts, counts[upper]])[order]
