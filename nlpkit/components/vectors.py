"""Reads word vectors from text files: word2vec's format with or without its first line, GloVe's, fastText's."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import DataError, SettingError
from nlpkit.text.packing import ERRORS, format_of, is_damage, packed_by, unpacked
from nlpkit.text.row import is_number

if TYPE_CHECKING:
    from nlpkit.text.normalisation import Normaliser

T = TypeVar("T")
Vector: TypeAlias = NDArray[np.float32]
BOM = b"\xef\xbb\xbf"
ARCHIVES = {
    "zip": "a zip archive, as NumPy and torch write them too: unzip it first, and give the file of words and vectors "
    "in it",
    "7z": "a 7z archive: unpack it first, and give the file of vectors in it",
    "RAR": "a RAR archive: unpack it first, and give the file of vectors in it",
    "tar": "a tar archive: tar xf it first, and give the file of vectors in it",
    "zstd": "packed by zstd: unzstd it first",
}
HEAD = 512  # bytes by which an archive is told
_NO_TEXT = set(range(32)) - set(b"\t\n\r")
TOGETHER = 128  # tokens that are brought into the spelling of texts at a time
LONGEST = 1 << 20  # bytes of a line; only what is no text has more
SAMPLE = 1 << 16  # bytes behind the first line by which UTF-8 is told from other encodings
BEGINNING = 1 << 12  # bytes behind the first line by which text is told from numbers in binary


class VectorFile:
    """A file of which each line is a token in UTF-8 and ``dim`` numbers; it may be packed by gzip, bzip2 or xz.

    Made before training begins, so that a file that cannot be right is told at once.

    :param dim: numbers in a vector, None for any; afterwards that of the file.
    :param normaliser: of the texts: tokens are read in the spelling that it gives them; None: as they stand.
    :raises DataError: if it cannot be read, or its first line is no vector.
    :raises SettingError: if its vectors have another length than ``dim``.
    """

    def __init__(self, path: str, dim: int | None = None, normaliser: Normaliser | None = None) -> None:
        self.path, self.repeated, self._normaliser = path, 0, normaliser
        with open_vector_file(self.path) as file:
            first, sample = file.readline(LONGEST).removeprefix(BOM), file.read(SAMPLE)
            beginning = sample[:BEGINNING]
            self._header = _parse_header(first)
            size = self._header[1] if self._header else _count_numbers(first)
        if b"\r" in first.rstrip(b"\r\n"):
            raise DataError(
                "{path} ends its lines in CR, as old Macs did: expected LF; tr '\\r' '\\n' makes them so", path=path
            )
        if not size:
            refuse_other_encodings(path, first.split()[:1])
            raise DataError("{path} holds no vectors: its first line should be a token and numbers", path=path)
        self.dim = size
        if dim not in (None, size):
            raise SettingError(
                "dim is {dim}, but {path} has vectors of {size} numbers: set dim={size}", dim=dim, path=path, size=size
            )
        if self._header and _NO_TEXT & set(beginning):
            raise DataError(
                "{path} is binary: write the vectors as text (`nlpkit vectors train` does, to a name.txt)", path=path
            )
        lines = [*([] if self._header else [first]), *sample.split(b"\n")[: None if len(sample) < SAMPLE else -1]]
        refuse_other_encodings(path, [line.rsplit(maxsplit=size)[0] for line in lines if line.strip()])

    def read(self, tokens: Sequence[str]) -> Iterator[tuple[int, Vector]]:
        """Position and vector ``(dim,)`` of each of the tokens that the file has; of two lines for one, the first.

        The others are counted in ``repeated``. Lines of other tokens are not parsed. A few lines are in memory.

        :raises DataError: for a line that is no vector, for a file that is cut off, or that has none of the tokens.
        """
        positions = {token: position for position, token in enumerate(tokens)}
        first = TokenFilter(positions.__contains__)
        for token, vector in self.choose(first):
            yield positions[token], vector
        self.repeated = first.repeated
        if not first.tokens:
            raise DataError(
                "{path} has none of the {count} tokens of the vocabulary: is it UTF-8, and of words?",
                path=self.path,
                count=len(positions),
            )

    def choose(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Vector]]:
        """Token and vector ``(dim,)`` of each line whose token is wanted, in the order of the file.

        Whether it is wanted is asked line by line, so a token that has been had may be refused the next time. A token
        that is no UTF-8, or that nobody would see, is passed over.

        :raises DataError: for a wanted line that is no vector, and for a file that is cut off.
        """
        lines = ((self._split_line(number, line)[0], (number, line)) for number, line in self._read_lines())
        for token, (number, line) in spell_tokens(lines, self._normaliser):
            if wanted(token):
                yield token, self._parse_vector(number, self._split_line(number, line)[1:])

    def _read_lines(self) -> Iterator[tuple[int, bytes]]:
        """Numbers and contents of the lines that hold vectors."""
        number = count = 0
        with open_vector_file(self.path) as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST), b""), start=1):
                if line.strip() and not (number == 1 and self._header):
                    count += 1
                    yield number, line.removeprefix(BOM) if number == 1 else line
        if self._header and count < self._header[0]:
            raise DataError(
                "{path} is cut off after line {number}: it promises {header} vectors and has {count}",
                path=self.path,
                number=number,
                header=self._header[0],
                count=count,
            )

    def _split_line(self, number: int, line: bytes) -> list[bytes]:
        """Split a line into a token, which may hold spaces or be one, and ``dim`` numbers as written."""
        fields = line.rsplit(maxsplit=self.dim)
        if len(fields) == self.dim and line[:1].isspace():
            return [b" ", *fields]
        if len(fields) <= self.dim:
            raise self._make_error(number, f"{len(fields) - 1} numbers")
        return fields

    def _parse_vector(self, number: int, fields: Sequence[bytes]) -> Vector:
        try:
            numbers = [float(field) for field in fields]
        except ValueError:
            raise self._make_error(number, "something that is no number") from None
        with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is told next
            vector = np.array(numbers, dtype=np.float32)
        if not np.isfinite(vector).all():
            raise self._make_error(number, "a number that is not finite")
        return vector

    def _make_error(self, number: int, what: str) -> DataError:
        return DataError(
            "{path}, line {number}: expected a token and {dim} numbers, found {what}",
            path=self.path,
            number=number,
            dim=self.dim,
            what=what,
        )


class TokenFilter:
    """Says of each token whether it is wanted, and has not been had; counts those that come again.

    :param wanted: whether a token is wanted at all.
    """

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self._accepts = wanted
        self.tokens: set[str] = set()
        self.repeated = 0

    def __call__(self, token: str) -> bool:
        """Ask for a token, which has then been had."""
        if not self._accepts(token):
            return False
        if token in self.tokens:
            self.repeated += 1
            return False
        self.tokens.add(token)
        return True


def spell_tokens(entries: Iterable[tuple[bytes, T]], normaliser: Normaliser | None) -> Iterator[tuple[str, T]]:
    """Entries in order, their tokens in the spelling of texts; those of no UTF-8, or without one, are left out.

    A normaliser is much faster for many tokens than for one, so some are taken together.
    """
    source = iter(entries)
    while block := list(itertools.islice(source, TOGETHER)):
        pairs = [(token, rest) for raw, rest in block if (token := decode_token(raw)) is not None]
        tokens = [token for token, _ in pairs]
        tokens = tokens if normaliser is None else normaliser.batch(tokens)
        yield from ((token, rest) for token, (_, rest) in zip(tokens, pairs, strict=True) if token)


@contextmanager
def open_vector_file(path: str) -> Iterator[IO[bytes]]:
    """Open a file of vectors, whether it is packed or not.

    :raises DataError: if that or reading fails, or it is an archive.
    """
    try:
        with Path(path).open("rb") as file:
            stream = _unpack(file)
            _refuse_archive(path, stream.read(HEAD))
            stream.seek(0)
            yield stream
    except ERRORS as error:
        damage = is_damage(error)
        what = f"are damaged: {error}" if damage else f"cannot be read: {getattr(error, 'strerror', error)}"
        raise DataError("the vectors {path} {what}", path=path, what=what) from error


def _unpack(file: IO[bytes]) -> Any:
    how = packed_by(file.read(HEAD))
    file.seek(0)
    return file if how is None else unpacked(file, how)


def _refuse_archive(path: str, head: bytes) -> None:
    """Refuse what holds files, by the first bytes behind the packing.

    :raises DataError: saying what to do.
    """
    if packed_by(head):
        raise DataError("{path} is packed twice: unpack it once", path=path)
    kind = format_of(head)
    if kind in ARCHIVES:
        raise DataError("{path} is {archives}", path=path, archives=ARCHIVES[kind])


def refuse_other_encodings(path: str, tokens: Iterable[bytes]) -> None:
    """Refuse a file that is not UTF-8, by its first tokens.

    :raises DataError: if most of them that are more than ASCII fit no character.
    """
    wide = [token for token in tokens if not token.isascii()]
    if 2 * sum(decode_token(token) is None for token in wide) > len(wide):
        raise DataError(
            "{path} is not UTF-8: {wide!r} is no word; expected words in UTF-8, as iconv -f "
            "GB18030 -t UTF-8 makes them of GBK",
            path=path,
            wide=wide[0][:20],
        )


def decode_token(token: bytes) -> str | None:
    """Decode a token of a file of vectors; return None for one that is not UTF-8."""
    try:
        return token.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


def _parse_header(line: bytes) -> tuple[int, int] | None:
    """Return the number of vectors and that of numbers in each, if a first line says so, as word2vec's does."""
    fields = line.split()
    if len(fields) != 2 or not all(field.isdigit() and len(field) < 16 for field in fields):
        return None
    return int(fields[0]), int(fields[1])


def _count_numbers(line: bytes) -> int:
    """How many numbers stand at the end of a line whose first field is a token, be it a number too."""
    count = 0
    for field in reversed(line.split()[0 if line[:1].isspace() else 1 :]):
        if not is_number(field):
            break
        count += 1
    return count
