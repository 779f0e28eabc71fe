"""Requests good and bad, as a server meets them in the open, and what must come of each.

Those that are cut off, or break the rules of HTTP, have a connection of their own; others share some that are kept.
"""

import asyncio
import contextlib
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

MODELS = ("reviews", "reviews-cloze", "reviews-chars")
SCORE, FILL, WRITE = (f"/v1/models/{path}" for path in ("reviews/score", "reviews-cloze/fill", "reviews-chars/text"))
WORDS = "质量很好快递太慢衣服掉色手机坏了服务热情房间干净不值这个价推荐非常满意，。！ab🙂"
CONNECTIONS = 16
PATIENCE = 90.0  # seconds for any answer
FULL = 503  # of a queue: counted, and no fault


@dataclass(frozen=True)
class Kind:
    """A kind of request.

    :param make: makes the bytes of one.
    :param statuses: that it may have; none if nobody waits for one.
    :param weight: how often it comes.
    :param alone: whether its connection is closed behind it.
    :param cut: whether the server may end the connection while it is still sent.
    :param kept: bytes of it that are sent before the connection is cut; None: all.
    """

    name: str
    make: Callable[[random.Random], bytes]
    statuses: tuple[int, ...]
    weight: int = 10
    alone: bool = False
    kept: float | None = None
    cut: bool = False

    @property
    def outcomes(self) -> set[str]:
        """What may come of it."""
        return {*map(str, self.statuses), *(["cut off"] if self.cut else []), *([] if self.statuses else ["gone"])}


@dataclass(frozen=True)
class Batch:
    """So many requests to a server, drawn by a seed."""

    port: int
    amount: int
    seed: int


def text_of(chance: random.Random, most: int = 40) -> str:
    return "".join(chance.choices(WORDS, k=chance.randint(1, most)))


def send(path: str, body: bytes = b"", method: str = "POST", **headers: str) -> bytes:
    """The bytes of a request; a header is left out by the value ''."""
    usual = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": str(len(body))}
    every = usual | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in every.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def posts(path: str, item: Callable[[random.Random], Any]) -> Callable[[random.Random], bytes]:
    """Make requests of what is made."""
    return lambda chance: send(path, json.dumps(item(chance)).encode())


def always(request: bytes) -> Callable[[random.Random], bytes]:
    return lambda _chance: request


def asks(item: Any, path: str = SCORE) -> Callable[[random.Random], bytes]:
    """Make the same request each time."""
    return always(send(path, json.dumps(item).encode()))


def sends(body: bytes, path: str = SCORE, **headers: str) -> Callable[[random.Random], bytes]:
    return always(send(path, body, **headers))


GOOD = '{"text": "质量很好"}'.encode()
TABLE = "编号,评论\n1,质量很好\n2,太差了\n3,\n".encode()
FILE = "/file?name=a.csv&column=%E8%AF%84%E8%AE%BA"
KINDS: Sequence[Kind] = (
    Kind("one text", posts(SCORE, lambda chance: {"text": text_of(chance)}), (200,), 400),
    Kind("32 texts", posts(SCORE, lambda chance: {"texts": [text_of(chance) for _ in range(32)]}), (200,), 60),
    Kind("explained", posts(SCORE, lambda chance: {"text": text_of(chance), "explain": True}), (200,), 40),
    Kind("unsure", posts(SCORE, lambda chance: {"text": text_of(chance), "min_probability": chance.random()}), (200,)),
    Kind("blanks", posts(FILL, lambda chance: {"text": text_of(chance) + "__" + text_of(chance)}), (200,), 20),
    Kind("written", posts(WRITE, lambda chance: {"text": text_of(chance), "length": 20}), (200,), 5),
    Kind("streamed", posts(WRITE, lambda c: {"text": text_of(c), "length": 20, "stream": True}), (200,), 5),
    Kind("a file", sends(TABLE, SCORE + FILE), (200,), 5),
    Kind("a file as workbook", sends(TABLE, SCORE + FILE + "&format=xlsx"), (200,), 3),
    Kind("columns", sends(TABLE, "/v1/columns?name=a.csv"), (200,), 5),
    Kind("metrics", always(send("/metrics", method="GET")), (200,), 3),
    Kind("models", always(send("/v1/models", method="GET")), (200,), 3),
    Kind("the page", always(send("/", method="GET")), (200,), 3),
    Kind("openapi", always(send("/openapi.json", method="GET")), (200,), 2),
    # texts that are none
    Kind("values that are no texts", asks({"texts": [None, 5, 1.5, True, [], {}, "", " "]}), (200,)),
    Kind("no texts", asks({"texts": []}), (200,)),
    Kind("lone surrogates", sends(b'{"texts": ["\\ud800", "\\udfff\\ud83d", "a\\ud800b"]}'), (200,)),
    Kind("a lone surrogate continued", sends(b'{"text": "\\udc80"}', WRITE), (200, 422), 3),
    Kind("lone surrogates about a blank", sends(b'{"text": "\\ud800__\\udfff"}', FILL), (200,), 3),
    Kind("NUL and other controls", asks({"texts": ["\0", "好\0坏", "\x1b[31m", "\u202e好"]}), (200,)),
    Kind("a huge text", asks({"text": "很好" * 100_000}), (200,), 2),
    Kind("a huge word", asks({"text": "a" * 200_000}), (200,), 2),
    Kind("very many blanks", asks({"text": "__" * 2_000}, FILL), (200, 422), 2),
    # bodies that are none
    Kind("broken JSON", sends(b'{"texts": ["abc"'), (400,)),
    Kind("no JSON", sends(b"text=abc"), (400,)),
    Kind("an empty body", sends(b""), (400,)),
    Kind("no UTF-8", sends(b'{"text": "\xff\xfe"}'), (400,)),
    Kind("GBK", sends('{"text": "质量很好"}'.encode("gbk")), (400,)),
    Kind("NaN", sends(b'{"text": NaN, "min_probability": Infinity}'), (400, 422)),
    Kind("a list", asks(["质量很好"]), (400,)),
    Kind("brackets in brackets", sends(b"[" * 50_000), (400,), 3),
    Kind("deep objects", sends(b'{"a":' * 5_000 + b"1" + b"}" * 5_000), (400, 422), 3),
    Kind("a deep text", sends(b'{"text":' + b"[" * 5_000 + b"]" * 5_000 + b"}"), (200, 400, 422), 3),
    Kind(
        "a number of 100,000 digits", sends(b'{"text": "a", "min_probability": ' + b"9" * 100_000 + b"}"), (400, 422), 3
    ),
    Kind("a key twice", sends('{"text": "好", "text": "坏"}'.encode()), (200, 400), 3),
    # questions that are none
    Kind("texts that are no list", asks({"texts": {"a": 1}}), (422,)),
    Kind("text and texts", asks({"text": "a", "texts": ["b"]}), (422,)),
    Kind("neither", asks({"explain": True}), (422,)),
    Kind("an unknown option", asks({"text": "好", "explian": True}), (422,)),
    Kind("an option of another type", asks({"text": "好", "explain": "yes", "min_probability": "x"}), (422,)),
    Kind("an option too large", asks({"text": "好", "length": 10**9}, WRITE), (422,)),
    Kind("a pattern without end", asks({"text": "__", "pattern": "(a+)+$"}, FILL), (422,)),
    Kind("a broken pattern", asks({"text": "__", "pattern": "("}, FILL), (422,)),
    Kind("labels that are none", asks({"text": "好", "labels": "a,b"}), (422,)),
    Kind("a stream that is none", asks({"text": "好", "stream": True}), (422,)),
    Kind("too many texts", asks({"texts": ["好"] * 10_001}), (413,), 2),
    Kind("too many bytes", sends(b'{"text": "' + b"a" * (9 << 20) + b'"}'), (413,), 1, alone=True),
    # files that are none
    Kind("a broken workbook", sends(b"PK\x03\x04" + b"\0" * 100, SCORE + "/file?name=a.xlsx"), (422,), 3),
    Kind("a packed file", sends(b"\x1f\x8b\x08" + b"\0" * 100, SCORE + "/file?name=a.csv"), (422,), 3),
    Kind("a file without a suffix", sends(TABLE, SCORE + "/file?name=../../etc/passwd"), (422,), 3),
    Kind("a column that is none", sends(TABLE, SCORE + "/file?name=a.csv&column=x"), (422,), 3),
    Kind("a format that is none", sends(TABLE, SCORE + FILE + "&format=pickle"), (422,), 3),
    Kind("a file of one long line", sends(b"a" * 300_000, "/v1/columns?name=a.txt"), (200, 422), 2),
    # places that are none
    Kind("another method", always(send(SCORE, method="GET")), (405,)),
    Kind("PUT", always(send(SCORE, GOOD, "PUT")), (405,), 3),
    Kind("a method that is none", always(send(SCORE, GOOD, "BREW")), (405,), 3),
    Kind("another model", sends(GOOD, "/v1/models/review/score"), (404,)),
    Kind("another verb", sends(GOOD, "/v1/models/reviews/fill"), (404,)),
    Kind("a path for a model", sends(GOOD, "/v1/models/..%2f..%2fetc/score"), (404,), 3),
    Kind("NUL in the path", sends(GOOD, "/v1/models/%00/score"), (404,), 3),
    Kind("a long path", sends(GOOD, "/v1/models/" + "a" * 5_000), (404,), 3),
    Kind("another media type", sends(GOOD, Content_Type="text/plain"), (415,)),
    Kind("no media type", sends(GOOD, Content_Type=""), (415,)),
    Kind("another host", sends(GOOD, Host="example.com"), (421,), 3),
    Kind("a page of another site", sends(GOOD, Origin="http://example.com"), (403,), 3),
    # HTTP that is none
    Kind("no host", sends(GOOD, Host=""), (400,), 2, alone=True),
    Kind("a length that is too short", sends(GOOD, Content_Length="5"), (400,), 3, alone=True),
    Kind("a negative length", sends(GOOD, Content_Length="-1"), (400,), 3, alone=True),
    Kind("a length that is no number", sends(GOOD, Content_Length="x"), (400,), 3, alone=True),
    Kind("a length and chunks", sends(GOOD + b"\r\n", Transfer_Encoding="chunked"), (400,), 3, alone=True),
    Kind("broken chunks", sends(b"zz\r\n", Transfer_Encoding="chunked", Content_Length=""), (400,), 3, alone=True),
    Kind("noise", lambda chance: chance.randbytes(200) + b"\r\n\r\n", (400,), 3, alone=True),
    Kind("a header too large", sends(GOOD, X_Large="a" * 1_000_000), (400, 431), 2, alone=True, cut=True),
    # clients that go
    Kind("a length too long, and gone", sends(GOOD, Content_Length="1000"), (), 5, alone=True, kept=1.0),
    Kind("gone before asking", sends(GOOD), (), 5, alone=True, kept=0.0),
    Kind("gone within the head", sends(GOOD), (), 5, alone=True, kept=0.3),
    Kind("gone within the body", asks({"text": "很好" * 50_000}), (), 3, alone=True, kept=0.5),
    Kind("gone before the answer", posts(SCORE, lambda c: {"text": text_of(c)}), (), 10, alone=True, kept=1.0),
    Kind("gone before many answers", asks({"texts": ["质量很好"] * 2_000}), (), 2, alone=True, kept=1.0),
    Kind(
        "gone from a stream", asks({"text": "好", "stream": True, "length": 5_000}, WRITE), (), 2, alone=True, kept=1.0
    ),
)


class Connection:
    """A connection that is kept as long as it can be."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, kind: Kind, request: bytes) -> str:
        """Ask, and return the status; or what else came of it."""
        if kind.alone:
            await self.close()
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._ask(kind, request)
        except TimeoutError:
            await self.close()
            return "no answer"
        except (OSError, asyncio.IncompleteReadError):
            await self.close()
            return "cut off"
        finally:
            if kind.alone:
                await self.close()

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        self._reader = self._writer = None

    async def _ask(self, kind: Kind, request: bytes) -> str:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 24)
        sent = request if kind.kept is None else request[: round(kind.kept * len(request))]
        self._writer.write(sent)
        await self._writer.drain()
        if not kind.statuses:
            await asyncio.sleep(0.002 if kind.kept == 1.0 else 0)
            return "gone"
        status, closes = await read_answer(self._reader)
        if closes:
            await self.close()
        return str(status)


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Read an answer to its end; return its status, and whether the connection ends behind it."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    elif "content-length" in headers:
        await reader.readexactly(int(headers["content-length"]))
    else:
        await reader.read()
    return int(head[0].split()[1]), headers.get("connection") == "close" or "content-length" not in headers


async def _ask_all(batch: Batch) -> Counter[tuple[str, str]]:
    chance, counted = random.Random(batch.seed), Counter[tuple[str, str]]()
    drawn = iter(chance.choices(KINDS, [kind.weight for kind in KINDS], k=batch.amount))

    async def ask_some(kinds: Iterator[Kind]) -> None:
        connection = Connection(batch.port)
        for kind in kinds:
            counted[kind.name, await connection.ask(kind, kind.make(chance))] += 1
        await connection.close()

    await asyncio.gather(*(ask_some(drawn) for _ in range(CONNECTIONS)))
    return counted


def ask_here(batch: Batch) -> Counter[tuple[str, str]]:
    return asyncio.run(_ask_all(batch))


def ask_mixed(batch: Batch) -> Counter[tuple[str, str]]:
    """Ask, in a process of its own; return how often what came of which kind of request."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(ask_here, batch).result()


def find_faults(counted: Mapping[tuple[str, str], int]) -> list[str]:
    """What should not have come of a request."""
    expected = {kind.name: {*kind.outcomes, str(FULL)} for kind in KINDS}
    wrong = itertools.filterfalse(lambda one: one[0][1] in expected[one[0][0]], counted.items())
    return [f"{kind}: {outcome} {count:,} times" for (kind, outcome), count in wrong]
