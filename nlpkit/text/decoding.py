"""Bytes to text, as they come: unpacks, finds out the encoding and the line ends, never waits for a whole file."""

from __future__ import annotations

import codecs
import itertools
import os
import re
from collections.abc import Callable, Iterator
from typing import IO

from nlpkit.errors import DataError, Sentence, SettingError
from nlpkit.text.encodings import BOMS, HEAD_BYTES, UNDECODABLE, find_encoding, is_text
from nlpkit.text.line_numbers import Lines
from nlpkit.text.packing import ERRORS, format_of, is_damage, is_undecided, packed_by, unpacked

BLOCK = 1 << 19  # bytes read at a time
LONG_LINE = 1 << 23  # characters without a line's end after which a CR is taken for one
WINDOWS = ("utf-8-sig", "gb18030", "gbk", "gb2312", "big5", "cp950", "big5hkscs", "utf-16", "utf-16-le", "utf-16-be")
DISPLAY_NAMES = {"cp950": "Big5", "big5hkscs": "Big5"}  # as people call it; others by their own name in capitals
_MARK = max(map(len, BOMS))
_REFUSED = {
    "zip": Sentence("a zip file or an Excel workbook: save it as CSV"),
    "7z": Sentence("a 7z archive: unpack it first"),
    "RAR": Sentence("a RAR archive: unpack it first"),
    "tar": Sentence("a tar archive: unpack it first (tar xf)"),
    "zstd": Sentence("packed by zstd: unpack it first"),
    "PDF": Sentence("a PDF: save its text as .txt"),
    "Office": Sentence("an old Office file: save it as CSV"),
    "picture": Sentence("a picture"),
    "Parquet": Sentence("a Parquet file: save it as CSV"),
    "SQLite": Sentence("an SQLite database: save a table as CSV"),
    "program": Sentence("a program"),
}
_HAN_IN_TWO_BYTES = ("gb18030", "cp950", "big5hkscs")
_UTF8 = re.compile(rb"(?:[\xe3-\xe9\xef][\x80-\xbf]{2}){2}")  # two characters of Chinese, by chance in few other lines
_STRANGE = re.compile(rb"[^\x01-\x7f]")  # what does not mean the same in every encoding
_ZEROS = bytes(128)  # what is binary may have so many in a row, such as a tar archive without a checksum; text has none


class _Counted:
    """The bytes of a stream as they come, counted; those given back come again."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._next: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
        self._rest = b""
        self.count = 0

    def read(self, size: int) -> bytes:
        if not self._rest:
            self._rest = self._next(BLOCK)
            self.count += len(self._rest)
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def give_back(self, data: bytes) -> None:
        self._rest = data + self._rest

    def seekable(self) -> bool:
        """Those that unpack ask; nobody goes back."""
        return False


class Decoded:
    """An open binary stream read as text; one packed by gzip, bzip2 or xz is unpacked.

    A line ends in LF. In a file without any LF outside quotes, as old Macs wrote them, it ends in CR.

    :param name: what to call it in errors.
    :param encoding: None finds it out from the first bytes that are not ASCII.
    :param quoted: whether line breaks within quotes end no line, as in a table.
    :raises DataError: if it is empty, binary, an archive, or in no encoding that can be found out.
    :raises SettingError: if there is no encoding of that name.
    """

    def __init__(self, name: str, stream: IO[bytes], encoding: str | None = None, *, quoted: bool = False) -> None:
        self.name = name
        self.rival: str | None = None  # an encoding that is nearly as likely as the one that was taken
        self.foreign = Lines()  # that are likelier in UTF-8 than in the encoding of the file
        self.size = _size(stream)
        self.undecodable = False  # whether any bytes so far fitted no character
        self.zeros = False  # whether any character so far was a zero
        self.line_end = "\n"  # known once a line was asked for
        self._quoted, self._given = quoted, encoding is not None
        self._bytes = _Counted(stream)
        self._read = self._bytes.read
        self._packed = ""
        self._known = None if encoding is None else _usual_name(encoding)
        self._first = self._unpack(self._enough())
        _refuse_binary(name, self._first[:HEAD_BYTES], given=self._known is not None)
        if self._known in ("utf-16", "utf-32") and not self._first.startswith(tuple(BOMS)):
            self._known += "-le"  # as Windows writes it; the codec wants a mark
        if self._known == "utf-8" and self._first.startswith(codecs.BOM_UTF8):
            self._known = "utf-8-sig"
        self._first = self._settle(self._first, beginning=True)
        self._blocks = self._split()
        self._head: list[str] | None = None

    @property
    def encoding(self) -> str:
        """The encoding as far as it is known: UTF-8 while all is ASCII."""
        return self._known or "utf-8"

    @property
    def doubt(self) -> Sentence | None:
        """A sentence where another encoding is nearly as likely as the one that was taken."""
        return self.doubted(
            Sentence(
                "say which it is by --encoding {encoding} or --encoding {rival}",
                encoding=self.encoding,
                rival=self.rival,
            )
        )

    def doubted(self, remedy: str) -> Sentence | None:
        """Say the same where something else is to be done."""
        if self.rival is None:
            return None
        taken, other = (DISPLAY_NAMES.get(name, name.upper()) for name in (self.encoding, self.rival))
        return Sentence(
            "{name} is read as {taken}, and may be {other}: {remedy}",
            name=self.name,
            taken=taken,
            other=other,
            remedy=remedy,
        )

    def progress(self) -> float | None:
        """Tell which share of the file was read; None where its size is unknown."""
        return self._bytes.count / self.size if self.size else None

    def chunks(self) -> Iterator[str]:
        """Give text as it comes, undecodable bytes as `UNDECODABLE`."""
        data, decoder, first, line = self._first, None, True, 1
        while data:
            data = self._settle(data, beginning=first)
            if decoder is None and self._known is not None:
                decoder = codecs.getincrementaldecoder(self._known)(errors="nlpkit")
            text = decoder.decode(data) if decoder else data.decode("ascii")
            if self._known in _HAN_IN_TWO_BYTES and not self._given:
                for number in _lines_in_utf8(data):
                    self.foreign.add(line + number)
            line += data.count(b"\n")
            self.undecodable = self.undecodable or UNDECODABLE in text
            self.zeros = self.zeros or "\0" in text
            yield text.removeprefix("\ufeff") if first else text  # GB18030 may have the mark, too
            first = False
            data = self._next()
        if decoder and (text := decoder.decode(b"", final=True)):
            self.undecodable = True  # a character was cut off
            yield text

    def head(self) -> list[str]:
        """Give the first lines, as many as come together; `line_blocks` gives them again."""
        if self._head is None:
            self._head = next(self._blocks, [])
        return self._head

    def line_blocks(self) -> Iterator[list[str]]:
        """Give lists of whole lines without the LF, or the CR, that ends them; the last may lack one."""
        if head := self.head():
            yield head
        yield from self._blocks

    def lines(self) -> Iterator[str]:
        """Give lines with their end."""
        for block in self.line_blocks():
            for line in block:
                yield line + self.line_end

    def _split(self) -> Iterator[list[str]]:
        chunks = self.chunks()
        begin = self._beginning(chunks)
        rest: list[str] = []
        for chunk in itertools.chain([begin], chunks):
            if self.line_end == "\r" and not self._quoted and "\n" in chunk:
                chunk = chunk.replace("\r\n", "\r").replace("\n", "\r")  # so late that rows have been given
            first, *more = chunk.split(self.line_end)
            rest.append(first)
            if more:
                yield ["".join(rest), *more[:-1]]
                rest = more[-1:]
        if last := "".join(rest):
            yield [last]

    def _beginning(self, chunks: Iterator[str]) -> str:
        """Read as much text as tells in what a line ends, or all of it."""
        parts: list[str] = []
        size, quotes = 0, 0
        for chunk in chunks:
            parts.append(chunk)
            if _ends_line(chunk, "\n", quotes if self._quoted else None):
                return "".join(parts)
            size, quotes = size + len(chunk), quotes + chunk.count('"')
            if size > LONG_LINE:
                break
        text = "".join(parts)
        if _ends_line(text, "\r", 0 if self._quoted else None):
            self.line_end = "\r"
        return text

    def _settle(self, data: bytes, *, beginning: bool) -> bytes:
        """Find out the encoding at the first bytes that tell, read on to a line's end: they may end in a character."""
        if self._known is None and (strange := _STRANGE.search(data)):
            while len(data) < HEAD_BYTES and not data.endswith(b"\n") and (more := self._next()):
                data += more
            wide = beginning and b"\0" in data[:HEAD_BYTES]  # maybe: a line's end in UTF-16 has a zero
            start = 0 if wide else data.rfind(b"\n", 0, strange.start()) + 1
            self._known = self._find(_choose_bytes(data, start), beginning=beginning and not start)
        return data

    def _find(self, head: bytes, *, beginning: bool) -> str:
        reading = find_encoding(head, beginning=beginning)
        if reading is None:
            raise DataError(
                "{name} is in none of the encodings UTF-8, GB18030, Big5, UTF-16: say its own by --encoding",
                name=self.name,
            )
        self.rival = reading.rival
        return reading.encoding

    def _enough(self) -> bytes:
        """Read the first bytes, as many as tell at least what packed them, and whether they are text at all."""
        data = b""
        while (len(data) < _MARK or is_undecided(data)) and (more := self._next()):
            data += more
        return data

    def _next(self) -> bytes:
        try:
            return self._read(BLOCK)
        except ERRORS as error:
            if self._packed and is_damage(error):
                what = Sentence("{packed} that is damaged or cut off: fetch or pack it again", packed=self._packed)
                raise DataError("{name} is {what}", name=self.name, what=what) from None
            reason = Sentence((getattr(error, "strerror", None) or str(error)).lower())
            raise DataError("{name} cannot be read: {reason}", name=self.name, reason=reason) from error

    def _unpack(self, data: bytes) -> bytes:
        """Unpack the first bytes, if they are packed, and all that follow."""
        how = packed_by(data)
        if how is None:
            return data
        if self._packed:
            raise DataError(
                "{name} is {how} inside {packed}: unpack it once", name=self.name, how=how, packed=self._packed
            )
        self._packed = how
        self._bytes.give_back(data)
        self._read = unpacked(self._bytes, how).read1
        return self._unpack(self._enough())


def _lines_in_utf8(data: bytes) -> Iterator[int]:
    """Find which of the lines of bytes in GB18030 or Big5, from 0, are likelier in UTF-8."""
    last = -1
    for match in _UTF8.finditer(data):
        begin, end = data.rfind(b"\n", 0, match.start()) + 1, data.find(b"\n", match.end())
        if begin > last:
            last = begin
            reading = find_encoding(data[begin : end if end >= 0 else None][:HEAD_BYTES], beginning=False)
            if reading is not None and reading.encoding == "utf-8":
                yield data.count(b"\n", 0, begin)


def _choose_bytes(data: bytes, start: int) -> bytes:
    """Choose the bytes by which the encoding is found out: lines that are not ASCII, or simply the first."""
    if start == 0:
        return data[:HEAD_BYTES]
    strange = b"".join(line for line in data[start:].splitlines(keepends=True) if not line.isascii())
    return strange[:HEAD_BYTES]


def _ends_line(text: str, end: str, quotes: int | None) -> bool:
    """Tell whether a line ends anywhere in a text.

    :param quotes: how many quotation marks stand before the text; None if line ends within quotes count, too.
    """
    at = text.find(end)
    if quotes is None:
        return at >= 0
    counted = 0
    while at >= 0:
        quotes += text.count('"', counted, at)
        if quotes % 2 == 0:
            return True
        counted, at = at, text.find(end, at + 1)
    return False


def _size(stream: IO[bytes]) -> int | None:
    try:
        return os.fstat(stream.fileno()).st_size or None
    except (OSError, AttributeError):
        return None


def _refuse_binary(name: str, head: bytes, *, given: bool) -> None:
    """Refuse what is no text; where its encoding was given, only what is known to be something else."""
    if not head or head in BOMS:
        raise DataError("{name} is empty: expected a text a line, or a CSV with a header", name=name)
    if what := format_of(head):
        raise DataError("{name} is {refused}", name=name, refused=_REFUSED[what])
    if _ZEROS in head and not _is_wide(head):
        raise DataError(
            "{name} is a tar archive, or another binary file with runs of zeros: unpack it first (tar xf)", name=name
        )
    if given:
        return
    control = sum(head.count(code) for code in range(32) if code not in b"\0\t\n\r\x0b\x0c\x1b")
    if len(head) > 64 and (control > 0.05 * len(head) or head.count(0) > 0.2 * len(head)) and not _is_text(head):
        raise DataError("{name} is binary: expected a text a line, or a CSV with a header", name=name)


def _is_text(head: bytes) -> bool:
    """Tell whether bytes with many controls are text: marked, right UTF-8, or what texts are made of."""
    reading = find_encoding(head)
    if reading is None:
        return False
    if head.startswith(tuple(BOMS)) or (reading.encoding == "utf-8" and b"\0" not in head):
        return UNDECODABLE not in head.decode(reading.encoding, "nlpkit")
    return is_text(head, reading.encoding, odd=0.5)


def _is_wide(head: bytes) -> bool:
    """Tell whether bytes that hold runs of zeros make text in UTF-16 or UTF-32."""
    reading = find_encoding(head)
    return reading is not None and reading.encoding.startswith(("utf-16", "utf-32")) and is_text(head, reading.encoding)


def _usual_name(encoding: str) -> str:
    """Find the usual name of an encoding of text that works on any bytes."""
    try:
        mark = "".encode(encoding)  # UTF-16's byte order mark; codecs that are not of text, such as base64, are refused
        trial = mark + b"a\\ud800\xff"
        if "\ud800" not in codecs.getincrementaldecoder(encoding)(errors="nlpkit").decode(trial, final=True):
            return codecs.lookup(encoding).name
    except (LookupError, UnicodeError, ValueError, TypeError):
        pass
    raise SettingError(
        "there is no encoding {encoding!r} for text; try utf-8, gb18030, big5 or utf-16", encoding=encoding
    ) from None
