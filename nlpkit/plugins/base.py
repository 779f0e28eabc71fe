"""What components are: classes to inherit from, with what need not be said already said.

None needs torch or numpy when it is imported, and none has an ``__init__``: beside ``torch.nn.Module`` it stands first,
``class Mine(Embedding, nn.Module)``. A component that inherits from none is made one where it comes from its factory,
see `adopt`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from nlpkit.errors import PluginError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from nlpkit.text.vocabulary import Tokens, Vocabulary


class Tokenizer:
    """Text to tokens. Its factory, called with ``**config`` and ``files=files``, makes an equal tokenizer.

    A factory that knows words of its own may take ``normaliser: Normaliser | None = None``, which is no option: by it
    the words can be spelled as texts are.
    """

    config: dict[str, Any]  # the factory's options, JSON only, never a path
    files: dict[str, bytes]  # what the options cannot hold: a user dictionary, a list of word pieces
    embeddings: Sequence[str] | None = None  # names of those that its tokens suit; None: any
    longest: int | None = None  # how many tokens it leaves of a text at most, where it cuts long ones
    cut: int = 0  # how many texts it has cut so far
    remarks: Sequence[str] = ()  # what training shall tell at its beginning of a file that it was given

    @abstractmethod
    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of one normalised text, in order; any text is answered, the empty one by ``[]``."""

    def batch(self, texts: Sequence[str]) -> Tokens:
        """Return the tokens of all texts as one flat run; equal to `tokenize` text by text, perhaps faster."""
        from nlpkit.text.vocabulary import Tokens  # numpy

        return Tokens.of([self.tokenize(text) for text in texts])


class Embedding:
    """A torch module: token ids to vectors."""

    config: dict[str, Any]
    dim: int
    tokenizers: Sequence[str] | None = None  # names of those that it needs one of; None: any
    ordered: bool = True  # false where vectors do not stand in the order of the text: no encoder but ``none`` then goes
    fixed: bool = False  # nothing is trained and a row's vectors depend on it alone: computed once and kept on disk
    subwords: bool = False  # its vocabulary is a `SubwordVocabulary`: a token has several ids
    longest: int | None = None  # tokens in a row that it can take, where that is limited
    pretrained: bool = False  # vectors mean something once it is fitted: codes can be made of them
    found: tuple[int, int] | None = None  # after `fit`: how many tokens a file of vectors had, and of how many
    repeated: int = 0  # how many more lines of the file were of one of these
    remarks: Sequence[str] = ()  # as a tokenizer's

    @abstractmethod
    def fit(self, documents: Iterable[Sequence[str]], labels: Sequence[int]) -> Vocabulary:
        """Begin training: read the documents' tokens, choose the vocabulary, fill the weights.

        ``documents`` may be larger than memory: iterate over it, as often as need be, and make no list of it. Where it
        has ``counts()``, that says how often each token stands in it. ``labels`` holds a label's index for each
        document or, where one may have several labels, is an array ``(documents, labels)`` of 1 where it has one and 0
        elsewhere; most embeddings have no use for it.
        """

    @abstractmethod
    def build(self, vocabulary: Vocabulary) -> None:
        """Make weights of the right shape for a stored vocabulary; whoever loads a model fills them."""

    @abstractmethod
    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Map ids ``(batch, time)``, mask ``(batch, time)`` true at tokens, to vectors ``(batch, time, dim)``.

        With ``subwords``, ids are ``(batch, time, pieces)``: those of a token, `PAD` where it has fewer than others.
        """

    def check_tokenizer(self, tokenizer: Any) -> None:
        """Refuse a tokenizer that does not fit, by a SettingError."""

    def halves(self) -> tuple[Any, Any] | None:
        """Return two torch modules of which it consists, the first `fixed` and the second trained, if it is so.

        The first maps ids and mask to vectors ``(batch, time, dim)``, with a ``dim`` that it says, computed once a run;
        the second maps these and the mask to the embedding's own. Both hold its very weights.
        """
        return None

    def finish(self) -> None:
        """End training: make the weights those by which it answers, where they were others; called once."""

    if TYPE_CHECKING:

        def __call__(self, ids: Tensor, mask: Tensor) -> Tensor: ...  # noqa: D102


class StaticEmbedding(Embedding):
    """An embedding whose vector of an id depends on the id alone; without an encoder it folds into a table.

    With ``subwords``, a token's vector is the mean of those of its ids.
    """

    @abstractmethod
    def vectors(self) -> Tensor:
        """Return the vector of every id ``(ids, dim)``."""

    def take(self, vectors: Tensor) -> bool:  # noqa: ARG002
        """Make the vectors these ``(ids, dim)``, and say whether that can be done; `build` has been called."""
        return False


class SharedEmbedding(StaticEmbedding):
    """A static embedding that can be asked for some vectors alone, and so be shared by what a model puts in and out."""

    @abstractmethod
    def lookup(self, ids: Tensor) -> Tensor:
        """Map ids ``(n,)`` to vectors ``(n, dim)``, whole also in training."""


class Encoder:
    """A torch module: vectors to states. Its factory takes ``input_dim`` besides its own options."""

    config: dict[str, Any]
    output_dim: int
    causal: bool  # true where no state depends on a later vector
    identity: bool = False  # it returns its input: what it composes may then be folded
    directions: int = 1  # 2: the first half of a state's numbers was read forwards, the second backwards
    one_way_halves: bool = False  # and each half has read nothing but what is on its side

    @abstractmethod
    def forward(self, vectors: Tensor, mask: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Map vectors ``(batch, time, input_dim)`` and mask ``(batch, time)`` to states and the carried state.

        States are ``(batch, time, output_dim)``. What stands under a false mask never changes a state under a true one.
        """

    if TYPE_CHECKING:

        def __call__(self, vectors: Tensor, mask: Tensor, state: Any = None) -> tuple[Tensor, Any]: ...  # noqa: D102


class OutputEmbedding:
    """How an answer is coded: words to what a network predicts of them, and back.

    A light object of two halves: its layer is trained by torch, its decoder needs numpy only. They meet at `arrays`.
    """

    config: dict[str, Any]
    needs_vectors: bool = False  # `OutputLayer.fit` makes codes of the vectors of words
    calibrated: bool = True  # false where logits are not trained as log-probabilities: validation then scales them

    @abstractmethod
    def layer(self, *, input_dim: int, words: int, inputs: Callable[[Tensor], Tensor] | None) -> OutputLayer:
        """Return a torch module for so many words, its tables empty: `OutputLayer.fit` or stored weights fill them.

        :param inputs: gives the input embedding's vectors ``(n, dim)`` of words ``(n,)``, for a layer that shares them;
            None where the embedding has none that depend on the word alone.
        """

    @abstractmethod
    def decoder(self, arrays: Mapping[str, NDArray[Any]]) -> Decoder:
        """Return what reads the layer's outputs at inference.

        :raises ValueError: or KeyError, if the arrays are not those of such a layer.
        """

    def check_dim(self, dim: int) -> None:
        """Refuse a length of the vectors that it needs, by a SettingError, before anything is read."""


class OutputLayer:
    """A torch module: features to outputs, from which a decoder tells the words."""

    collisions: int | None = None  # once codes are chosen: how many words have that of another

    @abstractmethod
    def fit(self, words: Sequence[str], counts: NDArray[np.int64], kept: NDArray[Any], vectors: Tensor | None) -> None:
        """Begin training: choose the codes, set the biases.

        :param words: all that can be answered, most frequent first.
        :param counts: how often each word stands in the training texts ``(words,)``.
        :param kept: the probability that an occurrence of each is asked for in training ``(words,)``, which `arrays`
            must make up for: a logit is less by its logarithm.
        :param vectors: of each word ``(words, dim)``, if the output embedding needs some.
        """

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """Map features ``(n, input_dim)`` to outputs ``(n, width)``, whatever the decoder wants to see."""

    @abstractmethod
    def loss(self, features: Tensor, targets: Tensor, *, exact: bool) -> Tensor:
        """Return the mean loss in nats of features ``(n, input_dim)`` whose words are ``targets`` ``(n,)``.

        :param exact: over all words, where the layer would draw some.
        """

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the tables by which a decoder reads the outputs."""

    def take(self, arrays: Mapping[str, NDArray[Any]]) -> bool:  # noqa: ARG002
        """Be as the layer was that returned these arrays, and say whether that can be done; `fit` has been called."""
        return False

    if TYPE_CHECKING:

        def __call__(self, features: Tensor) -> Tensor: ...  # noqa: D102


class Decoder:
    """Outputs to words, without torch."""

    @abstractmethod
    def logits(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Map outputs ``(n, width)`` to logits ``(n, words)``: log-probabilities but for a constant a row."""


BASES: dict[str, type] = {
    "tokenizer": Tokenizer,
    "embedding": Embedding,
    "encoder": Encoder,
    "output": OutputEmbedding,
}


def adopt(base: type, part: Any) -> Any:
    """Make an object an instance of a base class, if it is none yet: what it does not say is then as the class says.

    :raises PluginError: if it lacks what the class does not say.
    """
    if base is Embedding and callable(getattr(part, "vectors", None)):  # what it can do says which it is
        base = SharedEmbedding if callable(getattr(part, "lookup", None)) else StaticEmbedding
    attributes, methods = _list_needs(base)
    missing = [name for name in attributes if getattr(part, name, None) is None]
    missing += [name for name in methods if not _is_method(getattr(part, name, None))]
    if missing:
        raise PluginError("lacks {missing}: see the protocol in docs/plugins.md", missing=" and ".join(missing))
    if not isinstance(part, base):
        try:
            part.__class__ = _join(type(part), base)
        except TypeError:  # it has slots, or is not written in Python
            raise PluginError(
                "is a {kind}, which should inherit from {base}", kind=type(part).__name__, base=base.__name__
            ) from None
    return part


def find_misspelt(part: object) -> Iterator[tuple[str, str]]:
    """Find public names of an adopted object that mean nothing, each with the name of its base that it is close to."""
    bases = set(_bases_of(type(part)))
    known = {name for base in bases for name in vars(base) if not name.startswith("_")} | {
        name for base in bases for name in vars(base).get("__annotations__", {})
    }
    foreign = {name for cls in type(part).__mro__ if cls.__module__.startswith("torch.") for name in dir(cls)}
    for name in dict.fromkeys([*vars(part), *(n for cls in type(part).__mro__ if cls not in bases for n in vars(cls))]):
        if not name.startswith("_") and name not in known | foreign:
            for meant in get_close_matches(name, known, n=1, cutoff=0.85):
                yield name, meant


def _bases_of(cls: type) -> list[type]:
    return [base for base in cls.__mro__ if base.__module__ == __name__]


def _list_needs(base: type) -> tuple[list[str], list[str]]:
    """Return the attributes and the methods that a class says that there must be, and does not have."""
    attributes = [name for cls in reversed(_bases_of(base)) for name in vars(cls).get("__annotations__", {})]
    methods = [name for name in dir(base) if callable(getattr(base, name)) and not _is_method(getattr(base, name))]
    return [name for name in attributes if not hasattr(base, name)], methods


def _is_method(value: object) -> bool:
    return callable(value) and not getattr(value, "__isabstractmethod__", False)


def _join(own: type, base: type) -> type:
    return type(own.__name__, (own, base), {"__module__": own.__module__, "__doc__": own.__doc__})
