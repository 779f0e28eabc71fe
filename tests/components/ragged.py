"""Batches of rows of different lengths, and encoders by name; imported after torch is known to be there."""

import torch

from nlpkit.plugins.registry import registry

LENGTHS = [5, 1, 0, 3]


def encoder(name, options, input_dim=6):
    return registry().get("encoder", name).create(options, input_dim=input_dim).eval()


def masked(time=7, dim=6, lengths=LENGTHS):
    """Vectors ``(batch, time, dim)`` and their mask ``(batch, time)``."""
    mask = torch.arange(time)[None, :] < torch.tensor(lengths)[:, None]
    return torch.randn(len(lengths), time, dim), mask
