"""The torch halves of the built-in output embeddings; imported only where something is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nlpkit.components.codes import check_bits, choose_codes, count_collisions
from nlpkit.components.decoders import pack, unpack
from nlpkit.components.vectors import VectorFile
from nlpkit.errors import SettingError
from nlpkit.plugins.base import OutputLayer

ALL = 1 << 16  # words whose logits fit into memory for a whole batch
SKEW = 0.75  # exponent on counts by which negatives are drawn
SCALE = 0.5  # a code's log-likelihood is half its product with the logits of its bits, but for a constant


class WordSample(nn.Module):
    """Which words a batch's softmax is over: its own and negatives that it shares.

    A word's logit is lessened by the log of its chance to be among them (Jean et al. 2015,
    https://arxiv.org/abs/1412.2007), so that what is learnt are the logits over all words.

    :param size: negatives that are drawn, with replacement; 0 takes all words.
    """

    def __init__(self, words: int, size: int) -> None:
        super().__init__()
        self.size = size
        for name in ("shares", "chances"):
            self.register_buffer(name, torch.full((words,), 1 / words))
        self.shares: Tensor
        self.chances: Tensor

    def fit(self, counts: NDArray[Any]) -> None:
        """Draw words in proportion to their counts to the power of `SKEW`."""
        numbers = torch.from_numpy(np.maximum(counts, 1.0))
        self.shares.copy_(numbers / numbers.sum())
        self.chances.copy_(numbers**SKEW / (numbers**SKEW).sum())

    def choose(self, *, exact: bool) -> WordSample | None:
        """Return what a softmax is over: itself, or None for all words; of more than `ALL` it is itself either way."""
        return None if exact and len(self.chances) <= ALL else self

    def draw(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Targets ``(n,)`` to words ``(m,)``, sorted, and the log of each one's chance to be among them ``(m,)``."""
        drawn = torch.rand(self.size, device=targets.device)
        negatives = torch.searchsorted(self.chances.cumsum(0), drawn).clamp(max=len(self.chances) - 1)
        words = torch.unique(torch.cat((targets, negatives)))
        absent = self.size * torch.log1p(-self.chances[words]) + len(targets) * torch.log1p(-self.shares[words])
        return words, torch.log(-torch.expm1(absent))


class SoftmaxLayer(OutputLayer, nn.Module):
    """A vector and a bias for each word; see `nlpkit.components.outputs.softmax`."""

    def __init__(
        self,
        *,
        input_dim: int,
        words: int,
        dim: int,
        tied: bool,
        negatives: int,
        inputs: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        if tied and inputs is None:
            raise SettingError(
                "output.tied=true wants an embedding that can be shared, such as trainable, spelled or word2vec: "
                "choose one of these, or --set output.tied=false"
            )
        self.projection = nn.Linear(input_dim, (tied and _dim_of(inputs)) or dim)
        self.table = None if tied else nn.Parameter(torch.randn(words, dim) * 0.05)
        self._inputs = inputs if tied else None
        self.bias = nn.Parameter(torch.zeros(words))
        self.register_buffer("made_up", torch.zeros(words))
        self.made_up: Tensor
        self.sample = WordSample(words, negatives)

    def fit(
        self,
        words: Sequence[str],  # noqa: ARG002
        counts: NDArray[np.int64],
        kept: NDArray[Any],
        vectors: Tensor | None,  # noqa: ARG002
    ) -> None:
        """Let the biases be what is known without any context, the log of each word's share."""
        self.bias.data = log_share(counts * kept)
        self.made_up.copy_(torch.from_numpy(np.log(kept)))
        self.sample.fit(counts * kept)

    def forward(self, features: Tensor) -> Tensor:
        """Features ``(n, input_dim)`` to outputs ``(n, dim)``."""
        return self.projection(features)  # type: ignore[no-any-return]

    def loss(self, features: Tensor, targets: Tensor, *, exact: bool) -> Tensor:
        """Mean cross entropy in nats of features ``(n, input_dim)`` against words ``(n,)``."""
        return word_loss(self(features), self._rows, self.bias, targets, self.sample.choose(exact=exact))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the table ``(words, dim)`` as one byte a number, a scale a word, and the biases ``(words,)``."""
        table = self._rows(torch.arange(len(self.bias), device=self.bias.device)).detach().cpu().numpy()
        scale = np.maximum(np.abs(table).max(1, keepdims=True), 1e-12) / 127
        stored = {"table": np.round(table / scale).astype(np.int8), "scale": scale.astype(np.float32)}
        return stored | {"bias": (self.bias - self.made_up).detach().cpu().numpy()}

    def take(self, arrays: Mapping[str, NDArray[Any]]) -> bool:
        """Take the biases and, where it has one of its own, the table."""
        _put(self.bias, arrays["bias"], self.made_up)
        if self.table is not None:
            _put(self.table, arrays["table"] * arrays["scale"])
        return True

    def _rows(self, words: Tensor) -> Tensor:
        """Vectors ``(n, dim)`` of words ``(n,)``."""
        return self._inputs(words) if self.table is None else self.table[words]  # type: ignore[misc]


class CodeLayer(OutputLayer, nn.Module):
    """A logit for each bit of a word's code; see `nlpkit.components.outputs.binary_codes`."""

    def __init__(
        self,
        *,
        input_dim: int,
        words: int,
        source: str,
        bits: int,
        loss: str,
        negatives: int,
        prior: float,
        seed: int,
        vectors: str | None = None,
    ) -> None:
        super().__init__()
        self._source: dict[str, Any] = {"source": source, "bits": bits, "seed": seed}
        self._loss, self._prior = loss, prior
        self._file = None if vectors is None else VectorFile(vectors)
        if self._file:
            check_bits(source, self._file.dim, bits)
        self.projection = nn.Linear(input_dim, bits)
        self.register_buffer("codes", torch.zeros(words, bits, dtype=torch.bool))
        self.codes: Tensor
        self.bias = nn.Parameter(torch.zeros(words), requires_grad=loss == "softmax")
        self.register_buffer("made_up", torch.zeros(words))
        self.made_up: Tensor
        self.sample = WordSample(words, negatives)

    def fit(self, words: Sequence[str], counts: NDArray[np.int64], kept: NDArray[Any], vectors: Tensor | None) -> None:
        """Choose each word's code.

        :raises SettingError: if codes of vectors are asked for and there are none.
        """
        table = None if vectors is None else vectors.detach().numpy()
        if self._file is not None:
            table = _read_vectors(self._file, words)
        if table is None and self._source["source"] != "random":
            raise SettingError(
                "codes by {source} need vectors, which the embedding has none of: set "
                "output.vectors=FILE or output.source=random",
                source=self._source["source"],
            )
        table = np.zeros((len(words), 0)) if table is None else table
        codes = choose_codes(table, **self._source)
        self.collisions = count_collisions(codes)
        self.codes.copy_(torch.from_numpy(codes))
        if self._loss == "bce":  # bits are told one by one: no word is asked for more often than it is right
            self.bias.data = log_share(counts) * self._prior
        else:
            self.bias.data = log_share(counts * kept)
            self.made_up.copy_(torch.from_numpy(np.log(kept)))
        self.sample.fit(counts * kept)

    def forward(self, features: Tensor) -> Tensor:
        """Features ``(n, input_dim)`` to logits of bits ``(n, bits)``."""
        return self.projection(features)  # type: ignore[no-any-return]

    def loss(self, features: Tensor, targets: Tensor, *, exact: bool) -> Tensor:
        """Mean loss in nats of features ``(n, input_dim)`` against words ``(n,)``; a bit's, under bce."""
        bits = self(features)
        if self._loss == "bce":
            return functional.binary_cross_entropy_with_logits(bits, self.codes[targets].to(bits.dtype))
        return word_loss(bits, self._signs, self.bias, targets, self.sample.choose(exact=exact))

    def _signs(self, words: Tensor) -> Tensor:
        """Codes ``(n, bits)`` of words ``(n,)`` as they are multiplied with the logits."""
        return self.codes[words].to(self.bias.dtype) * (2 * SCALE) - SCALE

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the codes, packed, and a bias for each word."""
        scale = np.array(SCALE, dtype=np.float32)
        bias = (self.bias - self.made_up).detach().cpu().numpy()
        return {"codes": pack(self.codes.cpu().numpy()), "bias": bias, "scale": scale}

    def take(self, arrays: Mapping[str, NDArray[Any]]) -> bool:
        """Take the codes and the biases."""
        self.codes.copy_(torch.from_numpy(unpack(arrays["codes"], self.codes.shape[1])))
        _put(self.bias, arrays["bias"], self.made_up)
        return True


def _put(parameter: Tensor, values: NDArray[Any], more: Tensor | float = 0.0) -> None:
    """Put values into a parameter, and more to them."""
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values) + more)


def _dim_of(inputs: Callable[[Tensor], Tensor] | None) -> int | None:
    """Numbers in a vector of the input embedding, where that can be told."""
    return None if inputs is None else inputs(torch.zeros(1, dtype=torch.int64)).shape[1]


def word_loss(
    outputs: Tensor, rows: Callable[[Tensor], Tensor], bias: Tensor, targets: Tensor, sample: WordSample | None
) -> Tensor:
    """Mean cross entropy in nats of outputs ``(n, dim)`` against words ``(n,)``, in whose rows they are multiplied.

    :param rows: gives the rows ``(m, dim)`` of words ``(m,)``.
    :param sample: draws the words that the softmax is over; None takes all.
    """
    if sample is None or not sample.size:
        logits = functional.linear(outputs, rows(torch.arange(len(bias), device=bias.device))).float() + bias
        return functional.cross_entropy(logits, targets)
    words, chances = sample.draw(targets)
    logits = functional.linear(outputs, rows(words)).float() + (bias[words] - chances)
    return functional.cross_entropy(logits, torch.searchsorted(words, targets))


def log_share(counts: NDArray[Any]) -> Tensor:
    """Return the log of each word's share of all, one added to its count ``(words,)``."""
    smoothed = torch.from_numpy(counts + 1.0)
    return torch.log(smoothed / smoothed.sum()).float()


def _read_vectors(file: VectorFile, words: Sequence[str]) -> NDArray[np.float32]:
    """Read the file's vector of each word ``(words, dim)``, the mean of these where it has none."""
    vectors = dict(file.read(words))
    mean: NDArray[np.float32] = np.mean(list(vectors.values()), axis=0)
    return np.stack([vectors.get(position, mean) for position in range(len(words))])
