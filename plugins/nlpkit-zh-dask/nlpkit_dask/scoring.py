"""Files answered by the workers of a client, in whatever order, each into a file of its own."""

from __future__ import annotations

import queue
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nlpkit import DataWarning, NlpkitError, __version__

from nlpkit_dask.clusters import Keeper
from nlpkit_dask.journal import Journal
from nlpkit_dask.partitions import Partition

if TYPE_CHECKING:
    from nlpkit.commands import FileAnswerer

PATIENCE = 30.0  # seconds in which a worker hands over what it has counted
EVERY = 1.0  # seconds until workers are looked after again, though no file is done


class Answered(NamedTuple):
    """A file is answered, recorded, and on the disk.

    :param counted: of its rows, as JSON.
    :param warned: sentences that are to be said of it.
    """

    partition: Partition
    counted: Mapping[str, Any]
    warned: Sequence[str]


class WorkerLost(NamedTuple):
    """Workers are gone; what they had not done is done again."""

    workers: int


def answer_partitions(
    client: Any, answerers: Mapping[str, FileAnswerer], partitions: Sequence[Partition], journal: Journal
) -> Iterator[Answered | WorkerLost]:
    """Answer files, the largest first; yield each when it is done.

    A worker that is killed leaves nothing behind: its file is done again by another, whole. Two that do the same file,
    as when one was only thought dead, write the same bytes.

    :param answerers: by the format that they write.
    :raises NlpkitError: if a file cannot be read, or workers are killed again and again over one.
    """
    futures = {
        client.submit(
            answer_partition,
            answerers[partition.kind],
            partition,
            journal,
            __version__,
            key=f"nlpkit-{partition.target}",
            priority=partition.size,
            pure=False,
        ): partition
        for partition in partitions
    }
    done: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for future in futures:
        future.add_done_callback(done.put)
    watch, keeper = _Watch(client), Keeper(client)
    while futures:
        keeper.look()
        try:
            future = done.get(timeout=EVERY)
        except queue.Empty:
            continue
        if future.status == "error":
            raise _explain(future.exception(), futures[future])
        try:
            result = future.result(timeout=PATIENCE)
        except TimeoutError:  # whoever had it is gone since it was told to be done: the file is answered once more
            future.add_done_callback(done.put)
            continue
        if lost := watch.count_lost():
            yield WorkerLost(lost)
        yield Answered(futures.pop(future), *result)
        future.release()


def answer_partition(
    answerer: FileAnswerer, partition: Partition, journal: Journal, version: str
) -> tuple[Mapping[str, Any], list[str]]:
    """Answer a file and record it: what a worker does.

    :param version: of nlpkit where the run was begun.
    :returns: what was counted, and what is to be said.
    """
    if version != __version__:
        raise NlpkitError(
            "a worker has nlpkit {theirs}, and the run was begun with {ours}: install the same there",
            theirs=__version__,
            ours=version,
        )
    state, target = partition.source.state(), journal.output / partition.target
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with partition.source.as_source() as source, target.as_target() as copy:
            counted = answerer.answer(source, copy, name=partition.name).to_json()
    journal.record(partition, state, counted)
    return counted, [str(one.message) for one in caught if issubclass(one.category, DataWarning)]


def _explain(error: BaseException, partition: Partition) -> BaseException:
    """Return what a worker raised, or a sentence of what has become of it."""
    from distributed.scheduler import KilledWorker

    if isinstance(error, KilledWorker):
        return NlpkitError(
            "workers were killed again and again over {name}: give them more memory, or cut it into smaller files",
            name=partition.name,
        )
    if isinstance(error, ImportError):
        return NlpkitError(
            "a worker lacks {module}: install nlpkit-zh-dask, and what the model needs, where the workers are",
            module=error.name or error,
        )
    return error


class _Watch:
    """Counts the workers of a cluster that have gone since it was last asked."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._known = self._find()

    def count_lost(self) -> int:
        """Return how many are gone."""
        now = self._find()
        lost, self._known = len(self._known - now), now
        return lost

    def _find(self) -> set[str]:
        return set(self._client.scheduler_info(n_workers=-1)["workers"])
