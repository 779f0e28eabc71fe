"""The smallest method sets that make a component. Nothing here needs torch or numpy at run time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from nlpkit.vocabulary import Tokens, Vocabulary


@runtime_checkable
class Tokenizer(Protocol):
    """Text to tokens. Its factory, called with ``**config`` and ``files=files``, makes an equal tokenizer.

    A tokenizer may also have ``batch(texts) -> Tokens``, a faster way to the same tokens for many texts at once.
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
    then goes with it.
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
    """An embedding whose vector of an id depends on the id alone; without an encoder it folds into a table."""

    def vectors(self) -> Tensor:
        """Return the vector of every id ``(ids, dim)``."""
        ...


class Encoder(Protocol):
    """A torch module: vectors to states. Its factory takes ``input_dim`` besides its own options.

    An encoder that returns its input may say ``identity = True``: what it composes may then be folded.
    """

    config: dict[str, Any]
    output_dim: int
    causal: bool  # true where no state depends on a later vector

    def __call__(self, vectors: Tensor, mask: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Map vectors ``(batch, time, input_dim)`` and mask ``(batch, time)`` to states and the carried state.

        States are ``(batch, time, output_dim)``. What stands under a false mask never changes a state under a true one.
        """
        ...
