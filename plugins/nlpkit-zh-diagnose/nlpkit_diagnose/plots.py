"""The plot of a diagnosis: what its task shows, and the losses."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlpkit import MissingExtra

from nlpkit_diagnose.summary import group_by_encoder
from nlpkit_diagnose.task import Line, Panel, Result, Task

if TYPE_CHECKING:
    from nlpkit.training import Epoch

ACROSS = 3  # panels in a row
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
    """Draw one panel."""
    for line in panel.lines:
        hidden = len(line.x) == 1 and line.style[-1] == "-"  # a line through one point
        style = f"{line.style}." if hidden else line.style
        if line.spread is not None:
            axis.errorbar(line.x, line.y, yerr=line.spread, fmt=line.style, label=line.label, markersize=4, capsize=2)
        else:
            axis.plot(line.x, line.y, style, label=line.label, markersize=4, linewidth=1)
    axis.set(title=panel.title, xlabel=panel.x, ylabel=panel.y)
    if panel.log:
        axis.set_yscale("log")
    if panel.ticks:
        axis.set_xticks(range(len(panel.ticks)), panel.ticks)
    elif all(float(x).is_integer() for line in panel.lines for x in line.x):
        axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))


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
