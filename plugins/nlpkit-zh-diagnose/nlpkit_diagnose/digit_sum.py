"""The sum of the first two digits, behind which many zeros follow: how long does an encoder remember?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from nlpkit import DataError, SettingError
from nlpkit.tasks.sentiment import ClassifierTraining

from nlpkit_diagnose.dealing import PARTS, Strings
from nlpkit_diagnose.summary import group_by_encoder, summarise
from nlpkit_diagnose.task import (
    ADAM,
    DEVELOPMENT,
    SYMBOLS,
    Line,
    Panel,
    Result,
    Settings,
    Tables,
    Task,
    Trial,
    format_settings,
)

if TYPE_CHECKING:
    from nlpkit_diagnose.networks import Restored

SHORTEST = 3
LONGEST = 10_000  # digits of an input
NOISE = 9  # the digits that may take a zero's place


@dataclass(frozen=True)
class DigitSumData:
    """How many sequences there are of each pair of digits.

    :param lengths: digits in a sequence; each length is a diagnosis of its own.
    :param train: sequences of each of the 100 pairs that are learnt from.
    :param validation: ... by which an epoch is judged.
    :param test: ... that are measured.
    """

    lengths: tuple[int, ...] = (10, 15, 20, 25, 30, 35)
    train: int = 3
    validation: int = 1
    test: int = 1


class DigitSum(Task):
    """Two digits, then zeros of which one is another digit: what do the first two add up to?"""

    name = "digit-sum"
    about = "what do the first two digits add up to?"
    source = "generated"
    figure, higher, tutorial = "accuracy", True, "falls with length"
    training = ClassifierTraining
    asks = "at least 2 digits, such as 7300000400 or 7,3,0,0"
    data = DigitSumData
    tables: ClassVar[Tables] = {
        **SYMBOLS,
        "training": {
            **ADAM,
            "epochs": 500,
            "batch_size": 8,
            "learning_rate": 1e-3,
            "clip": 0.0,
            "monitor": "accuracy",
            "patience": 500,
        },
    }

    def conditions(self, data: DigitSumData) -> Sequence[str]:
        """Return the lengths."""
        wanted = data.train + data.validation + data.test
        if min(data.train, data.validation, data.test) < 1:
            raise SettingError(
                "data.train, data.validation and data.test must be at least 1, was: {told}", told=format_settings(data)
            )
        for length in data.lengths:
            if length < SHORTEST or (length - 2) * NOISE < wanted:
                raise SettingError(
                    "of length {length} there are {value} sequences of a pair, and {wanted} are wanted: "
                    "choose a greater length",
                    length=length,
                    value=max(0, length - 2) * NOISE,
                    wanted=wanted,
                )
        if not data.lengths:
            raise SettingError("data.lengths names no length")
        return [str(length) for length in dict.fromkeys(data.lengths)]

    def trial(self, condition: str, settings: Settings, seed: int) -> Trial:
        """Draw the sequences; compose the network."""
        from nlpkit_diagnose.trials import make_string_trial

        return make_string_trial(self.draw(condition, settings.data, seed), 19, settings, development=True)

    def draw(self, condition: str, data: DigitSumData, seed: int) -> dict[str, Strings]:
        """Draw sequences, no two of them equal, so that none that is measured was learnt from."""
        draw = np.random.default_rng((seed, int(condition)))
        ends = np.cumsum([data.train, data.validation, data.test])
        texts: dict[str, list[str]] = {place: [] for place in PARTS}
        for pair in range(100):
            found = draw_sequences(pair, int(condition), int(ends[-1]), draw)
            for place, begin, end in zip(PARTS, [0, *ends], ends, strict=False):
                texts[place] += found[begin:end]
        return {
            place: Strings(found, np.array([int(t[0]) + int(t[1]) for t in found])) for place, found in texts.items()
        }

    def panels(self, results: Sequence[Result]) -> Sequence[Panel]:
        """Draw accuracy by length; that on the rows by which the epoch was chosen as another line."""
        lines = []
        for position, (encoder, rows) in enumerate(group_by_encoder(summarise(results)).items()):
            lengths = [float(row.condition) for row in rows]
            for name, style in (("accuracy", "-o"), (DEVELOPMENT, "--s")):
                if name not in rows[0].figures:
                    continue  # a diagnosis that an older version made
                figures = [row.figures[name] for row in rows]
                label = encoder if name == "accuracy" else f"{encoder}, {name}"
                spreads = [f.spread or 0.0 for f in figures]
                lines.append(Line(label, lengths, [f.mean for f in figures], spreads, f"C{position % 10}{style}"))
        return [Panel("accuracy on test sequences, and development", "length", "accuracy", lines)]

    @classmethod
    def answer(cls, network: Restored, text: str, steps: int | None = None) -> dict[str, Any]:  # noqa: ARG003
        """Return what the network takes for the sum of the first two digits, and how sure it is."""
        digits = re.sub(r"[,，;；、\s]+", "", text)
        if not re.fullmatch(f"[0-9]{{2,{LONGEST}}}", digits):
            raise DataError("expected {asks}, found {text!r}", asks=cls.asks, text=text[:40])
        found = network.tell_probabilities(digits)
        return {"sum": int(found.argmax()), "probability": float(found.max())}


def draw_sequences(pair: int, length: int, count: int, draw: np.random.Generator) -> list[str]:
    """Draw so many different sequences of a pair of digits (0 to 99), one zero of each replaced by another digit."""
    begun = f"{pair:02}" + "0" * (length - 2)
    places, digits = np.divmod(draw.choice((length - 2) * NOISE, count, replace=False), NOISE)
    return [f"{begun[: at + 2]}{digit + 1}{begun[at + 3 :]}" for at, digit in zip(places, digits, strict=True)]
