"""The member of a sentiment model: a network on texts that gives each label a logit."""

from __future__ import annotations

import copy
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nlpkit.errors import Sentence, SettingError
from nlpkit.model.members import Floats
from nlpkit.tasks.sentiment.objective import NOTHING, Classification, SeveralClassification, Teaching
from nlpkit.tasks.sentiment.pretraining import Pretraining, pretraining_settings
from nlpkit.tasks.sentiment.settings import ClassifierSettings
from nlpkit.training.batching import Rows, logits_of
from nlpkit.training.calibration import tune_sigmoid_stage, tune_stage
from nlpkit.training.events import Event
from nlpkit.training.loop import Diverged, Objective
from nlpkit.training.member import CHECK_ROWS, Comparison, Minimise, StoredMember
from nlpkit.training.settings import MemberSettings
from nlpkit.training.storage import StoredCorpus
from nlpkit.training.text_network import COMPARE_ROWS, TextNetwork


class Classifier(TextNetwork):
    """A network that gives each label a logit; by a softmax or, where a text may have several, each by itself."""

    settings_class: ClassVar[type[MemberSettings]] = ClassifierSettings
    folds = True
    _left_out: Floats | None = None  # logits ``(rows, labels)`` of training rows, each by the fold trained without it

    @property
    def outputs(self) -> int:
        """As many as there are labels."""
        return len(self.corpus.labels)

    @property
    def takes_pieces(self) -> bool:
        """Whether nothing is trained but the classifier: a language model foretells tokens."""
        return not self.settings.training.pretrain

    @property
    def relative(self) -> bool:
        """For a softmax only differences count."""
        return not self.corpus.several

    @property
    def learnt(self) -> Sequence[str]:
        """Labelled rows, then those to which a teacher gives labels."""
        return self._teaching.places

    @property
    def answers(self) -> Sequence[str]:
        """The labels."""
        return self.corpus.labels

    def targets(self, place: str) -> NDArray[Any]:
        """Return the index of each row's label ``(rows,)``, where it has none that of the teacher's answer.

        Where a text may have several: 1 where a row has a label, 0 elsewhere ``(rows, labels)``.
        """
        if self.corpus.several:
            return self.corpus.indicators(place)
        own = self.corpus.targets(place)
        if place != "train" or self._teaching.probabilities is None:
            return own
        return np.concatenate([own, self._teaching.probabilities[len(own) :].argmax(1)])

    def classes(self) -> Any:
        """Return the same of the training rows."""
        targets = self.targets("train")
        return targets if self.corpus.several else targets.tolist()

    def objective(
        self, module: nn.Module, rows: Mapping[str, Rows], learnt: NDArray[np.int64] | None = None
    ) -> Objective:
        """Return the loss of logits against one label a row, and against what a teacher says.

        :param learnt: numbers of the rows to train on; None: all.
        """
        training, teaching = self.settings.training, self._teaching
        kind = SeveralClassification if self.corpus.several else Classification
        return kind(module, rows["train"], rows["validation"], training, self.outputs, teaching, learnt)

    def train(self, minimise: Minimise) -> Generator[Event, None, Diverged | None]:
        """Train once or, of folds, once without each; then the weights are the means of theirs."""
        if not self.run.folds:
            return (yield from super().train(minimise))
        yield from self.pretrain(minimise)
        module, rows = yield from self._select_trainable()
        strata = self.corpus.targets("train") if self.corpus.several else rows["train"].targets
        folds = cut_folds(strata, self.run.folds, self.seed)
        start, total = copy.deepcopy(module.state_dict()), dict[str, Tensor]()
        self._left_out = np.empty((len(folds), self.outputs))
        divergence = None
        for fold in range(self.run.folds):
            module.load_state_dict(start)
            objective = self.objective(module, rows, np.flatnonzero(folds != fold))
            diverged = yield from minimise(objective, self.settings.training, Sentence("fold {fold}", fold=fold + 1))
            divergence = divergence or diverged
            left = np.flatnonzero(folds == fold)
            self._left_out[left] = logits_of(module, rows["train"], self.settings.training.batch_size, left).double()
            for name, tensor in module.state_dict().items():
                total[name] = total[name] + tensor.double() if name in total else tensor.double()
        mean = {name: (tensor / self.run.folds).to(start[name].dtype) for name, tensor in total.items()}
        module.load_state_dict(mean)
        return divergence

    def compare(self, stored: StoredMember) -> Comparison:
        """Compare what was exported with torch; of folds, members are mixed by what each says of those left out."""
        comparison = super().compare(stored)
        if self._left_out is None:
            return comparison
        return replace(comparison, validation=self._left_out[:COMPARE_ROWS])

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
        targets = self.rows[self.run.judge].targets[: len(expected)]
        calibrated = (tune_sigmoid_stage if self.corpus.several else tune_stage)([expected], targets, None)
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


def cut_folds(targets: NDArray[Any], folds: int, seed: int) -> NDArray[np.int64]:
    """Return which of so many folds each row is in ``(rows,)``: every label evenly spread, by chance otherwise.

    :param targets: the index of each row's label ``(rows,)``.
    """
    order = np.random.default_rng(seed).permutation(len(targets))
    order = order[np.argsort(targets[order], kind="stable")]
    result = np.empty(len(targets), dtype=np.int64)
    result[order] = np.arange(len(targets)) % folds
    return result
