"""Our own components, registered through the same entry-point group as a stranger's.

This module holds hook implementations only: it is imported at every start.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit.components import embeddings, encoders, outputs, tokenizers
from nlpkit.plugins.hookspecs import RegisterComponent, RegisterModel, hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def nlpkit_register_tokenizers(register: RegisterComponent) -> None:
    """Characters, white space, and the two jiebas."""
    register("char", tokenizers.char)
    register("whitespace", tokenizers.whitespace)
    register("jieba", tokenizers.jieba)
    register("rjieba", tokenizers.rjieba)


@hookimpl
def nlpkit_register_embeddings(register: RegisterComponent) -> None:
    """Vectors of tokens, and of hashed n-grams of tokens."""
    register("trainable", embeddings.trainable)
    register("spelled", embeddings.spelled)
    register("ngrams", embeddings.ngrams)


@hookimpl
def nlpkit_register_encoders(register: RegisterComponent) -> None:
    """From no encoder at all to attention."""
    register("none", encoders.none)
    register("cnn", encoders.cnn)
    register("rnn", encoders.rnn)
    register("lstm", encoders.lstm)
    register("gru", encoders.gru)
    register("transformer", encoders.transformer)


@hookimpl
def nlpkit_register_outputs(register: RegisterComponent) -> None:
    """How the answers of a cloze model are coded."""
    register("binary-codes", outputs.binary_codes)
    register("softmax", outputs.softmax)


@hookimpl
def nlpkit_register_tasks(register: Any) -> None:
    """The tasks of the core."""
    from nlpkit.tasks.cloze.task import CLOZE
    from nlpkit.tasks.generate.task import GENERATE
    from nlpkit.tasks.sentiment.task import SENTIMENT

    for task in (SENTIMENT, CLOZE, GENERATE):
        register(task)


@hookimpl
def nlpkit_register_models(register: RegisterModel) -> None:
    """Every folder under ``nlpkit/models`` that holds a bundle."""
    for folder in sorted(Path(str(files("nlpkit"))).joinpath("models").glob("*/config.json")):
        register(folder.parent.name, folder.parent)


@hookimpl
def nlpkit_register_commands(cli: click.Group) -> None:
    """The command groups of the core."""
    from nlpkit.commands import corpus, models, plugins  # only the shell needs click

    cli.add_command(corpus.corpus)
    cli.add_command(models.models)
    cli.add_command(plugins.plugins)
