"""What training a classifier minimises: the loss of its logits against one label a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nlpkit.tasks.sentiment.settings import ClassifierTraining
from nlpkit.training.batching import RowNumbers, Rows, draw_batches, logits_of
from nlpkit.training.calibration import calibrated_loss
from nlpkit.training.loop import Validation

FEW = 10_000  # validation rows; of more an epoch has so many steps that no loop is made longer


class Classification:
    """The `Objective` of a network that maps ids and mask to logits, or vectors and mask where the rows hold these.

    :param labels: how many there are.
    """

    rate_setting = "training.learning_rate"

    def __init__(
        self,
        network: nn.Module,
        train: Rows,
        validation: Rows,
        settings: ClassifierTraining,
        labels: int,
    ) -> None:
        self.module = network
        self._train, self._validation, self._settings, self._labels = train, validation, settings, labels
        self._weights = weigh_labels(train.targets, labels) if settings.class_weights == "balanced" else None

    def batches(self, epoch: int, draw: np.random.Generator) -> Sequence[RowNumbers]:  # noqa: ARG002
        """Put rows of similar length together."""
        return draw_batches(self._train.lengths, self._settings.batch_size, draw)

    def loss(self, rows: RowNumbers) -> tuple[Tensor, int]:
        """Return the mean loss, and how many rows got their label."""
        ids, mask, labels = self._train.batch(rows)  # (batch, time), (batch, time), (batch,)
        logits = self.module(ids, mask)  # (batch, labels)
        loss = self._mean(logits, labels)
        if self._settings.r_drop:
            again = self.module(ids, mask)  # the same rows under another dropout
            loss = (loss + self._mean(again, labels)) / 2 + self._settings.r_drop * divergence(logits, again)
        return loss, int((logits.detach().argmax(1) == labels).sum())

    def validate(self) -> Validation:
        """Measure the mean loss without smoothing or weights, the accuracy, and of few rows the calibrated loss."""
        logits = logits_of(self.module, self._validation, self._settings.batch_size)
        labels = torch.from_numpy(self._validation.targets)
        losses = row_losses(self._settings.loss, logits, labels)
        accuracy = (logits.argmax(1) == labels).double().mean().item()
        few = self._settings.loss == "cross_entropy" and 0 < len(labels) <= FEW and bool(logits.isfinite().all())
        calibrated = calibrated_loss(logits.double().numpy(), self._validation.targets) if few else None
        return Validation(losses.mean().item(), accuracy, calibrated)

    def _mean(self, logits: Tensor, labels: Tensor) -> Tensor:
        losses = row_losses(self._settings.loss, logits, labels, self._settings.label_smoothing)
        if self._weights is None:
            return losses.mean()
        return (losses * self._weights[labels]).mean()


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


def weigh_labels(labels: np.ndarray[Any, Any], size: int) -> Tensor:
    """Weigh each of ``size`` labels inversely to how often it stands in ``labels``; 1 on average over rows."""
    counts = np.bincount(labels, minlength=size)
    return torch.from_numpy(len(labels) / (size * np.maximum(counts, 1))).float()


def divergence(logits: Tensor, others: Tensor) -> Tensor:
    """Return the mean symmetric Kullback-Leibler divergence between two sets of logits ``(batch, labels)``, in nats."""
    a, b = logits.log_softmax(1), others.log_softmax(1)
    return ((a.exp() - b.exp()) * (a - b)).sum(1).mean() / 2
