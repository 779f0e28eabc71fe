"""The optimizer and the learning rate of a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from nlpkit.training.settings import LoopSettings


def optimizer_of(module: nn.Module, settings: LoopSettings) -> torch.optim.Optimizer:
    """Make the optimizer that settings name, in torch's fused form where there is one for the CPU.

    Parameters are grouped by their highest learning rate, which each group has as ``highest``.
    """
    rates: dict[float, list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            rates.setdefault(settings.rate_of(name), []).append(parameter)
    parameters = [{"params": group, "lr": rate, "highest": rate} for rate, group in rates.items()]
    common: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    match settings.optimizer:
        case "adamw":
            return torch.optim.AdamW(parameters, betas=(0.9, settings.beta2), fused=True, **common)
        case "adam":
            return torch.optim.Adam(parameters, betas=(0.9, settings.beta2), fused=True, **common)
        case "amsgrad":
            return torch.optim.Adam(parameters, betas=(0.9, settings.beta2), amsgrad=True, fused=True, **common)
        case "adadelta":
            return torch.optim.Adadelta(parameters, **common)
        case _:
            return torch.optim.SGD(parameters, momentum=settings.momentum, fused=True, **common)


def schedule_of(settings: LoopSettings, steps: int) -> Callable[[int], float]:
    """Step to factor of the learning rate: a linear rise, then the schedule."""
    warmup = int(settings.warmup * steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        progress = min(1.0, (step - warmup) / max(1, steps - warmup))
        match settings.schedule:
            case "linear":
                return 1 - progress
            case "cosine":
                return (1 + math.cos(math.pi * progress)) / 2
            case _:
                return 1.0

    return factor
