"""What the training of an opinion model is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from nlpkit.plugins import Range, Share, Size
from nlpkit.training import MemberSettings, MixtureReader, RowTraining, RunSettings, TextCorpus


@dataclass(frozen=True)
class AspectsTraining(RowTraining):
    """The training of a network that marks opinions.

    :param replaced: share of the targets of one token that are replaced, anew in each step, by some other target of
        the training rows: so that shape and not names tell what a target is.
    """

    replaced: Share = 0.0


@dataclass(frozen=True, kw_only=True)
class AspectsSettings(MemberSettings):
    """The network. Components are ``{"name": …, option: …}``.

    :param dropout: on the states from which marks are read.
    :param pair_dim: numbers by which a token of an opinion and one of a target are matched.
    :param max_length: tokens of a sentence that are read together; a longer one is read in pieces.
    :param weights: how the saved weights are stored: float32 or int8.
    """

    tokenizer: Mapping[str, Any]
    embedding: Mapping[str, Any]
    encoder: Mapping[str, Any]
    training: AspectsTraining = field(default_factory=AspectsTraining)
    dropout: Share = 0.3
    pair_dim: Size = 64
    max_length: Annotated[int, Range(2)] = 160
    weights: Literal["float32", "int8"] = "float32"
    components: ClassVar[tuple[str, ...]] = ("tokenizer", "embedding", "encoder")
    tunable: ClassVar[tuple[str, ...]] = ("training", "dropout", "max_length", "weights")


@dataclass(frozen=True, kw_only=True)
class MarkedCorpus(TextCorpus):
    """How a corpus is used.

    :param split: whether its rows are dealt out to training, validation and test; false: all are trained on.
    :param weight: of each of its training rows, beside 1 of others.
    """

    split: bool = True
    weight: Annotated[float, Range(0, low_open=True)] = 1.0

    def make_source(self, use: Any) -> Any:
        """Return what a run does with its rows."""
        from nlpkit.text import Source

        return Source(use=use if self.split else "train", weight=float(self.weight))


@dataclass(frozen=True, kw_only=True)
class AspectsRunSettings(RunSettings):
    """A whole run.

    :param corpora: how corpora are used, and where they come from.
    """

    corpora: tuple[MarkedCorpus, ...] = ()
    test: float = 0.15
    validation: float = 0.1
    own: ClassVar[tuple[str, ...]] = (*RunSettings.own, "corpora")

    def reader(self, corpora: Sequence[str]) -> MixtureReader:
        """Return what reads them as the tables say."""
        return MixtureReader(corpora, self.corpora)
