"""Bytes to text, as they come: finds out the encoding, marks what it cannot decode, never waits for a whole file."""

from __future__ import annotations

import codecs
import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

from nlpkit.errors import DataError, SettingError

UNDECODABLE = "\udcff"  # stands for bytes that the encoding does not know; no file can hold it
BLOCK = 1 << 19  # bytes read at a time
HEAD = 1 << 16  # bytes from which the encoding is found out
STRAY = 0.1  # share of zeros below which bytes that decode as UTF-8 are no UTF-16
WINDOWS = ("utf-8-sig", "gb18030", "gbk", "gb2312", "utf-16", "utf-16-le", "utf-16-be")
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_WIDE_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_GZIP = b"\x1f\x8b"
_FORMATS = {b"PK\x03\x04": "a zip file or an Excel workbook: save it as CSV", _GZIP: "gzip inside gzip: unpack it once"}
_FORMATS |= {b"%PDF": "a PDF", b"\xd0\xcf\x11\xe0": "an old Office file: save it as CSV", b"\x89PNG": "a picture"}

codecs.register_error("nlpkit", lambda e: (UNDECODABLE, e.end) if isinstance(e, UnicodeDecodeError) else ("", 0))


class _Counted:
    """The bytes of a stream as they come, counted; those given back come again."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._next: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
        self._kept = b""
        self.count = 0

    def read(self, size: int) -> bytes:
        if not self._kept:
            self._kept = self._next(BLOCK)
            self.count += len(self._kept)
        data, self._kept = self._kept[:size], self._kept[size:]
        return data

    def give_back(self, data: bytes) -> None:
        self._kept = data + self._kept


class Decoded:
    """An open binary stream read as text; one packed by gzip is unpacked.

    :param name: what to call it in errors.
    :param encoding: None finds it out from the first bytes that are not ASCII.
    :raises DataError: if it is empty, binary, or in no encoding that can be found out.
    :raises SettingError: if there is no encoding of that name.
    """

    def __init__(self, name: str, stream: IO[bytes], encoding: str | None = None) -> None:
        self.name = name
        self.size = _size(stream)
        self.undecodable = False  # whether any bytes so far fitted no character
        self._bytes = _Counted(stream)
        self._read = self._bytes.read
        self._first = self._enough()
        if self._first.startswith(_GZIP):
            self._first = self._unpacked()
        _refuse_binary(name, self._first[:HEAD])
        self._known = None if encoding is None else _named(encoding)
        if self._known in ("utf-16", "utf-32") and not self._first.startswith(_WIDE_BOMS):
            self._known += "-le"  # as Windows writes it; the codec wants a mark
        if self._known == "utf-8" and self._first.startswith(codecs.BOM_UTF8):
            self._known = "utf-8-sig"
        self._first = self._settled(self._first)
        self._blocks = self._split()
        self._head: list[str] | None = None

    @property
    def encoding(self) -> str:
        """The encoding as far as it is known: UTF-8 while all is ASCII."""
        return self._known or "utf-8"

    def progress(self) -> float | None:
        """The share of the file that was read; None where its size is unknown."""
        return self._bytes.count / self.size if self.size else None

    def chunks(self) -> Iterator[str]:
        """Text as it comes, undecodable bytes as `UNDECODABLE`."""
        data, decoder, first = self._first, None, True
        while data:
            data = self._settled(data)
            if decoder is None and self._known is not None:
                decoder = codecs.getincrementaldecoder(self._known)(errors="nlpkit")
            text = decoder.decode(data) if decoder else data.decode("ascii")
            self.undecodable = self.undecodable or UNDECODABLE in text
            yield text.removeprefix("\ufeff") if first else text  # GB18030 may have the mark, too
            first = False
            data = self._next()
        if decoder and (text := decoder.decode(b"", final=True)):
            self.undecodable = True  # a character was cut off
            yield text

    def head(self) -> list[str]:
        """The first lines, as many as come together; `line_blocks` gives them again."""
        if self._head is None:
            self._head = next(self._blocks, [])
        return self._head

    def line_blocks(self) -> Iterator[list[str]]:
        """Lists of whole lines without their LF; the last may lack one."""
        if head := self.head():
            yield head
        yield from self._blocks

    def _split(self) -> Iterator[list[str]]:
        rest: list[str] = []
        for chunk in self.chunks():
            first, *more = chunk.split("\n")
            rest.append(first)
            if more:
                yield ["".join(rest), *more[:-1]]
                rest = more[-1:]
        if last := "".join(rest):
            yield [last]

    def lines(self) -> Iterator[str]:
        """Lines with their LF."""
        for block in self.line_blocks():
            for line in block:
                yield line + "\n"

    def _settled(self, data: bytes) -> bytes:
        """Find out the encoding at the first bytes that tell, read on to a line's end: they may end in a character."""
        if self._known is None and not _plain(data):
            while len(data) < HEAD and not data.endswith(b"\n") and (more := self._next()):
                data += more
            self._known = detect_encoding(self.name, data[:HEAD])
        return data

    def _enough(self) -> bytes:
        """The first bytes, at least as many as a byte order mark may have."""
        data = b""
        while len(data) < 4 and (more := self._next()):
            data += more
        return data

    def _next(self) -> bytes:
        try:
            return self._read(BLOCK)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise DataError(f"{self.name} is gzip that is damaged or cut off: fetch or pack it again") from None
        except OSError as error:
            raise DataError(f"{self.name} cannot be read: {(error.strerror or str(error)).lower()}") from error

    def _unpacked(self) -> bytes:
        """The first bytes of what gzip packed; all that follow are unpacked, too."""
        self._bytes.give_back(self._first)
        packed: Any = self._bytes  # gzip asks for no more than `read`
        self._read = gzip.GzipFile(fileobj=packed, mode="rb").read1
        return self._enough()


def detect_encoding(name: str, head: bytes) -> str:
    """Return utf-8, utf-8-sig, gb18030, utf-16, utf-16-le or utf-16-be for a file's first bytes.

    Counted by lines, so that one bad line does not turn a file of UTF-8 into one of GB18030.

    :raises DataError: if most lines fit none.
    """
    for bom, encoding in _BOMS.items():
        if head.startswith(bom):
            return encoding
    if b"\0" in head and not (head.count(0) < STRAY * len(head) and _decodes(head, "utf-8")):
        wide = max(("utf-16-le", "utf-16-be"), key=lambda encoding: _plausible(head, encoding))
        return wide if _plausible(head, wide) > 0.9 else "utf-8"
    lines = [line for line in head.splitlines(keepends=True) if not line.isascii()]
    good = {encoding: sum(_decodes(line, encoding) for line in lines) for encoding in ("utf-8", "gb18030")}
    best = "utf-8" if good["utf-8"] * 2 >= len(lines) else max(good, key=lambda encoding: good[encoding])
    if lines and not good[best]:
        raise DataError(f"{name} is in none of the encodings UTF-8, GB18030, UTF-16: say its own by --encoding")
    return best


def _plain(data: bytes) -> bool:
    """Whether bytes mean the same in every encoding but UTF-16."""
    return data.isascii() and b"\0" not in data


def _size(stream: IO[bytes]) -> int | None:
    try:
        return os.fstat(stream.fileno()).st_size or None
    except (OSError, AttributeError):
        return None


def _refuse_binary(name: str, head: bytes) -> None:
    if not head or head in _BOMS:
        raise DataError(f"{name} is empty: expected a text a line, or a CSV with a header")
    for start, what in _FORMATS.items():
        if head.startswith(start):
            raise DataError(f"{name} is {what}")
    wide = b"\0" in head and max(_plausible(head, "utf-16-le"), _plausible(head, "utf-16-be")) > 0.9
    if wide or head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return
    control = sum(head.count(code) for code in range(32) if code not in b"\0\t\n\r\x0b\x0c\x1b")
    if len(head) > 64 and (control > 0.05 * len(head) or head.count(0) > 0.2 * len(head)):
        raise DataError(f"{name} is binary: expected a text a line, or a CSV with a header")


def _plausible(head: bytes, encoding: str) -> float:
    """Share of characters that Chinese text is made of, if the bytes are read so."""
    text = head[: len(head) // 2 * 2].decode(encoding, "replace")
    usual = sum(
        "一" <= c <= "鿿" or " " <= c <= "~" or c in "\r\n\t" or "　" <= c <= "〕" or "！" <= c <= "～" for c in text
    )
    return usual / max(1, len(text))


def _decodes(line: bytes, encoding: str) -> bool:
    """Whether a line fits an encoding; one without its end, the last of a head, may end inside a character."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(line, final=line.endswith(b"\n"))
    except UnicodeDecodeError:
        return False
    return True


def _named(encoding: str) -> str:
    """The usual name of an encoding of text that works on any bytes."""
    try:
        mark = "".encode(encoding)  # UTF-16's byte order mark; codecs that are not of text, such as base64, are refused
        trial = mark + b"a\\ud800\xff"
        if "\ud800" not in codecs.getincrementaldecoder(encoding)(errors="nlpkit").decode(trial, final=True):
            return codecs.lookup(encoding).name
    except (LookupError, UnicodeError, ValueError, TypeError):
        pass
    raise SettingError(f"there is no encoding {encoding!r} for text; try utf-8, gb18030 or utf-16") from None
