"""A language model: at each position the next token, from those before it; its state goes on from text to text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from nlpkit.model import bundle
from nlpkit.model.bundle import Bundle
from nlpkit.model.network import load_weights, remake
from nlpkit.model.stateful import State, StatefulNetwork
from nlpkit.plugins.base import Decoder, Embedding, Encoder, OutputEmbedding, OutputLayer, SharedEmbedding, adopt
from nlpkit.text.vocabulary import UNKNOWN, Vocabulary


class LanguageModel(StatefulNetwork):
    """Ids to outputs, of which an output embedding's decoder makes logits of all tokens but padding.

    :param embedding: of which a vector depends on its id alone; its ``build`` or ``fit`` has been called.
    :param encoder: causal, and it carries a state.
    :param dropout: of the states, before the output.
    :param size: ids of the vocabulary.
    """

    def __init__(
        self, embedding: Embedding, encoder: Encoder, coding: OutputEmbedding, *, dropout: float, size: int
    ) -> None:
        super().__init__(encoder)
        self.embedding = embedding
        self.dropout = nn.Dropout(dropout)
        inputs = self._input_vectors if isinstance(embedding, SharedEmbedding) else None
        layer = coding.layer(input_dim=encoder.output_dim, words=size - UNKNOWN, inputs=inputs)
        self.output: OutputLayer = adopt(OutputLayer, layer)
        self.coding = coding

    def _input_vectors(self, tokens: Tensor) -> Tensor:
        return cast(SharedEmbedding, self.embedding).lookup(tokens + UNKNOWN)

    def decoder(self) -> Decoder:
        """Return what reads the outputs, with the weights as they are now."""
        return self.coding.decoder(self.output.arrays())

    def vectors(self, inputs: Tensor) -> Tensor:
        """Map ids ``(batch, time)`` to vectors ``(batch, time, dim)``."""
        return self.embedding(inputs, torch.ones_like(inputs, dtype=torch.bool))

    def example(self, batch: int) -> Tensor:
        """Return unknown tokens ``(batch, 1)``."""
        return torch.full((batch, 1), UNKNOWN)

    def features(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Map ids ``(batch, time)`` to features ``(batch, time, dim)`` of what follows each, and the state behind.

        :param state: as a call before left it; None at a beginning.
        """
        states, after = self.read(ids, state)
        return self.dropout(states), after

    def forward(self, ids: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Map ids ``(batch, time)`` and a state to outputs ``(batch, time, width)`` and the state behind them."""
        features, after = self.features(ids, list(state))
        outputs = self.output(features.flatten(0, 1))
        return outputs.view(*ids.shape, outputs.shape[1]), *after


def restore(stored: Bundle, entry: Mapping[str, Any], vocabulary: Vocabulary) -> LanguageModel:
    """Make a saved network again, with the weights as saved.

    :raises MissingPlugin: if a component is not installed.
    :raises BundleError: if the weights are missing or do not fit.
    """
    path = f"{entry['name']}/{bundle.WEIGHTS}"
    with stored.report_damage(path):
        embedding = remake("embedding", entry)
        embedding.build(vocabulary)
        encoder = remake("encoder", entry, input_dim=embedding.dim)
        output = remake("output", entry)
        network = LanguageModel(embedding, encoder, output, dropout=entry["dropout"], size=len(vocabulary))
        load_weights(network, stored.read(path))
    return network.eval()
