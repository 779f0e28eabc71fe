"""The files of a folder that a stranger may have made: regular files of sane size that lie inside it, and no others.

An `OpenFolder` stays what it was when it was opened, though the folder be moved, replaced or deleted meanwhile: it
holds its files open, relative to the folder and not to its name. Where the system cannot open files so, it has read
them all. What is seldom read is not held: it is opened again when it is asked for, and must be the same file still.
"""

from __future__ import annotations

import os
import stat
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

MEGABYTE = 1 << 20
MOST_FILES, DEEPEST = 128, 8  # a process may have 256 open on some systems
LARGEST = "NLPKIT_LARGEST_FILE"  # megabytes, in the environment
LARGEST_FILE, TOTAL = 512, 2  # megabytes; how much all files may have, in largest files
SHORT_TEXTS = ("config.json", "evidence.json", "samples.json", "README.md", "history.csv", "curve.png")
TEXT, SHORT_TEXT = 16, 64  # what is parsed may have the sixteenth part, and what never is long the sixty-fourth
SMALL = 1 << 16  # bytes: files up to this are read when the folder is opened, and need not stay open
TEXTS = (".json", ".md", ".csv", ".txt", ".png")
_READ = os.O_RDONLY
for _flag in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
    _READ |= getattr(os, _flag, 0)
_LIST = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_DIRECTORY", 0)
_RELATIVE = os.open in os.supports_dir_fd and os.scandir in os.supports_fd and hasattr(os, "pread")


class UnfitError(Exception):
    """Something in a folder is not what a model is made of; its text goes on from the name of it."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path} {why}")


class ChangedError(UnfitError):
    """A file is not what it was when the folder was opened."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "has been changed since the model was opened: open it again")


class ReplacedError(Exception):
    """The folder was replaced while it was opened."""


class _Stamp(NamedTuple):
    """By which a file and its contents are known again."""

    device: int
    number: int
    size: int
    changed: int  # nanoseconds
    moved: int  # of folders only, which change so when they are moved

    @classmethod
    def of(cls, status: os.stat_result) -> _Stamp:
        change = status.st_ctime_ns if stat.S_ISDIR(status.st_mode) else 0
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, change)


class OpenFolder(Mapping[str, bytes]):
    """Contents of files by their paths in the folder, with forward slashes; names that begin with a dot are left out.

    :param unread: names of files that are not read as a rule, and so may be larger than sane.
    :raises UnfitError: if something is there that is no regular file, too large, too deep, or there is too much.
    :raises ReplacedError: if the folder was moved away while it was opened.
    :raises OSError: if the system refuses.
    """

    def __init__(self, folder: Path, *, unread: tuple[str, ...] = ()) -> None:
        self._folder = folder.absolute()
        self._unread = unread
        self._contents: dict[str, bytes] = {}
        self._stamps: dict[str, _Stamp] = {}  # of what is not in memory
        self._open: dict[str, int] = {}  # what is held, the folder itself by an empty path
        self._close = weakref.finalize(self, _close_all, self._open)
        self._close.atexit = False  # the system closes them
        self.entries = 0
        try:
            self._enter(folder)
        except BaseException:
            self._close()
            raise

    def __getitem__(self, path: str) -> bytes:
        if path in self._contents:
            return self._contents[path]
        stamp = self._stamps[path]
        _check_size(path, stamp.size)
        if path in self._open:
            return _read_same(path, self._open[path], stamp)
        file = self._open_again(path)
        try:
            return _read_same(path, file, stamp)
        finally:
            os.close(file)

    def __contains__(self, path: object) -> bool:
        return path in self._contents or path in self._stamps

    def __iter__(self) -> Iterator[str]:
        return iter(sorted([*self._contents, *self._stamps]))

    def __len__(self) -> int:
        return len(self._contents) + len(self._stamps)

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(map(len, self._contents.values())) + sum(stamp.size for stamp in self._stamps.values())

    def let_go(self, paths: Iterable[str]) -> None:
        """Hold these files no longer: they can be read as long as they are there."""
        for path in paths:
            if path in self._open:
                os.close(self._open.pop(path))

    def _enter(self, folder: Path) -> None:
        try:
            if _RELATIVE:
                self._open[""] = os.open(folder, _LIST)
            before = _Stamp.of(folder.stat())
            self._walk(self._open.get("", self._folder), "", 1)
            self._check_total()
            if not _RELATIVE:
                self._read_all()
            if not self._is_same(folder.stat(), before):
                raise ReplacedError
        except (FileNotFoundError, ChangedError):
            raise ReplacedError from None
        if not self._stamps:
            self.let_go([""])

    def _is_same(self, folder: os.stat_result, before: _Stamp) -> bool:
        """Whether a folder is the one that was opened; the number of one that is not held may be given to another."""
        if _RELATIVE:
            return os.path.samestat(folder, os.fstat(self._open[""]))
        return _Stamp.of(folder) == before

    def _walk(self, folder: int | Path, prefix: str, depth: int) -> None:
        """Take all files of a folder, open or by its name, and of those in it."""
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in self._count(entries, depth))
        for name in names:
            place, path = _Place.of(folder, name), f"{prefix}{name}"
            kind = place.stat()
            _check_no_link(path, kind)
            if not stat.S_ISDIR(kind.st_mode):
                _check_regular(path, kind)  # opening a device may do something
                self._take(place, path)
            elif place.folder is None:
                self._walk(Path(place.path), f"{path}/", depth + 1)
            else:
                inner = place.open(_LIST | _READ)
                try:
                    self._walk(inner, f"{path}/", depth + 1)
                finally:
                    os.close(inner)

    def _count(self, entries: Iterator[os.DirEntry[str]], depth: int) -> Iterator[os.DirEntry[str]]:
        for entry in entries:
            if depth == 1 and entry.name.startswith("."):
                continue  # of version control, of the system's own
            self.entries += 1
            if self.entries > MOST_FILES or depth > DEEPEST:
                raise UnfitError("it", f"holds more than {MOST_FILES} files, or {DEEPEST} folders in each other")
            yield entry

    def _take(self, place: _Place, path: str) -> None:
        """Open one file, never by a link, and never waiting for one who writes."""
        file = place.open(_READ)
        try:
            status = os.fstat(file)
            _check_regular(path, status)
            if not self._is_unread(path):
                _check_size(path, status.st_size)
            if status.st_size <= SMALL:
                self._contents[path] = _read(file, status.st_size)
            else:
                self._stamps[path] = _Stamp.of(status)
                if _RELATIVE and not self._is_unread(path):
                    self._open[path] = file
        finally:
            if path not in self._open:
                os.close(file)

    def _is_unread(self, path: str) -> bool:
        return path.rpartition("/")[2] in self._unread

    def _check_total(self) -> None:
        total = sum(stamp.size for path, stamp in self._stamps.items() if not self._is_unread(path))
        if total > (most := TOTAL * largest_file("")):
            raise UnfitError(
                "it", f"holds {total / MEGABYTE:,.1f} MB, more than the {most / MEGABYTE:,.1f} {_advise(total, TOTAL)}"
            )

    def _read_all(self) -> None:
        """Hold in memory what cannot be held open."""
        for path in [path for path in self._stamps if not self._is_unread(path)]:
            self._contents[path] = self[path]
            del self._stamps[path]

    def _open_again(self, path: str) -> int:
        place = _Place.of(self._open.get("", self._folder), path)
        try:
            _check_regular(path, place.stat())
            return place.open(_READ)
        except FileNotFoundError:
            raise ChangedError(path) from None


class _Place(NamedTuple):
    """A name in a folder that is open, or a whole path."""

    path: str | Path
    folder: int | None

    @classmethod
    def of(cls, folder: int | Path, name: str) -> _Place:
        return cls(name, folder) if isinstance(folder, int) else cls(folder / name, None)

    def stat(self) -> os.stat_result:
        return os.stat(self.path, dir_fd=self.folder, follow_symlinks=False)

    def open(self, flags: int) -> int:
        return os.open(self.path, flags, dir_fd=self.folder)


def largest_file(path: str) -> int:
    """Bytes that a file of this name may have."""
    megabytes = os.environ.get(LARGEST, "")
    limit = int(megabytes) if megabytes.isdecimal() and len(megabytes) < 20 else LARGEST_FILE
    return limit * MEGABYTE // _divisor_of(path)


def _divisor_of(path: str) -> int:
    return SHORT_TEXT if path in SHORT_TEXTS else TEXT if path.endswith(TEXTS) else 1


def _check_no_link(path: str, status: os.stat_result) -> None:
    """Refuse links, and what is one by another name: junctions and the like of Windows."""
    if stat.S_ISLNK(status.st_mode) or getattr(status, "st_file_attributes", 0) & stat.FILE_ATTRIBUTE_REPARSE_POINT:
        raise UnfitError(path, "is a link, and a model holds files only: put the file itself there")


def _check_regular(path: str, status: os.stat_result) -> None:
    _check_no_link(path, status)
    if not stat.S_ISREG(status.st_mode):
        raise UnfitError(path, "is no regular file")


def _check_size(path: str, size: int) -> None:
    if size > (most := largest_file(path)):
        why = f"has {size / MEGABYTE:,.1f} MB, more than the {most / MEGABYTE:,.1f} {_advise(size * _divisor_of(path))}"
        raise UnfitError(path, why)


def _advise(size: int, files: int = 1) -> str:
    """Say what lets so many bytes be read."""
    enough = -(-size // (files * MEGABYTE))
    return f"that are read: if you trust it, set {LARGEST} in the environment to {enough}"


def _read_same(path: str, file: int, stamp: _Stamp) -> bytes:
    """Read the contents of an open file, which must be what they were."""
    if _Stamp.of(os.fstat(file)) == stamp:
        data = _read(file, stamp.size)
        if len(data) == stamp.size and _Stamp.of(os.fstat(file)) == stamp:
            return data
    raise ChangedError(path)


def _read(file: int, size: int) -> bytes:
    """At most so many bytes of an open file from its beginning; one that is held is read by others at the same time."""
    parts: list[bytes] = []
    at = 0
    while at < size and (part := _read_part(file, min(size - at, 1 << 30), at)):
        parts.append(part)
        at += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _read_part(file: int, size: int, at: int) -> bytes:
    return os.pread(file, size, at) if _RELATIVE else os.read(file, size)


def _close_all(files: dict[str, int]) -> None:
    for file in files.values():
        with suppress(OSError):
            os.close(file)
    files.clear()
