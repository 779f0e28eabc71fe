"""What the checks of torch modules have in common: comparisons, gradients, weights through files, exported graphs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nlpkit.model.bundle import GRAPH
from nlpkit.model.graphs import Graph
from nlpkit.model.network import Network, dump_weights, load_weights
from nlpkit.testing.discovery import Subject
from nlpkit.testing.kit import CheckError
from nlpkit.training.export import export_graph, make_example

NEAR = 1e-4  # a difference that another order of additions explains
SEED = 20_000


def check_near(numbers: Tensor, expected: Tensor, says: str) -> None:
    """Refuse numbers that differ by more than rounding does.

    :param says: what they should be and what to do, behind "a number … differs by 0.1: ".
    """
    if numbers.shape != expected.shape:
        raise CheckError(f"shape {tuple(numbers.shape)} was found, {tuple(expected.shape)} was expected: {says}")
    if not numbers.numel():
        return
    difference, largest = float((numbers - expected).detach().abs().max()), float(expected.detach().abs().max())
    if not difference <= NEAR * max(1.0, largest):
        raise CheckError(f"numbers differ by up to {difference:.3g}: {says}")


def check_numbers(numbers: object, shape: Sequence[int], what: str) -> None:
    """Refuse what is no tensor of finite float32 numbers of this shape."""
    if not isinstance(numbers, Tensor):
        raise CheckError(f"{what} are a {type(numbers).__name__}, where a tensor was expected")
    if tuple(numbers.shape) != tuple(shape):
        raise CheckError(f"{what} have shape {tuple(numbers.shape)}, where {tuple(shape)} was expected")
    if numbers.dtype != torch.float32:
        raise CheckError(f"{what} are {numbers.dtype}, where torch.float32 was expected: convert them")
    if not numbers.isfinite().all():
        raise CheckError(f"{what} hold NaN or infinity: see to rows without a token, whose mask is false everywhere")


def check_same_seed(run: Callable[[], Tensor], when: str) -> None:
    """Refuse what is not the same twice under one seed of torch, the only one that a run sets."""
    torch.manual_seed(SEED)
    first = run()
    torch.manual_seed(SEED)
    check_near(run(), first, f"{when}, the same seed gives the same; draw by torch, from its own generator")


def copy_through_file(module: nn.Module, again: nn.Module) -> None:
    """Put the weights of one module into another by way of a file.

    :raises CheckError: if they cannot be saved, or do not fit.
    """
    try:
        load_weights(again, dump_weights(module))
    except (RuntimeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise CheckError(f"weights as saved do not fit what is made for them: {text[:300]}") from error


def copy_through_json(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config as a saved model has it."""
    found: dict[str, Any] = json.loads(json.dumps(config))
    return found


def list_variants(subject: Subject) -> Iterator[tuple[Subject, bool]]:
    """Return a component as it is, or frozen and not if it has that option; and whether it should be frozen."""
    option = subject.component.options().get("frozen")
    if option is None or not isinstance(option.default, bool):
        yield subject, False
        return
    for frozen in (True, False):
        settings = {**subject.settings, subject.name: {**subject.options, "frozen": frozen}}
        yield replace(subject, settings=settings), frozen


def check_gradients(module: nn.Module, run: Callable[[], Tensor], *, frozen: bool = False) -> None:
    """Refuse a parameter that requires a gradient and gets none, or should require none.

    :param run: gives numbers of any shape that depend on the parameters.
    """
    trainable = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    if frozen and trainable:
        raise CheckError(
            f"{next(iter(trainable))} requires a gradient though all is frozen: call requires_grad_(False)"
        )
    module.zero_grad()
    numbers = run()
    if trainable and not numbers.requires_grad:
        raise CheckError(f"no gradient can reach {next(iter(trainable))}: neither detach nor no_grad may cut it off")
    if numbers.requires_grad:
        (numbers * torch.randn_like(numbers)).sum().backward()  # type: ignore[no-untyped-call]
    for name, parameter in trainable.items():
        if parameter.grad is None or not parameter.grad.any():
            raise CheckError(f"no gradient reaches {name}: use it, or say that it requires none")
        if not parameter.grad.isfinite().all():
            raise CheckError(f"the gradient of {name} is NaN or infinite: see to rows without a token")


def check_export(network: Network, batches: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Refuse a network of which the exported graph is not to be had, or says something else.

    :param batches: ids ``(batch, time)``, or as many as a token has ``(batch, time, pieces)``, and masks.
    """
    _fill_zeros(network)
    graph = make_graph(network.eval(), make_example(pieces=network.embedding.subwords), "logits")
    for ids, mask in batches:
        with torch.inference_mode():
            expected = network(ids, mask)
        _check_graph(graph, "logits", expected, ids=ids.numpy(), mask=mask.numpy())


def check_layer_export(layer: nn.Module, batches: Sequence[Tensor]) -> None:
    """As `check_export`, of a module of features ``(n, input_dim)``."""
    graph = make_graph(layer.eval(), {"features": batches[0]}, "outputs", {"features": [0]})
    for features in batches:
        with torch.inference_mode():
            expected = layer(features)
        _check_graph(graph, "outputs", expected, features=features.numpy())


def make_graph(
    module: nn.Module, inputs: Mapping[str, Tensor], output: str, free: Mapping[str, Sequence[int]] | None = None
) -> Graph:
    """Return a module as inference runs it.

    :raises CheckError: if torch cannot export it.
    """
    runtime, files = export_graph(module, inputs, [output], "float32", free)
    if runtime != "graph":
        raise CheckError(
            "torch.onnx.export refuses it with free batch and length, so that scoring would need torch: take no branch "
            "on what is in a tensor, and no packed sequences"
        )
    return Graph(files[GRAPH], "the exported graph")


def _check_graph(graph: Graph, output: str, expected: Tensor, **inputs: NDArray[Any]) -> None:
    numbers = torch.from_numpy(np.asarray(graph.run(output, **inputs)))
    shape = tuple(next(iter(inputs.values())).shape)
    check_near(numbers, expected, f"the exported graph, given rows of shape {shape}, says what torch does")


def _fill_zeros(network: nn.Module) -> None:
    """Draw weights that begin as zeros, with which everything agrees."""
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_()
