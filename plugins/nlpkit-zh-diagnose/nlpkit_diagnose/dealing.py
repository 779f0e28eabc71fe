"""Rows dealt out to train on, to choose an epoch by, and to measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nlpkit import SettingError
from numpy.typing import NDArray

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Strings:
    """Strings of symbols, each with the index of its label ``(strings,)``."""

    texts: Sequence[str]
    labels: NDArray[np.int64]


def deal(
    rows: Sequence[NDArray[Any]], validation: float, test: float, draw: np.random.Generator
) -> dict[str, NDArray[np.int64]]:
    """Deal out the numbers of rows at random; equal rows go into one part, so that nothing measured was learnt from.

    :param validation: share of the distinct rows, as is ``test``.
    :raises SettingError: if a part is left empty.
    """
    kinds: dict[bytes, int] = {}
    kind = np.array([kinds.setdefault(row.tobytes(), len(kinds)) for row in rows])
    order = draw.permutation(len(kinds))
    ends = [round(len(kinds) * (1 - validation - test)), round(len(kinds) * (1 - test))]
    parts = dict(zip(PARTS, np.split(order, ends), strict=True))
    if empty := [place for place, chosen in parts.items() if not len(chosen)]:
        raise SettingError(
            "of {count} distinct rows none is left for {empty} by data.validation={validation} and data.test={test}",
            count=len(kinds),
            empty=empty[0],
            validation=validation,
            test=test,
        )
    return {place: draw.permutation(np.flatnonzero(np.isin(kind, chosen))) for place, chosen in parts.items()}


def check_shares(validation: float, test: float) -> None:
    """Refuse shares that leave nothing to train on, to choose an epoch by, or to measure.

    :raises SettingError: saying what they must be.
    """
    if not (validation > 0 and test > 0 and validation + test < 1):
        raise SettingError(
            "data.validation and data.test are shares above 0 and below 1 together, was: {validation}, {test}",
            validation=validation,
            test=test,
        )
