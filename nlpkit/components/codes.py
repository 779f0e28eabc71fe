"""How words get binary codes: from their vectors, or at random. Training only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import SettingError, nearest

Bits: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float32]
ROUNDS = 50  # as many as Gong and Lazebnik take


def choose_codes(vectors: NDArray[Any], *, source: str, bits: int, seed: int) -> Bits:
    """Choose a code for each word ``(words, bits)``; the same ones for the same seed.

    ``sign`` is the sign of each number of a vector; ``median`` tells whether it is above the median of its coordinate,
    so that half of the words have each bit set; ``itq`` is iterative quantisation (Gong and Lazebnik 2011,
    https://doi.org/10.1109/CVPR.2011.5995432), where bits beyond ``dim`` come from further rotations of the same
    vectors; ``random`` looks at no vector, and repeats no code before all have been given away.

    :param vectors: ``(words, dim)``, finite; ``dim`` may be 0 for ``random``.
    :raises SettingError: if there is no such source, or it does not go with the vectors.
    """
    if source == "random":
        return _random(len(vectors), bits, np.random.default_rng(seed))
    if source not in _FROM_VECTORS:
        raise SettingError(
            "no way to codes is called {source!r}{there_is}",
            source=source,
            there_is=nearest(source, [*_FROM_VECTORS, "random"]),
        )
    return _FROM_VECTORS[source](np.asarray(vectors, dtype=np.float32), bits, seed)


def check_bits(source: str, dim: int, bits: int) -> None:
    """Refuse another number of bits than of numbers in a vector, where each bit is one of these.

    :raises SettingError: saying what to set.
    """
    if source in ("sign", "median") and dim != bits:
        raise SettingError(
            "source {source!r} makes one bit of each number, and the vectors have {dim}, but "
            "bits is {bits}: set bits={dim} or source=itq",
            source=source,
            dim=dim,
            bits=bits,
        )


def count_collisions(codes: Bits) -> int:
    """How many words have the code ``(words, bits)`` of a word before them."""
    return int(_find_repeats(codes).sum())


def _sign(vectors: Floats, bits: int, _seed: int) -> Bits:
    check_bits("sign", vectors.shape[1], bits)
    return vectors > 0


def _median(vectors: Floats, bits: int, _seed: int) -> Bits:
    check_bits("median", vectors.shape[1], bits)
    return vectors > np.median(vectors, axis=0)


def _itq(vectors: Floats, bits: int, seed: int) -> Bits:
    generator = np.random.default_rng(seed)
    principal = _project(vectors)
    dim = principal.shape[1]
    parts = [_rotate(principal[:, : bits - start], generator) for start in range(0, bits, dim)]
    return np.concatenate(parts, axis=1)


def _project(vectors: Floats) -> Floats:
    """Centred vectors ``(words, dim)`` along their principal components, that of most variance first."""
    centred = vectors - vectors.mean(0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    result: Floats = centred @ axes[:, ::-1]
    return result


def _rotate(vectors: Floats, generator: np.random.Generator) -> Bits:
    """Signs after the rotation that brings the vectors nearest to their signs, found from a random one on."""
    dim = vectors.shape[1]
    rotation = np.linalg.qr(generator.standard_normal((dim, dim), dtype=np.float32))[0]
    for _ in range(ROUNDS):
        signs = np.where(vectors @ rotation > 0, np.float32(1), np.float32(-1))
        left, _, right = np.linalg.svd(vectors.T @ signs)
        rotation = left @ right
    codes: Bits = vectors @ rotation > 0
    return codes


_FROM_VECTORS: dict[str, Callable[[Floats, int, int], Bits]] = {"sign": _sign, "median": _median, "itq": _itq}


def _random(words: int, bits: int, generator: np.random.Generator) -> Bits:
    if bits < 63 and 2**bits <= 4 * words:  # so few that drawing until all differ would take long, or for ever
        numbers = np.resize(generator.permutation(2**bits), words)
        return (numbers[:, None] >> np.arange(bits) & 1).astype(np.bool_)
    codes = generator.integers(0, 2, (words, bits), dtype=np.bool_)
    while (repeats := _find_repeats(codes)).any():
        codes[repeats] = generator.integers(0, 2, (int(repeats.sum()), bits), dtype=np.bool_)
    return codes


def _find_repeats(codes: Bits) -> Bits:
    """Which words have the code of an earlier word ``(words,)``."""
    rows = np.packbits(codes, axis=1)
    _, first = np.unique(rows.view(f"V{rows.shape[1]}").ravel(), return_index=True)
    repeats = np.ones(len(codes), dtype=np.bool_)
    repeats[first] = False
    return repeats
