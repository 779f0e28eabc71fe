"""The process around a stranger's code: noted before it runs, put back behind it; what changed is told.

Nothing of it is looked at where our own code runs. While strangers' components work, and not only when they are
imported or made, it is looked at where the process is ours, as the shell's is: elsewhere others may change it.
"""

from __future__ import annotations

import builtins
import json
import locale
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

from nlpkit.errors import DataWarning, Sentence
from nlpkit.plugins.stdout import keep_descriptors, keep_prints, shorten

PATIENCE = 0.5  # seconds in which a thread of a component's should end
GRACE = 1.0  # seconds that the end of a command waits for threads of strangers
FUNCTIONS = (  # what everybody relies on, and somebody replaces
    *((json, name) for name in ("dumps", "loads", "dump", "load")),
    (json.JSONEncoder, "default"),
    (builtins, "print"),
    (builtins, "open"),
    (sys, "stdin"),
    (sys, "stderr"),
    (sys, "excepthook"),
    (warnings, "showwarning"),
)


@dataclass(frozen=True)
class Surrounding:
    """Something of the process.

    :param read: gives None where it cannot be told; then it is not put back either.
    """

    name: str
    read: Callable[[], Any]
    restore: Callable[[Any], object]


@dataclass
class Visit:
    """What a stranger's code did to the process.

    :param owner: whose code it was, to begin a sentence with.
    :param changes: names of what was changed, and is put back.
    :param printed: what went to stdout, its beginning.
    :param threads: that it started and that still run.
    :param seconds: that it took.
    """

    owner: str
    changes: list[str] = field(default_factory=list)
    printed: str = ""
    threads: list[threading.Thread] = field(default_factory=list)
    seconds: float = 0.0

    def remarks(self) -> Iterator[tuple[str, Sentence]]:
        """Say each thing that it did; what it is, and the sentence."""
        for name in self.changes:
            yield name, Sentence("{owner} changed {name}, which was put back", owner=self.owner, name=name)
        if self.printed:
            template = "{owner} printed {text!r}, which is kept from the results"
            yield "stdout", Sentence(template, owner=self.owner, text=self.printed)


@dataclass
class _Process:
    """What is known of this process.

    :param ours: whether nobody else's code runs in it at the same time.
    :param visited: whether a stranger's code runs in it now.
    :param owners: of all that has run.
    :param told: what warnings were given of, by whom they were and of what.
    :param threads: that strangers left, and whose each is.
    """

    ours: bool = False
    visited: bool = False
    owners: set[str] = field(default_factory=set)
    told: set[tuple[str, str]] = field(default_factory=set)
    threads: list[tuple[str, threading.Thread]] = field(default_factory=list)


_PROCESS = _Process()


def own_process() -> None:
    """Say that the process is ours, as the shell's is, so that strangers can be watched in it while they work."""
    _PROCESS.ours = True


@contextmanager
def keep(owner: str, *, ours: bool = False) -> Iterator[Visit]:
    """Run a stranger's code: what it changes of the process is put back, what it prints is kept from stdout.

    :param owner: see `Visit`.
    :param ours: whether the process is ours even if nobody has said so.
    """
    visit = Visit(owner)
    if _PROCESS.visited:  # a stranger calls another: the outer visit sees to all
        yield visit
        return
    threads, started = set(threading.enumerate()), time.perf_counter()
    before = [surrounding.read() for surrounding in SURROUNDINGS]
    functions = [getattr(home, name) for home, name in FUNCTIONS]
    printed: list[str] = []
    _PROCESS.visited = True
    _PROCESS.owners.add(owner)
    try:
        with ExitStack() as stack:
            if ours or _PROCESS.ours:
                stack.enter_context(keep_descriptors(visit.changes, printed))
            stack.enter_context(keep_prints(visit.changes, printed))
            stack.enter_context(_refuse_exit())
            yield visit
    finally:
        _PROCESS.visited = False
        visit.seconds, visit.printed = time.perf_counter() - started, shorten(printed)
        visit.threads = [thread for thread in threading.enumerate() if thread not in threads]
        _PROCESS.threads += [(owner, thread) for thread in visit.threads]
        visit.changes += [*_restore_functions(functions), *_restore(before)]


@contextmanager
def watch(owner: str) -> Iterator[Visit]:
    """As `keep`; what it did is told in warnings, of each thing once."""
    visit = Visit(owner)
    try:
        with keep(owner) as visit:
            yield visit
    finally:
        tell(visit)


@contextmanager
def watch_making(owner: str | None) -> Iterator[None]:
    """As `watch`; None is the owner of what is ours, of which nothing is looked at."""
    if owner is None:
        yield
        return
    with watch(owner):
        yield


@contextmanager
def watch_work(owner: str | None) -> Iterator[None]:
    """As `watch`, of a component at work, often and perhaps in many threads: only where the process is ours.

    :param owner: None of a component of ours, of which nothing is looked at.
    """
    if owner is None or not _PROCESS.ours:
        yield
        return
    with watch(owner):
        yield


def tell(visit: Visit) -> None:
    """Warn of what a stranger's code did to the process, of each thing once."""
    for what, sentence in visit.remarks():
        if (visit.owner, what) not in _PROCESS.told:
            _PROCESS.told.add((visit.owner, what))
            warnings.warn(DataWarning(sentence), stacklevel=4)


def list_endless(threads: Sequence[threading.Thread]) -> list[threading.Thread]:
    """Return the threads that would keep the process from its end; of pools Python itself makes an end."""
    pools = getattr(sys.modules.get("concurrent.futures.thread"), "_threads_queues", ())
    waited = [thread for thread in threads if not thread.daemon and thread not in pools]
    until = time.monotonic() + PATIENCE
    for thread in waited:
        thread.join(max(0.0, until - time.monotonic()))
    return [thread for thread in waited if thread.is_alive()]


def end_in_time(code: int, warn: Callable[[str], None]) -> None:
    """See that the process, which is about to end, does so though a stranger's thread goes on.

    What a stranger prints from here on goes to stderr.
    """
    if not _PROCESS.owners:
        return
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        os.dup2(2, 1)
        sys.stdout = sys.stderr
    threads = [(owner, thread) for owner, thread in _PROCESS.threads if thread.is_alive() and not thread.daemon]
    if not threads:
        return

    def cut_off() -> None:
        warn(Sentence("{owner} left a thread that does not end: it is cut off", owner=threads[0][0]))
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)

    timer = threading.Timer(GRACE, cut_off)
    timer.daemon = True
    timer.start()


def _restore_functions(functions: list[Any]) -> Iterator[str]:
    """Put functions back; yield the name of each that was replaced."""
    for (home, name), function in zip(FUNCTIONS, functions, strict=True):
        if getattr(home, name) is not function:
            setattr(home, name, function)
            yield f"{getattr(home, '__name__', home)}.{name}"


def _restore(before: list[Any]) -> Iterator[str]:
    """Put everything else back; yield the name of each that was changed."""
    for surrounding, value in zip(SURROUNDINGS, before, strict=True):
        if value is not None and surrounding.read() != value:
            with suppress(OSError, ValueError, AttributeError, locale.Error):
                surrounding.restore(value)
            yield surrounding.name


@contextmanager
def _refuse_exit() -> Iterator[None]:
    """Let ``os._exit`` raise; a process that is forked meanwhile ends by it as ever."""
    leave, process = os._exit, os.getpid()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != process:
            leave(status)
        raise SystemExit(f"it called os._exit({status})")

    os._exit = refuse
    try:
        yield
    finally:
        os._exit = leave


def _read_folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - of strings there may be many
    except OSError:  # it is gone
        return None


def _torch(name: str, otherwise: Any) -> Any:
    """Ask torch, if it is imported, and else say what is so right after."""
    function = getattr(sys.modules.get("torch"), name, None)
    return function() if function else otherwise


def _set_dtype(name: str) -> None:
    torch = sys.modules["torch"]
    torch.set_default_dtype(getattr(torch, name.removeprefix("torch.")))


def _set_device(name: str) -> None:
    sys.modules["torch"].set_default_device(None if name == "cpu" else name)


def _signal(number: signal.Signals) -> Surrounding:
    return Surrounding(
        f"what {number.name} does", lambda: signal.getsignal(number), lambda value: signal.signal(number, value)
    )


SURROUNDINGS = (
    Surrounding("the working folder", _read_folder, os.chdir),
    Surrounding(
        "the locale", lambda: locale.setlocale(locale.LC_ALL), lambda value: locale.setlocale(locale.LC_ALL, value)
    ),
    Surrounding("torch's default dtype", lambda: str(_torch("get_default_dtype", "torch.float32")), _set_dtype),
    Surrounding("torch's default device", lambda: str(_torch("get_default_device", "cpu")), _set_device),
    Surrounding(
        "torch's number of threads",
        lambda: _torch("get_num_threads", None),
        lambda value: sys.modules["torch"].set_num_threads(value),
    ),
    Surrounding(
        "whether torch computes gradients",
        lambda: _torch("is_grad_enabled", otherwise=True),
        lambda value: sys.modules["torch"].set_grad_enabled(value),
    ),
    *(_signal(number) for number in (signal.SIGINT, signal.SIGTERM)),
)
