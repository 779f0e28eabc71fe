"""Strings that hold an a, else a b, else a c: does an encoder notice what matters, wherever it stands?"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from nlpkit import DataError, SettingError
from nlpkit.tasks.sentiment import ClassifierTraining

from nlpkit_diagnose.dealing import PARTS, Strings
from nlpkit_diagnose.summary import make_dots, summarise
from nlpkit_diagnose.task import ADAM, SYMBOLS, Panel, Result, Settings, Tables, Task, Trial, format_settings

if TYPE_CHECKING:
    from nlpkit_diagnose.networks import Restored

WANTED = "abc"  # the first that a string holds is its label
LENGTHS = (5, 6)
LONGEST = 10_000  # letters of an input
MOST = 1_000_000  # strings: a hundredth of what there is of the rarest kind


@dataclass(frozen=True)
class LettersData:
    """How many strings there are."""

    train: int = 2000
    validation: int = 500
    test: int = 500


class Letters(Task):
    """Does a string hold an a, else a b, else a c?"""

    name = "letters"
    about = "does a string hold an a, else a b, else a c?"
    source = "generated"
    figure, higher, tutorial = "accuracy", True, "near 1.0"
    training = ClassifierTraining
    asks = "a string of the letters a to z, such as xaxxc"
    data = LettersData
    tables: ClassVar[Tables] = {
        **SYMBOLS,
        "training": {
            **ADAM,
            "epochs": 50,
            "batch_size": 32,
            "learning_rate": 3e-3,
            "schedule": "cosine",
            "patience": 50,
        },
    }

    def conditions(self, data: LettersData) -> Sequence[str]:
        """Return the one that there is."""
        counts = (data.train, data.validation, data.test)
        if min(counts) < 1 or sum(counts) > MOST:
            raise SettingError(
                "data.train, data.validation and data.test must be 1 to {most:,} together, was: {told}",
                most=MOST,
                told=format_settings(data),
            )
        return [""]

    def trial(self, condition: str, settings: Settings, seed: int) -> Trial:
        """Draw the strings; compose the network."""
        from nlpkit_diagnose.trials import make_string_trial

        return make_string_trial(self.draw(condition, settings.data, seed), len(WANTED), settings)

    def draw(self, condition: str, data: LettersData, seed: int) -> dict[str, Strings]:  # noqa: ARG002
        """Draw strings, no two of them equal, so that none that is measured was learnt from."""
        ends = np.cumsum([data.train, data.validation, data.test])
        texts, labels = draw_strings(int(ends[-1]), np.random.default_rng(seed))
        return {
            place: Strings(texts[begin:end], labels[begin:end])
            for place, begin, end in zip(PARTS, [0, *ends[:-1]], ends, strict=True)
        }

    def panels(self, results: Sequence[Result]) -> Sequence[Panel]:
        """Draw accuracy by encoder."""
        return [make_dots("accuracy on test strings", "accuracy", summarise(results))]

    @classmethod
    def answer(cls, network: Restored, text: str, steps: int | None = None) -> dict[str, Any]:  # noqa: ARG003
        """Return the class of a string, the letter that makes it, and how sure the network is."""
        if not text or len(text) > LONGEST or not set(text) <= {*string.ascii_lowercase}:
            raise DataError("expected {asks}, found {text!r}", asks=cls.asks, text=text[:40])
        found = network.tell_probabilities(text)
        return {"class": int(found.argmax()), "letter": WANTED[found.argmax()], "probability": float(found.max())}

    @classmethod
    def tell_answer(cls, text: str, answer: Mapping[str, Any]) -> str:
        """Say an answer as the tutorial prints it."""
        return f"字符串{text},对应类别{answer['class']}"


def draw_strings(count: int, draw: np.random.Generator) -> tuple[list[str], np.ndarray[Any, np.dtype[np.int64]]]:
    """Draw so many different strings of 5 or 6 letters, each label as frequent as the others, and their labels."""
    found: dict[str, int] = {}
    while len(found) < count:
        label = len(found) % len(WANTED)
        allowed = string.ascii_lowercase[label:]
        letters = draw.integers(0, len(allowed), draw.choice(LENGTHS))
        letters[draw.integers(len(letters))] = 0  # the letter that makes the label
        found.setdefault("".join(allowed[letter] for letter in letters), label)
    order = draw.permutation(count)
    texts, labels = list(found), np.array(list(found.values()), np.int64)
    return [texts[at] for at in order], labels[order]
