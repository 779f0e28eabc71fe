"""Processes that do the same to many blocks, each to some, and give the results back in order.

Blocks are cut by whoever brings them, never by a worker: so the results are those of one process, bit for bit.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from nlpkit.errors import DataWarning, NlpkitError, PluginError, SettingError
from nlpkit.plugins.installed import is_strict
from nlpkit.plugins.isolation import describe_error
from nlpkit.plugins.registry import registry
from nlpkit.plugins.surroundings import own_process
from nlpkit.plugins.telemetry import disable_telemetry

Block = TypeVar("Block")
Result = TypeVar("Result")
WAITING = 3  # blocks a worker that are read ahead: one that it does, others that wait for it
KNOWN = ("builtins", "nlpkit")  # packages whose errors the process knows that gets them
MOST_DEATHS = 3  # of workers in a row over the same block
MOST_JOBS = 61 if sys.platform == "win32" else 256  # Windows waits for no more processes at once


class WorkerKilled(DataWarning):
    """A worker has been killed; its blocks are done again."""


class _Outcome(NamedTuple):
    """What a worker has made of a block, and what was said meanwhile."""

    result: Any
    warned: list[tuple[str | Warning, type[Warning]]]


class _Waiting(NamedTuple, Generic[Block]):
    block: Block
    future: Future[_Outcome]


def count_jobs(jobs: int) -> int:
    """Return how many processes shall work; 0 stands for one a core that this process may use.

    :raises SettingError: for a number that is none.
    """
    if not isinstance(jobs, int) or isinstance(jobs, bool) or not 0 <= jobs <= MOST_JOBS:
        raise SettingError("jobs is a number from 0, one a core, to {most}; found {jobs!r}", most=MOST_JOBS, jobs=jobs)
    return jobs or min(count_cores(), MOST_JOBS)


def count_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def spread(
    make: Callable[[], Callable[[Block], Result]], blocks: Iterable[Block], jobs: int
) -> Iterator[tuple[Block, Result]]:
    """Yield each block with its result, in order; no more than a few blocks are held at a time.

    A worker that is killed is replaced, and what it had not done is done again, after a `WorkerKilled`.

    :param make: is called once in each worker, and returns what is called with each block; it can be pickled.
    :param jobs: workers; 1: this process does it.
    :raises NlpkitError: if workers are killed again and again over one block. What fails while blocks are brought is
        raised after the results of all that came before.
    """
    if jobs == 1:
        work = make()
        yield from ((block, work(block)) for block in blocks)
        return
    pool = _Pool(make, jobs)
    waiting: deque[_Waiting[Block]] = deque()
    faults: list[Exception] = []
    try:
        for block in _bring(blocks, faults):
            waiting.append(_Waiting(block, pool.submit(block)))
            while waiting and (len(waiting) >= WAITING * jobs or waiting[0].future.done()):
                yield pool.take(waiting)
        while waiting:
            yield pool.take(waiting)
    finally:
        pool.close()
    if faults:
        raise faults[0]


def _bring(blocks: Iterable[Block], faults: list[Exception]) -> Iterator[Block]:
    """Yield blocks until one cannot be brought, and keep why."""
    try:
        yield from blocks
    except Exception as error:  # of any kind: it is raised again
        faults.append(error)


class _Pool:
    """Workers that are replaced when they are killed."""

    def __init__(self, make: Callable[[], Callable[[Any], Any]], jobs: int) -> None:
        self._make, self._jobs = make, jobs
        self._deaths = 0
        self._executor = self._open()

    def submit(self, block: Any) -> Future[_Outcome]:
        """Let a worker do a block."""
        try:
            return self._executor.submit(_work, block)
        except BrokenProcessPool as error:  # which whoever waits for the block is told, in its turn
            future: Future[_Outcome] = Future()
            future.set_exception(error)
            return future

    def take(self, waiting: deque[_Waiting[Block]]) -> tuple[Block, Any]:
        """Wait for the first block that waits."""
        while True:
            block, future = waiting[0]
            try:
                outcome = future.result()
            except BrokenProcessPool:
                self._replace(waiting)
                continue
            self._deaths = 0
            waiting.popleft()
            for message, category in outcome.warned:
                warnings.warn(message, category, stacklevel=2)
            return block, outcome.result

    def close(self) -> None:
        """End all workers now, whatever they are doing, for which an executor has no method before Python 3.14."""
        workers = list((self._executor._processes or {}).values())
        self._executor.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.join()

    def _replace(self, waiting: deque[_Waiting[Block]]) -> None:
        """Open new workers, and give them what is not done."""
        self._deaths += 1
        self.close()
        if self._deaths == MOST_DEATHS:
            raise NlpkitError(
                "worker processes were killed {deaths} times over the same rows: give them more memory, or fewer jobs",
                deaths=self._deaths,
            )
        warnings.warn(WorkerKilled("a worker process was killed: its rows are done again by another"), stacklevel=2)
        self._executor = self._open()
        for place, (block, future) in enumerate(waiting):
            if not future.done() or future.cancelled() or future.exception():
                waiting[place] = _Waiting(block, self.submit(block))

    def _open(self) -> ProcessPoolExecutor:
        context = get_context("fork" if _is_alone() else "spawn")
        return ProcessPoolExecutor(self._jobs, context, _start, (pickle.dumps(self._make), list(sys.path)))


_do: Callable[[Any], Any] | None = None  # what this process, a worker, does to blocks


def _is_alone() -> bool:
    """Tell whether this process has one thread, those of libraries counted: then it can be forked, which is soon done.

    A lock that another thread holds would never be released in the fork.
    """
    tasks = Path("/proc/self/task")
    return sys.platform == "linux" and tasks.is_dir() and len(list(tasks.iterdir())) == 1


def _start(make: bytes, path: list[str]) -> None:
    """Begin as a worker: signals are those of whoever started us, who ends us; stdout is not ours to write on.

    :param make: pickled, so that a fork opens a model of its own, too.
    """
    global _do
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.dup2(2, 1)
    sys.path[:] = path
    own_process()  # nobody's but the model's, whoever started us
    disable_telemetry()
    gc.disable()  # as whoever started us, for the same reason
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whoever started us has made one of its own, and was warned
        try:
            _do = pickle.loads(make)()  # our own
        except Exception as error:  # what is raised here would only be called a broken pool
            _do = partial(_fail, error)


def _fail(error: Exception, block: object) -> None:  # noqa: ARG001
    raise error


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _work(block: Any) -> _Outcome:
    assert _do is not None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = _do(block)
        except Exception as error:
            if (told := _make_sendable(error)) is error:
                raise
            raise told from error
    return _Outcome(result, [(str(one.message), one.category) for one in caught])


def _make_sendable(error: Exception) -> Exception:
    """Return an error that can be made again elsewhere: else the pool would take the worker for one that was killed.

    Of a stranger's code it says whose that is, which is told by frames that are not sent.
    """
    theirs = not isinstance(error, NlpkitError) and not is_strict(os.environ)
    blamed = registry().blame(error) if theirs else None
    if blamed is None and _can_be_sent(error):
        return error
    kind = PluginError if blamed or isinstance(error, PluginError) else NlpkitError
    return kind("{error}", error=blamed or describe_error(error))


def _can_be_sent(error: Exception) -> bool:
    """Whether it is of a class that is known there, too, and comes out of a pickle."""
    if type(error).__module__.partition(".")[0] not in KNOWN:
        return False
    try:
        pickle.loads(pickle.dumps(error))  # our own
    except Exception:  # a stranger's class may fail in any way
        return False
    return True
