"""Texts as the characters that a model of them reads and writes, each with the mark of its end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nlpkit.text.vocabulary import Tokens

END = "\n"  # of a text; normalisation leaves none within


def characters_of(texts: Sequence[str]) -> Tokens:
    """Return the code points of each text, and of `END` behind it."""
    joined = "".join(text + END for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    lengths = np.fromiter((len(text) + 1 for text in texts), np.int64, len(texts))
    return Tokens(codes, np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)]))
