"""The torch halves of `tests.testing.sound`; imported after torch is known to be there."""
# ruff: noqa: ARG002 - a protocol has arguments for which what is tiny has no use

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nlpkit.text.vocabulary import TableVocabulary


class Table(nn.Module):
    def __init__(self, *, dim=8, frozen=False):
        super().__init__()
        self.config, self.dim = {"dim": dim, "frozen": frozen}, dim

    def fit(self, documents, labels):
        vocabulary = TableVocabulary.count(documents, min_count=2, max_size=1000)
        self.build(vocabulary)
        return vocabulary

    def build(self, vocabulary):
        self.table = nn.Embedding(len(vocabulary), self.dim, padding_idx=0)
        self.table.weight.requires_grad_(not self.config["frozen"])

    def forward(self, ids, mask):
        return self.table(ids)

    def vectors(self):
        return self.table.weight

    def lookup(self, ids):
        return self.table(ids)


class Forwards(nn.Module):
    causal = True

    def __init__(self, *, input_dim, hidden=8):
        super().__init__()
        self.config, self.output_dim = {"hidden": hidden}, hidden
        self.layer = nn.GRU(input_dim, hidden, batch_first=True)

    def forward(self, vectors, mask, state=None):
        return self.layer(vectors, state)


class Layer(nn.Module):
    def __init__(self, *, input_dim, words, inputs, size=16):
        super().__init__()
        self.projection = nn.Linear(input_dim, size)
        self.table = nn.Parameter(torch.randn(words, size))
        self.bias = nn.Parameter(torch.zeros(words))
        self.register_buffer("kept", torch.ones(words))

    def fit(self, words, counts, kept, vectors):
        self.kept.copy_(torch.from_numpy(kept))
        self.bias.data = torch.from_numpy(np.log(counts / counts.sum())).float()

    def forward(self, features):
        return self.projection(features)

    def loss(self, features, targets, *, exact):
        return functional.cross_entropy(self(features) @ self.table.T + self.bias, targets)

    def arrays(self):
        bias = self.bias - torch.log(self.kept)
        return {"table": self.table.detach().numpy(), "bias": bias.detach().numpy()}
