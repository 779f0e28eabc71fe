"""What training a cloze model is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from nlpkit.plugins.options import Count, Range, Share, Size, Weight
from nlpkit.training.settings import MemberSettings, TextRunSettings, TextTraining, Weights


@dataclass(frozen=True)
class ClozeHead:
    """How the states around a position become its features.

    :param hidden: units of each layer, with ReLU behind it.
    :param dropout: before the first layer and behind each.
    :param neighbours: show the head the vectors of both neighbours, beside the encoder's states.
    """

    hidden: tuple[Size, ...] = (512,)
    dropout: Share = 0.2
    neighbours: bool = True


@dataclass(frozen=True)
class ClozeTraining(TextTraining):
    """The training of a cloze network, every word of a text in turn being the blank.

    :param batch_tokens: words in a step.
    :param blanked: share of the words of the context that are blanks themselves.
    :param subsample: a word that is a larger share of the text than this is asked for less often: with probability
        ``sqrt(subsample / share)`` (Mikolov et al. 2013, https://arxiv.org/abs/1310.4546), which its logit then makes
        up for; 0 asks for every word wherever it stands. The share is among the words that can be answered.
    :param exact_epochs: last epochs in which the loss is over all words, where the output draws some.
    """

    batch_tokens: Size = 2048
    blanked: Share = 0.05
    subsample: Weight = 0.0
    exact_epochs: Count = 0
    fixed: ClassVar[tuple[str, ...]] = ("subsample",)  # for which the biases of the words make up


@dataclass(frozen=True, kw_only=True)
class ClozeNetworkSettings(MemberSettings):
    """The network. Components are ``{"name": …, option: …}``.

    :param max_length: words of a context on each side that are read; longer rows are cut.
    :param weights: how the saved weights are stored: float32 or int8. An output's table of words is int8 always.
    """

    embedding: Mapping[str, Any]
    encoder: Mapping[str, Any]
    output: Mapping[str, Any]
    head: ClozeHead = ClozeHead()
    training: ClozeTraining = ClozeTraining()
    max_length: Annotated[int, Range(2)] = 64
    weights: Weights = "float32"
    components: ClassVar[tuple[str, ...]] = ("embedding", "encoder", "output")
    one_way: ClassVar[bool] = True
    tunable: ClassVar[tuple[str, ...]] = ("training", "max_length", "weights")


@dataclass(frozen=True)
class AnswerSettings:
    """Which words can be answered: those of Chinese characters only.

    :param min_count: a word seen less often cannot be.
    :param max_size: only the most frequent can be.
    """

    min_count: Size = 5
    max_size: Annotated[int, Range(2)] = 200_000


@dataclass(frozen=True, kw_only=True)
class ClozeSettings(TextRunSettings):
    """A whole run."""

    tokenizer: Mapping[str, Any]
    answers: AnswerSettings = AnswerSettings()
    validation: float = 0.05
    components: ClassVar[tuple[str, ...]] = ("tokenizer",)
