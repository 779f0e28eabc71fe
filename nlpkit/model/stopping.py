"""Work that may be stopped between its steps, by whoever has no use for its answer any more: a server, say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_CHECK: ContextVar[Callable[[], None] | None] = ContextVar("check", default=None)


@contextmanager
def stoppable(check: Callable[[], None]) -> Iterator[None]:
    """Let what a model does in this block, in this thread, be stopped.

    :param check: is called before each step, and raises what shall end the work.
    """
    token = _CHECK.set(check)
    try:
        yield
    finally:
        _CHECK.reset(token)


def check_stop() -> None:
    """Raise what whoever waits for the work wants it ended by; nothing, if that is nobody."""
    if check := _CHECK.get():
        check()
