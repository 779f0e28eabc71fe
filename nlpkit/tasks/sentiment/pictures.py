"""Pictures of a classifier's figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.charts import import_figure, save_figure

if TYPE_CHECKING:
    from nlpkit.tasks.sentiment.metrics import ClassMetrics

SQUARE = (4.8, 4.4)  # inches
SMALLEST = 1.0  # of the dots that stand for bins, in points squared


def draw_reliability(metrics: ClassMetrics) -> bytes:
    """Draw the accuracy of answers by how sure they are, as PNG; a bin's dot is as large as it has rows.

    A reliability diagram (DeGroot and Fienberg 1983, https://doi.org/10.2307/2987588).
    """
    figure, axis = _make_axis("Are probabilities right?", "probability of the answer", "share of right answers")
    rows = sum(one.rows for one in metrics.bins) or 1
    axis.plot([0, 1], [0, 1], "--", color="grey", linewidth=0.8, label="as sure as right")
    axis.scatter(
        [one.probability for one in metrics.bins],
        [one.accuracy for one in metrics.bins],
        [SMALLEST + 400 * one.rows / rows for one in metrics.bins],
        alpha=0.7,
        label=f"answers (calibration error {metrics.calibration_error:.1%})",
    )
    axis.set(xlim=(0, 1.02), ylim=(0, 1.02))
    axis.legend(loc="upper left")
    return save_figure(figure)


def draw_confusion(metrics: ClassMetrics) -> bytes:
    """Draw the share of each label's rows by answer, as PNG."""
    counts = np.array(metrics.confusion)
    counts = counts if counts[:, -1].any() else counts[:, :-1]
    answers = [*metrics.labels, "none"][: counts.shape[1]]
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, axis = _make_axis("What is taken for what", "answer", "true label")
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axis.set_xticks(range(len(answers)), answers, rotation=30, ha="right")
    axis.set_yticks(range(len(metrics.labels)), metrics.labels)
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share > 0.5 else "black"
        axis.text(column, row, f"{counts[row, column]:,}\n{share:.0%}", ha="center", va="center", color=colour)
    return save_figure(figure)


def draw_coverage(metrics: ClassMetrics) -> bytes:
    """Draw the accuracy of what is still answered, if unsure answers are none, as PNG."""
    figure, axis = _make_axis("What it costs to be sure", "share of rows with an answer", "share of right answers")
    answered = [one for one in metrics.coverage if one.accuracy is not None]
    axis.plot([one.coverage for one in answered], [one.accuracy for one in answered], marker="o")
    for one in answered:
        place = (one.coverage, one.accuracy)
        axis.annotate(f"{one.min_probability:g}", place, xytext=(4, 4), textcoords="offset points")
    axis.set(xlim=(0, 1.02))
    return save_figure(figure)


def _make_axis(title: str, across: str, up: str) -> tuple[Any, Any]:
    figure = import_figure("drawing figures")(figsize=SQUARE, layout="constrained")
    axis = figure.subplots()
    axis.set(title=title, xlabel=across, ylabel=up)
    return figure, axis
