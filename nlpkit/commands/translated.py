"""Help in another language: commands whose texts are looked up, and lines that break where characters are wide."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Iterable

import click

from nlpkit.language import translate, width_of

RAW = "\b"  # begins a paragraph whose lines stay
_PIECE = re.compile(r"\s+|[!-~]+|.", re.DOTALL)  # a space, a word of ASCII, or one character
_NO_START = frozenset("，。；：、！？）」』”’》…")
_NO_END = frozenset("（「『“‘《")


class TranslatedHelp(click.HelpFormatter):
    """Writes help by the width of characters on a terminal, of which Chinese ones take two columns."""

    def write_heading(self, heading: str) -> None:
        """Write a heading."""
        self.write(f"{'':>{self.current_indent}}{heading}：\n")

    def write_text(self, text: str) -> None:
        """Write paragraphs."""
        indent = " " * self.current_indent
        lines = wrap(text, self.width - self.current_indent)
        self.write("".join(f"{indent}{line}".rstrip() + "\n" for line in lines))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write names and what they mean."""
        rows = list(rows)
        first = min(max((width_of(name) for name, _ in rows), default=0), col_max) + col_spacing
        indent = " " * self.current_indent
        for name, about in rows:
            lines = wrap(about, max(self.width - first - self.current_indent, 10))
            beside = lines[:1] if width_of(name) <= first - col_spacing else []
            self.write(f"{indent}{name}{' ' * (first - width_of(name)) if beside else ''}{''.join(beside)}\n")
            self.write("".join(f"{indent}{'':{first}}{line}\n" for line in lines[len(beside) :]))


class TranslatedContext(click.Context):
    """The context of a translated command."""

    formatter_class = TranslatedHelp


def in_language(command: click.Command) -> click.Command:
    """Return a copy of a command, and of those in it, whose help is in the language of the shell."""
    shown = copy.copy(command)
    shown.help = _translate_help(command.help)
    shown.short_help = _translate_help(command.short_help) or _first_sentence(shown.help)
    shown.epilog = _translate_help(command.epilog)
    shown.params = [_translate_option(param) for param in command.params]
    shown.context_class = TranslatedContext
    if isinstance(shown, click.Group):
        shown.commands = {name: in_language(inner) for name, inner in shown.commands.items()}
    return shown


def split_help(text: str) -> list[str]:
    """Return the paragraphs of a help text, each of which is looked up by itself, without a mark that it is raw."""
    return [part for part in re.split(r"\n\s*\n", inspect.cleandoc(text)) if part.strip()]


def _translate_help(text: str | None) -> str | None:
    if not text:
        return text
    parts = [part.rpartition(f"{RAW}\n") for part in split_help(text)]
    return "\n\n".join(f"{before}{mark}{translate(part)}" for before, mark, part in parts)


def _first_sentence(text: str | None) -> str | None:
    """Return what a list of commands says of one; None leaves it to click."""
    if not text or "。" not in text:
        return None
    return "".join(_join_lines(text.partition("\n\n")[0]).partition("。")[:2])


def _translate_option(param: click.Parameter) -> click.Parameter:
    shown = copy.copy(param)
    if isinstance(shown, click.Option) and shown.help:
        shown.help = translate(shown.help)
    return shown


def wrap(text: str, width: int) -> list[str]:
    """Return the lines of a text of paragraphs, none wider than ``width`` if it can be broken.

    >>> wrap("每行四个字的中文，逗号不在行首", 10)
    ['每行四个字', '的中文，逗', '号不在行首']
    """
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        raw = paragraph.lstrip("\n").partition("\n")
        if raw[0].strip() == RAW:
            lines += ["", *raw[2].splitlines()]
        else:
            lines += ["", *_fill(paragraph, width)]
    return lines[1:]


def _fill(paragraph: str, width: int) -> list[str]:
    """Return the lines of one paragraph."""
    lines, line = [], ""
    for piece in _bind(_PIECE.findall(_join_lines(paragraph))):
        if line and width_of((line + piece).rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line.rstrip()] if line.strip() else lines


def _join_lines(paragraph: str) -> str:
    """Join lines: by a space, but where a Chinese character stands on either side."""
    return re.sub(r"(?<=[^\x00-\xff])\n\s*|\n\s*(?=[^\x00-\xff])", "", paragraph.strip()).replace("\n", " ")


def _bind(pieces: Iterable[str]) -> list[str]:
    """Join to each piece what may not begin a line behind it, or end one before it."""
    bound: list[str] = []
    for piece in pieces:
        if bound and (piece[0] in _NO_START or bound[-1][-1] in _NO_END):
            bound[-1] += piece
        else:
            bound.append(piece)
    return bound
