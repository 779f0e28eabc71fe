"""What training a language model minimises: the loss of each token given all before it, in streams side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nlpkit.errors import SettingError
from nlpkit.model.stateful import State
from nlpkit.tasks.generate.network import LanguageModel
from nlpkit.tasks.generate.settings import StreamTraining
from nlpkit.text.vocabulary import UNKNOWN
from nlpkit.training.batching import RowNumbers, draw_with_focus
from nlpkit.training.carrier import StateCarrier
from nlpkit.training.loop import Validation
from nlpkit.training.settings import check_judges

JUDGED = 200_000  # validation tokens that are enough to judge an epoch by
JUDGED_STREAMS, JUDGED_SPAN = 32, 128
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Documents:
    """Encoded texts one after the other, each with the mark of its end.

    :param ids: ``(total,)``. May be a memory map.
    :param starts: where each document begins, and the last one ends ``(documents + 1,)``.
    :param corpora: the position of each document's corpus ``(documents,)``.
    :param ordered: whether each follows the one before it, as the lines of a novel do ``(documents,)``; None for none.
    """

    ids: NDArray[np.int32]
    starts: Ints
    corpora: NDArray[np.int32]
    ordered: NDArray[np.bool_] | None = None


class Streams(Sequence[RowNumbers]):
    """Documents in some order, dealt out to streams of one length and cut into spans.

    An item holds where each stream's span begins ``(streams,)``, counted from the first document's first token.
    """

    def __init__(self, documents: Documents, order: Ints, streams: int, span: int) -> None:
        lengths = np.diff(documents.starts)[order]
        self._documents = documents
        self._ends = np.cumsum(lengths)
        self._shifts = documents.starts[order] - (self._ends - lengths)  # from a token's place here to that in ids
        self.length, self.span = int(self._ends[-1]) // streams, span
        self._begins = np.arange(streams) * self.length

    def __len__(self) -> int:
        return max(0, -(-(self.length - 1) // self.span))

    def __getitem__(self, step: Any) -> Any:
        if not 0 <= step < len(self):
            raise IndexError(step)
        return np.asarray(self._begins + step * self.span)

    def read(self, begins: RowNumbers) -> tuple[Tensor, Tensor]:
        """Read the ids of a span and, for each, the one that comes next: ``(streams, time)`` both."""
        time = min(self.span, self.length - 1 - int(begins[0] % self.length))
        at = begins[:, None] + np.arange(time + 1)
        document = np.searchsorted(self._ends, at, "right")
        ids = torch.as_tensor(self._documents.ids[at + self._shifts[document]].astype(np.int64))
        return ids[:, :-1], ids[:, 1:]

    def first(self, begins: RowNumbers) -> bool:
        """Tell whether a span is the first of its streams."""
        return int(begins[0]) % self.length == 0


def keep_together(order: Ints, documents: Documents) -> Ints:
    """Put documents of a corpus in which they follow each other together, as they stand there."""
    if documents.ordered is None:
        return order
    for corpus in np.unique(documents.corpora[documents.ordered]):
        own = documents.corpora[order] == corpus
        numbers = np.sort(order[own])
        rounds = np.arange(len(numbers)) - np.searchsorted(numbers, numbers)  # how often each came before
        at = int(np.argmax(own))
        others = order[at:][~own[at:]]
        order = np.concatenate([order[:at], numbers[np.lexsort((numbers, rounds))], others])
    return order


class TokenPrediction:
    """The `nlpkit.training.loop.Objective` of a language model.

    :param rare: whether each id was seen but once in the training rows ``(ids,)``: half of these occurrences are taken
        for unknown, so that there is something to learn of what was never seen.
    """

    rate_setting = "training.learning_rate"

    def __init__(
        self,
        network: LanguageModel,
        train: Documents,
        validation: Documents,
        settings: StreamTraining,
        rare: NDArray[np.bool_],
    ) -> None:
        self._carrier = StateCarrier(network, settings.streams)
        self.module: nn.Module = self._carrier
        self._network = network
        self._train, self._validation, self._settings = train, validation, settings
        self._rare = torch.from_numpy(rare)
        self._streams: Streams
        self._judges = np.flatnonzero((validation.corpora == 0) | (not settings.focus))
        judged = np.diff(validation.starts)[self._judges].sum()
        check_judges(bool(judged >= 2), settings.focus, "is there to judge by")

    def batches(self, epoch: int, draw: np.random.Generator) -> Sequence[RowNumbers]:
        """Return the spans of an epoch's streams, the first corpus as often as it is due in this epoch."""
        settings = self._settings
        done = (epoch - 1) / max(1, settings.epochs - 1)
        order = draw_with_focus(self._train.corpora == 0, settings.focus, done, draw)
        if settings.shuffle:
            order = keep_together(draw.permutation(order), self._train)
        self._streams = Streams(self._train, order, settings.streams, settings.span)
        if not len(self._streams):
            raise SettingError(
                "the training texts are too few for {streams} streams of at least two tokens: give "
                "more, or set training.streams to at most {value}",
                streams=settings.streams,
                value=max(1, int(np.diff(self._train.starts)[order].sum()) // 2),
            )
        return self._streams

    def loss(self, begins: RowNumbers) -> tuple[Tensor, None]:
        """Return the mean loss of the tokens of a span, in nats."""
        if self._streams.first(begins):
            self._carrier.carry(None)
        ids, targets = self._streams.read(begins)
        unknown = self._rare.to(targets.device)[targets] & (torch.rand(targets.shape) < 0.5)
        targets = torch.where(unknown, UNKNOWN, targets)
        features, after = self._network.features(ids, [tensor.clone() for tensor in self._carrier.state])
        loss = self._network.output.loss(features.flatten(0, 1), targets.flatten() - UNKNOWN, exact=True)
        self._carrier.carry(after)
        return loss, None

    def validate(self) -> Validation:
        """Measure the cross entropy in nats a token, and the share of tokens that come first."""
        losses, right, count = 0.0, 0, 0
        for logits, targets in self.predict(JUDGED):
            losses += float(functional.cross_entropy(logits, targets, reduction="sum"))
            right += int((logits.argmax(1) == targets).sum())
            count += len(targets)
        return Validation(losses / count, right / count)

    def predict(self, limit: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield logits ``(n, tokens)`` and targets ``(n,)`` of about so many validation tokens, as inference does."""
        self.module.eval()
        decoder = self._network.decoder()
        judges = self._judges
        lengths = np.diff(self._validation.starts)
        fitting = min(len(judges), -(-len(judges) * limit // int(lengths[judges].sum())))
        ordered = self._validation.ordered is not None and bool(self._validation.ordered[judges].all())
        order = judges[:fitting] if ordered else judges[np.linspace(0, len(judges) - 1, fitting).astype(np.int64)]
        beside = int(min(JUDGED_STREAMS, max(1, lengths[order].sum() // JUDGED_SPAN)))
        streams = Streams(self._validation, order, beside, JUDGED_SPAN)
        state: State | None = None
        with torch.inference_mode():
            for begins in streams:
                ids, targets = streams.read(begins)
                features, state = self._network.features(ids, state)
                outputs = self._network.output(features.flatten(0, 1)).cpu().numpy()
                yield torch.as_tensor(decoder.logits(outputs)), targets.flatten() - UNKNOWN
