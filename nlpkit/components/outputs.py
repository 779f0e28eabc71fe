"""The built-in output embeddings: light halves that name their torch layer and their numpy decoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from nlpkit.plugins.base import OutputEmbedding
from nlpkit.plugins.options import Count, Range, Size, Weight

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from nlpkit.plugins.base import Decoder, OutputLayer


class BinaryCodes(OutputEmbedding):
    """See `binary_codes`."""

    def __init__(self, *, vectors: str | None, **config: Any) -> None:
        self.config = config
        self.needs_vectors = vectors is None and config["source"] != "random"
        self.calibrated = config["loss"] == "softmax"
        self._vectors = vectors  # a saved model must never name a path

    def check_dim(self, dim: int) -> None:
        """Refuse vectors ``(words, dim)`` that cannot make such codes.

        :raises SettingError: saying what to set.
        """
        from nlpkit.components.codes import check_bits  # numpy, which start-up must not import

        if self.needs_vectors:
            check_bits(self.config["source"], dim, self.config["bits"])

    def layer(
        self,
        *,
        input_dim: int,
        words: int,
        inputs: Callable[[Tensor], Tensor] | None,  # noqa: ARG002
    ) -> OutputLayer:
        """Make a linear layer to a logit a bit."""
        from nlpkit.components.output_layers import CodeLayer  # torch

        return CodeLayer(input_dim=input_dim, words=words, vectors=self._vectors, **self.config)

    def decoder(self, arrays: Mapping[str, NDArray[Any]]) -> Decoder:
        """Make the decoder: the likelihood of each word's code."""
        from nlpkit.components.decoders import CodeDecoder  # numpy, which start-up must not import

        return CodeDecoder(arrays, bits=self.config["bits"])


class Softmax(OutputEmbedding):
    """See `softmax`."""

    def __init__(self, **config: Any) -> None:
        self.config = config

    def layer(self, *, input_dim: int, words: int, inputs: Callable[[Tensor], Tensor] | None) -> OutputLayer:
        """Make a linear layer to the dimension of the table of words."""
        from nlpkit.components.output_layers import SoftmaxLayer  # torch

        return SoftmaxLayer(input_dim=input_dim, words=words, inputs=inputs, **self.config)

    def decoder(self, arrays: Mapping[str, NDArray[Any]]) -> Decoder:
        """Make the decoder: a product with the table of words."""
        from nlpkit.components.decoders import SoftmaxDecoder  # numpy, which start-up must not import

        return SoftmaxDecoder(arrays)


def binary_codes(
    *,
    source: Literal["itq", "median", "sign", "random"] = "itq",
    bits: Annotated[Size, Range(high=1024)] = 128,
    loss: Literal["softmax", "bce"] = "softmax",
    negatives: Count = 2000,
    prior: Weight = 4.0,
    vectors: str | None = None,
    seed: Count = 0,
) -> OutputEmbedding:
    """Each word is a code of a few bits, of which the network predicts every one.

    :param source: itq (iterative quantisation, Gong and Lazebnik 2011), median (each bit halves the words) or sign, all
        of vectors; or random codes.
    :param bits: in a code; as many as there are numbers in a vector, where a bit is one of these.
    :param loss: softmax, the cross entropy of the right word among others by the likelihoods of their codes; or bce,
        the binary cross entropy of each bit.
    :param negatives: words drawn for the softmax, shared by a batch; 0 takes all.
    :param prior: under bce, the weight of a word's log-frequency beside its code's log-likelihood, which takes bits for
        independent and so counts everything several times.
    :param vectors: path of a file of vectors as text to make codes of; None takes the input embedding's if they are
        pretrained, otherwise such as say what stands near each word.
    :param seed: of random codes, and of the first rotation of itq.
    """
    config = {"source": source, "bits": bits, "loss": loss, "negatives": negatives, "prior": prior, "seed": seed}
    return BinaryCodes(vectors=vectors, **config)


def softmax(*, dim: Size = 128, tied: bool = False, negatives: Count = 2000) -> OutputEmbedding:
    """Each word has a vector and a bias; its logit is the vector's product with what the network predicts.

    :param dim: numbers in a vector; where they are tied, as many as the embedding has.
    :param tied: the vectors are those of the input embedding (Press and Wolf 2017, https://aclanthology.org/E17-2025).
    :param negatives: words drawn for the loss, shared by a batch (Jean et al. 2015); 0 takes all words.
    """
    return Softmax(dim=dim, tied=tied, negatives=negatives)
