"""What a plugin may register by hooks: by a module that an entry point of the group ``nlpkit`` names.

Names that are entry points of their own, in groups such as ``nlpkit.tokenizers``, are found without importing it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pluggy

if TYPE_CHECKING:
    import click

    from nlpkit.tasks.base import Task

PROJECT = "nlpkit"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

RegisterComponent: TypeAlias = Callable[[str, Callable[..., Any]], None]
RegisterModel: TypeAlias = Callable[[str, Path], None]
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
def nlpkit_register_commands(cli: click.Group) -> None:
    """Add commands to the group ``nlpkit`` with ``@cli.command()`` or ``cli.add_command``."""
