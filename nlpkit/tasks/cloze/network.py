"""The network of a cloze model: each position's features from everything but the word that stands there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nlpkit.components.recurrent import reverse
from nlpkit.model import bundle
from nlpkit.model.bundle import Bundle
from nlpkit.model.network import load_weights, remake
from nlpkit.plugins.base import Decoder, Embedding, Encoder, OutputEmbedding, OutputLayer, SharedEmbedding, adopt
from nlpkit.tasks.cloze.blanks import BLANK
from nlpkit.tasks.cloze.settings import ClozeHead
from nlpkit.text.vocabulary import Tokens, Vocabulary

MARKS = 3  # BEGIN, END, BLANK: ids -1, -2, -3


class ClozeNetwork(nn.Module):
    """Ids to outputs, of which an output embedding's decoder makes words.

    Two causal encoders read a row from both ends. A position sees the state of the one before it and that of the other
    behind it, so no number of layers lets it see itself; stacked *bidirectional* layers would. An encoder that is not
    causal reads the row with a mark at each position that is asked for (Devlin et al. 2019,
    https://arxiv.org/abs/1810.04805).

    :param embedding: of which a vector depends on its id alone; its ``build`` or ``fit`` has been called.
    :param encoders: a forward and a backward one, both causal; or one that is not.
    :param answers: the id of each word that can be answered ``(words,)``.
    """

    def __init__(
        self,
        embedding: Embedding,
        encoders: Sequence[Encoder],
        head: ClozeHead,
        coding: OutputEmbedding,
        answers: NDArray[np.int64],
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.encoders = nn.ModuleList(cast("Sequence[nn.Module]", encoders))
        self.marks = nn.Parameter(torch.randn(MARKS, embedding.dim) * 0.1)
        self.neighbours = head.neighbours
        size = encoders[0].output_dim * len(encoders) + 2 * embedding.dim * head.neighbours
        layers: list[nn.Module] = [nn.Dropout(head.dropout)]
        for hidden in head.hidden:
            layers += [nn.Linear(size, hidden), nn.ReLU(), nn.Dropout(head.dropout)]
            size = hidden
        self.head = nn.Sequential(*layers)
        self.register_buffer("answers", torch.from_numpy(answers), persistent=False)
        self.answers: Tensor
        inputs = self._input_vectors if isinstance(embedding, SharedEmbedding) else None
        self.output: OutputLayer = adopt(OutputLayer, coding.layer(input_dim=size, words=len(answers), inputs=inputs))
        self.coding = coding

    @property
    def masked(self) -> bool:
        """Whether what is asked for is hidden by a mark, and so from all that is asked for beside it."""
        return len(self.encoders) == 1

    def _input_vectors(self, words: Tensor) -> Tensor:
        return cast(SharedEmbedding, self.embedding).lookup(self.answers[words])

    def decoder(self) -> Decoder:
        """Return what reads the outputs, with the weights as they are now."""
        return self.coding.decoder(self.output.arrays())

    def forward(self, ids: Tensor, mask: Tensor, at: Tensor) -> Tensor:
        """Map ids and mask ``(batch, time)`` and a position of each row ``(batch,)`` to outputs ``(batch, width)``."""
        places = at[:, None, None]
        parts = [part.gather(1, places.expand(-1, 1, part.shape[2]))[:, 0] for part in self._views(ids, mask)]
        return self.output(self.head(torch.cat(parts, 1)))

    def run(self, ids: NDArray[np.int64], mask: NDArray[np.bool_], at: NDArray[np.int64]) -> NDArray[Any]:
        """Return outputs ``(batch, width)``, as those of the graph."""
        with torch.inference_mode():
            return np.asarray(self(*map(torch.from_numpy, (ids, mask, at))))

    def features(self, ids: Tensor, mask: Tensor, places: Tensor) -> Tensor:
        """Return features ``(n, dim)`` of the ``n`` positions where ``asked`` ``(batch, time)`` is true, row by row.

        None of them depends on the id that stands at its position. The first and the last column are never asked for.
        """
        if self.masked:
            ids = torch.where(places, BLANK, ids)
        return self.head(torch.cat([part[places] for part in self._views(ids, mask)], 1))  # type: ignore[no-any-return]

    def _views(self, ids: Tensor, mask: Tensor) -> list[Tensor]:
        """Return what each position is told from, in parts ``(batch, time, dim)``."""
        vectors = self._vectors(ids, mask)
        if torch.is_autocast_enabled("cpu"):  # torch's recurrent modules do not see to it themselves
            vectors = vectors.to(torch.get_autocast_dtype("cpu"))
        beside = [_shift(vectors, 1), _shift(vectors, -1)] if self.neighbours else []
        if self.masked:
            return [self.encoders[0](vectors, mask)[0], *beside]
        ahead, _ = self.encoders[0](vectors, mask)
        behind, _ = self.encoders[1](reverse(vectors, mask), mask)
        return [_shift(ahead, 1), _shift(reverse(behind, mask), -1), *beside]

    def _vectors(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return vectors ``(batch, time, dim)`` of words and marks."""
        vectors = self.embedding(ids.clamp(min=0), mask)
        marks = self.marks[(-1 - ids).clamp(min=0)]
        return torch.where((ids < 0)[:, :, None], marks, vectors)


def _shift(vectors: Tensor, by: int) -> Tensor:
    """Shift vectors ``(batch, time, dim)`` one position later (1) or earlier (-1); zeros come in."""
    zeros = torch.zeros_like(vectors[:, :1])
    return torch.cat([zeros, vectors[:, :-1]] if by > 0 else [vectors[:, 1:], zeros], 1)


def ids_of(answers: Sequence[str], vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return the id of each answer ``(words,)``."""
    return np.asarray(vocabulary.encode(Tokens.of([answers])).grid[0], dtype=np.int64)


def make_encoders(make: Callable[[], Encoder]) -> list[Encoder]:
    """Make the encoders that a network needs: two if one sees only what is before it."""
    first = make()
    return [first, make()] if first.causal else [first]


def restore(stored: Bundle, entry: Mapping[str, Any], vocabulary: Vocabulary, answers: Sequence[str]) -> ClozeNetwork:
    """Make a saved network again, with the weights as saved.

    :raises MissingPlugin: if a component is not installed.
    :raises BundleError: if the weights are missing or do not fit.
    """
    path = f"{entry['name']}/{bundle.WEIGHTS}"
    with stored.report_damage(path):
        embedding = remake("embedding", entry)
        embedding.build(vocabulary)
        encoders = make_encoders(lambda: remake("encoder", entry, input_dim=embedding.dim))
        output = remake("output", entry)
        head = ClozeHead(**{**entry["head"], "hidden": tuple(entry["head"]["hidden"])})
        network = ClozeNetwork(embedding, encoders, head, output, ids_of(answers, vocabulary))
        load_weights(network, stored.read(path))
    return network.eval()
