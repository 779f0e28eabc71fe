"""Work of models in threads, bounded: how much of it waits, how long it may last, and how much of it lasts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import TypeVar

from nlpkit.model import stoppable

from nlpkit_serve.faults import RequestFault
from nlpkit_serve.settings import Settings

Result = TypeVar("Result")


class Abandoned(BaseException):
    """Nobody waits for this work any more."""


class Stop:
    """Ends work between its steps.

    :param seconds: after which it ends by itself.
    """

    def __init__(self, seconds: float) -> None:
        self._until, self._event = time.monotonic() + seconds, Event()

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return max(0.0, self._until - time.monotonic())

    def set(self) -> None:
        """Let it end at its next step."""
        self._event.set()

    def check(self) -> None:
        """End the work if that is wanted.

        :raises Abandoned: then.
        """
        if self._event.is_set() or not self.left:
            raise Abandoned


class Pool:
    """Threads in which models work. The event loop does none of it.

    :param tell: is told how many requests wait or are being answered, when that changes.
    """

    def __init__(self, settings: Settings, tell: Callable[[int], None] = lambda _waiting: None) -> None:
        self._settings, self._tell = settings, tell
        self._threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="model")
        self._lasting = asyncio.Semaphore(max(1, settings.threads - 1))  # one thread is left for what is short
        self._stops = set[Stop]()
        self.waiting = 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Count a request as waiting.

        :raises RequestFault: if too many do already.
        """
        if self.waiting >= self._settings.max_queue:
            raise RequestFault(
                503,
                f"{self.waiting:,} requests wait already, which are the most that this server takes: try again later",
                {"Retry-After": "1"},
            )
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    def _change(self, by: int) -> None:
        self.waiting += by
        self._tell(self.waiting)

    async def run(self, work: Callable[[], Result], stop: Stop, *, lasts: bool) -> Result:
        """Do work in a thread, and wait for it.

        :param lasts: whether it takes so long that not all threads may do such work at once.
        :raises RequestFault: if it takes too long.
        """
        future: Future[Result] | None = None
        try:
            async with asyncio.timeout(stop.left):
                if lasts:
                    await self._lasting.acquire()
                future = self._begin(work, stop, lasts=lasts)
                waited = asyncio.wrap_future(future)
                waited.add_done_callback(_forget)  # if nobody waits any more
                return await asyncio.shield(waited)
        except (TimeoutError, Abandoned):
            raise self.too_slow() from None
        finally:
            if future is not None and not future.done():
                stop.set()

    def too_slow(self) -> RequestFault:
        """Return what a client is told whose request takes too long."""
        most = self._settings.max_seconds
        return RequestFault(504, f"not answered within {most:g} seconds, which are the most: send fewer texts at once")

    def close(self) -> None:
        """Begin no more work, and end what nobody can wait for any more."""
        for stop in self._stops:
            stop.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, work: Callable[[], Result], stop: Stop, *, lasts: bool) -> Future[Result]:
        loop = asyncio.get_running_loop()
        self._stops.add(stop)

        def do() -> Result:
            with stoppable(stop.check):
                stop.check()
                return work()

        def end() -> None:
            self._stops.discard(stop)
            if lasts:
                self._lasting.release()

        future = self._threads.submit(do)
        future.add_done_callback(lambda _done: None if loop.is_closed() else loop.call_soon_threadsafe(end))
        return future


def _forget(waited: asyncio.Future[Result]) -> None:
    """Look at what has come of work, lest asyncio say that nobody has."""
    if not waited.cancelled():
        waited.exception()
