"""Charts of a report, as SVG whose text stays text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from nlpkit.charts import import_figure, save_figure
from nlpkit.commands.summary import Counts, interval

WIDTH = 4.4  # inches: as wide as a phone, so that text keeps its size there
COLOURS = {"negative": "#dc2626", "positive": "#16a34a", "neutral": "#d97706"}
OTHERS = ("#2563eb", "#7c3aed", "#0891b2", "#65a30d", "#db2777", "#475569")


def colours_of(labels: Sequence[str]) -> dict[str, str]:
    """Choose a colour for each label."""
    others = iter(OTHERS * len(labels))
    return {label: COLOURS.get(label) or next(others) for label in labels}


def draw_shares(counts: Counts, labels: Mapping[str, str]) -> str:
    """Draw the share of each label with its interval.

    :param labels: how each is called.
    """
    scored = counts.rows - counts.reasons.total()
    colours = colours_of(list(labels))
    figure, axis = _make_axis(0.5 + 0.38 * len(labels))
    places = range(len(labels))
    shares = [counts.labels[label] / scored if scored else 0.0 for label in labels]
    ends = [interval(counts.labels[label], scored) for label in labels]
    axis.barh(places, [100 * share for share in shares], color=[colours[label] for label in labels], height=0.6)
    _add_intervals(axis, places, shares, ends)
    for place, share, (_, high) in zip(places, shares, ends, strict=True):
        axis.text(100 * high + 1.5, place, f"{share:.0%}", va="center")
    axis.set(xlim=(0, 112), xticks=(0, 50, 100), xticklabels=("0%", "50%", "100%"))
    axis.set_yticks(places, [_plain(name) for name in labels.values()])
    axis.invert_yaxis()
    return _as_svg(figure)


def draw_groups(groups: Sequence[tuple[str, Counts]], labels: Sequence[str], worst: str) -> str:
    """Draw the shares of labels in each group as stacked bars, with the interval of the worst."""
    colours = colours_of(labels)
    ordered = [worst, *(label for label in labels if label != worst)]
    figure, axis = _make_axis(0.6 + 0.32 * len(groups))
    places = range(len(groups))
    left = [0.0] * len(groups)
    scored = [counts.rows - counts.reasons.total() for _, counts in groups]
    for label in ordered:
        shares = [100 * counts.labels[label] / max(rows, 1) for (_, counts), rows in zip(groups, scored, strict=True)]
        axis.barh(places, shares, left=left, color=colours[label], height=0.7)
        left = [before + share for before, share in zip(left, shares, strict=True)]
    of_worst = [counts.labels[worst] / max(rows, 1) for (_, counts), rows in zip(groups, scored, strict=True)]
    ends = [interval(counts.labels[worst], rows) for (_, counts), rows in zip(groups, scored, strict=True)]
    _add_intervals(axis, places, of_worst, ends)
    axis.set(xlim=(0, 100), xticks=(0, 50, 100), xticklabels=("0%", "50%", "100%"))
    axis.set_yticks(places, [_plain(_shorten(name)) for name, _ in groups])
    axis.invert_yaxis()
    return _as_svg(figure)


def draw_time(days: Mapping[date, Counts], labels: Mapping[str, str]) -> str:
    """Draw the share of each label over time, with its intervals."""
    colours = colours_of(list(labels))
    figure, axis = _make_axis(2.6)
    when = list(days)
    for label, name in labels.items():
        scored = [counts.rows - counts.reasons.total() for counts in days.values()]
        hits = [counts.labels[label] for counts in days.values()]
        ends = [interval(one, rows) for one, rows in zip(hits, scored, strict=True)]
        shares = [100 * one / rows if rows else float("nan") for one, rows in zip(hits, scored, strict=True)]
        axis.plot(when, shares, marker=".", color=colours[label], label=_plain(name))
        low, high = [100 * a for a, _ in ends], [100 * b for _, b in ends]
        axis.fill_between(when, low, high, color=colours[label], alpha=0.12, linewidth=0)
    axis.set(ylim=(0, 100), yticks=(0, 50, 100), yticklabels=("0%", "50%", "100%"))
    axis.legend(fontsize=8, ncols=len(labels), loc="upper center", bbox_to_anchor=(0.5, 1.2), frameon=False)
    figure.autofmt_xdate(rotation=30)
    return _as_svg(figure)


def _make_axis(height: float) -> tuple[Any, Any]:
    figure = import_figure("a report")(figsize=(WIDTH, height), layout="constrained")
    axis = figure.subplots()
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=9)
    return figure, axis


def _add_intervals(
    axis: Any, places: Sequence[int], shares: Sequence[float], ends: Sequence[tuple[float, float]]
) -> None:
    errors = [[100 * (s - low) for s, (low, _) in zip(shares, ends, strict=True)]]
    errors.append([100 * (high - s) for s, (_, high) in zip(shares, ends, strict=True)])
    axis.errorbar([100 * share for share in shares], places, xerr=errors, fmt="none", ecolor="#111827", capsize=2, lw=1)


def _shorten(name: str, most: int = 14) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _plain(name: str) -> str:
    """Return a name in which matplotlib finds no formula."""
    return name.replace("$", r"\$")


def _as_svg(figure: Any) -> str:
    svg = save_figure(figure, "svg").decode()
    return svg[svg.index("<svg") :]
