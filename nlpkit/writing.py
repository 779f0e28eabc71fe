"""Files that are written whole or not at all, and are on the disk when it is said so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO


def write_synced(path: Path, data: bytes) -> None:
    """Write a file, its folders too, and wait until it is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        sync(file)


def replace_file(path: Path, data: bytes) -> None:
    """Write beside, then move over: a reader sees the old file or the new one."""
    new = path.with_name(f".{path.name}.new")
    try:
        write_synced(new, data)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def sync(file: IO[bytes]) -> None:
    """Wait until all that was written is on the disk."""
    file.flush()
    os.fsync(file.fileno())
