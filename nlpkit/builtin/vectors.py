"""Reads word vectors from text files: word2vec's format with or without its first line, GloVe's, fastText's."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import DataError, SettingError

Vector: TypeAlias = NDArray[np.float32]
GZIP, BOM = b"\x1f\x8b", b"\xef\xbb\xbf"
_NO_TEXT = set(range(32)) - set(b"\t\n\r")
LONGEST = 1 << 20  # bytes of a line; only what is no text has more
BEGINNING = 1 << 12  # bytes behind the first line by which text is told from numbers in binary


class VectorFile:
    """A file of which each line is a token in UTF-8 and ``dim`` numbers, None for any; it may be packed by gzip.

    Made before training begins, so that a file that cannot be right is told at once.

    :param dim: numbers in a vector; afterwards that of the file.
    :raises DataError: if it cannot be read, or its first line is no vector.
    :raises SettingError: if its vectors have another length than ``dim``.
    """

    def __init__(self, path: str, dim: int | None = None) -> None:
        self.path = path
        with reading(self.path) as file:
            first, beginning = file.readline(LONGEST).removeprefix(BOM), file.read(BEGINNING)
            self._header = _header(first)
            found = self._header[1] if self._header else _numbers_at_the_end(first)
        if not found:
            raise DataError(f"{path} holds no vectors: its first line should be a token and numbers")
        self.dim = found
        if dim not in (None, found):
            raise SettingError(f"dim is {dim}, but {path} has vectors of {found} numbers: set dim={found}")
        if self._header and _NO_TEXT & set(beginning):
            raise DataError(f"{path} is binary: write the vectors as text (`nlpkit vectors train` does, to a name.txt)")

    def read(self, tokens: Sequence[str]) -> Iterator[tuple[int, Vector]]:
        """Position and vector ``(dim,)`` of each of the tokens that the file has; of two lines for one, the first.

        Lines of other tokens are counted, not parsed. One line at a time is in memory.

        :raises DataError: for a line that is no vector, for a file that is cut off, or that has none of the tokens.
        """
        wanted = {token: position for position, token in enumerate(tokens)}
        before = len(wanted)
        for token, vector in self.choose(wanted.__contains__):
            yield wanted.pop(token), vector
        if len(wanted) == before:
            raise DataError(
                f"{self.path} has none of the {before} tokens of the vocabulary: is it UTF-8, and of words?"
            )

    def choose(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Vector]]:
        """Token and vector ``(dim,)`` of each line whose token is wanted, in the order of the file.

        Whether it is wanted is asked line by line, so a token that has been had may be refused the next time. A token
        that is no UTF-8 is passed over.

        :raises DataError: for a wanted line that is no vector, and for a file that is cut off.
        """
        for number, line in self._lines():
            token, *numbers = self._fields(number, line)
            if (shown := decoded(token)) is not None and wanted(shown):
                yield shown, self._vector(number, numbers)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Numbers and contents of the lines that hold vectors."""
        number = found = 0
        with reading(self.path) as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST), b""), start=1):
                if line.strip() and not (number == 1 and self._header):
                    found += 1
                    yield number, line.removeprefix(BOM) if number == 1 else line
        if self._header and found < self._header[0]:
            raise DataError(
                f"{self.path} is cut off after line {number}: it promises {self._header[0]} vectors and has {found}"
            )

    def _fields(self, number: int, line: bytes) -> list[bytes]:
        """A token, which may hold spaces or be one, and ``dim`` numbers as written."""
        fields = line.rsplit(maxsplit=self.dim)
        if len(fields) == self.dim and line[:1].isspace():
            return [b" ", *fields]
        if len(fields) <= self.dim:
            raise self._broken(number, f"{len(fields) - 1} numbers")
        return fields

    def _vector(self, number: int, fields: Sequence[bytes]) -> Vector:
        try:
            numbers = [float(field) for field in fields]
        except ValueError:
            raise self._broken(number, "something that is no number") from None
        with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is told next
            vector = np.array(numbers, dtype=np.float32)
        if not np.isfinite(vector).all():
            raise self._broken(number, "a number that is not finite")
        return vector

    def _broken(self, number: int, found: str) -> DataError:
        return DataError(f"{self.path}, line {number}: expected a token and {self.dim} numbers, found {found}")


@contextmanager
def reading(path: str) -> Iterator[IO[bytes]]:
    """Open a file of vectors, whether it is packed or not.

    :raises DataError: if that or reading fails.
    """
    try:
        with Path(path).open("rb") as file:
            packed = file.read(len(GZIP)) == GZIP
            file.seek(0)
            yield cast(IO[bytes], gzip.GzipFile(fileobj=file)) if packed else file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"the vectors {path} are damaged: {error}") from error
    except OSError as error:
        raise DataError(f"the vectors {path} cannot be read: {error.strerror}") from error


def decoded(token: bytes) -> str | None:
    """A token as it stands in a file of vectors; None for one that is no UTF-8."""
    try:
        return token.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


def _header(line: bytes) -> tuple[int, int] | None:
    """The number of vectors and that of numbers in each, if that is what word2vec's first line says."""
    fields = line.split()
    if len(fields) != 2 or not all(field.isdigit() and len(field) < 16 for field in fields):
        return None
    return int(fields[0]), int(fields[1])


def _numbers_at_the_end(line: bytes) -> int:
    """How many numbers stand at the end of a line whose first field is a token, be it a number too."""
    count = 0
    for field in reversed(line.split()[0 if line[:1].isspace() else 1 :]):
        if not _is_number(field):
            break
        count += 1
    return count


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
