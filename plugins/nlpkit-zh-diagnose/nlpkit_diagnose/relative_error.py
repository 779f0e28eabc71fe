"""How far predicted numbers are from the right ones, as a share of these."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FIGURE, WHOLE = "1 - relative error", "1 - sum of errors / sum"
SMALLEST = 1e-4  # what a zero counts for, in the unit in which numbers are learnt


def measure_relative_errors(found: NDArray[Any], right: NDArray[Any]) -> dict[str, float]:
    """Return one minus the mean of the rows' relative errors, as the tutorial does, and one minus that of all together.

    :param found: numbers in the unit in which they are learnt ``(rows, 1)``, as are ``right``.
    """
    errors, sizes = np.abs(found.astype(np.float64) - right), np.abs(right.astype(np.float64)) + SMALLEST
    return {FIGURE: 1 - float((errors / sizes).mean()), WHOLE: 1 - float(errors.sum() / sizes.sum())}
