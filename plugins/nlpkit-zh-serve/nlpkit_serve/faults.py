"""What goes wrong with a request: a kind, a status of HTTP and one sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping

from nlpkit import BundleError, MissingExtra, NlpkitError, PluginError
from starlette.responses import Response

KINDS = {
    400: "bad_request",
    401: "unauthorised",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "body_too_slow",
    411: "length_required",
    413: "too_large",
    415: "unsupported_media_type",
    421: "misdirected",
    422: "invalid",
    429: "too_many_requests",
    500: "failed",
    501: "not_installed",
    503: "unavailable",
    504: "too_slow",
}
MOST_SAID = 2_000  # characters of a sentence, which may hold what was sent


class RequestFault(Exception):  # noqa: N818 - it is the request's, as a rule
    """A request that is not answered.

    :param status: of HTTP.
    :param message: one sentence.
    :param headers: of the answer.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, dict(headers or {})

    def to_json(self) -> bytes:
        """Return what the client is told."""
        kind = KINDS.get(self.status, "failed")
        message = self.message if len(self.message) <= MOST_SAID else f"{self.message[:MOST_SAID]}…"
        return json.dumps({"error": {"kind": kind, "message": message}}, ensure_ascii=False).encode("utf-8", "replace")

    def to_response(self) -> Response:
        """Return what the client is told, as a response."""
        return Response(self.to_json(), self.status, self.headers, "application/json")


def fault_of(error: NlpkitError) -> RequestFault:
    """Return what a client is told of an error of nlpkit: its own sentence."""
    if isinstance(error, MissingExtra):
        return RequestFault(501, str(error))
    if isinstance(error, BundleError | PluginError):
        return RequestFault(500, str(error))
    return RequestFault(422, str(error))
