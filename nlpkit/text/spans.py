"""Where tokens stand in a text, and where the characters of a normalised text stood before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from nlpkit.text.characters import Characters, Ints, mark_spaces
from nlpkit.text.vocabulary import Tokens

if TYPE_CHECKING:
    from nlpkit.plugins.base import Tokenizer
    from nlpkit.text.normalisation import Normaliser

STRETCH = 256  # characters that are matched at once
Span: TypeAlias = tuple[int, int]  # of characters: the first, and the one behind the last
ZERO: Ints = np.zeros(1, np.int64)


class Places(NamedTuple):
    """Where the tokens of texts stand, the characters of all texts counted through.

    :param starts: the first character of each token ``(total,)``.
    :param ends: the one behind its last ``(total,)``.
    :param bounds: tokens of text ``i`` are those from ``bounds[i]`` to ``bounds[i + 1]`` ``(batch + 1,)``.
    """

    starts: Ints
    ends: Ints
    bounds: Ints

    @property
    def counts(self) -> Ints:
        """Tokens of each text ``(batch,)``."""
        return np.diff(self.bounds)

    @classmethod
    def joined(cls, parts: Sequence[Places], texts: Sequence[str]) -> Places:
        """Join the places of texts that were located one by one."""
        offsets = [0, *accumulate(map(len, texts))]
        starts, ends = (
            np.concatenate([ZERO[:0], *(part[side] + offset for part, offset in zip(parts, offsets, strict=False))])
            for side in (0, 1)
        )
        return cls(starts, ends, np.cumsum([0, *(len(part.starts) for part in parts)]))

    def spans(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return the span of each token within its own text."""
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        offsets = np.repeat(lengths.cumsum() - lengths, self.counts)
        spans = list(zip((self.starts - offsets).tolist(), (self.ends - offsets).tolist(), strict=True))
        return [spans[first:last] for first, last in pairwise(self.bounds.tolist())]

    def merged(self, most: int) -> Places:
        """Put neighbours together in texts that have more than so many tokens."""
        counts = self.counts
        sizes = np.maximum(1, -(-counts // most))
        first = (np.arange(len(self.starts)) - np.repeat(self.bounds[:-1], counts)) % np.repeat(sizes, counts) == 0
        last = np.append(first[1:], np.ones(min(1, len(first)), np.bool_))
        bounds = np.concatenate([self.bounds[:1], np.cumsum(-(-counts // sizes))])
        return Places(self.starts[first], self.ends[last], bounds)


def locate(tokens: Tokens, texts: Sequence[str]) -> Places | None:
    """Find tokens that stand one after the other in their texts with nothing but white space between them.

    :returns: None if they do not: a tokenizer may change what it cuts.
    """
    characters, units = Characters.of(texts), tokens.units
    codes = units if isinstance(units, np.ndarray) else Characters.of(units).codes
    lengths = None if isinstance(units, np.ndarray) else np.fromiter(map(len, units), np.int64, len(units))
    seen, kept = np.flatnonzero(~mark_spaces(characters.codes)), ~mark_spaces(codes)
    if not np.array_equal(characters.codes[seen], codes[kept]):
        return None
    before = np.concatenate([ZERO, kept.cumsum()])
    before = before if lengths is None else before[np.concatenate([ZERO, lengths.cumsum()])]
    filled = (before[1:] > before[:-1]).all()
    if not filled or not np.array_equal(before[tokens.starts[1:]], np.searchsorted(seen, characters.ends)):
        return None
    return Places(seen[before[:-1]], seen[before[1:] - 1] + 1, tokens.starts)


def token_spans(texts: Sequence[str], tokenizer: Tokenizer, normaliser: Normaliser) -> tuple[Tokens, list[list[Span]]]:
    """Return the tokens of texts as a model reads them, and the span of each token in its text as it was given.

    Where a tokenizer changes what it cuts, spans are those of what its tokens are most like.

    :param tokenizer: of normalised texts.
    """
    normalised = normaliser.batch(texts)
    tokens = tokenizer.batch(normalised)
    places = locate(tokens, normalised)
    spans = places.spans(normalised) if places else list(map(_match_tokens, tokens.lists(), normalised))
    normalise = lru_cache(maxsize=None)(normaliser)
    for row in find_shifted(texts, normalised, normalise):
        spans[row] = spans_before(spans[row], find_origins(texts[row], normalised[row], normalise))
    return tokens, spans


def _match_tokens(tokens: Sequence[str], text: str) -> list[Span]:
    """Return spans of tokens that may be spelled otherwise than their text, where they are most like it."""
    ends = [0, *accumulate(map(len, tokens))]
    origins = [*_match(text, "".join(tokens), range(len(text))), len(text)]
    return spans_before(list(pairwise(ends)), origins)


def find_shifted(texts: Sequence[str], normalised: Sequence[str], normalise: Callable[[str], str]) -> set[int]:
    """Find texts whose characters do not stand where those of their normalised forms do.

    :param normalise: of single characters.
    """
    shifted = {i for i, (old, new) in enumerate(zip(texts, normalised, strict=True)) if len(old) != len(new)}
    same = [i for i in range(len(texts)) if i not in shifted]
    old, new = (Characters.of([those[i] for i in same]) for those in (texts, normalised))
    places = np.flatnonzero(old.codes != new.codes)
    pairs = old.codes[places].astype(np.uint64) << np.uint64(32) | new.codes[places]
    changes, kinds = np.unique(pairs, return_inverse=True)
    odd = np.array([normalise(chr(pair >> 32)) != chr(pair & 0xFFFFFFFF) for pair in changes.tolist()], np.bool_)
    if odd.any():  # a character became several, and others none
        rows = np.searchsorted(old.ends, places[odd[kinds]], side="right")
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
