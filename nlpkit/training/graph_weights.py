"""How an exported graph stores its numbers, and by what it multiplies them; needs onnx."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nlpkit.model.graphs import open_session

OWN, FLOAT = "com.microsoft", onnx.TensorProto.FLOAT
TURNED = ".T"  # behind the name of a matrix that is turned
SMALL = 1024  # arrays of fewer numbers stay float32
BLOCK, ZERO = 32, 8  # numbers that share a scale, and the code of nought among those of 4 bits
STEPS, MIDDLE = 127, 128  # of what goes into a product of int8, and where nought lies among its bytes
LEAST = 1e-5  # magnitude that counts
LITTLE = 0.01  # the same as a share of what is usual among the numbers of a token
FEWER = 63  # steps of a matrix: two products of bytes must fit into 16 bits, as processors without VNNI add them


Inputs: TypeAlias = Mapping[str, NDArray[Any]]  # of a graph, by name


def name_arrays(model: Any, state: Mapping[str, NDArray[Any]]) -> None:
    """Call arrays as the parameters that they are, where the exporter has turned or folded one and forgot its name.

    :param state: arrays by their names; that of one that is turned in the graph gets `TURNED` behind it. What is two
        bytes a number may be four there.
    """
    arrays = {i.name: i for i in model.graph.initializer}
    free = {name: array for name, array in state.items() if name not in arrays and array.size > 1}
    for old in [name for name in arrays if name not in state]:
        array = numpy_helper.to_array(arrays[old])
        for turned, seen in (("", array), (TURNED, array.T)):
            found = (n for n, a in free.items() if a.dtype in (seen.dtype, np.float16) and np.array_equal(a, seen))
            if name := next(found, None):
                del free[name]
                _rename(model.graph, old, name + turned)
                break


def _rename(graph: Any, old: str, new: str) -> None:
    for initializer in graph.initializer:
        if initializer.name == old:
            initializer.name = new
    for node in graph.node:
        for at, name in enumerate(node.input):
            if name == old:
                node.input[at] = new
        for attribute in node.attribute:
            for body in [attribute.g, *attribute.graphs]:  # of a loop, which sees what is around it
                _rename(body, old, new)


def store_int8(model: Any) -> None:
    """Store large arrays as int8 with a scale along their first axis longer than one; the runtime multiplies them."""
    graph = model.graph
    for initializer in list(graph.initializer):
        array = numpy_helper.to_array(initializer)
        if array.dtype != np.float32 or array.size < SMALL:
            continue
        axis = next(i for i, size in enumerate(array.shape) if size > 1)
        if array.size == array.shape[axis]:  # a scale for each number would be no gain
            continue
        others = tuple(i for i in range(array.ndim) if i != axis)
        scale = np.maximum(np.abs(array).max(others, keepdims=True), 1e-12) / 127
        name = initializer.name
        graph.initializer.remove(initializer)
        nodes = _Nodes(graph)
        whole = nodes.add("Cast", nodes.store(f"{name}_int8", np.round(array / scale).astype(np.int8)), to=FLOAT)
        nodes.add("Mul", whole, nodes.store(f"{name}_scale", scale.astype(np.float32)), to_name=name)
        nodes.insert(0)


def store_int4(model: Any) -> None:
    """Store matrices that are in blocks of 4 bits as such, with a scale of two bytes.

    A matrix is in blocks where nothing is lost by it, see `find_blocks`; others are left alone. Where something is
    multiplied by it, the runtime does that block by block; elsewhere it is unpacked.
    """
    graph = model.graph
    for initializer in list(graph.initializer):
        matrix = numpy_helper.to_array(initializer)
        if matrix.ndim != 2 or matrix.size < SMALL or (blocks := find_blocks(matrix.T)) is None:
            continue
        name = initializer.name
        graph.initializer.remove(initializer)
        nodes = _Nodes(graph)
        codes, half = nodes.store(f"{name}_int4", blocks[0]), nodes.store(f"{name}_half", blocks[1])
        scales = nodes.add("Cast", half, to=FLOAT)
        sizes = {"K": matrix.shape[0], "N": matrix.shape[1], "bits": 4, "block_size": BLOCK}
        for node in graph.node:
            if node.op_type == "MatMul" and node.input[1] == name:
                inputs, outputs = [node.input[0], codes, scales], list(node.output)
                node.CopyFrom(helper.make_node("MatMulNBits", inputs, outputs, domain=OWN, **sizes))
        if any(name in node.input for node in graph.node):
            _unpack(nodes, codes, scales, matrix.shape[::-1], name)
        nodes.insert(0)
    if any(node.domain == OWN for node in graph.node):
        model.opset_import.append(helper.make_opsetid(OWN, 1))


def unpack_blocks(codes: NDArray[np.uint8], scales: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return the matrix ``(rows, columns)`` of codes ``(rows, blocks, 16)`` and scales ``(rows, blocks)``."""
    whole = np.stack([codes & 15, codes >> 4], -1).reshape(*scales.shape, BLOCK).astype(np.float32) - ZERO
    matrix: NDArray[np.float32] = (whole * scales[..., None].astype(np.float32)).reshape(len(codes), -1)
    return matrix


def find_blocks(matrix: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.float16]] | None:
    """Return codes ``(rows, blocks, 16)`` and scales ``(rows, blocks)`` of a matrix that is nothing else, or None.

    Each `BLOCK` numbers of a row are whole numbers from -8 to 7 times a scale, which float16 holds, and one of them is
    -8 times it: the format Q4_0 of ggml (https://github.com/ggml-org/ggml). A byte has the codes of two neighbours.
    """
    rows, columns = matrix.shape
    if matrix.dtype != np.float32 or columns % BLOCK:
        return None
    blocks = np.ascontiguousarray(matrix).reshape(rows, -1, BLOCK)
    extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)
    scales = (extreme / -ZERO).astype(np.float16)
    wide = scales.astype(np.float32)
    whole = np.rint(blocks / np.where(wide == 0, 1, wide)).clip(-ZERO, ZERO - 1)
    if not np.array_equal(whole * wide, blocks):
        return None
    codes = (whole + ZERO).astype(np.uint8)
    pairs: NDArray[np.uint8] = codes[..., ::2] | codes[..., 1::2] << np.uint8(4)
    return pairs, scales[..., 0]


def multiply_int8(model: Any, samples: Iterable[Inputs] = ()) -> None:
    """Let products with large matrices be computed of int8.

    What goes in is rounded to 255 steps between the greatest magnitude of a token's numbers and its opposite, so that
    no token depends on another (Yao et al. 2022, https://arxiv.org/abs/2206.01861), and a matrix to 127 steps a column.
    It is written as ONNX writes that, by quantising and dequantising, of which the runtime makes one operator.

    Some of a token's numbers are a hundred times as great as the others, always the same ones, and would leave these
    few steps: they are made smaller, and the rows of the matrix that they meet greater, each by the root of how much
    the former are greater than the latter, to the nearest power of two (SmoothQuant: Xiao et
    al. 2023, https://arxiv.org/abs/2211.10438).

    :param samples: inputs of the graph, by which that is measured; without any, numbers stay as they are.
    """
    graph = model.graph
    matrices = {i.name: i for i in graph.initializer if len(i.dims) == 2 and i.data_type == FLOAT}
    products = [
        (node, matrix)
        for node in graph.node
        if node.op_type == "MatMul"
        and node.input[1] in matrices
        and (matrix := numpy_helper.to_array(matrices[node.input[1]])).size >= SMALL
    ]
    if not products:
        return
    greatest = _measure(model, {node.input[0] for node, _ in products}, samples)
    for node, matrix in products:
        nodes, at = _Nodes(graph, node.output[0]), list(graph.node).index(node)
        numbers, name = node.input
        _multiply(nodes, numbers, name, matrix, greatest.get(numbers), node.output[0])
        graph.node.remove(node)
        nodes.insert(at)


def _measure(model: Any, names: set[str], samples: Iterable[Inputs]) -> dict[str, NDArray[np.float32]]:
    """Return the greatest magnitude in each column of some arrays ``(..., columns)`` as a graph computes them."""
    session, found = None, dict[str, NDArray[np.float32]]()
    for inputs in samples:
        if session is None:
            seen = onnx.ModelProto()
            seen.CopyFrom(model)
            seen.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in sorted(names))
            session = open_session(seen.SerializeToString())
        for name, array in zip(sorted(names), session.run(sorted(names), dict(inputs)), strict=True):
            greatest = np.abs(array).reshape(-1, array.shape[-1]).max(0)
            found[name] = np.maximum(found.get(name, greatest), greatest)
    return found


def _multiply(
    nodes: _Nodes, numbers: str, name: str, matrix: NDArray[Any], greatest: NDArray[np.float32] | None, product: str
) -> None:
    """Multiply numbers ``(..., K)`` by a matrix ``(K, N)``.

    :param greatest: magnitude of each of the K numbers, if that is known.
    """
    if greatest is not None:
        greatest = np.maximum(greatest, max(LEAST, float(np.median(greatest)) * LITTLE))  # of what came to no sample
        ratio = greatest / np.maximum(np.abs(matrix).max(1), LEAST)
        balance = np.exp2(np.round(np.log2(ratio) / 2)).astype(np.float32)  # by which nothing is rounded
        numbers = nodes.add("Mul", numbers, nodes.constant(1 / balance))
        name = nodes.add("Mul", name, nodes.constant(balance[:, None]))
        matrix = matrix * balance[:, None]
    last, middle = nodes.constant([1]), nodes.constant(np.uint8(MIDDLE))
    rows = nodes.add("Reshape", numbers, nodes.constant([-1, len(matrix)]))
    ends = nodes.add("ReduceMax", rows, last, keepdims=0), nodes.add("ReduceMin", rows, last, keepdims=0)
    farthest = nodes.add("Max", ends[0], nodes.add("Neg", ends[1]))
    step = nodes.add("Max", nodes.add("Mul", farthest, nodes.number(1 / STEPS)), nodes.number(1e-12))
    zeros = nodes.add("Expand", middle, nodes.add("Shape", step))
    bytes_in = nodes.add("QuantizeLinear", rows, step, zeros, axis=0)
    steps_in = nodes.add("DequantizeLinear", bytes_in, nodes.number(1), middle)
    column = nodes.constant((np.maximum(np.abs(matrix).max(0), 1e-12) / FEWER).astype(np.float32))
    rounded = nodes.add("Cast", nodes.add("Round", nodes.add("Div", name, column)), to=onnx.TensorProto.INT8)
    matrix_in = nodes.add("DequantizeLinear", rounded, column, axis=1)
    out = nodes.add("Mul", nodes.add("MatMul", steps_in, matrix_in), nodes.add("Unsqueeze", step, last))
    shape = nodes.add("Concat", nodes.add("Shape", numbers, end=-1), nodes.constant([matrix.shape[1]]), axis=0)
    nodes.add("Reshape", out, shape, to_name=product)


def _unpack(nodes: _Nodes, codes: str, scales: str, shape: tuple[int, ...], name: str) -> None:
    """Make the transpose of a matrix of codes ``(rows, blocks, 16)`` and scales ``(rows, blocks)``."""
    last, sixteen = nodes.constant([-1]), nodes.number(16)
    pair = nodes.add("Cast", codes, to=FLOAT)
    high = nodes.add("Floor", nodes.add("Div", pair, sixteen))
    low = nodes.add("Sub", pair, nodes.add("Mul", high, sixteen))
    both = nodes.add("Concat", nodes.add("Unsqueeze", low, last), nodes.add("Unsqueeze", high, last), axis=-1)
    blocks = nodes.add("Reshape", both, nodes.constant([shape[0], -1, BLOCK]))
    numbers = nodes.add("Mul", nodes.add("Sub", blocks, nodes.number(ZERO)), nodes.add("Unsqueeze", scales, last))
    nodes.add("Transpose", nodes.add("Reshape", numbers, nodes.constant(list(shape))), perm=[1, 0], to_name=name)


class _Nodes:
    """Nodes that are put into a graph together.

    :param name: how the names of what they make begin.
    """

    def __init__(self, graph: Any, name: str = "stored") -> None:
        self._graph, self._name, self._nodes = graph, f"{name}_{len(graph.node)}", list[Any]()

    def add(self, operator: str, *inputs: str, to_name: str = "", **attributes: Any) -> str:
        """Add one, and return the name of what it makes."""
        output = to_name or f"{self._name}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def store(self, name: str, array: NDArray[Any]) -> str:
        """Store an array, and return its name."""
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def constant(self, value: Any) -> str:
        """Store a small array under a name of no meaning."""
        return self.store(f"{self._name}_constant_{len(self._graph.initializer)}", np.asarray(value))

    def number(self, value: float) -> str:
        """Store a number of float32."""
        return self.constant(np.float32(value))

    def insert(self, at: int) -> None:
        """Put them into the graph."""
        for node in reversed(self._nodes):
            self._graph.node.insert(at, node)
