"""Where a network is trained: on the processor, or on a GPU that torch sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nlpkit.errors import Sentence, SettingError
from nlpkit.training.launch import ALONE, Place

AUTO = "auto"
CHOICE = "auto, cpu, cuda, cuda:0 or mps"
CPU = torch.device("cpu")
_here = CPU  # where torch works now: torch.get_default_device takes longer than a small array


def choose_device(name: str, place: Place = ALONE) -> torch.device:
    """Return the device of a name: ``auto`` is a CUDA GPU where there is one, and else the processor.

    :param place: of the process among others that train the same network: each takes a GPU of its own.
    :raises SettingError: if there is no such device, or torch cannot use it.
    """
    if name == AUTO:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SettingError("the device {name!r} is none: choose {choice}", name=name, choice=CHOICE) from None
    if device.type not in ("cpu", "cuda", "mps"):
        raise SettingError("nlpkit does not train on {name}: choose {choice}", name=name, choice=CHOICE)
    if device.type == "cpu":
        return CPU
    if device.type == "mps":
        return _choose_mps(device, place)
    if place.count > 1:
        device = _choose_own(device, place)
    if (device.index or 0) >= (count := torch.cuda.device_count()):
        found = "no GPU" if not count else Sentence("{count} GPUs", count=count) if count > 1 else "one GPU, cuda:0"
        raise SettingError(
            "the device {name} is not there: torch {version} sees {found}; {remedy}",
            name=device,
            version=torch.__version__,
            found=found,
            remedy=Sentence("start at most {count} processes on this machine, or say --device cpu", count=count)
            if place.count > 1 and count
            else "choose auto or cpu, or install a torch that is built for your GPU",
        )
    return device


def _choose_own(device: torch.device, place: Place) -> torch.device:
    """Return the GPU of one of several processes."""
    if device.index is not None:
        raise SettingError(
            "{device} is one GPU, and there are {count} processes: say cuda, and each takes one",
            device=device,
            count=place.count,
        )
    return torch.device("cuda", place.local)


def _choose_mps(device: torch.device, place: Place) -> torch.device:
    """Return the GPU of a Mac."""
    if place.count > 1:
        raise SettingError("mps is one GPU, and there are {count} processes: train in one of them", count=place.count)
    if not torch.backends.mps.is_available():
        raise SettingError(
            "the device mps is not there: it is the GPU of a Mac with Apple silicon, and torch {version} sees none; "
            "choose auto or cpu",
            version=torch.__version__,
        )
    return device


def name_device(device: torch.device) -> str:
    """Say what a device is: ``NVIDIA H200 (cuda)``."""
    return f"{torch.cuda.get_device_name(device)} ({device})" if device.type == "cuda" else str(device)


@contextmanager
def work_on(device: torch.device) -> Iterator[None]:
    """Make what torch makes of nothing, or of an array by ``as_tensor`` or `to_device`, on the device."""
    global _here
    if device.type == "cpu":
        yield
        return
    before, _here = _here, device
    try:
        with device:
            yield
    finally:
        _here = before


def to_device(array: NDArray[Any]) -> Tensor:
    """Return an array as a tensor where torch works now: see `work_on`. A GPU fetches it from memory that stays in its
    place, while the processor goes on.
    """
    if _here.type != "cuda":
        return torch.as_tensor(array)
    return torch.from_numpy(array).pin_memory().to(_here, non_blocking=True)


def read_numbers(*tensors: Tensor) -> list[float]:
    """Return what single numbers are; a GPU is waited for once."""
    if tensors[0].device.type == "cpu":
        return [tensor.item() for tensor in tensors]
    numbers: list[float] = torch.stack([tensor.detach().float().to(tensors[0].device) for tensor in tensors]).tolist()
    return numbers


def device_of(module: nn.Module) -> torch.device:
    """Return where a network is."""
    return next((tensor.device for tensor in module.state_dict().values()), CPU)
