"""Where tokens stand in a text, and where the characters of a normalised text stood before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from itertools import accumulate, pairwise
from typing import TypeAlias

import numpy as np

STRETCH = 256  # characters that are matched at once
Span: TypeAlias = tuple[int, int]  # of characters: the first, and the one behind the last


def locate(tokens: Sequence[str], text: str) -> list[Span] | None:
    """Find tokens that stand one after the other in a text with nothing but white space between them.

    :returns: None if they do not: a tokenizer may change what it cuts.
    """
    if "".join(tokens) == text and "" not in tokens:
        return list(pairwise(accumulate(map(len, tokens), initial=0)))
    spans: list[Span] = []
    end = 0
    for token in tokens:
        start = text.find(token, end)
        if not token or start < 0 or (start > end and not text[end:start].isspace()):
            return None
        end = start + len(token)
        spans.append((start, end))
    return spans if not text[end:].strip() else None


def find_shifted(texts: Sequence[str], normalised: Sequence[str], normalise: Callable[[str], str]) -> set[int]:
    """Find texts whose characters do not stand where those of their normalised forms do.

    :param normalise: of single characters.
    """
    shifted = {i for i, (old, new) in enumerate(zip(texts, normalised, strict=True)) if len(old) != len(new)}
    same = [i for i in range(len(texts)) if i not in shifted]
    old, new = (_codes("".join(those[i] for i in same)) for those in (texts, normalised))
    places = np.flatnonzero(old != new)
    changes, kinds = np.unique(np.stack([old[places], new[places]]), axis=1, return_inverse=True)
    odd = np.array([normalise(chr(before)) != chr(after) for before, after in changes.T.tolist()], np.bool_)
    if odd.any():  # a character became several, and others none
        ends = np.cumsum([len(texts[i]) for i in same])
        rows = np.searchsorted(ends, places[odd[kinds.ravel()]], side="right")
        shifted.update(same[row] for row in rows.tolist())
    return shifted


def find_origins(text: str, normalised: str, normalise: Callable[[str], str]) -> list[int]:
    """Find at which character of a text each one of its normalised form begins, and where the text ends.

    :param normalise: of single characters.
    """
    pieces = [normalise(character) for character in text]
    origins = [place for place, piece in enumerate(pieces) for _ in piece]
    if "".join(pieces) != normalised:  # characters that are composed, or that their neighbours change
        origins = _match("".join(pieces), normalised, origins)
    return [*origins, len(text)]


def spans_before(spans: Sequence[Span], origins: Sequence[int]) -> list[Span]:
    """Return where spans of a normalised text stood in the text."""
    return [(origins[start], max(origins[end], origins[end - 1] + 1)) for start, end in spans]


def _match(old: str, new: str, origins: Sequence[int]) -> list[int]:
    """Return the origins of ``new`` from those of a text that is much like it."""
    matched: list[int] = []
    done = begun = 0
    while begun < len(new):  # stretch by stretch, as the time that it takes grows faster than the length
        part, whole = new[begun : begun + STRETCH], begun + STRETCH >= len(new)
        before = old[done:] if whole else old[done : done + 2 * STRETCH]
        blocks = SequenceMatcher(None, before, part, autojunk=False).get_opcodes()
        ends = [(last, end) for tag, _, last, _, end in blocks if tag == "equal"]
        last_old, last_new = (len(before), len(part)) if whole or not ends else ends[-1]
        for _, first, last, start, end in blocks:
            for place in range(start, min(end, last_new)):
                at = done + min(first + place - start, max(first, last - 1))
                matched.append(origins[min(at, len(origins) - 1)] if origins else 0)
        done, begun = done + last_old, begun + last_new
    return list(accumulate(matched, max))


def _codes(text: str) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
