"""Vectors of tokens from what stands near them: positive pointwise mutual information, factorised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WINDOW = 5
SMOOTHING = 0.75  # exponent on the counts of contexts, which keeps rare ones from looking informative
SPREAD = 0.3  # standard deviation of the numbers that come out


def ppmi_vectors(documents: Sequence[NDArray[np.integer[Any]]], size: int, dim: int) -> Tensor:
    """U times the root of S of a truncated SVD of PPMI (Levy et al. 2015, https://aclanthology.org/Q15-1016).

    Neighbours count by one over their distance. Random numbers come from torch's generator.

    :param documents: ids of each document, below ``size``.
    :returns: ``(size, dim)``; zero for an id that stands in no document.
    """
    rows, columns, counts = _neighbours(documents, size)
    totals = np.bincount(rows, counts, size) + 1e-9
    contexts = totals**SMOOTHING
    information = np.log(counts / totals[rows] / (contexts[columns] / contexts.sum()))
    kept = information > 0
    places = torch.from_numpy(np.stack([rows[kept], columns[kept]]))
    matrix = torch.sparse_coo_tensor(
        places, torch.from_numpy(information[kept]).float(), (size, size), check_invariants=False
    )
    rank = min(dim, size)
    left, strengths, _ = torch.svd_lowrank(matrix.coalesce(), q=min(rank + 8, size), niter=3)
    vectors = torch.zeros(size, dim)
    vectors[:, :rank] = left[:, :rank] * strengths[:rank].sqrt()
    return vectors * (SPREAD / vectors.std().clamp(min=1e-9))


def _neighbours(documents: Sequence[NDArray[Any]], size: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Pairs of ids within the window, both ways, each once with its weighted count."""
    flat = np.concatenate(documents).astype(np.int64)
    owner = np.repeat(np.arange(len(documents)), [len(document) for document in documents])
    keys, weights = [], []
    for distance in range(1, WINDOW + 1):
        together = owner[distance:] == owner[:-distance]
        left, right = flat[:-distance][together], flat[distance:][together]
        keys += [left * size + right, right * size + left]
        weights += [np.full(len(left), 1 / distance)] * 2
    pairs, inverse = np.unique(np.concatenate(keys), return_inverse=True)
    return pairs // size, pairs % size, np.bincount(inverse, np.concatenate(weights))
