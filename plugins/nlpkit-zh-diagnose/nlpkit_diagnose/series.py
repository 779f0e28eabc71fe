"""Series of numbers, an answer asked for at each step: the network that reads them, and what it minimises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from nlpkit import Encoder, SettingError
from nlpkit.model import State, StatefulNetwork
from nlpkit.training import RowNumbers, RowTraining, StateCarrier, Validation
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nlpkit_diagnose.regression import check_monitor


@dataclass(frozen=True)
class Series:
    """Rows of one length with a target at each step.

    :param inputs: numbers ``(rows, time, dim)``.
    :param targets: the index of a label ``(rows, time)``, or numbers ``(rows, time, outputs)``.
    :param lead: steps at the beginning of each row that are read but not judged; of rows that are trained on, 0.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[Any]
    lead: int = 0

    @property
    def judged(self) -> Tensor:
        """The targets behind the lead."""
        return torch.from_numpy(self.targets[:, self.lead :])


class SeriesNetwork(StatefulNetwork):
    """Numbers to outputs at each step: an encoder and a linear layer.

    :param encoder: causal, and it carries a state.
    :param dim: numbers that go in at each step.
    :param outputs: numbers that come out.
    """

    def __init__(self, encoder: Encoder, *, dim: int, outputs: int) -> None:
        super().__init__(encoder)
        self.linear = nn.Linear(encoder.output_dim, outputs)
        self._dim = dim

    def vectors(self, inputs: Tensor) -> Tensor:
        """Return the numbers themselves."""
        return inputs

    def example(self, batch: int) -> Tensor:
        """Return ones ``(batch, 1, dim)``."""
        return torch.ones(batch, 1, self._dim)

    def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Map numbers ``(batch, time, dim)`` to outputs ``(batch, time, outputs)``, and the state behind them."""
        states, carried = self.read(inputs, state)
        return self.linear(states), carried


class SeriesPrediction:
    """The `nlpkit.training.loop.Objective` of a network that answers at each step of a series.

    Rows are read in spans, some beside each other. The state is carried from span to span, without its history. Where
    rows are left over that do not fill a batch, other ones are in each epoch.

    :param span: steps of which the gradient is taken together.
    :raises SettingError: if the encoder carries no state, or epochs shall be judged by an accuracy that numbers lack.
    """

    rate_setting = "training.learning_rate"

    def __init__(
        self, network: SeriesNetwork, train: Series, validation: Series, settings: RowTraining, span: int
    ) -> None:
        check_monitor(train.targets, settings)
        self._beside = min(settings.batch_size, len(train.inputs))
        self._carrier = StateCarrier(network, self._beside)
        self.module: nn.Module = self._carrier
        self._network, self._train, self._validation, self._span = network, train, validation, span

    def batches(self, epoch: int, draw: np.random.Generator) -> Sequence[RowNumbers]:  # noqa: ARG002
        """Say where each row's span begins, counted from the first step of the first row ``(beside,)``."""
        rows, time = self._train.inputs.shape[:2]
        order = draw.permutation(rows)
        groups = [order[at : at + self._beside] for at in range(0, rows - self._beside + 1, self._beside)]
        return [group * time + begin for group in groups for begin in range(0, time, self._span)]

    def loss(self, begins: RowNumbers) -> tuple[Tensor, None]:
        """Return the mean loss of a span's steps."""
        rows, at = np.divmod(begins, self._train.inputs.shape[1])
        before = None if at[0] == 0 else [tensor.clone() for tensor in self._carrier.state]
        span = slice(at[0], at[0] + self._span)
        inputs, targets = (torch.from_numpy(part[rows, span]) for part in (self._train.inputs, self._train.targets))
        outputs, after = self._network(inputs, before)
        self._carrier.carry(after)
        return compute_losses(outputs, targets).mean(), None

    def validate(self) -> Validation:
        """Measure the mean loss of a step and, of labels, the share that is right."""
        outputs, targets = outputs_of(self._network, self._validation), self._validation.judged
        right = None if targets.is_floating_point() else (outputs.argmax(2) == targets).double().mean().item()
        return Validation(compute_losses(outputs, targets).mean().item(), right)


def compute_losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the squared error of numbers ``(rows, time, outputs)``, or cross entropy of labels ``(rows, time)``."""
    if targets.is_floating_point():
        return (outputs - targets).square()
    return functional.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none")


def outputs_of(network: SeriesNetwork, series: Series) -> Tensor:
    """Return outputs ``(rows, steps behind the lead, outputs)`` of whole series, without gradients."""
    network.eval()
    with torch.inference_mode():
        outputs: Tensor = network(torch.from_numpy(series.inputs))[0]
        return outputs[:, series.lead :]


def run_on(network: SeriesNetwork, inputs: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
    """Foretell series ``(rows, time, dim)`` by a network that is fed by its own answers: ``(rows, steps, dim)``.

    :param steps: at least 1.
    :raises SettingError: if it does not answer what it is fed.
    """
    network.eval()
    found: list[Tensor] = []
    with torch.inference_mode():
        outputs, state = network(torch.from_numpy(inputs))
        if outputs.shape[2] != inputs.shape[2]:
            raise SettingError(
                "{shape} outputs cannot be fed to a network that reads {dim}",
                shape=outputs.shape[2],
                dim=inputs.shape[2],
            )
        found.append(outputs[:, -1:])
        while len(found) < steps:
            outputs, state = network(found[-1], state)
            found.append(outputs)
        return torch.cat(found, 1).numpy()
