"""The characters of a batch of texts, as one run of code points: what is asked of each is asked of all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Characters:
    """Texts one after the other.

    :param codes: of all their characters ``(total,)``.
    :param lengths: characters of each ``(batch,)``.
    """

    codes: NDArray[np.uint32]
    lengths: Ints

    @classmethod
    def of(cls, texts: Sequence[str]) -> Characters:
        """Take some texts."""
        codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")
        return cls(codes, np.fromiter(map(len, texts), np.int64, len(texts)))

    @cached_property
    def ends(self) -> Ints:
        """Where each text ends ``(batch,)``."""
        return self.lengths.cumsum()

    def look_up(self, table: NDArray[Any]) -> NDArray[Any]:
        """Return a table's value for each character ``(total,)``; the last one is for all that lie beyond."""
        return table.take(self.codes, mode="clip")

    def count(self, values: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Count where values ``(total,)`` are true within each text ``(batch,)``."""
        sums = np.zeros(len(values) + 1, dtype=np.int32)  # so many characters fit into no memory
        values.cumsum(out=sums[1:])
        result: NDArray[np.int32] = sums[self.ends] - sums[self.ends - self.lengths]
        return result

    def clear_last(self, values: NDArray[Any]) -> None:
        """Set to 0 what stands at the last character of each text."""
        values[self.ends[self.lengths > 0] - 1] = 0


def mark_spaces(codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Mark which code points ``(total,)`` are white space."""
    known = _known_spaces()
    return known.take(codes, mode="clip")


@cache
def _known_spaces() -> NDArray[np.bool_]:
    return np.array([chr(code).isspace() for code in range(0x3002)])  # beyond which there is none
