"""What training a cloze network minimises: the loss of each word against what stands around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nlpkit.model.mixing import log_sum
from nlpkit.tasks.cloze.blanks import BEGIN, BLANK, END
from nlpkit.tasks.cloze.network import ClozeNetwork
from nlpkit.tasks.cloze.settings import ClozeTraining
from nlpkit.text.vocabulary import PAD, UNKNOWN
from nlpkit.training.ahead import Ahead
from nlpkit.training.batching import RowNumbers, draw_with_focus
from nlpkit.training.devices import to_device
from nlpkit.training.loop import Validation
from nlpkit.training.processes import weigh_mean

FIRST = UNKNOWN + 1  # id of the most frequent answer
NONE = UNKNOWN - FIRST  # at a word that is no answer
POOL = 1 << 17  # words that are drawn together and sorted by length before they are cut into batches
JUDGED = 30_000  # validation words that are enough to judge an epoch by
JUDGED_TOGETHER = 32  # pieces
TUNED = 1_000  # validation words that are enough to choose a temperature by
TEMPERATURES = tuple(2 ** (step / 4) for step in range(25))
CHUNK = 256  # of these whose logits are in memory together
MASKED = 0.15  # share of the words that are asked for together where they are hidden from each other
TURNS = 7  # in which such words are judged: as many are hidden at a time
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """Rows of words, cut into pieces of at most so many words.

    :param ids: of the input's vocabulary, row after row ``(total,)``. May be a memory map, as ``answers`` may.
    :param answers: of the vocabulary of answers, in the same order ``(total,)``.
    :param rows: where each row begins and ends in these ``(rows + 1,)``.
    :param corpora: the position of each row's corpus ``(rows,)``.
    :param spans: where each piece begins and ends, and the row that it is of ``(pieces, 3)``.
    """

    ids: NDArray[np.int32]
    answers: NDArray[np.int32]
    rows: Ints
    corpora: NDArray[np.int32]
    spans: Ints

    @classmethod
    def cut(
        cls, ids: NDArray[Any], answers: NDArray[Any], rows: Ints, corpora: NDArray[np.int32], longest: int
    ) -> Pieces:
        """Cut rows where they are longer than ``longest`` words; what no answer stands in is no piece."""
        lengths = np.diff(rows)
        parts = -(-lengths // longest)
        row = np.repeat(np.arange(len(lengths)), parts)
        nth = np.arange(len(row)) - np.repeat(np.cumsum(parts) - parts, parts)
        begin = rows[row] + nth * longest
        end = np.minimum(begin + longest, rows[row + 1])
        answered = np.logical_or.reduceat(answers >= FIRST, begin) if len(begin) else np.zeros(0, dtype=np.bool_)
        return cls(ids, answers, rows, corpora, np.stack([begin, end, row], 1)[answered])

    def of_first_corpus(self) -> Pieces:
        """Return the pieces of the corpus that was read first."""
        return replace(self, spans=self.spans[self.corpora[self.spans[:, 2]] == 0])

    @property
    def lengths(self) -> Ints:
        """Words in each piece ``(pieces,)``."""
        return self.spans[:, 1] - self.spans[:, 0]

    def batch(self, chosen: RowNumbers) -> tuple[Tensor, Tensor, Tensor]:
        """Return ids, mask and answers ``(batch, time)`` of some pieces.

        A piece stands between the words beside it or, where its row ends, between the marks of that; there, and at
        padding, the answer is `NONE`.
        """
        begin, end, row = self.spans[chosen].T[:, :, None]
        at = begin - 1 + np.arange(int((end - begin).max()) + 2)  # (batch, time)
        first, last = self.rows[row], self.rows[row + 1]
        inside = (at >= first) & (at < last)
        within = np.where(inside, at, begin)
        mask = at <= end
        ids = np.where(at < first, BEGIN, np.where(at >= last, END, self.ids[within])) * mask + PAD * ~mask
        answers = np.where((at >= begin) & (at < end), self.answers[within] - FIRST, NONE)
        return (
            to_device(ids.astype(np.int64)),
            to_device(mask),
            to_device(answers.astype(np.int64)),
        )


class WordPrediction:
    """The `nlpkit.training.loop.Objective` of a cloze network.

    :param kept: probability that an occurrence of each answer is asked for in training ``(answers,)``.
    """

    rate_setting = "training.learning_rate"

    def __init__(
        self, network: ClozeNetwork, train: Pieces, validation: Pieces, settings: ClozeTraining, chances: NDArray[Any]
    ) -> None:
        self.module: nn.Module = network
        self._network = network
        self._train, self._validation, self._settings = train, validation, settings
        self._chances = torch.from_numpy(np.append(chances, 0.0)).float()  # the last is that of `NONE`
        self._ahead = Ahead(train.batch)
        self._exact = False

    def batches(self, epoch: int, draw: np.random.Generator) -> Sequence[RowNumbers]:
        """Put pieces of similar length together, the first corpus as often as it is due in this epoch."""
        settings = self._settings
        self._exact = epoch > settings.epochs - settings.exact_epochs
        first = self._train.corpora[self._train.spans[:, 2]] == 0
        chosen = draw_with_focus(first, settings.focus, (epoch - 1) / max(1, settings.epochs - 1), draw)
        return make_batches(self._train.lengths, chosen, settings.batch_tokens, draw)

    def foresee(self, coming: Sequence[RowNumbers]) -> None:
        """Make batches ahead."""
        self._ahead.foresee(coming)

    def loss(self, pieces: RowNumbers) -> tuple[Tensor, None]:
        """Return the mean loss of the words that are asked for, in nats."""
        ids, mask, answers = self._ahead.take(pieces)
        places = torch.rand(answers.shape) < self._chances.to(answers.device)[answers]
        if self._network.masked:
            places &= torch.rand(answers.shape) < MASKED
        if not bool(places.any()):
            places = keep_first(answers != NONE)
        blanks = (torch.rand(ids.shape) < self._settings.blanked) & (ids >= 0) & mask
        ids = torch.where(blanks, BLANK, ids)
        features = self._network.features(ids, mask, places)
        loss = self._network.output.loss(features, answers[places], exact=self._exact)
        return weigh_mean(loss, len(features)), None

    def validate(self) -> Validation:
        """Measure the cross entropy in nats a word over all answers, and the share of words that come first."""
        losses, right, words, temperature = 0.0, 0, 0, self.temperature()
        for logits, answers in self.predict(JUDGED):
            losses += cross_entropy(logits / temperature, answers)
            right += int((logits.argmax(1) == answers).sum())
            words += len(answers)
        return Validation(losses / words, right / words)

    def temperature(self) -> float:
        """Choose what to divide logits by before they are log-probabilities: 1 where that is what was trained.

        Codes that are learnt bit by bit are much too sure, and the more so the better they get. What suits some
        validation words best suits all; mixing will find it out anew.
        """
        if self._network.coding.calibrated:
            return 1.0
        some = list(self.predict(TUNED))
        return min(TEMPERATURES, key=lambda t: sum(cross_entropy(logits / t, answers) for logits, answers in some))

    def predict(self, limit: int) -> Iterator[tuple[NDArray[Any], Ints]]:
        """Yield logits ``(n, answers)`` and answers ``(n,)`` of some validation words, as inference tells them."""
        decoder = self._network.decoder()
        for outputs, answers in self.outputs(limit):
            for at in range(0, len(answers), CHUNK):
                yield decoder.logits(outputs[at : at + CHUNK]), answers[at : at + CHUNK]

    def outputs(self, limit: int) -> Iterator[tuple[NDArray[Any], Ints]]:
        """Yield outputs ``(n, width)`` and answers ``(n,)`` of about so many validation words, evenly drawn."""
        self.module.eval()
        pieces, total = len(self._validation.spans), int(self._validation.lengths.sum())
        order = np.linspace(0, pieces - 1, min(pieces, -(-pieces * limit // total))).astype(np.int64)
        with torch.inference_mode():
            for at in range(0, len(order), JUDGED_TOGETHER):
                ids, mask, answers = self._validation.batch(order[at : at + JUDGED_TOGETHER])
                for places in self._take_turns(answers != NONE):
                    features = self._network.features(ids, mask, places)
                    yield self._network.output(features).float().cpu().numpy(), answers[places].cpu().numpy()

    def _take_turns(self, places: Tensor) -> list[Tensor]:
        """Return what is asked for ``(batch, time)``, at once or, where that hides it from its neighbours, in turns."""
        if not self._network.masked:
            return [places]
        turns = torch.arange(places.shape[1]) % TURNS
        return [places & (turns == turn) for turn in range(TURNS)]


def cross_entropy(logits: NDArray[Any], answers: Ints) -> float:
    """Sum the nats of answers ``(n,)`` under logits ``(n, answers)``."""
    return float((log_sum(logits)[:, 0] - logits[np.arange(len(answers)), answers]).sum())


def keep_first(places: Tensor) -> Tensor:
    """Keep the first position of each row that is asked for ``(batch, time)``."""
    return places & (places.cumsum(1) == 1)


def make_batches(lengths: Ints, chosen: Ints, size: int, draw: np.random.Generator) -> list[RowNumbers]:
    """Put pieces of similar length together, at most ``size`` words and padding a batch, in random order."""
    order = draw.permutation(chosen)
    pools = np.searchsorted(np.cumsum(lengths[order]), np.arange(POOL, lengths[order].sum(), POOL))
    batches: list[RowNumbers] = []
    for pool in np.split(order, pools):
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += _cut_pool(pool, lengths[pool] + 2, size)
    return [batches[at] for at in draw.permutation(len(batches))]


def _cut_pool(pool: Ints, widths: Ints, size: int) -> Iterator[RowNumbers]:
    """Cut a pool, sorted by width, into batches that are as large as fits."""
    begin = 0
    while begin < len(pool):
        fits = widths[begin:] * np.arange(1, len(pool) - begin + 1) <= size  # true, then false, as both factors grow
        count = max(1, int(fits.sum()))
        yield pool[begin : begin + count]
        begin += count
