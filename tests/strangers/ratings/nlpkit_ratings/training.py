"""How ratings are learnt."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nlpkit.training import RowNumbers, Rows, Run, TextNetwork, Validation, draw_batches, logits_of


class SquaredError:
    """What is minimised."""

    rate_setting = "training.learning_rate"

    def __init__(self, module: nn.Module, rows: Mapping[str, Rows], size: int) -> None:
        self.module, self._rows, self._size = module, rows, size

    def batches(self, epoch: int, draw: np.random.Generator) -> Sequence[RowNumbers]:
        return draw_batches(self._rows["train"].lengths, self._size, draw)

    def loss(self, rows: RowNumbers) -> tuple[Tensor, None]:
        inputs, mask, targets = self._rows["train"].batch(rows)
        return (self.module(inputs, mask) - targets).square().mean(), None

    def validate(self) -> Validation:
        rows = self._rows["validation"]
        return Validation((logits_of(self.module, rows) - torch.from_numpy(rows.targets)).square().mean().item(), None)


class RatingMember(TextNetwork):
    """A network with one output."""

    outputs = 1

    def targets(self, place: str) -> np.ndarray:
        return np.array([[float(answer)] for answer in self.corpus.answers(place)], dtype=np.float32)

    def objective(self, module: nn.Module, rows: Mapping[str, Rows]) -> SquaredError:
        return SquaredError(module, rows, self.settings.training.batch_size)

    def difference(self, expected: np.ndarray, outputs: np.ndarray) -> float:
        return float(np.abs(expected - outputs).max())


class RatingRun(Run):
    """A run of one network."""

    kinds = {"network": RatingMember}
    card = "nlpkit.training:base_card.md"

    def samples(self, model, corpus):
        return [text for block in corpus.texts("validation", 3) for text in block]
