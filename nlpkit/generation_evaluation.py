"""How well a model of characters foretells texts: bits a character, and perplexity."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nlpkit.inference.generate import GenerationModel
from nlpkit.vocabulary import UNKNOWN

BLOCK = 1 << 20  # characters that are held at a time
STREAMS, LEAST = 16, 2048  # texts that are read side by side, each of so many characters


@dataclass(frozen=True)
class GenerationMetrics:
    """Figures on some texts.

    :param characters: with the end of each text.
    :param unknown: of these, such as the model has never seen: one token, whose bits count.
    :param bits: a character, the mean.
    """

    texts: int
    characters: int
    unknown: int
    bits: float

    @property
    def perplexity(self) -> float:
        """Two to the power of the bits: how many equally likely characters would be as hard to foretell."""
        return round(float(np.exp2(self.bits)), 2)

    def to_json(self) -> dict[str, Any]:
        """All figures as JSON."""
        return {**asdict(self), "perplexity": self.perplexity}


def measure_texts(model: GenerationModel, texts: Iterable[str]) -> GenerationMetrics:
    """Measure a model on texts, each following the one before it; they are never held."""
    count = total = unknown = 0
    nats = 0.0
    for block in _blocks(texts):
        ids = model.encode(block)
        count, total, unknown = count + len(block), total + len(ids), unknown + int((ids == UNKNOWN).sum())
        streams = max(1, min(STREAMS, len(ids) // LEAST))
        even = len(ids) // streams * streams
        found = [model.log_probabilities(ids[:even].reshape(streams, -1))]
        found += [model.log_probabilities(ids[None, even:])] if even < len(ids) else []
        nats -= sum(float(part.sum(dtype=np.float64)) for part in found)
    return GenerationMetrics(count, total, unknown, round(nats / max(1, total) / float(np.log(2)), 4))


def _blocks(texts: Iterable[str]) -> Iterable[list[str]]:
    remaining = iter(texts)
    while block := list(itertools.islice(remaining, 256)):
        size = sum(map(len, block))
        while size < BLOCK and (more := list(itertools.islice(remaining, 256))):
            block += more
            size += sum(map(len, more))
        yield block
