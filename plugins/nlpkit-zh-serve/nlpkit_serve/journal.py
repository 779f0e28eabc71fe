"""The log: an object of JSON a line, on stderr, without a text of anybody's unless that is wanted."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from contextlib import suppress
from typing import Any, TextIO


class JournalHandler(logging.Handler):
    """Writes what a library has to say of requests, of which it quotes nothing, as lines of a journal."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(logging.WARNING)
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        self._journal.tell("remark", said=record.getMessage())


class Journal:
    """Writes what happens.

    :param texts: whether texts may stand in it.
    :param out: None: stderr, whatever that is by then.
    """

    def __init__(self, *, texts: bool = False, out: TextIO | None = None) -> None:
        self.texts, self._out = texts, out

    def tell(self, event: str, **fields: Any) -> None:
        """Write that something happened."""
        now = time.time()
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"
        line = json.dumps({"time": when, "event": event, "process": os.getpid(), **fields}, ensure_ascii=True)
        out = self._out or sys.stderr
        with suppress(OSError, ValueError, AttributeError):  # a terminal that is gone, a full disk
            out.write(line + "\n")  # at once, so that lines of several threads do not mix
            out.flush()

    def tell_error(self, error: BaseException, **fields: Any) -> None:
        """Write what nobody expected, and where; what an error says may be a text, so that only its kind stays."""
        frames = traceback.extract_tb(error.__traceback__)
        where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        said = {"said": str(error)} if self.texts else {}
        self.tell("error", kind=type(error).__name__, **said, where=where, **fields)
