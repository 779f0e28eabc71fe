"""What is to be done: a partition is a file of rows, and the file that its answers go to."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from nlpkit import DataError

from nlpkit_dask.storage import Place, find_files, folder_of

PACKED = (".gz", ".bz2", ".xz")
KINDS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".xlsx": "xlsx", ".parquet": "parquet"}


class Partition(NamedTuple):
    """A file of rows.

    :param name: what it is called.
    :param kind: the format of its answers.
    :param target: their file, below the output's folder.
    """

    name: str
    source: Place
    kind: str
    target: str


def list_partitions(patterns: Sequence[str], kind: str | None = None) -> list[Partition]:
    """Return a partition for each file, in order; answers lie below the output's folder as files below theirs.

    :param kind: the format of all answers; None: that of each file, JSONL for lines.
    :raises DataError: if there is no such file, or two would have one name.
    """
    found: dict[str, tuple[str, Place]] = {}
    for pattern in patterns:
        files = find_files(pattern)
        if not files:
            raise DataError("no file is called {pattern}", pattern=pattern)
        found.update((place.path, (name, place)) for name, place in files)
    root = _common_folder(patterns)
    partitions = [_partition(name, place, root, kind) for name, place in found.values()]
    _refuse_twins(partitions)
    return partitions


def _common_folder(patterns: Sequence[str]) -> str:
    try:
        return posixpath.commonpath([folder_of(pattern) for pattern in patterns])
    except ValueError:  # some are absolute, others are of a system that knows no such paths
        raise DataError("the files are of several systems: score them apart") from None


def _partition(name: str, place: Place, root: str, kind: str | None) -> Partition:
    inside = posixpath.relpath(place.path, root)
    path = PurePosixPath(inside)
    path = path.with_suffix("") if path.suffix.lower() in PACKED else path
    own = KINDS.get(path.suffix.lower(), "jsonl")
    kind = kind or own
    kept = path.suffix and kind == own and path.suffix.lower() in KINDS
    return Partition(name, place, kind, str(path if kept else path.with_name(f"{path.name}.{kind}")))


def _refuse_twins(partitions: Sequence[Partition]) -> None:
    target, times = Counter(partition.target for partition in partitions).most_common(1)[0]
    if times > 1:
        names = ", ".join(partition.name for partition in partitions if partition.target == target)
        raise DataError(
            "the answers of {names} would all be called {target}: score them apart", names=names, target=target
        )
