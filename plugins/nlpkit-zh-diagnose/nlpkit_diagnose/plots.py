"""The plot of a diagnosis: what its task shows, and the losses."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from statistics import median_low
from typing import TYPE_CHECKING, Any

from nlpkit import MissingExtra

from nlpkit_diagnose.summary import group_by_encoder
from nlpkit_diagnose.task import Line, Panel, Result, Task

if TYPE_CHECKING:
    from nlpkit.training import Epoch

ACROSS = 3  # panels in a row
RUNAWAY = 10  # a line that reaches so many times what others do, and 1, is cut off
SPAN = 100  # losses that differ by such a factor are drawn on a logarithmic axis


def plot(task: Task, results: Sequence[Result], histories: Mapping[str, Sequence[Epoch]]) -> bytes:
    """Draw a picture as PNG.

    :raises MissingExtra: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # a second to import, once a run
    except ImportError:
        raise MissingExtra("matplotlib", "train", "drawing the plot") from None
    panels = [*task.panels(results), *make_loss_panels(results, histories)]
    across = min(ACROSS, len(panels))
    down = -(-len(panels) // across)
    figure = Figure(figsize=(5.4 * across, 3.4 * down), layout="constrained")
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    for axis, panel in zip(axes, panels, strict=False):
        draw(axis, panel)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name may hold characters that the font lacks: boxes stand for them
        figure.savefig(picture, format="png", dpi=90)
    return picture.getvalue()


def draw(axis: Any, panel: Panel) -> None:
    """Draw one panel; a line that ran away leaves it, and says so, rather than flatten the others."""
    kept = [line for line in panel.lines if not runs_away(line, panel.lines)]
    for line in panel.lines:
        label = line.label if line in kept else f"{line.label} (runs off)"
        hidden = len(line.x) == 1 and line.style[-1] == "-"  # a line through one point
        style = f"{line.style}." if hidden else line.style
        if line.spread is not None:
            axis.errorbar(line.x, line.y, yerr=line.spread, fmt=line.style, label=label, markersize=4, capsize=2)
        else:
            axis.plot(line.x, line.y, style, label=label, markersize=4, linewidth=1)
    axis.set(title=panel.title, xlabel=panel.x, ylabel=panel.y)
    if panel.log:
        axis.set_yscale("log")
    if len(kept) < len(panel.lines):
        axis.set_ylim(*_make_limits(kept, log=panel.log))
    if panel.ticks:
        axis.set_xticks(range(len(panel.ticks)), panel.ticks)
    elif all(float(x).is_integer() for line in panel.lines for x in line.x):
        axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))


def runs_away(line: Line, lines: Sequence[Line]) -> bool:
    """Tell whether a line leaves the bounds in which at least half of all lines stay by far."""
    usual = max(1.0, median_low([_find_peak(other) for other in lines]))
    return _find_peak(line) > RUNAWAY * usual


def _find_peak(line: Line) -> float:
    """Return how far from 0 a line gets; infinitely far, where a point is no number."""
    return max((abs(y) if math.isfinite(y) else math.inf for y in line.y), default=0.0)


def _make_limits(lines: Sequence[Line], *, log: bool) -> tuple[float, float]:
    """Return between which values all points of some lines lie, their bars among them, with a margin."""
    bars = [zip(line.y, line.spread or [0.0] * len(line.y), strict=True) for line in lines]
    ends = [end for line in bars for y, spread in line for end in (y - spread, y + spread)]
    if log:
        ends = [end for end in ends if end > 0] or [1.0]
        return min(ends) / 1.2, max(ends) * 1.2
    margin = 0.05 * (max(ends) - min(ends)) or 0.5
    return min(ends) - margin, max(ends) + margin


def make_loss_panels(results: Sequence[Result], histories: Mapping[str, Sequence[Epoch]]) -> list[Panel]:
    """Draw the losses by epoch, of the first seed: a panel for each encoder where there are conditions."""
    first = [result for result in results if result.seed == results[0].seed]
    if not first[0].condition:
        return [
            _make_loss_panel("loss (dashed: training)", {result.encoder: histories[result.name] for result in first})
        ]
    return [
        _make_loss_panel(
            f"{encoder}: loss (dashed: training)", {result.condition: histories[result.name] for result in found}
        )
        for encoder, found in group_by_encoder(first).items()
    ]


def _make_loss_panel(title: str, histories: Mapping[str, Sequence[Epoch]]) -> Panel:
    lines = []
    for position, (name, epochs) in enumerate(histories.items()):
        at = [float(epoch.epoch) for epoch in epochs]
        color = f"C{position % 10}"
        lines.append(Line("_train", at, [e.train_loss for e in epochs], style=f"{color}--"))
        judged = [e.validation_loss for e in epochs if e.validation_loss is not None]
        lines.append(Line(name, at, judged, style=f"{color}-"))
    losses = [y for line in lines for y in line.y]
    return Panel(title, "epoch", "loss", lines, log=0 < min(losses, default=0) * SPAN < max(losses, default=0))
