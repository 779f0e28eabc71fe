"""The network: tokens to marks of targets and opinions, polarities, and how well tokens match."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from nlpkit import Embedding, Encoder
from nlpkit.model import WEIGHTS, Bundle, load_weights, remake
from nlpkit.text import Vocabulary
from numpy.typing import NDArray
from torch import Tensor, nn

from nlpkit_aspects.marks import OWN

FARTHEST = 20  # tokens between an opinion and its target beyond which the distance says no more


class AspectsNetwork(nn.Module):
    """Ids to numbers of tokens and of pairs of tokens; see `nlpkit_aspects.marks`.

    :param embedding: its ``build`` or ``fit`` has been called.
    """

    def __init__(self, embedding: Embedding, encoder: Encoder, *, dropout: float, pair_dim: int) -> None:
        super().__init__()
        self.embedding, self.encoder, self.dropout = embedding, encoder, nn.Dropout(dropout)
        self.marks = nn.Linear(encoder.output_dim, OWN)
        self.opinions = nn.Linear(encoder.output_dim, pair_dim)
        self.targets = nn.Linear(encoder.output_dim, pair_dim)
        self.distance = nn.Parameter(torch.zeros(2 * FARTHEST + 1))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids and mask ``(batch, time)``, the mask true at tokens, to numbers ``(batch, time, OWN + time)``."""
        vectors = self.embedding(ids, mask)  # (batch, time, dim)
        states = self.dropout(self.encoder(vectors, mask)[0])  # (batch, time, output_dim)
        pairs = self.opinions(states) @ self.targets(states).transpose(1, 2)  # (batch, time, time)
        at = torch.arange(ids.shape[1], device=ids.device)
        apart = (at[None, :] - at[:, None]).clamp(-FARTHEST, FARTHEST) + FARTHEST  # (time, time)
        scale = self.opinions.out_features**-0.5
        return torch.cat([self.marks(states), pairs * scale + self.distance[apart]], 2)

    def run(self, ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[Any]:
        """Return the numbers, as the graph does."""
        with torch.inference_mode():
            return np.asarray(self(torch.from_numpy(ids), torch.from_numpy(mask)).float())


def restore(bundle: Bundle, entry: Mapping[str, Any], vocabulary: Vocabulary) -> AspectsNetwork:
    """Make a saved network again, with the weights as saved.

    :raises MissingPlugin: if a component is not installed.
    :raises BundleError: if the weights are missing or do not fit.
    """
    path = f"{entry['name']}/{WEIGHTS}"
    with bundle.report_damage(path):
        embedding = remake("embedding", entry)
        embedding.build(vocabulary)
        network = make_network(embedding, remake("encoder", entry, input_dim=embedding.dim), entry["head"])
        load_weights(network, bundle.read(path))
    return network.eval()


def make_network(embedding: Embedding, encoder: Encoder, head: Mapping[str, Any]) -> AspectsNetwork:
    """Make a network as an entry of config.json says of its head."""
    return AspectsNetwork(embedding, encoder, dropout=head["dropout"], pair_dim=head["pair_dim"])
