"""Files that are written whole or not at all, and are on the disk when it is said so.

What is being written stands beside the file whose place it will take, as ``.NAME.nlpkit-HOST-RANDOM.part``, and is
locked as long as its writer lives: so no two writers share one, on whatever host or in whatever container they are, and
the next writer in the folder removes what a killed one left. A folder is written as ``.NAME.new-HOST-RANDOM``,
likewise.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from nlpkit.errors import Sentence

__all__ = ["new_folder", "remove_dead_folders", "replace_file", "replacing"]

PART = re.compile(r"\..+\.nlpkit-(?P<host>[0-9a-f]{8})-[0-9a-f]{16}\.part", re.DOTALL)
LONGEST = 180  # bytes of a name that a part repeats: file systems end at 255
NEW = r"\.new-(?:(?P<host>[0-9a-f]{8})-)?[0-9a-f]{8}"  # ends the name of a folder that is being written
DAY = 24 * 60 * 60
LIST = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
FLAGS = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def write_synced(path: Path, data: bytes) -> None:
    """Write a file, its folders too, and wait until it is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        sync(file)


def replace_file(path: Path, data: bytes) -> None:
    """Write beside, then move over: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: Path, *, force: bool = True) -> Iterator[IO[bytes]]:
    """Yield a file beside ``path`` that takes its place, with the mode of what it replaces, when all went well.

    A link at ``path`` is itself replaced.

    :raises FileExistsError: at the end, if ``path`` is there and not ``force``.
    """
    remove_dead_parts(path.parent)
    part, number, mode = _new_part(path)
    try:
        with os.fdopen(number, "wb") as file:
            yield file
            sync(file)
            _take_owner(number, path)
            _take_mode(number, mode)
            if sys.platform != "win32":
                _move(part, path, force=force)  # before the lock goes with the file
        if sys.platform == "win32":
            _move(part, path, force=force)  # which cannot move what is open
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def growing(path: Path, part: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """Yield ``part``, which stands beside ``path`` and takes its place, with its mode, when all went well.

    What stands in it stays; it is locked as long as its writer lives.

    :raises BlockingIOError: if somebody else writes it now.
    :raises FileExistsError: at the end, if ``path`` is there and not ``force``.
    """
    number = _open_locked(part)
    with os.fdopen(number, "r+b") as file:
        if (mode := _mode_of(path)) is not None:
            _take_mode(number, mode)
        yield file
        sync(file)
        _take_owner(number, path)
        if sys.platform != "win32":
            _finish(part, path, force=force)  # before the lock goes with the file, and the name is another writer's
    if sys.platform == "win32":
        _finish(part, path, force=force)


def describe_age(size: int, seconds: float) -> Sentence:
    """Return ``1,204 bytes of 2025-03-01 17:20``, by which a file or a folder is known to whoever wrote it.

    :param seconds: since the epoch, when it was written.
    """
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
    if size >= 1e6:
        return Sentence("{size:.1f} MB of {when}", size=size / 1e6, when=when)
    return Sentence("{size:,} bytes of {when}", size=size, when=when)


def describe_file(path: Path) -> str:
    """Return the same of a file."""
    entry = path.stat()
    return describe_age(entry.st_size, entry.st_mtime)


def sync(file: IO[bytes]) -> None:
    """Wait until all that was written is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def remove_dead_parts(folder: Path) -> None:
    """Remove what writers in a folder left when they were killed.

    Those of this host are dead if nobody holds their lock. The locks of other hosts may not reach us, so theirs must
    also have been left alone for a day.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        parts = [(Path(entry.path), match["host"]) for entry in entries if (match := PART.fullmatch(entry.name))]
        for part, host in parts:
            with contextlib.suppress(OSError):
                if host == _host() or time.time() - part.lstat().st_mtime > DAY:
                    _remove_if_dead(part)


def _remove_if_dead(part: Path) -> None:
    if sys.platform == "win32":
        part.unlink()  # which fails if it is open
        return
    number = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if stat.S_ISREG(os.fstat(number).st_mode) and _lock(number):
            part.unlink()
    finally:
        os.close(number)


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside ``folder`` that may take its place, locked as long as its writer lives.

    :raises OSError: if the system refuses.
    """
    new, number = _new_folder(folder)
    try:
        yield new
    finally:
        if number is not None:
            os.close(number)


def remove_dead_folders(folder: Path) -> None:
    """Remove what writers of a folder left beside it when they were killed, as `remove_dead_parts` does.

    Where folders have no locks, they must have been left alone for a day.
    """
    _remove_dead_folders(folder.parent, re.escape(folder.name))


def remove_all_dead_folders(parent: Path) -> None:
    """Remove them whatever they were to be called, of a parent in which nobody else makes folders."""
    _remove_dead_folders(parent, ".+")


def _remove_dead_folders(parent: Path, name: str) -> None:
    pattern = re.compile(rf"\.{name}{NEW}", re.DOTALL)
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        folders = [(Path(entry.path), match["host"]) for entry in entries if (match := pattern.fullmatch(entry.name))]
        for new, host in folders:
            with contextlib.suppress(OSError):
                old = time.time() - new.lstat().st_mtime > DAY
                if old or host == _host():
                    _remove_folder_if_dead(new, old=old)


def _new_folder(folder: Path) -> tuple[Path, int | None]:
    """Make a new folder; return the descriptor by which it is locked, too, None where folders have no locks."""
    while True:
        new = folder.with_name(f".{folder.name}.new-{_host()}-{secrets.token_hex(4)}")
        new.mkdir()
        if sys.platform == "win32":
            return new, None
        with contextlib.suppress(FileNotFoundError):  # else one took it for a dead writer's, and removed it
            number = os.open(new, LIST)
            if _lock(number) is not False and new.exists():
                return new, number
            os.close(number)


def _remove_folder_if_dead(folder: Path, *, old: bool) -> None:
    if sys.platform == "win32":
        if old:
            shutil.rmtree(folder, ignore_errors=True)
        return
    number = os.open(folder, LIST)
    try:
        locked = _lock(number)
        if locked or (locked is None and old):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(number)


def _open_locked(part: Path) -> int:
    """Open a file, made if need be, that nobody else writes."""
    while True:
        number = os.open(part, FLAGS & ~os.O_EXCL, 0o666)
        if _lock(number) is False:
            os.close(number)
            raise BlockingIOError(None, "another run is writing it", str(part))
        with contextlib.suppress(FileNotFoundError):  # else it took its place meanwhile, and is another's now
            if os.path.samestat(os.fstat(number), part.stat()):
                return number
        os.close(number)


def _new_part(path: Path) -> tuple[Path, int, int]:
    """Make a new file, open and locked; return its descriptor and the mode that it shall have in the end, too."""
    name = path.name if len(os.fsencode(path.name)) <= LONGEST else hashlib.sha256(os.fsencode(path.name)).hexdigest()
    while True:
        part = path.with_name(f".{name}.nlpkit-{_host()}-{secrets.token_hex(8)}.part")
        old = _mode_of(path)
        number = os.open(
            part, FLAGS, 0o666 if old is None else 0o600
        )  # the system's umask and defaults are a new file's
        try:
            mode = stat.S_IMODE(os.fstat(number).st_mode) if old is None else old
            _take_mode(number, 0o600)
            if _lock(number) is not False and part.exists():  # else one took it for a dead writer's, and removed it
                return part, number, mode
        except BaseException:
            _give_up(part, number)
            raise
        _give_up(part, number)


def _give_up(part: Path, number: int) -> None:
    os.close(number)
    part.unlink(missing_ok=True)


def _mode_of(path: Path) -> int | None:
    """Return the mode of a file; None where there is none."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    return stat.S_IMODE(mode) & 0o777 if stat.S_ISREG(mode) else None


def _take_owner(number: int, path: Path) -> None:
    """Give a file to whom the one that it replaces belongs, as far as the system lets us."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            old, new = path.stat(), os.fstat(number)
            if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
                os.fchown(number, old.st_uid, old.st_gid)


def _take_mode(number: int, mode: int) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(OSError):  # not every file system has modes
            os.fchmod(number, mode)


def _lock(number: int) -> bool | None:
    """Lock a file; tell whether it is ours now and nobody else's, None where there are no locks."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _finish(part: Path, path: Path, *, force: bool) -> None:
    _move(part, path, force=force)
    if not force:
        part.unlink(missing_ok=True)


def _move(part: Path, path: Path, *, force: bool) -> None:
    if force:
        part.replace(path)
        return
    try:
        path.hardlink_to(part)  # the one move that never replaces
    except FileExistsError:
        raise
    except OSError:  # not every file system has links
        if os.path.lexists(path):
            raise FileExistsError(None, "file exists", str(path)) from None
        part.rename(path)


def _host() -> str:
    """Return eight digits by which a host is known, as long as its locks last: all of its containers share them."""
    try:
        known = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        known = platform.node().encode()
    return hashlib.sha256(known).hexdigest()[:8]
