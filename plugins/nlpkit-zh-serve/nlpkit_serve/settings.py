"""All that a server is told: what it serves, to whom, and how much of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TOKEN = "NLPKIT_SERVE_TOKEN"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a server is told.

    :param models: each a name (`nlpkit models list`), a folder, or ``NAME=FOLDER``; the first is the default one.
    :param host: the address to listen at, and ``port``; 0: any that is free.
    :param workers: processes that answer, each with models of its own.
    :param token: that a client must show, ``Authorization: Bearer …``; None: whoever comes is answered.
    :param hosts: names, besides those of loopback, by which clients may call a server that listens there.
    :param max_texts: texts of a request.
    :param max_bytes: of the body of a request, and ``max_file_bytes`` of a file that is sent.
    :param max_seconds: until a request must be answered.
    :param max_queue: requests that wait or are being answered, in a process.
    :param max_number: of any whole number among the options of a verb, unless the verb says so itself.
    :param max_characters: of any text among the options of a verb.
    :param threads: in which models work, at most all but one of them on what lasts.
    :param together: texts of requests that came at the same time and are answered at once, at most.
    :param drain_seconds: for what is being answered when the server is told to end.
    :param watch_seconds: between looks whether a model's folder was replaced; 0: only at SIGHUP.
    :param log_texts: whether texts stand in the log.
    """

    models: tuple[str, ...] = ("reviews",)
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    token: str | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()
    max_texts: int = 10_000
    max_bytes: int = 8 << 20
    max_file_bytes: int = 32 << 20
    max_seconds: float = 60.0
    max_queue: int = 256
    max_number: int = 10_000
    max_characters: int = 1_000
    threads: int = 4
    together: int = 256
    drain_seconds: float = 20.0
    watch_seconds: float = 2.0
    log_texts: bool = False

    @property
    def loopback(self) -> bool:
        """Whether nobody but this machine can reach it."""
        return self.host in LOOPBACK

    def to_json(self) -> str:
        """Return all of it for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """Return what `to_json` has written."""
        fields: Mapping[str, Any] = json.loads(text)
        told: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
        return cls(**told)
