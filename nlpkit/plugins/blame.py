"""Whose code an exception came out of: told by where it was raised, never guessed from what it says."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TypeVar

Owner = TypeVar("Owner")


def find_owner(error: BaseException, homes: Mapping[str, Owner]) -> tuple[Owner, str] | None:
    """Find whose module raised an error, or called what did, and where; None if it is in none of theirs.

    :param homes: who has which module.
    """
    for module, place in _list_places(error):
        if (owner := _own(module, homes)) is not None:
            return owner, place
    return None


def _list_places(error: BaseException) -> Iterator[tuple[str, str]]:
    """Yield the modules that an error came through, the innermost first, and where; then those that it speaks of."""
    for trace in reversed([*_unroll(error.__traceback__)]):
        code, module = trace.tb_frame.f_code, str(trace.tb_frame.f_globals.get("__name__", ""))
        yield module, f"{code.co_name}, line {trace.tb_lineno} of {Path(code.co_filename).name}"
    if isinstance(error, SyntaxError) and error.filename:
        yield from ((name, f"line {error.lineno} of {Path(error.filename).name}") for name in _find(error.filename))
    if isinstance(error, ImportError) and error.name:
        yield error.name, "an import"
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        yield error.obj.__name__, error.obj.__name__


def _unroll(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _find(filename: str) -> Iterator[str]:
    """Yield the names that the file of a module may have, of which Python could not read the code."""
    path = Path(filename).resolve()
    for folder in map(Path, sys.path):
        if path.is_relative_to(folder.resolve()):
            yield ".".join(path.relative_to(folder.resolve()).with_suffix("").parts).removesuffix(".__init__")


def _own(module: str, homes: Mapping[str, Owner]) -> Owner | None:
    """Return who has a module: who names it, or the one that it has most of its name in common with."""
    parts = module.split(".")
    shared = {home: _count_common(parts, home.split(".")) for home in homes}
    most = max(shared.values(), default=0)
    owners = [homes[home] for home, count in shared.items() if count == most] if most else []
    return owners[0] if owners and all(owner is owners[0] for owner in owners) else None


def _count_common(one: list[str], other: list[str]) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
