"""Several cloze models on the same blanks: which has the word that stood there as its first."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from nlpkit.errors import Sentence
from nlpkit.tasks.cloze.items import Item, blank_words, draw_items, read_words
from nlpkit.tasks.cloze.metrics import item_blanks, normalise
from nlpkit.tasks.cloze.model import ClozeModel
from nlpkit.tasks.items import Items, Outcome
from nlpkit.text.corpus import Example

UNKNOWN = "no word of the lexicon is known"


def make_items(
    models: Mapping[str, ClozeModel],
    examples: Iterable[Example],
    *,
    lexicon: Path | None = None,
    seed: int = 0,
    skip_frequent: int = 50,
    min_words: int = 5,
    all_words: bool = False,
    limit: int | None = None,
) -> Items:
    """Return blanks as items: those of the corpus or, in texts, words that all models know.

    Texts are cut into words by the tokenizer of the first model. Each model chooses among all words that it knows, or
    those of the lexicon among them; it is wrong where the right one is none of them.

    :param models: by name.
    """
    rows, first = list(examples), next(iter(models.values()))
    remarks = []
    if not rows or not rows[0].label:
        known = set.intersection(*(set(model.words) for model in models.values()))
        answers = [word for word in first.words if word in known]
        blank = partial(blank_words, tokenizer=first.tokenizer, answers=answers, seed=seed, every=all_words)
        texts = itertools.groupby(sorted(rows, key=_owner), _owner)  # which is stable
        rows = [
            Example(item.text, item.answer, *owner)
            for owner, of_owner in texts
            for item in blank(normalise(first, of_owner), skip_frequent=skip_frequent, min_words=min_words)
        ]
        remarks = [
            Sentence(
                "the words that are blanked are of the {answers:,} that all models know, in texts as "
                "they are to {model}",
                answers=len(answers),
                model=next(iter(models)),
            )
        ]
    rows = rows if limit is None else draw_items(rows, limit, seed)
    words = None if lexicon is None else read_words(lexicon)
    return Items(rows, partial(answer, candidates=words), remarks)


def answer(model: ClozeModel, items: Sequence[Example], *, candidates: Sequence[str] | None = None) -> list[Outcome]:
    """Fill blanks by the best word of all that the model knows, or of some."""
    return list(_answer(model, items, candidates))


def _answer(model: ClozeModel, items: Sequence[Example], candidates: Sequence[str] | None) -> Iterator[Outcome]:
    among = model.candidates(lexicon=candidates).positions
    if among is not None and not len(among):
        yield from [Outcome(False, None, None, UNKNOWN)] * len(items)
        return
    blanks = item_blanks(model, [Item(item.text, item.label) for item in items])
    expected = model.normaliser.batch([item.label for item in items])
    best, logarithms = model.best(blanks, 1, among)
    answers = zip(expected, best[:, 0].tolist(), np.exp(logarithms[:, 0]).tolist(), strict=True)
    for word, position, probability in answers:
        said = model.words[position]
        yield Outcome(said == word, said, round(probability, 6))


def _owner(row: Example) -> tuple[str, str]:
    return row.corpus, row.group
