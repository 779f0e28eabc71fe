"""Checks of embeddings."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nlpkit.model.head_settings import HeadSettings
from nlpkit.model.network import Head, Network
from nlpkit.plugins.base import SharedEmbedding, StaticEmbedding
from nlpkit.testing import batches
from nlpkit.testing.batches import check_near, check_numbers
from nlpkit.testing.components import check_config
from nlpkit.testing.discovery import Subject
from nlpkit.testing.kit import CheckError, NotChecked, describe
from nlpkit.testing.samples import LABELS, LONG, PLAIN, TIMES, Documents, list_odd_texts
from nlpkit.text.vocabulary import (
    PAD,
    HashVocabulary,
    SubwordVocabulary,
    TableVocabulary,
    Tokens,
    Vocabulary,
    dump_vocabulary,
    load_vocabulary,
)

RAGGED = (PLAIN[6], PLAIN[3], "", PLAIN[0])
MANY = 2000  # characters of a text that is longer than most
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class FittedEmbedding:
    """An embedding, its vocabulary, and a batch of ids and mask ``(batch, time)``, an empty row among it.

    Ids are ``(batch, time, pieces)`` where a token has several.
    """

    embedding: Any
    vocabulary: Vocabulary
    ids: Tensor
    mask: Tensor

    def vectors(self, batch: Batch | None = None) -> Tensor:
        """Return vectors ``(batch, time, dim)`` of its batch or another."""
        with torch.no_grad():
            vectors: Tensor = self.embedding(*(batch or (self.ids, self.mask)))
        return vectors


def fit(subject: Subject) -> None:
    """See that ``fit`` asks documents for nothing but to be gone through, and that what it returns can be saved."""
    embedding = subject.make()
    documents = _make_documents(subject, embedding)
    try:
        vocabulary = embedding.fit(Documents(documents), LABELS * TIMES)
    except Exception as error:  # a stranger's code
        raise CheckError(f"fit raised {describe(error)}: {_explain(subject, documents)}") from error
    if not isinstance(vocabulary, TableVocabulary | HashVocabulary | SubwordVocabulary):
        raise CheckError(
            f"fit returns a {type(vocabulary).__name__}: return a TableVocabulary, a HashVocabulary or a "
            "SubwordVocabulary"
        )
    if bool(vocabulary.pieces) is not embedding.subwords:
        raise CheckError(
            f"it says subwords = {embedding.subwords!r}, but fit returns a {type(vocabulary).__name__}: say "
            "subwords = True with a SubwordVocabulary, and with no other"
        )
    again, tokens = load_vocabulary(dump_vocabulary(vocabulary)), Tokens.of(documents)
    if (again.encode(tokens).grid != vocabulary.encode(tokens).grid).any():
        raise CheckError("its vocabulary, written and read, gives other ids: its tokens must be strings, all different")
    if not isinstance(embedding.dim, int) or embedding.dim < 1:
        raise CheckError(f"after fit, dim is {embedding.dim!r}, where a number of at least 1 was expected")
    check_config(subject, embedding)


def surroundings(subject: Subject) -> None:
    """Fit one, and look vectors up."""
    _fit(subject).vectors()


def shapes(subject: Subject) -> None:
    """See that vectors are float32 ``(batch, time, dim)``."""
    fitted = _fit(subject)
    nothing = torch.zeros_like(fitted.ids[:1, :1]), torch.zeros(1, 1, dtype=torch.bool)
    for batch in ((fitted.ids, fitted.mask), (fitted.ids[:1], fitted.mask[:1]), nothing):
        check_numbers(fitted.vectors(batch), (*batch[1].shape, fitted.embedding.dim), "the vectors (batch, time, dim)")


def odd_text(subject: Subject) -> None:
    """Fit documents of odd tokens, or of none: their vectors and those of unknown tokens are finite."""
    embedding = subject.make()
    usual, strange = _make_documents(subject, embedding), _tokenize(subject, embedding, list_odd_texts())
    vocabulary = embedding.eval().fit(
        [*usual, *strange, []], [*LABELS * TIMES, *(i % 2 for i in range(len(strange) + 1))]
    )
    unseen = _tokenize(subject, embedding, ["龘龘靐齉", LONG[:MANY]])
    for documents in ([d for d in strange if len(d) <= MANY], unseen[:1], unseen[1:]):
        ids, mask = _make_batch(vocabulary, documents)
        with torch.no_grad():
            check_numbers(embedding.eval()(ids, mask), (*mask.shape, embedding.dim), "the vectors of odd texts")


def padding(subject: Subject) -> None:
    """Add columns of padding, to tokens that have several ids some, too, which change no vector."""
    fitted = _fit(subject)
    more = (0, 3) if fitted.ids.dim() == 2 else (0, 2, 0, 3)
    wider = torch.nn.functional.pad(fitted.ids, more, value=PAD), torch.nn.functional.pad(fitted.mask, (0, 3))
    vectors = fitted.vectors(wider)[:, :-3]
    check_near(
        vectors[fitted.mask],
        fitted.vectors()[fitted.mask],
        "padding must not change a vector; look at tokens under the mask",
    )


def batch_mates(subject: Subject) -> None:
    """Compare a row alone with the same among others."""
    fitted = _fit(subject)
    together = fitted.vectors()
    for row, mask in enumerate(fitted.mask):
        ids = fitted.ids[row : row + 1]
        if ids.dim() > 2:  # no more pieces than its own tokens have
            ids = ids[:, :, : max(1, int((ids != PAD).sum(2).max()))]
        alone = fitted.vectors((ids, fitted.mask[row : row + 1]))[0]
        check_near(alone[mask], together[row][mask], "a row's vectors must not depend on the rows beside it")


def determinism(subject: Subject) -> None:
    """See that fitting and reading depend on nothing but torch's seed, and outside training not on that either."""
    fitted = _fit(subject)
    check_near(fitted.vectors(), fitted.vectors(), "outside training, the same ids have the same vectors")
    fitted.embedding.train()
    batches.check_same_seed(fitted.vectors, "in training")
    batches.check_same_seed(lambda: _fit(subject).vectors(), "fitted to the same documents")


def save_and_load(subject: Subject) -> None:
    """Build an embedding of what is saved, and compare."""
    fitted = _fit(subject)
    again = subject.remake(batches.copy_through_json(fitted.embedding.config))
    vocabulary = load_vocabulary(dump_vocabulary(fitted.vocabulary))
    try:
        again.build(vocabulary)
    except Exception as error:  # a stranger's code
        raise CheckError(f"build raised {describe(error)}: make weights of the right shape for a vocabulary") from error
    batches.copy_through_file(fitted.embedding, again)
    if again.dim != fitted.embedding.dim:
        raise CheckError(f"loaded, its dim is {again.dim}, not {fitted.embedding.dim}: let config say it")
    loaded = FittedEmbedding(again.eval(), vocabulary, fitted.ids, fitted.mask)
    check_near(loaded.vectors(), fitted.vectors(), "loaded, it has the vectors that were saved; keep all in state_dict")


def gradients(subject: Subject) -> None:
    """See that what is to be learnt is, and that what is frozen is left alone."""
    for variant, frozen in batches.list_variants(subject):
        fitted = _fit(variant)
        embedding = fitted.embedding.train()
        ids, mask = _make_batch(fitted.vocabulary, _tokenize(subject, embedding, PLAIN))
        frozen = frozen or embedding.fixed
        batches.check_gradients(embedding, partial(_under_mask, embedding, ids, mask), frozen=frozen)


def vectors(subject: Subject) -> None:
    """See that a static embedding's table is what it looks up."""
    fitted = _fit(subject)
    embedding = fitted.embedding
    if not isinstance(embedding, StaticEmbedding):
        raise NotChecked("it has no vectors(): its vectors may depend on their neighbours")
    with torch.no_grad():
        table = embedding.vectors()
    check_numbers(table, (len(fitted.vocabulary), embedding.dim), "vectors() of all ids")
    if not isinstance(fitted.vocabulary, TableVocabulary) and table[PAD].any():
        raise CheckError("the vector of id 0, padding, is not zero: n-grams that are not there would count")
    ids = fitted.ids[fitted.mask]
    if embedding.subwords:
        expected = table[ids].sum(1) / (ids != PAD).sum(1, keepdim=True)
        says = "a token's vector must be the mean of what vectors() has of its ids; or leave vectors() out"
    else:
        expected, says = table[ids], "forward must look up what vectors() returns, or leave it out"
    check_near(fitted.vectors()[fitted.mask], expected, says)
    fitted.embedding.train()
    if isinstance(embedding, SharedEmbedding):
        with torch.no_grad():
            check_near(embedding.lookup(ids), table[ids], "lookup(ids) is vectors()[ids], in training too")


def fixed(subject: Subject) -> None:
    """See that vectors that are computed once for a whole run may be."""
    fitted = _fit(subject)
    embedding = fitted.embedding
    halves = None if embedding.fixed else embedding.halves()
    if not embedding.fixed and halves is None:
        raise NotChecked("it does not say that it is fixed")
    part, upper = halves or (embedding, None)
    what = "it says that it is fixed" if upper is None else "the first of its halves should be fixed"
    for name, parameter in part.named_parameters():
        if parameter.requires_grad:
            raise CheckError(f"{what}, but {name} requires a gradient: call requires_grad_(False)")
    before = _read(part, fitted)
    if upper is not None:
        joined = upper(before, fitted.mask).detach()
        check_numbers(before, (*fitted.mask.shape, part.dim), "what the first of its halves returns (batch, time, dim)")
        check_near(joined[fitted.mask], fitted.vectors()[fitted.mask], "its halves, one after the other, are the whole")
    part.train()
    check_near(_read(part, fitted), before, f"{what}, so training must not change its vectors: no dropout")


def _read(part: Any, fitted: FittedEmbedding) -> Tensor:
    """Return the vectors that an embedding or a half of one gives to its batch."""
    with torch.no_grad():
        vectors: Tensor = part(fitted.ids, fitted.mask)
    return vectors


def export(subject: Subject) -> None:
    """Export a classifier without an encoder, and compare."""
    fitted = _fit(subject)
    embedding = fitted.embedding
    encoder = subject.registry.get("encoder", "none").create({}, input_dim=embedding.dim)
    head = Head(HeadSettings(pooling="mean", hidden=4), input_dim=embedding.dim, labels=2)
    short = _make_batch(fitted.vocabulary, _tokenize(subject, embedding, [PLAIN[3]]))
    many = _make_batch(fitted.vocabulary, _tokenize(subject, embedding, PLAIN))
    batches.check_export(Network(embedding, encoder, head), [(fitted.ids, fitted.mask), short, many])


def _explain(subject: Subject, documents: Sequence[Sequence[str]]) -> str:
    """Say what to do about a fit that failed."""
    try:
        subject.make().fit(documents, LABELS * TIMES)
    except Exception:  # a stranger's code
        return f"it was given {len(documents)} short texts in tokens, and should make a vocabulary of them"
    return (
        "as a list it would have taken them, but documents may be larger than memory: they can be gone through as "
        "often as need be, and have no length and no positions"
    )


def _fit(subject: Subject) -> FittedEmbedding:
    """Fit an embedding; return it outside training, with a batch of `RAGGED`.

    :raises NotChecked: if it cannot be fitted, which is for the check "fit" to say.
    """
    embedding = subject.make()
    documents = _make_documents(subject, embedding)
    try:
        vocabulary = embedding.fit(documents, LABELS * TIMES)
        ids, mask = _make_batch(vocabulary, _tokenize(subject, embedding, RAGGED))
    except Exception as error:  # a stranger's code
        raise NotChecked("it cannot be fitted, see the check fit") from error
    return FittedEmbedding(embedding.eval(), vocabulary, ids, mask)


def _make_documents(subject: Subject, embedding: Any) -> list[list[str]]:
    return _tokenize(subject, embedding, PLAIN) * TIMES


def _tokenize(subject: Subject, embedding: Any, texts: Sequence[str]) -> list[list[str]]:
    """Cut each text by the tokenizer that an embedding goes with, or into characters; into runs where it has pieces."""
    names = embedding.tokenizers
    if not names:
        sizes = (1, 2, 3) if embedding.subwords else (1,)
        return [_cut("".join(text.split()), sizes) for text in texts]
    tokenizer = subject.make_other("tokenizer", names[0])
    return [tokenizer.tokenize(text) for text in texts]


def _cut(text: str, sizes: Sequence[int]) -> list[str]:
    """Cut a text into runs of so many characters in turn."""
    ends = itertools.accumulate(itertools.cycle(sizes), initial=0)
    bounds = list(itertools.takewhile(lambda end: end < len(text), ends))
    return [text[a:b] for a, b in itertools.pairwise([*bounds, len(text)])]


def _make_batch(vocabulary: Vocabulary, documents: Sequence[Sequence[str]]) -> Batch:
    """Return ids ``(batch, time)``, or several of each token ``(batch, time, pieces)``, and mask ``(batch, time)``."""
    ids, mask = vocabulary.encode(Tokens.of(documents)).padded()
    return torch.from_numpy(ids), torch.from_numpy(mask)


def _under_mask(embedding: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """Return the vectors of tokens ``(n, dim)``."""
    vectors: Tensor = embedding(ids, mask)[mask]
    return vectors
