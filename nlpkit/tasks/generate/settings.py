"""What training a model that generates is told: by a recipe (TOML), by options, by ``--set``; checked first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nlpkit.errors import SettingError
from nlpkit.tasks.generate.kneser_ney import NgramSettings
from nlpkit.text.normalisation import Normaliser
from nlpkit.training.settings import (
    NETWORK,
    PARTS,
    WEIGHTS,
    LoopSettings,
    check_component,
    check_focus,
    check_seed,
    check_shares,
    check_training,
    fill,
    tuples,
)

TASK = "generate"
AS_IT_IS = {"nfkc": False, "lower": False, "simplify": False}  # what is to be written must be read


@dataclass(frozen=True)
class StreamTraining(LoopSettings):
    """The training of a language model on streams of text side by side.

    :param streams: texts that are read side by side, each going on where it left off.
    :param span: tokens of each stream in a step; back-propagation goes no further back.
    :param shuffle: read the texts in another order in each epoch; false where they follow each other, as chapters do.
    :param focus: share of the texts of the first corpus in the first and the last epoch, in between in proportion;
        empty: each corpus as large as it is. However that is, an epoch has as many texts as there are.
    :param precision: float32, or bfloat16, which is faster on processors that have it.
    """

    streams: int = 64
    span: int = 64
    shuffle: bool = True
    focus: tuple[float, ...] = ()
    precision: str = "float32"


@dataclass(frozen=True)
class LanguageModelSettings:
    """The network. Components are ``{"name": …, option: …}``.

    :param dropout: of the encoder's states.
    :param weights: how the saved weights are stored: float32 or int8. An output's table of tokens is int8 always.
    """

    embedding: Mapping[str, Any]
    encoder: Mapping[str, Any]
    output: Mapping[str, Any]
    dropout: float = 0.2
    training: StreamTraining = StreamTraining()
    weights: str = "float32"


@dataclass(frozen=True)
class GenerationSettings:
    """A whole run."""

    network: LanguageModelSettings
    ngrams: NgramSettings = field(default_factory=NgramSettings)
    seed: int = 0
    test: float = 0.2
    validation: float = 0.05
    normalisation: Mapping[str, bool] = field(default_factory=lambda: dict(AS_IT_IS))


def settings(tables: Mapping[str, Any]) -> GenerationSettings:
    """Check nested tables and make settings of them.

    :raises SettingError: for a name or value that is wrong, saying what there is.
    """
    tables = dict(tables)
    network = _network(tables.pop(NETWORK, None))
    normalisation = tables.get("normalisation", {})
    fill(Normaliser, normalisation, "normalisation")
    tables["normalisation"] = AS_IT_IS | dict(normalisation)
    ngrams = fill(NgramSettings, tables.pop("ngrams", {}), "ngrams")
    made = fill(GenerationSettings, {**tables, "network": network, "ngrams": ngrams}, "the recipe")
    check_seed(made.seed)
    check_shares(made.test, made.validation)
    return made


def _network(table: object) -> LanguageModelSettings:
    if not isinstance(table, Mapping):
        raise SettingError(f"the recipe wants a table [network], found: {table!r}")
    table = dict(table)
    training = fill(StreamTraining, tuples(table.pop("training", {}), "focus"), "network.training")
    check_training(training)
    check_focus(training.focus)
    if training.streams < 1 or training.span < 1:
        raise SettingError(
            f"training.streams and training.span must be at least 1, were: {training.streams}, {training.span}"
        )
    network = fill(LanguageModelSettings, {**table, "training": training}, NETWORK)
    if not 0 <= network.dropout < 1:
        raise SettingError(f"dropout must be in [0, 1), was: {network.dropout}")
    if network.weights not in WEIGHTS:
        raise SettingError(f"weights must be one of {', '.join(WEIGHTS)}, was: {network.weights}")
    for kind in PARTS:
        check_component(kind, getattr(network, kind), NETWORK)
    return network
