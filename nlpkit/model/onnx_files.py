"""ONNX read as far as safety asks, before it is executed: what numbers it holds, and whether it holds all of them.

A file of a stranger's may hold functions that call each other, weights that lie elsewhere on the disk, and numbers that
are none; or operators of the runtime's own, which take a matrix for as large as they are told. Of these there is one
that is executed, which multiplies by matrices in blocks of a few bits, and its sizes must be those of its matrix
(https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits). What only shows
when it runs, such as loops without end, is seen to in `nlpkit.model.graphs`. Inference has no package that reads ONNX,
and needs little of it: a protocol buffer is a run of fields, each a number, a kind and a value
(https://protobuf.dev/programming-guides/encoding/; the numbers of fields are those of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nlpkit.model.numbers import check_weights

Value: TypeAlias = "int | memoryview"
VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5  # kinds of fields
MOST_FIELDS = 1_000_000
MOST_GRAPHS = 16  # in each other
MOST_NUMBERS = 1 << 30  # of a tensor
FLOATS = {1: "<f4", 10: "<f2", 11: "<f8"}  # a tensor's kind of numbers
BFLOAT16, EXPONENT = 16, 0x7F80
GRAPH, FUNCTIONS = 7, 25  # fields of a model
NODE, INITIALIZER, SPARSE_INITIALIZER = 1, 5, 15  # of a graph
INPUT, OUTPUT, OPERATOR, ATTRIBUTE, DOMAIN = 1, 2, 4, 5, 7  # of a node
TENSOR, SUBGRAPH, TENSORS, SUBGRAPHS, SPARSE, SPARSES = 5, 6, 10, 11, 22, 23  # of an attribute
ATTRIBUTE_NAME, ONE_FLOAT, ONE_NUMBER, MANY_FLOATS = 1, 2, 3, 7
DIMS, KIND, NAME, RAW, EXTERNAL, LOCATION = 1, 2, 8, 9, 13, 14  # of a tensor
DATA = {4: "<f4", 10: "<f8"}  # the same: numbers that do not lie there raw
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")  # whose operators are executed
OWN_DOMAIN, BLOCKS = "com.microsoft", "MatMulNBits"  # the runtime's own, and which of its operators is
UINT8, SIZES = 2, ("K", "N", "bits", "block_size")


def check_onnx(data: bytes) -> None:
    """Refuse ONNX that nlpkit does not execute.

    :raises ValueError: if it has functions or weights outside, if a weight is no number, or if it is no ONNX.
    """
    _Reader().walk_model(memoryview(data))


@dataclass
class _Tensor:
    name: str = ""
    dims: list[int] = field(default_factory=list)
    kind: int = 0
    raw: memoryview | None = None
    numbers: list[NDArray[Any]] = field(default_factory=list)


@dataclass
class _Node:
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    operator: str = ""
    domain: str = ""
    numbers: dict[str, int] = field(default_factory=dict)


class _Reader:
    """Goes through a model once, and no further than so many fields."""

    def __init__(self) -> None:
        self._fields = 0
        self._tensors: dict[str, list[_Tensor]] = {}  # of the outermost graph, by their names
        self._casts: dict[str, str] = {}  # what is but another tensor with other numbers
        self._blocks: list[_Node] = []

    def walk_model(self, data: memoryview) -> None:
        graphs = 0
        for number, value in self._read_fields(data):
            if number == FUNCTIONS:
                raise ValueError("it holds functions of its own, which are not executed")
            if number == GRAPH:
                graphs += 1
                self._walk_graph(_check_message(value), 1)
        if graphs != 1:
            raise ValueError("it holds no graph")
        for node in self._blocks:
            self._check_blocks(node)

    def _walk_graph(self, data: memoryview, depth: int) -> None:
        if depth > MOST_GRAPHS:
            raise ValueError("its graphs are nested too deep")
        for number, value in self._read_fields(data):
            if number == NODE:
                self._walk_node(_check_message(value), depth)
            elif number == INITIALIZER:
                tensor = self._walk_tensor(_check_message(value))
                if depth == 1:
                    self._tensors.setdefault(tensor.name, []).append(tensor)
            elif number == SPARSE_INITIALIZER:
                raise ValueError("it holds sparse weights, which are not executed")

    def _walk_node(self, data: memoryview, depth: int) -> None:
        node = _Node()
        for number, value in self._read_fields(data):
            if number == ATTRIBUTE:
                self._walk_attribute(_check_message(value), depth, node)
            elif number in (INPUT, OUTPUT):
                (node.inputs if number == INPUT else node.outputs).append(_read_text(value))
            elif number == OPERATOR:
                node.operator = _read_text(value)
            elif number == DOMAIN:
                node.domain = _read_text(value)
        if (node.domain, node.operator, depth) == (OWN_DOMAIN, BLOCKS, 1):
            self._blocks.append(node)
        elif node.domain not in DOMAINS:
            raise ValueError(f"it has the operator {node.operator:.60} of {node.domain:.60}, which is not executed")
        elif node.operator == "Cast" and depth == 1 and node.inputs and node.outputs:
            self._casts[node.outputs[0]] = node.inputs[0]

    def _check_blocks(self, node: _Node) -> None:
        """Refuse a matrix in blocks that is larger or smaller than its operator says."""
        try:
            columns, rows, bits, block = (node.numbers[name] for name in SIZES)
            codes, scales = (self._find_tensor(name) for name in node.inputs[1:])
        except (KeyError, ValueError):
            raise ValueError(f"its operator {BLOCKS} has no matrix of its own, or more than that") from None
        sizes = f"it multiplies by {rows} x {columns} numbers of {bits} bits in blocks of {block}"
        if bits not in (4, 8) or block not in (16, 32, 64, 128, 256) or not 0 < rows * columns <= MOST_NUMBERS:
            raise ValueError(f"{sizes}, which is not executed")
        shape = [rows, -(-columns // block), block * bits // 8]
        if codes.kind != UINT8 or codes.dims != shape or math.prod(scales.dims) != math.prod(shape[:2]):
            raise ValueError(f"{sizes}, and holds {codes.dims[:8]!r:.100} bytes and {scales.dims[:8]!r:.100} scales")

    def _find_tensor(self, name: str) -> _Tensor:
        """Return the one tensor of a name, or the one that is cast to it."""
        (tensor,) = self._tensors[self._casts.get(name, name)]
        return tensor

    def _walk_attribute(self, data: memoryview, depth: int, node: _Node) -> None:
        name, whole, one, many = "", None, [], []
        for number, value in self._read_fields(data):
            if number == ATTRIBUTE_NAME:
                name = _read_text(value)
            elif number == ONE_NUMBER and isinstance(value, int):
                whole = value
            elif number == ONE_FLOAT:
                one.append(np.frombuffer(_check_message(value), "<f4"))
            elif number == MANY_FLOATS:
                many.append(np.frombuffer(_check_message(value), "<f4"))
            elif number in (TENSOR, TENSORS):
                self._walk_tensor(_check_message(value))
            elif number in (SUBGRAPH, SUBGRAPHS):
                self._walk_graph(_check_message(value), depth + 1)
            elif number in (SPARSE, SPARSES):
                raise ValueError("it holds sparse weights, which are not executed")
        if whole is not None and node.numbers.setdefault(name, whole) != whole:
            raise ValueError(f"the number {name:.60} is {node.numbers[name]} and {whole}")
        for numbers, single in ((one, True), (many, False)):
            if numbers:
                check_weights(f"the numbers {name:.60}", np.concatenate(numbers), single=single)

    def _walk_tensor(self, data: memoryview) -> _Tensor:
        tensor = _Tensor()
        for number, value in self._read_fields(data):
            if number == NAME:
                tensor.name = _read_text(value)
            elif number == DIMS:
                tensor.dims += _read_dims(value)
            elif number == KIND:
                tensor.kind = value if isinstance(value, int) else 0
            elif number == RAW:
                tensor.raw = _check_message(value)
            elif number in DATA:
                tensor.numbers.append(np.frombuffer(_check_message(value), DATA[number]))
            elif number in (EXTERNAL, LOCATION) and value:
                raise ValueError("its weights lie in other files, which are not read")
        _check_tensor(tensor)
        return tensor

    def _read_fields(self, data: memoryview) -> Iterator[tuple[int, Value]]:
        """Fields of a message, by their numbers."""
        at = 0
        while at < len(data):
            self._fields += 1
            if self._fields > MOST_FIELDS:
                raise ValueError(f"it has more than {MOST_FIELDS:,} parts")
            tag, at = _read_varint(data, at)
            number, kind = tag >> 3, tag & 7
            if kind == VARINT:
                value, at = _read_varint(data, at)
                yield number, value
                continue
            if kind == BYTES:
                size, at = _read_varint(data, at)
            elif kind in (EIGHT, FOUR):
                size = 8 if kind == EIGHT else 4
            else:
                raise ValueError("it is no ONNX")
            if number == 0 or at + size > len(data):
                raise ValueError("it is no ONNX, or was cut off")
            yield number, data[at : at + size]
            at += size


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    """Read a number of 7 bits a byte; return it and where it ends."""
    number = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
    raise ValueError("it is no ONNX, or was cut off")


def _check_message(value: Value) -> memoryview:
    if isinstance(value, int):
        raise ValueError("it is no ONNX")
    return value


def _read_text(value: Value) -> str:
    return bytes(_check_message(value)).decode("utf-8", "replace")


def _read_dims(value: Value) -> list[int]:
    if isinstance(value, int):
        return [value]
    sizes, at = [], 0
    while at < len(value):
        size, at = _read_varint(value, at)
        sizes.append(size)
    return sizes


def _check_tensor(tensor: _Tensor) -> None:
    if any(size >= 1 << 63 for size in tensor.dims) or math.prod(tensor.dims) > MOST_NUMBERS:
        raise ValueError(f"the weights {tensor.name:.60} are declared to have {tensor.dims[:8]!r:.200} numbers")
    parts = list(tensor.numbers)
    if tensor.raw is not None and tensor.kind in FLOATS:
        parts.append(np.frombuffer(tensor.raw, FLOATS[tensor.kind]))
    elif tensor.raw is not None and tensor.kind == BFLOAT16:
        bits = np.frombuffer(tensor.raw, "<u2")
        parts.append(np.where(bits & EXPONENT == EXPONENT, np.float32(np.nan), np.float32(0)))
    for part in parts:
        check_weights(f"the weights {tensor.name:.60}", part, single=not tensor.dims)
