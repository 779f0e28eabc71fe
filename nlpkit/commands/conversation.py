"""A command without any input on a terminal: texts are typed, and each is answered, until Ctrl-D."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from nlpkit.commands.printing import fail, say
from nlpkit.errors import NlpkitError

PROMPT = "> "
END = "Ctrl-Z and Enter" if os.name == "nt" else "Ctrl-D"


def is_conversation(output: Path | None) -> bool:
    """Tell whether somebody types and reads, so that a command which was given no input can ask for it."""
    return output is None and sys.stdin.isatty() and sys.stdout.isatty()


def converse(answer: Callable[[int, str], None], asked: str | None = None) -> None:
    """Answer lines as they are typed, empty ones excepted; what is wrong with one is told, and the next asked for.

    :param answer: takes the number of the line, from 1, and its text.
    :param asked: what shall be typed; None: a text.
    """
    if asked is None:
        say("Type a text and press Enter; {end} ends.", end=END)
    else:
        say("Type {asked}, and press Enter; {end} ends.", asked=asked, end=END)
    for number, text in enumerate(_read_lines(), 1):
        try:
            answer(number, text)
        except NlpkitError as error:
            fail(error)


def _read_lines() -> Iterator[str]:
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    while True:
        sys.stderr.write(PROMPT)
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            say("")  # the shell's own prompt begins a line
            return
        if text := line.strip():
            yield text
