"""What a plugin may register by hooks: by a module that an entry point of the group ``nlpkit`` names.

Names that are entry points of their own, in groups such as ``nlpkit.tokenizers``, are found without importing it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import pluggy

from nlpkit.errors import DataWarning, PluginError, nearest
from nlpkit.plugins.installed import KINDS

if TYPE_CHECKING:
    import click

    from nlpkit.tasks.base import Task

PROJECT = "nlpkit"
HOOKS = {f"nlpkit_register_{kind}s": kind for kind in KINDS}
RENAMED: Mapping[str, str] = {}  # hooks by what they were called once: such names work, with a warning
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

RegisterComponent: TypeAlias = Callable[[str, Callable[..., Any]], None]
RegisterModel: TypeAlias = Callable[[str, Path], None]
RegisterRecipe: TypeAlias = Callable[[str, Path], None]
RegisterTask: TypeAlias = "Callable[[Task], None]"


@hookspec
def nlpkit_register_tasks(register: RegisterTask) -> None:
    """Call ``register(task)`` for each task, a `nlpkit.tasks.base.Task`."""


@hookspec
def nlpkit_register_tokenizers(register: RegisterComponent) -> None:
    """Call ``register(name, factory)`` for each tokenizer; the factory returns a `Tokenizer`."""


@hookspec
def nlpkit_register_embeddings(register: RegisterComponent) -> None:
    """Call ``register(name, factory)`` for each embedding; the factory returns an `Embedding`."""


@hookspec
def nlpkit_register_encoders(register: RegisterComponent) -> None:
    """Call ``register(name, factory)`` for each encoder; the factory takes ``input_dim`` and returns an `Encoder`."""


@hookspec
def nlpkit_register_outputs(register: RegisterComponent) -> None:
    """Call ``register(name, factory)`` for each output embedding; the factory returns an `OutputEmbedding`."""


@hookspec
def nlpkit_register_models(register: RegisterModel) -> None:
    """Call ``register(name, folder)`` for each trained bundle that the distribution carries."""


@hookspec
def nlpkit_register_recipes(register: RegisterRecipe) -> None:
    """Call ``register(name, path)`` for each recipe, a file in TOML; it is called ``TASK.NAME``."""


@hookspec
def nlpkit_register_commands(cli: click.Group) -> None:
    """Add commands to the group ``nlpkit`` with ``@cli.command()`` or ``cli.add_command``."""


def list_hooks(kind: str) -> list[str]:
    """Return what the hook of a kind is called, and what it was called once."""
    return [name for name in (*HOOKS, *RENAMED) if HOOKS[RENAMED.get(name, name)] == kind]


def _spell_old_names(module: object) -> ModuleType:
    """Return specifications of hooks by their old names; pluggy warns where the module implements one."""
    specs = ModuleType("old_names")
    for old, new in RENAMED.items():
        function = getattr(sys.modules[__name__], new)
        warning = DataWarning(
            "{module} implements the hook {old}, which is called {new} now",
            module=getattr(module, "__name__", module),
            old=old,
            new=new,
        )
        spec = hookspec(warn_on_impl=warning)
        setattr(specs, old, spec(FunctionType(function.__code__, function.__globals__, old)))
    return specs


def read_hooks(module: object) -> Any:
    """Return the hooks that a module implements, as pluggy calls them.

    :raises PluginError: for a hook that there is not, or that would never run.
    """
    if wrong := [
        name for name in dir(module) if name.startswith("nlpkit_register_") and name not in {**HOOKS, **RENAMED}
    ]:
        raise PluginError("there is no hook {wrong!r}{there_is}", wrong=wrong[0], there_is=nearest(wrong[0], HOOKS))
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(sys.modules[__name__])
    if RENAMED:
        manager.add_hookspecs(_spell_old_names(module))
    manager.register(module)
    manager.check_pending()
    callers = manager.get_hookcallers(module)
    if not callers:
        raise PluginError("it implements no hook: each function wants @nlpkit.hookimpl above it")
    for caller in callers:
        for implementation in caller.get_hookimpls():
            function = implementation.function
            if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
                raise PluginError("{name} must be a plain function, without yield or async", name=caller.name)
    return manager.hook
