"""Files of vectors: opened by what is in them, and written whole or not at all. No pickle is ever read or written."""

from __future__ import annotations

import gzip
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Protocol, TypeAlias, cast

import numpy as np
from nlpkit import DataError, SettingError
from nlpkit.components import VectorFile, open_vector_file, refuse_other_encodings, spell_tokens
from nlpkit.files import replacing
from nlpkit.text import Normaliser
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float32]
FORMATS = {".txt": "text", ".vec": "text", ".bin": "binary"}
HEAD, BLOCK = 1 << 16, 1 << 20  # bytes
LONGEST = 1000  # bytes of a word
FIRST = 1000  # words by which UTF-8 is told from other encodings
NUMERIC = frozenset(b"0123456789.+-eE \t\r\n")
CONVERT = "convert it by gensim's {load}.save_word2vec_format('vectors.bin', binary=True)"
STRANGERS = (
    (b"\x80", f"a pickle, which can run anything when it is read: if you trust it, {CONVERT}"),
    (b"\x93NUMPY", "an array of NumPy's without its words: give the file that has them, in word2vec's format"),
    (b"\xba\x16\x4f\x2f", f"a whole model of fastText's: take the .vec beside it, or {CONVERT}"),
)


class Vectors(Protocol):
    """An open file of vectors."""

    path: str
    dim: int

    def choose(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Vector]]:
        """Return word and vector ``(dim,)`` of each entry whose word is wanted, in the order of the file."""
        ...


def open_vectors(path: str, dim: int | None = None, normaliser: Normaliser | None = None) -> Vectors:
    """Open a file in word2vec's text or binary format, or GloVe's or fastText's text; it may be packed.

    :param dim: the numbers that its vectors must have; None for any.
    :param normaliser: of the texts: words are read in the spelling that it gives them; None: as they stand.
    :raises DataError: if it is none of these, or cannot be read.
    :raises SettingError: if its vectors have another length.
    """
    with open_vector_file(path) as file:
        head = file.read(HEAD)
    for mark, what in STRANGERS:
        if head.startswith(mark):
            raise DataError("{path} is {what}", path=path, what=what.format(load=_advise(path, head)))
    kind = BinaryVectorFile if _is_binary(head) else VectorFile
    return kind(path, dim, normaliser)


class BinaryVectorFile:
    """A file in word2vec's binary format: the number of words, that of numbers, and for each word as many float32.

    :raises DataError: if it cannot be read.
    :raises SettingError: if its vectors have another length than ``dim``.
    """

    def __init__(self, path: str, dim: int | None = None, normaliser: Normaliser | None = None) -> None:
        self.path, self._normaliser = path, normaliser
        with open_vector_file(path) as file:
            self._words, self.dim = _parse_header(file.readline(HEAD)) or (0, 0)
        if dim not in (None, self.dim):
            raise SettingError(
                "dim is {dim}, but {path} has vectors of {expected} numbers: set dim={expected}",
                dim=dim,
                path=path,
                expected=self.dim,
            )
        refuse_other_encodings(path, (word for word, _ in itertools.islice(self._entries(), FIRST)))

    def choose(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Vector]]:
        """Return word and vector ``(dim,)`` of each entry whose word is wanted, in the order of the file.

        A word that is no UTF-8 is passed over. What follows a word is not looked at unless that is wanted.

        :raises DataError: for a vector with a number that is not finite, and for a file whose words and vectors do not
            come out even.
        """
        entries = ((raw, (number, data)) for number, (raw, data) in enumerate(self._entries(), start=1))
        for word, (number, data) in spell_tokens(entries, self._normaliser):
            if wanted(word):
                vector = np.frombuffer(data, dtype="<f4").astype(np.float32)
                if not np.isfinite(vector).all():
                    raise DataError(
                        "{path}, word {number:,} ({word!r}): a number that is not finite",
                        path=self.path,
                        number=number,
                        word=word,
                    )
                yield word, vector

    def _entries(self) -> Iterator[tuple[bytes, bytes]]:
        """Read words, and their vectors as bytes."""
        with open_vector_file(self.path) as file:
            file.readline(HEAD)
            source = _Buffered(file)
            for number in range(1, self._words + 1):
                word = source.until(b" ", LONGEST)
                data = None if word is None else source.take(4 * self.dim)
                if word is None or data is None:
                    raise self._uneven(f"breaks off in word {number:,}")
                if any(byte < 0x20 for byte in word.lstrip(b"\r\n")):
                    raise self._uneven(f"has a word {number:,} that is none")
                yield word.lstrip(b"\r\n"), data
            if source.rest().strip(b"\r\n"):
                raise self._uneven("goes on behind the last")

    def _uneven(self, found: str) -> DataError:
        return DataError(
            "{path} promises {words:,} words with {dim} numbers each, but {found}: it is cut off "
            "or damaged, or a word in it holds a space",
            path=self.path,
            words=self._words,
            dim=self.dim,
            found=found,
        )


class _Buffered:
    """Bytes of a file, taken piece by piece."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._held, self._at = file, b"", 0

    def until(self, mark: bytes, limit: int) -> bytes | None:
        """Take what stands before the next mark, which is skipped; None if that is not near."""
        end = self._held.find(mark, self._at)
        if end < 0:
            self._fill(limit)
            end = self._held.find(mark, self._at, self._at + limit)
        if end < 0 or end - self._at > limit:
            return None
        found = self._held[self._at : end]
        self._at = end + len(mark)
        return found

    def take(self, size: int) -> bytes | None:
        """Take so many bytes, or None if there are fewer."""
        if len(self._held) - self._at < size:
            self._fill(size)
        found = self._held[self._at : self._at + size]
        self._at += size
        return found if len(found) == size else None

    def rest(self) -> bytes:
        """Return what is left, or enough of it to know that something is."""
        self._fill(BLOCK)
        return self._held[self._at :]

    def _fill(self, size: int) -> None:
        self._held = self._held[self._at :] + self._file.read(max(size, BLOCK))
        self._at = 0


def _advise(path: str, head: bytes) -> str:
    """Say how gensim opens what we do not."""
    if not head.startswith(b"\x80"):
        return f"load_facebook_vectors({path!r})"
    return f"Word2Vec.load({path!r}).wv" if path.endswith(".model") else f"KeyedVectors.load({path!r})"


def _parse_header(line: bytes) -> tuple[int, int] | None:
    fields = line.split()
    if len(fields) != 2 or not all(field.isdigit() and len(field) < 10 for field in fields):
        return None
    return int(fields[0]), int(fields[1])


def _is_binary(head: bytes) -> bool:
    """Whether behind the first line and the first word stands anything but numbers in digits, mostly."""
    first, _, others = head.partition(b"\n")
    found = _parse_header(first)
    if not found or not found[1]:
        return False
    if _ends_in_numbers(others.partition(b"\n")[0], found[1]):
        return False
    word, space, following = others.partition(b" ")
    data = following[: 4 * found[1]]
    return bool(space) and b"\n" not in word.lstrip(b"\r\n") and 2 * sum(byte in NUMERIC for byte in data) < len(data)


def _ends_in_numbers(line: bytes, count: int) -> bool:
    """Whether a line is a word and so many numbers in digits, or ``nan``, or ``inf``."""
    fields = line.split()
    try:
        return len(fields) > count and len([float(field) for field in fields[-count:]]) == count
    except ValueError:
        return False


def format_of(path: Path) -> str | None:
    """Return the format that a file's name tells, be it packed or not; None if it tells none."""
    return FORMATS.get(Path(path.name.lower().removesuffix(".gz")).suffix)


def write_vectors(path: Path, words: Sequence[str], vectors: NDArray[np.float32], *, binary: bool) -> None:
    """Write vectors ``(words, dim)`` in word2vec's format, packed by gzip if the name ends in .gz, whole or not at all.

    :param words: none holds white space: the formats have no way to say so.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(Path(os.path.realpath(path))) as file:
        _write(file, path, words, vectors, binary=binary)


def _write(file: IO[bytes], path: Path, words: Sequence[str], vectors: NDArray[np.float32], *, binary: bool) -> None:
    if path.suffix.lower() != ".gz":
        _write_entries(file, words, vectors, binary=binary)
        return
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:  # equal vectors make equal files
        _write_entries(cast(IO[bytes], packed), words, vectors, binary=binary)


def _write_entries(file: IO[bytes], words: Sequence[str], vectors: NDArray[np.float32], *, binary: bool) -> None:
    file.write(f"{len(words)} {vectors.shape[1]}\n".encode())
    for word, vector in zip(words, vectors, strict=True):
        numbers = vector.astype("<f4").tobytes() if binary else " ".join(f"{x:.6g}" for x in vector.tolist()).encode()
        file.write(word.encode("utf-8", "surrogatepass") + b" " + numbers + b"\n")
