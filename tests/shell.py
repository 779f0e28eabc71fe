"""Runs ``nlpkit`` as a shell would, without what each start of Python costs.

A process that has imported it forks for each command: the command has its own streams, environment and folder, and its
exit code. What changes Python itself needs a start of its own: see `needs_start`.
"""

import atexit
import contextlib
import importlib.util
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

PATH = "PYTHONPATH"
STARTS = ("PYTHON", "LC_", "LANG", "LD_", "OMP_", "OPENBLAS_")  # of variables that count when Python starts
SINGLE = {"OPENBLAS_NUM_THREADS": "1"}  # as the command says itself; what forks has no other threads
INSIDE = ("opencc", "rich.console", "rich.table", "rjieba")  # what functions import, but onnxruntime, which has threads
HEAVY = {"train", "--recipe"}  # what needs torch


def needs_start(environment: Mapping[str, str]) -> bool:
    """Whether variables change what Python does before any command runs, or modules that it has imported by then."""
    early = any(name.startswith(STARTS) and name != PATH for name in environment)
    added = (path for folder in _split_path(environment) for path in Path(folder).glob("*"))
    return early or not hasattr(socket, "send_fds") or any(_is_module(path.stem) for path in added)


def _split_path(environment: Mapping[str, str]) -> list[str]:
    return [folder for folder in environment.get(PATH, "").split(os.pathsep) if folder]


def _is_module(name: str) -> bool:
    return name.isidentifier() and importlib.util.find_spec(name) is not None


class Shell:
    """The process that forks, seen from the tests."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tests.shell", str(theirs.fileno())]
        root = Path(__file__).parent.parent
        self._process = subprocess.Popen(command, cwd=root, env={**environment, **SINGLE}, pass_fds=[theirs.fileno()])
        theirs.close()

    def close(self) -> None:
        """End the process."""
        self._socket.close()
        self._process.wait()

    def run(
        self, words: Sequence[str | bytes], stdin: bytes, environment: Mapping[str, str], cwd: Path | None
    ) -> subprocess.CompletedProcess:
        """Run a command, its name first."""
        pipes = [os.pipe(), os.pipe(), os.pipe()]
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
        message = {
            "words": [os.fsdecode(word) for word in words],
            "environment": dict(environment),
            "cwd": str(cwd or Path.cwd()),
        }
        data = json.dumps(message).encode()
        socket.send_fds(self._socket, [len(data).to_bytes(4)], theirs)
        self._socket.sendall(data)
        for end in theirs:
            os.close(end)
        outputs: list[bytes] = [b"", b""]

        def read(number: int) -> None:
            with open(pipes[number + 1][0], "rb") as file:  # noqa: PTH123 - of a descriptor
                outputs[number] = file.read()

        readers = [threading.Thread(target=read, args=[number]) for number in range(2)]
        for reader in readers:
            reader.start()
        with contextlib.suppress(BrokenPipeError), open(pipes[0][1], "wb") as file:  # noqa: PTH123
            file.write(stdin)
        for reader in readers:
            reader.join()
        code = int.from_bytes(_receive(self._socket, 4), signed=True)
        return subprocess.CompletedProcess(words, code, *outputs)


def _receive(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = source.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def serve(number: int) -> None:
    """Fork for each command that is asked for, until the tests have ended."""
    ours = socket.socket(fileno=number)
    sys.modules["torch"] = None  # which few commands need
    _import_all()
    del sys.modules["torch"]
    while True:
        size, streams, *_ = socket.recv_fds(ours, 4, 3)
        if not size:
            return
        message = json.loads(_receive(ours, int.from_bytes(size)))
        if HEAVY & {*message["words"]}:
            _import_all()
        child = os.fork()
        if not child:
            ours.close()
            _become(message, streams)
        for stream in streams:
            os.close(stream)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        ours.sendall(code.to_bytes(4, signed=True))


def _import_all() -> None:
    """Import what a command may need, as far as it is installed."""
    ours = pkgutil.walk_packages(importlib.import_module("nlpkit").__path__, "nlpkit.")
    for name in (*INSIDE, *(module.name for module in ours)):
        with contextlib.suppress(ImportError):
            if not name.endswith("__main__"):
                importlib.import_module(name)


def _become(message: Mapping, streams: Sequence[int]) -> None:
    """Be the command: this never returns."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin = sys.__stdin__ = os.fdopen(0, encoding="utf-8", errors="surrogateescape")
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8", errors="surrogateescape")
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace")
    os.environ.update(message["environment"])
    sys.path[:0] = _split_path(os.environ)
    os.chdir(message["cwd"])
    sys.argv, sys.modules["__main__"].__package__ = message["words"], None  # by which click knows its name
    code = 1
    try:
        importlib.import_module("nlpkit.commands.main").main()
    except SystemExit as stop:
        code = stop.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
