"""The state that a network carries from step to step of its training."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import nn

from nlpkit.model.stateful import State, StatefulNetwork
from nlpkit.training.processes import processes


class StateCarrier(nn.Module):
    """A network and the state that it carries from step to step, which a saved run must have, too.

    :param rows: that are read beside each other.
    """

    def __init__(self, network: StatefulNetwork, rows: int) -> None:
        super().__init__()
        self.network = network
        self._rows = rows
        for position, tensor in enumerate(network.begin(rows)):
            self.register_buffer(f"carried{position}", tensor)

    @property
    def state(self) -> State:
        """What was carried last; of several processes each has that of the rows that are its own."""
        mates = processes()
        if not mates.shares:
            return self._carried
        begin, end = mates.bounds(self._rows)
        return [tensor.narrow(axis, begin, end - begin) for tensor, axis in zip(self._carried, self._axes, strict=True)]

    def carry(self, state: State | None) -> None:
        """Keep a state without its history (truncated back-propagation: Williams and Peng 1990,
        https://doi.org/10.1162/neco.1990.2.4.490); None forgets it.
        """
        mates, kept = processes(), [torch.zeros(())] * len(self._carried)
        if state is not None:
            kept = [tensor.detach() for tensor in state]
            if mates.shares:
                kept = [mates.gather(part, self._rows, axis) for part, axis in zip(kept, self._axes, strict=True)]
        for tensor, new in zip(self._carried, kept, strict=True):
            tensor.copy_(new.expand_as(tensor))

    @property
    def _carried(self) -> State:
        return [tensor for name, tensor in self.named_buffers(recurse=False) if name.startswith("carried")]

    @cached_property
    def _axes(self) -> list[int]:
        return self.network.axes()
