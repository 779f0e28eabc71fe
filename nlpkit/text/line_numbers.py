"""How it is said on which lines something stands."""

from __future__ import annotations

from collections.abc import Sequence

from nlpkit.errors import Sentence

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
        return str(self.describe())

    def describe(self) -> Sentence:
        """Say which lines they are."""
        more = self._count - MOST_NAMED
        if more > 0:
            return Sentence("lines {named} and {more:,} more", named=", ".join(self._named), more=more)
        *named, last = self._named or [""]
        if named:
            return Sentence("lines {named} and {last}", named=", ".join(named), last=last)
        return Sentence("line {last}", last=last) if last else Sentence("")


def which_lines(numbers: Sequence[int]) -> Sentence:
    """Write ``line 3``, ``lines 3 and 17``, or ``lines 3, 17, 20 and 9 more``."""
    lines = Lines()
    for number in numbers:
        lines.add(number)
    return lines.describe()


def which_rows(numbers: Sequence[int]) -> Sentence:
    """Write the same of rows: ``row 3``, or ``rows 3, 17, 20 and 9 more``."""
    lines = which_lines(numbers)
    one, two, many = "row {last}", "rows {named} and {last}", "rows {named} and {more:,} more"
    template = one if len(numbers) == 1 else two if len(numbers) <= MOST_NAMED else many
    return Sentence(template, **lines.values)
