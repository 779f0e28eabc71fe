"""The files that come with the package: pieces in JSON, weights in safetensors, in blocks of 4 bits. Without torch."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

PIECES, WEIGHTS = "pieces.json", "weights.safetensors"
BLOCK = 32  # numbers that share a scale
UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
SPACE = "▁"  # how a piece writes one


def folder() -> Path:
    """Where they lie."""
    return Path(str(files("nlpkit_e5"))) / "e5-small"


def dump_pieces(scored: Sequence[Sequence[Any]], spelling: Mapping[str, str]) -> bytes:
    """Write pieces as `load_pieces` reads them.

    :param scored: pairs of a piece and its score, a log-probability as float32 holds it.
    :param spelling: what a character becomes before a text is cut.
    """
    pieces, scores = zip(*scored, strict=True)
    content = {"pieces": pieces, "scores": [float(f"{score:.9g}") for score in scores], "spelling": spelling}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def load_pieces(data: bytes) -> tuple[list[tuple[str, float]], dict[str, str]]:
    """Read pieces with their scores, and what characters become.

    :raises ValueError: if the data is something else.
    """
    try:
        content = json.loads(data)
        pieces, scores, spelling = content["pieces"], content["scores"], content["spelling"]
        scored = list(zip(pieces, array("f", scores).tolist(), strict=True))
        sound = all(isinstance(text, str) for text in [*pieces, *spelling, *spelling.values()])
        sound = sound and all(len(character) == 1 for character in spelling) and all(pieces)
        sound = sound and all(math.isfinite(score) for _, score in scored) and len(set(pieces)) == len(pieces) > 0
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError(f"{PIECES} is damaged: {error}") from error
    if not sound:
        raise ValueError(f"{PIECES} is damaged: it should hold pieces, their scores, and what characters become")
    return scored, spelling
