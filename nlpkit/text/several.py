"""Several labels of one text: as one value, and as they stand in files."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlpkit.text.json_rows import as_written, parse_json
from nlpkit.text.labels import LONGEST_LABEL, MANY_LABELS, NUMBER, ODD_SHARE, is_missing

SEVERAL = "several labels"  # why a row is left out where each is to have one
SEPARATORS = (",，", ";；", "|｜", "、", "/／", "\n")  # those that may stand between labels; either of two, at times
LIST = re.compile(r"\[.*\]", re.DOTALL)
LONGEST_LIST = 2000  # characters of a list in a cell
AGAIN = 3  # times that a label stands in the first rows, on average
LOOSE_SHARE = 2 / 3  # of the labels, that stand alone or in more than one place
KNOWN_SHARE = 0.95  # of the cells, that a separator parts into known labels
YES = frozenset(["1", "1.0", "true", "yes", "y", "t", "x", "√", "✓", "✔", "是", "有", "真", "对"])
NO = frozenset(["0", "0.0", "false", "no", "n", "f", "×", "✗", "否", "无", "無", "没有", "假", "错"])
BLANK_MARK = "a label neither 0 nor 1"


class Labels(str):
    """The labels of a text that may have several, or none; as a text, a JSON array of their names.

    >>> Labels.of(["price", "service", "price"])
    '["price", "service"]'
    >>> Labels.of(["price", "service"]).names
    ('price', 'service')
    """

    __slots__ = ("names",)
    names: tuple[str, ...]

    def __new__(cls, written: str) -> Labels:
        """Read what `of` has written."""
        labels = super().__new__(cls, written)
        labels.names = tuple(json.loads(written))
        return labels

    @classmethod
    def of(cls, names: Iterable[str]) -> Labels:
        """Make one value of names, which are sorted, each once."""
        return cls(json.dumps(sorted(set(names)), ensure_ascii=False))

    def renamed(self, names: Mapping[str, str], *, others: bool = True) -> Labels:
        """Return these under new names; one renamed to nothing goes.

        :param others: whether labels without a new name stay.
        """
        new = (names.get(name, name if others else "") for name in self.names)
        return Labels.of(name for name in new if name)


def names_of(label: str) -> tuple[str, ...]:
    """Return the labels that a text has: one, or as many as `Labels` holds."""
    return label.names if isinstance(label, Labels) else (label,)


def as_labels(label: str) -> Labels:
    """Return one label as the only one of several that there might be."""
    return label if isinstance(label, Labels) else Labels.of([label])


def read_list(items: Sequence[Any]) -> Labels | None:
    """Make labels of a list as JSON has it; None if it holds anything but names and numbers."""
    names = [as_written(item) if isinstance(item, str | int | float) else None for item in items]
    if not all(name is not None and name.strip() for name in names):
        return None
    return Labels.of(name.strip() for name in names if name is not None)


def parse_list(cell: str) -> Labels | None:
    """Read the list in a cell, as JSON has it or as Python writes it; None if there is none."""
    if len(cell) > LONGEST_LIST or not LIST.fullmatch(cell):
        return None
    items = parse_json(cell)
    if items is None:
        try:
            items = ast.literal_eval(cell)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None
    return read_list(items) if isinstance(items, list) else None


@dataclass(frozen=True)
class Separation:
    """How the cells of a file hold several labels each.

    :param separator: one of these characters stands between labels; or, where it is ``whole``, all of them do. Empty:
        nothing does, and a cell that is no list is one label.
    """

    separator: str = ""
    whole: bool = False

    def __call__(self, written: str, kept: Collection[str] = ()) -> Labels | None:
        """Return the labels in a cell; None of one that says that it has no answer: see `is_missing`."""
        if isinstance(written, Labels):
            return written
        cell = written.strip()
        if is_missing(cell, kept):
            return None
        if (labels := parse_list(cell)) is not None:
            return labels
        parts = self.part(cell)
        return Labels.of(parts) if parts and not any(is_missing(part, kept) for part in parts) else None

    def part(self, cell: str) -> list[str]:
        """Take a cell apart."""
        if not self.separator:
            return [cell]
        parts = cell.split(self.separator) if self.whole else re.split(f"[{re.escape(self.separator)}]", cell)
        return [part.strip() for part in parts if part.strip()]


def find_separation(cells: Sequence[str], *, kept: Collection[str] = (), sure: bool = False) -> Separation | None:
    """Find out how cells hold several labels each; None if they do not, or if it cannot be said how.

    They do if many are lists; or if one separator, and no other, parts many of them into labels that come again and
    again, in other company and in other places: ``体育/足球`` beside ``体育/篮球`` is a path, and ``12,5`` a number.

    :param cells: of the first rows, those without an answer left out.
    :param kept: labels that are known.
    :param sure: whether somebody has said that there are several: then it is enough that nearly all cells that are
        parted are made of labels that are known or stand alone elsewhere.
    """
    lists = [labels for cell in cells if (labels := _as_list(cell)) is not None]
    plain = [cell.strip() for cell in cells if _as_list(cell) is None]
    fitting = _find_separators(plain, lambda rows: _are_known(rows, kept)) if sure else []
    separators = fitting or _find_separators(plain, _are_labels)
    separator = separators[0] if len(separators) == 1 else ""
    if 2 * len(lists) > len(cells) or _many(sum(len(labels.names) != 1 for labels in lists), len(cells)):
        return Separation(separator)
    return Separation(separator) if separator else None


def find_few(cells: Sequence[str]) -> list[str]:
    """Find cells that may hold several labels although most do not: lists, and what is made of other cells' labels."""
    alone = {cell.strip() for cell in cells}
    few = []
    for cell in cells:
        labels = _as_list(cell)
        names = [] if labels is None else list(labels.names)
        for separator in SEPARATORS if labels is None else ():
            parts = Separation(separator).part(cell.strip())
            names = parts if len(parts) > 1 and alone.issuperset(parts) else names
        if len(names) > 1:
            few.append(cell)
    return few


def has_separator(cell: str) -> bool:
    """Tell whether something stands in a cell that may stand between labels."""
    return any(len(Separation(separator).part(cell)) > 1 for separator in SEPARATORS)


def _as_list(cell: str) -> Labels | None:
    return cell if isinstance(cell, Labels) else parse_list(cell.strip())


def _many(count: int, of: int) -> bool:
    return count > max(1, ODD_SHARE * of)


def _find_separators(cells: Sequence[str], fit: Callable[[Sequence[Sequence[str]]], bool]) -> list[str]:
    """Return the separators whose parts fit."""
    return [s for s in SEPARATORS if fit([Separation(s).part(cell) for cell in cells])]


def _are_known(rows: Sequence[Sequence[str]], kept: Collection[str]) -> bool:
    """Tell whether nearly all cells that are parted are made of labels that are known, or stand alone in others."""
    several = [parts for parts in rows if len(parts) > 1]
    known = {*kept, *(parts[0] for parts in rows if len(parts) == 1)}
    return bool(several) and sum(known.issuperset(parts) for parts in several) >= KNOWN_SHARE * len(several)


def _are_labels(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether the parts of cells are labels; see `find_separation`."""
    several = [parts for parts in rows if len(parts) > 1]
    counts = Counter(part for parts in rows for part in parts)
    if not _many(len(several), len(rows)) or any(len(part) > LONGEST_LABEL for part in counts):
        return False
    if len(counts) > MANY_LABELS and len(counts) * AGAIN > counts.total():
        return False
    numbers = all(NUMBER.fullmatch(part) for parts in several for part in parts)
    if numbers and len({len(parts) for parts in several}) == 1:
        return False  # 4,5 may be a number, 3/4 a day, and 1,0,0 says of each label whether a text has it
    return _are_loose(rows, several)


def _are_loose(rows: Sequence[Sequence[str]], several: Sequence[Sequence[str]]) -> bool:
    """Tell whether most parts stand alone, too, or in more than one place."""
    places: dict[str, set[int]] = {part: set() for parts in several for part in parts}
    for parts in rows:
        for place, part in enumerate(parts):
            if part in places:
                places[part].add(-1 if len(parts) == 1 else place)
    return sum(len(found) > 1 for found in places.values()) >= LOOSE_SHARE * len(places)


def read_marks(marks: Mapping[str, str | None]) -> tuple[Labels | None, str | None]:
    """Read of each label whether a text has it: 1 or 0, true or false, yes or no, 是 or 否, a mark or nothing.

    Nothing is a no beside marks alone; beside a 0 it is an answer that is lacking.

    :param marks: what stands in the column of each label; None for what can be no mark.
    :returns: the labels, None where nothing stands anywhere; and what is wrong, if anything is.
    """
    said = {label: (mark or "").strip().casefold() for label, mark in marks.items()}
    if any(mark is None for mark in marks.values()) or not set(said.values()) <= YES | NO | {""}:
        return None, BLANK_MARK
    if not any(said.values()):
        return None, None
    if "" in said.values() and not NO.isdisjoint(said.values()):
        return None, BLANK_MARK
    return Labels.of(label for label, mark in said.items() if mark in YES), None
