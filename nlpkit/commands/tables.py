"""Tables that break no word in two as long as there is room for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table

WIDE = 1 << 16  # columns, in which everything has room
PROSE = 24  # columns of a word from which on it is taken for a text of a language without blanks, and may be broken
PADDINGS: Sequence[dict[str, Any]] = (
    {"padding": (0, 1), "collapse_padding": False},
    {"padding": (0, 1), "collapse_padding": True},
    {"padding": (0, 0), "collapse_padding": False},
)


class WordTable(Table):
    """A table whose columns are as narrow as their longest word, before that is broken.

    Where there is no room for all columns side by side, each row is written as lines of a name and a value.
    """

    def __init__(self) -> None:
        super().__init__(box=SIMPLE_HEAD, pad_edge=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it as it fits."""
        for column in self.columns:
            column.width = None
        wide = options.update(width=WIDE)
        sizes = [_measure(console, wide, [column.header, *column.cells]) for column in self.columns]
        for padding in PADDINGS:
            self.padding, self.collapse_padding = padding["padding"], padding["collapse_padding"]
            between = Measurement.get(console, wide, self).maximum - sum(size.maximum for size in sizes)
            if widths := share_width(sizes, options.max_width - between):
                for column, width in zip(self.columns, widths, strict=True):
                    column.width = width
                yield from super().__rich_console__(console, options)
                return
        yield self._turn()

    def _turn(self) -> Table:
        """Make a table of a line for each cell."""
        turned = Table.grid(padding=(0, 1))
        turned.title, turned.title_justify = self.title, self.title_justify
        turned.add_column(no_wrap=True)
        turned.add_column(overflow="fold")
        headers = [column.header for column in self.columns]
        for cells in zip(*(column.cells for column in self.columns), strict=True):
            for header, cell in zip(headers, cells, strict=True):
                turned.add_row(header, cell)
            turned.add_row()
        return turned


def _measure(console: Console, options: ConsoleOptions, cells: Sequence[Any]) -> Measurement:
    """Return the widths of the longest word and of the longest cell."""
    sizes = [Measurement.get(console, options, cell) for cell in cells]
    return Measurement(max(size.minimum for size in sizes), max(size.maximum for size in sizes))


def share_width(sizes: Sequence[Measurement], room: int) -> list[int] | None:
    """Return widths that together are no more than there is room for; None if there is not enough.

    The widest columns yield first, none to less than its longest word but where words are texts.
    """
    longest = max((size.minimum for size in sizes), default=0)
    for most in range(longest, min(longest, PROSE) - 1, -1):
        least = [min(size.minimum, most) for size in sizes]
        if sum(least) <= room:
            break
    else:
        return None
    widths = [max(low, 1) for low in least]
    while sum(widths) < room:
        wanting = [place for place, size in enumerate(sizes) if widths[place] < size.maximum]
        if not wanting:
            break
        widths[min(wanting, key=widths.__getitem__)] += 1
    return widths
