"""What was prepared for a run and is kept for the next: tokens of a corpus, vectors that never change.

It is known by the SHA-256 of all that it is made from, so that it is never of another corpus, another tokenizer or
other weights. What took less than a second is not kept. What has not been used for longest goes first, when there is
more than `limit`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from nlpkit.errors import SettingError
from nlpkit.files import new_folder, remove_all_dead_folders, write_synced
from nlpkit.log import get_logger
from nlpkit.text.catalogue import cache_folder
from nlpkit.version import __version__

LIMIT = "NLPKIT_CACHE_SIZE"  # GB; 0: nothing is kept
USUAL = 10.0  # GB
LEAST = 1.0  # seconds that preparing took, for what is kept
ABOUT = "about.json"
LOG = get_logger(__name__)


@dataclass(frozen=True)
class Entry:
    """Something that is kept.

    :param key: by which it is found.
    :param what: it is, in a few words.
    :param size: bytes.
    :param used: seconds since the epoch, when a run last took it.
    """

    key: str
    folder: Path
    what: str
    size: int
    used: float


def shelf() -> Path:
    """Return the folder of all that is kept."""
    return cache_folder() / "prepared"


def limit() -> float:
    """Return how many bytes may be kept.

    :raises SettingError: if the environment says no number.
    """
    said = os.environ.get(LIMIT, "")
    try:
        size = float(said or USUAL)
    except ValueError:
        size = -1.0
    if not size >= 0:
        what = "is a number of GB: say 10, or 0 to keep nothing"
        raise SettingError("{name} is {said!r}, and {what}", name=LIMIT, said=said, what=what)
    return size * 1e9


def key_of(*parts: Any) -> str:
    """Return a key of what something is made from: arrays by their numbers, anything else as JSON or bytes.

    All that is installed is part of it, as a library below may make other things in another version, and so is the kind
    of processor, which rounds in its own way.
    """
    found = hashlib.sha256()
    for part in (__version__, platform.machine(), _list_installed(), *parts):
        found.update(b"\0")
        if isinstance(part, np.ndarray):
            found.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
        else:
            found.update(part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode())
    return found.hexdigest()


def digest_of(texts: Iterable[Iterable[str]]) -> str:
    """Return the SHA-256 of texts that come block by block."""
    found = hashlib.sha256()
    for block in texts:
        for text in block:
            data = text.encode("utf-8", "surrogatepass")
            found.update(len(data).to_bytes(8, "little") + data)
    return found.hexdigest()


def code_of(component: object) -> str:
    """Return the SHA-256 of the code that a component is part of: what its author changes makes other things of it.

    Of what is no Python, dictionaries say, sizes and times stand for the bytes, which may be many.
    """
    found = hashlib.sha256()
    for path in _list_sources(sys.modules[type(component).__module__]):
        about = path.stat()
        found.update(path.read_bytes() if path.suffix == ".py" else f"{about.st_size} {about.st_mtime_ns}".encode())
        found.update(os.fsencode(path.name) + b"\0")
    return found.hexdigest()


def _list_sources(module: ModuleType) -> list[Path]:
    """List the files of a module's whole package, or its own if it stands alone."""
    if not (file := getattr(module, "__file__", None)):
        return []
    top = sys.modules.get(module.__name__.partition(".")[0])
    folders = [Path(folder) for folder in getattr(top, "__path__", ())]
    found = [path for folder in folders for path in folder.rglob("*") if path.suffix != ".pyc" and path.is_file()]
    return sorted(found) or [Path(file)]


def _list_installed() -> list[str]:
    """List distributions with their versions, as the folders of their metadata are called."""
    return sorted({info.name for folder in sys.path for info in Path(folder).glob("*-info")})


def take(key: str, folder: Path) -> bool:
    """Put what is kept under a key into a folder; return whether there was any."""
    kept = shelf() / key
    if not limit() or not (kept / ABOUT).is_file():  # the limit first: what is wrong with it is said before work begins
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, size in json.loads((kept / ABOUT).read_bytes())["files"].items():
            _place(kept / name, folder / name)
            if (found := (folder / name).stat().st_size) != size:
                raise ValueError(f"{name} has {found} bytes, not {size}")
        os.utime(kept)
    except (OSError, ValueError, KeyError) as error:  # another run removes it meanwhile, or a disk lost the end of it
        LOG.info("what is kept as %s cannot be taken: %s", key, error)
        return False
    LOG.info("took %s", kept)
    return True


def keep(key: str, files: Mapping[str, Path], what: str) -> None:
    """Keep files under a key, unless the disk refuses: that is no fault of the run.

    :param files: by the names that they are taken by.
    :param what: they are, for who lists them.
    """
    sizes = {name: path.stat().st_size for name, path in files.items()}
    most, size = limit(), sum(sizes.values())
    if size > most or (shelf() / key / ABOUT).exists():
        return
    try:
        make_shelf()
        trim(most - size)
        with new_folder(shelf() / key) as new:
            try:
                for name, path in files.items():
                    _place(path, new / name)
                write_synced(new / ABOUT, json.dumps({"what": what, "files": sizes}).encode())
                if not (shelf() / key / ABOUT).exists():  # what a removal left that was cut short
                    shutil.rmtree(shelf() / key, ignore_errors=True)
                new.rename(shelf() / key)
            finally:
                shutil.rmtree(new, ignore_errors=True)
    except OSError as error:  # another run was faster, or there is no room
        LOG.info("what was prepared is not kept: %s", error)
        return
    LOG.info("kept %s", shelf() / key)


@contextlib.contextmanager
def timed() -> Iterator[list[bool]]:
    """Yield a list that says, behind the block, whether it took so long that what it made is worth keeping."""
    began, said = time.monotonic(), list[bool]()
    yield said
    said.append(time.monotonic() - began >= LEAST)


def entries() -> list[Entry]:
    """List all that is kept, what was used last first."""
    found = []
    with contextlib.suppress(OSError):
        for folder in shelf().iterdir():
            with contextlib.suppress(OSError, ValueError):
                if (about := _read_about(folder)) is not None:
                    size = sum(path.stat().st_size for path in folder.iterdir())
                    found.append(Entry(folder.name, folder, about["what"], size, folder.stat().st_mtime))
    return sorted(found, key=lambda entry: -entry.used)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder where that lies for what is prepared and no run needs, so that it can be kept without a copy."""
    if not limit():
        with tempfile.TemporaryDirectory(prefix="nlpkit-") as own:  # which nobody else may read, as the shelf
            yield Path(own)
        return
    with new_folder(make_shelf() / "scratch") as folder:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def trim(most: float) -> None:
    """Remove what has not been used for longest, until no more than so many bytes are kept."""
    kept = entries()
    total = sum(entry.size for entry in kept)
    for entry in reversed(kept):
        if total <= most:
            return
        remove(entry)
        total -= entry.size


def remove(entry: Entry) -> None:
    """Remove something that is kept; a run that has taken it has it still."""
    with contextlib.suppress(OSError):
        (entry.folder / ABOUT).unlink(missing_ok=True)  # first: what is half removed is taken by nobody
    shutil.rmtree(entry.folder, ignore_errors=True)


def _read_about(folder: Path) -> Mapping[str, Any] | None:
    path = folder / ABOUT
    return None if folder.name.startswith(".") or not path.is_file() else json.loads(path.read_bytes())


def make_shelf() -> Path:
    """Make the folder, which nobody else may read: tokens of texts are texts. What killed runs left in it goes."""
    folder = shelf()
    remove_all_dead_folders(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
    return folder


def _place(path: Path, target: Path) -> None:
    """Let a file stand elsewhere, too: none of both is ever written to again."""
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(path)
    except OSError:  # another file system, or one without links
        shutil.copyfile(path, target)
