"""Plugins that are one file, without a distribution: where they are, and how one is imported.

The environment names them, so that a process that this one starts knows them, too. Such a plugin is called as its file
is, ``mine.py``, and its version is the beginning of the file's SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from importlib.metadata import EntryPoint
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from nlpkit.errors import PluginError

FILES, FOLDER = "NLPKIT_PLUGIN_FILES", "NLPKIT_PLUGINS_DIR"
SUFFIX = ".py"
_MODULE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def add_file(path: Path, environment: MutableMapping[str, str]) -> None:
    """Let the plugin in a file take part, here and in whatever this process starts, wherever that runs."""
    files = [*_split(environment.get(FILES, "")), str(path.absolute())]
    environment[FILES] = os.pathsep.join(dict.fromkeys(files))


def find_files(environment: Mapping[str, str]) -> list[Path]:
    """Return the files that are plugins: those that are named, then those of the folder but ``_such.py``."""
    files = [Path(path).absolute() for path in _split(environment.get(FILES, ""))]
    if folder := environment.get(FOLDER):
        files += sorted(path.absolute() for path in Path(folder).glob(f"[!_.]*{SUFFIX}"))
    named: dict[tuple[str, Path], Path] = {}
    for path in files:
        if path.is_file():
            named.setdefault((path.name, path.resolve()), path)  # one file may be named in two ways
    return list(named.values())


def list_missing(environment: Mapping[str, str]) -> Iterator[str]:
    """Say in a sentence each file, and the folder, that the environment names and that is not there."""
    for path in _split(environment.get(FILES, "")):
        if not Path(path).is_file():
            yield f"{FILES} names {path!r}, which is no file"
    if (folder := environment.get(FOLDER)) and not Path(folder).is_dir():
        yield f"{FOLDER} names {folder!r}, which is no folder"


def point_to(path: Path) -> EntryPoint:
    """Return what stands for a file where an installed plugin has an entry point that names its module."""
    return EntryPoint(path.stem, f"{_name_module(path)}:{path}", "nlpkit")


def file_of(point: EntryPoint) -> Path | None:
    """Return the file that an entry point stands for; None if it names a module."""
    path = Path(point.value.partition(":")[2])
    return path if path.is_absolute() and path.suffix == SUFFIX else None


def version_of(path: Path) -> str:
    """Return what tells a file from an earlier one of its name."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    except OSError:
        return "0"


def is_file_name(distribution: str) -> bool:
    """Whether this is what a plugin of one file is called, and no distribution."""
    return distribution.endswith(SUFFIX)


def import_file(path: Path) -> ModuleType:
    """Import a file, once, as a module that is called as it is, ``-`` being ``_``: so a task can name what is in it.

    :raises PluginError: if no module can be called so, or another one is.
    """
    name = _name_module(path)
    if not _MODULE.fullmatch(name):
        raise PluginError(
            "a plugin's file is called by letters a to z, digits, - and _, a letter first, was: {name!r}",
            name=path.name,
        )
    if known := sys.modules.get(name):
        if Path(getattr(known, "__file__", None) or "").absolute() == path:
            return known
        raise _taken(name)
    if (found := find_spec(name)) and Path(found.origin or "").absolute() != path:
        raise _taken(name)
    return _execute(name, path)


def _name_module(path: Path) -> str:
    return path.stem.replace("-", "_")


def _execute(name: str, path: Path) -> ModuleType:
    spec = spec_from_file_location(name, path)
    assert spec is not None, "a file that ends in .py has a loader"
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _taken(name: str) -> PluginError:
    return PluginError("there is another module {name!r}: give the file another name", name=name)


def _split(paths: str) -> list[str]:
    return [path for path in paths.split(os.pathsep) if path]
