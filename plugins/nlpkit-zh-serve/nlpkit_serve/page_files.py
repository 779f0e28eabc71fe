"""The files of the page, read when a server starts: a request picks one of them by its address, and opens none."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from starlette.responses import Response

KINDS: Mapping[str, str] = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
}
INDEX = "index.html"
HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
}


def _read_page() -> Mapping[str, tuple[bytes, str]]:
    """Return the content and the kind of each file, by its address: ``/``, ``/page.css`` and so on."""
    found = {file.name: file for file in files("nlpkit_serve").joinpath("page").iterdir()}
    kinds = {name: KINDS.get(name.rpartition(".")[2]) for name in found}
    return {
        "/" if name == INDEX else f"/{name}": (found[name].read_bytes(), kind)
        for name, kind in sorted(kinds.items())
        if kind is not None
    }


PAGE = _read_page()


def show(address: str) -> Response:
    """Return the answer that is the file of the page at an address, which may run its own scripts and no other."""
    content, kind = PAGE[address]
    return Response(content, 200, HEADERS, kind)
