"""The server as a process, or as several that share a socket."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable

import uvicorn
from nlpkit import DataError, DataWarning, NlpkitError, SettingError
from nlpkit.commands import fail, say

from nlpkit_serve.app import Server
from nlpkit_serve.connections import make_protocol
from nlpkit_serve.journal import JournalHandler
from nlpkit_serve.settings import Settings

BACKLOG = 2048
AT_ONCE = 1  # connections that one of several processes takes before it looks after those it has


class SharedSocket(socket.socket):
    """A listening socket of several processes: each takes a few connections at a time, lest one take all."""

    def listen(self, _backlog: int = BACKLOG, /) -> None:
        """Let as many connections wait as ever, though asyncio asks for as many as it takes at a time."""
        super().listen(BACKLOG)


def run(settings: Settings) -> int:
    """Serve until a signal ends it, and return the exit code.

    :raises NlpkitError: if a model cannot be opened, or nobody can listen at this address.
    """
    listening = listen(settings)
    if settings.workers == 1:
        serve_on(listening, settings, tell_address)
        return 0
    from nlpkit_serve.workers import Workers

    return Workers(listening, settings).run()


def listen(settings: Settings) -> socket.socket:
    """Listen at the address that is said.

    :raises DataError: if that cannot be done.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # that it is TCP must be said: asyncio otherwise leaves connections as they are, which wait 40 ms for more to send
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise DataError(
            "nobody can listen at {host}, port {port}: {reason}; say another --host or --port",
            host=settings.host,
            port=settings.port,
            reason=(error.strerror or str(error)).lower(),
        ) from error
    return listening


def tell_address(listening: socket.socket, settings: Settings) -> None:
    """Say where the server can be found."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    say(f"nlpkit serves {', '.join(settings.models)} at http://{host}:{listening.getsockname()[1]}; Ctrl-C ends it")


def serve_on(
    listening: socket.socket, settings: Settings, tell: Callable[[socket.socket, Settings], None] | None = None
) -> None:
    """Serve in this process until a signal ends it.

    :param tell: is called when the models are there.
    """
    warnings.filterwarnings("ignore", category=DataWarning)  # doubts about files that others send are not ours to say
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until models are there that could be looked at
    at_once, serving = AT_ONCE if isinstance(listening, SharedSocket) else BACKLOG, Server(settings)
    logging.getLogger("uvicorn.error").addHandler(JournalHandler(serving.journal))
    server = uvicorn.Server(make_config(serving, at_once))
    gc.collect()
    gc.freeze()  # the models stay, and need not be looked through again and again
    if tell:
        tell(listening, settings)
    server.run(sockets=[listening])  # which in the end raises the signal anew that has ended it


def make_config(server: Server, backlog: int = BACKLOG) -> uvicorn.Config:
    """Return how uvicorn serves: it writes no log of its own, and says nothing of itself.

    :param backlog: connections that are taken at once.
    """
    return uvicorn.Config(
        server.app,
        backlog=backlog,
        http=make_protocol(server.settings.max_seconds),
        loop="asyncio",  # uvloop takes all connections that wait
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=max(1, round(server.settings.drain_seconds)),
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=64 << 10,
        ws="none",
    )


def main() -> None:
    """Serve as one of several workers; standard input says how, and holds the number of the socket."""
    settings, number = Settings.from_json(sys.stdin.readline()), int(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        serve_on(SharedSocket(fileno=number), settings)
    except NlpkitError as error:
        fail(error)
        sys.exit(2 if isinstance(error, SettingError) else 1)


def _end_with_parent() -> None:
    """End when whoever has begun us is gone: then standard input is."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
