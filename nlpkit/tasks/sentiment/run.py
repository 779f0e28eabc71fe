"""Training a sentiment bundle: corpora → deduplicated, split → members trained, exported → mixed → tested → saved.

A generator: it yields what happens, and the caller draws it. All of it happens in the run's folder beside the model's,
part after part, and what is done there is not done again: see `nlpkit.training.run_folder`.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import nlpkit
from nlpkit.errors import DataError, nearest
from nlpkit.model import bundle
from nlpkit.model.bundle import Bundle
from nlpkit.model.mixing import Stage
from nlpkit.tasks.sentiment.member import CALIBRATED, Trained, train_member
from nlpkit.tasks.sentiment.metrics import Answers, Metrics, metrics, neglected
from nlpkit.tasks.sentiment.model import DECIMALS, SentimentModel
from nlpkit.text.corpus import Example, rename
from nlpkit.text.evidence import Evidence, EvidenceCount
from nlpkit.text.groups import corpus_names
from nlpkit.text.labels import alike
from nlpkit.text.normalisation import Normaliser
from nlpkit.text.split import PLACES
from nlpkit.text.vocabulary import TableVocabulary, load_vocabulary
from nlpkit.training.calibration import tune_stages
from nlpkit.training.composition import rehearse
from nlpkit.training.events import (
    AlikeLabels,
    Event,
    FewRows,
    OwnLabels,
    Prepared,
    RareAnswers,
    RareLabels,
    Remark,
    UnknownLabels,
    Working,
)
from nlpkit.training.history import History
from nlpkit.training.run_folder import CORPUS
from nlpkit.training.runs import Model, environment, rows_by_name, save_run
from nlpkit.training.settings import KINDS, Settings, without_paths
from nlpkit.training.storage import StoredCorpus, store_corpus

SAMPLES = 12
FEW = 5  # rows of a label: fewer can neither be learnt nor be measured, as one or none is a test row
RARE = 3  # times that the most frequent label is more frequent: from there on the other is often not answered at all


def train(
    examples: Iterable[Example],
    settings: Settings,
    folder: Path,
    *,
    samples: Sequence[str] | None = None,
    keep_weights: bool = True,
    force: bool = False,
    resume: bool = False,
    every: float = 30.0,
    origin: Mapping[str, Any] | None = None,
) -> Generator[Event, None, None]:
    """Train and save; the same examples, settings and number of threads give the same model.

    An interrupted run is resumed by the same call with ``resume``: the weights are those that it would have come to.

    :param examples: read once, to the end; not at all where an earlier attempt has stored them.
    :param samples: texts for the folder's test of itself; None takes some validation rows, or training rows.
    :param keep_weights: also save the weights as trained, which inference does not need.
    :param force: replace a model, or an unfinished run, that is there.
    :param every: seconds between saves of the state from which a killed run goes on.
    :param origin: JSON that says which examples these are; a resumed run must be of the same.
    :raises DataError: if the rows that are left have one label or are too few for the split.
    :raises BundleError: if the folder may not be replaced, or a run is in it.
    """
    if not resume:
        yield from map(Remark, rehearse(settings))  # what an earlier attempt composed needs no file of the user's again
    request: dict[str, Any] = {"settings": asdict(settings), "samples": samples, "keep_weights": keep_weights}
    request |= {"threads": torch.get_num_threads(), "origin": origin}

    def make(run: Path, history: History) -> Generator[Event, None, Model]:
        learnt = yield from _learnt(examples, settings, run, history, every)
        return (yield from _model(learnt, settings, folder, samples, keep_weights=keep_weights))

    yield from save_run(folder, request, make, resume=resume, force=force)


@dataclass(frozen=True)
class _Learnt:
    """All that came of the training and validation rows."""

    corpus: StoredCorpus
    prepared: Prepared
    evidence: Evidence
    statistics: dict[str, Any]
    members: Sequence[Trained]
    stages: Sequence[Stage]


def _learnt(
    examples: Iterable[Example], settings: Settings, run: Path, history: History, every: float
) -> Generator[Event, None, _Learnt]:
    """Read, train every member, mix them."""
    corpus = yield from _stored(run / CORPUS, examples, settings)
    prepared = _prepared(corpus)
    yield prepared
    yield from _told_rows(corpus, settings)
    normaliser = Normaliser(**settings.normalisation)
    evidence, statistics = yield from _seen(corpus, normaliser)
    members: list[Trained] = []
    for position, member in enumerate(settings.members):
        seed = settings.seed + position
        members.append((yield from train_member(run, member, corpus, normaliser, history, seed=seed, every=every)))
    for made in members:
        if isinstance(vocabulary := load_vocabulary(made.files[bundle.VOCABULARY]), TableVocabulary):
            evidence = evidence.with_tokens(vocabulary.tokens)
    stages = tune_stages([made.logits for made in members], corpus.targets("validation")[:CALIBRATED], settings.exits)
    return _Learnt(corpus, prepared, evidence, statistics, members, stages)


def _model(
    learnt: _Learnt, settings: Settings, folder: Path, samples: Sequence[str] | None, *, keep_weights: bool
) -> Generator[Event, None, Model]:
    """The model, and its figures on the test rows, measured on these very files."""
    corpus = learnt.corpus
    config = _config(settings, corpus.labels, learnt.members, learnt.stages)
    config["data"] = {k: v for k, v in asdict(learnt.prepared).items() if k != "ordered"}
    config["data"] |= {"corpora": rows_by_name(corpus.corpora), "fingerprint": corpus.fingerprint}
    config["statistics"] = learnt.statistics
    files = {bundle.EVIDENCE: bundle.dump_json(learnt.evidence.to_json())}
    for made in learnt.members:
        files |= made.stored(keep_weights=keep_weights)
    model = SentimentModel(Bundle(str(folder), {**files, bundle.CONFIG: bundle.dump_json(config)}))
    measured = yield from _test(model, corpus)
    yield from _told_answers(measured.get("all"), learnt, settings)
    config["metrics"] = {name: found.to_json() for name, found in measured.items()}
    files[bundle.CONFIG] = bundle.dump_json(config)
    place = "validation" if len(corpus.rows("validation")) else "train"
    texts = samples or [text for block in corpus.texts(place, SAMPLES) for text in block]
    files[bundle.SAMPLES] = bundle.dump_json(_samples(model, texts))
    return Model(files, learnt.stages, measured)


def _stored(folder: Path, examples: Iterable[Example], settings: Settings) -> Generator[Event, None, StoredCorpus]:
    if not folder.exists():
        yield Working("reading", 0, None)
        found: dict[str, Counter[str]] = {}
        rows = _renamed(_watched(examples, found), found, settings.labels)
        try:
            for count in store_corpus(rows, folder, test=settings.test, validation=settings.validation):
                yield Working("reading", count, None)
        except DataError:
            yield from _told_alike(found, settings.labels)  # which may be why
            raise
        yield from _told_alike(found, settings.labels)
        labels = {label for of_corpus in found.values() for label in of_corpus}
        if unknown := [label for label in settings.labels if label not in labels]:
            yield UnknownLabels(unknown, sorted(labels))
        yield from _disjoint(found, settings.labels)
    return StoredCorpus(folder)


def _watched(examples: Iterable[Example], found: dict[str, Counter[str]]) -> Iterator[Example]:
    """The same examples; the labels of each corpus are counted."""
    for example in examples:
        found.setdefault(example.corpus, Counter())[example.label] += 1
        yield example


def _told_alike(found: Mapping[str, Counter[str]], names: Mapping[str, str]) -> Iterator[Event]:
    if groups := alike(sum(found.values(), Counter[str]()), names):
        yield AlikeLabels(groups)


def _told_rows(corpus: StoredCorpus, settings: Settings) -> Iterator[Event]:
    """What is odd about how many rows each label has."""
    size = len(corpus.labels)
    counted = np.sum([np.bincount(corpus.targets(place), minlength=size) for place in PLACES], 0)
    rows: dict[str, int] = dict(zip(corpus.labels, counted.tolist(), strict=True))
    few = {label: count for label, count in rows.items() if count < FEW}
    if few:
        yield FewRows(few, len(rows) - len(few))
    most = max(rows, key=lambda label: rows[label])
    rare = {label: count for label, count in rows.items() if RARE * count < rows[most] and label not in few}
    if rare and not _balanced(settings):
        yield RareLabels(rare, (most, rows[most]))


def _balanced(settings: Settings) -> bool:
    """Whether in every member each label counts as much as any other."""
    return all(member.training.class_weights == "balanced" for member in settings.members)


def _told_answers(measured: Metrics | None, learnt: _Learnt, settings: Settings) -> Iterator[Event]:
    """Which labels are answered too rarely, on the rows of validation and test."""
    held_out = [_of_validation(learnt), *([measured] if measured else [])]
    if few := neglected(held_out, learnt.prepared.labels):
        yield RareAnswers(few, "validation and test" if measured else "validation", _balanced(settings))


def _of_validation(learnt: _Learnt) -> Metrics:
    corpus = learnt.corpus
    probabilities = learnt.stages[-1].probabilities([made.logits for made in learnt.members])
    truth = corpus.targets("validation")[: len(probabilities)]
    return metrics(Answers(truth, probabilities.argmax(1), probabilities.max(1)), corpus.labels)


def _renamed(
    examples: Iterable[Example], found: Mapping[str, Mapping[str, int]], names: Mapping[str, str]
) -> Iterator[Example]:
    """Examples under their new labels.

    :raises DataError: at their end, if neither an old nor a new name stands anywhere: nobody meant that.
    """
    yield from rename(examples, names)
    labels = {label for of_corpus in found.values() for label in of_corpus}
    if names and labels and labels.isdisjoint({*names, *names.values()}):
        first = next(iter(names))
        raise DataError(f"no row has any of the labels {', '.join(names)}{nearest(first, sorted(labels))}")


def _disjoint(found: Mapping[str, Mapping[str, int]], names: Mapping[str, str]) -> Iterator[Event]:
    """Corpora that share no label with any other are likely to call the same things by other names."""
    under = {corpus: {names.get(label, label) for label in labels} - {""} for corpus, labels in found.items()}
    for corpus, labels in under.items():
        others = [other for name, other in under.items() if name != corpus]
        if len(labels) > 1 and others and all(labels.isdisjoint(other) for other in others):
            yield OwnLabels(corpus, sorted(labels))


def _prepared(corpus: StoredCorpus) -> Prepared:
    counted = np.bincount(corpus.targets("train"), minlength=len(corpus.labels)).tolist()
    return Prepared(
        **asdict(corpus.counts),
        **{place: len(corpus.rows(place)) for place in ("train", "validation", "test")},
        labels=dict(zip(corpus.labels, counted, strict=True)),
    )


def _seen(corpus: StoredCorpus, normaliser: Normaliser) -> Generator[Event, None, tuple[Evidence, dict[str, Any]]]:
    """What the training texts hold, and how long they are and how rare their characters."""
    evidence, statistics = EvidenceCount(), _Statistics()
    total = len(corpus.rows("train"))
    done = 0
    for block in corpus.texts("train"):
        texts = normaliser.batch(block)
        evidence.add(texts)
        statistics.add(texts)
        done += len(texts)
        yield Working("characters", done, total)
    return evidence.evidence(), statistics.to_json()


def _config(
    settings: Settings, labels: Sequence[str], members: Sequence[Trained], stages: Sequence[Stage]
) -> dict[str, Any]:
    """What config.json says of the model, but for its data and figures."""
    return {
        "format": bundle.FORMAT,
        "nlpkit": nlpkit.__version__,
        "task": "sentiment",
        "labels": list(labels),
        "aliases": dict(settings.labels),
        "normalisation": Normaliser(**settings.normalisation).config,
        "members": [member.entry for member in members],
        "stages": [asdict(stage) for stage in stages],
        "settings": _without_paths(settings, members),
        "environment": environment(),
    }


def _without_paths(settings: Settings, members: Sequence[Trained]) -> dict[str, Any]:
    """Settings as JSON."""
    found = asdict(settings)
    for member, trained in zip(found["members"], members, strict=True):
        for kind in KINDS:
            member[kind] = without_paths(member[kind], trained.entry[kind])
    return found


def _test(model: SentimentModel, corpus: StoredCorpus) -> Generator[Event, None, dict[str, Metrics]]:
    """Figures on the test rows, of all and of each corpus."""
    truth, of = corpus.targets("test"), corpus.corpus_of("test")
    if not len(truth):
        return {}
    found, probabilities, done = np.full(len(truth), -1, np.int32), np.zeros(len(truth)), 0
    for texts in corpus.texts("test"):
        for row, score in enumerate(model.score(texts), start=done):
            if score.label is not None:
                found[row], probabilities[row] = corpus.labels.index(score.label), score.probability
        done += len(texts)
        yield Working("testing", done, len(truth))
    answers = Answers(truth, found, probabilities)
    measured = {"all": metrics(answers, corpus.labels)}
    names = corpus_names(corpus.corpora)
    for position, path in enumerate(corpus.corpora):
        if path in names and (rows := of == position).any():
            measured[names[path]] = metrics(answers[rows], corpus.labels)
    return measured


def _samples(model: SentimentModel, texts: Sequence[str]) -> list[dict[str, Any]]:
    pairs = zip(texts, model.score(texts), strict=True)
    return [{"text": text, "label": score.label, "probabilities": score.probabilities} for text, score in pairs]


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
        """Quantiles of the lengths, different characters, and the share of those that stand less than five times."""
        quantiles = np.quantile(np.frombuffer(self._lengths, np.int32), [0.05, 0.5, 0.95, 0.99]).astype(int).tolist()
        rare = sum(n for n in self._counts.values() if n < 5) / max(self._counts.total(), 1)
        return {
            "length": dict(zip(("q05", "median", "q95", "q99"), quantiles, strict=True)),
            "characters": len(self._counts),
            "rare_character_share": round(rare, DECIMALS),
        }
