"""Tiny networks over series of numbers; imported after torch is known to be there."""

import torch
from nlpkit import registry

from nlpkit_diagnose.series import SeriesNetwork

DIM, OUTPUTS = 2, 3
ONE_WAY = {
    "rnn": {"hidden": 4, "bidirectional": False},
    "lstm": {"hidden": 4, "bidirectional": False, "layers": 2, "norm": "layer"},
    "gru": {"hidden": 4, "bidirectional": False, "norm": "batch"},
    "transformer": {"dim": 4, "heads": 1, "layers": 2, "causal": True, "window": 3},
}


def series_network(encoder, *, outputs=OUTPUTS, **options):
    """One over rows of `DIM` numbers a step, its weights always the same."""
    torch.manual_seed(1)
    layer = registry().get("encoder", encoder).create(ONE_WAY[encoder] | options, input_dim=DIM)
    return SeriesNetwork(layer, dim=DIM, outputs=outputs)


NETWORKS = {name: series_network(name).eval() for name in ONE_WAY}


def weights(module):
    """All that a network is, bit for bit."""
    return {name: tensor.detach().numpy().tobytes() for name, tensor in module.state_dict().items()}
