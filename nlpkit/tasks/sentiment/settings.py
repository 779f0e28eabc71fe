"""What training a classifier is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from nlpkit.errors import SettingError
from nlpkit.plugins.options import Count, Positive, Range, Share, Weight
from nlpkit.training.mixture import MixtureRunSettings
from nlpkit.training.settings import RowTraining, TextNetworkSettings

Folds = Annotated[int, Range(0, 20)]


@dataclass(frozen=True)
class ClassifierTraining(RowTraining):
    """The training of a classifier.

    :param loss: cross_entropy; bce, binary cross entropy of each label against the others; or mse, the squared error of
        the probabilities (Brier 1950).
    :param label_smoothing: share of each target that is spread over all labels.
    :param class_weights: none; or balanced, where each label counts as much as any other, however rare.
    :param r_drop: weight of the difference between two passes under dropout (Liang et al. 2021,
        https://arxiv.org/abs/2106.14448); doubles the time.
    :param embedding_rate: the highest learning rate of the embedding, if it is another: a pretrained one that is tuned
        wants smaller steps than what is new.
    :param pretrain: epochs as a two-way language model before the first; for a recurrent encoder with one layer.
    :param pretrain_rate: its learning rate.
    """

    loss: Literal["cross_entropy", "bce", "mse"] = "cross_entropy"
    label_smoothing: Share = 0.0
    class_weights: Literal["none", "balanced"] = "none"
    r_drop: Weight = 0.0
    embedding_rate: Positive | None = None
    pretrain: Count = 0
    pretrain_rate: Positive = 4e-3
    fine_tuning: ClassVar[Mapping[str, Any]] = {"pretrain": 0}

    def rate_of(self, parameter: str) -> float:
        """Return the highest learning rate of a parameter."""
        of_embedding = parameter.startswith(("embedding.", "upper."))  # the upper half is all of it that is trained
        return self.embedding_rate if of_embedding and self.embedding_rate is not None else self.learning_rate


@dataclass(frozen=True, kw_only=True)
class ClassifierSettings(TextNetworkSettings):
    """What a member of a classifier is told."""

    training: ClassifierTraining = ClassifierTraining()


@dataclass(frozen=True, kw_only=True)
class SentimentSettings(MixtureRunSettings):
    """A whole run.

    :param several: whether a text may have several labels, or none, of which each is answered by itself; not said: as
        the rows are.
    :param exits: for each member but the last, the probability from which on the later ones are not asked; ``agree``:
        the lowest at which the answers are nearly always those of the whole model, on every group of validation rows.
    :param agreement: at which share of the rows that leave.
    :param folds: into so many parts the training rows are cut, where they are few: each member is trained as often,
        without one of them each time, and has the mean of the weights (as in Izmailov et al. 2018,
        https://arxiv.org/abs/1803.05407, but of several runs from one start); what it says of the rows that it was
        trained without takes the place of validation rows. 0: validation rows are set aside.
    :raises SettingError: for exits that are none, or what does not go with folds.
    """

    several: bool | None = None
    exits: tuple[float, ...] | Literal["agree"] = ()
    agreement: Annotated[float, Range(0, 1, low_open=True)] = 0.995
    folds: Folds = 0
    own: ClassVar[tuple[str, ...]] = (*MixtureRunSettings.own, "folds", "several")
    tunable: ClassVar[tuple[str, ...]] = ("exits", "agreement")

    @property
    def reading(self) -> Mapping[str, Any]:
        """Keep the labels that are named, and take several of a text as they are."""
        return {**super().reading, "several": self.several}

    @property
    def judge(self) -> str:
        """Training rows, where there are folds."""
        return "train" if self.folds else "validation"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.folds == 1:
            raise SettingError("folds are two or more, or 0 for none, was: 1")
        for name, value in (("validation_corpora", self.validation_corpora), ("a teacher", self.teacher.model)):
            if self.folds and value:
                raise SettingError("folds do not go with {name}: set folds=0", name=name)
        if self.folds and self.exits == "agree":
            raise SettingError("folds do not go with exits = 'agree', which wants validation rows: set folds=0")
        if self.exits == "agree":
            if len(self.members) < 2:
                raise SettingError("exits = 'agree' wants several members, of which a row may leave all but the last")
            return
        if len(self.exits) > len(self.members) - 1:
            raise SettingError(
                "exits has {count} values, more than members - 1: {expected}",
                count=len(self.exits),
                expected=len(self.members) - 1,
            )
        if not all(isinstance(leave, int | float) and 0 < leave <= 1 for leave in self.exits):
            raise SettingError("exits are probabilities above 0, found: {exits}", exits=list(self.exits))
