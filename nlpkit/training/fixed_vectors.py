"""Vectors of rows that never change in a run: computed once, kept on disk, read instead of the embedding."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nlpkit.errors import DataError, PluginError, Sentence
from nlpkit.files import sync
from nlpkit.training.batching import RowNumbers, Rows, sort_batches
from nlpkit.training.events import Event, Note, Working
from nlpkit.training.prepared import code_of, keep, key_of, take, timed
from nlpkit.training.storage import map_array

CHUNK = 256  # rows that are computed together; an interrupted run goes on behind the last whole chunk
BATCH = 32  # rows of these that are in the embedding together
DTYPE = np.float16
VECTORS = "vectors"  # the name of the file that is kept


def store_vectors(path: Path, embedding: Any, rows: Rows, what: str, made_from: Mapping[str, Any]) -> Iterator[Event]:
    """Compute what neither an earlier attempt nor an earlier run has; the iterator does it.

    :param embedding: one that is fixed, or the lower half of one.
    :param what: is done, in the eyes of the user.
    :param made_from: what config.json says of the embedding.
    :raises DataError: if the disk has no room for it.
    """
    if path.exists() and path.stat().st_size == size_of(rows, embedding.dim):
        return
    key = _key_of(embedding, rows, made_from)
    if not path.exists() and take(key, path.parent):
        (path.parent / VECTORS).rename(path)
        yield Note("{what}: those of an earlier run", what=what)
        return
    with timed() as took:
        yield from _compute_all(path, embedding, rows, what)
    if took[0]:
        keep(
            key, {VECTORS: path}, Sentence("vectors of {rows:,} rows by {name}", rows=len(rows), name=made_from["name"])
        )


def _key_of(embedding: Any, rows: Rows, made_from: Mapping[str, Any]) -> str:
    """Return by what vectors are found again: the embedding, its weights, the ids, how they are computed."""
    weights = [part for name, tensor in sorted(embedding.state_dict().items()) for part in (name, _bytes_of(tensor))]
    how = [torch.__version__, torch.get_num_threads(), DTYPE.__name__, BATCH, type(embedding).__name__]
    return key_of("vectors", dict(made_from), code_of(embedding), how, *weights, rows.inputs, rows.starts)


def _bytes_of(tensor: torch.Tensor) -> NDArray[np.uint8]:
    """Return the bytes of a tensor, of bfloat16 say, which numpy has not."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()


def _compute_all(path: Path, embedding: Any, rows: Rows, what: str) -> Iterator[Working]:
    """Compute what an earlier attempt has not."""
    width, size = embedding.dim * np.dtype(DTYPE).itemsize, size_of(rows, embedding.dim)
    path.touch()
    bytes_before = path.stat().st_size
    if size - bytes_before > (free := shutil.disk_usage(path.parent).free):
        raise DataError(
            "the vectors of {count:,} rows take {size:.1f} GB, and the disk of {parent} has "
            "{free:.1f} GB left: make room, give fewer rows, or set a lower max_length",
            count=len(rows),
            size=size / 1e9,
            parent=path.parent,
            free=free / 1e9,
        )
    starts = rows.starts[[*range(0, len(rows), CHUNK), len(rows)]]
    chunks = int(np.searchsorted(starts, bytes_before // width, "right")) - 1
    os.truncate(path, int(starts[chunks]) * width)
    for first in range(chunks * CHUNK, len(rows), CHUNK):
        with path.open("ab") as file:
            file.write(_compute(embedding, rows, np.arange(first, min(first + CHUNK, len(rows)))).data)
            sync(file)
        yield Working(what, min(first + CHUNK, len(rows)), len(rows))


def size_of(rows: Rows, dim: int) -> int:
    """How many bytes `store_vectors` writes."""
    return int(rows.starts[-1]) * dim * np.dtype(DTYPE).itemsize


def map_vectors(path: Path, dim: int, rows: Rows) -> Rows:
    """Return the same rows as vectors, as `store_vectors` left them."""
    return replace(rows, inputs=map_array(path, DTYPE).reshape(-1, dim))


def _compute(embedding: Any, rows: Rows, numbers: RowNumbers) -> NDArray[Any]:
    """Vectors ``(tokens, dim)`` of some rows, one after the other."""
    begin, end = rows.starts[numbers[0]], rows.starts[numbers[-1] + 1]
    result = np.zeros((end - begin, embedding.dim), DTYPE)
    with torch.inference_mode():
        for batch in sort_batches(rows.lengths[numbers], BATCH):
            ids, mask, _ = rows.batch(numbers[batch])
            vectors = embedding.eval()(ids, mask)[mask].numpy()
            if len(vectors) and not np.abs(vectors).max() <= np.finfo(DTYPE).max:
                raise PluginError(
                    "the embedding {kind} says fixed = True, but gives what is no number or above "
                    "{max:g}, which cannot be kept",
                    kind=type(embedding).__name__,
                    max=np.finfo(DTYPE).max,
                )
            result[rows.locate(numbers[batch])[1] - begin] = vectors
    return result
