"""A dry run: what a training run would compose, how large it would be and how fast, from the first rows of a corpus."""

from __future__ import annotations

import itertools
import random
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from nlpkit.model import bundle
from nlpkit.tasks.sentiment.member import composed, learning
from nlpkit.tasks.sentiment.objective import Classification
from nlpkit.text.corpus import Example, rename
from nlpkit.text.normalisation import Normaliser
from nlpkit.training.composition import Composition, rehearse
from nlpkit.training.export import export
from nlpkit.training.loop import Step, fit
from nlpkit.training.settings import MemberSettings, Settings, TrainingSettings
from nlpkit.training.storage import StoredCorpus, store_corpus

T = TypeVar("T")
READ = 1_000_000  # rows of the corpus that are read at most
ROWS = 20_000  # of them by which the run is judged
SECONDS = 3.0  # of training show the speed
TOLD = ("epochs", "batch_size", "loss", "optimizer", "learning_rate", "patience")
WARM = 3  # steps that are left out: a network warms up


@dataclass(frozen=True)
class Part:
    """One part of a composition: its name and options, the shape of what it returns, its parameters."""

    kind: str
    name: str
    options: Mapping[str, Any]
    shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class MemberPlan:
    """One member as it would be.

    :param size: bytes in the model, without the weights as trained.
    :param weights: bytes of these.
    :param speed: training rows a second, on this machine as busy as it is now; None for too few rows to tell.
    :param training: settings of the loop that are not the defaults, and those that say how long it lasts.
    """

    name: str
    parts: Sequence[Part]
    vocabulary: int
    parameters: int
    runtime: str
    size: int
    weights: int
    speed: float | None
    epochs: int
    pretrain: int
    training: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """A whole run, judged by its first rows.

    :param rows: read; ``whole`` says whether these were all.
    :param sample: of these, by which it was judged.
    :param labels: training rows among the sample, by label; ``train`` of them in all.
    :param remarks: what a user should know of the files that parts were given.
    """

    rows: int
    whole: bool
    sample: int
    train: int
    labels: Mapping[str, int]
    members: Sequence[MemberPlan]
    remarks: Sequence[str] = ()


def plan(examples: Iterable[Example], settings: Settings) -> Plan:
    """Compose every member on the first rows, train each for a moment, and keep nothing.

    :raises DataError: if these rows could not be trained on.
    """
    remarks = rehearse(settings)
    sample, read, whole = _sample(rename(examples, settings.labels), settings.seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # Windows holds on to files that are mapped
        for _ in store_corpus(sample, Path(folder) / "corpus", test=settings.test, validation=settings.validation):
            pass
        corpus = StoredCorpus(Path(folder) / "corpus")
        normaliser = Normaliser(**settings.normalisation)
        members = [_member(Path(folder), m, corpus, normaliser, settings.seed) for m in settings.members]
        counted = np.bincount(corpus.targets("train"), minlength=len(corpus.labels)).tolist()
        by_label = dict(zip(corpus.labels, counted, strict=True))
        return Plan(read, whole, len(sample), sum(counted), by_label, members, remarks)


def _sample(examples: Iterator[Example], seed: int) -> tuple[list[Example], int, bool]:
    """Rows drawn evenly from the first (Vitter 1985, algorithm R), how many were read, and whether these are all."""
    draw, read = random.Random(seed), 0
    kept: list[Example] = []
    for read, example in enumerate(itertools.islice(examples, READ), start=1):
        if len(kept) < ROWS:
            kept.append(example)
        elif (place := draw.randrange(read)) < ROWS:
            kept[place] = example
    return kept, read, next(examples, None) is None


def _member(run: Path, member: MemberSettings, corpus: StoredCorpus, normaliser: Normaliser, seed: int) -> MemberPlan:
    composition, rows = result(composed(run, member, corpus, normaliser, seed))
    network, labels = composition.network, len(corpus.labels)
    module, shown = result(learning(run, network, rows, member.name))
    training = Classification(module, shown["train"], shown["validation"], member.training, labels)
    batch = rows["train"].batch(training.batches(1, np.random.default_rng(seed))[0])
    parts = list(_parts(composition, *batch[:2]))
    runtime, files = export(network, member.weights)
    weights = composition.files(weights=True)
    saved = len(weights.pop(bundle.WEIGHTS))
    size = sum(map(len, (files | weights).values()))
    total = sum(p.numel() for p in network.parameters())
    speed = _speed(fit(training, member.training, seed))
    told = asdict(member.training)
    told = {k: v for k, v in told.items() if k in TOLD or v != getattr(TrainingSettings(), k)}
    vocabulary, epochs = len(composition.vocabulary), member.training.epochs
    return MemberPlan(
        *(member.name, parts, vocabulary, total, runtime, size, saved, speed), epochs, member.training.pretrain, told
    )


def _parts(composition: Composition, ids: Tensor, mask: Tensor) -> Iterator[Part]:
    """Each part with the shape of what it makes of one batch."""
    network, entry = composition.network, composition.entry
    with torch.inference_mode():
        vectors = network.embedding(ids, mask)
        states, _ = network.encoder(vectors, mask)
        logits = network.head(states, mask)
    yield _part("tokenizer", entry, tuple(ids.shape), None)
    yield _part("embedding", entry, tuple(vectors.shape), network.embedding)
    yield _part("encoder", entry, tuple(states.shape), network.encoder)
    head = {k: v for k, v in entry["head"].items() if k != "pooling"}
    yield Part("head", entry["head"]["pooling"], head, tuple(logits.shape), _count(network.head))


def _part(kind: str, entry: Mapping[str, Any], shape: tuple[int, ...], part: Any) -> Part:
    return Part(kind, entry[kind]["name"], entry[kind]["config"], shape, _count(part))


def _count(part: nn.Module | None) -> int:
    return 0 if part is None else sum(p.numel() for p in part.parameters())


def _speed(events: Iterator[Any]) -> float | None:
    """Training rows a second, of a run that is given up after a moment."""
    rows, began = 0, 0.0
    for count, event in enumerate((e for e in events if isinstance(e, Step)), start=1):
        if count <= WARM:
            began = time.monotonic()
            continue
        rows += event.rows
        if time.monotonic() - began > SECONDS:
            break
    return rows / max(time.monotonic() - began, 1e-9) if rows else None


def result(steps: Generator[Any, None, T]) -> T:
    """What a generator returns at its end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
