"""What is to be done: a partition is a file of rows, and the file that its answers go to."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from nlpkit import DataError

from nlpkit_dask.storage import Found, Place, find_files, folder_of

PACKED = (".gz", ".bz2", ".xz")
KINDS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".xlsx": "xlsx", ".parquet": "parquet"}


class Partition(NamedTuple):
    """A file of rows.

    :param name: what it is called.
    :param size: in bytes.
    :param kind: the format of its answers.
    :param target: their file, below the output's folder.
    """

    name: str
    source: Place
    size: int
    kind: str
    target: str


def list_partitions(patterns: Sequence[str], kind: str | None = None) -> list[Partition]:
    """Return a partition for each file, in order; answers lie below the output's folder as files below theirs.

    :param kind: the format of all answers; None: that of each file, JSONL for lines.
    :raises DataError: if there is no such file, or two would have one name.
    """
    found = {file.place.path: file for pattern in patterns for file in _find(pattern)}
    root = _common_folder(patterns)
    partitions = [_partition(file, root, kind) for file in found.values()]
    _refuse_twins(partitions)
    return partitions


def _find(pattern: str) -> list[Found]:
    try:
        files = find_files(pattern)
    except FileNotFoundError:
        files = []
    if not files:
        raise DataError("no file is called {pattern}", pattern=pattern)
    return files


def _common_folder(patterns: Sequence[str]) -> str:
    try:
        return posixpath.commonpath([folder_of(pattern) for pattern in patterns])
    except ValueError:  # some are absolute, others are of a system that knows no such paths
        raise DataError("the files are of several systems: score them apart") from None


def _partition(file: Found, root: str, kind: str | None) -> Partition:
    path = PurePosixPath(posixpath.relpath(file.place.path, root))
    path = path.with_suffix("") if path.suffix.lower() in PACKED else path
    own = KINDS.get(path.suffix.lower(), "jsonl")
    kind = kind or own
    kept = path.suffix and kind == own and path.suffix.lower() in KINDS
    target = path if kept else path.with_name(f"{path.name}.{kind}")
    return Partition(file.name, file.place, file.size, kind, str(target))


def _refuse_twins(partitions: Sequence[Partition]) -> None:
    target, times = Counter(partition.target for partition in partitions).most_common(1)[0]
    if times > 1:
        names = ", ".join(partition.name for partition in partitions if partition.target == target)
        raise DataError(
            "the answers of {names} would all be called {target}: score them apart", names=names, target=target
        )
