"""Numbers for texts, and how far off they are."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from nlpkit import SavedModel
from nlpkit.model import open_member
from nlpkit.tasks import Metrics
from nlpkit.text import Example, Row, unfit


class Rating(NamedTuple):
    """A number, or why there is none."""

    stars: float | None
    reason: str | None = None


class RatingModel(SavedModel):
    """A model that gives each text a number."""

    task = "ratings"

    def predict(self, texts: Sequence[str]) -> list[Rating]:
        """Predict, in order."""
        reasons = [unfit(text) or (None if text.strip() else "empty") for text in texts]
        fit = [text if reason is None else "" for text, reason in zip(texts, reasons, strict=True)]
        numbers = self._member.logits(self.normaliser.batch(fit))
        pairs = zip(numbers[:, 0].tolist(), reasons, strict=True)
        return [Rating(round(number, 4)) if reason is None else Rating(None, reason) for number, reason in pairs]

    def predictor(self) -> Callable[[Sequence[Row]], list[Rating]]:
        """Return what predicts rows of a file."""

        def predict(rows: Sequence[Row]) -> list[Rating]:
            ratings = self.predict([row.text for row in rows]) if rows else []
            return [Rating(None, row.fault) if row.fault else rating for row, rating in zip(rows, ratings, strict=True)]

        return predict

    def warm(self) -> None:
        """Answer once."""
        self.predict(["好"])

    def sample(self, text: str) -> dict[str, Any]:
        """A text and its number."""
        return {"text": text, "stars": self.predict([text])[0].stars}

    def compare(self, sample: Mapping[str, Any]) -> str | None:
        """Predict again."""
        stars = self.predict([sample["text"]])[0].stars
        if stars == sample["stars"] or abs((stars or 0) - (sample["stars"] or 0)) < 1e-3:
            return None
        return f"{sample['text']!r}: expected {sample['stars']}, found {stars}"

    @property
    def _member(self) -> Any:
        entry = self.entries[0]
        return self.open_part(0, lambda: open_member(self.bundle, entry, 1, self.normaliser))


@dataclass(frozen=True)
class Errors(Metrics):
    """How far off numbers are."""

    rows: int
    error: float
    columns = (">rows", ">mean error")

    @property
    def rows_measured(self) -> int:
        """All of them."""
        return self.rows

    def cells(self) -> tuple[str, ...]:
        """Both figures."""
        return f"{self.rows}", f"{self.error:.3f}"

    def to_json(self) -> dict[str, Any]:
        """Both figures."""
        return asdict(self)


def measure(model: RatingModel, examples: Iterable[Example]) -> Errors:
    """The mean absolute error."""
    examples = list(examples)
    stars = (
        [rating.stars or 0.0 for rating in model.predict([example.text for example in examples])] if examples else []
    )
    truth = [float(example.label) for example in examples]
    return Errors(len(truth), round(float(np.abs(np.subtract(stars, truth)).mean()), 4) if truth else 0.0)
