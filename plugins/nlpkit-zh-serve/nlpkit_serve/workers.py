"""Several processes that answer, and one that looks after them: a worker that dies comes back."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from nlpkit_serve.journal import Journal
from nlpkit_serve.metrics import FOLDER
from nlpkit_serve.settings import Settings

LOOK = 0.05  # seconds between looks
YOUNG = 5.0  # seconds: a worker that dies so soon is not begun anew at once
LONGEST_PAUSE = 10.0
GRACE = 5.0  # seconds, besides those for what is being answered, before a worker is killed
ENDS = (signal.SIGINT, signal.SIGTERM)
FAULTS = (1, 2)  # exit codes of a worker that says itself what is wrong


@dataclass
class _Worker:
    """A place that a process fills."""

    process: subprocess.Popen[str] | None = None
    began: float = 0.0
    pause: float = 0.0
    due: float = field(default=0.0)  # when a process is to be begun


class Workers:
    """Processes that answer, each with the same listening socket."""

    def __init__(self, listening: socket.socket, settings: Settings) -> None:
        self._listening, self._settings = listening, settings
        self._workers = [_Worker() for _ in range(settings.workers)]
        self._journal = Journal()
        self._ended_by = 0

    def run(self) -> int:
        """Keep them going until a signal comes; return its exit code, or that of a worker that cannot begin."""
        from nlpkit_serve.running import tell_address

        with tempfile.TemporaryDirectory(prefix="nlpkit-serve-") as folder, self._listen_to_signals():
            environment = {**os.environ, FOLDER: folder}
            tell_address(self._listening, self._settings)
            code = 0
            while not self._ended_by and not code:
                code = self._look(environment)
                time.sleep(LOOK)
            self._end()
        return code or 128 + self._ended_by

    def _look(self, environment: Mapping[str, str]) -> int:
        """Begin processes where there are none; return the exit code of one that says that none can be begun."""
        now = time.monotonic()
        for worker in self._workers:
            if worker.process is not None and (code := worker.process.poll()) is not None:
                if code in FAULTS and now - worker.began < YOUNG and not worker.pause:
                    return code
                self._bury(worker, code, now, environment)
            if worker.process is None and now >= worker.due:
                self._begin(worker, environment)
        return 0

    def _begin(self, worker: _Worker, environment: Mapping[str, str]) -> None:
        number = self._listening.fileno()
        worker.began = time.monotonic()
        worker.process = subprocess.Popen(
            [sys.executable, "-m", "nlpkit_serve.running"],
            stdin=subprocess.PIPE,
            env=environment,
            pass_fds=[number],
            start_new_session=True,  # Ctrl-C is for us: we tell them
            text=True,
        )
        stdin = worker.process.stdin
        if stdin is not None:
            stdin.write(f"{self._settings.to_json()}\n{number}\n")
            stdin.flush()  # it stays open: a worker ends when we do, however that is
        self._journal.tell("worker begun", worker=worker.process.pid)

    def _bury(self, worker: _Worker, code: int, now: float, environment: Mapping[str, str]) -> None:
        if worker.process is None:
            return
        self._journal.tell("worker died", worker=worker.process.pid, code=code)
        _forget_gauges(worker.process.pid, environment[FOLDER])
        if worker.process.stdin is not None:
            worker.process.stdin.close()
        young = now - worker.began < YOUNG
        worker.pause = min(LONGEST_PAUSE, worker.pause * 2 or 0.5) if young else 0.0
        worker.process, worker.due = None, now + (worker.pause if young else 0.0)

    def _end(self) -> None:
        """Let all end, and kill those that do not in time."""
        processes = [worker.process for worker in self._workers if worker.process is not None]
        for process in processes:
            if process.poll() is None:
                process.terminate()
        until = time.monotonic() + self._settings.drain_seconds + GRACE
        for process in processes:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()

    @contextmanager
    def _listen_to_signals(self) -> Iterator[None]:
        names = (*ENDS, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))
        before = {number: signal.signal(number, self._note) for number in names}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        """Keep in mind that we are to end; pass on that models are to be looked at."""
        if number in ENDS:
            self._ended_by = self._ended_by or number
            return
        for worker in self._workers:
            if worker.process is not None and worker.process.poll() is None:
                worker.process.send_signal(number)


def _forget_gauges(pid: int, folder: str) -> None:
    """Remove what a process that is dead has measured of itself, but for what it has counted."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(pid, folder)
