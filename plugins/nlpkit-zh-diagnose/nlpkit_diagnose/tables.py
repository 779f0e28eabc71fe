"""Reads numbers from the tables that people have; says where one is missing, and which."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from nlpkit import DataError, nearest
from nlpkit.text import Records, open_text
from numpy.typing import NDArray

NUMBER = re.compile(r"[+-]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
SCALES = {"": 1, "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8, "万亿": 10**12, "萬億": 10**12}
UNIT = rf"(?P<scale>{'|'.join(sorted(filter(None, SCALES), key=len, reverse=True))})?[元股手]?"  # as in 1.2亿, 35万股
IN_CELL = re.compile(rf"(?P<number>.*?)\s*{UNIT}")
IN_HEADER = re.compile(rf"(?P<name>.*?)\s*(?:[(（\[【]\s*(?:单位[:：])?{UNIT}\s*[)）\]】])?")  # as in 成交量(万股)
YEAR = re.compile(r"(?:19|20)\d\d年?")
GREATEST = 1e15  # beyond which a float loses what is behind the point
EPSILON = 1e-12
LONGEST = 10_000  # numbers of an input
NULLS = ("", "null", "nan", "na", "n/a", "none", "-", "空", "无")


@dataclass(frozen=True)
class Table:
    """Some columns of a file, without the rows in which one of their numbers is missing.

    :param columns: their names.
    :param values: ``(rows, columns)``.
    :param keys: what the column that is no number says in each row; empty if none was asked for.
    :param lines: on which each row begins, from 1.
    :param nulls: how many rows were left out.
    """

    path: str
    columns: Sequence[str]
    values: NDArray[np.float64]
    keys: Sequence[str]
    lines: Sequence[int]
    nulls: int

    def in_order(self, order: Sequence[int]) -> Table:
        """Return the same rows in another order."""
        keys, lines = [self.keys[at] for at in order], [self.lines[at] for at in order]
        return replace(self, values=self.values[list(order)], keys=keys, lines=lines)

    def with_last(self, at: int) -> Table:
        """Return the same table with one column moved behind the others."""
        order = [place for place in range(len(self.columns)) if place != at] + [at]
        return replace(self, columns=[self.columns[place] for place in order], values=self.values[:, order])

    @property
    def findings(self) -> list[str]:
        """A sentence on the rows that were left out, if any were."""
        total = self.nulls + len(self.values)
        return [f"{self.nulls:,} of {total:,} rows were left out: a number is missing there"] if self.nulls else []


def read_table(
    path: Path, wanted: Sequence[Sequence[str]] | None, *, key: Sequence[str] = (), encoding: str | None = None
) -> Table:
    """Read columns of numbers.

    :param wanted: for each column the names that it may have, behind which a unit may stand, as in 成交量(万股), in
        which case all numbers are multiplied; None: all columns, as they stand.
    :param key: names of a column that is kept as it is.
    :raises DataError: if the file cannot be read, lacks a column, or has what is no number.
    """
    with open_text(path, encoding=encoding) as decoded:
        records = Records(decoded)
        header = [name.strip() for name in records.header]
        everything = range(len(header))
        places = everything if wanted is None else [find_column(decoded.name, header, usual) for usual in wanted]
        key_place = find_column(decoded.name, header, key) if key else None
        factors = [1 if wanted is None else _split_unit(header[place])[1] for place in places]
        values, keys, lines, nulls = [], [], [], 0
        for row in itertools.chain.from_iterable(records.blocks(0)):
            if row.fault:
                raise DataError("{name}, line {line}: {fault}", name=decoded.name, line=row.line, fault=row.fault)
            cells = [row.cells[place].strip() for place in places]
            if any(cell.lower() in NULLS for cell in cells):
                nulls += 1
                continue
            where = f"{decoded.name}, line {row.line}"
            found = zip(places, cells, factors, strict=True)
            values.append([parse_number(cell, f"{where}, {header[at]}", factor) for at, cell, factor in found])
            keys.append(row.cells[key_place].strip() if key_place is not None else "")
            lines.append(row.line)
    if not values:
        raise DataError(
            "{path} has no row in which {places} are all there",
            path=path,
            places=", ".join(header[place] for place in places),
        )
    return Table(str(path), [header[place] for place in places], np.array(values), keys, lines, nulls)


def read_ragged(path: Path, *, encoding: str | None = None) -> Iterator[tuple[int, list[float]]]:
    """Read the numbers of each line that has any, and its number from 1; lines differ in length, and none is a header.

    :raises DataError: if the file cannot be read, or has what is no number.
    """
    with open_text(path, encoding=encoding) as decoded:
        for at, line in enumerate(decoded.lines(), 1):
            cells = [cell.strip() for cell in re.split(r"[,;\t]", line)]
            if len(cells) == 1:
                cells = line.split()
            while cells and not cells[-1]:  # as a spreadsheet fills short rows
                cells.pop()
            if cells:
                yield at, [parse_number(cell, f"{decoded.name}, line {at}") for cell in cells]


def parse_number(cell: str, where: str, factor: int = 1) -> float:
    """Read a number as a spreadsheet writes it: ``1,234.5`` or ``1.2亿`` as well, but no comma before decimals.

    :param factor: by which it is multiplied.
    :raises DataError: saying where what is none stands.
    """
    parts = IN_CELL.fullmatch(cell)
    if parts is None or not NUMBER.fullmatch(parts["number"]):
        raise DataError("{where}: expected a number such as -1234.5, found {cell!r}", where=where, cell=cell[:40])
    found = float(parts["number"].replace(",", ""))
    if (times := factor * SCALES[parts["scale"] or ""]) > 1:
        found *= times
    if abs(found) > GREATEST:
        raise DataError(
            "{where}: expected a number of at most {greatest:g}, found {cell!r}",
            where=where,
            greatest=GREATEST,
            cell=cell[:40],
        )
    return found


def _split_unit(name: str) -> tuple[str, int]:
    """Split ``成交量(万股)`` into the name of the column and what its numbers are to be multiplied by."""
    parts = IN_HEADER.fullmatch(name)
    return (parts["name"], SCALES[parts["scale"] or ""]) if parts else (name, 1)


def find_column(name: str, header: Sequence[str], usual: Sequence[str], remedy: str = "") -> int:
    """Find the column with one of some names.

    :param remedy: what the user may do, ready to append to a sentence.
    :raises DataError: if there is none, or more than one.
    """
    names = [wanted.lower() for wanted in usual]
    found = [at for at, known in enumerate(header) if {known.lower(), _split_unit(known)[0].lower()} & {*names}]
    if not found:
        if sum(bool(YEAR.fullmatch(known)) for known in header) > 1:
            remedy = f"{remedy}; its columns are years: expected a row for each day or thing, a column for each number"
        what = f"{usual[0]!r}" + (f" (nor {', '.join(usual[1:])})" if usual[1:] else "")
        raise DataError(
            "{name} has no column {what}{there_is}{remedy}",
            name=name,
            what=what,
            there_is=nearest(usual[0], header),
            remedy=remedy,
        )
    if len(found) > 1:
        several = " and ".join(header[at] for at in found)
        raise DataError(
            "{name} has {count} columns for {usual!r}, {several}: rename all but one{remedy}",
            name=name,
            count=len(found),
            usual=usual[0],
            several=several,
            remedy=remedy,
        )
    return found[0]


def scale(values: NDArray[Any], chosen: NDArray[Any]) -> NDArray[np.float32]:
    """Scale columns to mean 0 and standard deviation 1 over some rows; one that never changes there becomes 0."""
    return Scaling.of(values[chosen]).apply(values)


@dataclass(frozen=True)
class Scaling:
    """How columns are scaled.

    :param mean: of each column, which becomes 0.
    :param spread: its standard deviation, which becomes 1; 0 for a column that never changes: all of it becomes 0.
    """

    mean: Sequence[float]
    spread: Sequence[float]

    @classmethod
    def of(cls, values: NDArray[Any]) -> Scaling:
        """Measure rows ``(rows, columns)``."""
        spread, rounding = values.std(0), EPSILON * np.abs(values).max(0)
        return cls(values.mean(0).tolist(), np.where(spread > rounding, spread, 0.0).tolist())

    def apply(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Scale rows ``(rows, columns)``."""
        spread = np.array(self.spread)
        return np.asarray((values - np.array(self.mean)) / np.where(spread > 0, spread, np.inf), np.float32)


def read_numbers(text: str, asked: str) -> list[float]:
    """Read the numbers of an input that somebody typed, with commas or spaces between.

    :param asked: what is expected, in words.
    :raises DataError: naming what is no number.
    """
    cells = re.sub(r"[,，;；、\s]+", " ", text).split()
    if len(cells) > LONGEST:
        raise DataError(
            "expected {asked}, found {count:,} numbers: at most {most:,}", asked=asked, count=len(cells), most=LONGEST
        )
    for cell in cells:
        if not NUMBER.fullmatch(cell):
            raise DataError("expected {asked}, found {cell!r}", asked=asked, cell=cell[:40])
    return [parse_number(cell, "the input") for cell in cells]
