"""Writes the beginning of somebody's plugin: a distribution that installs, and passes the conformance kit as it is."""

from __future__ import annotations

import builtins
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from keyword import iskeyword
from pathlib import Path
from string import Template

from nlpkit.errors import SettingError
from nlpkit.plugins.registry import ELSEWHERE, registry

PREFIX = "nlpkit-zh-"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Kind:
    """What differs from one kind of component to another.

    :param requirement: what it needs of nlpkit where it is used; what is only trained is not needed to score.
    :param example: a command that uses it.
    :param option: the option that its template has, its default and its meaning.
    """

    requirement: str
    example: str
    option: tuple[str, str, str]


KINDS = {
    "tokenizer": Kind(
        "nlpkit-zh>=0.1",
        "nlpkit sentiment train labelled.csv -o mine --tokenizer $name",
        ("size", "2", "characters in a run"),
    ),
    "embedding": Kind(
        "nlpkit-zh[train]>=0.1",
        "nlpkit sentiment train labelled.csv -o mine --embedding $name",
        ("dim", "64", "numbers in a vector"),
    ),
    "encoder": Kind(
        "nlpkit-zh[train]>=0.1",
        "nlpkit sentiment train labelled.csv -o mine --encoder $name",
        ("hidden", "64", "numbers in a state"),
    ),
    "output": Kind(
        "nlpkit-zh>=0.1",
        "nlpkit cloze train reviews.txt -o mine --coding $name",
        ("size", "2048", "of the table of characters"),
    ),
}


@dataclass(frozen=True)
class Draft:
    """A plugin that is not written yet.

    :param name: of its component and its entry point; the other names follow from it.
    """

    kind: str
    name: str

    @property
    def distribution(self) -> str:
        """What pip calls it."""
        return PREFIX + self.name

    @property
    def function(self) -> str:
        """Its factory."""
        return self.name.replace("-", "_")

    @property
    def module(self) -> str:
        """What its entry point names."""
        return f"nlpkit_{self.function}"

    @property
    def example(self) -> str:
        """A command that uses it."""
        return Template(KINDS[self.kind].example).substitute(name=self.name)

    def files(self) -> Iterator[tuple[str, str]]:
        """Its files: paths in its folder, and what stands there."""
        about, words = KINDS[self.kind], self.name.split("-")
        option, default, meaning = about.option
        values = {
            "kind": self.kind,
            "name": self.name,
            "distribution": self.distribution,
            "module": self.module,
            "function": self.function,
            "class_name": "".join(word.capitalize() for word in words) + self.kind.capitalize(),
            "requirement": about.requirement,
            "example": self.example,
            "option": option,
            "default": default,
            "meaning": meaning,
        }
        for path, template in (
            ("pyproject.toml", "pyproject.toml"),
            ("README.md", "README.md"),
            (f"{self.module}.py", f"{self.kind}.py"),
            ("tests/test_conformance.py", "test_conformance.py"),
        ):
            text = files("nlpkit").joinpath("templates", "plugin", f"{template}.txt").read_text(encoding="utf-8")
            yield path, Template(text).substitute(values)


def draft(kind: str, name: str) -> Draft:
    """Check a name, which may begin with ``nlpkit-zh-``.

    :raises SettingError: if no plugin could have it, or another one does.
    """
    name = name.removeprefix(PREFIX)
    if not _NAME.fullmatch(name):
        fitting = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
        hint = f": try {fitting}" if _NAME.fullmatch(fitting) else ""
        raise SettingError(
            "{name!r} is no name for a plugin: expected small letters a to z and digits, a "
            "letter first, single hyphens between{hint}",
            name=name,
            hint=hint,
        )
    plugin = Draft(kind, name)
    if iskeyword(plugin.function) or hasattr(builtins, plugin.function) or plugin.function == "hookimpl":
        raise SettingError("{name!r} is a word of Python, which no function should be called: try my-{name}", name=name)
    other = registry().find(kind, name)
    if owner := other.distribution if other else ELSEWHERE.get((kind, name)):
        raise SettingError(
            "the {kind} {name!r} is there already, in {owner}: choose another name", kind=kind, name=name, owner=owner
        )
    if plugin.distribution in {*ELSEWHERE.values(), *(plugin.distribution for plugin in registry().plugins)}:
        raise SettingError(
            "there is a distribution {distribution!r} already: choose another name", distribution=plugin.distribution
        )
    return plugin


def write(plugin: Draft, folder: Path) -> None:
    """Write a plugin's folder, whole or not at all.

    :raises SettingError: if something of that name is there.
    """
    if folder.exists() or folder.is_symlink():
        raise SettingError(
            "{folder} is there already, and nothing was touched: choose another folder by --output", folder=folder
        )
    new = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.new")
    try:
        for path, text in plugin.files():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).write_text(text, encoding="utf-8")
        new.rename(folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
