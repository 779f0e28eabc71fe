"""What torch computes, computed by hand in numpy: gradients, steps of optimizers, cells of recurrent networks.

All of it in double precision, and written as the formulas stand; so that what differs is rounding, or a fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array: TypeAlias = NDArray[np.float64]
Step: TypeAlias = Callable[[Array, Array], Array]  # a weight and its gradient to the weight after the step
ROUNDING = 64 * float(np.finfo(np.float64).eps)  # of a number, after as many operations as are made here
STEPS = 5  # of an optimizer: momentum shows at the second
ROWS, TIME, DIM, HIDDEN = 4, 6, 3, 5
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


@dataclass(frozen=True)
class Difference:
    """One thing that was computed in two ways.

    :param greatest: difference between two numbers, in shares of the greatest number of all, or of 1 if that is more.
    """

    what: str
    numbers: int
    greatest: float

    @property
    def is_rounding(self) -> bool:
        """Whether rounding explains it."""
        return self.greatest <= ROUNDING


def compare_all(seed: int = 0) -> Iterator[Difference]:
    """Compute everything by hand and by torch, on numbers that a seed draws."""
    draw = np.random.default_rng(seed)
    yield _compare("sigmoid, squared error: gradient", *_differentiate_sigmoid(draw))
    for name, (rule, kind, options) in OPTIMIZERS.items():
        yield _compare(f"{name}: {STEPS} steps", *_take_steps(draw, rule(**options), partial(kind, **options)))
    for name in GATES:
        outputs, gradients = _run_cell(name, draw)
        yield _compare(f"{name}: {TIME} states", *outputs)
        yield _compare(f"{name}: gradients through {TIME} steps", *gradients)


def _compare(what: str, by_hand: Mapping[str, Array], by_torch: Mapping[str, Array]) -> Difference:
    assert by_hand.keys() == by_torch.keys()
    scale = max(1.0, *(float(np.abs(found).max()) for found in by_torch.values()))
    greatest = max(float(np.abs(by_hand[name] - by_torch[name]).max()) for name in by_hand)
    return Difference(what, sum(found.size for found in by_hand.values()), greatest / scale)


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + e^-x)."""
    return np.asarray(1 / (1 + np.exp(-x)))


def _differentiate_sigmoid(draw: np.random.Generator) -> tuple[dict[str, Array], dict[str, Array]]:
    """Differentiate the mean of (y - t)² with y = σ(x W + b); dy/dz = y (1 - y)."""
    x, w, b, t = draw.normal(size=(ROWS, DIM)), draw.normal(size=(DIM, 2)), draw.normal(size=2), draw.random((ROWS, 2))
    y = sigmoid(x @ w + b)
    dz = 2 * (y - t) / t.size * y * (1 - y)
    by_hand = {"loss": np.array(((y - t) ** 2).mean()), "w": x.T @ dz, "b": dz.sum(0), "x": dz @ w.T}
    tensors = {"w": _variable(w), "b": _variable(b), "x": _variable(x)}
    loss = (torch.sigmoid(tensors["x"] @ tensors["w"] + tensors["b"]) - torch.from_numpy(t)).square().mean()
    return by_hand, {"loss": loss.detach().numpy(), **_gradients(loss, tensors)}


def momentum(*, lr: float, momentum: float) -> Step:
    """Take v = μ v + g, from v = g on; w = w - η v (as torch has it, which multiplies all of v by the rate)."""
    v: Array | None = None

    def step(w: Array, g: Array) -> Array:
        nonlocal v
        v = g if v is None else momentum * v + g
        return w - lr * v

    return step


def adam(*, lr: float, betas: tuple[float, float], eps: float = 1e-8, amsgrad: bool = False) -> Step:
    """Take the means m of g and v of g², without their bias to 0; w = w - η m / (√v + ε).

    With ``amsgrad``, v is the greatest that it has ever been (Reddi et al. 2018).
    """
    m, v, most, t = np.zeros(1), np.zeros(1), np.zeros(1), 0

    def step(w: Array, g: Array) -> Array:
        nonlocal m, v, most, t
        t += 1
        m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g * g
        most = np.maximum(most, v) if amsgrad else v
        return np.asarray(w - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(most / (1 - betas[1] ** t)) + eps))

    return step


def adadelta(*, lr: float, rho: float, eps: float = 1e-6) -> Step:
    """Take d = √(u + ε) / √(v + ε) g, with means v of g² and u of d²; w = w - η d (Zeiler 2012)."""
    u, v = np.zeros(1), np.zeros(1)

    def step(w: Array, g: Array) -> Array:
        nonlocal u, v
        v = rho * v + (1 - rho) * g * g
        d = np.sqrt(u + eps) / np.sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d * d
        return np.asarray(w - lr * d)

    return step


OPTIMIZERS: Mapping[str, tuple[Callable[..., Step], Callable[..., torch.optim.Optimizer], Mapping[str, Any]]] = {
    "SGD, momentum": (momentum, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "Adam": (adam, torch.optim.Adam, {"lr": 0.01, "betas": (0.9, 0.999)}),
    "Adam, amsgrad": (adam, torch.optim.Adam, {"lr": 0.01, "betas": (0.9, 0.999), "amsgrad": True}),
    "Adadelta": (adadelta, torch.optim.Adadelta, {"lr": 1.0, "rho": 0.9}),
}


def _take_steps(
    draw: np.random.Generator, step: Step, make: Callable[[list[Tensor]], torch.optim.Optimizer]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Let both take the same gradients, which grow smaller as in a run."""
    start = draw.normal(size=(DIM, HIDDEN))
    w, tensor = start, _variable(start)
    optimizer = make([tensor])
    by_hand, by_torch = {}, {}
    for at in range(STEPS):
        gradient = draw.normal(size=start.shape) / (1 + at)
        w, tensor.grad = step(w, gradient), torch.from_numpy(gradient.copy())
        optimizer.step()
        by_hand[f"{at}"], by_torch[f"{at}"] = w, tensor.detach().numpy().copy()
    return by_hand, by_torch


Pair: TypeAlias = tuple[dict[str, Array], dict[str, Array]]  # by hand, by torch


def _run_cell(kind: str, draw: np.random.Generator) -> tuple[Pair, Pair]:
    """Read some rows by a cell, and go back through time from a loss in which every state has a weight of its own."""
    rows = GATES[kind] * HIDDEN
    shapes = {"weight_ih_l0": (rows, DIM), "weight_hh_l0": (rows, HIDDEN), "bias_ih_l0": (rows,), "bias_hh_l0": (rows,)}
    weights = {name: draw.normal(size=shape) / 2 for name, shape in shapes.items()}
    x, asked = draw.normal(size=(TIME, ROWS, DIM)), draw.normal(size=(TIME, ROWS, HIDDEN))
    states, gradients = CELLS[kind](weights, x, asked)
    module: nn.Module = getattr(nn, kind)(DIM, HIDDEN).double()
    module.load_state_dict({name: torch.from_numpy(weight) for name, weight in weights.items()})
    inputs = _variable(x)
    found = module(inputs)[0]
    tensors = {"x": inputs, **dict(module.named_parameters())}
    by_torch = _gradients((found * torch.from_numpy(asked)).sum(), tensors)
    return ({"h": states}, {"h": found.detach().numpy()}), (gradients, by_torch)


Cell: TypeAlias = Callable[[Mapping[str, Array], Array, Array], tuple[Array, dict[str, Array]]]


class Backwards:
    """Adds up the gradients of a cell's weights, step by step from the last."""

    def __init__(self, weights: Mapping[str, Array], x: Array) -> None:
        self._weights, self._x = weights, x
        self.gradients = {name: np.zeros_like(weight) for name, weight in weights.items()} | {"x": np.zeros_like(x)}

    def add(self, at: int, before: Array, inward: Array, across: Array) -> Array:
        """Add a step's, and return what reaches the state before it through ``across``.

        :param inward: gradients of W x + b ``(rows, gates)``.
        :param across: those of U h + c ``(rows, gates)``, the same unless a gate stands between.
        """
        self.gradients["weight_ih_l0"] += inward.T @ self._x[at]
        self.gradients["bias_ih_l0"] += inward.sum(0)
        self.gradients["weight_hh_l0"] += across.T @ before
        self.gradients["bias_hh_l0"] += across.sum(0)
        self.gradients["x"][at] = inward @ self._weights["weight_ih_l0"]
        return np.asarray(across @ self._weights["weight_hh_l0"])


def _drive(weights: Mapping[str, Array], x: Array, h: Array) -> tuple[Array, Array]:
    """Return W x + b and U h + c ``(rows, gates)``."""
    return (
        x @ weights["weight_ih_l0"].T + weights["bias_ih_l0"],
        h @ weights["weight_hh_l0"].T + weights["bias_hh_l0"],
    )


def run_rnn(weights: Mapping[str, Array], x: Array, asked: Array) -> tuple[Array, dict[str, Array]]:
    """h' = tanh(W x + b + U h + c).

    Return states ``(time, rows, hidden)``, and the gradients of their sum weighted by ``asked``.
    """
    h = [np.zeros(asked.shape[1:])]
    for step in x:
        h.append(np.tanh(sum(_drive(weights, step, h[-1]))))
    back, dh = Backwards(weights, x), np.zeros_like(h[0])
    for at in reversed(range(len(x))):
        dz = (dh + asked[at]) * (1 - h[at + 1] ** 2)
        dh = back.add(at, h[at], dz, dz)
    return np.stack(h[1:]), back.gradients


def run_lstm(weights: Mapping[str, Array], x: Array, asked: Array) -> tuple[Array, dict[str, Array]]:
    """i, f, o = σ(…), g = tanh(…); c' = f c + i g; h' = o tanh(c')."""
    h, c, gates = [np.zeros(asked.shape[1:])], [np.zeros(asked.shape[1:])], []
    for step in x:
        i, f, g, o = np.split(sum(_drive(weights, step, h[-1])), 4, 1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        c.append(f * c[-1] + i * g)
        h.append(o * np.tanh(c[-1]))
        gates.append((i, f, g, o))
    back, dh, dc = Backwards(weights, x), np.zeros_like(h[0]), np.zeros_like(h[0])
    for at in reversed(range(len(x))):
        (i, f, g, o), dh, wide = gates[at], dh + asked[at], np.tanh(c[at + 1])
        dc = dc + dh * o * (1 - wide**2)
        parts = [dc * g * i * (1 - i), dc * c[at] * f * (1 - f), dc * i * (1 - g**2), dh * wide * o * (1 - o)]
        dz, dc = np.concatenate(parts, 1), dc * f
        dh = back.add(at, h[at], dz, dz)
    return np.stack(h[1:]), back.gradients


def run_gru(weights: Mapping[str, Array], x: Array, asked: Array) -> tuple[Array, dict[str, Array]]:
    """r, z = σ(…), n = tanh(W x + b + r (U h + c)); h' = (1 - z) n + z h."""
    h, gates = [np.zeros(asked.shape[1:])], []
    for step in x:
        (ri, zi, ni), (rh, zh, nh) = (np.split(drive, 3, 1) for drive in _drive(weights, step, h[-1]))
        r, z = sigmoid(ri + rh), sigmoid(zi + zh)
        n = np.tanh(ni + r * nh)
        h.append((1 - z) * n + z * h[-1])
        gates.append((r, z, n, nh))
    back, dh = Backwards(weights, x), np.zeros_like(h[0])
    for at in reversed(range(len(x))):
        (r, z, n, nh), dh = gates[at], dh + asked[at]
        dn = dh * (1 - z) * (1 - n**2)
        dr, dz = dn * nh * r * (1 - r), dh * (h[at] - n) * z * (1 - z)
        inward, across = np.concatenate([dr, dz, dn], 1), np.concatenate([dr, dz, dn * r], 1)
        dh = dh * z + back.add(at, h[at], inward, across)
    return np.stack(h[1:]), back.gradients


CELLS: Mapping[str, Cell] = {"RNN": run_rnn, "LSTM": run_lstm, "GRU": run_gru}


def _variable(value: Array) -> Tensor:
    return torch.from_numpy(value.copy()).requires_grad_()


def _gradients(loss: Tensor, tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    found = torch.autograd.grad(loss, list(tensors.values()))
    return {name: gradient.numpy() for name, gradient in zip(tensors, found, strict=True)}
