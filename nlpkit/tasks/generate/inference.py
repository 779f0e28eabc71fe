"""Members of a model that generates: ids in, logits of what comes next out, and a state to go on from; never torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nlpkit.model.bundle import ARRAYS, CONFIG, Bundle
from nlpkit.model.graphs import Graph
from nlpkit.model.members import load_arrays, open_decoder, open_graph, require_torch
from nlpkit.model.mixing import log_sum
from nlpkit.plugins.base import Decoder
from nlpkit.tasks.generate.ngrams import NgramMember
from nlpkit.tasks.generate.writing import Chances, Logits, State, WritingMember
from nlpkit.text.vocabulary import UNKNOWN, Ints, TableVocabulary, Vocabulary

MOST_STATE = 1 << 24  # numbers that a member remembers of a text


class Steps(Protocol):
    """A network, whatever runs it."""

    axes: Sequence[int]  # of each part of the state, that along which the texts lie

    def begin(self, batch: int) -> State:
        """Return the state before the first token of so many texts."""
        ...

    def step(self, ids: Ints, state: State) -> tuple[NDArray[Any], State]:
        """Map ids ``(batch, time)`` and a state to outputs ``(batch, time, width)`` and the state behind them."""
        ...


class GraphSteps:
    """A network that onnxruntime executes.

    :param graph: with inputs ``ids`` and ``state0`` …, outputs ``outputs`` and ``state0_after`` ….
    :param shapes: of each part of the state, -1 for the batch.
    """

    def __init__(self, graph: Graph, shapes: Sequence[Sequence[int]]) -> None:
        self._graph, self._shapes = graph, shapes
        self.axes: Sequence[int] = [list(shape).index(-1) for shape in shapes]
        self._names = [f"state{position}" for position in range(len(shapes))]

    def begin(self, batch: int) -> State:
        """Return zeros."""
        return [np.zeros([batch if size < 0 else size for size in shape], np.float32) for shape in self._shapes]

    def step(self, ids: Ints, state: State) -> tuple[NDArray[Any], State]:
        """Map ids ``(batch, time)`` and a state to outputs ``(batch, time, width)`` and the state behind them."""
        outputs, *after = self._graph.run_all(ids=ids, **dict(zip(self._names, state, strict=True)))
        return outputs, after


class TorchSteps:
    """A network that torch executes, where it is.

    :param network: a `nlpkit.tasks.generate.network.LanguageModel`.
    """

    def __init__(self, network: Any) -> None:
        self._network, self._device = network, next(iter(network.state_dict().values())).device
        with self._device:
            self.axes: Sequence[int] = network.axes()

    def begin(self, batch: int) -> State:
        """Return what the network says."""
        with self._device:
            return [tensor.cpu().numpy() for tensor in self._network.begin(batch)]

    def step(self, ids: Ints, state: State) -> tuple[NDArray[Any], State]:
        """Map ids ``(batch, time)`` and a state to outputs ``(batch, time, width)`` and the state behind them."""
        import torch

        training = self._network.training
        with torch.inference_mode(), self._device:
            outputs, *after = self._network.eval()(*(torch.as_tensor(np.asarray(part)) for part in (ids, *state)))
        self._network.train(training)
        return outputs.cpu().numpy(), [tensor.cpu().numpy() for tensor in after]


class WritingNetwork:
    """A network that reads tokens, and a decoder that reads from its outputs what comes next."""

    def __init__(self, vocabulary: TableVocabulary, steps: Steps, decoder: Decoder) -> None:
        self.axes = steps.axes
        self._size, self._steps, self._decoder = len(vocabulary), steps, decoder

    def begin(self, batch: int) -> State:
        """Return the state before the first token of so many texts."""
        return self._steps.begin(batch)

    def read(self, ids: Ints, state: State) -> tuple[Logits, State]:
        """Map ids ``(batch, time)`` to logits ``(batch, ids - 1)`` of what follows the last, and the state behind."""
        outputs, after = self._steps.step(ids, state)
        return self._logits(outputs[:, -1]), after

    def score(self, ids: Ints, state: State) -> tuple[Chances, State]:
        """Map ids ``(batch, time + 1)`` to the probability of each but the first, given those before it.

        The state that comes back is that before the last id.
        """
        outputs, after = self._steps.step(ids[:, :-1], state)
        logits = self._logits(outputs.reshape(-1, outputs.shape[-1]))
        right = np.take_along_axis(logits, ids[:, 1:].reshape(-1, 1) - UNKNOWN, 1)
        return np.exp(right - log_sum(logits), dtype=np.float64).reshape(len(ids), -1), after

    def _logits(self, outputs: NDArray[Any]) -> Logits:
        """Map outputs ``(n, width)`` to logits ``(n, ids - 1)``."""
        logits = self._decoder.logits(outputs)
        if logits.shape[1] != self._size - 1:
            raise ValueError(f"{logits.shape[1]} logits for {self._size - 1} tokens")
        return logits


def open_member(bundle: Bundle, entry: dict[str, Any], vocabulary: TableVocabulary) -> WritingMember:
    """Make the member that an entry of config.json describes.

    :raises MissingPlugin: if its output embedding is not installed.
    :raises MissingExtra: if it needs torch, which is not installed.
    :raises BundleError: if its files are damaged.
    """
    with bundle.report_damage(CONFIG):
        name, kind = str(entry["name"]), entry["kind"]
        if kind not in ("network", "ngrams"):
            raise ValueError(f"the member {name} is of the unknown kind {kind!r}")
    with bundle.report_damage(f"{name}/{ARRAYS}"):
        arrays = load_arrays(bundle.read(f"{name}/{ARRAYS}"))
        if kind == "ngrams":
            return NgramMember(arrays, vocabulary)
        decoder = open_decoder(entry["output"], arrays, len(vocabulary) - UNKNOWN)
    with bundle.report_damage(CONFIG):
        return WritingNetwork(vocabulary, _open_steps(bundle, entry, vocabulary), decoder)


def _open_steps(bundle: Bundle, entry: dict[str, Any], vocabulary: Vocabulary) -> Steps:
    if entry["runtime"] not in ("graph", "torch"):
        raise ValueError(f"the runtime {entry['runtime']!r:.40} is unknown")
    if entry["runtime"] == "graph":
        return GraphSteps(open_graph(bundle, entry["name"]), [_check_shape(shape) for shape in entry["state"]])
    require_torch(bundle, entry["name"])  # the one way by which inference needs it
    from nlpkit.tasks.generate.network import restore

    return TorchSteps(restore(bundle, entry, vocabulary))


def _check_shape(shape: Any) -> list[int]:
    """Check the shape of a part of the state, -1 for the batch."""
    whole = isinstance(shape, list) and all(type(size) is int for size in shape)
    if not whole or shape.count(-1) != 1 or not all(size == -1 or 0 < size <= MOST_STATE for size in shape):
        raise ValueError(f"a part of the state has the shape {shape!r:.60}")
    if math.prod(map(abs, shape)) > MOST_STATE:
        raise ValueError(f"a part of the state has the shape {shape!r:.60}, of too many numbers")
    return list(shape)
