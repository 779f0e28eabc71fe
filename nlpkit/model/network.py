"""The network of a member: embedding, encoder, head; as it is trained, and as torch runs it where nothing else can."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn
from torch.nn import functional

from nlpkit.errors import SettingError
from nlpkit.model.bundle import WEIGHTS, Bundle, origin_of
from nlpkit.model.head_settings import HeadSettings
from nlpkit.model.numbers import check_weights
from nlpkit.plugins.base import Embedding, Encoder
from nlpkit.plugins.registry import registry
from nlpkit.text.vocabulary import Vocabulary

_LOW = -1e9


class Network(nn.Module):
    """Ids to logits.

    :param embedding: its ``build`` or ``fit`` has been called.
    """

    def __init__(self, embedding: Embedding, encoder: Encoder, head: Head) -> None:
        super().__init__()
        self.embedding, self.encoder, self.head = embedding, encoder, head

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids and mask ``(batch, time)``, the mask true at tokens, to logits ``(batch, labels)``.

        Ids are ``(batch, time, pieces)`` for an embedding that says ``subwords``.
        """
        vectors = self.embedding(ids, mask)  # (batch, time, dim)
        states, _ = self.encoder(vectors, mask)  # (batch, time, output_dim)
        return self.head(states, mask)  # type: ignore[no-any-return]


class VectorNetwork(nn.Module):
    """Vectors to logits: what of a network learns where its embedding does not, and all there is of one fed numbers.

    :param upper: what of the embedding learns, if it is but a part of it: maps vectors and mask to vectors.
    """

    def __init__(self, encoder: Encoder, head: Head, upper: nn.Module | None = None) -> None:
        super().__init__()
        self.upper, self.encoder, self.head = upper, encoder, head

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Vectors ``(batch, time, dim)`` and mask ``(batch, time)`` to logits ``(batch, labels)``."""
        if self.upper is not None:
            vectors = self.upper(vectors, mask)
        states, _ = self.encoder(vectors, mask)
        return self.head(states, mask)  # type: ignore[no-any-return]


class BatchNorm(nn.BatchNorm1d):
    """Batch norm of rows (Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167); one alone, which has no variance,
    is normalised as outside training.
    """

    def forward(self, rows: Tensor) -> Tensor:
        """Rows ``(batch, dim)`` to the same shape."""
        if self.training and len(rows) > 1:
            return super().forward(rows)
        return functional.batch_norm(rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class Standardisation(nn.Module):
    """Shifts and scales numbers by what they were like before the first step; nothing of it is trained."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def forward(self, rows: Tensor) -> Tensor:
        """Rows ``(batch, dim)`` to the same shape."""
        return (rows - self.shift) * self.scale

    def fit(self, rows: Tensor) -> None:
        """Let the columns of such rows ``(rows, dim)`` have mean 0 and variance 1; one that is constant is shifted."""
        deviation, mean = torch.std_mean(rows, 0, correction=0)
        self.shift.copy_(mean)
        self.scale.copy_(torch.where(deviation > 0, 1 / deviation, 1.0))


def _make_norm(name: str, dim: int) -> list[nn.Module]:
    """Make the layer that a setting names; none if it names none."""
    match name:
        case "layer":
            return [nn.LayerNorm(dim)]
        case "batch":
            return [BatchNorm(dim)]
        case _:
            return []


class Head(nn.Module):
    """Pooling over the states under the mask, then one or two linear layers.

    :param directions: two where the first half of each state's numbers was read forwards and the second backwards.
    """

    def __init__(self, settings: HeadSettings, *, input_dim: int, labels: int, directions: int = 1) -> None:
        super().__init__()
        self.poolings = settings.pooling.split("+")
        self.directions = directions
        if not settings.projection and (settings.hidden or input_dim != labels):
            raise SettingError(
                "head.projection=false wants hidden 0 and states of {labels} (labels), was: {input_dim}",
                labels=labels,
                input_dim=input_dim,
            )
        self.config: dict[str, Any] = asdict(settings)
        if directions == 2 and "last" in self.poolings:
            self.config["directions"] = directions  # models without the key took both halves at the last token
        self.attention = nn.Linear(input_dim, 1) if "attention" in self.poolings else None
        input_dim *= len(self.poolings)
        self.bias = None if settings.projection else nn.Parameter(torch.zeros(labels))
        self.standardisation = Standardisation(input_dim) if settings.standardised else None
        layers: list[nn.Module] = [nn.Dropout(settings.dropout)]
        if settings.hidden:
            norm = _make_norm(settings.norm, settings.hidden)
            layers += [nn.Linear(input_dim, settings.hidden), *norm, nn.ReLU(), nn.Dropout(settings.dropout)]
            input_dim = settings.hidden
        layers.append(last := nn.Linear(input_dim, labels))
        if settings.standardised:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*layers) if settings.projection else nn.Sequential()

    @classmethod
    def of_encoder(cls, encoder: Encoder, settings: HeadSettings, *, labels: int) -> Head:
        """Make a new head on the states of an encoder."""
        return cls(settings, input_dim=encoder.output_dim, labels=labels, directions=encoder.directions)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], *, input_dim: int, labels: int) -> Head:
        """Make a head again as config.json records it.

        :raises TypeError: or ValueError, for what no head records.
        """
        settings = {name: value for name, value in config.items() if name != "directions"}
        if (directions := config.get("directions", 1)) not in (1, 2) or input_dim % directions:
            raise ValueError(f"the head has no directions {directions!r}: expected 1, or 2 halves of a state")
        return cls(HeadSettings(**settings), input_dim=input_dim, labels=labels, directions=directions)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """States ``(batch, time, dim)`` and mask ``(batch, time)`` to logits ``(batch, labels)``."""
        pooled = self.pool(states, mask)
        if self.standardisation is not None:
            pooled = self.standardisation(pooled)
        logits = self.layers(pooled)
        return logits if self.bias is None else logits + self.bias  # type: ignore[no-any-return]

    def pool(self, states: Tensor, mask: Tensor) -> Tensor:
        """States ``(batch, time, dim)`` to vectors ``(batch, dim * poolings)``; zero for a row without tokens."""
        return torch.cat([self._pool(pooling, states, mask) for pooling in self.poolings], 1)

    def _pool(self, pooling: str, states: Tensor, mask: Tensor) -> Tensor:
        present = mask[:, :, None]
        lengths = mask.sum(1, keepdim=True).clamp(min=1)  # (batch, 1)
        match pooling:
            case "last":
                return self._last(states * present, lengths)
            case "max":
                return states.masked_fill(~present, _LOW).amax(1) * mask.any(1, keepdim=True)
            case "attention":
                assert self.attention is not None
                scores = self.attention(torch.tanh(states)).masked_fill(~present, _LOW)  # (batch, time, 1)
                return (torch.softmax(scores, 1) * states * present).sum(1)
            case "mean":
                return (states * present).sum(1) / lengths
            case "sqrtn":
                return (states * present).sum(1) / lengths.to(states.dtype).sqrt()
            case _:
                return (states * present).sum(1)

    def _last(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Return what has read the whole text: the last state; of two directions, half of it and half of the first."""
        at = (lengths - 1)[:, :, None].expand(-1, -1, states.shape[2])
        last = states.gather(1, at)[:, 0]  # (batch, dim)
        if self.directions == 1:
            return last
        half = states.shape[2] // 2
        return torch.cat([last[:, :half], states[:, 0, half:]], 1)


def restore(bundle: Bundle, entry: Mapping[str, Any], vocabulary: Vocabulary, outputs: int) -> Network:
    """Make a saved member's network again, with the weights as saved.

    :param outputs: how many numbers answer a text.
    :raises MissingPlugin: if a component is not installed.
    :raises BundleError: if the weights are missing or do not fit.
    """
    path = f"{entry['name']}/{WEIGHTS}"
    with bundle.report_damage(path):
        network = remake_network(entry, vocabulary, outputs)
        load_weights(network, bundle.read(path))
    return network.eval()


def remake_network(entry: Mapping[str, Any], vocabulary: Vocabulary, outputs: int) -> Network:
    """Make a saved member's network again, without its weights.

    :raises MissingPlugin: if a component is not installed.
    :raises ValueError: or KeyError or TypeError, if the entry is damaged.
    """
    embedding = remake("embedding", entry)
    embedding.build(vocabulary)
    encoder = remake("encoder", entry, input_dim=embedding.dim)
    head = Head.from_config(entry["head"], input_dim=encoder.output_dim, labels=outputs)
    return Network(embedding, encoder, head)


def run_of(network: Network) -> Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]:
    """Return a function of ids and mask ``(batch, time)`` that gives logits ``(batch, labels)``, by torch."""

    def run(ids: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(ids), torch.from_numpy(mask)))

    return run


def remake(kind: str, entry: Mapping[str, Any], **fixed: Any) -> Any:
    """Make a component as config.json records it; of its options only such as it records itself, which are no paths.

    :param entry: of a member.
    :param fixed: what the factory is given besides options.
    :raises MissingPlugin: if it is not installed.
    :raises ValueError: for any other option.
    """
    component = registry().need(kind, *origin_of(entry[kind]))
    config = component.rename(entry[kind]["config"])
    part = component.create(config, **fixed)
    if unknown := sorted(set(config) - set(part.config)):
        raise ValueError(f"the {kind} has no option {unknown[0]!r}")
    return part


def load_weights(network: nn.Module, data: bytes) -> None:
    """Put saved weights in.

    :raises ValueError: if they are damaged, or do not fit.
    """
    try:
        network.load_state_dict(weights := load_tensors(data))
    except (RuntimeError, SafetensorError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    for name, tensor in weights.items():
        numbers = tensor.float() if tensor.dtype == torch.bfloat16 else tensor  # numpy has no bfloat16
        check_weights(f"the weights {name}", numbers.numpy())


def dump_weights(network: nn.Module) -> bytes:
    """Return weights as `load_weights` reads them."""
    return save_tensors({k: v.contiguous() for k, v in network.state_dict().items()})
