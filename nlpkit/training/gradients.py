"""The gradients of what a loop trains: forgotten, measured and shortened, bit for bit as torch does, at less expense.

What torch does for parameters of whatever types and devices, in every step anew, is here found out once.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

EPSILON = np.float32(1e-6)  # of torch.nn.utils.clip_grads_with_norm_


class Gradients:
    """The gradients of some parameters."""

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        kinds = {(parameter.device.type, parameter.dtype) for parameter in self.parameters}
        self._simple = kinds == {("cpu", torch.float32)}

    def forget(self) -> None:
        """Drop them, as ``zero_grad`` does."""
        for parameter in self.parameters:
            parameter.grad = None

    def norm(self) -> Tensor:
        """Return the norm of all of them."""
        found = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        if not self._simple or not found:
            return nn.utils.get_total_norm(found)
        norms = torch._foreach_norm(found)  # as get_total_norm does once it has sorted them by type
        norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
        return norm

    def clip(self, norm: float, longest: float) -> None:
        """Shorten them to a norm.

        :param norm: which they have now.
        """
        if not self._simple:
            nn.utils.clip_grads_with_norm_(self.parameters, longest, torch.tensor(norm))
            return
        factor = np.float32(1) / (np.float32(norm) + EPSILON) * np.float32(longest)
        found = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        torch._foreach_mul_(found, min(1.0, float(factor)))
