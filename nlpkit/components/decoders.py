"""What a network puts out, read as words: by binary codes, or by a table of vectors. Never torch.

Codes are stored packed, column by column: uint8 ``(ceil(bits / 8), words)``, where bit ``b`` of a word is bit
``b % 8``, counted from the lowest, of byte ``b // 8``. Words stand most frequent first, so of equals the earlier is the
better.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nlpkit.model.members import Arrays, array_of
from nlpkit.model.numbers import check_finite
from nlpkit.plugins.base import Decoder

Bits: TypeAlias = NDArray[np.bool_]
Bytes: TypeAlias = NDArray[np.uint8]
Positions: TypeAlias = NDArray[np.intp]
GROUPS = 1024  # into which values are dealt out; sorting their minima costs little beside reading all values
_BYTES = np.unpackbits(np.arange(256, dtype=np.uint8)[None], axis=0, bitorder="little").astype(np.float32)  # (8, 256)
_CHOICES = np.concatenate([1 - _BYTES, _BYTES])  # (16, 256): which of 8 numbers for 0, and 8 for 1, make up each byte


def pack(bits: Bits) -> Bytes:
    """Bits ``(words, bits)`` as they are stored ``(ceil(bits / 8), words)``."""
    return np.ascontiguousarray(np.packbits(bits.T, axis=0, bitorder="little"))  # safetensors asks for that order


def unpack(packed: Bytes, bits: int) -> Bits:
    """So many bits of each word ``(words, bits)`` from what `pack` made."""
    return np.unpackbits(packed, axis=0, count=bits, bitorder="little").T.astype(np.bool_)


def find_lowest(values: NDArray[Any], k: int) -> Positions:
    """Positions of the ``k`` lowest of some values ``(n,)``, or of all, in order; of equals the earlier first.

    Values are dealt out to groups: the k-th lowest minimum of a group bounds the k-th lowest value, and few values lie
    below that bound. NaN comes last.
    """
    k = min(k, len(values))
    groups = max(GROUPS, 8 * k)
    rows = len(values) // groups
    least = values[: rows * groups].reshape(rows, groups).min(0) if rows > 1 else values
    beyond = values > np.partition(least, k - 1)[k - 1] if k else np.ones(len(values), dtype=np.bool_)
    positions = np.flatnonzero(~beyond)  # which NaN is among
    return positions[np.argsort(values[positions], kind="stable")[:k]]


class Codes:
    """The codes of all words in memory, 8 bytes a word for every 64 bits begun; nothing else is kept.

    :param packed: ``(ceil(bits / 8), words)``, as `pack` makes them.
    :raises ValueError: if they are not codes of so many bits.
    """

    def __init__(self, packed: Bytes, bits: int) -> None:
        _check_packed(packed, bits)
        self.bits, self.words = bits, packed.shape[1]
        bytes_ = np.zeros((-(-bits // 64), self.words, 8), dtype=np.uint8)
        for number, column in enumerate(packed):
            bytes_[number // 8, :, number % 8] = column
        self._columns = bytes_.view("<u8")[..., 0]  # (columns, words)
        pairs = bytes_.view("<u2")  # the same memory
        self._pairs = [pairs[number // 4, :, number % 4] for number in range(-(-bits // 16))]

    def nearest(
        self, code: Bits | Bytes, k: int, prior: NDArray[Any] | None = None
    ) -> tuple[Positions, NDArray[np.uint16]]:
        """Find the ``k`` words, or all, with the least Hamming distance, and these distances in bits; by popcount.

        :param code: bits ``(bits,)`` or, packed, uint8 ``(ceil(bits / 8),)``.
        :param prior: how many bits each word ``(words,)`` is taken to be nearer than it is.
        :raises ValueError: if the code has another length than those of the words.
        """
        row = np.packbits(code, bitorder="little") if code.dtype == np.bool_ else code.astype(np.uint8)
        if row.shape != (-(-self.bits // 8),):
            raise ValueError(f"a code of shape {code.shape} {code.dtype} is none of {self.bits} bits")
        distances = self._measure_distances(row)
        positions = find_lowest(
            distances if prior is None else distances.astype(np.int64) - prior, k
        )  # unsigned would wrap
        return positions, distances[positions].astype(np.uint16)

    def sums(self, zeros: NDArray[Any], ones: NDArray[Any]) -> NDArray[np.float32]:
        """Add up over each code a number for each bit: ``zeros`` ``(n, bits)`` where it is 0, ``ones`` where it is 1.

        Two bytes of the code at a time are looked up in a table of the sums of all pairs of bytes. A row of the result
        ``(n, words)`` is the same to the last bit whatever the other rows are.

        :raises ValueError: if the rows do not have a number for each bit.
        """
        if zeros.shape[1:] != (self.bits,):
            raise ValueError(f"the outputs have width {zeros.shape[-1]}, the codes {self.bits} bits")
        result = np.zeros((len(zeros), self.words), dtype=np.float32)
        for row, tables in zip(result, _sums_of_bytes(zeros, ones), strict=True):
            for number, column in enumerate(self._pairs):
                low, high = tables[2 * number : 2 * number + 2]
                table = np.add.outer(high, low).ravel()
                row += table.take(column.astype(np.intp), mode="wrap")  # none lies beyond, and "wrap" is the quickest
        return result

    def _measure_distances(self, code: Bytes) -> NDArray[np.unsignedinteger[Any]]:
        words = np.zeros(8 * len(self._columns), dtype=np.uint8)
        words[: len(code)] = code
        narrow = self.bits <= np.iinfo(np.uint8).max
        distances: NDArray[np.unsignedinteger[Any]] = np.zeros(self.words, dtype=np.uint8 if narrow else np.uint16)
        for column, word in zip(self._columns, words.view("<u8"), strict=True):
            distances += np.bitwise_count(column ^ word)
        return distances


class WordDecoder(Decoder):
    """A decoder that also finds the best words."""

    @abstractmethod
    def logits(self, outputs: NDArray[Any]) -> NDArray[np.float32]:
        """Map outputs ``(n, width)`` to logits ``(n, words)``: log-probabilities but for a constant a row."""

    def nearest(self, outputs: NDArray[Any], k: int) -> tuple[Positions, NDArray[np.float32]]:
        """Find the ``k`` best words, or all, best first: positions and logits ``(n, k)``; equals as they stand."""
        logits = self.logits(outputs)
        positions = np.empty((len(logits), min(k, logits.shape[1])), dtype=np.intp)
        for row, values in zip(positions, logits, strict=True):
            row[:] = find_lowest(-values, k)
        return positions, np.take_along_axis(logits, positions, 1)


class CodeDecoder(WordDecoder):
    """Logits by agreement with the words' codes: ``scale * <code as -1 and 1, outputs> + bias``.

    With scale 1/2 and a weighted log prior as the bias, this is the codes' log-likelihood under independent bits and
    that prior, but for a constant a row.

    :param arrays: ``codes`` as `pack` makes them, ``bias`` ``(words,)`` and ``scale``, one number.
    :raises ValueError: if they are not that, or do not fit each other.
    """

    def __init__(self, arrays: Arrays, *, bits: int) -> None:
        self.codes = Codes(array_of(arrays, "codes"), bits)
        self._bias = _read_floats(arrays, "bias", (self.codes.words,))
        self._scale = _read_floats(arrays, "scale", ())

    def logits(self, outputs: NDArray[Any]) -> NDArray[np.float32]:
        """Map outputs ``(n, bits)`` to logits ``(n, words)``."""
        scaled = outputs * self._scale
        logits = self.codes.sums(-scaled, scaled)
        logits += self._bias
        return logits


class SoftmaxDecoder(WordDecoder):
    """Logits by a vector for each word: ``outputs @ table.T + bias``.

    :param arrays: ``table`` ``(words, dim)`` of floats, or int8 with ``scale`` ``(words, 1)``; ``bias`` ``(words,)``.
    :raises ValueError: if they are not that, or do not fit each other.
    """

    def __init__(self, arrays: Arrays) -> None:
        self._table = _read_table(arrays)
        self._bias = _read_floats(arrays, "bias", (len(self._table),))

    def logits(self, outputs: NDArray[Any]) -> NDArray[np.float32]:
        """Map outputs ``(n, dim)`` to logits ``(n, words)``."""
        logits = outputs.astype(np.float32) @ self._table.T
        logits += self._bias
        return logits


def _sums_of_bytes(zeros: NDArray[Any], ones: NDArray[Any]) -> NDArray[np.float32]:
    """Compute what each byte at each place of a code adds to its sum ``(n, places, 256)``; an even number of places."""
    n, bits = zeros.shape
    places = -(-bits // 16) * 2
    numbers = np.zeros((n, 2, places * 8), dtype=np.float32)
    numbers[:, 0, :bits], numbers[:, 1, :bits] = zeros, ones
    each = numbers.reshape(n, 2, places, 8).swapaxes(1, 2).reshape(n, places, 16)
    sums: NDArray[np.float32] = each @ _CHOICES
    return sums


def _check_packed(packed: NDArray[Any], bits: int) -> None:
    length = -(-bits // 8)
    if packed.dtype != np.uint8 or packed.ndim != 2 or len(packed) != length:
        raise ValueError(
            f"codes of {bits} bits are bytes of shape ({length}, words), found {packed.dtype} of shape {packed.shape}"
        )
    if bits % 8 and (packed[-1] >> np.uint8(bits % 8)).any():
        raise ValueError(f"the codes have bits set beyond the {bits} that they should have")


def _read_table(arrays: Arrays) -> NDArray[np.float32]:
    table = array_of(arrays, "table")
    if table.ndim != 2:
        raise ValueError(f"the array table should have shape (words, dim), found {table.shape}")
    if table.dtype == np.int8:
        return table * _read_floats(arrays, "scale", (len(table), 1))
    return _read_floats(arrays, "table", table.shape)


def _read_floats(arrays: Arrays, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    array = array_of(arrays, name)
    if array.dtype.kind != "f" or array.shape != shape:
        raise ValueError(
            f"the array {name} should be floats of shape {shape}, found {array.dtype} of shape {array.shape}"
        )
    check_finite({name: array})
    return array.astype(np.float32)
