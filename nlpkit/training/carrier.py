"""The state that a network carries from step to step of its training."""

from __future__ import annotations

import torch
from torch import nn

from nlpkit.model.stateful import State, StatefulNetwork


class StateCarrier(nn.Module):
    """A network and the state that it carries from step to step, which a saved run must have, too.

    :param rows: that are read beside each other.
    """

    def __init__(self, network: StatefulNetwork, rows: int) -> None:
        super().__init__()
        self.network = network
        for position, tensor in enumerate(network.begin(rows)):
            self.register_buffer(f"carried{position}", tensor)

    @property
    def state(self) -> State:
        """What was carried last."""
        return [tensor for name, tensor in self.named_buffers(recurse=False) if name.startswith("carried")]

    def carry(self, state: State | None) -> None:
        """Keep a state without its history (truncated back-propagation: Williams and Peng 1990,
        https://doi.org/10.1162/neco.1990.2.4.490); None forgets it.
        """
        for tensor, new in zip(self.state, state or [torch.zeros(())] * len(self.state), strict=True):
            tensor.copy_(new.detach().expand_as(tensor))
