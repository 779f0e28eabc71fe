"""Connections that are ended when no request comes of them: who sends half of one would keep it for ever.

They are h11's: httptools, which uvicorn takes where it is installed, reads headers without end.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


def make_protocol(seconds: float) -> type[asyncio.Protocol]:
    """Return how uvicorn speaks HTTP, but for heads of requests that are not whole after so many seconds."""

    class Connection(H11Protocol):  # type: ignore[misc]
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._forget()

        @property
        def _answers(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def _watch(self) -> None:
            if self._answers or self.transport.is_closing():
                self._forget()
            elif self._timer is None:
                self._timer = self.loop.call_later(seconds, self._end)

        def _end(self) -> None:
            self._timer = None
            if not self._answers:
                self.transport.abort()

        def _forget(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Connection
