"""Some points of a sine, then steps fed by one's own answers: does an encoder keep time when it is left alone?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from nlpkit import DataError, SettingError

from nlpkit_diagnose.summary import group_by_encoder
from nlpkit_diagnose.task import ADAM, Line, Measurement, Panel, Result, Settings, Tables, Task, Trial, format_settings

if TYPE_CHECKING:
    from nlpkit_diagnose.networks import Restored

FARTHEST = 10_000  # steps that are told
MOST = 10_000_000  # points


@dataclass(frozen=True)
class SineData:
    """How many sines there are, each from a random phase on.

    :param points: of a sine that are shown; as many steps are predicted after them.
    :param span: what the points and the one behind them reach over, in radians.
    """

    train: int = 100
    validation: int = 20
    test: int = 20
    points: int = 49
    span: float = 10.0


class Sine(Task):
    """At each point the next one; then the free run: as many steps again, fed by its own answers."""

    name = "sine"
    about = "how does a sine go on, by one's own answers?"
    source = "generated"
    figure, higher, tutorial = "RMSE of the free run", False, "a plot"
    asks = "the first points of a sine, such as 0,0.2,0.4, or a number of steps, such as 49"
    data = SineData
    tables: ClassVar[Tables] = {
        "training": {
            **ADAM,
            "epochs": 300,
            "batch_size": 20,
            "learning_rate": 1e-2,
            "schedule": "cosine",
            "patience": 300,
        },
    }

    def conditions(self, data: SineData) -> Sequence[str]:
        """Return the one that there is."""
        sines = data.train, data.validation, data.test
        if min(sines) < 1 or data.points < 2 or sum(sines) * data.points > MOST or not 0 < data.span < 1e6:
            raise SettingError(
                "data wants at least 1 sine of each kind, 2 points, {most:,} points at most, and a "
                "span above 0 and below 1e6, was: {told}",
                most=MOST,
                told=format_settings(data),
            )
        return [""]

    def trial(self, condition: str, settings: Settings, seed: int) -> Trial:  # noqa: ARG002
        """Draw the phases by the seed; compose the network."""
        from nlpkit_diagnose.series import Series, SeriesNetwork, run_on
        from nlpkit_diagnose.trials import make_series_trial

        data: SineData = settings.data
        ends = np.cumsum([data.train, data.validation, data.test])
        phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, int(ends[-1]))
        steps = np.arange(2 * data.points) * data.span / data.points
        waves = np.sin(phases[:, None] + steps).astype(np.float32)[:, :, None]
        train, validation = (
            Series(waves[begin:end, : data.points], waves[begin:end, 1 : data.points + 1])
            for begin, end in ((0, ends[0]), (ends[0], ends[1]))
        )
        test = waves[ends[1] :]

        def measure(network: SeriesNetwork) -> Measurement:
            right = test[:, data.points :].astype(np.float64)
            found = run_on(network, test[:, : data.points], data.points).astype(np.float64)
            errors = np.sqrt(np.square(found - right).mean((0, 2)))  # of each step
            figures = {self.figure: float(np.sqrt(np.square(found - right).mean())), "last step": errors[-1]}
            curves = {"right": test[0, :, 0].tolist(), "found": found[0, :, 0].tolist(), "error": errors.tolist()}
            return Measurement({name: float(figure) for name, figure in figures.items()}, curves)

        facts = {"points": data.points, "span": data.span}
        return make_series_trial(train, validation, 1, data.points, settings, measure, facts)

    @classmethod
    def answer(cls, network: Restored, text: str, steps: int | None = None) -> dict[str, Any]:
        """Return how a sine goes on: behind some points, or so many steps behind those of the sine from 0 on."""
        from nlpkit_diagnose.tables import read_numbers

        points, span = network.facts["points"], network.facts["span"]
        told = read_numbers(text, cls.asks)
        steps = points if steps is None else steps
        if len(told) == 1:
            steps = int(told[0])
            if steps != told[0] or not 1 <= steps <= FARTHEST:
                raise DataError("expected {asks}, found {text!r}", asks=cls.asks, text=text[:40])
            told = np.sin(np.arange(points) * span / points).tolist()
        if not told:
            raise DataError("expected {asks}, found {text!r}", asks=cls.asks, text=text[:40])
        return {"points": network.run_on(np.array(told, np.float32)[:, None], steps)[:, 0].tolist()}

    @classmethod
    def tell_answer(cls, text: str, answer: Mapping[str, Any]) -> str:
        """Say the points, rounded."""
        return f"{text} → {' '.join(f'{point:.4f}' for point in answer['points'])}"

    def panels(self, results: Sequence[Result]) -> Sequence[Panel]:
        """Draw the first test sine and the free runs from it, and the error by step."""
        groups = group_by_encoder(results)
        first = [found[0].curves for found in groups.values()]
        whole = list(range(len(first[0]["right"])))
        free = whole[len(whole) // 2 :]
        lines = [Line("sine", whole, first[0]["right"], style="k-")]
        lines += [Line(name, free, curves["found"], style="--") for name, curves in zip(groups, first, strict=True)]
        errors = [
            Line(name, free, np.mean([r.curves["error"] for r in found], 0).tolist(), style="-")
            for name, found in groups.items()
        ]
        return [Panel("the free run", "step", "", lines), Panel("how far off it is", "step", "RMSE", errors)]
