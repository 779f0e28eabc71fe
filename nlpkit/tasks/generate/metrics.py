"""How well a model of characters foretells texts: bits a character, and perplexity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nlpkit.errors import Sentence, SettingError, headings
from nlpkit.tasks.generate.model import GenerationModel
from nlpkit.tasks.metrics import Metrics
from nlpkit.text.blocks import blocks_of_texts
from nlpkit.text.corpus import Example
from nlpkit.text.vocabulary import UNKNOWN, Ints

BLOCK = 1 << 20  # characters that are held at a time
STREAMS, LEAST = 16, 2048  # texts that are read side by side, each of so many characters


@dataclass(frozen=True)
class GenerationMetrics(Metrics):
    """Figures on some texts.

    :param characters: with the end of each text.
    :param unknown: of these, such as the model has never seen: one token, whose bits count.
    :param bits: a character, the mean.
    """

    texts: int
    characters: int
    unknown: int
    bits: float
    of = Sentence("texts of")
    columns = headings(">texts", ">characters", ">unknown", ">bits a character", ">perplexity")

    @property
    def rows_measured(self) -> int:
        """Texts."""
        return self.texts

    def nothing(self, options: Mapping[str, Any]) -> str:  # noqa: ARG002
        """Say that there was no text."""
        return Sentence("no text")

    def cells(self) -> tuple[str, ...]:
        """Return the figures as a row of the table."""
        counts = (f"{count:,}" for count in (self.texts, self.characters, self.unknown))
        return *counts, f"{self.bits:.4f}", f"{self.perplexity:.2f}"

    @property
    def perplexity(self) -> float:
        """Two to the power of the bits: how many equally likely characters would be as hard to foretell."""
        return round(float(np.exp2(self.bits)), 2)

    def to_json(self) -> dict[str, Any]:
        """Return all figures as JSON."""
        return {**asdict(self), "perplexity": self.perplexity}


def measure(model: GenerationModel, examples: Iterable[Example]) -> GenerationMetrics:
    """Measure a model on the texts of examples; see `measure_texts`."""
    return measure_texts(model, (example.text for example in examples))


def measure_texts(model: GenerationModel, texts: Iterable[str]) -> GenerationMetrics:
    """Measure a model on texts, which are never held together.

    Some texts are read side by side; each follows the one before it, the first of them nothing.

    :raises SettingError: if they come as one string.
    """
    if isinstance(texts, str):
        raise SettingError("texts come in a list, or one by one; found one string")
    measured = (sums for _, sums in model.map(_measure_block, blocks_of_texts(texts, BLOCK)))
    count, total, unknown, nats = map(sum, zip((0, 0, 0, 0.0), *measured, strict=True))
    return GenerationMetrics(count, total, unknown, round(nats / max(1, total) / float(np.log(2)), 4))


def _measure_block(model: GenerationModel, texts: Sequence[str]) -> tuple[int, int, int, float]:
    """Return how many texts and characters there are, how many of these are unknown, and what all cost in nats."""
    streams = _deal(model.encode(texts), model.end)
    unknown = sum(int((ids == UNKNOWN).sum()) for ids in streams)
    return len(texts), sum(map(len, streams)), unknown, -_sum_log_probabilities(model, streams)


def _sum_log_probabilities(model: GenerationModel, streams: Sequence[Ints]) -> float:
    """Return the log-probability of streams of ids, in nats."""
    longest = max(map(len, streams))
    ids = np.array([np.pad(stream, (0, longest - len(stream)), constant_values=UNKNOWN) for stream in streams])
    logs = model.log_probabilities(ids)
    return sum(float(row[: len(stream)].sum()) for row, stream in zip(logs, streams, strict=True))


def _deal(ids: Ints, end: int) -> list[Ints]:
    """Deal texts out whole, one after the other, to streams of about one length."""
    ends = np.flatnonzero(ids == end) + 1
    streams = max(1, min(STREAMS, len(ids) // LEAST))
    cuts = ends[np.searchsorted(ends, len(ids) * np.arange(1, streams) / streams)]
    return [part for part in np.split(ids, cuts) if len(part)]
