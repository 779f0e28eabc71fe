"""Reading on from where one stopped: a network whose encoder carries a state from call to call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from nlpkit.errors import PluginError, SettingError
from nlpkit.plugins.base import Encoder

State = list[Tensor]  # what an encoder carries, flat


class StatefulNetwork(nn.Module, ABC):
    """A network that goes on reading; below it stands what it reads, ids or numbers.

    :param encoder: causal, and it carries a state.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self._structure: Any = None

    @abstractmethod
    def vectors(self, inputs: Tensor) -> Tensor:
        """Map inputs to vectors ``(batch, time, dim)``."""

    @abstractmethod
    def example(self, batch: int) -> Tensor:
        """Make inputs of so many rows, one step each, by which the shape of the state is seen."""

    def read(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        """States ``(batch, time, dim)`` of inputs without padding, and what is carried behind the last.

        :param state: as a call before left it; None at a beginning.
        """
        vectors = self.vectors(inputs)
        if torch.is_autocast_enabled("cpu"):  # torch's recurrent modules do not see to it themselves
            half = torch.get_autocast_dtype("cpu")
            vectors = vectors.to(half)
            state = state and [part.to(half) if part.is_floating_point() else part for part in state]
        mask = torch.ones(vectors.shape[:2], dtype=torch.bool, device=vectors.device)
        before = None if state is None else pytree.tree_unflatten(state, self._structure)
        states, after = self.encoder(vectors, mask, before)
        if after is None:
            return states, []
        state_after, self._structure = pytree.tree_flatten(after)
        return states, state_after

    def begin(self, batch: int) -> State:
        """Return the state before the first step: zeros, with which an encoder begins unless it is told otherwise.

        :raises SettingError: if the encoder carries none.
        :raises PluginError: if it carries what cannot be kept from step to step.
        """
        parts = self._examine()
        if not parts:
            raise SettingError(
                "the encoder carries no state from one step to the next: choose lstm, gru, rnn or transformer (or let "
                "it return one beside its states, and go on from it)"
            )
        return [
            torch.zeros([batch if i == part.axis else size for i, size in enumerate(part.shape)], dtype=part.dtype)
            for part in parts
        ]

    def axes(self) -> list[int]:
        """Of each part of the state, the axis along which the rows lie."""
        return [part.axis for part in self._examine()]

    def _examine(self) -> list[_Part]:
        """Look at what is carried: on two rows and three, of one step and of two."""
        two, three, longer = self._read_example(2, 1), self._read_example(3, 1), self._read_example(2, 2)
        whose = f"the state of {type(self.encoder).__name__}"
        if not all(isinstance(tensor, Tensor) for tensor in [*two, *three, *longer]):
            raise PluginError(
                "{whose} holds what is no tensor: only tensors can be kept from step to step", whose=whose
            )
        if [tensor.shape for tensor in two] != [tensor.shape for tensor in longer]:
            raise PluginError("{whose} grows with what was read: it must keep its shape from step to step", whose=whose)
        parts = []
        for a, b in zip(two, three, strict=True):
            axes = [i for i, pair in enumerate(zip(a.shape, b.shape, strict=True)) if pair == (2, 3)]
            if len(axes) != 1:
                raise PluginError(
                    "{whose} has no axis along which the rows lie: {tuple} for two rows",
                    whose=whose,
                    tuple=tuple(a.shape),
                )
            parts.append(_Part(a.shape, axes[0], a.dtype))
        if parts and not self._can_go_on():
            raise PluginError(
                "{whose} is not gone on from: three steps at once and one by one give other states", whose=whose
            )
        return parts

    def _can_go_on(self) -> bool:
        """Whether reading on from a state is as reading all at once.

        :raises PluginError: if the encoder fails when it is given its state back.
        """
        training, inputs = self.training, torch.cat([self.example(2)] * 3, 1)
        self.eval()
        with torch.inference_mode():
            whole, _ = self.read(inputs, None)
            parts, state = [], None
            try:
                for step in torch.split(inputs, 1, 1):
                    states, state = self.read(step, state)
                    parts.append(states)
            except Exception as error:  # a stranger's code
                why = " ".join(str(error).split())
                raise PluginError(
                    "{kind} fails when it is given the state that it carried: {error}: {why}",
                    kind=type(self.encoder).__name__,
                    error=type(error).__name__,
                    why=why,
                ) from error
        self.train(training)
        return torch.allclose(whole, torch.cat(parts, 1), rtol=1e-3, atol=1e-4)

    def _read_example(self, rows: int, steps: int) -> State:
        training = self.training
        with torch.inference_mode():
            _, state = self.eval().read(torch.cat([self.example(rows)] * steps, 1), None)
        self.train(training)
        return state


class _Part(NamedTuple):
    """One tensor of a state, of two rows that lie along an axis."""

    shape: torch.Size
    axis: int
    dtype: torch.dtype
