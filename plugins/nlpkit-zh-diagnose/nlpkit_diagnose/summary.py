"""Results side by side: mean and spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TypeVar

from nlpkit_diagnose.task import Line, Panel, Result


@dataclass(frozen=True)
class Spread:
    """A figure over seeds: its mean and, of two or more, its standard deviation."""

    mean: float
    spread: float | None


@dataclass(frozen=True)
class Summary:
    """All trials of one encoder under one condition.

    :param seconds: of a trial, on average, as are ``epochs`` and ``best``.
    """

    encoder: str
    condition: str
    seeds: int
    figures: Mapping[str, Spread]
    parameters: int
    seconds: float
    epochs: float
    best: float
    diverged: int


R = TypeVar("R", Result, Summary)


def summarise(results: Iterable[Result]) -> list[Summary]:
    """Make a row for each encoder and condition, in the order of their first trials."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.encoder, result.condition), []).append(result)
    return [_summarise(group) for group in groups.values()]


def group_by_encoder(rows: Iterable[R]) -> dict[str, list[R]]:
    """Group results, or summaries, by their encoders, in the order of the first of each."""
    found: dict[str, list[R]] = {}
    for row in rows:
        found.setdefault(row.encoder, []).append(row)
    return found


def average_curves(results: Sequence[Result], x: str, y: str) -> tuple[list[float], list[float]]:
    """Average one curve by another over results where they share an ``x``."""
    found: dict[float, list[float]] = {}
    for result in results:
        for at, value in zip(result.curves[x], result.curves[y], strict=True):
            found.setdefault(at, []).append(value)
    return sorted(found), [fmean(found[at]) for at in sorted(found)]


def _summarise(group: Sequence[Result]) -> Summary:
    first = group[0]
    return Summary(
        first.encoder,
        first.condition,
        len(group),
        {name: spread_of([result.figures[name] for result in group]) for name in first.figures},
        first.parameters,
        fmean(result.seconds for result in group),
        fmean(result.epochs for result in group),
        fmean(result.best for result in group),
        sum(result.diverged for result in group),
    )


def spread_of(values: Sequence[float]) -> Spread:
    """Return mean and standard deviation of some figures; neither is a number unless all of them are."""
    if not all(map(math.isfinite, values)):
        return Spread(math.nan, None)
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None)


def make_dots(title: str, figure: str, rows: Sequence[Summary]) -> Panel:
    """Draw one figure of each encoder, for a task without conditions."""
    lines = [
        Line(row.encoder, [float(at)], [row.figures[figure].mean], [row.figures[figure].spread or 0.0], "o")
        for at, row in enumerate(rows)
    ]
    return Panel(title, "encoder", figure, lines, ticks=[row.encoder for row in rows])
