"""The files of a folder that a stranger may have made: regular files of sane size that lie inside it, and no others.

An `OpenFolder` stays what it was when it was opened, though the folder be moved, replaced or deleted meanwhile: it
holds its files open, relative to the folder and not to its name. Where the system cannot open files so, it has read
them all.
"""

from __future__ import annotations

import os
import stat
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

MEGABYTE = 1 << 20
MOST_FILES, DEEPEST = 1000, 8
LARGEST = "NLPKIT_LARGEST_FILE"  # megabytes, in the environment
LARGEST_FILE = 512  # megabytes
SHORT_TEXTS = ("config.json", "evidence.json", "samples.json", "README.md", "history.csv", "curve.png")
TEXT, SHORT_TEXT = 16, 64  # what is parsed may have the sixteenth part, and what never is long the sixty-fourth
SMALL = 1 << 16  # bytes: files up to this are read when the folder is opened, and need not stay open
TEXTS = (".json", ".md", ".csv", ".txt", ".png")
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_LIST = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_DIRECTORY", 0)
_RELATIVE = os.open in os.supports_dir_fd and os.scandir in os.supports_fd and hasattr(os, "pread")


class UnfitError(Exception):
    """Something in a folder is not what a model is made of; its text goes on from the name of it."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path} {why}")


class ReplacedError(Exception):
    """The folder was replaced while it was opened."""


class _Stamp(NamedTuple):
    """What of a file changes when its contents do."""

    size: int
    changed: int  # nanoseconds

    @classmethod
    def of(cls, found: os.stat_result) -> _Stamp:
        return cls(found.st_size, found.st_mtime_ns)


class OpenFolder(Mapping[str, bytes]):
    """Contents of files by their paths in the folder, with forward slashes; names that begin with a dot are left out.

    :param unread: names of files that are not read as a rule, and so may be larger than sane.
    :raises UnfitError: if something is there that is no regular file, too large, too deep, or there is too much.
    :raises ReplacedError: if the folder was moved away while it was opened.
    :raises OSError: if the system refuses.
    """

    def __init__(self, folder: Path, *, unread: tuple[str, ...] = ()) -> None:
        self._unread = unread
        self._contents: dict[str, bytes] = {}
        self._open: dict[str, tuple[int, _Stamp]] = {}
        self._close = weakref.finalize(self, _close_all, self._open)
        self._close.atexit = False  # the system closes them
        self._entries = 0
        try:
            self._enter(folder)
        except BaseException:
            self._close()
            raise

    def __getitem__(self, path: str) -> bytes:
        if path in self._contents:
            return self._contents[path]
        file, stamp = self._open[path]
        _check_size(path, stamp.size)
        data = _read(file, stamp.size)
        if len(data) != stamp.size or _Stamp.of(os.fstat(file)) != stamp:
            raise UnfitError(path, "has been changed since the model was opened: open it again")
        return data

    def __contains__(self, path: object) -> bool:
        return path in self._contents or path in self._open

    def __iter__(self) -> Iterator[str]:
        return iter(sorted([*self._contents, *self._open]))

    def __len__(self) -> int:
        return len(self._contents) + len(self._open)

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(map(len, self._contents.values())) + sum(stamp.size for _, stamp in self._open.values())

    def _enter(self, folder: Path) -> None:
        if not _RELATIVE:
            self._read_all(folder)
            return
        root = os.open(folder, _LIST)
        try:
            self._walk(root, "", 1)
            if not os.path.samestat(os.fstat(root), folder.stat()):
                raise ReplacedError
        except FileNotFoundError:
            raise ReplacedError from None
        finally:
            os.close(root)

    def _walk(self, folder: int, prefix: str, depth: int) -> None:
        """Open all files of an open folder, and of those in it."""
        with os.scandir(folder) as found:
            entries = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in self._counted(found, depth))
        for name, is_folder in entries:
            if is_folder:
                inner = os.open(name, _LIST | _READ, dir_fd=folder)
                try:
                    self._walk(inner, f"{prefix}{name}/", depth + 1)
                finally:
                    os.close(inner)
            else:
                self._take(folder, name, f"{prefix}{name}")

    def _counted(self, found: Iterator[os.DirEntry[str]], depth: int) -> Iterator[os.DirEntry[str]]:
        for entry in found:
            if depth == 1 and entry.name.startswith("."):
                continue  # of version control, of the system's own
            self._entries += 1
            if self._entries > MOST_FILES or depth > DEEPEST:
                raise UnfitError("it", f"holds more than {MOST_FILES} files, or {DEEPEST} folders in each other")
            yield entry

    def _take(self, folder: int, name: str, path: str) -> None:
        """Open one file, never by a link, and never waiting for one who writes."""
        _check_kind(path, os.stat(name, dir_fd=folder, follow_symlinks=False))  # opening a device may do something
        file = os.open(name, _READ, dir_fd=folder)
        try:
            found = os.fstat(file)
            _check_kind(path, found)
            if name not in self._unread:
                _check_size(path, found.st_size)
            if found.st_size <= SMALL:
                self._contents[path] = _read(file, found.st_size)
            else:
                self._open[path] = (file, _Stamp.of(found))
        finally:
            if path not in self._open:
                os.close(file)

    def _read_all(self, folder: Path) -> None:
        """The same where files cannot be opened relative to a folder."""
        for entry in self._counted_below(folder):
            path = entry.relative_to(folder).as_posix()
            found = entry.lstat()
            if not stat.S_ISDIR(found.st_mode):
                _check_kind(path, found)
                _check_size(path, found.st_size)
                self._contents[path] = entry.read_bytes()

    def _counted_below(self, folder: Path) -> Iterator[Path]:
        below = (entry for entry in folder.rglob("*") if not entry.relative_to(folder).parts[0].startswith("."))
        for number, entry in enumerate(below):
            if number == MOST_FILES or len(entry.relative_to(folder).parts) > DEEPEST:
                raise UnfitError("it", f"holds more than {MOST_FILES} files, or {DEEPEST} folders in each other")
            yield entry


def largest_file(path: str) -> int:
    """Bytes that a file of this name may have."""
    megabytes = os.environ.get(LARGEST, "")
    chosen = int(megabytes) if megabytes.isdecimal() and len(megabytes) < 9 else LARGEST_FILE
    return chosen * MEGABYTE // (SHORT_TEXT if path in SHORT_TEXTS else TEXT if path.endswith(TEXTS) else 1)


def _check_kind(path: str, found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise UnfitError(path, "is a link, and a model holds files only: put the file itself there")
    if not stat.S_ISREG(found.st_mode):
        raise UnfitError(path, "is no regular file")


def _check_size(path: str, size: int) -> None:
    if size > (most := largest_file(path)):
        raise UnfitError(
            path,
            f"has {size / MEGABYTE:,.1f} MB, more than the {most / MEGABYTE:,.1f} that are read: if you trust it, set "
            f"{LARGEST} in the environment to more than {LARGEST_FILE}",
        )


def _read(file: int, size: int) -> bytes:
    """At most so many bytes of an open file from its beginning; it is read by others at the same time."""
    parts: list[bytes] = []
    at = 0
    while at < size and (part := os.pread(file, min(size - at, 1 << 30), at)):
        parts.append(part)
        at += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _close_all(files: dict[str, tuple[int, _Stamp]]) -> None:
    for file, _ in files.values():
        with suppress(OSError):
            os.close(file)
    files.clear()
