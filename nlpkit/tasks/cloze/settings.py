"""What training a cloze model is told: by a recipe (TOML), by options, by ``--set``; checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nlpkit.errors import SettingError
from nlpkit.tasks.cloze.counting import CountSettings
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

TASK = "cloze"


@dataclass(frozen=True)
class ClozeHead:
    """How the states around a position become its features.

    :param hidden: units of each layer, with ReLU behind it.
    :param dropout: before the first layer and behind each.
    :param neighbours: show the head the vectors of both neighbours, beside the encoder's states.
    """

    hidden: tuple[int, ...] = (512,)
    dropout: float = 0.2
    neighbours: bool = True


@dataclass(frozen=True)
class ClozeTraining(LoopSettings):
    """The training of a cloze network, every word of a text in turn being the blank.

    :param batch_tokens: words in a step.
    :param blanked: share of the words of the context that are blanks themselves.
    :param subsample: a word that is a larger share of the text than this is asked for less often: with probability
        ``sqrt(subsample / share)`` (Mikolov et al. 2013, https://arxiv.org/abs/1310.4546), which its logit then makes
        up for; 0 asks for every word wherever it stands. The share is among the words that can be answered.
    :param focus: share of the rows of the first corpus in the first and the last epoch, in between in proportion;
        empty: each corpus as large as it is. However that is, an epoch has as many rows as there are.
    :param exact_epochs: last epochs in which the loss is over all words, where the output draws some.
    :param precision: float32, or bfloat16, which is faster on processors that have it.
    """

    batch_tokens: int = 2048
    blanked: float = 0.05
    subsample: float = 0.0
    focus: tuple[float, ...] = ()
    exact_epochs: int = 0
    precision: str = "float32"


@dataclass(frozen=True)
class NetworkSettings:
    """The network. Components are ``{"name": …, option: …}``.

    :param max_length: words of a context on each side that are read; longer rows are cut.
    :param weights: how the saved weights are stored: float32 or int8. An output's table of words is int8 always.
    """

    embedding: Mapping[str, Any]
    encoder: Mapping[str, Any]
    output: Mapping[str, Any]
    head: ClozeHead = ClozeHead()
    training: ClozeTraining = ClozeTraining()
    max_length: int = 64
    weights: str = "float32"


@dataclass(frozen=True)
class AnswerSettings:
    """Which words can be answered: those of Chinese characters only.

    :param min_count: a word seen less often cannot be.
    :param max_size: only the most frequent can be.
    """

    min_count: int = 5
    max_size: int = 200_000


@dataclass(frozen=True)
class ClozeSettings:
    """A whole run."""

    tokenizer: Mapping[str, Any]
    network: NetworkSettings
    counts: CountSettings = field(default_factory=CountSettings)
    answers: AnswerSettings = AnswerSettings()
    seed: int = 0
    test: float = 0.2
    validation: float = 0.05
    normalisation: Mapping[str, bool] = field(default_factory=dict)


def settings(tables: Mapping[str, Any]) -> ClozeSettings:
    """Check nested tables and make settings of them.

    :raises SettingError: for a name or value that is wrong, saying what there is.
    """
    tables = dict(tables)
    network = _network(tables.pop(NETWORK, None))
    counts = fill(CountSettings, tuples(tables.pop("counts", {}), "corpora"), "counts")
    answers = fill(AnswerSettings, tables.pop("answers", {}), "answers")
    made = fill(ClozeSettings, {**tables, "network": network, "counts": counts, "answers": answers}, "the recipe")
    check_component("tokenizer", made.tokenizer, "the recipe")
    fill(Normaliser, made.normalisation, "normalisation")
    check_seed(made.seed)
    check_shares(made.test, made.validation)
    if answers.min_count < 1 or answers.max_size < 2:
        raise SettingError(f"answers.min_count must be at least 1 and answers.max_size 2, was: {answers}")
    return made


def _network(table: object) -> NetworkSettings:
    if not isinstance(table, Mapping):
        raise SettingError(f"the recipe wants a table [network], found: {table!r}")
    table = dict(table)
    training = fill(ClozeTraining, tuples(table.pop("training", {}), "focus"), "network.training")
    head = fill(ClozeHead, tuples(table.pop("head", {}), "hidden"), "network.head")
    check_training(training)
    check_focus(training.focus)
    if not 0 <= head.dropout < 1:
        raise SettingError(f"head.dropout must be in [0, 1), was: {head.dropout}")
    if any(size < 1 for size in head.hidden):
        raise SettingError(f"head.hidden wants sizes of at least 1, was: {list(head.hidden)}")
    network = fill(NetworkSettings, {**table, "training": training, "head": head}, NETWORK)
    if network.weights not in WEIGHTS:
        raise SettingError(f"weights must be one of {', '.join(WEIGHTS)}, was: {network.weights}")
    if network.max_length < 2:
        raise SettingError(f"max_length must be at least 2, was: {network.max_length}")
    for kind in PARTS:
        check_component(kind, getattr(network, kind), NETWORK)
    return network
