"""Checks of options that several components share; the registry makes one sentence of what they raise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from nlpkit.errors import nearest


def positive(**sizes: object) -> None:
    """Every size is a whole number of at least 1.

    :raises ValueError: or TypeError, naming the option.
    """
    _whole(sizes)
    for name, size in sizes.items():
        if size < 1:  # type: ignore[operator]
            raise ValueError(f"{name} must be at least 1, was: {size}")


def natural(**sizes: object) -> None:
    """Every size is a whole number that is not negative."""
    _whole(sizes)
    for name, size in sizes.items():
        if size < 0:  # type: ignore[operator]
            raise ValueError(f"{name} must not be negative, was: {size}")


def weight(**values: object) -> None:
    """Every value is a number that is not negative."""
    for name, value in values.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
            raise ValueError(f"{name} must be a number that is not negative, was: {value!r}")


def probability(**values: object) -> None:
    """Every value is a share of what dropout may blank: something must be left."""
    for name, value in values.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
            raise ValueError(f"{name} must be in [0, 1), was: {value!r}")


def switch(**values: object) -> None:
    """Every value is true or false: a string would pass for true."""
    for name, value in values.items():
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be true or false, was: {value!r}")


def one_of(known: Sequence[str], **values: object) -> None:
    """Every value is a known name."""
    for name, value in values.items():
        if value not in known:
            raise ValueError(f"there is no {name} {value!r}{nearest(str(value), known)}")


def _whole(sizes: Mapping[str, object]) -> None:
    for name, size in sizes.items():
        if not isinstance(size, int) or isinstance(size, bool):
            raise TypeError(f"{name} must be a whole number, was: {size!r}")
