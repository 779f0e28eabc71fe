"""What numbers a model may hold: finite ones, and in a network minus infinity where a mask says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_finite(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse NaN and infinity.

    :raises ValueError: naming the array.
    """
    for name, array in arrays.items():
        if not _is_finite(array):
            raise ValueError(f"the array {name} has numbers that are not finite")


def check_weights(what: str, numbers: NDArray[Any], *, single: bool = False) -> None:
    """Refuse NaN and infinity, but for a mask: nothing but 0 and minus infinity.

    :param single: it is one number, of code and not of training, and may be infinite.
    :raises ValueError: beginning with what holds them, which is many.
    """
    if _is_finite(numbers) or (single and not np.isnan(numbers).any()):
        return
    if not ((numbers == 0) | (numbers == -np.inf)).all():
        raise ValueError(f"{what} hold NaN or infinity")


def _is_finite(numbers: NDArray[Any]) -> bool:
    return numbers.dtype.kind in "biu" or bool(np.isfinite(numbers).all())
