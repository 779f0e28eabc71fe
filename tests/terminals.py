"""What a command writes to a terminal."""

import os
import subprocess
from collections.abc import Mapping, Sequence

import pytest


def on_a_terminal(
    command: Sequence[object], environment: Mapping[str, str], *, streams: Sequence[str] = ("stdout", "stderr")
) -> tuple[int, bytes]:
    """Run a command with streams of it on a terminal, and return its exit code and what it wrote there."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    given = {name: theirs if name in streams else subprocess.DEVNULL for name in ("stdout", "stderr")}
    words = [word if isinstance(word, bytes) else str(word) for word in command]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, env=environment, **given) as child:
        os.close(theirs)
        parts = []
        while part := _read(ours):
            parts.append(part)
    os.close(ours)
    return child.returncode, b"".join(parts)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so that the other end is closed
        return b""
