"""What every request goes through: who may come in, how it is called in the log, what its answer must not lack."""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import time
import uuid
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nlpkit_serve.bodies import HELD
from nlpkit_serve.faults import RequestFault
from nlpkit_serve.journal import Journal
from nlpkit_serve.metrics import Metrics
from nlpkit_serve.page_files import PAGE
from nlpkit_serve.settings import LOOPBACK, Settings

OPEN = ("/healthz", "/readyz", *PAGE)  # tell nothing that a stranger might not know
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class Gate:
    """Refuses what may not come in, and gives every answer its headers, a line of the log, and its place in figures."""

    def __init__(self, app: ASGIApp, settings: Settings, journal: Journal, metrics: Metrics) -> None:
        self._app, self._settings = app, settings
        self._journal, self._metrics = journal, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, headers = time.perf_counter(), Headers(scope=scope)
        name = headers.get("x-request-id", "")
        scope["request_id"] = name = name if REQUEST_ID.fullmatch(name) else uuid.uuid4().hex
        answer = _Answer(send, name, self._settings.max_seconds)
        try:
            self._check(scope, headers)
            await self._app(scope, receive, answer.send)
        except RequestFault as fault:
            await fault.to_response()(scope, receive, answer.send)
        except ClientTooSlow:
            scope["told"] = {**scope.get("told", {}), "unread": True}
        except Exception as error:
            self._journal.tell_error(error, request=name)
            if answer.status:
                raise
            failed = RequestFault(500, f"the server failed on this request; its log says more, under {name}")
            await failed.to_response()(scope, receive, answer.send)
        finally:
            scope.get("at end", bool)()  # also when nobody has taken the answer
            HELD.release(scope)
            self._tell(scope, answer.status, time.perf_counter() - began)

    def _check(self, scope: Scope, headers: Headers) -> None:
        """Refuse whoever may not come in.

        :raises RequestFault: saying why.
        """
        host, settings = headers.get("host", ""), self._settings
        if settings.loopback and _name_of(host) not in (*LOOPBACK, *settings.hosts):
            raise RequestFault(
                421, f"this server answers on {settings.host}, not as {host!r:.80}: say --allow-host if it should"
            )
        if not self._is_own(headers.get("origin"), host):
            raise RequestFault(403, "pages of other sites may not ask this server")
        if settings.token is None or scope["path"] in OPEN:
            return
        shown = read_token(headers.get("authorization", ""))
        if not hmac.compare_digest(shown, settings.token.encode("utf-8", "replace")):
            raise RequestFault(
                401,
                "this server wants its token: send the header 'Authorization: Bearer TOKEN'",
                {"WWW-Authenticate": "Bearer"},
            )

    def _is_own(self, origin: str | None, host: str) -> bool:
        """Tell whether a request comes from a page of this server, or from none."""
        if origin is None:
            return True
        try:
            place = urlsplit(origin).netloc
        except ValueError:
            return False
        return bool(place) and (place == host or _name_of(place) in self._settings.hosts)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope["route"].path if "route" in scope else "none"
        self._metrics.requests.labels(route, status or 499).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        client = scope.get("client")
        more = scope.get("told", {})
        self._journal.tell(
            "request",
            request=scope["request_id"],
            method=scope["method"],
            route=route,
            status=status or 499,
            ms=round(seconds * 1000, 2),
            client=client[0] if client else None,
            **more,
        )


class ClientTooSlow(Exception):  # noqa: N818 - it is the client's
    """A client does not read what it is sent."""


class _Answer:
    """Sends an answer with the headers that all have.

    :param seconds: in which a piece of it must be taken: who does not read keeps a place that others wait for.
    """

    def __init__(self, send: Send, name: str, seconds: float) -> None:
        self._send, self._name, self._seconds = send, name, seconds
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._name
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        try:
            async with asyncio.timeout(self._seconds):
                await self._send(message)
        except TimeoutError:
            raise ClientTooSlow from None


def read_token(authorization: str) -> bytes:
    """Return the token that a request shows: as Bearer; or as a password, as Label Studio sends it."""
    scheme, _, shown = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return shown.strip().encode("latin-1", "replace")  # as which headers come, whatever they hold
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(shown.strip(), validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _name_of(host: str) -> str:
    """Return the name of a ``Host`` without its port: ``localhost``, ``::1``."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if host.rpartition(":")[2].isdecimal() and ":" in host else host.lower()
