"""A trained composition as files that inference executes without torch, checked against torch on real rows."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save
from torch import nn

from nlpkit.errors import MissingExtra, NlpkitError
from nlpkit.model.bundle import ARRAYS, GRAPH
from nlpkit.model.members import NORMS
from nlpkit.model.network import Network
from nlpkit.plugins.base import StaticEmbedding
from nlpkit.plugins.telemetry import disable_telemetry

AGREEMENT = {
    "float32": 1e-4,
    "int8": 0.05,
    "int4": 0.05,
}  # greatest difference of a calibrated probability
SMALL = 1024  # arrays of fewer numbers stay float32
BLOCK, ZERO = 32, 8  # numbers that share a scale, and the code of nought among those of 4 bits


def export_network(network: Network, weights: str, *, folds: bool = True) -> tuple[str, dict[str, bytes]]:
    """Return the runtime and the member's files.

    The runtime is ``table`` for a composition that folds, ``graph`` for one that torch can export, and ``torch`` for
    the rest, of which nothing but the weights as trained is there to be executed.

    :param folds: whether only differences between outputs count, so that a sum over ids may become a table.
    :raises MissingExtra: if onnx or onnxscript is not installed.
    """
    network.eval()
    if folds and (vectors := _find_id_vectors(network)) is not None:
        return "table", {ARRAYS: _fold_table(network, vectors, weights)}
    ids = torch.ones(2, 7, dtype=torch.int64)
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[1, 4:] = False
    return export_graph(network, {"ids": ids, "mask": mask}, ["logits"], weights)


def check_agreement(name: str, difference: float, weights: str) -> None:
    """Refuse an export of a member that says something else than torch does.

    :param difference: greatest difference of a probability.
    :param weights: how they are stored: float32, int8 or int4.
    :raises NlpkitError: if it is more than rounding explains.
    """
    if difference > AGREEMENT[weights]:
        raise NlpkitError(
            "the export of {name} differs from torch by {difference:.3g} in a probability, more than {most:g}: not "
            "saved{remedy}",
            name=name,
            difference=difference,
            most=AGREEMENT[weights],
            remedy="" if weights == "float32" else ", train with --set weights=float32",
        )


def export_graph(
    module: nn.Module,
    inputs: Mapping[str, torch.Tensor],
    outputs: Sequence[str],
    weights: str,
    free: Mapping[str, Sequence[int]] | None = None,
) -> tuple[str, dict[str, bytes]]:
    """Return the runtime, and the graph if it is ``graph``: ``torch`` has none.

    :param inputs: an example of each input.
    :param outputs: what to call what the module returns.
    :param free: the axes of each input of which the size may be another; None for all axes of all.
    :raises MissingExtra: if onnx or onnxscript is not installed.
    """
    try:
        return "graph", {GRAPH: _dump_graph(module, inputs, outputs, weights, free)}
    except torch.onnx.errors.OnnxExporterError:
        return "torch", {}


def _find_id_vectors(network: Network) -> torch.Tensor | None:
    """Return the vector of every id ``(ids, dim)`` if logits are a sum over ids, so that all folds into a table."""
    head = network.head.config
    if head["hidden"] or head["pooling"] not in NORMS or not network.encoder.identity:
        return None
    return network.embedding.vectors().detach() if isinstance(network.embedding, StaticEmbedding) else None


def _fold_table(network: Network, vectors: torch.Tensor, weights: str) -> bytes:
    """Logits of every id relative to the first label, as softmax only sees differences."""
    zeros = torch.zeros(1, vectors.shape[1])
    bias = network.head.layers(zeros) if network.head.bias is None else network.head.bias[None]
    table = network.head.layers(vectors) - network.head.layers(zeros)
    table, bias = (table[:, 1:] - table[:, :1]).detach().numpy(), (bias[0, 1:] - bias[0, 0]).detach().numpy()
    arrays = {"table": np.ascontiguousarray(table), "bias": bias.astype(np.float64)}
    if weights != "float32":
        arrays["table"], arrays["levels"] = _quantise(table)
    return save(arrays)


def _quantise(table: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """One byte a number, and what each byte stands for ``(256, columns)``.

    Levels lie as the squares of even steps: most n-grams weigh little, a few a hundred times as much, and even steps
    wide enough for these would turn the others to nothing.
    """
    greatest = np.maximum(np.abs(table).max(0), 1e-12)
    steps = np.arange(-128, 128)[:, None] / 127
    levels = np.sign(steps) * steps**2 * greatest  # (256, columns)
    codes = np.round(np.sign(table) * np.sqrt(np.abs(table) / greatest) * 127) + 128
    return codes.astype(np.uint8), levels.astype(np.float32)


def _dump_graph(
    module: nn.Module,
    inputs: Mapping[str, torch.Tensor],
    outputs: Sequence[str],
    weights: str,
    free: Mapping[str, Sequence[int]] | None,
) -> bytes:
    disable_telemetry()  # the exporter may import onnxruntime
    try:
        import onnx
        import onnxscript  # noqa: F401 - the exporter needs it
    except ImportError as error:
        raise MissingExtra(error.name or "onnx", "train", "exporting a model") from error
    axes = [range(example.dim()) if free is None else free[name] for name, example in inputs.items()]
    shapes: tuple[Any, ...] = tuple(dict.fromkeys(own, torch.export.Dim.DYNAMIC) for own in axes)
    if any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(module.forward).parameters.values()):
        shapes = shapes[0], shapes[1:]  # as torch sees ``forward(first, *others)``
    for recurrent in (torch.ops.aten.lstm.input, torch.ops.aten.gru.input):
        recurrent._dispatch_cache.clear()  # or a second export in one process unrolls the loop to the example's length
    with warnings.catch_warnings(), _silence():
        warnings.simplefilter("ignore")  # the exporter warns of its own parts
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            dynamo=True,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=shapes,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    if weights == "int4":
        _store_int4(model, onnx)
    if weights != "float32":
        _store_int8(model, onnx)
    _forget_sources(model)
    return cast(bytes, model.SerializeToString())


def _store_int4(model: Any, onnx: Any) -> None:
    """Store matrices that are in blocks of 4 bits as such, with a scale of two bytes; the runtime multiplies by them.

    A matrix is in blocks where nothing is lost by it: `find_blocks`. Others are left alone.
    """
    graph = model.graph
    matrices = {initializer.name: initializer for initializer in graph.initializer if len(initializer.dims) == 2}
    stored: set[str] = set()
    for node in list(graph.node):
        if node.op_type != "MatMul" or (name := node.input[1]) not in matrices:
            continue
        matrix = onnx.numpy_helper.to_array(matrices[name])
        if matrix.size < SMALL or (blocks := find_blocks(matrix.T)) is None:
            continue
        if name not in stored:
            stored.add(name)
            arrays = {f"{name}_int4": blocks[0], f"{name}_half": blocks[1].reshape(-1)}
            graph.initializer.extend(onnx.numpy_helper.from_array(array, key) for key, array in arrays.items())
            scale = onnx.helper.make_node("Cast", [f"{name}_half"], [f"{name}_scale"], to=onnx.TensorProto.FLOAT)
            graph.node.insert(0, scale)
        sizes = {"K": matrix.shape[0], "N": matrix.shape[1], "bits": 4, "block_size": BLOCK}
        inputs, outputs = [node.input[0], f"{name}_int4", f"{name}_scale"], list(node.output)
        node.CopyFrom(onnx.helper.make_node("MatMulNBits", inputs, outputs, domain="com.microsoft", **sizes))
    if stored:
        read = {name for node in graph.node for name in node.input}
        for initializer in [matrices[name] for name in stored - read]:
            graph.initializer.remove(initializer)
        model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))


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


def _store_int8(model: Any, onnx: Any) -> None:
    """Store large arrays as int8 with a scale along their first axis longer than one; the runtime multiplies them."""
    graph = model.graph
    for initializer in list(graph.initializer):
        array = onnx.numpy_helper.to_array(initializer)
        if array.dtype != np.float32 or array.size < SMALL:
            continue
        axis = next(i for i, size in enumerate(array.shape) if size > 1)
        others = tuple(i for i in range(array.ndim) if i != axis)
        scale = np.maximum(np.abs(array).max(others, keepdims=True), 1e-12) / 127
        name = initializer.name
        graph.initializer.remove(initializer)
        small = onnx.numpy_helper.from_array(np.round(array / scale).astype(np.int8), f"{name}_int8")
        graph.initializer.extend([small, onnx.numpy_helper.from_array(scale.astype(np.float32), f"{name}_scale")])
        cast_node = onnx.helper.make_node("Cast", [f"{name}_int8"], [f"{name}_float"], to=onnx.TensorProto.FLOAT)
        graph.node.insert(0, onnx.helper.make_node("Mul", [f"{name}_float", f"{name}_scale"], [name]))
        graph.node.insert(0, cast_node)


def _forget_sources(model: Any) -> None:
    """Drop what the exporter noted of source files: paths of the machine that trained."""
    del model.graph.metadata_props[:]
    model.graph.doc_string = ""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output]:
        del value.metadata_props[:]


@contextlib.contextmanager
def _silence() -> Any:
    """Silence the exporter, which prints its progress and logs."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(previous)
