"""Tiny real cloze networks and the rows that they read; imported after torch is known to be there."""

import numpy as np
import torch

from nlpkit.plugins.registry import registry
from nlpkit.tasks.cloze.blanks import BEGIN, END
from nlpkit.tasks.cloze.network import ClozeNetwork, ids_of, make_encoders
from nlpkit.tasks.cloze.settings import ClozeHead
from nlpkit.text.vocabulary import TableVocabulary
from nlpkit.training.settings import ONE_WAY

TOKENS = "甲乙丙丁戊己庚辛"
ANSWERS = list(TOKENS[:5])
SIZE = len(TOKENS) + 2
OUTPUTS = {
    "softmax": {"dim": 4, "negatives": 3},
    "binary-codes": {"bits": 8, "source": "random", "negatives": 3},
}


SMALL = {"hidden": 6, "filters": 6, "dim": 8, "heads": 2, "dropout": 0.0}


def encoders():
    """Every registered encoder, those that have them with one to three layers and both ways: names and options."""
    found = []
    for name in registry().names("encoder"):
        known = registry().get("encoder", name).options()
        small = {option: value for option, value in SMALL.items() if option in known}
        depths = [{"layers": layers} for layers in (1, 2, 3)] if "layers" in known else [{}]
        ways = [{option: way} for option in ONE_WAY if option in known for way in (False, True)] or [{}]
        found += [(name, small | depth | way) for depth in depths for way in ways]
    norms = [{"norm": norm, "layers": 2, "hidden": 6, "bidirectional": False} for norm in ("layer", "batch")]
    return found + [("gru", norm) for norm in norms]


def described(encoder):
    """The name of a test's parameter."""
    name, options = encoder
    shown = (f"{option}={value}" for option, value in options.items() if option not in SMALL)
    return " ".join([name, *shown])


def network(encoder="lstm", options=None, *, embedding="trainable", output="softmax", head=None, **more):
    """Embedding, encoders, head and output over `TOKENS`, its weights drawn by a seed; not in training."""
    torch.manual_seed(1)
    made = registry().get("embedding", embedding).create({"dim": 6})
    vocabulary = TableVocabulary(TOKENS, suffixes=embedding == "spelled")
    made.build(vocabulary)
    component = registry().get("encoder", encoder)
    chosen = {"hidden": 6, "bidirectional": False} if options is None else options
    coded = registry().get("output", output).create(OUTPUTS[output] | more)
    around = make_encoders(lambda: component.create(chosen, input_dim=6))
    return ClozeNetwork(
        made, around, head or ClozeHead(hidden=(), dropout=0, neighbours=False), coded, ids_of(ANSWERS, vocabulary)
    ).eval()


def batch(rows):
    """Lists of ids, each between the marks of its ends, as ids and mask ``(batch, time)``."""
    whole = [[BEGIN, *row, END] for row in rows]
    longest = max(map(len, whole))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in whole])
    return ids, torch.tensor([[True] * len(row) + [False] * (longest - len(row)) for row in whole])


def random_rows(seed, lengths):
    """Rows of ids of `TOKENS`, unknown ones among them."""
    draw = np.random.default_rng(seed)
    return [draw.integers(1, SIZE, length).tolist() for length in lengths]
