"""A client of HTTP that asks as fast as it is answered, over connections that it keeps, from a process of its own.

It reads of an answer its status and its length only, so that it costs a small part of what a server in Python costs.
"""

import asyncio
import itertools
import re
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
PATIENCE = 30.0  # seconds for what was asked before the end


@dataclass(frozen=True)
class Load:
    """What is asked of a server: whole requests, one after the other and again and again.

    :param seconds: after which nothing is asked any more; or so many requests, if ``most`` come sooner.
    """

    port: int
    requests: Sequence[bytes]
    connections: int = 1
    seconds: float = 5.0
    most: int | None = None


@dataclass
class Outcome:
    """What came back.

    :param lost: requests whose connection ended before they were answered.
    :param unanswered: requests that nobody waited for any more.
    """

    seconds: float = 0.0
    cpu: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    lost: int = 0
    unanswered: int = 0

    def percentile(self, share: float) -> float:
        """Milliseconds within which such a share of the requests was answered."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


class Crowd:
    """Connections that share what is to be asked."""

    def __init__(self, load: Load) -> None:
        self.load, self.outcome = load, Outcome()
        self._requests = itertools.islice(itertools.cycle(load.requests), load.most)
        self._left, self._end = load.connections, asyncio.get_running_loop().create_future()
        self._until = 0.0

    async def run(self) -> Outcome:
        """Ask until the time is over, or all is asked."""
        began, cpu = time.perf_counter(), time.process_time()
        self._until = began + self.load.seconds
        connections = [Connection(self) for _ in range(self.load.connections)]
        for connection in connections:
            await connection.open()
        try:
            await asyncio.wait_for(asyncio.shield(self._end), self.load.seconds + PATIENCE)
        except TimeoutError:
            self.outcome.unanswered = sum(connection.waits for connection in connections)
        for connection in connections:
            connection.close()
        self.outcome.seconds, self.outcome.cpu = time.perf_counter() - began, time.process_time() - cpu
        return self.outcome

    def next(self) -> bytes | None:
        """What a connection asks next; None: nothing."""
        return next(self._requests, None) if time.perf_counter() < self._until else None

    def leave(self) -> None:
        """Note that a connection has nothing more to do."""
        self._left -= 1
        if not self._left and not self._end.done():
            self._end.set_result(None)


class Connection(asyncio.Protocol):
    """A connection, which asks anew when it is answered, and opens anew when it is cut off."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd, self._answer = crowd, b""
        self._asked, self._length = 0.0, -1
        self.waits, self._over = False, False
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, as soon as somebody listens."""
        while not self._over:
            try:
                await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._crowd.load.port)
                return
            except OSError:
                await asyncio.sleep(0.01)

    def close(self) -> None:
        """Go away."""
        self._over = True
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if self._length < 0 and (head := self._answer.find(b"\r\n\r\n")) >= 0:
            found = LENGTH.search(self._answer, 0, head + 2)
            self._length = head + 4 + (int(found[1]) if found else 0)
        if 0 < self._length <= len(self._answer):
            self._note()
            self._ask()

    def connection_lost(self, _error: Exception | None) -> None:
        if self._over:
            return
        self._crowd.outcome.lost += self.waits
        self.waits = False
        self._opening = asyncio.ensure_future(self.open())

    def _note(self) -> None:
        outcome = self._crowd.outcome
        outcome.latencies.append(time.perf_counter() - self._asked)
        outcome.statuses[int(self._answer[9:12])] += 1

    def _ask(self) -> None:
        request = self._crowd.next()
        self._answer, self._length = b"", -1
        self.waits = request is not None
        if request is None:
            self._over = True
            self._crowd.leave()
        else:
            self._asked = time.perf_counter()
            self._transport.write(request)


def make_request(path: str, body: bytes, *, host: str = "127.0.0.1") -> bytes:
    """A whole request, of JSON."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def ask(load: Load) -> Outcome:
    """Ask, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(ask_here, load).result()


def ask_here(load: Load) -> Outcome:
    async def run() -> Outcome:
        return await Crowd(load).run()

    return asyncio.run(run())
