"""Processes of the command that can be killed: forked from one that has imported torch, as importing takes longest."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 60  # after which something that is waited for will never come
PRELOAD = [
    "nlpkit.commands.training_view",
    "nlpkit.tasks.sentiment.run",
    "nlpkit.tasks.cloze.run",
    "nlpkit.training.dry_run",
    "rich.progress",
]
PRELOAD += ["matplotlib.figure", "matplotlib.backends.backend_agg"]
PRELOAD += ["torch._dynamo", "torch.onnx._internal.exporter._core", "onnxscript"]
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(PRELOAD)


class Running:
    """The command in a process of its own.

    :param folder: where it says what it says.
    """

    def __init__(self, *arguments: object, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.arguments = [str(argument) for argument in arguments]
        self._streams = [folder / f"stream-{os.urandom(4).hex()}" for _ in range(2)]
        for path in self._streams:
            os.mkfifo(path)  # no file, as these may be limited; what a run says is less than a pipe holds
        self._ends = [os.open(path, os.O_RDWR | os.O_NONBLOCK) for path in self._streams]
        self._process = context.Process(target=_main, args=(self.arguments, self._streams, environment or {}))
        self._process.start()
        self._ended = False

    def until(self, there: Callable[[], object]) -> "Running":
        """Wait until something is there, then let the process stand still; it must not have ended before."""
        ends = time.monotonic() + SECONDS
        while not there():
            assert self._process.is_alive(), self.end().stderr.decode()
            assert time.monotonic() < ends
            time.sleep(0.0005)
        self.send(signal.SIGSTOP)
        return self

    def send(self, *signals: int) -> "Running":
        """Send signals; to a process that stands still they come all at once when it goes on."""
        for number in signals:
            os.kill(self._process.pid, number)
        return self

    def limit(self, largest: int) -> "Running":
        """From now on no file may become larger, as on a full disk."""
        import resource  # not on every platform

        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (largest, largest))
        return self

    def abandon(self) -> None:
        """Kill it if it is still there: one that stands still would keep the tests from ending."""
        if not self._ended:
            with contextlib.suppress(ProcessLookupError):
                self.send(signal.SIGKILL)
            self.end()

    def end(self) -> subprocess.CompletedProcess:
        """What came of it when it went on to its end."""
        self._ended = True
        with contextlib.suppress(ProcessLookupError):
            self.send(signal.SIGCONT)
        self._process.join(SECONDS)
        assert self._process.exitcode is not None
        done = subprocess.CompletedProcess(self.arguments, self._process.exitcode, *map(_drained, self._ends))
        self._process.close()
        for path in self._streams:
            path.unlink()
        return done


def _drained(end: int) -> bytes:
    try:
        return os.read(end, 1 << 16)
    except BlockingIOError:
        return b""  # nothing was said
    finally:
        os.close(end)


def _main(arguments: list[str], streams: list[Path], environment: dict[str, str]) -> None:
    for number, path in enumerate(streams, 1):
        os.dup2(os.open(path, os.O_WRONLY), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8") for number in (1, 2))
    os.environ |= environment
    sys.path[:0] = filter(None, [environment.get("PYTHONPATH")])
    from nlpkit.commands.main import main

    sys.argv = ["nlpkit", *arguments]
    main()
