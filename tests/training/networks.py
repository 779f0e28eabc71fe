"""Tiny real networks and the rows that they learn; imported after torch is known to be there."""

import numpy as np
import torch

from nlpkit.model.head_settings import HeadSettings
from nlpkit.model.network import Head, Network
from nlpkit.plugins.registry import registry
from nlpkit.tasks.sentiment.objective import Classification
from nlpkit.text.vocabulary import TableVocabulary
from nlpkit.training.batching import Rows

TOKENS = "甲乙丙丁戊己庚辛"  # the first four stand in rows of label 0, the others in those of label 1
SIZE = len(TOKENS) + 2


def rows(seed, *, flipped=False, count=40, rare=0.5):
    """Rows that a bag of tokens can tell apart, ``rare`` of them of label 1; flipped, all labels are wrong."""
    draw = np.random.default_rng(seed)
    labels = (draw.random(count) < rare).astype(np.int64)
    ids = [draw.integers(2, 6, draw.integers(1, 9)) + 4 * label for label in labels]
    return Rows.of(ids, 1 - labels if flipped else labels)


def network(encoder="none", *, seed=0, labels=2, dropout=0.0, pooling="mean", hidden=0, **options):
    """Embedding, encoder and head over `TOKENS`, its weights drawn by a seed."""
    torch.manual_seed(seed)
    embedding = registry().get("embedding", "trainable").create({"dim": 6, "dropout": dropout})
    embedding.build(TableVocabulary(TOKENS))
    made = registry().get("encoder", encoder).create(options, input_dim=6)
    head = Head(HeadSettings(pooling=pooling, hidden=hidden, dropout=dropout), input_dim=made.output_dim, labels=labels)
    return Network(embedding, made, head)


def classification(settings, made=None, *, train=None, validation=None, kind=Classification):
    """What a network is to learn of `rows`."""
    return kind(made or network(), train or rows(1), validation or rows(2), settings, 2)


def weights(module):
    """All that a network is, bit for bit."""
    return {name: tensor.detach().numpy().tobytes() for name, tensor in module.state_dict().items()}
