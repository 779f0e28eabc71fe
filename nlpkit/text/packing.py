"""What the first bytes of a stream show: what packed it, and how it is unpacked; which archive or format it is instead.

Signatures are whole, so that a text that merely begins like one, ``BZhang`` or ``PAR1``, is a text.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from typing import Any

ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError)  # what reading from something packed may raise
_UNPACK: dict[str, Callable[[Any], Any]] = {
    "gzip": lambda packed: gzip.GzipFile(fileobj=packed, mode="rb"),
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
}
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\0": "xz",
    # its level, then the mark of a block, or that of the end where it is empty
    **{b"BZh%d%b" % (level, then): "bzip2" for level in range(1, 10) for then in (b"1AY&SY", b"\x17rE8P\x90")},
}
_PDF = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "2.0")
_FORMATS = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # an empty one
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "Office",
    b"\x89PNG\r\n\x1a\n": "picture",
    b"\xff\xd8\xff": "picture",
    b"PAR1\x15": "Parquet",  # then comes a page or the footer, each of which begins with a number
    b"SQLite format 3\0": "SQLite",
    b"\x7fELF": "program",
    **{f"%PDF-{version}{end}".encode(): "PDF" for version in _PDF for end in "\n\r "},
}
_SIGNATURES = (*_PACKED, *_FORMATS)
_HEADER = 512  # bytes of that of tar


def packed_by(head: bytes) -> str | None:
    """Tell what packed a stream: ``gzip``, ``bzip2`` or ``xz``; None if nothing did.

    >>> packed_by(bz2.compress(b"")), packed_by(b"BZh91 ")
    ('bzip2', None)
    """
    return _shown_by(head, _PACKED)


def unpacked(stream: Any, how: str) -> Any:
    """Open a binary stream that unpacks another as it comes; it raises one of `ERRORS`."""
    return _UNPACK[how](stream)


def is_damage(error: BaseException) -> bool:
    """Tell whether one of `ERRORS` says that what is packed is wrong, not that it cannot be read."""
    return not isinstance(error, OSError) or error.errno is None


def format_of(head: bytes) -> str | None:
    """Tell which archive or format, other than text, a stream is in: ``zip``, ``tar``, …; None if none is known."""
    return _shown_by(head, _FORMATS) or ("tar" if _is_tar(head) else None)


def is_undecided(head: bytes) -> bool:
    """Tell whether more bytes could show what these do not yet; a tar archive is not waited for: names may begin so."""
    return any(signature.startswith(head) for signature in _SIGNATURES if len(signature) > len(head))


def _shown_by(head: bytes, signatures: dict[bytes, str]) -> str | None:
    return next((what for signature, what in signatures.items() if head.startswith(signature)), None)


def _is_tar(head: bytes) -> bool:
    """Tell whether the checksum of a header of tar is right."""
    if b"\0" not in head[:_HEADER]:  # as in nearly all that is read
        return False
    import tarfile

    try:
        tarfile.TarInfo.frombuf(head[:_HEADER], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
