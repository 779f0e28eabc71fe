"""Cloze: text with blanks → normalised → tokens around each blank → logits of each member → mixed → the best words."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpkit.components.decoders import find_lowest
from nlpkit.errors import DataWarning
from nlpkit.model.base import SavedModel, is_text_list
from nlpkit.model.bundle import ANSWERS, CONFIG, TOKENIZER, VOCABULARY, Bundle
from nlpkit.model.members import Floats, open_tokenizer
from nlpkit.model.mixing import log_sum
from nlpkit.plugins.base import Tokenizer
from nlpkit.tasks.cloze.blanks import Blank, FillingMember
from nlpkit.tasks.cloze.filling import Candidates, Filled, Filler, Filling
from nlpkit.tasks.cloze.inference import open_member
from nlpkit.tasks.cloze.items import read_words
from nlpkit.text.row import Row
from nlpkit.text.vocabulary import UNKNOWN, Ints, Tokens, Vocabulary, load_vocabulary

__all__ = ["ClozeModel", "Filled", "Filling"]
NUMBERS = 1 << 20  # logits that are held at a time
SAMPLE = 5  # fillings of a sample
TOLERANCE = 1e-3  # between a sample's recorded and its present probability


class ClozeModel(SavedModel):
    """A model that says which words fit a blank, read from a bundle.

    >>> import nlpkit
    >>> nlpkit.ClozeModel.load("reviews-cloze").fill(["衣服质量__哦"])  # doctest: +SKIP
    [Filled(fillings=[Filling(words=('不错',), …, text='衣服质量不错哦'), …], reason=None)]

    :raises BundleError: if the bundle is damaged or was made for another task.
    """

    task = "cloze"
    default = "reviews-cloze"

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        with bundle.report_damage(CONFIG):
            (self.stage,) = self.stages
            self._names = [entry["name"] for entry in self.entries]
            if len(self.stage.weights) != len(self._names):
                raise ValueError("members and weights do not fit each other")

    @property
    def words(self) -> list[str]:
        """The words that it can say, most frequent first, in the order of the logits."""
        return self._answers[0]

    @property
    def counts(self) -> Ints:
        """How often each word stood in the training texts ``(answers,)``."""
        return self._answers[1]

    def fill(
        self,
        texts: Iterable[str],
        *,
        top: int = 10,
        beam: int | None = None,
        lexicon: Iterable[str] | None = None,
        pattern: str | None = None,
        length: int | None = None,
    ) -> list[Filled]:
        """Fill the blanks of each text, marked by two underscores: the best fillings in order.

        Several blanks are filled jointly. What restricts the words does not change their probabilities, which are
        shares among all words.

        :param top: how many fillings; of several blanks there are at most 1,000.
        :param beam: fillings of some blanks that are tried further, at most 1,000; ``max(top, 10)`` unless said.
        :param lexicon: only these words.
        :param pattern: only words that this regular expression matches as a whole.
        :param length: only words of so many characters.
        :raises SettingError: if the pattern is none, a number is not positive, or texts or lexicon come as one string.
        """
        candidates = self.candidates(lexicon=lexicon, pattern=pattern, length=length)
        return Filler(self, top=top, beam=beam, candidates=candidates).fill(texts)

    def filler(
        self,
        *,
        top: int = 10,
        beam: int | None = None,
        pattern: str | None = None,
        lexicon: Path | None = None,
        length: int | None = None,
    ) -> Callable[[Sequence[Row]], list[Filled]]:
        """Return what fills rows of a file; see `fill`.

        :param lexicon: a file of words: one a line, or a JSON list.
        """
        words = None if lexicon is None else read_words(lexicon)
        candidates = self.candidates(lexicon=words, pattern=pattern, length=length)
        if candidates.unknown:
            some = ", ".join(candidates.unknown[:3]) + ", ..." * (len(candidates.unknown) > 3)
            count = f"{len(candidates.unknown):,} of {len(words or ()):,} words of {lexicon}"
            warnings.warn(DataWarning("{count} are unknown to the model: {some}", count=count, some=some), stacklevel=2)
        return Filler(self, top=top, beam=beam, candidates=candidates).fill_rows

    def candidates(
        self, *, lexicon: Iterable[str] | None = None, pattern: str | None = None, length: int | None = None
    ) -> Candidates:
        """Return which words may be said; see `fill`."""
        return Candidates.of(self.words, self.normaliser, lexicon=lexicon, pattern=pattern, length=length)

    def tokenize(self, normalised: Sequence[str]) -> list[list[str]]:
        """Return the tokens of each normalised text."""
        return self.tokenizer.batch(normalised).lists()

    def logits(self, blanks: Sequence[Blank]) -> Floats:
        """Map blanks to mixed logits ``(batch, answers)``; of many blanks that is much memory, see `best`."""
        if not blanks:
            return np.zeros((0, len(self.words)))
        return self.stage.logits([self._logits(i, blanks) for i in range(len(self.stage.weights))])

    def blocks(self, blanks: Sequence[Blank]) -> Iterator[tuple[slice, Floats]]:
        """Yield mixed logits of as many blanks at a time as memory should hold, and which blanks these are."""
        step = max(1, NUMBERS // max(1, len(self.words)))
        for start in range(0, len(blanks), step):
            rows = slice(start, min(start + step, len(blanks)))
            yield rows, self.logits(blanks[rows])

    def best(
        self, blanks: Sequence[Blank], size: int, among: NDArray[np.intp] | None = None
    ) -> tuple[NDArray[np.intp], Floats]:
        """Find the best answers at each blank: positions in `words` and log-probabilities, both ``(batch, size)``.

        Of equals the more frequent comes first.

        :param among: positions of the answers that may be given, ascending; None is all. If they are fewer than
            ``size``, so are the columns.
        """
        columns = min(size, len(self.words) if among is None else len(among))
        positions, values = np.empty((len(blanks), columns), dtype=np.intp), np.empty((len(blanks), columns))
        for rows, logits in self.blocks(blanks):
            allowed = logits if among is None else logits[:, among]
            order = np.array([find_lowest(-row, columns) for row in allowed])
            positions[rows] = order if among is None else among[order]
            values[rows] = np.take_along_axis(allowed, order, 1) - log_sum(logits)
        return positions, values

    def knows(self, documents: Sequence[Sequence[str]]) -> NDArray[np.bool_]:
        """Tell whether any member knows any token of each document ``(batch,)``."""
        tokens, known = Tokens.of(documents), np.zeros(len(documents), dtype=np.bool_)
        for vocabulary in self._vocabularies:
            ids = vocabulary.encode(tokens)
            known |= ids.sums((ids.grid != UNKNOWN).sum(0)) > 0
        return known

    def member(self, position: int) -> FillingMember:
        """Return a member, opened when first asked."""
        entry, vocabulary = self.entries[position], self._vocabularies[position]
        return self.open_part(position, lambda: open_member(self.bundle, entry, vocabulary, self.words))

    def warm(self) -> None:
        """Open every part and answer once, so that no later answer has to wait for a part to be opened."""
        self.logits([Blank(self.tokenize(self.normaliser.batch(["好"]))[0], [])])

    def sample(self, text: str) -> dict[str, Any]:
        """Answer a text as samples.json holds it, for `check`."""
        (answer,) = self.fill([text], top=SAMPLE)
        fillings = [{"words": list(f.words), "probability": f.probability} for f in answer.fillings]
        return {"text": text, "fillings": fillings, "reason": answer.reason}

    def compare(self, sample: Mapping[str, Any]) -> str | None:
        """Fill one of the bundle's samples again."""
        text = sample["text"]
        expected = [(tuple(filling["words"]), filling["probability"]) for filling in sample["fillings"]]
        (filled,) = self.fill([text], top=2 * len(expected) or 1)
        return _compare(text, expected, filled)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The one by which all members read."""
        with self.bundle.report_damage(CONFIG):
            return open_tokenizer(self.bundle, self.bundle.config["tokenizer"], TOKENIZER, self.normaliser)

    @cached_property
    def _answers(self) -> tuple[list[str], Ints]:
        with self.bundle.report_damage(ANSWERS):
            content = self.bundle.read_json(ANSWERS)
            words = content["words"]
            if not is_text_list(words) or not all(type(count) is int for count in content["counts"]):
                raise ValueError("words are texts, and counts are whole numbers")
            counts = np.array(content["counts"], dtype=np.int64)
            if not words or len(set(words)) != len(words) or counts.shape != (len(words),) or counts.min() < 0:
                raise ValueError("words and counts do not fit each other")
            return words, counts

    @cached_property
    def _vocabularies(self) -> list[Vocabulary]:
        vocabularies = []
        for path in (f"{name}/{VOCABULARY}" for name in self._names):
            with self.bundle.report_damage(path):
                vocabularies.append(load_vocabulary(self.bundle.read(path)))
        return vocabularies

    def _logits(self, position: int, blanks: Sequence[Blank]) -> Floats:
        with self.bundle.report_damage(self._names[position]):
            logits = self.member(position).logits(blanks)
            if logits.shape != (len(blanks), len(self.words)):
                raise ValueError(f"{logits.shape[1:]} logits for {len(self.words)} words")
            return logits


def _compare(text: str, expected: Sequence[tuple[tuple[str, ...], float]], filled: Filled) -> str | None:
    shares = {filling.words: filling.probability for filling in filled.fillings}
    if bool(expected) == bool(shares) and all(abs(shares.get(words, 0.0) - p) <= TOLERANCE for words, p in expected):
        return None
    best = dict(list(shares.items())[: len(expected)])
    return f"{text!r}: expected {dict(expected) or None}, found {best or None}"
