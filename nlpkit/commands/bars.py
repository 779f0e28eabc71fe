"""Bars of several parts, as wide as there is room for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

BLOCKS = "█▓▒░"  # of the parts, which so can be told apart where there is no colour
LEAST, MOST = 6, 24  # columns


class StackedBar:
    """A bar whose parts are as long as numbers are great.

    :param parts: numbers, and the colour of each.
    """

    def __init__(self, parts: Sequence[tuple[int, str]]) -> None:
        self._parts = parts

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(LEAST, MOST)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        width, total = min(MOST, options.max_width), sum(number for number, _ in self._parts)
        if not total:
            return
        ends = [round(width * so_far / total) for so_far in accumulate((n for n, _ in self._parts), initial=0)]
        for place, ((start, end), (_, colour)) in enumerate(zip(pairwise(ends), self._parts, strict=True)):
            yield Segment(BLOCKS[place % len(BLOCKS)] * (end - start), Style.parse(colour) if colour else None)
