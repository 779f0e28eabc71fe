"""The smallest method sets that make a component. Nothing here needs torch or numpy at run time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from nlpkit.text.vocabulary import Tokens, Vocabulary


PARTS: dict[str, dict[str, type | None]] = {  # what an instance has, and of which class; None: to be called
    "tokenizer": {"config": dict, "files": dict, "tokenize": None},
    "embedding": {"config": dict, "dim": int, "fit": None, "build": None, "forward": None},
    "encoder": {"config": dict, "output_dim": int, "causal": bool, "forward": None},
    "output": {"config": dict, "layer": None, "decoder": None},
}


@runtime_checkable
class Tokenizer(Protocol):
    """Text to tokens. Its factory, called with ``**config`` and ``files=files``, makes an equal tokenizer.

    A tokenizer may also have ``batch(texts) -> Tokens``, a faster way to the same tokens for many texts at once. One
    whose tokens suit some embeddings only names them: ``embeddings = ("bert", "trainable")``. One that cuts long texts
    says in ``longest`` how many tokens it leaves at most, and counts in ``cut`` the texts that it has cut so far.

    A factory that knows words of its own may take ``normaliser: Normaliser | None = None``, which is no option: by it
    the words can be spelled as texts are. One whose file holds what cannot be used says so in ``remarks``, a sequence
    of sentences, which training tells at its beginning; so may an embedding.
    """

    config: dict[str, Any]  # the factory's options, JSON only, never a path
    files: dict[str, bytes]  # what the options cannot hold: a user dictionary, a list of word pieces

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of one normalised text, in order; any text is answered, the empty one by ``[]``."""
        ...


@runtime_checkable
class BatchTokenizer(Tokenizer, Protocol):
    """A tokenizer with a vectorised path."""

    def batch(self, texts: Sequence[str]) -> Tokens:
        """Return the tokens of all texts as one flat run; equal to `tokenize` text by text."""
        ...


class Embedding(Protocol):
    """A torch module: token ids to vectors.

    An embedding whose vectors do not stand in the order of the text says ``ordered = False``: no encoder but ``none``
    then goes with it. One that needs a certain tokenizer names it, ``tokenizers = ("wordpiece",)``, and
    may refuse one that does not fit by ``check_tokenizer(tokenizer)``. One of which
    nothing is trained, and whose vectors of a row depend on that row alone, may say ``fixed = True``: training then
    computes them once and keeps them on disk.
    """

    config: dict[str, Any]
    dim: int

    def fit(self, documents: Iterable[Sequence[str]], labels: Sequence[int]) -> Vocabulary:
        """Training begins: read the documents' tokens, choose the vocabulary, fill the weights.

        ``documents`` may be larger than memory: iterate over it, as often as need be, and make no list of it. Where it
        has ``counts()``, that says how often each token stands in it. ``labels`` holds a label's index for each
        document; most embeddings have no use for it.
        """
        ...

    def build(self, vocabulary: Vocabulary) -> None:
        """Loading: make weights of the right shape for a stored vocabulary, to be filled by the caller."""
        ...

    def __call__(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Map ids ``(batch, time)``, mask ``(batch, time)`` true at tokens, to vectors ``(batch, time, dim)``."""
        ...


@runtime_checkable
class StaticEmbedding(Protocol):
    """An embedding whose vector of an id depends on the id alone; without an encoder it folds into a table.

    One whose vectors mean something once it is fitted, before any training, may say ``pretrained = True``: codes can
    then be made of them.
    """

    def vectors(self) -> Tensor:
        """Return the vector of every id ``(ids, dim)``."""
        ...


@runtime_checkable
class SharedEmbedding(Protocol):
    """A static embedding that can be asked for some vectors alone, and so be shared by what a model puts in and out."""

    def vectors(self) -> Tensor:
        """Return the vector of every id ``(ids, dim)``."""
        ...

    def lookup(self, ids: Tensor) -> Tensor:
        """Map ids ``(n,)`` to vectors ``(n, dim)``, whole also in training."""
        ...


class Encoder(Protocol):
    """A torch module: vectors to states. Its factory takes ``input_dim`` besides its own options.

    An encoder that returns its input may say ``identity = True``: what it composes may then be folded. One that reads
    both ways says ``directions = 2`` if the first half of each state's numbers was read forwards and the second
    backwards: the pooling ``last`` then takes the first half at the last token and the second at the first, where each
    has read the whole text. Without it, ``last`` is the state at the last token.
    """

    config: dict[str, Any]
    output_dim: int
    causal: bool  # true where no state depends on a later vector

    def __call__(self, vectors: Tensor, mask: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Map vectors ``(batch, time, input_dim)`` and mask ``(batch, time)`` to states and the carried state.

        States are ``(batch, time, output_dim)``. What stands under a false mask never changes a state under a true one.
        """
        ...


@runtime_checkable
class OutputEmbedding(Protocol):
    """How an answer is coded: words to what a network predicts of them, and back.

    A light object of two halves: its layer is trained by torch, its decoder needs numpy only. They meet at `arrays`.
    One that makes codes of vectors says ``needs_vectors = True``; it is shown those of the input embedding if that is
    ``pretrained``, otherwise some made of what stands near each word; its method ``check_dim(dim)`` may refuse their
    length before anything is read. One whose logits are not trained as
    log-probabilities says ``calibrated = False``: its validation loss is that at the temperature which suits it.
    """

    config: dict[str, Any]

    def layer(self, *, input_dim: int, words: int, inputs: Callable[[Tensor], Tensor] | None) -> OutputLayer:
        """Return a torch module for so many words, its tables empty: `OutputLayer.fit` or stored weights fill them.

        :param inputs: gives the input embedding's vectors ``(n, dim)`` of words ``(n,)``, for a layer that shares them;
            None where the embedding has none that depend on the word alone.
        """
        ...

    def decoder(self, arrays: Mapping[str, NDArray[Any]]) -> Decoder:
        """Return what reads the layer's outputs at inference.

        :raises ValueError: or KeyError, if the arrays are not those of such a layer.
        """
        ...


class OutputLayer(Protocol):
    """A torch module: features to outputs, from which a decoder tells the words."""

    def fit(self, words: Sequence[str], counts: NDArray[np.int64], kept: NDArray[Any], vectors: Tensor | None) -> None:
        """Training begins: choose the codes, set the biases.

        :param words: all that can be answered, most frequent first.
        :param counts: how often each word stands in the training texts ``(words,)``.
        :param kept: the probability that an occurrence of each is asked for in training ``(words,)``, which `arrays`
            must make up for: a logit is less by its logarithm.
        :param vectors: of each word ``(words, dim)``, if the output embedding needs some.
        """
        ...

    def __call__(self, features: Tensor) -> Tensor:
        """Map features ``(n, input_dim)`` to outputs ``(n, width)``, whatever the decoder wants to see."""
        ...

    def loss(self, features: Tensor, targets: Tensor, *, exact: bool) -> Tensor:
        """Mean loss in nats of features ``(n, input_dim)`` whose words are ``targets`` ``(n,)``.

        :param exact: over all words, where the layer would draw some.
        """
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the tables by which a decoder reads the outputs."""
        ...


class Decoder(Protocol):
    """Outputs to words, without torch."""

    def logits(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Map outputs ``(n, width)`` to logits ``(n, words)``: log-probabilities but for a constant a row."""
        ...
