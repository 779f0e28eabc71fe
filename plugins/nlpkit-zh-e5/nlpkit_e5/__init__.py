"""The tokenizer ``e5-pieces``, the embedding ``e5``, a model and recipes; light, as nlpkit reads options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from nlpkit import MissingExtra
from nlpkit.plugins import Range, Share

if TYPE_CHECKING:
    from nlpkit import Embedding, Tokenizer

Longest: TypeAlias = Annotated[int, Range(8, 512)]  # two marks and a prefix count; there are 512 positions
Layers: TypeAlias = Annotated[int, Range(1, 12)]
Tuned: TypeAlias = Annotated[int, Range(0, 12)]
State: TypeAlias = Annotated[int, Range(0, 12)]
reviews_large = Path(__file__).parent / "reviews-large"
few = Path(__file__).parent / "few.toml"
reviews_large_recipe = Path(__file__).parent / "reviews-large.toml"


def e5_pieces(
    *,
    prefix: Literal["query", "passage", "none"] = "query",
    longest: Longest = 512,
    files: dict[str, bytes] | None = None,
) -> Tokenizer:
    """Cut texts into pieces as multilingual-e5-small does, between its two marks (https://arxiv.org/abs/2402.05672).

    :param prefix: what is put before each text: ``query: ``, as e5 wants it where texts are classified, ``passage: ``
        or nothing.
    :param longest: pieces in a text, the marks and the prefix among them; what a text has more is cut off before the
        last mark.
    """
    from nlpkit_e5.pieces import PiecesTokenizer, read_files  # the library tokenizers

    return PiecesTokenizer(read_files() if files is None else files, prefix=prefix, longest=longest)


def e5(
    *,
    layers: Layers = 12,
    tuned: Tuned = 0,
    states: Sequence[State] | None = None,
    join: Literal["mean", "concat"] = "mean",
    dropout: Share = 0.1,
    rounded: bool = False,
    longest: Longest = 512,
) -> Embedding:
    """Give the pieces of `e5-pieces` the states of multilingual-e5-small, each of which depends on the whole text.

    :param layers: how many of its layers are used, from below.
    :param tuned: how many of these, from above, are trained with the rest; 0 leaves all as they are.
    :param states: the layers whose states are the vectors, 0 being what goes into the first; None: the last one used.
    :param join: whether the states of several layers are averaged or put side by side.
    :param dropout: in the layers that are trained, on attention and on what a layer adds to its input.
    :param rounded: train these layers rounded to blocks of 4 bits, as ``weights=int4`` stores them.
    :param longest: pieces in a row, for which there are positions; fewer make the saved model a little smaller.
    """
    try:
        from nlpkit_e5.layer import E5Embedding  # torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtra("torch", "train", "the embedding e5", "nlpkit-zh-e5") from error
    return E5Embedding(
        layers=layers, tuned=tuned, states=states, join=join, dropout=dropout, rounded=rounded, longest=longest
    )
