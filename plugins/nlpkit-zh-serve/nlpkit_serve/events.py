"""Answers piece by piece, as server-sent events: ``piece``, ``piece``, ``done``; or ``error``.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from nlpkit import NlpkitError

from nlpkit_serve.faults import RequestFault, fault_of
from nlpkit_serve.journal import Journal
from nlpkit_serve.schemas import join_lines


async def as_events(pieces: AsyncIterator[str | bytes], model: str, journal: Journal) -> AsyncIterator[bytes]:
    """Yield an event a piece, and in the end one with the whole answer, or why there is none."""
    try:
        async for piece in pieces:
            if isinstance(piece, bytes):
                yield _event("done", join_lines(model, [piece]))
            else:
                yield _event("piece", json.dumps({"text": piece}).encode())
    except RequestFault as fault:
        yield _event("error", fault.to_json())
    except NlpkitError as error:
        yield _event("error", fault_of(error).to_json())
    except Exception as error:
        journal.tell_error(error)
        yield _event("error", RequestFault(500, "the server failed on this request; its log says more").to_json())


def _event(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
