"""The next position of a ball at constant speed: does an encoder go on beyond what it has seen?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from nlpkit import DataError, SettingError

from nlpkit_diagnose.dealing import check_shares, deal
from nlpkit_diagnose.relative_error import FIGURE, measure_relative_errors
from nlpkit_diagnose.summary import average_curves, group_by_encoder
from nlpkit_diagnose.task import ADAM, Line, Measurement, Panel, Result, Settings, Tables, Task, Trial, format_settings

if TYPE_CHECKING:
    from nlpkit.training import Rows
    from numpy.typing import NDArray

    from nlpkit_diagnose.networks import Restored

LONGER = "longer"  # rows than any that was learnt
ROUNDED = 0.05  # share of a step by which those of rounded positions may differ
LEAST = 3  # positions: two that are seen, one that is predicted
MOST = 10_000_000  # rows that are generated
FARTHEST, FASTEST, SHORTEST, LONGEST = 10, 5, 5, 10  # of rows that are generated


@dataclass(frozen=True)
class BallData:
    """What is made of the rows.

    :param rows: how many are generated, where no file is given.
    :param scale: positions are divided by it before they are shown.
    :param validation: share of the distinct rows by which an epoch is chosen.
    :param test: share of the distinct rows that is measured.
    """

    rows: int = 10_000
    scale: float = 50.0
    validation: float = 0.2
    test: float = 0.2


class Ball(Task):
    """A row of positions; the last is to be predicted from those before it.

    Measurement a second time on the test rows made longer than any that was learnt.

    :param path: a file of positions, a row a line; None generates some.
    """

    name = "ball"
    about = "where is a ball next, at constant speed?"
    source = "generated, or a file"
    figure, higher, tutorial = FIGURE, True, "0.927"
    asks = "at least 2 positions with commas between, such as 1,2,3"
    data = BallData
    tables: ClassVar[Tables] = {
        "head": {"pooling": "last"},
        "training": {
            **ADAM,
            "epochs": 60,
            "batch_size": 32,
            "learning_rate": 3e-3,
            "schedule": "cosine",
            "patience": 60,
        },
    }

    def __init__(self, path: Path | None = None, encoding: str | None = None) -> None:
        self._path, self._encoding = path, encoding

    def conditions(self, data: BallData) -> Sequence[str]:
        """Return the one that there is."""
        check_shares(data.validation, data.test)
        if not 10 <= data.rows <= MOST or not 1e-6 < data.scale < 1e6:
            raise SettingError(
                "data.rows must be 10 to {most:,} and data.scale 1e-6 to 1e6, was: {told}",
                most=MOST,
                told=format_settings(data),
            )
        return [""]

    @cached_property
    def _read(self) -> list[NDArray[np.float64]]:
        """The rows of the file.

        :raises DataError: if there are too few, or a ball does not move at constant speed.
        """
        from nlpkit_diagnose.tables import read_ragged

        assert self._path is not None
        found = []
        for line, row in read_ragged(self._path, encoding=self._encoding):
            if len(row) < LEAST:
                raise DataError(
                    "{path}, line {line}: expected at least {least} positions, found {count}",
                    path=self._path,
                    line=line,
                    least=LEAST,
                    count=len(row),
                )
            steps = np.diff(row)
            if len(odd := steps[np.abs(steps - steps.mean()) > ROUNDED * np.abs(steps).mean()]):
                raise DataError(
                    "{path}, line {line}: expected a ball at constant speed, found steps of {mean:g} on "
                    "average and of {odd:g}",
                    path=self._path,
                    line=line,
                    mean=steps.mean(),
                    odd=odd[0],
                )
            found.append(np.array(row))
        if len(found) < 10:
            raise DataError("{path} has {count} rows, and at least 10 are wanted", path=self._path, count=len(found))
        return found

    def trial(self, condition: str, settings: Settings, seed: int) -> Trial:  # noqa: ARG002
        """Deal the rows out by the seed, equal ones into one part; compose the network."""
        from nlpkit_diagnose.trials import Predict, make_number_trial

        data: BallData = settings.data
        draw = np.random.default_rng(seed)
        rows = generate_rows(data.rows, draw) if self._path is None else self._read
        parts = {
            place: [rows[at] for at in chosen] for place, chosen in deal(rows, data.validation, data.test, draw).items()
        }
        longest = max(map(len, parts["train"]))
        longer = [extend(row, longest) for row in parts["test"]]

        def measure(predict: Predict) -> Measurement:
            figures: dict[str, float] = {}
            curves: dict[str, Sequence[float]] = {}
            for name, shown in (("", make_rows(parts["test"], data.scale)), (LONGER, make_rows(longer, data.scale))):
                found = predict(shown)
                told = measure_relative_errors(found, shown.targets)
                figures |= told if not name else {name: told[FIGURE]}
                lengths = np.unique(shown.lengths)
                of_length = [
                    measure_relative_errors(found[at], shown.targets[at]) for at in shown.lengths == lengths[:, None]
                ]
                curves |= {f"{name}length": lengths.tolist(), f"{name}{FIGURE}": [f[FIGURE] for f in of_length]}
            return Measurement(figures, curves)

        return make_number_trial(
            {place: make_rows(part, data.scale) for place, part in parts.items()},
            settings,
            measure,
            {"scale": data.scale},
        )

    @classmethod
    def answer(cls, network: Restored, text: str, steps: int | None = None) -> dict[str, Any]:  # noqa: ARG003
        """Return the position that comes next."""
        from nlpkit_diagnose.tables import read_numbers

        positions = read_numbers(text, cls.asks)
        if len(positions) < LEAST - 1:
            raise DataError("expected {asks}, found {text!r}", asks=cls.asks, text=text[:40])
        scale = network.facts["scale"]
        shown = np.array(positions)[:, None] / scale
        return {"next": float(network.tell_numbers(shown.astype(np.float32))[0]) * scale}

    @classmethod
    def tell_answer(cls, text: str, answer: Mapping[str, Any]) -> str:
        """Say an answer as the tutorial rounds it."""
        return f"{text} → {answer['next']:.3f}"

    def panels(self, results: Sequence[Result]) -> Sequence[Panel]:
        """Draw one minus the relative error by length, that of rows longer than any that was learnt as another line."""
        lines = []
        for position, (encoder, found) in enumerate(group_by_encoder(results).items()):
            for name, style in (("", "-o"), (LONGER, "--s")):
                lengths, figures = average_curves(found, f"{name}length", f"{name}{FIGURE}")
                label = f"{encoder}, {LONGER}" if name else encoder
                lines.append(Line(label, lengths, figures, style=f"C{position % 10}{style}"))
        return [Panel("test rows, and longer ones", "positions seen", FIGURE, lines)]


def generate_rows(count: int, draw: np.random.Generator) -> list[NDArray[np.float64]]:
    """Draw rows of positions of balls that start somewhere and move at some whole speed, never 0."""
    starts = draw.integers(-FARTHEST, FARTHEST + 1, count)
    speeds = draw.integers(1, FASTEST + 1, count) * draw.choice([-1, 1], count)
    lengths = draw.integers(SHORTEST, LONGEST + 1, count)
    return [
        start + speed * np.arange(length, dtype=np.float64)
        for start, speed, length in zip(starts, speeds, lengths, strict=True)
    ]


def extend(row: NDArray[np.float64], more: int) -> NDArray[np.float64]:
    """Return the row with so many positions more."""
    return np.asarray(row[0] + (row[1] - row[0]) * np.arange(len(row) + more))


def make_rows(rows: Sequence[NDArray[np.float64]], scale: float) -> Rows:
    """Make rows of all positions but the last, as vectors of one number, and the last as the target."""
    from nlpkit.training import Rows

    shown = [row[:-1, None] / scale for row in rows]
    return Rows.of(shown, np.array([row[-1:] / scale for row in rows], np.float32))
