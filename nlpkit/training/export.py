"""A trained composition as files that inference executes without torch, checked against torch on real rows."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save
from torch import nn

from nlpkit.errors import MissingExtra, NlpkitError, Sentence
from nlpkit.model.bundle import ARRAYS, GRAPH
from nlpkit.model.members import NORMS
from nlpkit.model.network import Network
from nlpkit.plugins.base import StaticEmbedding
from nlpkit.plugins.telemetry import disable_telemetry

AGREEMENT = {"float32": 1e-4, "int8": 0.05, "int4": 0.05}  # greatest difference of a calibrated probability
AGREEMENT_INT8 = 0.25  # the same where a graph multiplies by int8, which rounds the numbers of every layer

NUMPY = (torch.float32, torch.float16, torch.uint8, torch.int64)  # of arrays that a graph may hold under a name


def export_network(
    network: Network,
    weights: str,
    *,
    arithmetic: str = "float32",
    folds: bool = True,
    relative: bool = True,
    samples: Iterable[Mapping[str, NDArray[Any]]] = (),
) -> tuple[str, dict[str, bytes]]:
    """Return the runtime and the member's files.

    The runtime is ``table`` for a composition that folds, ``graph`` for one that torch can export, and ``torch`` for
    the rest, of which nothing but the weights as trained is there to be executed.

    :param weights: how they are stored: float32, int8 or int4.
    :param arithmetic: by what a graph multiplies large matrices: float32 or int8.
    :param folds: whether a sum over ids may become a table.
    :param relative: whether only differences between outputs count, so that a table needs none for the first.
    :param samples: ids and mask of some rows, by which what int8 multiplies is balanced.
    :raises MissingExtra: if onnx or onnxscript is not installed.
    """
    network.eval()
    if folds and (vectors := _find_id_vectors(network)) is not None:
        return "table", {ARRAYS: _fold_table(network, vectors, weights, relative=relative)}
    inputs = make_example(pieces=network.embedding.subwords)
    with fold_embedding(network) if _computes_vectors(network.embedding) else contextlib.nullcontext():
        return export_graph(network, inputs, ["logits"], weights, arithmetic=arithmetic, samples=samples)


def make_example(*, pieces: bool) -> dict[str, torch.Tensor]:
    """Return ids ``(2, 7)`` or ``(2, 7, 3)`` and mask ``(2, 7)`` of two rows, as a network is exported by.

    :param pieces: whether a token has several ids.
    """
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[1, 4:] = False
    return {"ids": torch.ones((2, 7, 3) if pieces else (2, 7), dtype=torch.int64), "mask": mask}


def check_agreement(name: str, difference: float, weights: str, arithmetic: str = "float32") -> None:
    """Refuse an export of a member that says something else than torch does.

    :param difference: greatest difference of a probability.
    :param weights: how they are stored: float32, int8 or int4.
    :param arithmetic: by what a graph multiplies large matrices: float32 or int8.
    :raises NlpkitError: if it is more than rounding explains.
    """
    most = AGREEMENT[weights] if arithmetic == "float32" else AGREEMENT_INT8
    if difference > most:
        coarse = [name for name, value in (("arithmetic", arithmetic), ("weights", weights)) if value != "float32"]
        raise NlpkitError(
            "the export of {name} differs from torch by {difference:.3g} in a probability, more than {most:g}: not "
            "saved{remedy}",
            name=name,
            difference=difference,
            most=most,
            remedy=Sentence(", train with --set {option}=float32", option=coarse[0]) if coarse else "",
        )


def export_graph(
    module: nn.Module,
    inputs: Mapping[str, torch.Tensor],
    outputs: Sequence[str],
    weights: str,
    free: Mapping[str, Sequence[int]] | None = None,
    arithmetic: str = "float32",
    samples: Iterable[Mapping[str, NDArray[Any]]] = (),
) -> tuple[str, dict[str, bytes]]:
    """Return the runtime, and the graph if it is ``graph``: ``torch`` has none.

    :param inputs: an example of each input.
    :param outputs: what to call what the module returns.
    :param free: the axes of each input of which the size may be another; None for all axes of all.
    :param arithmetic: by what large matrices are multiplied: float32 or int8.
    :param samples: inputs by which what int8 multiplies is balanced.
    :raises MissingExtra: if onnx or onnxscript is not installed.
    """
    try:
        return "graph", {GRAPH: _dump_graph(module, inputs, outputs, weights, free, arithmetic, samples)}
    except torch.onnx.errors.OnnxExporterError:
        return "torch", {}


class _TableEmbedding(nn.Module):
    """A static embedding as the table that inference needs of it."""

    def __init__(self, vectors: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("table", vectors)
        self.table: torch.Tensor

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return self.table[ids]


@contextlib.contextmanager
def fold_embedding(network: Any) -> Iterator[None]:
    """Put a table in place of a network's embedding, a static one that gives a token one id, for a while."""
    embedding = network.embedding
    network.embedding = _TableEmbedding(embedding.vectors().detach())
    try:
        yield
    finally:
        network.embedding = embedding


def _computes_vectors(embedding: Any) -> bool:
    """Whether vectors of ids are made anew each time, though a table would do, of which training could go on."""
    if embedding.subwords or not isinstance(embedding, StaticEmbedding) or type(embedding).take is StaticEmbedding.take:
        return False
    stored = {tensor.data_ptr() for tensor in cast(Any, embedding).state_dict().values()}
    return embedding.vectors().data_ptr() not in stored


def _find_id_vectors(network: Network) -> torch.Tensor | None:
    """Return the vector of every id ``(ids, dim)`` if logits are a sum over ids, so that all folds into a table."""
    head = network.head.config
    simple = not (head["hidden"] or head["standardised"]) and head["pooling"] in NORMS
    if not simple or not network.encoder.identity:
        return None
    return network.embedding.vectors().detach() if isinstance(network.embedding, StaticEmbedding) else None


def _fold_table(network: Network, vectors: torch.Tensor, weights: str, *, relative: bool) -> bytes:
    """Logits of every id; relative to the first label where a softmax only sees differences."""
    zeros = torch.zeros(1, vectors.shape[1])
    bias = network.head.layers(zeros) if network.head.bias is None else network.head.bias[None]
    table = network.head.layers(vectors) - network.head.layers(zeros)
    if relative:
        table, bias = table[:, 1:] - table[:, :1], bias[:, 1:] - bias[:, :1]
    table, bias = table.detach().numpy(), bias[0].detach().numpy()
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
    arithmetic: str,
    samples: Iterable[Mapping[str, NDArray[Any]]],
) -> bytes:
    disable_telemetry()  # the exporter may import onnxruntime
    try:
        import onnx  # noqa: F401 - that, and what follows, the exporter needs
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtra(error.name or "onnx", "train", "exporting a model") from error
    from nlpkit.training.graph_weights import multiply_int8, name_arrays, store_int4, store_int8  # onnx

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
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    name_arrays(model, {name: tensor.detach().numpy() for name, tensor in state.items() if tensor.dtype in NUMPY})
    if arithmetic == "int8":
        multiply_int8(model, samples)
    if weights == "int4":
        store_int4(model)
    if weights != "float32":
        store_int8(model)
    _forget_sources(model)
    return cast(bytes, model.SerializeToString())


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
