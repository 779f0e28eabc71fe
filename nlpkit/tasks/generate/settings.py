"""What training a model that generates is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from nlpkit.plugins.options import Range, Share, Size
from nlpkit.tasks.generate.ngrams import LONGEST
from nlpkit.training.settings import MemberSettings, TextRunSettings, TextTraining, Weights


@dataclass(frozen=True)
class StreamTraining(TextTraining):
    """The training of a language model on streams of text side by side.

    :param streams: texts that are read side by side, each going on where it left off.
    :param span: tokens of each stream in a step; back-propagation goes no further back.
    :param shuffle: read the texts in another order in each epoch; false where they follow each other, as chapters do.
    """

    streams: Size = 64
    span: Size = 64
    shuffle: bool = True


@dataclass(frozen=True, kw_only=True)
class LanguageModelSettings(MemberSettings):
    """The network. Components are ``{"name": …, option: …}``.

    :param dropout: of the encoder's states.
    :param weights: how the saved weights are stored: float32 or int8. An output's table of tokens is int8 always.
    """

    embedding: Mapping[str, Any]
    encoder: Mapping[str, Any]
    output: Mapping[str, Any]
    dropout: Share = 0.2
    training: StreamTraining = StreamTraining()
    weights: Weights = "float32"
    components: ClassVar[tuple[str, ...]] = ("embedding", "encoder", "output")
    one_way: ClassVar[bool] = True
    tunable: ClassVar[tuple[str, ...]] = ("training", "weights")


@dataclass(frozen=True, kw_only=True)
class NgramSettings(MemberSettings):
    """Which n-grams a member holds.

    :param order: tokens of the longest; 0 means no such member.
    :param min_count: times that an n-gram of three tokens or more must be seen to be kept; shorter ones all are.
    :param most: tokens that are counted; of a longer corpus, an even share of its texts.
    """

    order: Literal[0] | Annotated[int, Range(2, LONGEST)] = 6
    min_count: Size = 2
    most: Size = 10_000_000
    tunable: ClassVar[tuple[str, ...]] = ("order", "min_count", "most")  # they are counted anew

    @property
    def absent(self) -> bool:
        """Whether there is no such member."""
        return not self.order


@dataclass(frozen=True, kw_only=True)
class GenerationSettings(TextRunSettings):
    """A whole run."""

    validation: float = 0.05
    defaults: ClassVar[Mapping[str, bool]] = {"nfkc": False, "lower": False, "simplify": False}  # it is to be read

    @property
    def in_order(self) -> bool:
        """Whether all texts follow each other."""
        return any(isinstance(m, LanguageModelSettings) and not m.training.shuffle for m in self.members)

    @property
    def reading(self) -> Mapping[str, Any]:
        """Read blank lines, where texts follow each other."""
        return {"blank_lines": self.in_order}
