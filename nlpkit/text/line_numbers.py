"""How it is said on which lines something stands."""

from __future__ import annotations

from collections.abc import Sequence

MOST_NAMED = 3  # lines, or files, that are named; the others are counted


class Lines:
    """The lines of a file of which one thing is said; the first are remembered, the others counted.

    >>> lines = Lines()
    >>> for number in (3, 17, 20, 21, 22):
    ...     lines.add(number)
    >>> len(lines), str(lines)
    (5, 'lines 3, 17, 20 and 2 more')
    """

    def __init__(self) -> None:
        self._named: list[str] = []
        self._count = 0

    def add(self, number: int, detail: str = "") -> None:
        """Take one more.

        :param detail: what is said of this line alone.
        """
        self._count += 1
        if self._count <= MOST_NAMED:
            self._named.append(f"{number:,} ({detail})" if detail else f"{number:,}")

    def __len__(self) -> int:
        return self._count

    def __str__(self) -> str:
        if not self._named:
            return ""
        *named, last = [*self._named, f"{self._count - MOST_NAMED:,} more"] if self._count > MOST_NAMED else self._named
        return f"lines {', '.join(named)} and {last}" if named else f"line {last}"


def which_lines(numbers: Sequence[int]) -> str:
    """Write ``line 3``, ``lines 3 and 17``, or ``lines 3, 17, 20 and 9 more``."""
    lines = Lines()
    for number in numbers:
        lines.add(number)
    return str(lines)
