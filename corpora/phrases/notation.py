"""The notation of templates, and the files that hold them.

A template is text with slots and choices: ``{aspect}(真|可)不{!is}[啊]``. ``(a|b)`` is one of several, ``[a|b]`` one of
several or, half of the time, nothing. A slot is filled by a word of a list, of a domain, of an aspect, or by a template
of the section with its name:

- ``{is}`` has the row's side, ``{!is}`` the other one, ``{+is}`` and ``{-is}`` the good and the bad one;
- ``{is.2}`` belongs to another aspect than ``{is}``; the same slot twice in a template is the same word twice;
- ``{is:or}`` is a form: 清不清晰; ``{does:guo}`` another: 掉过色;
- ``{?lasting}`` prints nothing, and lets the template be used only in domains that have such words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

SLOT = re.compile(r"(?P<sign>[!+?-]?)(?P<name>[a-z_]+)(\.(?P<index>\d))?(:(?P<form>[a-z]+))?")
ROWS = (
    "alone",
    "whole",
    "reports",
    "facts",
    "asks",
    "messages",
)  # how a kind's rows are put together, if not as others
FLAGS = frozenset({"clause", "states", *ROWS})
CLOSING = {"(": ")", "[": "]"}


class GrammarError(ValueError):
    """A file of the grammar that cannot be read, with its place."""


@dataclass(frozen=True)
class Slot:
    """A place for a word: of which list, on which side (``!+-`` or none), of which aspect, in which form."""

    name: str
    sign: str = ""
    index: int = 1
    form: str = ""

    def side(self, side: str) -> str:
        """Return the side, ``+`` or ``-``, that its word has in a template that is used for ``side``."""
        return {"": side, "!": "-" if side == "+" else "+"}.get(self.sign, self.sign)


@dataclass(frozen=True)
class Choice:
    """One of several sequences; if optional, nothing half of the time."""

    alternatives: tuple[Sequence, ...]
    optional: bool


Sequence: TypeAlias = "tuple[str | Slot | Choice, ...]"


def parse(template: str) -> Sequence:
    """Read a template.

    :raises GrammarError: if brackets do not match, or a slot cannot be read.
    """
    alternatives, end = _alternatives(template, 0, "")
    if end < len(template) or len(alternatives) > 1:
        raise GrammarError(f"the template {template!r} has a bracket or a bar too many at character {end + 1}")
    return alternatives[0]


def _alternatives(text: str, place: int, closing: str) -> tuple[list[Sequence], int]:
    """Read sequences that bars part up to a closing bracket, and return them and its place."""
    found: list[list[str | Slot | Choice]] = [[]]
    while place < len(text) and text[place] not in ")]":
        match text[place]:
            case "|":
                found.append([])
                place += 1
            case "(" | "[" as opening:
                inner, end = _alternatives(text, place + 1, CLOSING[opening])
                found[-1].append(Choice(tuple(inner), opening == "["))
                place = end + 1
            case "{":
                end = text.find("}", place)
                found[-1].append(_slot(text[place + 1 : end], text))
                place = end + 1
            case _:
                end = re.compile(r"[\[\](){|]|$").search(text, place).start()  # type: ignore[union-attr]
                found[-1].append(text[place:end])
                place = end
    if closing and text[place : place + 1] != closing:
        raise GrammarError(f"the template {text!r} lacks {closing!r} at character {place + 1}")
    return [tuple(sequence) for sequence in found], place


def _slot(text: str, template: str) -> Slot:
    match = SLOT.fullmatch(text)
    if match is None:
        raise GrammarError(f"the template {template!r} has the slot {text!r}; a slot looks like !is.2 or does:guo")
    return Slot(match["name"], match["sign"], int(match["index"] or 1), match["form"] or "")


def slots(sequence: Sequence) -> Iterator[Slot]:
    """Yield every slot of a sequence, those of its choices too."""
    for part in sequence:
        if isinstance(part, Slot):
            yield part
        elif isinstance(part, Choice):
            for alternative in part.alternatives:
                yield from slots(alternative)


@dataclass(frozen=True, eq=False)
class Template:
    """A line of a section: for which rows it is (``+ - ± 0``, or nothing for a piece), and what it is made of."""

    section: str
    sign: str
    weight: int
    text: str
    sequence: Sequence

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """All of its slots."""
        return tuple(slots(self.sequence))

    @cached_property
    def named(self) -> frozenset[int]:
        """The numbers of the aspects that it names."""
        return frozenset(slot.index for slot in self.slots if slot.name == "aspect")

    @cached_property
    def of_things(self) -> bool:
        """Whether it speaks of the thing itself."""
        return any(slot.name in ("this", "thing", "others") for slot in self.slots)

    def serves(self, sign: str) -> bool:
        """Tell whether rows of a sign may use it."""
        return self.sign in ("", sign) or (self.sign == "±" and sign != "0")


@dataclass(frozen=True, eq=False)
class Section:
    """Templates under one heading; ``==`` opens a kind of rows, ``--`` pieces that others are made of."""

    name: str
    kind: bool
    flags: frozenset[str]
    weight: int
    templates: list[Template]


def read_sections(folder: Path) -> dict[str, Section]:
    """Read all files of templates.

    :raises GrammarError: with the file and the line, if one cannot be read.
    """
    found: dict[str, Section] = {}
    for path in sorted(folder.glob("*.txt")):
        section = None
        for number, line in lines(path):
            try:
                if line.startswith(("== ", "-- ")):
                    section = _section(line)
                    if section.name in found:
                        raise GrammarError(f"there is a section {section.name!r} already")
                    found[section.name] = section
                elif section is None:
                    raise GrammarError(f"a template stands before any section: {line!r}")
                else:
                    section.templates.append(_template(line, section))
            except GrammarError as error:
                raise GrammarError(f"{path.name}, line {number}: {error}") from None
    return found


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers, but for comments and empty ones; the indent stays."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.rstrip()


def _section(line: str) -> Section:
    mark, name, *flags = line.split()
    weights = [int(flag[1:]) for flag in flags if re.fullmatch(r"x\d+", flag)]
    words = frozenset(flag for flag in flags if not re.fullmatch(r"x\d+", flag))
    if odd := words - FLAGS:
        there = ", ".join(sorted(FLAGS))
        raise GrammarError(f"the section {name!r} has the flag {min(odd)!r}; there is: {there}, xN")
    return Section(name, mark == "==", words, weights[0] if weights else 1, [])


def _template(line: str, section: Section) -> Template:
    match = re.match(r"(?P<sign>[+±0-])?(\*(?P<weight>\d+))? ", line)
    if section.kind and not (match and match["sign"]):
        raise GrammarError(f"a template of a kind begins with a sign, + - ± or 0, and a space, was: {line!r}")
    text = line[match.end() :] if match else line
    return Template(
        section.name,
        (match["sign"] or "") if match else "",
        int(match["weight"] or 1) if match else 1,
        text,
        parse(text),
    )
