"""Fits vectors to documents by gensim's word2vec, the same on every run."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from gensim.models.callbacks import CallbackAny2Vec
from gensim.models.word2vec import MAX_WORDS_IN_BATCH, Word2Vec
from nlpkit import DataError
from numpy.typing import NDArray

from nlpkit_word2vec.settings import Fitting


def fit_vectors(
    documents: Iterable[Sequence[str]], how: Fitting, report: Callable[[int], None] = lambda _: None
) -> tuple[list[str], NDArray[np.float32]]:
    """Return the words that were seen often enough, the most frequent first, and their vectors ``(words, dim)``.

    :param documents: are gone through ``how.epochs + 1`` times, and never held.
    :param report: is told after each epoch how many are done.
    :raises DataError: if no word is left.
    """
    model = Word2Vec(
        vector_size=how.dim,
        min_count=how.min_count,
        window=how.window,
        sg=int(how.sg),
        negative=how.negative,
        epochs=how.epochs,
        seed=how.seed,
        workers=1,  # several would take the documents in an order of their own
        hashfxn=_hash,
    )
    sentences = _Sentences(documents)
    model.build_vocab(sentences)
    words = list(model.wv.index_to_key)
    if not words:
        raise DataError(
            "no word stands {min_count} times in the texts, so there is nothing to fit vectors "
            "to: give more texts, or a lower min_count",
            min_count=how.min_count,
        )
    callbacks = [_Report(report)]
    model.train(sentences, total_examples=model.corpus_count, epochs=how.epochs, callbacks=callbacks)
    return words, np.asarray(model.wv.vectors, dtype=np.float32)


class _Sentences:
    """Documents in pieces no longer than gensim reads: it drops what is beyond."""

    def __init__(self, documents: Iterable[Sequence[str]]) -> None:
        self._documents = documents

    def __iter__(self) -> Iterator[Sequence[str]]:
        for document in self._documents:
            for at in range(0, len(document), MAX_WORDS_IN_BATCH):
                yield document[at : at + MAX_WORDS_IN_BATCH]


class _Report(CallbackAny2Vec):  # type: ignore[misc]
    """Tells of each epoch's end."""

    def __init__(self, report: Callable[[int], None]) -> None:
        self._report, self._done = report, 0

    def on_epoch_end(self, model: Word2Vec) -> None:  # noqa: ARG002
        """Count one more."""
        self._done += 1
        self._report(self._done)


def _hash(word: str) -> int:
    """Python's own differs from process to process."""
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))
