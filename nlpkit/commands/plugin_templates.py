"""Writes the beginning of somebody's plugin: a distribution that installs, and passes the conformance kit as it is."""

from __future__ import annotations

import builtins
import re
import shlex
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import files
from keyword import iskeyword
from pathlib import Path
from string import Template

from nlpkit.errors import SettingError
from nlpkit.plugins.registry import ELSEWHERE, RIVALS, registry

PREFIX = "nlpkit-zh-"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Kind:
    """What differs from one kind of plugin to another.

    :param requirement: what it needs of nlpkit where it is used; what is only trained is not needed to score.
    :param test_requirement: what its tests need.
    :param example: a command that uses it.
    :param where: what the README says of its files.
    :param files: templates by the paths of its own files.
    :param option: the option that its template has, its default and its meaning.
    """

    requirement: str
    example: str
    files: Mapping[str, str]
    where: str = "All of it is in `$module.py`."
    test_requirement: str = "nlpkit-zh[train]"
    option: tuple[str, str, str] | None = None
    more_tests: str = ""

    @property
    def main(self) -> str:
        """The path of the file, or of the folder, where the author goes on."""
        return next(iter(self.files))

    @property
    def is_package(self) -> bool:
        """Whether its module is a folder."""
        return "/" in self.main


def _of_component(kind: str, requirement: str, example: str, *option: str) -> Kind:
    name, default, meaning = option
    return Kind(requirement, example, {"$module.py": f"{kind}.py"}, option=(name, default, meaning))


SENTIMENT = "nlpkit sentiment train labelled.csv -o mine"
COMMON = {
    "pyproject.toml": "common/pyproject.toml",
    "README.md": "common/README.md",
    "LICENSE": "common/LICENSE",
    ".gitignore": "common/gitignore",
    ".github/workflows/ci.yml": "common/ci.yml",
    "tests/test_conformance.py": "common/test_conformance.py",
}
KINDS = {
    "tokenizer": _of_component(
        "tokenizer", "nlpkit-zh>=0.1", f"{SENTIMENT} --tokenizer $name", "size", "2", "characters in a run"
    ),
    "embedding": _of_component(
        "embedding", "nlpkit-zh[train]>=0.1", f"{SENTIMENT} --embedding $name", "dim", "64", "numbers in a vector"
    ),
    "encoder": _of_component(
        "encoder", "nlpkit-zh[train]>=0.1", f"{SENTIMENT} --encoder $name", "hidden", "64", "numbers in a state"
    ),
    "output": _of_component(
        "output",
        "nlpkit-zh>=0.1",
        "nlpkit cloze train reviews.txt -o mine --coding $name",
        *("size", "2048", "of the table of characters"),
    ),
    "command": Kind(
        "nlpkit-zh>=0.1",
        "nlpkit $name reviews.txt",
        {"$module.py": "command/command.py", "tests/test_command.py": "command/test_command.py"},
        test_requirement="nlpkit-zh",
        more_tests=", and what the command prints",
    ),
    "task": Kind(
        "nlpkit-zh>=0.1",
        "nlpkit $name train rows.jsonl -o mine",
        {
            "$module/__init__.py": "task/task.py",
            "$module/model.py": "task/model.py",
            "$module/training.py": "task/training.py",
            "$module/recipes/network.toml": "task/network.toml",
            "tests/test_task.py": "task/test_task.py",
        },
        where="What the task is stands in `$module/__init__.py`, how texts are answered in `model.py` there,\n"
        'how that is learnt in `training.py`. A row to train on is `{"text": "质量很好", "number": 5}`.',
        more_tests=", and a small run from training to answers",
    ),
    "model": Kind(
        "nlpkit-zh>=0.1",
        "nlpkit sentiment score reviews.txt --model $name",
        {"$module/__init__.py": "model/package.py", "tests/test_model.py": "model/test_model.py"},
        where="The model is the folder `$module/model`. `nlpkit models show $name` prints its card: what it\n"
        "was made of. `nlpkit models pack DIR --name $name -o FOLDER` makes such a distribution of another one.",
        test_requirement="nlpkit-zh",
        more_tests=", and that the model's card knows its name",
    ),
}


@dataclass(frozen=True)
class Draft:
    """A plugin that is not written yet.

    :param name: of its component and its entry point; the other names follow from it.
    :param model: the files of a model, by their paths in its folder, where it ships one.
    :param needs: what pip is told that it needs; None: what its kind does.
    :param use: a command that uses it; None: that of its kind.
    """

    kind: str
    name: str
    model: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    needs: Sequence[str] | None = None
    use: str | None = None

    @property
    def distribution(self) -> str:
        """What pip calls it."""
        return PREFIX + self.name

    @property
    def function(self) -> str:
        """What its entry point names in the module: a factory, a command, a task, a path."""
        return self.name.replace("-", "_")

    @property
    def module(self) -> str:
        """What its entry point names."""
        return f"nlpkit_{self.function}"

    @property
    def main(self) -> str:
        """The path in its folder where the author goes on."""
        return f"{self.module}/model" if self.model else self._fill(KINDS[self.kind].main)

    @property
    def example(self) -> str:
        """A command that uses it."""
        return self.use or self._fill(KINDS[self.kind].example)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Its files: paths in its folder, and what stands there."""
        values = self._collect_values()
        for path, template in {**COMMON, **KINDS[self.kind].files}.items():
            text = files("nlpkit").joinpath("templates", "plugin", f"{template}.txt").read_text(encoding="utf-8")
            yield self._fill(path), Template(text).substitute(values).encode()
        for path, data in self.model.items():
            yield f"{self.module}/model/{path}", data

    def tell_steps(self, folder: Path) -> str:
        """Return the commands that come next, once it is written there."""
        target = shlex.quote(f"{'' if folder.is_absolute() else './'}{folder}[test]")
        return f"pip install -e {target}\npytest {shlex.quote(str(folder))}\n{self.example}"

    def _collect_values(self) -> dict[str, str]:
        """Collect what the templates leave open."""
        about = KINDS[self.kind]
        camel = "".join(word.capitalize() for word in self.name.split("-"))
        option, default, meaning = about.option or ("", "", "")
        table = f"\n## Options\n\n| Option | Default | |\n|---|---|---|\n| `{option}` | {default} | {meaning} |\n"
        return {
            "kind": self.kind,
            "name": self.name,
            "distribution": self.distribution,
            "module": self.module,
            "function": self.function,
            "camel": camel,
            "class_name": camel + self.kind.capitalize(),
            "requirements": ", ".join(f'"{need}"' for need in self.needs or [about.requirement]),
            "test_requirement": about.test_requirement,
            "example": self.example,
            "options": table if about.option else "",
            "where": self._fill(about.where),
            "more_tests": about.more_tests,
            "wheel": f'packages = ["{self.module}"]' if about.is_package else f'include = ["{self.module}.py"]',
            "year": str(date.today().year),
        }

    def _fill(self, text: str) -> str:
        return Template(text).substitute(name=self.name, module=self.module)


def draft(kind: str, name: str, *, again: bool = False) -> Draft:
    """Check a name, which may begin with ``nlpkit-zh-``.

    :param again: whether its distribution may be there already, an older one of the same.
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
    owner = _find_owner(kind, name)
    if again and owner in (None, plugin.distribution):
        return plugin
    if owner:
        raise SettingError(
            "the {kind} {name!r} is there already, in {owner}: choose another name", kind=kind, name=name, owner=owner
        )
    if plugin.distribution in {*ELSEWHERE.values(), *(plugin.distribution for plugin in registry().plugins)}:
        raise SettingError(
            "there is a distribution {distribution!r} already: choose another name", distribution=plugin.distribution
        )
    return plugin


def _find_owner(kind: str, name: str) -> str | None:
    """Return which distribution has a name, or another that nobody could tell from it: a task's is a command, too."""
    for of in dict.fromkeys((kind, RIVALS.get(kind, kind))):
        component = registry().find(of, name)
        if owner := component.distribution if component else ELSEWHERE.get((of, name)):
            return owner
    return None


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
        for path, data in plugin.files():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).write_bytes(data)
        new.rename(folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
