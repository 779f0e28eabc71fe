"""The embedding ``word2vec``, its recipe, the commands ``vectors``; light, as nlpkit imports it to read its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nlpkit.plugins import Count, Share, Size

if TYPE_CHECKING:
    from nlpkit import Embedding
    from nlpkit.text import Normaliser

recipe = Path(__file__).parent / "word2vec.toml"


def word2vec(
    *,
    dim: Size | None = None,
    vectors: str | None = None,
    extra: Count | Literal["all"] = 0,
    frozen: bool = True,
    dropout: Share = 0.0,
    min_count: Size = 5,
    window: Size = 5,
    sg: bool = False,
    negative: Size = 5,
    epochs: Size = 5,
    seed: Count | None = None,
    normaliser: Normaliser | None = None,
) -> Embedding:
    """Read vectors from a file, or fit them to the training texts by word2vec (https://arxiv.org/abs/1301.3781).

    :param dim: numbers in a vector; None: as many as the file has, or 200.
    :param vectors: path of a file of vectors: word2vec's text or binary format, GloVe's or fastText's text; may be
        packed by gzip, bzip2 or xz. None fits vectors to the training texts.
    :param extra: so many words of the file, its first, are known although the training texts lack them; or all.
    :param frozen: leave the vectors as they start; false trains them with the rest.
    :param dropout: probability that a whole word is blanked in training.
    :param min_count: a word seen less often gets no vector fitted; where a file is tuned, no vector unless the file has
        it.
    :param window: words to each side that are predicted, or predict.
    :param sg: skip-gram, a word predicts its neighbours; false: they predict it (CBOW).
    :param negative: words drawn at random against each that is right.
    :param epochs: passes of word2vec over the training texts.
    :param seed: of word2vec; None: the run's own.
    """
    from nlpkit_word2vec.layer import Word2VecEmbedding  # torch

    fitting = {"min_count": min_count, "window": window, "sg": sg, "negative": negative, "epochs": epochs, "seed": seed}
    return Word2VecEmbedding(
        dim=dim, vectors=vectors, extra=extra, frozen=frozen, dropout=dropout, normaliser=normaliser, **fitting
    )
