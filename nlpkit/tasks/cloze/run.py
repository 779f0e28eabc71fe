"""What of a run is a cloze model's own: the words on disk, the answers, the mixture, the items that are measured."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nlpkit.errors import DataError
from nlpkit.model.bundle import ANSWERS, TOKENIZER, dump_json
from nlpkit.model.mixing import Stage
from nlpkit.tasks.cloze.blanks import MARK, split_at_blanks
from nlpkit.tasks.cloze.items import Item, make_items
from nlpkit.tasks.cloze.member import ClozeMember
from nlpkit.tasks.cloze.metrics import item_blanks, measure_items
from nlpkit.tasks.cloze.model import ClozeModel
from nlpkit.tasks.cloze.settings import ClozeSettings
from nlpkit.tasks.cloze.words import Words, choose_answers, read_words, store_words
from nlpkit.tasks.metrics import Metrics
from nlpkit.text.vocabulary import Ints
from nlpkit.training.calibration import tune_stage
from nlpkit.training.events import Event
from nlpkit.training.member import Member, StoredMember
from nlpkit.training.run import Open, Run
from nlpkit.training.settings import RunSettings, check_focus
from nlpkit.training.storage import StoredCorpus

MIXED, ENOUGH = 1_000, 100  # validation items to tune the mixture on: at most, and at least
NUMBERS = 1 << 24  # logits of a member that are held for it, if these allow enough items
FREQUENT = 50  # words that are never blanked, or a tenth if there are few
TESTED = 3_000  # test items of each corpus
SAMPLES = 12
SPARE = 3  # times the texts that there are items: not every text has a word to blank


class ClozeRun(Run):
    """The run of a model that says which words fit a blank."""

    settings_class: ClassVar[type[RunSettings]] = ClozeSettings
    kinds: ClassVar[Mapping[str, type[Member]]] = {"network": ClozeMember}
    card = "nlpkit.tasks.cloze:card.md"
    settings: ClozeSettings

    def check_samples(self, samples: Sequence[str]) -> None:
        """Refuse samples of which none has a blank."""
        if not any(len(split_at_blanks(text)) > 1 for text in samples):
            raise DataError(
                "of {count} samples none has a blank: mark it by two underscores, as in 衣服质量__哦",
                count=len(samples),
            )

    def prepare(self, run: Path, corpus: StoredCorpus) -> Generator[Event, None, Words]:
        """Tokenise the texts, and choose the answers."""
        for member in self.settings.members:
            check_focus(member.training.focus, len(corpus.corpora))
        folder, normaliser = run / "words", self.settings.normaliser
        tokenizer, choose = self.make_component("tokenizer"), self._choose_answers
        if not folder.exists():
            yield from store_words(folder, corpus, tokenizer.instance, normaliser, choose)
        return read_words(folder, corpus, tokenizer)

    def _choose_answers(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Choose the words that can be answered, with their counts: of a saved model its own, with its counts."""
        if self.base is None:
            return choose_answers(counts, self.settings.answers)
        bundle = self.base.bundle
        with bundle.report_damage(ANSWERS):
            answers = bundle.read_json(ANSWERS)
            return dict(zip(map(str, answers["words"]), map(int, answers["counts"]), strict=True))

    def config(self, data: Words) -> dict[str, Any]:
        """Return the tokenizer, by which all members read."""
        return {"tokenizer": data.tokenizer.record}

    def files(self, data: Words, members: Sequence[StoredMember]) -> dict[str, bytes]:  # noqa: ARG002
        """Return the tokenizer's files, and the answers."""
        files = {f"{TOKENIZER}/{path}": content for path, content in data.tokenizer.instance.files.items()}
        return files | {ANSWERS: dump_json({"words": list(data.answers), "counts": data.counts.tolist()})}

    def mix(self, members: Sequence[StoredMember], opened: Open, data: Words) -> list[Stage]:
        """Find the weights and the temperature that make the words of validation items most likely.

        Items are those of the first corpus alone where training is focused on it, if it has enough.
        """
        model: ClozeModel = opened([Stage((1.0,) * len(members))])
        focus = any(member.training.focus for member in self.settings.members)
        most = min(MIXED, max(ENOUGH, NUMBERS // len(model.words)))
        items = _items_of_place(model, data.corpus, "validation", 0 if focus else None, most)
        if len(items) < ENOUGH:
            items = _items_of_place(model, data.corpus, "validation", None, most)
        if not items:
            return [Stage((1 / len(members),) * len(members))]
        place = {word: position for position, word in enumerate(model.words)}
        blanks = item_blanks(model, items)
        logits = [model.member(position).logits(blanks) for position in range(len(members))]
        logits = [each - each.max(1, keepdims=True) for each in logits]  # on which no mixture depends
        return [tune_stage(logits, np.array([place[item.answer] for item in items]), None)]

    def measure_rows(self, model: ClozeModel, corpus: StoredCorpus, numbers: Ints) -> Metrics:
        """Measure items of some test rows."""
        return measure_items(model, _items_of(model, corpus, "test", numbers, TESTED))

    def samples(self, model: ClozeModel, corpus: StoredCorpus) -> list[str]:
        """Return validation rows with a blank for a word, or else training rows with one behind them."""
        if items := _items_of_place(model, corpus, "validation", None, SAMPLES):
            return [item.text for item in items]
        return [f"{text}{MARK}" for block in corpus.texts("train", SAMPLES) for text in block]


def _items_of_place(model: ClozeModel, corpus: StoredCorpus, place: str, of: int | None, limit: int) -> list[Item]:
    """Make items of the rows of a place, of all corpora or of one."""
    owners = corpus.corpus_of(place)
    return _items_of(model, corpus, place, np.flatnonzero((owners == of) | (of is None)), limit)


def _items_of(model: ClozeModel, corpus: StoredCorpus, place: str, numbers: Ints, limit: int) -> list[Item]:
    """Make items of some rows of a place; of many rows, of some that lie evenly between them."""
    some = numbers[:: max(1, len(numbers) // (SPARE * limit))]
    texts = [example.text for example in corpus.examples(place, some)]
    frequent = min(FREQUENT, len(model.words) // 10)
    normalised = model.normaliser.batch(texts)
    return make_items(normalised, model.tokenizer, model.words, limit=limit, skip_frequent=frequent)
