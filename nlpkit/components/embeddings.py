"""Factories of the built-in embeddings; the modules themselves are in `nlpkit.components.embedding_layers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nlpkit.plugins.options import Share, Size, Weight

if TYPE_CHECKING:
    from nlpkit.plugins.base import Embedding
    from nlpkit.text.normalisation import Normaliser


def trainable(
    *,
    dim: Size | None = None,
    min_count: Size = 2,
    max_size: Size = 20_000,
    start: Literal["normal", "ppmi"] = "normal",
    dropout: Share = 0.0,
    vectors: str | None = None,
    frozen: bool = False,
    normaliser: Normaliser | None = None,
) -> Embedding:
    """Give each token a vector.

    :param dim: numbers in a vector; None: as many as the file of vectors has, or 64.
    :param min_count: a token seen less often is unknown.
    :param max_size: only the most frequent tokens are kept.
    :param start: normal: random vectors; ppmi: vectors from what stands near each token in the training texts.
    :param dropout: probability that a whole token is blanked in training.
    :param vectors: path of a text file of vectors (word2vec, GloVe, fastText; may be packed by gzip, bzip2 or xz): a
        token that it has starts with that vector, the others as ``start`` says.
    :param frozen: leave the vectors as they start.
    """
    from nlpkit.components.embedding_layers import TrainableEmbedding  # torch

    return TrainableEmbedding(
        dim=dim,
        min_count=min_count,
        max_size=max_size,
        start=start,
        dropout=dropout,
        vectors=vectors,
        frozen=frozen,
        normaliser=normaliser,
    )


def spelled(*, dim: Size = 128, min_count: Size = 2, max_size: Size = 100_000, dropout: Share = 0.0) -> Embedding:
    """Give each token a vector, to which vectors of its characters are added; an unknown one has that of what it ends
    in.

    :param dim: numbers in a vector.
    :param min_count: a token seen less often is unknown.
    :param max_size: only the most frequent tokens are kept.
    :param dropout: probability that a whole token is blanked in training.
    """
    from nlpkit.components.embedding_layers import SpelledEmbedding  # torch

    return SpelledEmbedding(dim=dim, min_count=min_count, max_size=max_size, dropout=dropout)


def ngrams(
    *,
    low: Size = 1,
    high: Size = 3,
    bits: Size = 20,
    marks: bool = True,
    dim: Size | None = None,
    floor: Weight = 0.3,
    dropout: Share = 0.0,
) -> Embedding:
    """Give each hashed n-gram of tokens a vector, scaled by how much the n-gram says of the labels.

    :param low: tokens in the shortest n-gram.
    :param high: tokens in the longest.
    :param bits: there are ``2**bits`` buckets.
    :param marks: count the beginning and the end of a text as tokens.
    :param dim: numbers in a vector; None makes one a label, which with `head.projection=false` is a linear model.
    :param floor: added to the naive-Bayes log-count ratio that scales a bucket.
    :param dropout: probability that a whole n-gram is blanked in training.
    """
    from nlpkit.components.embedding_layers import NgramEmbedding  # torch

    return NgramEmbedding(low=low, high=high, bits=bits, marks=marks, dim=dim, floor=floor, dropout=dropout)
