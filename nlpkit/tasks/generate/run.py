"""What of a run is a generating model's own: characters on disk, texts that follow each other, probabilities mixed."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import Sentence, join
from nlpkit.model.bundle import VOCABULARY
from nlpkit.model.mixing import Stage
from nlpkit.tasks.generate.characters import characters_of
from nlpkit.tasks.generate.member import Characters, LanguageModelMember, NgramsMember
from nlpkit.tasks.generate.metrics import measure
from nlpkit.tasks.generate.model import GenerationModel
from nlpkit.tasks.generate.settings import GenerationSettings, LanguageModelSettings
from nlpkit.tasks.metrics import Metrics
from nlpkit.text.continuous import Continuous
from nlpkit.text.corpus import Example
from nlpkit.text.vocabulary import TableVocabulary, dump_vocabulary
from nlpkit.training.events import Event, Note, Working
from nlpkit.training.member import Member, StoredMember
from nlpkit.training.run import Open, Run
from nlpkit.training.settings import RunSettings, check_focus
from nlpkit.training.storage import StoredCorpus, StoredTokens, store_tokens, write_folder

PLACES = ("train", "validation")
Ints = NDArray[np.int64]
MIXED, MIXED_STREAMS = 200_000, 16  # validation characters by which members are weighed, and texts of them
ROUNDS = 50
TESTED = 1_000_000  # test characters of each corpus
PROMPTS = ("", "这", "质量", "快递")  # of the model's test of itself, unless others are given


class GenerationRun(Run):
    """The run of a model that goes on writing."""

    settings_class: ClassVar[type[RunSettings]] = GenerationSettings
    kinds: ClassVar[Mapping[str, type[Member]]] = {"network": LanguageModelMember, "ngrams": NgramsMember}
    card = "nlpkit.tasks.generate:card.md"
    settings: GenerationSettings

    def read(self, folder: Path, rows: Iterable[Example], **more: Any) -> Iterator[Event]:
        """Read texts of which some follow each other: all of them, or those of a corpus that is one long text."""
        lines = Continuous(rows, all_texts=self.settings.in_order)
        yield from super().read(folder, lines, continuous=lines.corpora, **more)
        if lines.cut:
            pieces = join(
                (Sentence("{corpus} in {count:,}", corpus=corpus, count=count) for corpus, count in lines.cut.items()),
                "; ",
            )
            yield Note("text without line ends was cut into pieces at the ends of sentences: {pieces}", pieces=pieces)

    def prepare(self, run: Path, corpus: StoredCorpus) -> Generator[Event, None, Characters]:
        """Store the characters of the rows of training and validation."""
        check_focus(self._focus, len(corpus.corpora))
        folder, normaliser = run / "characters", self.settings.normaliser
        if not folder.exists():
            with write_folder(folder) as new:
                for place in PLACES:
                    (new / place).mkdir()
                    blocks = (characters_of(normaliser.batch(texts)) for texts in corpus.texts(place))
                    for count in store_tokens(blocks, new / place):
                        yield Working(
                            Sentence("{place} characters", place=Sentence(place)), count, len(corpus.rows(place))
                        )
        return Characters(corpus, {place: StoredTokens(folder / place) for place in PLACES})

    def files(self, data: Characters, members: Sequence[StoredMember]) -> dict[str, bytes]:  # noqa: ARG002
        """Return the characters that all members know."""
        return {VOCABULARY: dump_vocabulary(data.known)}

    def mix(self, members: Sequence[StoredMember], opened: Open, data: Characters) -> list[Stage]:
        """Find the weights that make validation characters most likely, by expectation and maximisation."""
        model: GenerationModel = opened([Stage((1 / len(members),) * len(members))])
        corpus, tokens = data.corpus, data.tokens["validation"]
        judges = np.flatnonzero((corpus.corpus_of("validation") == 0) | (not self._focus))
        lengths = np.array([len(ids) for ids in _ids(tokens, data.known)])
        rows = set(choose_rows(judges, lengths, corpus.continuity_of("validation"), MIXED).tolist())
        ids = np.concatenate([ids for row, ids in enumerate(_ids(tokens, data.known)) if row in rows]).astype(np.int64)
        streams = max(1, min(MIXED_STREAMS, len(ids) // MIXED_STREAMS))
        chances = model.chances(ids[: len(ids) // streams * streams].reshape(streams, -1))
        weights = np.full(len(chances), 1 / len(chances))
        for _ in range(ROUNDS):
            shares = weights[:, None, None] * chances
            weights = (shares / shares.sum(0)).mean((1, 2))
        return [Stage(tuple(round(float(weight), 4) for weight in weights))]

    def measure_rows(self, model: GenerationModel, corpus: StoredCorpus, numbers: Ints) -> Metrics:
        """Measure some test rows; of many, some that lie evenly between them."""
        lengths = np.array([len(text) for block in corpus.texts("test") for text in block])
        some = choose_rows(numbers, lengths, corpus.continuity_of("test"), TESTED)
        return measure(model, corpus.examples("test", some))

    def samples(self, model: GenerationModel, corpus: StoredCorpus) -> list[str]:  # noqa: ARG002
        """Return prompts."""
        return list(PROMPTS)

    @property
    def _focus(self) -> Sequence[float]:
        return next((m.training.focus for m in self.settings.members if isinstance(m, LanguageModelSettings)), ())


def choose_rows(numbers: Ints, lengths: Ints, ordered: NDArray[np.bool_], limit: int) -> Ints:
    """Rows of about so many characters together, some that lie evenly between them; the first, if they follow each
    other.

    :param numbers: of the rows to choose from.
    :param lengths: of all rows ``(rows,)``, as is ``ordered``.
    """
    if ordered[numbers].all():
        return numbers[: 1 + int(np.searchsorted(np.cumsum(lengths[numbers]), limit))]
    return numbers[:: max(1, int(lengths[numbers].sum()) // limit)]


def _ids(tokens: StoredTokens, vocabulary: TableVocabulary) -> Iterator[NDArray[np.int32]]:
    for block in tokens.blocks():
        yield from vocabulary.encode(block).rows()
