"""Bodies of requests, read piece by piece, so that none is held that is too large."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeVar

from nlpkit.text import parse_json
from starlette.requests import ClientDisconnect, Request

from nlpkit_serve.faults import RequestFault
from nlpkit_serve.settings import Settings

Result = TypeVar("Result")
TOGETHER = 8  # of the largest bodies, as many bytes as all have together
MOST_DEPTH = 8  # of lists in lists, in an option
INPUTS = ("text", "texts", "stream")


class Held:
    """Counts the bytes of all bodies that this process holds: each is bounded, and many slow ones would not be."""

    def __init__(self) -> None:
        self._total = 0

    def add(self, scope: MutableMapping[str, Any], count: int, most: int) -> None:
        """Count bytes of a request's body.

        :raises RequestFault: if all bodies together would be more than so many.
        """
        if self._total + count > most:
            raise RequestFault(503, "the server holds as many bodies as it can: ask again soon", {"Retry-After": "1"})
        self._total += count
        scope["held"] = scope.get("held", 0) + count

    def release(self, scope: MutableMapping[str, Any]) -> None:
        """Forget the body of a request that has ended."""
        self._total -= scope.pop("held", 0)


HELD = Held()


@dataclass(frozen=True)
class Asked:
    """What a request asks.

    :param texts: as they came: some may be no texts.
    :param options: of the verb.
    :param stream: whether the answer is wanted piece by piece.
    """

    texts: list[Any]
    options: Mapping[str, Any]
    stream: bool = False


async def read_body(request: Request, most: int, settings: Settings) -> bytes:
    """Read a body.

    :raises RequestFault: if it is larger than ``most`` bytes, or too slow.
    """
    try:
        async with asyncio.timeout(settings.max_seconds):
            return await _collect(request, most, TOGETHER * max(settings.max_file_bytes, settings.max_bytes))
    except TimeoutError:
        raise RequestFault(408, f"the body was not sent within {settings.max_seconds:g} seconds") from None
    except ClientDisconnect:
        raise RequestFault(400, "the body ended before it was whole") from None


async def _collect(request: Request, most: int, together: int) -> bytes:
    body, over = bytearray(), 0
    async for piece in request.stream():
        if over or len(body) + len(piece) > most:  # read on for a while: who is cut off while sending reads no answer
            over += len(piece)
            body.clear()
        else:
            HELD.add(request.scope, len(piece), together)
            body += piece
        if over > 4 * most:
            break
    if over:
        raise RequestFault(413, f"a body of more than {most:,} bytes is not read: send less at once")
    return bytes(body)


async def read_object(request: Request, settings: Settings) -> dict[str, Any]:
    """Read a body that is an object of JSON.

    :raises RequestFault: if it is none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestFault(415, f"expected the header 'Content-Type: application/json', found {kind[:80]!r}")
    body = await read_body(request, settings.max_bytes, settings)
    try:
        item = parse_json(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise RequestFault(400, "the body is not UTF-8") from None
    if not isinstance(item, dict):
        raise RequestFault(400, 'the body cannot be read as an object of JSON: expected {"texts": ["…"]}')
    return item


async def read_question(request: Request, settings: Settings) -> Asked:
    """Read what a request asks of a verb.

    :raises RequestFault: if it is no question, or of too many texts.
    """
    item = await read_object(request, settings)
    if ("text" in item) == ("texts" in item):
        raise RequestFault(422, 'say "text", which is one, or "texts", which are a list, and not both')
    if "texts" in item and not isinstance(item["texts"], list):
        raise RequestFault(422, f"texts are a list, found {_kind_of(item['texts'])}")
    texts = item["texts"] if "texts" in item else [item["text"]]
    if len(texts) > settings.max_texts:
        raise RequestFault(413, f"{len(texts):,} texts are too many, {settings.max_texts:,} are the most at once")
    stream = item.get("stream", False)
    if not isinstance(stream, bool):
        raise RequestFault(422, f"stream is true or false, found {_kind_of(stream)}")
    if stream and len(texts) != 1:
        raise RequestFault(422, f"one text is streamed, found {len(texts):,}")
    options = {name: value for name, value in item.items() if name not in INPUTS}
    if deep := [name for name, value in options.items() if _is_deep(value, MOST_DEPTH)]:
        raise RequestFault(422, f"{deep[0][:80]!r} is nested too deep")
    return Asked(texts, options, stream)


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Wait for work as long as the client does, whose body has been read.

    :raises RequestFault: if it goes away; the work is then ended.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_wait_until_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise RequestFault(400, "the client has gone away")
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _is_deep(value: Any, most: int) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not most or any(_is_deep(one, most - 1) for one in inside)


def _kind_of(value: Any) -> str:
    kinds = {str: "a text", dict: "an object", list: "a list", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
