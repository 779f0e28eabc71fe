"""The tokenizer ``wordpiece`` and the embedding ``bert``; light, as nlpkit imports it to read its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from nlpkit import MissingExtra
from nlpkit.plugins import Range

if TYPE_CHECKING:
    from nlpkit import Embedding, Tokenizer

Longest: TypeAlias = Annotated[int, Range(3)]  # two marks count


def wordpiece(*, model: str | None = None, longest: Longest = 512, files: dict[str, bytes] | None = None) -> Tokenizer:
    """Cut texts into word pieces as BERT reads them, between its two marks (https://arxiv.org/abs/1810.04805).

    :param model: folder of a BERT, or its name on the Hugging Face hub.
    :param longest: pieces in a text, its two marks among them; what a text has more is cut off before the last mark.
    """
    from nlpkit_bert.pieces import WordpieceTokenizer, dump, read  # the library tokenizers

    return WordpieceTokenizer(dump(read(model, longest)) if files is None else files, longest=longest)


def bert(
    *, model: str | None = None, frozen: bool = True, layer: int = -1, architecture: Mapping[str, Any] | None = None
) -> Embedding:
    """Give vectors to the pieces of `wordpiece`, each of which depends on the whole text (https://arxiv.org/abs/1810.04805).

    :param model: folder of a BERT, or its name on the Hugging Face hub.
    :param frozen: leave the weights as they are; false trains them with the rest.
    :param layer: whose states are the vectors: 0 is what goes into the first layer; -1 the last, -2 the one before.
    :param architecture: what a saved model knows of the BERT that it was trained with, instead of ``model``.
    """
    try:
        from nlpkit_bert.layer import BertEmbedding  # torch and transformers
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "transformers"):
            raise
        raise MissingExtra(error.name, "train", "the embedding bert", "nlpkit-zh-bert") from error
    return BertEmbedding(model=model, frozen=frozen, layer=layer, architecture=architecture)
