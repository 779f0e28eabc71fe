"""What reaches a terminal: text, and of what steers it only what is our own.

Whatever a file, a model or a plugin holds, no control character of it and no character that turns the direction of
writing goes to a terminal: `guard` puts a filter before stdout and stderr, so that no print can forget it.
"""

from __future__ import annotations

import codecs
import io
import re
import sys
from typing import IO, Any, TextIO, cast

from nlpkit.text.invisible import STEERING, ranges

CONTROL = re.compile(rf"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f{ranges(STEERING)}]")  # not tabs and line ends
_IN_JSON = re.compile(f"[{ranges(STEERING)}]")  # where ASCII's are escapes anyway


def make_harmless(text: str) -> str:
    """Return a text as lines of a terminal."""
    return CONTROL.sub("�", text)


def to_one_line(text: str) -> str:
    """Return a text as one line of a terminal."""
    return CONTROL.sub("�", " ".join(text.split()))


def to_sentence(text: str) -> str:
    """Return what we say as one line; all that stands in it stays but line ends and what is not harmless."""
    return make_harmless(" ".join(text.splitlines()))


def escape_json(data: bytes) -> str:
    """Return the same JSON, in which what could steer a terminal is written as an escape."""
    return _IN_JSON.sub(lambda found: _escape(found[0]), data.decode(errors="replace"))


def _escape(character: str) -> str:
    """Escape a character as JSON does: beyond U+FFFF as two surrogates."""
    return re.sub("....", r"\\u\g<0>", character.encode("utf-16-be").hex())


class Screen(io.TextIOWrapper):
    """A stream on which everything is harmless but what is written to `styled` or `raw`.

    :param below: the stream that it stands for.
    """

    def __init__(self, below: io.TextIOWrapper) -> None:
        below.flush()
        super().__init__(
            below.buffer,
            below.encoding,
            "replace",
            line_buffering=below.line_buffering,
            write_through=below.write_through,
        )
        self._below = below  # which would close what is under both
        self._bytes = HarmlessBytes(below.buffer)

    def write(self, text: str) -> int:
        """Write a text, harmless."""
        super().write(make_harmless(text))
        return len(text)

    @property
    def buffer(self) -> Any:
        """Takes UTF-8, which comes out harmless."""
        self.flush()  # what comes next comes behind it
        return self._bytes

    @property
    def raw(self) -> IO[bytes]:
        """Takes bytes as they are, from those who have seen to it that they are harmless."""
        self.flush()
        return cast(IO[bytes], super().buffer)

    @property
    def styled(self) -> TextIO:
        """Takes text as it is, from those who draw."""
        return cast(TextIO, _Styled(self))


class HarmlessBytes(io.BufferedIOBase):
    """Takes UTF-8 and passes it on, harmless.

    :param below: where to.
    """

    def __init__(self, below: Any) -> None:
        self._below = below
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        """Say that it is."""
        return True

    def write(self, data: Any) -> int:
        """Write bytes."""
        self._below.write(make_harmless(self._decoder.decode(bytes(data))).encode("utf-8", "replace"))
        return len(data)

    def flush(self) -> None:
        """Pass on what is held back."""
        self._below.flush()

    def close(self) -> None:
        """Leave open what is below: it is not ours to close."""

    def fileno(self) -> int:
        """Return that of what is below."""
        return int(self._below.fileno())

    def isatty(self) -> bool:
        """Tell whether a terminal is below."""
        return bool(self._below.isatty())


class _Styled:
    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def write(self, text: str) -> int:
        return io.TextIOWrapper.write(self._screen, text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._screen, name)


def guard() -> None:
    """Put a `Screen` before stderr, and before stdout if that is a terminal: into a file goes what is in the data."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a console in GBK cannot show every character
        if sys.stdout.isatty() and not isinstance(sys.stdout, Screen):
            sys.stdout = Screen(sys.stdout)
    if isinstance(sys.stderr, io.TextIOWrapper) and not isinstance(sys.stderr, Screen):
        sys.stderr = Screen(sys.stderr)


def drawable(stream: TextIO) -> TextIO:
    """Return where one may draw who sees to it that all but the drawing is harmless."""
    return stream.styled if isinstance(stream, Screen) else stream


def binary(stream: TextIO, *, styled: bool = False) -> IO[bytes]:
    """Return where bytes for a stream go.

    :param styled: whether they are harmless but for their colours.
    """
    return stream.raw if styled and isinstance(stream, Screen) else cast(IO[bytes], stream.buffer)
