"""Trained networks as a file holds them: what each is made of, as JSON, and its weights, as safetensors; no pickle.

One file has all networks of a diagnosis, so that it is written whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nlpkit import DataError, Encoder, NlpkitError
from nlpkit.model import Head, Network, VectorNetwork, dump_weights, load_weights, remake
from nlpkit.text import Tokens, load_vocabulary
from nlpkit.training import Rows, logits_of, make_component
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor, nn

from nlpkit_diagnose.series import SeriesNetwork, run_on
from nlpkit_diagnose.task import NETWORKS

RECORDS = "networks"  # the key of the file's metadata under which all records stand


@dataclass(frozen=True)
class SavedNetwork:
    """A trained network, ready to be written.

    :param record: what it is made of, and which trial it is from: JSON.
    :param weights: by their names.
    """

    record: Mapping[str, Any]
    weights: Mapping[str, Tensor]

    @classmethod
    def of(cls, network: nn.Module, record: Mapping[str, Any]) -> SavedNetwork:
        """Take a network as it is now; what becomes of it later changes nothing."""
        return cls(record, load(dump_weights(network)))


def dump_networks(networks: Mapping[str, SavedNetwork]) -> bytes:
    """Return networks, by the names of their trials, as `load_networks` reads them."""
    records = [{"name": name, **saved.record} for name, saved in networks.items()]
    weights = {
        f"{position}.{name}": tensor
        for position, saved in enumerate(networks.values())
        for name, tensor in saved.weights.items()
    }
    return save(weights, {RECORDS: json.dumps(records, ensure_ascii=False, allow_nan=False)})


def load_networks(path: Path) -> dict[str, SavedNetwork]:
    """Read the networks of a file by the names of their trials.

    :raises DataError: if it cannot be read, or is damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            records = json.loads(file.metadata()[RECORDS])
            found: list[dict[str, Tensor]] = [{} for _ in records]
            for whole in file.keys():  # noqa: SIM118 (it is no mapping)
                position, name = whole.split(".", 1)
                found[int(position)][name] = file.get_tensor(whole)
        return {record["name"]: SavedNetwork(record, weights) for record, weights in zip(records, found, strict=True)}
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError("{path} cannot be read: {reason}", path=path, reason=reason) from error
    except (SafetensorError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError("{path} is damaged ({error}): diagnose again", path=path, error=error) from error


def read_networks(folder: Path) -> dict[str, SavedNetwork]:
    """Read the networks of a finished diagnosis.

    :raises DataError: if the folder holds none.
    """
    path = folder / NETWORKS
    if not path.is_file():
        raise DataError(
            "{folder} holds no networks: expected {name}, which `nlpkit diagnose TASK --output {folder}` writes",
            folder=folder,
            name=NETWORKS,
        )
    return load_networks(path)


class Restored:
    """A saved network that answers, one input at a time.

    :param facts: what its task has noted on how inputs are put to it, and what its answers mean.
    :raises NlpkitError: if it cannot be made again.
    """

    def __init__(self, saved: SavedNetwork) -> None:
        record = saved.record
        self.name: str = record["name"]
        try:
            self.facts: Mapping[str, Any] = record["facts"]
            self._vocabulary = (
                load_vocabulary(json.dumps(record["vocabulary"]).encode()) if record["shape"] == "strings" else None
            )
            self._network = self._make(record).eval()
            load_weights(self._network, save(dict(saved.weights)))
        except (ValueError, KeyError, TypeError) as error:
            raise NlpkitError(
                "the network {name} cannot be made again ({error}): diagnose again", name=self.name, error=error
            ) from error

    def _make(self, record: Mapping[str, Any]) -> nn.Module:
        """Compose the network without its weights."""
        parts, outputs = record["parts"], record["outputs"]
        if self._vocabulary is not None:
            embedding = remake("embedding", parts)
            embedding.build(self._vocabulary)
            encoder = remake("encoder", parts, input_dim=embedding.dim)
            return Network(embedding, encoder, _make_head(parts, encoder, outputs))
        encoder = remake("encoder", parts, input_dim=record["dim"])
        match record["shape"]:
            case "series":
                return SeriesNetwork(encoder, dim=record["dim"], outputs=outputs)
            case "numbers":
                return VectorNetwork(encoder, _make_head(parts, encoder, outputs))
            case shape:
                raise ValueError(f"the shape {shape!r} is unknown")

    def tell_probabilities(self, text: str) -> NDArray[np.float32]:
        """Return the probability of each label ``(labels,)`` of a string of symbols."""
        assert self._vocabulary is not None
        tokens = make_component("tokenizer", {"name": "char"}).instance.tokenize(text)
        rows = Rows.of(self._vocabulary.encode(Tokens.of([tokens])).rows(), np.zeros(1))
        return np.asarray(logits_of(self._network, rows)[0].softmax(0))

    def tell_numbers(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the numbers ``(outputs,)`` that answer vectors ``(time, dim)``."""
        return np.asarray(logits_of(self._network, Rows.of([vectors], np.zeros((1, 1))))[0])

    def run_on(self, points: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
        """Return so many steps ``(steps, dim)`` more of a series ``(time, dim)``, fed by its own answers."""
        assert isinstance(self._network, SeriesNetwork)
        return np.asarray(run_on(self._network, points[None], steps)[0])

    def tell_last(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of each label ``(labels,)`` at the last of some steps ``(time, dim)``."""
        with torch.inference_mode():
            outputs: Tensor = self._network(torch.from_numpy(vectors[None]))[0]
            found: NDArray[np.float32] = outputs[0, -1].softmax(0).numpy()
        return found


def _make_head(parts: Mapping[str, Any], encoder: Encoder, outputs: int) -> Head:
    return Head.from_config(parts["head"], input_dim=encoder.output_dim, labels=outputs)


def choose_network(
    networks: Mapping[str, SavedNetwork], name: str | None, near: Sequence[int] | None = None
) -> SavedNetwork:
    """Choose the network of a name or, where none is said, the one that did best on the validation rows.

    :param near: lengths of the inputs; of networks for several lengths those are looked at that come nearest.
    :raises DataError: naming those there are.
    """
    if name is not None:
        if name not in networks:
            raise DataError("there is no network {name!r}; there is: {names}", name=name, names=", ".join(networks))
        return networks[name]
    longest = max(near, default=0) if near else 0

    def rank(saved: SavedNetwork) -> tuple[float, float]:
        condition, judged = saved.record["condition"], saved.record["judged"]
        distance = abs(int(condition) - longest) if condition else 0
        return distance, float("inf") if judged is None else judged

    return min(networks.values(), key=rank)
