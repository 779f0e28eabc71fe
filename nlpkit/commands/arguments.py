"""What somebody means by a word of the command line: a file, a text, or a command that is called otherwise."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from nlpkit.commands.printing import say
from nlpkit.errors import Sentence, join

NAMED = 3  # of several texts
SUFFIX = re.compile(r"\.\w+\s*$")  # of a file's name
HAN = re.compile("[㐀-鿿豈-﫿𠀀-𳑿]")
_SPECIAL = re.compile(r"[\s\"'$`\\!*?;&|<>()\[\]{}#~]")  # what a shell would take for its own


def is_text(word: str) -> bool:
    """Tell whether a word is a text rather than the name of a file: Chinese, no path, no suffix, and no such file."""
    if not HAN.search(word) or "/" in word or "\\" in word or SUFFIX.search(word):
        return False
    return not os.path.lexists(word)


def divide_texts(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return which words are texts and which are files.

    :raises click.UsageError: if some are these and some are those.
    """
    texts = [word for word in words if is_text(word)]
    files = [word for word in words if word not in texts]
    if texts and files:
        template = "{file!r} is taken as a file, and {text!r}, which is none, as a text: give files, or --text"
        raise click.UsageError(Sentence(template, file=files[0], text=texts[0]))
    return texts, files


def say_texts(texts: Sequence[str]) -> None:
    """Say on stderr which words were taken as texts, if any were."""
    if not texts:
        return
    if len(texts) == 1:
        say("{text} is no file, and is taken as a text", text=texts[0])
    elif len(texts) <= NAMED:
        say("{texts} are no files, and are taken as texts", texts=", ".join(texts))
    else:
        say("{texts} and more are no files, and are taken as texts", texts=", ".join(texts[:NAMED]))


def may_be_input(word: str) -> bool:
    """Tell whether a word is a text, or a file, rather than a command that somebody has misspelt."""
    return is_text(word) or Path(word).is_file() or "__" in word


def quote(word: str) -> str:
    """Return a word as one types it in a shell."""
    return shlex.quote(word) if not word or _SPECIAL.search(word) else word


def suggest(commands: Iterable[str], words: Sequence[str]) -> Sentence:
    """Return ``; say: nlpkit sentiment score 质量很好``, ready to append to a sentence; nothing without commands.

    :param commands: any of which may be meant.
    :param words: that go to it.
    """
    typed = [" ".join([command, *map(quote, words)]) for command in commands]
    return Sentence("; say: {commands}", commands=join(typed, " or: ")) if typed else Sentence("")
