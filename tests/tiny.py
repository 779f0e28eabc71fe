"""Tiny real models made by hand: every file that a folder needs, and no more."""

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
from safetensors.numpy import save

from nlpkit.text.vocabulary import TableVocabulary, dump_vocabulary

LABELS = ("negative", "positive")
WORDS = {"好": 2.0, "棒": 1.5, "快": 0.5, "慢": -0.5, "差": -2.0, "烂": -1.5, "的": 0.0, "货": 0.0}


def component(name: str, *, distribution: str = "nlpkit-zh", version: str = "0.1.0", **config: object) -> dict:
    return {"name": name, "distribution": distribution, "version": version, "config": config}


def table_member(
    name: str = "characters",
    words: Mapping[str, float | Sequence[float]] = WORDS,
    *,
    tokenizer: dict | None = None,
    pooling: str = "sum",
    max_length: int = 0,
) -> tuple[dict, dict[str, bytes]]:
    """A member whose logits, relative to the first label, are sums over known tokens; its entry and its files."""
    rows = [np.atleast_1d(np.asarray(value, dtype=np.float32)) for value in words.values()]
    special = [np.zeros_like(rows[0])] * 2  # padding and unknown
    columns = len(rows[0])
    arrays = {"table": np.stack(special + rows), "bias": np.zeros(columns)}
    entry = {
        "name": name,
        "runtime": "table",
        "max_length": max_length,
        "tokenizer": tokenizer or component("char"),
        "embedding": component("trainable"),
        "encoder": component("none"),
        "head": {"pooling": pooling, "hidden": 0, "dropout": 0.0, "projection": True},
        "history": [],
    }
    files = {"vocabulary.json": dump_vocabulary(TableVocabulary(list(words))), "arrays.safetensors": save(arrays)}
    return entry, {f"{name}/{path}": data for path, data in files.items()}


def stage(*weights: float, temperature: float = 1.0, leave: float | None = None) -> dict:
    return {"weights": list(weights), "temperature": temperature, "exit": leave}


def model_files(
    *members: tuple[dict, dict[str, bytes]],
    labels: Sequence[str] = LABELS,
    stages: Sequence[dict] | None = None,
    characters: str = "".join(WORDS),
    words: Sequence[str] = (),
    samples: Sequence[dict] = (),
    **config: object,
) -> dict[str, bytes]:
    """All files of a model by their paths; ``config`` replaces entries of config.json."""
    made = members or (table_member(),)
    entries = [entry for entry, _ in made]
    whole = {
        "format": 1,
        "nlpkit": "0.1.0",
        "task": "sentiment",
        "labels": list(labels),
        "aliases": {"1": "positive", "0": "negative"},
        "normalisation": {"nfkc": True, "lower": True, "simplify": True},
        "members": entries,
        "stages": list([stage(*[1.0] * len(entries))] if stages is None else stages),
        "metrics": {},
        **config,
    }
    files = {
        "config.json": json.dumps(whole).encode(),
        "evidence.json": json.dumps({"characters": characters, "words": list(words)}).encode(),
        "samples.json": json.dumps(list(samples)).encode(),
        "README.md": b"# tiny\n",
    }
    for _, written in made:
        files |= written
    return files


def sample(text: str) -> dict:
    """What a model of one summing member over `WORDS` is bound to answer, by arithmetic."""
    positive = round(1 / (1 + math.exp(-sum(WORDS.get(c, 0.0) for c in text))), 6)
    found = {"negative": round(1 - positive, 6), "positive": positive}
    return {"text": text, "label": max(found, key=found.get), "probabilities": found}
