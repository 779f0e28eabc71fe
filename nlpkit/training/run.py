"""A run: rows → stored, split → members trained, exported → mixed → tested → saved as a folder.

The one procedure for all tasks; a task says by a class what is its own. `train` is a generator: it yields what happens,
and the caller draws it. All of it happens in the run's folder beside the model's, part after part, and what is done
there is not done again: see `nlpkit.training.run_folder`.
"""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from nlpkit.errors import BundleError, PluginError, Sentence
from nlpkit.log import get_logger
from nlpkit.model import bundle
from nlpkit.model.base import SavedModel
from nlpkit.model.bundle import Bundle
from nlpkit.model.mixing import Stage
from nlpkit.plugins.registry import registry
from nlpkit.tasks.base import Reference, Task, resolve
from nlpkit.tasks.metrics import Metrics
from nlpkit.text.corpus import Example
from nlpkit.text.groups import corpus_names
from nlpkit.text.split import PLACES
from nlpkit.training.base_model import FROM, BaseModel, keep_base
from nlpkit.training.calibration import ends_at_bound, farthest_temperature
from nlpkit.training.card import write_card
from nlpkit.training.components import Part, make_component
from nlpkit.training.devices import CPU, choose_device, name_device
from nlpkit.training.events import Event, Note, Prepared, Remark, Saved, Working
from nlpkit.training.history import History
from nlpkit.training.member import Member, StoredMember, join_training, prepare_member, train_member
from nlpkit.training.mixture import describe_mixture
from nlpkit.training.processes import join, processes
from nlpkit.training.run_folder import (
    CORPUS,
    DEVICE,
    FORCE,
    allow_replacing,
    finish_run,
    has_progress,
    is_unfinished,
    open_run,
    read_request,
    run_folder_of,
)
from nlpkit.training.settings import RunSettings, Shape, drop_paths
from nlpkit.training.storage import StoredCorpus, store_corpus
from nlpkit.training.teacher import Trial
from nlpkit.version import __version__

LOG = get_logger(__name__)
T = TypeVar("T")
Open: TypeAlias = Callable[[Sequence[Stage]], Any]  # the model, mixed so


class Run(ABC):
    """What of a run is a task's own; each task has a class that inherits from it.

    :param settings: of `settings_class`.
    """

    settings_class: ClassVar[type[RunSettings]] = RunSettings
    trial: Trial | None = None  # where it is only tried out
    kinds: ClassVar[Mapping[str, type[Member]]]  # of members that may be trained, the usual one first
    card: ClassVar[Reference]  # the template of the model card, ``package:path``
    base: BaseModel | None = None  # the saved model from which it goes on

    def __init__(self, task: Task, settings: Any) -> None:
        self.task, self.settings = task, settings

    @classmethod
    def shape(cls) -> Shape:
        """Return what the settings look like."""
        return Shape(cls.settings_class, {name: kind.settings_class for name, kind in cls.kinds.items()})

    def go_on_from(self, base: BaseModel) -> None:
        """Let the run go on from a saved model.

        :raises SettingError: if its settings are of another composition.
        :raises BundleError: if the model is damaged, or of another task.
        """
        base.bundle.require_task(self.task.name)
        base.check(self.settings)
        self.base = base

    def rehearse(self) -> list[str]:
        """Make every part once, before any corpus is read; see `Member.rehearse`."""
        members = [self.make_member(position, None) for position in range(len(self.settings.members))]
        remarks = [*(self.base.remarks() if self.base else ())]
        remarks += [remark for member in members for remark in member.rehearse()]
        return list(dict.fromkeys(remarks))

    def make_component(self, kind: str) -> Part:
        """Make a component that all members share; of a saved model its own, made again."""
        settings, normaliser = getattr(self.settings, kind), self.settings.normaliser
        if self.base is not None:
            return self.base.make_component(kind, settings, normaliser)
        return make_component(kind, settings, normaliser=normaliser)

    def check_samples(self, samples: Sequence[str]) -> None:  # noqa: B027 - most tasks take any
        """Refuse texts by which a model could not test itself.

        :raises DataError: saying what they should be.
        """

    def store(self, folder: Path, rows: Iterable[Example]) -> Generator[Event, None, StoredCorpus]:
        """Store rows in a folder of the run; they are not read again where an earlier attempt has stored them."""
        if not folder.exists():
            yield from self.read(folder, rows)
        return StoredCorpus(folder)

    def read(self, folder: Path, rows: Iterable[Example], **more: Any) -> Iterator[Event]:
        """Read rows into a folder, and deal them out; more is what `store_corpus` may be told."""
        yield Working("reading", 0, None)
        labelled = self.task.rows.answer == "label"
        shares = {"test": self.settings.test, "validation": self.settings.validation}
        for count in store_corpus(rows, folder, **shares, labelled=labelled, seed=self.settings.seed, **more):
            yield Working("reading", count, None)

    def remarks(self, corpus: StoredCorpus) -> Iterator[str]:  # noqa: ARG002
        """Say what is odd about the rows."""
        return iter(())

    def notes(self, corpus: StoredCorpus) -> Iterator[Sentence]:  # noqa: ARG002
        """Say what was done with the rows besides what is done with all."""
        return iter(())

    def remark_on_base(self, base: BaseModel, corpus: StoredCorpus) -> Iterator[Event]:  # noqa: ARG002
        """Say what is odd about going on from a model with these rows."""
        return iter(())

    def prepare(self, run: Path, corpus: StoredCorpus) -> Generator[Event, None, Any]:  # noqa: ARG002
        """Prepare, in the folder of a run, what all members are made from: the corpus, unless a task needs more."""
        yield from ()
        return corpus

    def make_member(self, position: int, data: Any) -> Member:
        """Make a member, yet to be trained.

        :param data: what `prepare` returned; None for one that only rehearses.
        """
        settings = self.settings.members[position]
        member = self._kind_of(settings)(settings, self.settings, data, self.settings.seed + position)
        member.base = self.base.member(settings.name) if self.base else None
        return member

    def config(self, data: Any) -> dict[str, Any]:  # noqa: ARG002
        """Return what config.json says of this task's models besides what it says of all."""
        return {}

    def files(self, data: Any, members: Sequence[StoredMember]) -> dict[str, bytes]:  # noqa: ARG002
        """Return the files of the model that are no member's."""
        return {}

    def mix(self, members: Sequence[StoredMember], open_model: Open, data: Any) -> list[Stage]:  # noqa: ARG002
        """How members are mixed, as validation rows want it: evenly, unless the task knows better."""
        return [Stage((1 / len(members),) * len(members))]

    def mixture(self) -> dict[str, Any]:
        """Return what config.json says of how members are mixed besides the stages."""
        return {}

    def tell_mixture(self) -> Iterator[Event]:
        """Say the same."""
        return iter(())

    def measure(self, model: Any, corpus: StoredCorpus) -> Generator[Event, None, dict[str, Metrics]]:
        """Measure the test rows, all and those of each corpus."""
        groups = group_rows(corpus, "test")
        measured: dict[str, Metrics] = {}
        for done, (name, numbers) in enumerate(groups.items()):
            yield Working("testing", done, len(groups))
            if (figures := self.measure_rows(model, corpus, numbers)).rows_measured:
                measured[name] = figures
        return measured

    def measure_rows(self, model: Any, corpus: StoredCorpus, numbers: NDArray[np.int64]) -> Metrics:
        """Measure some test rows: all of them, unless a task takes fewer.

        :param numbers: of the rows.
        """
        figures: Metrics = resolve(self.task.measure)(model, corpus.examples("test", numbers))
        return figures

    def doubts(
        self,
        metrics: Mapping[str, Metrics],  # noqa: ARG002
        stages: Sequence[Stage],  # noqa: ARG002
        members: Sequence[StoredMember],  # noqa: ARG002
        data: Any,  # noqa: ARG002
    ) -> Iterator[str]:
        """Say what the validation rows and the figures warn of."""
        return iter(())

    @abstractmethod
    def samples(self, model: Any, corpus: StoredCorpus) -> list[str]:
        """Texts by which the model tests itself, unless others are given."""

    def _kind_of(self, settings: Any) -> type[Member]:
        return self.kinds[settings.kind]


def group_rows(corpus: StoredCorpus, place: str) -> dict[str, NDArray[np.int64]]:
    """Numbers of the rows of a place: of all, and of each corpus where there are several; nothing if there are none."""
    owners = corpus.corpus_of(place)
    groups = {"all": np.arange(len(owners))}
    names = corpus_names(corpus.corpora)
    for position, path in enumerate(corpus.corpora):
        if path in names:
            groups[names[path]] = np.flatnonzero(owners == position)
    return {name: numbers for name, numbers in groups.items() if len(numbers)}


def train(
    task: Task,
    rows: Iterable[Example],
    settings: Any,
    folder: Path,
    *,
    samples: Sequence[str] | None = None,
    keep_weights: bool = True,
    force: bool = False,
    resume: bool = False,
    every: float = 30.0,
    origin: Mapping[str, Any] | None = None,
    base: BaseModel | None = None,
    device: str = "cpu",
) -> Generator[Event, None, None]:
    """Train and save; the same rows, settings and number of threads give the same model on one processor.

    An interrupted run is resumed by the same call with ``resume``: the weights are those that it would have come to.
    Where torchrun has started several processes, all call it, and train together; only the first has events to tell.

    :param rows: read once, to the end; not at all where an earlier attempt has stored them.
    :param settings: as the task's run wants them: see `Shape.make_settings`.
    :param samples: texts for the folder's test of itself; None takes some rows.
    :param keep_weights: also save the weights as trained, which inference does not need.
    :param force: replace a model, or an unfinished run, that is there.
    :param every: seconds between saves of the state from which a killed run goes on.
    :param device: where networks are trained: cpu, cuda, cuda:1, mps, or auto for a CUDA GPU where torch sees one.
    :param origin: JSON that says which rows these are; a resumed run must be of the same.
    :param base: a saved model from which training goes on, with settings that `BaseModel.make_settings` made; a resumed
        run has it in its folder, and need not be told.
    :raises DataError: if the rows that are left are too few for the split.
    :raises SettingError: for settings of which parts do not go together.
    :raises BundleError: if the folder may not be replaced, or a run is in it.
    """
    run: Run = resolve(task.run)(task, settings)
    if base is not None:
        run.go_on_from(base)
    with join() as mates:
        place = choose_device(device, mates.place)
        mates.settle(place)
        if mates.leads:
            yield from _lead(
                *(run, rows, folder, place, base),
                samples=samples,
                keep_weights=keep_weights,
                force=force,
                resume=resume,
                every=every,
                origin=origin,
                device=device,
            )
        else:
            _join_run(run, run_folder_of(folder), place)


def _lead(
    run: Run,
    rows: Iterable[Example],
    folder: Path,
    place: torch.device,
    base: BaseModel | None,
    *,
    samples: Sequence[str] | None,
    keep_weights: bool,
    force: bool,
    resume: bool,
    every: float,
    origin: Mapping[str, Any] | None,
    device: str,
) -> Generator[Event, None, None]:
    """Train and save, as the only process or the first one."""
    task, settings, mates = run.task, run.settings, processes()
    if place.type != "cpu":
        yield Note("networks are trained on {device}", device=name_device(place))
    if mates.several:
        yield Note(
            "networks are trained by {count} processes, each on its part of every batch", count=mates.place.count
        )
    if not resume:
        yield from map(Remark, run.rehearse())  # what an earlier attempt composed needs no file of the user's again
    if samples is not None:
        run.check_samples(samples)
    request: dict[str, Any] = {"task": task.name, "settings": asdict(settings), "samples": samples}
    request |= {"keep_weights": keep_weights, "threads": torch.get_num_threads(), "origin": origin}
    request[DEVICE] = device
    begun = read_request(folder) if resume else {}
    if asked := base.request if base else begun.get(FROM):
        request[FROM] = asked
    force = force or bool(begun.get(FORCE))
    bundle.check_writable(folder, force=force)
    replaced = bundle.describe_model(folder)
    given_up = not resume and is_unfinished(run_folder_of(folder)) and has_progress(run_folder_of(folder))
    with open_run(folder, request, resume=resume, force=force) as path:
        if given_up:
            yield Note("the unfinished run in {path} is given up for this one", path=path)
        if asked:
            run.base = keep_base(path, base, asked, task)
        mates.tell(asked)
        history = History(path)
        LOG.info("%s the training of %s, a model for %s", "resumed" if resume else "began", folder, task.name)
        try:
            files, stages, metrics = yield from _make_model(
                *(run, rows, folder, path, history),
                samples=samples,
                keep_weights=keep_weights,
                every=every,
                device=place,
            )
            files = bundle.add_checksums(files) | history.files()
            files[bundle.CARD] = write_card(run.card, folder.name, task, files).encode()
            allow_replacing(path)
            bundle.save(folder, files, force=force)
            finish_run(path)
            LOG.info("saved %s", folder)
            if replaced:
                yield Note("replaced what {folder} was: {what}", folder=folder, what=replaced)
            size = sum(map(len, files.values()))
            yield Saved(folder, task, size, stages, metrics, history.epochs, bundle.CURVE in files)
        finally:
            if is_unfinished(path):  # it broke off: what there is can be seen
                LOG.warning("the training of %s broke off, and can be resumed", folder)
                history.draw()


def prepare(
    task: Task, rows: Iterable[Example], settings: Any, folder: Path, *, base: BaseModel | None = None
) -> Generator[Event, None, None]:
    """Do what comes before training: read, split, cut into tokens, compute what never changes.

    What of this takes long is kept: see `nlpkit.training.prepared`. `train` then takes it from there.

    :param rows: read once, to the end.
    :param folder: that is empty, and that nobody needs afterwards.
    :param base: a saved model from which training will go on.
    :raises DataError: if the rows that are left are too few for the split.
    """
    run: Run = resolve(task.run)(task, settings)
    if base is not None:
        run.go_on_from(base)
    yield from map(Remark, run.rehearse())
    corpus = yield from run.store(folder / CORPUS, rows)
    yield count_rows(corpus, labelled=task.rows.answer == "label")
    yield from map(Remark, run.remarks(corpus))
    data = yield from run.prepare(folder, corpus)
    for position in range(len(settings.members)):
        member = run.make_member(position, data)
        yield from prepare_member(member, folder)
        yield from member.prepare_rows()


def _join_run(run: Run, path: Path, device: torch.device) -> None:
    """Train along with the process that leads a run, by what it has put in the run's folder.

    :raises BundleError: if the folder is not there.
    """
    mates = processes()
    asked = mates.tell(None)
    if not is_unfinished(path):
        raise BundleError(
            "{path} is not there for the process {rank}: all processes of a run must see the same folder",
            path=path,
            rank=mates.place.rank,
        )
    if asked:
        run.base = keep_base(path, None, asked, run.task)
    corpus = _finish(mates.in_turn(run.store(path / CORPUS, ())))
    data = _finish(mates.in_turn(run.prepare(path, corpus)))
    for position in range(len(run.settings.members)):
        join_training(run.make_member(position, data), path, device)


def _finish(work: Generator[Event, None, T]) -> T:
    """Let work come to its end, and return what comes of it."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result


def _make_model(
    run: Run,
    rows: Iterable[Example],
    folder: Path,
    path: Path,
    history: History,
    *,
    samples: Sequence[str] | None,
    keep_weights: bool,
    every: float,
    device: torch.device,
) -> Generator[Event, None, tuple[dict[str, bytes], Sequence[Stage], dict[str, Metrics]]]:
    """Make the model's files but for card and history; also return how its members are mixed, and its figures."""
    mates = processes()
    corpus = yield from mates.in_turn(run.store(path / CORPUS, rows))
    counts = count_rows(corpus, labelled=run.task.rows.answer == "label")
    yield counts
    dealing = remark_on_dealing(corpus)
    yield from map(Note, run.notes(corpus))
    yield from map(Remark, [*dealing, *run.remarks(corpus)])
    data = yield from mates.in_turn(run.prepare(path, corpus))
    if missing := [kind for kind in run.settings.components if kind not in run.config(data)]:
        raise PluginError(
            "the run of {task} has components that its config lacks: {missing}; put in Part.record of each",
            task=run.task.name,
            missing=" and ".join(missing),
        )
    if run.base:
        yield from run.remark_on_base(run.base, corpus)
    members = yield from _train_members(run, data, path, history, every, device)
    files = run.files(data, members)
    for export in members:
        files |= export.collect_files(keep_weights=keep_weights)
    config = _make_config(run, data, members, device) | {"data": _describe_data(corpus, counts)}

    def open_model(stages: Sequence[Stage]) -> SavedModel:
        config_json = bundle.dump_json({**config, "stages": [asdict(stage) for stage in stages]})
        model: SavedModel = resolve(run.task.model)(Bundle(str(folder), {**files, bundle.CONFIG: config_json}))
        return model

    yield Working("mixing", 0, None)
    stages = run.mix(members, open_model, data)
    yield from run.tell_mixture()
    model = open_model(stages)
    metrics = yield from run.measure(model, corpus)
    bounds = remark_on_bounds(stages)
    yield from map(Remark, [*bounds, *run.doubts(metrics, stages, members, data)])
    config |= {"stages": [asdict(stage) for stage in stages], **run.mixture()}
    if doubts := [*dealing, *bounds]:
        config["doubts"] = doubts
    files[bundle.CONFIG] = bundle.dump_json(config | {"metrics": {n: m.to_json() for n, m in metrics.items()}})
    texts = samples or run.samples(model, corpus)
    files[bundle.SAMPLES] = bundle.dump_json([model.sample(text) for text in texts])
    return files, stages, metrics


def _train_members(
    run: Run, data: Any, path: Path, history: History, every: float, device: torch.device
) -> Generator[Event, None, list[StoredMember]]:
    members = []
    for position in range(len(run.settings.members)):
        member = run.make_member(position, data)
        members.append((yield from train_member(member, path, history, every, device)))
    return members


def _make_config(run: Run, data: Any, members: Sequence[StoredMember], device: torch.device) -> dict[str, Any]:
    """Return what config.json says of a model, but for its data, its mixture and its figures."""
    own = run.config(data)
    settings = run.settings.record()
    for kind in run.settings.components:
        settings[kind] = drop_paths(settings[kind], own[kind]["config"])
    for member, table, export in zip(run.settings.members, settings["members"], members, strict=True):
        for kind in member.components:
            table[kind] = drop_paths(table[kind], export.entry[kind]["config"])
    return {
        "format": bundle.FORMAT,
        "nlpkit": __version__,
        "task": run.task.name,
        **_record_task(run.task),
        **({FROM: run.base.record} if run.base else {}),
        **own,
        "normalisation": run.settings.normaliser.config,
        "members": [member.entry for member in members],
        "settings": settings,
        "environment": read_environment(device),
    }


def _record_task(task: Task) -> dict[str, Any]:
    """Return what config.json says of where a task came from: nothing of one that nobody registers."""
    found = registry().find("task", task.name)
    if found is None or found.factory is not task:
        return {}
    return {bundle.TASK_FROM: {"distribution": found.distribution, "version": found.version}}


def count_rows(corpus: StoredCorpus, *, labelled: bool) -> Prepared:
    """Count what there is of rows."""
    labels: dict[str, int] = {}
    if labelled:
        labels = corpus.count_labels("train")
    sizes = {place: len(corpus.rows(place)) for place in PLACES}
    return Prepared(**asdict(corpus.counts), **sizes, labels=labels, several=corpus.several)


def remark_on_dealing(corpus: StoredCorpus) -> list[Sentence]:
    """Say, in one sentence or none, that not the hash of their letters has dealt the rows out."""
    if (uneven := corpus.uneven) is None:
        return []
    sentence = Sentence(
        "the hash of their letters puts {rows:,} of {of:,} rows into {place}, where {expected:,} were expected, as if "
        "such a hash had chosen them before: the seed has dealt them instead, so a text may stand elsewhere than in "
        "other runs",
        rows=uneven.rows,
        of=uneven.of,
        place=uneven.place,
        expected=uneven.expected,
    )
    return [sentence]


def remark_on_bounds(stages: Sequence[Stage]) -> list[Sentence]:
    """Say of each stage whose temperature is at the end of its range that its probabilities mean little."""
    template = (
        "the temperature ended at its bound, {temperature:g}, and would have gone further: the probabilities mean "
        "little; the network's numbers are far too {large}, which another pooling, learning rate or loss may mend"
    )
    return [
        Sentence(template, temperature=farthest, large="large" if farthest > 1 else "small")
        for stage in stages
        if ends_at_bound(stage)
        for farthest in [farthest_temperature(stage)]
    ]


def _describe_data(corpus: StoredCorpus, counts: Prepared) -> dict[str, Any]:
    """Return what config.json says of the rows; of a file its name alone, as where it lies is nobody's business."""
    corpora: Counter[str] = Counter()
    for path, rows in corpus.corpora.items():
        corpora[Path(path).name] += rows
    facts = {
        name: value for name, value in asdict(counts).items() if value or name not in ("labels", "ordered", "several")
    }
    if corpus.uneven:
        facts["dealt"] = "seed"
    return facts | {"corpora": dict(corpora), **describe_mixture(corpus), "fingerprint": corpus.fingerprint}


def read_environment(device: torch.device = CPU) -> dict[str, Any]:
    """Where a run took place, as far as that may matter to what came of it."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        "threads": torch.get_num_threads(),
        **({} if device.type == "cpu" else {"device": name_device(device)}),
        **({"processes": processes().place.count} if processes().several else {}),
    }
