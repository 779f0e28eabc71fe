"""A language model: at each position the next token, from those before it; its state goes on from text to text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from nlpkit import bundle
from nlpkit.bundle import Bundle
from nlpkit.errors import SettingError
from nlpkit.protocols import Decoder, Embedding, Encoder, OutputEmbedding, OutputLayer, SharedEmbedding
from nlpkit.training.composition import load_weights, make_again
from nlpkit.vocabulary import UNKNOWN, Vocabulary

State = list[Tensor]  # what an encoder carries, flat


class LanguageModel(nn.Module):
    """Ids to outputs, of which an output embedding's decoder makes logits of all tokens but padding.

    :param embedding: of which a vector depends on its id alone; its ``build`` or ``fit`` has been called.
    :param encoder: causal, and it carries a state.
    :param dropout: of the states, before the output.
    :param size: ids of the vocabulary.
    """

    def __init__(
        self, embedding: Embedding, encoder: Encoder, coding: OutputEmbedding, *, dropout: float, size: int
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        inputs = self._input_vectors if isinstance(embedding, SharedEmbedding) else None
        self.output: OutputLayer = coding.layer(input_dim=encoder.output_dim, words=size - UNKNOWN, inputs=inputs)
        self.coding = coding
        self._structure: Any = None

    def _input_vectors(self, tokens: Tensor) -> Tensor:
        return cast(SharedEmbedding, self.embedding).lookup(tokens + UNKNOWN)

    def decoder(self) -> Decoder:
        """What reads the outputs, with the weights as they are now."""
        return self.coding.decoder(self.output.arrays())

    def features(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Features ``(batch, time, dim)`` of what follows each of ids ``(batch, time)``, and the state after the last.

        :param state: as a call before left it; None at a beginning.
        """
        mask = torch.ones_like(ids, dtype=torch.bool)
        vectors = self.embedding(ids, mask)
        if torch.is_autocast_enabled("cpu"):  # torch's recurrent modules do not see to it themselves
            vectors = vectors.to(torch.get_autocast_dtype("cpu"))
        before = None if state is None else pytree.tree_unflatten(state, self._structure)
        states, after = self.encoder(vectors, mask, before)
        carried, self._structure = pytree.tree_flatten(after)
        return self.dropout(states), carried

    def forward(self, ids: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Ids ``(batch, time)`` and a state to outputs ``(batch, time, width)`` and the state behind them."""
        features, carried = self.features(ids, list(state))
        outputs = self.output(features.flatten(0, 1))
        return outputs.view(*ids.shape, outputs.shape[1]), *carried

    def begin(self, batch: int) -> State:
        """The state before the first token: zeros, with which an encoder begins unless it is told otherwise.

        :raises SettingError: if the encoder carries none.
        """
        shapes, axes = self._layout
        if not shapes:
            raise SettingError(
                "the encoder carries no state from one step to the next: choose lstm, gru, rnn or transformer"
            )
        return [
            torch.zeros([batch if i == axis else size for i, size in enumerate(shape)])
            for shape, axis in zip(shapes, axes, strict=True)
        ]

    def axes(self) -> list[int]:
        """Of each part of the state, the axis along which the texts lie."""
        return self._layout[1]

    @cached_property
    def _layout(self) -> tuple[list[torch.Size], list[int]]:
        """Shapes of the parts of the state of two texts, and their axes."""
        shapes = self._carried(2)
        pairs = zip(shapes, self._carried(3), strict=True)
        return shapes, [next(i for i, (a, b) in enumerate(zip(*pair, strict=True)) if a != b) for pair in pairs]

    def _carried(self, batch: int) -> list[torch.Size]:
        training = self.training
        with torch.inference_mode():
            _, carried = self.eval().features(torch.full((batch, 1), UNKNOWN), None)
        self.train(training)
        return [tensor.shape for tensor in carried if tensor is not None]


def restore(stored: Bundle, entry: Mapping[str, Any], vocabulary: Vocabulary) -> LanguageModel:
    """Make a saved network again, with the weights as saved.

    :raises MissingPlugin: if a component is not installed.
    :raises BundleError: if the weights are missing or do not fit.
    """
    path = f"{entry['name']}/{bundle.WEIGHTS}"
    with stored.reading(path):
        embedding = make_again("embedding", entry)
        embedding.build(vocabulary)
        encoder = make_again("encoder", entry, input_dim=embedding.dim)
        output = make_again("output", entry)
        network = LanguageModel(embedding, encoder, output, dropout=entry["dropout"], size=len(vocabulary))
        load_weights(network, stored.read(path))
    return network.eval()
