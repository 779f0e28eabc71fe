"""The member of a sentiment model: a network on texts that gives each label a logit."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nlpkit.errors import SettingError
from nlpkit.model.members import Floats
from nlpkit.tasks.sentiment.objective import NOTHING, Classification, Teaching
from nlpkit.tasks.sentiment.pretraining import Pretraining, pretraining_settings
from nlpkit.tasks.sentiment.settings import ClassifierSettings
from nlpkit.training.batching import Rows
from nlpkit.training.calibration import tune_stage
from nlpkit.training.events import Event
from nlpkit.training.loop import Objective
from nlpkit.training.member import CHECK_ROWS, Minimise
from nlpkit.training.settings import MemberSettings
from nlpkit.training.storage import StoredCorpus
from nlpkit.training.text_network import TextNetwork


class Classifier(TextNetwork):
    """A network that gives each label a logit."""

    settings_class: ClassVar[type[MemberSettings]] = ClassifierSettings
    folds = True

    @property
    def outputs(self) -> int:
        """As many as there are labels."""
        return len(self.corpus.labels)

    @property
    def learnt(self) -> Sequence[str]:
        """Labelled rows, then those to which a teacher gives labels."""
        return self._teaching.places

    @property
    def answers(self) -> Sequence[str]:
        """The labels."""
        return self.corpus.labels

    def targets(self, place: str) -> NDArray[Any]:
        """Return the index of each row's label ``(rows,)``, where it has none that of the teacher's answer."""
        own = self.corpus.targets(place)
        if place != "train" or self._teaching.probabilities is None:
            return own
        return np.concatenate([own, self._teaching.probabilities[len(own) :].argmax(1)])

    def classes(self) -> Sequence[int]:
        """Return the same of the training rows."""
        classes: list[int] = self.targets("train").tolist()
        return classes

    def objective(self, module: nn.Module, rows: Mapping[str, Rows]) -> Objective:
        """Return the loss of logits against one label a row, and against what a teacher says."""
        training, teaching = self.settings.training, self._teaching
        return Classification(module, rows["train"], rows["validation"], training, self.outputs, teaching)

    @property
    def _teaching(self) -> Teaching:
        """What it learns from besides one label a row."""
        teaching: Teaching = NOTHING if isinstance(self.data, StoredCorpus) else self.data.teaching
        return teaching

    def pretrain(self, minimise: Minimise) -> Generator[Event, None, None]:
        """Train as a language model, if that is asked for."""
        training = self.settings.training
        if training.pretrain:
            torch.manual_seed(self.seed)  # for the objective's own weights, which no earlier attempt wrote down
            objective = Pretraining(self.network, self.rows["train"], training.batch_size)
            yield from minimise(objective, pretraining_settings(training), "language model")

    def difference(self, expected: Floats, outputs: Floats) -> float:
        """Return the greatest difference of a probability, both calibrated as the expected logits want it."""
        targets = self.rows["validation"].targets[: len(expected)]
        calibrated = tune_stage([expected], targets, None)
        pair = (calibrated.probabilities([logits[:CHECK_ROWS]]) for logits in (expected, outputs))
        return float(np.abs(np.subtract(*pair)).max())

    @classmethod
    def check_encoder(cls, encoder: Any, settings: Any) -> None:
        """Refuse one that cannot be trained as a language model where that is asked for."""
        if settings.training.pretrain and not encoder.one_way_halves:
            raise SettingError(
                "{name}: training.pretrain goes with rnn, lstm or gru, one layer, bidirectional, "
                "norm not batch; was: {dict}",
                name=settings.name,
                dict=dict(settings.encoder),
            )
