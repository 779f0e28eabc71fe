"""Writes filled texts as tables or JSONL, block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from nlpkit.commands.answers import JsonLines
from nlpkit.commands.screen import shown
from nlpkit.errors import SettingError
from nlpkit.tasks.cloze.model import Filled, Filling
from nlpkit.text.rows import Row, Source

FORMATS = ("table", "jsonl")
BAR = 20  # columns that stand for certainty
_PARTS = " ▏▎▍▌▋▊▉"
Write: TypeAlias = Callable[
    [Source, int, Sequence[Row], Sequence[Filled]], bytes
]  # the number is that of the first row


def writer(kind: str) -> Write:
    """Return a function that formats a block of rows and their fillings."""
    return _Jsonl() if kind == "jsonl" else _tables


def choose(kind: str | None, output: Path | None, *, terminal: bool) -> str:
    """Return the format asked for, or a table for a terminal, or JSONL."""
    if kind:
        return kind
    device = output is not None and output.exists() and not output.is_file()
    if output is not None and not device and output.suffix.lower() not in (".jsonl", ".ndjson", ""):
        raise SettingError(f"{output} would hold JSON lines: name it .jsonl, or say --format")
    return "table" if terminal and output is None else "jsonl"


class _Jsonl:
    """A line of JSON a row, with all its fillings."""

    def __init__(self) -> None:
        self._lines = JsonLines(Filled._fields)

    def __call__(self, source: Source, first: int, rows: Sequence[Row], filled: Sequence[Filled]) -> bytes:
        answers = (([filling._asdict() for filling in found.fillings], found.reason) for found in filled)
        return self._lines(source, first, rows, answers)


def _tables(_source: Source, _first: int, rows: Sequence[Row], filled: Sequence[Filled]) -> bytes:
    return "".join(map(_table, rows, filled)).encode("utf-8", "replace")


def _table(row: Row, found: Filled) -> str:
    """The text, and below it a line a filling, or why there is none."""
    if found.reason:
        return f"{shown(row.text)}\n  ({shown(found.reason)})\n\n"
    from rich.cells import cell_len

    widest = max(cell_len(shown(" ".join(filling.words))) for filling in found.fillings)
    lines = [_line(rank, filling, widest) for rank, filling in enumerate(found.fillings, 1)]
    return "\n".join([shown(row.text), *lines, "", ""])


def _line(rank: int, filling: Filling, widest: int) -> str:
    from rich.cells import cell_len

    words = shown(" ".join(filling.words))
    head = f"{rank:>4}  {words}{' ' * (widest - cell_len(words))}  {_percent(filling.probability)}"
    more = shown(filling.text) if len(filling.words) > 1 else _bar(filling.probability)
    return f"{head}  {more}".rstrip()


def _percent(probability: float) -> str:
    return "<0.1%".rjust(6) if probability < 0.0005 else f"{probability:6.1%}"


def _bar(probability: float) -> str:
    eighths = round(8 * BAR * probability)
    return "█" * (eighths // 8) + _PARTS[eighths % 8].strip()
