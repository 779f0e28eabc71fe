"""What training on numbers minimises: the squared error of a network's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from nlpkit import SettingError
from nlpkit.training import LoopSettings, RowNumbers, Rows, RowTraining, Validation, draw_batches, logits_of
from numpy.typing import NDArray
from torch import Tensor, nn


class Regression:
    """The `nlpkit.training.loop.Objective` of a network that maps inputs and mask to numbers ``(batch, outputs)``.

    :param train: rows whose targets are numbers ``(rows, outputs)``, as are those of ``validation``.

    :raises SettingError: if epochs shall be judged by an accuracy, which numbers lack.
    """

    rate_setting = "training.learning_rate"

    def __init__(self, network: nn.Module, train: Rows, validation: Rows, settings: RowTraining) -> None:
        check_monitor(train.targets, settings)
        for rows in (train, validation):
            if rows.targets.ndim != 2:  # one axis less would be spread over the batch
                raise ValueError(f"targets must be (rows, outputs), was: {rows.targets.shape}")
        self.module = network
        self._train, self._validation, self._settings = train, validation, settings

    def batches(self, epoch: int, draw: np.random.Generator) -> Sequence[RowNumbers]:  # noqa: ARG002
        """Draw rows of similar length together."""
        return draw_batches(self._train.lengths, self._settings.batch_size, draw)

    def loss(self, rows: RowNumbers) -> tuple[Tensor, None]:
        """Return the mean squared error."""
        inputs, mask, targets = self._train.batch(rows)
        return (self.module(inputs, mask) - targets).square().mean(), None

    def validate(self) -> Validation:
        """Return the mean squared error of the validation rows; numbers are never simply right."""
        found = logits_of(self.module, self._validation, self._settings.batch_size)
        return Validation((found - torch.from_numpy(self._validation.targets)).square().mean().item(), None)


def check_monitor(targets: NDArray[Any], settings: LoopSettings) -> None:
    """Refuse to judge numbers by their accuracy.

    :raises SettingError: saying what to set.
    """
    if np.issubdtype(targets.dtype, np.floating) and settings.monitor == "accuracy":
        raise SettingError("training.monitor=accuracy wants labels, and these targets are numbers: set it to loss")
