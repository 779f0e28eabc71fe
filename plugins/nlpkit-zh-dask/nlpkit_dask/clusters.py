"""Where the work is done: a cluster of Dask's that is there, or one of processes of this machine."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from nlpkit import NlpkitError

PATIENCE = 60.0  # seconds in which a scheduler must answer, and have a worker
BETWEEN = 1.0  # seconds between two looks at workers of this machine
ATTEMPTS = 3  # to start workers of this machine


@contextmanager
def open_client(scheduler: str | None, workers: int) -> Iterator[Any]:
    """Yield a client of Dask's.

    :param scheduler: its address; None: so many processes of this machine, which end with the client.
    :raises NlpkitError: if nobody answers there, or it has no workers.
    """
    _keep_quiet()
    if scheduler is None:
        with _open_local(workers) as client:
            yield client
        return
    from distributed import Client

    try:
        client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise NlpkitError(
            "no scheduler of Dask's answers at {scheduler}: `dask scheduler` starts one ({reason})",
            scheduler=scheduler,
            reason=" ".join(str(error).split())[:200],
        ) from None
    with client:
        _wait_for_workers(client, scheduler)
        yield client


def _wait_for_workers(client: Any, scheduler: str) -> None:
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        raise NlpkitError(
            "the scheduler at {scheduler} has no workers: `dask worker {scheduler}` starts one", scheduler=scheduler
        ) from None


@contextmanager
def _open_local(workers: int) -> Iterator[Any]:
    """Yield a client of a new cluster; when whoever has it stops half-way, the workers are killed."""
    from distributed import Client

    cluster = _start(workers)
    client = Client(cluster, set_as_default=False)
    try:
        yield client
    except BaseException:
        _kill(cluster)
        raise
    finally:
        client.close()
        cluster.close()


def _start(workers: int) -> Any:
    """Start processes of this machine; again if one of them is killed meanwhile."""
    from distributed import LocalCluster

    for attempt in range(ATTEMPTS):
        try:
            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",  # it cannot be left out; None is a port that may be taken
                host="127.0.0.1",
                silence_logs=logging.CRITICAL,
            )
        except RuntimeError as error:
            if attempt + 1 == ATTEMPTS:
                raise NlpkitError(
                    "the {workers} worker processes could not be started: give them more memory, or fewer --workers",
                    workers=workers,
                ) from error
    raise AssertionError


class Keeper:
    """Replaces workers of this machine that were killed before they had started, which Dask gives up."""

    def __init__(self, client: Any) -> None:
        self._cluster = client.cluster  # None: somebody else's
        self._suspects: set[str] = set()
        self._last = 0.0

    def look(self) -> None:
        """Replace those that seemed dead at the last look, too: in between, Dask may be starting one anew."""
        if self._cluster is None or time.monotonic() - self._last < BETWEEN:
            return
        self._last = time.monotonic()
        dead = {name for name, nanny in list(self._cluster.workers.items()) if _seems_dead(nanny)}
        for name in dead & self._suspects:
            nanny = self._cluster.workers.pop(name)
            nanny.loop.add_callback(nanny.close)
        if dead & self._suspects:
            self._cluster.scale(len(self._cluster.worker_spec))
        self._suspects = dead - self._suspects


def _seems_dead(nanny: Any) -> bool:
    from distributed.core import Status

    gone = {Status.closed, Status.failed, Status.stopped}
    process = nanny.process if hasattr(nanny, "process") else None  # a worker that is a thread has none
    return nanny.status in gone or (process is not None and process.status in gone)


def _kill(cluster: Any) -> None:
    """End the workers of a cluster now, whatever they are doing: half-written files are removed by the next writer."""
    for nanny in cluster.workers.values():
        with suppress(OSError):
            nanny.auto_restart = False
            if nanny.pid:
                os.kill(nanny.pid, signal.SIGKILL)


def count_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _keep_quiet() -> None:
    """Let Dask not say on stderr what is said in our own words, or in errors."""
    for name in ("distributed", "tornado.application", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
