"""What of a run is a classifier's own: labels, what is known of the texts, how members are mixed, what is doubtful."""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import DataError, Sentence, join, nearest
from nlpkit.model import bundle
from nlpkit.model.mixing import Stage
from nlpkit.tasks.metrics import Metrics
from nlpkit.tasks.sentiment.labels import BALANCED, remark_on_alike, remark_on_neglect
from nlpkit.tasks.sentiment.member import Classifier
from nlpkit.tasks.sentiment.metrics import BLOCK, Answers, ClassMetrics, answer_rows, find_neglected, measure_answers
from nlpkit.tasks.sentiment.model import DECIMALS, SentimentModel
from nlpkit.tasks.sentiment.objective import NOTHING, Teaching
from nlpkit.tasks.sentiment.settings import SentimentSettings
from nlpkit.tasks.sentiment.several import measure_several
from nlpkit.text.blocks import blocks_of
from nlpkit.text.corpus import Example, rename
from nlpkit.text.evidence import Evidence, EvidenceCount
from nlpkit.text.familiarity import FamiliarityCount
from nlpkit.text.labels import alike, rename_options
from nlpkit.text.several import as_labels, names_of
from nlpkit.text.split import PLACES
from nlpkit.text.vocabulary import SubwordVocabulary, TableVocabulary, load_vocabulary
from nlpkit.training.base_model import BaseModel
from nlpkit.training.calibration import tune_sigmoid_stages, tune_stages
from nlpkit.training.events import Event, Note, Remark, Working
from nlpkit.training.exits import FoundExit, find_exits
from nlpkit.training.member import Member, StoredMember
from nlpkit.training.mixture import (
    TAUGHT,
    check_validation,
    group_validation,
    tell_mixture,
    weigh_rows,
    weigh_validation,
)
from nlpkit.training.run import Open, Run, group_rows
from nlpkit.training.settings import RunSettings
from nlpkit.training.storage import StoredCorpus
from nlpkit.training.teacher import ask_teacher, open_teacher
from nlpkit.training.text_network import COMPARE_ROWS

Ints = NDArray[np.int64]

SAMPLES = 12
FEW = 5  # rows of a label: fewer can neither be learnt nor be measured, as one or none is a test row
RARE = 3  # times that the most frequent label is more frequent: from there on the other is often not answered at all


@dataclass(frozen=True)
class Texts:
    """The stored rows, and what the training texts hold.

    :param taught: what config.json says of the teacher; empty where there is none.
    """

    corpus: StoredCorpus
    evidence: Evidence
    statistics: dict[str, Any]
    teaching: Teaching = NOTHING
    taught: Mapping[str, Any] = field(default_factory=dict)


class SentimentRun(Run):
    """The run of a classifier of texts; any set of labels."""

    settings_class: ClassVar[type[RunSettings]] = SentimentSettings
    kinds: ClassVar[Mapping[str, type[Member]]] = {"network": Classifier}
    card = "nlpkit.tasks.sentiment:card.md"
    settings: SentimentSettings
    exits: Sequence[FoundExit] = ()  # as far as they were to be found

    def rehearse(self) -> list[str]:
        """Make every part once, and open the teacher."""
        if self.settings.teacher.model:
            open_teacher(self.task, self.settings.teacher.model)
        return super().rehearse()

    def read(self, folder: Path, rows: Iterable[Example], **more: Any) -> Iterator[Event]:
        """Read rows under their new labels, and say what is odd about the labels."""
        names, counts = self.settings.labels, dict[str, Counter[str]]()
        rows = _join(rows) if self.settings.several else rows
        try:
            yield from super().read(folder, _rename(_count(rows, counts), counts, names), **more)
        except DataError:
            yield from _remark_on_alike(counts, names)  # which may be why
            raise
        yield from _remark_on_alike(counts, names)
        yield from _tell_left_out(counts, names, several=StoredCorpus(folder).several)
        labels = sorted({label for of_corpus in counts.values() for label in of_corpus})
        if unknown := [label for label in names if label not in labels]:
            yield Remark(
                "no row has the label {unknown}{there_is}",
                unknown=", ".join(map(repr, unknown)),
                there_is=nearest(unknown[0], labels),
            )
        yield from _remark_on_disjoint(counts, names)

    def remarks(self, corpus: StoredCorpus) -> Iterator[str]:
        """Say what is odd about how many rows each label has."""
        rows = corpus.count_labels(*PLACES)
        if few := {label: count for label, count in rows.items() if count < FEW}:
            yield _say_few(few, len(rows) - len(few))
        if corpus.several:
            yield from _remark_on_sets(corpus)
            return
        most = max(rows, key=lambda label: rows[label])
        rare = {label: count for label, count in rows.items() if RARE * count < rows[most] and label not in few}
        if rare and not self._balanced:
            listed = join(
                Sentence("{label!r} has {count:,}", label=label, count=count) for label, count in rare.items()
            )
            yield (
                Sentence(
                    "{listed} rows where {most!r} has {rows:,}, and may hardly ever be the answer: "
                    "{balanced} lets each label count as much as any other",
                    listed=listed,
                    most=most,
                    rows=rows[most],
                    balanced=BALANCED,
                )
            )

    def remark_on_base(self, base: BaseModel, corpus: StoredCorpus) -> Iterator[Event]:
        """Say which labels the model that training goes on from had under another name."""
        labels = set(base.bundle.config["labels"])
        meant = {old: self._base_names[old] for old in corpus.labels if self._base_names.get(old) in labels}
        if meant := {old: new for old, new in meant.items() if old not in labels}:
            called = " and ".join(f"{old} {new}" for old, new in meant.items())
            yield Remark(
                "{model} was trained with {called}: if these rows mean the same, say {options}, and what it knows of "
                "them is kept",
                model=base.name,
                called=Sentence("{called} for labels", called=called)
                if len(meant) > 1
                else Sentence("{called} for a label", called=called),
                options=rename_options(meant),
            )

    def notes(self, corpus: StoredCorpus) -> Iterator[Sentence]:
        """Say what was done with rows that were not simply dealt out, and by what rows the model is judged."""
        yield from tell_mixture(corpus, self.settings.validation_share)
        if folds := self.settings.folds:
            yield Sentence(
                "{folds} folds: each member is trained so often, without another part of the rows; its weights are the "
                "means, and what it says of the rows left out takes the place of validation",
                folds=folds,
            )

    def prepare(self, run: Path, corpus: StoredCorpus) -> Generator[Event, None, Texts]:
        """Ask the teacher; find out what training texts hold, and how long and how usual they are."""
        check_validation(corpus, COMPARE_ROWS)
        self._check_several(corpus)
        if (rows := len(corpus.rows("train"))) < self.settings.folds:
            raise DataError(
                "{rows:,} rows to train on cannot be cut into {folds} folds: give more rows, or set fewer folds",
                rows=rows,
                folds=self.settings.folds,
            )
        teaching, taught = yield from self._prepare_teaching(run, corpus)
        evidence, statistics, normaliser = EvidenceCount(), _Statistics(), self.settings.normaliser
        familiarity, folds = FamiliarityCount(), self.settings.folds
        total, done = sum(len(corpus.rows(place)) for place in teaching.places), 0
        for block in itertools.chain.from_iterable(map(corpus.texts, teaching.places)):
            texts = normaliser.batch(block)
            evidence.add(texts)
            statistics.add(texts)
            familiarity.add([text for number, text in enumerate(texts) if not folds or number % folds])
            done += len(texts)
            yield Working("characters", done, total)
        judges = map(normaliser.batch, corpus.texts(self.settings.judge, COMPARE_ROWS))
        found = familiarity.familiarity(texts[:: folds or 1] for texts in judges)
        more = {"familiarity": found.to_json()} if found else {}
        return Texts(corpus, evidence.evidence(), statistics.to_json() | more, teaching, taught)

    def _check_several(self, corpus: StoredCorpus) -> None:
        """Refuse what does not go with several labels a text, or with one.

        :raises DataError: saying what to do.
        """
        if corpus.several and self.settings.several is False:
            raise DataError(
                "the rows have several labels each, and several = false: leave that out, or --label-separator and "
                "--label-columns"
            )
        if corpus.several and self.settings.teacher.model:
            raise DataError("the rows have several labels each, and a teacher tells of one: leave the teacher out")
        if self.base is not None and self.base.bundle.config.get("several", False) != corpus.several:
            raise DataError(
                "{model} gives a text {its}, and the rows have {theirs} each: {remedy}",
                model=self.base.name,
                its=Sentence("one label") if corpus.several else Sentence("several labels"),
                theirs=Sentence("several labels") if corpus.several else Sentence("one label"),
                remedy=Sentence("train a new model")
                if corpus.several
                else Sentence("say --set several=true if these are all that apply"),
            )

    def _prepare_teaching(
        self, run: Path, corpus: StoredCorpus
    ) -> Generator[Event, None, tuple[Teaching, Mapping[str, Any]]]:
        """Return what is learnt from besides labels, and what config.json says of the teacher."""
        teacher, judging = self.settings.teacher, weigh_validation(corpus, self.settings.validation_share)
        if not teacher.model:
            return Teaching(weights=weigh_rows(corpus, "train"), judging=judging), {}
        lessons = yield from ask_teacher(self.task, teacher.model, corpus, run, self.trial)
        places = ("train", TAUGHT) if corpus.has_place(TAUGHT) else ("train",)
        teaching = Teaching(
            places,
            weigh_rows(corpus, *places),
            lessons.probabilities,
            labelled=len(corpus.rows("train")),
            share=teacher.weight,
            temperature=teacher.temperature,
            judging=judging,
        )
        return teaching, {**lessons.facts, "weight": teacher.weight, "temperature": teacher.temperature}

    def config(self, data: Texts) -> dict[str, Any]:
        """Return labels, the names that corpora have for them, what the texts were like, and who taught them."""
        taught = {"teacher": dict(data.taught)} if data.taught else {}
        labels = list(data.corpus.labels)
        known = {old: new for old, new in self._base_names.items() if new in labels and old not in labels}
        aliases = known | dict(self.settings.labels)
        several = {"format": bundle.SEVERAL_FORMAT, "several": True} if data.corpus.several else {}
        return {"labels": labels, "aliases": aliases, "statistics": data.statistics, **taught, **several}

    def files(self, data: Texts, members: Sequence[StoredMember]) -> dict[str, bytes]:
        """Return what counts as evidence: characters of the training texts, and the words that members know."""
        evidence = data.evidence
        if self.base is not None:
            with self.base.bundle.report_damage(bundle.EVIDENCE):
                known = self.base.bundle.read_json(bundle.EVIDENCE)
                evidence = evidence.join(Evidence(known["characters"], known["words"]))
        for member in members:
            vocabulary = load_vocabulary(member.files[bundle.VOCABULARY])
            if isinstance(vocabulary, SubwordVocabulary):
                evidence = evidence.with_tokens(vocabulary.characters)
            elif isinstance(vocabulary, TableVocabulary):
                evidence = evidence.with_tokens(vocabulary.tokens)
        return {bundle.EVIDENCE: bundle.dump_json(evidence.to_json())}

    def mix(self, members: Sequence[StoredMember], opened: Open, data: Texts) -> list[Stage]:  # noqa: ARG002
        """Mix logits, in stages of which a sure row leaves early."""
        targets = _judged(data.corpus, self.settings.judge)
        tune = tune_sigmoid_stages if data.corpus.several else tune_stages
        judging = data.teaching.judging
        judging = None if judging is None else judging[:COMPARE_ROWS]
        logits = [_validation(member) for member in members]
        if self.settings.exits != "agree":
            return tune(logits, targets, self.settings.exits, judging)
        stages = tune(logits, targets, [None] * (len(members) - 1), judging)
        groups = {name: rows[rows < len(targets)] for name, rows in group_validation(data.corpus).items()}
        names = [member.entry["name"] for member in members]
        stages, self.exits = find_exits(stages, logits, groups, names, self.settings.agreement)
        return stages

    def mixture(self) -> dict[str, Any]:
        """Return what was found out about exits."""
        return {"exits": [found.to_json() for found in self.exits]} if self.exits else {}

    def tell_mixture(self) -> Iterator[Event]:
        """Say how many rows leave early, and how often that is what the whole model says."""
        return (Remark(found.tell()) if found.exit is None else Note(found.tell()) for found in self.exits)

    def measure(self, model: SentimentModel, corpus: StoredCorpus) -> Generator[Event, None, dict[str, Metrics]]:
        """Measure test rows, each asked about once: all, and those of each corpus. Each label may be the answer."""
        groups, parts, done = group_rows(corpus, "test"), list[Any](), 0
        total = len(corpus.rows("test"))
        for block in blocks_of(corpus.examples("test", np.arange(total)), BLOCK):
            yield Working("testing", done, total)
            parts.append(answer_rows(model, block))
            done += len(block)
        if not parts:
            return {}
        answers = type(parts[0]).join(parts)
        if model.thresholds is not None:
            choice, thresholds = model.choose_among(None), model.thresholds
            return {name: measure_several(answers.take(rows), choice, thresholds) for name, rows in groups.items()}
        return {name: measure_answers(answers.take(rows), model.labels) for name, rows in groups.items()}

    def doubts(
        self,
        measured: Mapping[str, Metrics],
        stages: Sequence[Stage],
        members: Sequence[StoredMember],
        data: Texts,
    ) -> Iterator[str]:
        """Say which labels are answered too rarely, on the rows of validation and test."""
        corpus = data.corpus
        if corpus.several:
            return
        probabilities = stages[-1].probabilities([_validation(member) for member in members])
        truth = corpus.targets(self.settings.judge)[: len(probabilities)]
        held_out = [measure_answers(Answers(truth, probabilities.argmax(1), probabilities.max(1)), corpus.labels)]
        held_out += [m for name, m in measured.items() if name == "all" and isinstance(m, ClassMetrics)]
        counts = np.bincount(corpus.targets("train"), minlength=len(corpus.labels)).tolist()
        few = find_neglected(held_out, dict(zip(corpus.labels, counts, strict=True)))
        judges = Sentence("left-out" if self.settings.folds else "validation")
        place = Sentence("{judges} and test", judges=judges) if measured else judges
        yield from remark_on_neglect(few, place, balanced=self._balanced)

    def samples(self, model: SentimentModel, corpus: StoredCorpus) -> list[str]:  # noqa: ARG002
        """Return some validation rows."""
        return [text for block in corpus.texts(self.settings.judge, SAMPLES) for text in block]

    @property
    def _base_names(self) -> Mapping[str, str]:
        """Return the names of labels that a saved model knows for those of corpora."""
        return self.base.bundle.config.get("aliases", {}) if self.base else {}

    @property
    def _balanced(self) -> bool:
        """Whether in every member each label counts as much as any other."""
        return all(member.training.class_weights == "balanced" for member in self.settings.members)


def _validation(member: StoredMember) -> Any:
    """Return logits ``(rows, labels)`` of validation rows."""
    assert member.validation is not None
    return member.validation


def _judged(corpus: StoredCorpus, place: str) -> NDArray[Any]:
    """Return what is asked of the rows that judge: see `Classifier.targets`."""
    targets = corpus.indicators(place) if corpus.several else corpus.targets(place)
    return targets[:COMPARE_ROWS]


def _join(rows: Iterable[Example]) -> Iterator[Example]:
    """Yield the same rows, each with one label as the only one of several that it might have."""
    for row in rows:
        if row.source.use != "unlabelled":
            row.label = as_labels(row.label)
        yield row


def _count(rows: Iterable[Example], counts: dict[str, Counter[str]]) -> Iterator[Example]:
    """Yield the same rows, and count the labels of each corpus."""
    for row in rows:
        if row.source.use != "unlabelled":
            counts.setdefault(row.corpus, Counter()).update(names_of(row.label))
        yield row


def _rename(
    rows: Iterable[Example], counts: Mapping[str, Mapping[str, int]], names: Mapping[str, str]
) -> Iterator[Example]:
    """Yield rows under their new labels.

    :raises DataError: at their end, if neither an old nor a new name stands anywhere: nobody meant that.
    """
    yield from rename(rows, names)
    labels = {label for of_corpus in counts.values() for label in of_corpus}
    if names and labels and labels.isdisjoint({*names, *names.values()}):
        first = next(iter(names))
        raise DataError(
            "no row has any of the labels {names}{there_is}",
            names=", ".join(names),
            there_is=nearest(first, sorted(labels)),
        )


def _remark_on_alike(counts: Mapping[str, Counter[str]], names: Mapping[str, str]) -> Iterator[Event]:
    if groups := alike(sum(counts.values(), Counter[str]()), names):
        yield Remark(remark_on_alike(groups))


def _tell_left_out(counts: Mapping[str, Counter[str]], names: Mapping[str, str], *, several: bool) -> Iterator[Event]:
    """Say how many rows have labels that were to be left out: the rows go or, of several labels, these alone."""
    rows = {label: sum(of[label] for of in counts.values()) for label, name in names.items() if not name}
    if any(rows.values()):
        listed = join(
            Sentence("{count:,} labelled {label!r}", count=count, label=label) for label, count in rows.items() if count
        )
        what = Sentence("labels were left out of their rows") if several else Sentence("rows were left out")
        yield Note("{what} as asked: {listed}", what=what, listed=listed)


def _remark_on_disjoint(counts: Mapping[str, Mapping[str, int]], names: Mapping[str, str]) -> Iterator[Event]:
    """Remark on corpora that share no label: they are likely to call the same things by other names."""
    under = {corpus: {names.get(label, label) for label in labels} - {""} for corpus, labels in counts.items()}
    for corpus, labels in under.items():
        others = [other for name, other in under.items() if name != corpus]
        if len(labels) > 1 and others and all(labels.isdisjoint(other) for other in others):
            some = ", ".join(sorted(labels)[:4])
            yield Remark(
                "{corpus} shares no label ({some}) with the others: if they mean the same, say --label OLD=NEW",
                corpus=corpus,
                some=some,
            )


def _remark_on_sets(corpus: StoredCorpus) -> Iterator[str]:
    """Say if rows that may have several labels never do, and which labels all of them have."""
    train = corpus.indicators("train")
    if (train.sum(1) == 1).all():
        yield Sentence("every training row has exactly one label: --set several=false trains a model that gives one")
    having = train.sum(0, dtype=np.int64).tolist()
    if everywhere := [label for label, rows in zip(corpus.labels, having, strict=True) if rows == len(train)]:
        yield Sentence(
            "all training rows have {labels}, so that nothing can be learnt of it",
            labels=" and ".join(map(repr, everywhere)),
        )


def _say_few(labels: Mapping[str, int], others: int) -> str:
    listed = join(Sentence("{label!r} has {rows} rows", label=label, rows=rows) for label, rows in labels.items())
    first = next(iter(labels))
    leave_out = (
        Sentence(", or leave them out by {option}", option=rename_options({first: ""}))
        if others > 1 and "=" not in first
        else ""
    )
    return Sentence(
        "{listed}: too few to learn a label by, or to measure it: give more{leave_out}",
        listed=listed,
        leave_out=leave_out,
    )


class _Statistics:
    """How long texts are and how rare their characters, to tell later when an input is unlike them."""

    def __init__(self) -> None:
        self._lengths = array("i")
        self._counts: Counter[str] = Counter()

    def add(self, texts: Sequence[str]) -> None:
        """Take some normalised texts."""
        self._lengths.extend(map(len, texts))
        self._counts.update("".join(texts))

    def to_json(self) -> dict[str, Any]:
        """Return quantiles of the lengths, how many characters, and the share of those seen less than five times."""
        quantiles = np.quantile(np.frombuffer(self._lengths, np.int32), [0.05, 0.5, 0.95, 0.99]).astype(int).tolist()
        rare = sum(n for n in self._counts.values() if n < 5) / max(self._counts.total(), 1)
        return {
            "length": dict(zip(("q05", "median", "q95", "q99"), quantiles, strict=True)),
            "characters": len(self._counts),
            "rare_character_share": round(rare, DECIMALS),
        }
