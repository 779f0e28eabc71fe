"""A run's epochs as a CSV and as a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from nlpkit.charts import import_figure, save_figure
from nlpkit.errors import MissingExtra
from nlpkit.files import replace_file
from nlpkit.model.bundle import CURVE, HISTORY
from nlpkit.training.loop import Epoch


class History:
    """The epochs of every loop of a run by the loop's name; history.csv holds them at any moment.

    :param folder: where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.epochs: dict[str, list[Epoch]] = {}

    def set(self, name: str, epochs: Sequence[Epoch]) -> None:
        """Take down the epochs behind which a loop goes on."""
        self.epochs[name] = list(epochs)

    def add(self, name: str, epoch: Epoch) -> None:
        """Take down an epoch that has ended."""
        self.epochs.setdefault(name, []).append(epoch)
        with suppress(OSError):  # a spreadsheet may hold the file; the next epoch writes all of them again
            replace_file(self._folder / HISTORY, table_of(self.epochs).encode())

    def draw(self) -> None:
        """Draw curve.png, if there is anything to draw and to draw with."""
        for name, data in self.files().items():
            with suppress(OSError):  # a viewer may hold the file
                replace_file(self._folder / name, data)

    def files(self) -> dict[str, bytes]:
        """Return the table and the picture of what there is by their names; no picture where matplotlib is missing."""
        if not any(self.epochs.values()):
            return {}
        files = {HISTORY: table_of(self.epochs).encode()}
        with suppress(MissingExtra):
            files[CURVE] = picture_of(self.epochs)
        return files


def table_of(histories: Mapping[str, Sequence[Epoch]]) -> str:
    """Write a row an epoch as CSV, the name of its loop first."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", *(field.name for field in fields(Epoch))])
    for name, epochs in histories.items():
        writer.writerows([name, *map(_format_cell, asdict(epoch).values())] for epoch in epochs)
    return text.getvalue()


def _format_cell(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value


def picture_of(histories: Mapping[str, Sequence[Epoch]]) -> bytes:
    """Loss and accuracy by epoch as PNG, training and validation, the best epoch marked; a row of two for each loop.

    :raises MissingExtra: if matplotlib is not installed.
    """
    Figure = import_figure("drawing the curve")  # noqa: N806
    figure = Figure(figsize=(9, 3.2 * len(histories)), layout="constrained")
    axes = figure.subplots(len(histories), 2, squeeze=False)
    for (name, epochs), (losses, accuracies) in zip(histories.items(), axes, strict=True):
        for axis, kind in ((losses, "loss"), (accuracies, "accuracy")):
            _draw(axis, f"{name}: {kind}", epochs, kind)
    return save_figure(figure)


def _draw(axis: Any, title: str, epochs: Sequence[Epoch], kind: str) -> None:
    for part, style in (("train", "--"), ("validation", "-")):
        points = [(e.epoch, y) for e in epochs if (y := getattr(e, f"{part}_{kind}")) is not None]
        if points:
            axis.plot(*zip(*points, strict=True), style, marker=".", label=part)
    if not axis.lines:
        axis.set_visible(False)  # a language model has no accuracy
        return
    if best := [e.epoch for e in epochs if e.best]:
        axis.axvline(best[-1], color="grey", linewidth=0.8, label="best")
    axis.set(title=title, xlabel="epoch")
    axis.legend()
    axis.xaxis.get_major_locator().set_params(integer=True)
