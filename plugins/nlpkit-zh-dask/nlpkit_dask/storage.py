"""Files on this machine and elsewhere: folders, and whatever fsspec knows, such as ``s3://``."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

MAGIC = "*?["


@dataclass(frozen=True)
class Place:
    """A file or a folder. It can be sent to another process.

    :param system: of fsspec; None: this machine's own, which other machines must have mounted, too.
    :param path: absolute.
    """

    system: Any
    path: str

    @classmethod
    def of(cls, name: str | Path) -> Place:
        """Return the place of a path or a URL.

        :raises ImportError: if what speaks the URL's protocol is not installed.
        """
        if "://" not in str(name):
            return cls(None, os.path.abspath(name))  # noqa: PTH100 - whose resolve() follows links
        from fsspec.core import url_to_fs

        return cls(*url_to_fs(str(name)))

    def __truediv__(self, name: str) -> Place:
        return Place(self.system, f"{self.path.rstrip('/')}/{name}")

    def state(self) -> list[Any] | None:
        """Return by what a file is known again: its size, and its time or tag; None if it is not there."""
        try:
            if self.system is None:
                entry = Path(self.path).stat()
                return [entry.st_size, str(entry.st_mtime_ns)]
            return [self.system.size(self.path), self.system.ukey(self.path)]
        except FileNotFoundError:
            return None

    def read(self) -> bytes | None:
        """Return what a file holds; None if it is not there."""
        try:
            return Path(self.path).read_bytes() if self.system is None else bytes(self.system.cat_file(self.path))
        except FileNotFoundError:
            return None

    def write(self, data: bytes) -> None:
        """Write a file whole."""
        if self.system is None:
            from nlpkit.files import replace_file

            replace_file(Path(self.path), data)
        else:
            self.system.pipe_file(self.path, data)

    def remove(self) -> None:
        """Remove a file, if it is there."""
        if self.system is None:
            Path(self.path).unlink(missing_ok=True)
        elif self.system.exists(self.path):
            self.system.rm_file(self.path)

    def list(self, suffix: str) -> list[Place]:
        """Return the files in a folder, and in those below, whose names end so."""
        if self.system is None:
            return [Place(None, str(path)) for path in sorted(Path(self.path).rglob(f"*{suffix}"))]
        paths = sorted(map(str, self.system.find(self.path)))  # none where there is no such folder
        return [Place(self.system, path) for path in paths if path.endswith(suffix)]

    @contextmanager
    def as_source(self) -> Iterator[Path]:
        """Yield a file on this machine with the same content and name."""
        if self.system is None:
            yield Path(self.path)
            return
        with tempfile.TemporaryDirectory(prefix="nlpkit-") as folder:
            copy = Path(folder, self.path.rpartition("/")[2])
            self.system.get_file(self.path, str(copy))
            yield copy

    @contextmanager
    def as_target(self) -> Iterator[Path]:
        """Yield a path on this machine; what is written there whole is there, whole, at the end."""
        if self.system is None:
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            yield Path(self.path)
            return
        with tempfile.TemporaryDirectory(prefix="nlpkit-") as folder:
            copy = Path(folder, self.path.rpartition("/")[2])
            yield copy
            self.system.put_file(str(copy), self.path)


class Found(NamedTuple):
    """A file that is there, what it is called, and its bytes."""

    name: str
    place: Place
    size: int


def find_files(pattern: str) -> list[Found]:
    """Return the files that a path or URL names, in order; ``**`` goes into folders.

    :raises FileNotFoundError: if there is none where no pattern is given.
    """
    if "://" not in pattern:
        names = sorted(glob.glob(pattern, recursive=True)) if has_magic(pattern) else [pattern]  # noqa: PTH207 - as said
        return [Found(name, Place.of(name), Path(name).stat().st_size) for name in names if not Path(name).is_dir()]
    place = Place.of(pattern)
    system = place.system
    # what is told with the list need not be asked for file by file
    entries = system.glob(place.path, detail=True) if has_magic(pattern) else {place.path: system.info(place.path)}
    return [
        Found(system.unstrip_protocol(path), Place(system, path), entry["size"] or 0)
        for path, entry in sorted(entries.items())
        if entry["type"] == "file"
    ]


def has_magic(pattern: str) -> bool:
    """Tell whether a path stands for several."""
    return any(character in pattern for character in MAGIC)


def folder_of(pattern: str) -> str:
    """Return the folder under which all that a path names must lie."""
    place = Place.of(pattern).path
    while has_magic(place):
        place = place.rpartition("/")[0]
    return place if place != Place.of(pattern).path else place.rpartition("/")[0]
