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


def type_into(
    command: Sequence[object], environment: Mapping[str, str], lines: Sequence[bytes], *, prompt: bytes = b"> "
) -> tuple[int, bytes]:
    """Run a command on a terminal of its own, type a line at each prompt, and return its exit code and what one saw.

    :param lines: with what ends them: a line end, or b"\\x04" for Ctrl-D, b"\\x03" for Ctrl-C.
    """
    pty = pytest.importorskip("pty")
    words = [word if isinstance(word, bytes) else str(word) for word in command]
    child, terminal = pty.fork()
    if not child:
        os.execve(words[0], words, environment)
    seen, typed = b"", 0
    while part := _read(terminal):
        seen += part
        if typed < len(lines) and seen.endswith(prompt):
            os.write(terminal, lines[typed])
            typed += 1
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), seen
