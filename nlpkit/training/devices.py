"""Where a network is trained: on the processor, or on a GPU that torch sees."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from nlpkit.errors import SettingError

AUTO = "auto"
CPU = torch.device("cpu")


def choose_device(name: str) -> torch.device:
    """Return the device of a name: ``auto`` is a GPU where there is one, and else the processor.

    :raises SettingError: if there is no such device, or torch cannot use it.
    """
    if name == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SettingError("the device {name!r} is none: choose auto, cpu, cuda or cuda:0", name=name) from None
    if device.type not in ("cpu", "cuda"):
        raise SettingError("nlpkit does not train on {name}: choose auto, cpu, cuda or cuda:0", name=name)
    if device.type == "cpu":
        return CPU
    if (device.index or 0) >= (count := torch.cuda.device_count()):
        found = "no GPU" if not count else f"{count} GPUs" if count > 1 else "one GPU, cuda:0"
        raise SettingError(
            "the device {name} is not there: torch {version} sees {found}; choose auto or cpu, or install a torch "
            "that is built for your GPU",
            name=name,
            version=torch.__version__,
            found=found,
        )
    return device


def name_device(device: torch.device) -> str:
    """Say what a device is: ``NVIDIA H200 (cuda)``."""
    return f"{torch.cuda.get_device_name(device)} ({device})" if device.type == "cuda" else str(device)


def work_on(device: torch.device) -> AbstractContextManager[object]:
    """Make what torch makes of nothing, or of an array by ``as_tensor``, on the device."""
    return nullcontext() if device.type == "cpu" else device


def device_of(module: nn.Module) -> torch.device:
    """Return where a network is."""
    return next((tensor.device for tensor in module.state_dict().values()), CPU)
