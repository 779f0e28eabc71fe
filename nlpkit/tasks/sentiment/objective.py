"""What training a classifier minimises: the loss of its logits against one label a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nlpkit.tasks.sentiment.settings import ClassifierTraining
from nlpkit.training.ahead import Ahead
from nlpkit.training.batching import RowNumbers, Rows, draw_batches, logits_of
from nlpkit.training.calibration import calibrated_loss, calibrated_sigmoid_loss
from nlpkit.training.loop import Validation


@dataclass(frozen=True)
class Teaching:
    """What a classifier learns from besides one label a row, and by what it is judged.

    :param places: of the stored rows that are trained on, one after the other.
    :param weights: what each training row counts ``(rows,)``, 1 on average; None: one as much as another.
    :param probabilities: a teacher's of training rows ``(rows, labels)``, nan where it has none; None without teacher.
    :param labelled: how many training rows have a label of their own, the first ones; the others have a teacher's.
    :param share: of the teacher's probabilities in the loss of a row that has a label.
    :param temperature: by which logits are divided before they are compared.
    :param judging: what each validation row counts ``(rows,)``; None: one as much as another.
    """

    places: Sequence[str] = ("train",)
    weights: NDArray[np.float32] | None = None
    probabilities: NDArray[np.float32] | None = None
    labelled: int = 0
    share: float = 0.0
    temperature: float = 1.0
    judging: NDArray[np.float64] | None = None

    def soft_targets(self, rows: RowNumbers) -> tuple[Tensor, Tensor]:
        """Return probabilities of some rows, softened ``(batch, labels)``, and their share in losses ``(batch,)``."""
        assert self.probabilities is not None
        found = torch.as_tensor(self.probabilities[rows])
        labelled = torch.as_tensor(rows < self.labelled)
        share = torch.where(labelled, self.share, 1.0).masked_fill(found.isnan().any(1), 0.0)
        powers = found.nan_to_num(1.0) ** (1 / self.temperature)
        return powers / powers.sum(1, keepdim=True), share


NOTHING = Teaching()
MOST_WEIGHT = 100.0  # of a rare label: rarer ones would drown what tells the others


class Classification:
    """The `Objective` of a network that maps ids and mask to logits, or vectors and mask where the rows hold these.

    :param labels: how many there are.
    :param teaching: what else it learns from.
    :param learnt: numbers of the rows to train on; None: all.
    """

    rate_setting = "training.learning_rate"

    def __init__(
        self,
        network: nn.Module,
        train: Rows,
        validation: Rows,
        settings: ClassifierTraining,
        labels: int,
        teaching: Teaching = NOTHING,
        learnt: RowNumbers | None = None,
    ) -> None:
        self.module = network
        self._train, self._validation, self._settings, self._labels = train, validation, settings, labels
        self._teaching = teaching
        self._learnt = np.arange(len(train)) if learnt is None else learnt
        self._ahead = Ahead(train.batch, train.ahead)
        self._weights: Tensor | None = None
        if settings.class_weights == "balanced":
            weights = None if teaching.weights is None else teaching.weights[self._learnt]
            self._weights = self._weigh(train.targets[self._learnt], weights)

    def batches(self, epoch: int, draw: np.random.Generator) -> Sequence[RowNumbers]:  # noqa: ARG002
        """Put rows of similar length together."""
        batches = draw_batches(self._train.lengths[self._learnt], self._settings.batch_size, draw)
        return [self._learnt[batch] for batch in batches]

    def foresee(self, coming: Sequence[RowNumbers]) -> None:
        """Make batches ahead."""
        self._ahead.foresee(coming)

    def loss(self, rows: RowNumbers) -> tuple[Tensor, Tensor]:
        """Return the mean loss, and how many rows got their label, or where they have none the teacher's answer."""
        ids, mask, labels = self._ahead.take(rows)  # (batch, time), (batch, time), (batch,)
        logits = self.module(ids, mask).float()  # (batch, labels)
        loss = self._mean(logits, labels, rows)
        if self._settings.r_drop:
            again = self.module(ids, mask).float()  # the same rows under another dropout
            loss = (loss + self._mean(again, labels, rows)) / 2 + self._settings.r_drop * self._diverge(logits, again)
        return loss, self._count_right(logits.detach(), labels).sum()

    def validate(self) -> Validation | None:
        """Measure loss without smoothing or weights of labels, accuracy, and what the loss is once calibrated.

        None where there are no validation rows.
        """
        if not len(self._validation):
            return None
        logits = logits_of(self.module, self._validation, self._settings.batch_size)
        targets, judging = self._validation.targets, self._teaching.judging
        labels = torch.as_tensor(targets, device=logits.device)
        losses, right = self._losses(logits, labels), self._count_right(logits, labels).double()
        sound = self._settings.loss == "cross_entropy" and bool(logits.isfinite().all())
        calibrated = partial(self._calibrate, logits.double().numpy(), targets) if sound else None
        if judging is None:
            return Validation(losses.mean().item(), right.mean().item(), calibrated)
        weights = torch.as_tensor(judging / judging.sum(), device=logits.device)
        return Validation((losses * weights).sum().item(), (right * weights).sum().item(), calibrated)

    def _mean(self, logits: Tensor, labels: Tensor, rows: RowNumbers) -> Tensor:
        weights = None if self._weights is None else self._weights.to(labels.device)
        losses = self._losses(logits, labels, self._settings.label_smoothing, weights)
        if self._teaching.probabilities is not None:
            soft, share = self._teaching.soft_targets(rows)
            losses = (1 - share) * losses + share * self._soft_losses(logits, soft)
        if self._teaching.weights is not None:
            losses = losses * torch.as_tensor(self._teaching.weights[rows])
        return losses.mean()

    def _weigh(self, targets: NDArray[Any], weights: NDArray[np.float32] | None) -> Tensor:
        """Return weights of labels ``(labels,)`` with which each counts as much as any other."""
        return weigh_labels(targets, self._labels, weights)

    def _losses(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0, weights: Tensor | None = None) -> Tensor:
        """Return the loss of each row ``(batch,)``.

        :param weights: of labels ``(labels,)``; None: each counts by its rows.
        """
        losses = row_losses(self._settings.loss, logits, targets, smoothing)
        return losses if weights is None else losses * weights[targets]

    def _count_right(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return which rows are right ``(batch,)``."""
        return logits.argmax(1) == targets

    def _calibrate(self, logits: NDArray[Any], targets: NDArray[Any]) -> float:
        """Return the loss once these logits are calibrated on these rows."""
        return calibrated_loss(logits, targets, self._teaching.judging)

    def _diverge(self, logits: Tensor, others: Tensor) -> Tensor:
        """Return how far apart two passes are."""
        return divergence(logits, others)

    def _soft_losses(self, logits: Tensor, soft: Tensor) -> Tensor:
        """Return the loss of each row ``(batch,)`` against probabilities ``(batch, labels)``.

        Labels that weigh more make rows weigh more as far as they are likely, and are themselves more so. Gradients
        shrink with the square of the temperature, and are brought back.
        """
        temperature, scale = self._teaching.temperature, torch.ones(())
        if self._weights is not None:
            soft = soft * self._weights.to(soft.device)
            scale = soft.sum(1)
            soft = soft / scale[:, None]
        return scale * temperature**2 * soft_losses(self._settings.loss, logits / temperature, soft)


class SeveralClassification(Classification):
    """The `Objective` of a network that gives each label a logit of its own, as a text may have several, or none.

    Targets are 1 where a row has a label, 0 elsewhere ``(rows, labels)``. Labels that weigh more do so in rows that
    have them, as much as if these were as many as the others. A row is right if all of its labels are.
    """

    def _weigh(self, targets: NDArray[Any], weights: NDArray[np.float32] | None) -> Tensor:
        having = np.average(targets, axis=0, weights=weights).clip(1 / max(len(targets), 1), 1)
        return torch.from_numpy((1 - having) / having).float().clamp(min=1 / MOST_WEIGHT, max=MOST_WEIGHT)

    def _count_right(self, logits: Tensor, targets: Tensor) -> Tensor:
        return ((logits > 0) == (targets > 0)).all(1)

    def _losses(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0, weights: Tensor | None = None) -> Tensor:
        aims = targets.to(logits.dtype) * (1 - smoothing) + smoothing / 2
        if self._settings.loss == "mse":
            losses = (logits.sigmoid() - aims).square()
            return (losses if weights is None else torch.where(targets > 0, weights, 1.0) * losses).mean(1)
        losses = functional.binary_cross_entropy_with_logits(logits, aims, reduction="none", pos_weight=weights)
        return losses.mean(1)

    def _calibrate(self, logits: NDArray[Any], targets: NDArray[Any]) -> float:
        return calibrated_sigmoid_loss(logits, targets, self._teaching.judging)

    def _diverge(self, logits: Tensor, others: Tensor) -> Tensor:
        gaps = (logits.sigmoid() - others.sigmoid()) * (logits - others)
        return gaps.mean() / 2


def row_losses(name: str, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the loss of each row ``(batch,)`` of logits ``(batch, labels)`` against labels ``(batch,)``.

    Smoothed targets are spread evenly over all labels (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567).
    """
    if name == "cross_entropy":
        return functional.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
    size = logits.shape[1]
    targets = functional.one_hot(labels, size).to(logits.dtype) * (1 - smoothing) + smoothing / size
    if name == "bce":
        return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(1)
    return (logits.softmax(1) - targets).square().mean(1)


def soft_losses(name: str, logits: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of each row ``(batch,)`` of logits ``(batch, labels)`` against probabilities, shaped likewise."""
    if name == "cross_entropy":
        return functional.cross_entropy(logits, targets, reduction="none")
    if name == "bce":
        return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(1)
    return (logits.softmax(1) - targets).square().mean(1)


def weigh_labels(labels: np.ndarray[Any, Any], size: int, weights: NDArray[np.float32] | None = None) -> Tensor:
    """Weigh each of ``size`` labels inversely to how often it stands in ``labels``; 1 on average over rows.

    :param weights: what each row counts ``(rows,)``; None: one as much as another.
    """
    counts = np.bincount(labels, weights, minlength=size)
    return torch.from_numpy(len(labels) / (size * np.maximum(counts, 1))).float()


def divergence(logits: Tensor, others: Tensor) -> Tensor:
    """Return the mean symmetric Kullback-Leibler divergence between two sets of logits ``(batch, labels)``, in nats."""
    a, b = logits.log_softmax(1), others.log_softmax(1)
    return ((a.exp() - b.exp()) * (a - b)).sum(1).mean() / 2
