"""A member of a model while it is trained: prepared → trained → exported → compared, each part kept where it is done.

This is the one procedure for members of all kinds; a kind says what its parts are.
"""

from __future__ import annotations

import io
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nlpkit.errors import PluginError, Sentence, SettingError
from nlpkit.files import write_synced
from nlpkit.model.bundle import VOCABULARY, WEIGHTS, Bundle, dump_json
from nlpkit.model.network import dump_weights
from nlpkit.text.vocabulary import Vocabulary, dump_vocabulary, load_vocabulary
from nlpkit.training.base_model import BaseMember
from nlpkit.training.checkpoint import Checkpoint
from nlpkit.training.components import Part, build_embedding, fit_embedding, make_component
from nlpkit.training.devices import CPU
from nlpkit.training.doubts import find_overfitting, find_unfinished
from nlpkit.training.events import Event, Fitting, MemberExported, MemberStarted, Note, Remark, Working
from nlpkit.training.export import check_agreement
from nlpkit.training.history import History
from nlpkit.training.inheritance import (
    Answers,
    describe,
    measure_unknown,
    name_parts,
    read_back,
    read_weights,
    transfer,
)
from nlpkit.training.loop import Diverged, Epoch, Objective, Resumed, Step, fit
from nlpkit.training.processes import processes
from nlpkit.training.settings import LoopSettings, MemberSettings
from nlpkit.training.storage import write_folder

ENTRY, FACTS, VALIDATION = "entry.json", "trained.json", "validation.npy"
LOOP, TRAINED = "loop", "trained"  # what the first of several processes tells the others to come to
CHECK_ROWS = 512  # validation rows on which an exported member must agree with torch
TIMES = ("seconds",)  # of an epoch: what differs between two runs that are otherwise the same
Minimise: TypeAlias = Callable[..., Generator[Event, None, Diverged | None]]


@dataclass(frozen=True)
class StoredMember:
    """A member's entry in config.json, and its files by their paths in its folder.

    :param validation: what it says of the validation rows, if its task mixes members by that; no file of the model's.
    """

    entry: dict[str, Any]
    files: dict[str, bytes]
    validation: NDArray[Any] | None = None

    def collect_files(self, *, keep_weights: bool) -> dict[str, bytes]:
        """Return the files by their paths in the model, without the weights as trained where nothing needs them."""
        keep = keep_weights or self.entry["runtime"] == "torch"
        files = {path: data for path, data in self.files.items() if keep or path != WEIGHTS}
        return {f"{self.entry['name']}/{path}": data for path, data in files.items()}

    @property
    def bundle(self) -> Bundle:
        """Its files as a part of a model."""
        name = self.entry["name"]
        return Bundle(name, {f"{name}/{path}": data for path, data in self.files.items()})

    @property
    def size(self) -> int:
        """Bytes in the model, without the weights as trained."""
        return sum(len(data) for path, data in self.files.items() if path != WEIGHTS)


@dataclass(frozen=True)
class Comparison:
    """How an exported member compares with torch on validation rows.

    :param difference: greatest difference of a probability.
    :param checked: of how many rows, or whatever ``unit`` says.
    :param validation: see `StoredMember`.
    """

    difference: float
    checked: int
    unit: str = Sentence("rows")
    validation: NDArray[Any] | None = None


@dataclass(frozen=True)
class Layer:
    """One part of a network as a dry run shows it: its options, the shape of what it returns, its parameters."""

    kind: str
    name: str
    options: Mapping[str, Any]
    shape: tuple[int, ...]
    parameters: int

    @classmethod
    def of(cls, kind: str, entry: Mapping[str, Any], shape: Sequence[int], module: Any = None) -> Layer:
        """Make a layer of a component as a member's entry records it."""
        record = entry[kind]
        return cls(kind, record["name"], record["config"], tuple(shape), count_parameters(module))


class Member(ABC):
    """A member of some kind; a task's kinds inherit from it.

    :param settings: of the kind's own class.
    :param run: settings of the whole run.
    :param data: what the task's run has prepared for all members.
    """

    settings_class: ClassVar[type[MemberSettings]]
    base: BaseMember | None = None  # the member of a saved model from which training goes on

    def __init__(self, settings: Any, run: Any, data: Any, seed: int) -> None:
        self.settings, self.run, self.data, self.seed = settings, run, data, seed

    @property
    def name(self) -> str:
        """That of its settings."""
        name: str = self.settings.name
        return name

    @property
    def weights(self) -> str:
        """How its numbers are stored, by which it is judged how far the export may be off: float32, int8 or int4."""
        return "float32"

    @property
    def arithmetic(self) -> str:
        """By what its graph multiplies large matrices, by which the same is judged: float32 or int8."""
        return "float32"

    @property
    def loop_settings(self) -> LoopSettings | None:
        """How its main loop runs, where it has one."""
        return None

    def make_component(self, kind: str, **fixed: Any) -> Part:
        """Make the component that its settings name, or those of the run; of a saved model its own, made again.

        :param fixed: what the factory is given besides options.
        :raises SettingError: for a name that nobody registers, or options that it refuses.
        :raises PluginError: if it is not what its kind promises.
        """
        owner = self.settings if kind in self.settings.components else self.run
        settings, normaliser = getattr(owner, kind), self.run.normaliser
        if self.base is not None:
            return self.base.make_component(kind, settings, normaliser, **fixed)
        return make_component(kind, settings, normaliser=normaliser, **fixed)

    def describe_base(self) -> Sentence | None:
        """Say what it has of a saved model from which the run goes on; None where there is none."""
        return describe(self.base.model.name, self.name, None) if self.base else None

    def rehearse(self) -> list[str]:
        """Make every part once, before any corpus is read: there are no ``data`` yet.

        :returns: what a user should know of the files that parts were given, a sentence each.
        :raises SettingError: for a value that a part refuses, or parts that do not go together.
        :raises DataError: for a file that a part needs and cannot read.
        """
        return []

    def prepare(self, folder: Path) -> Iterator[Event]:  # noqa: ARG002
        """Write all that training begins with into a folder; the iterator does it. torch's seed is set."""
        return iter(())

    def open(self, folder: Path) -> None:  # noqa: B027 - a member that is counted needs nothing
        """Take up what `prepare` wrote."""

    def describe(self) -> MemberStarted | None:
        """Say what is about to be trained; None if nothing is."""
        return None

    def layers(self) -> list[Layer]:
        """Parts of its network, on one batch of training rows."""
        return []

    def train(self, minimise: Minimise) -> Generator[Event, None, Diverged | None]:  # noqa: ARG002
        """Train by ``minimise(objective, settings)``, once or several times; the last is what the entry tells of.

        A loop that is not the main one says by ``minimise(objective, settings, what)`` what it is.
        """
        yield from ()
        return None

    def prepare_rows(self) -> Iterator[Event]:
        """Compute what of the rows never changes, once it is prepared and open; `train` takes it from there."""
        yield from ()

    @abstractmethod
    def export(self) -> StoredMember:
        """Return what inference reads; the entry has a ``name`` and a ``runtime``."""

    def compare(self, stored: StoredMember) -> Comparison | None:  # noqa: ARG002
        """Compare what was exported with what torch says; None where there is nothing to compare."""
        return None


class NetworkMember(Member):
    """A member that is a network: its vocabulary, its weights at the start and its entry lie in the folder.

    After `open` there are ``network``, ``vocabulary`` and ``entry``.
    """

    chain: ClassVar[tuple[str, ...]] = ("embedding", "encoder", "output")  # by which it is told
    network: Any
    vocabulary: Any
    entry: dict[str, Any]
    _unknown: float | None = None

    @property
    def loop_settings(self) -> LoopSettings:
        """As its settings say."""
        loop: LoopSettings = self.settings.training
        return loop

    @property
    def takes_pieces(self) -> bool:
        """Whether it can read the ids of an embedding that says ``pieces``."""
        return False

    @property
    def answers(self) -> Sequence[str] | None:
        """What its outputs stand for, in order; None where they have no names."""
        return None

    @property
    def relative(self) -> bool:
        """Whether only differences between outputs count, as for a softmax."""
        return True

    @property
    def base_answers(self) -> Sequence[str] | None:
        """What those of the saved model stand for from which it goes on: its labels, unless a task says otherwise."""
        return self.base.model.bundle.config.get("labels") if self.base else None

    @abstractmethod
    def restore(self, stored: Bundle) -> nn.Module:
        """Make the network again of files: those that `keep` wrote, or those of a model."""

    def make_component(self, kind: str, **fixed: Any) -> Part:
        """Make a component; refuse an embedding by which a token has several ids, where there must be one."""
        part = super().make_component(kind, **fixed)
        if kind == "embedding" and part.instance.subwords and not self.takes_pieces:
            raise SettingError(
                "{member}: the embedding {name} gives a token several ids, where tokens are foretold by the one that "
                "each has: choose another, such as trainable",
                member=self.name,
                name=part.component.name,
            )
        return part

    def fit_embedding(self, embedding: Part, documents: Iterable[Sequence[str]], classes: Any) -> Vocabulary:
        """Fit an embedding to documents; where training goes on from a saved model, the vocabulary is that model's.

        :param classes: what some embeddings look at: see `Embedding.fit`.
        :raises PluginError: for a fault of its code.
        """
        if self.base is None:
            return fit_embedding(embedding, documents, classes)
        vocabulary = self.base.vocabulary
        build_embedding(embedding, vocabulary)
        self._unknown = measure_unknown(documents, vocabulary)
        return vocabulary

    def find_answering(self, network: nn.Module) -> Mapping[str, int]:  # noqa: ARG002
        """Return the parameters that have a row for each answer, or a column: the axis by the parameter's name.

        Where answers change from one model to the next, those of the answers that stay are kept.
        """
        return {}

    def name_parts(self, network: nn.Module) -> Mapping[str, str]:
        """Return what to call the part that a parameter is of, by the parameter's name."""
        return name_parts(network)

    def read_base(self, base: BaseMember, network: nn.Module) -> tuple[dict[str, Any], bool]:
        """Return the saved weights, and whether they are read back from what inference executes.

        :param network: its embedding is built; its weights may be changed.
        :raises BundleError: if they are damaged, or not there.
        """
        weights = read_weights(base)
        return (weights, False) if weights is not None else (read_back(network, base), True)

    def inherit(self, network: nn.Module, vocabulary: Vocabulary) -> dict[str, Any]:
        """Put in the weights of the saved model from which training goes on, if there is one; return what was taken.

        :raises BundleError: if they do not fit.
        :raises PluginError: if the network was not composed as that of the model.
        """
        if self.base is None:
            return {}
        if vocabulary.to_json() != self.base.vocabulary.to_json():
            raise PluginError(
                "the member {name} chose a vocabulary anew where it should go on from {model}: call its fit_embedding "
                "in prepare, and not the function",
                name=self.name,
                model=self.base.model.name,
            )
        weights, is_read_back = self.read_base(self.base, network)
        axes = self.find_answering(network)
        answers = Answers(self.base_answers or (), self.answers or (), axes, relative=self.relative)
        taken = transfer(network, weights, answers, self.name_parts(network), self.base)
        return {"from": replace(taken, unknown=self._unknown, read_back=is_read_back).to_json()}

    def describe_base(self) -> Sentence | None:
        """Say what its network has of a saved model; known once it is open."""
        return describe(self.base.model.name, self.name, self.entry["from"]) if self.base else None

    def keep(self, folder: Path, network: nn.Module, vocabulary: Vocabulary, entry: Mapping[str, Any]) -> None:
        """Write the network as it is now for `open`, with what it takes over of a saved model.

        :param entry: what config.json will say of the member, each of its components as `record_parts` has it.
        :raises PluginError: if a component is not in it.
        """
        if missing := [kind for kind in self.settings.components if kind not in entry]:
            raise PluginError(
                "the entry of the member {name} lacks its {missing}: put in what record_parts returns of them",
                name=self.name,
                missing=" and ".join(missing),
            )
        entry = {**entry, **self.inherit(network, vocabulary)}
        write_synced(folder / VOCABULARY, dump_vocabulary(vocabulary))
        write_synced(folder / WEIGHTS, dump_weights(network))
        write_synced(folder / ENTRY, dump_json(entry))

    def open(self, folder: Path) -> None:
        """Take up what `keep` wrote."""
        self.entry = json.loads((folder / ENTRY).read_text("utf-8"))
        self.vocabulary = load_vocabulary((folder / VOCABULARY).read_bytes())
        self.network = self.restore(Bundle.of_members(folder.parent))

    def describe(self) -> MemberStarted:
        """Say of what it is composed."""
        composition = " → ".join(self.entry[kind]["name"] for kind in self.chain)
        parameters, vocabulary = count_parameters(self.network), len(self.vocabulary)
        return MemberStarted(self.name, composition, parameters, vocabulary)

    def files(self) -> dict[str, bytes]:
        """Return vocabulary and weights."""
        return {VOCABULARY: dump_vocabulary(self.vocabulary), WEIGHTS: dump_weights(self.network)}


def record_parts(*parts: Part) -> dict[str, Any]:
    """Return what an entry of config.json says of components."""
    return {part.component.kind: part.record for part in parts}


def count_parameters(module: Any) -> int:
    """How many numbers a module has."""
    return 0 if module is None else sum(p.numel() for p in module.parameters())


def train_member(
    member: Member, run: Path, history: History, every: float, device: torch.device = CPU
) -> Generator[Event, None, StoredMember]:
    """Train in the folder of a run; what an earlier attempt finished there is not done again.

    :param every: seconds between saves of a loop's state.
    :param device: where its loops run.
    :raises NlpkitError: if what was exported says something else than torch does.
    """
    folder, mates = run / "trained" / member.name, processes()
    yield from mates.in_turn(prepare_member(member, run))
    if sentence := member.describe_base():
        yield Note(sentence)
    if start := member.describe():
        yield start

    longer = set[int]()

    def minimise(
        objective: Objective, settings: LoopSettings, what: str = ""
    ) -> Generator[Event, None, Diverged | None]:
        name = f"{member.name}: {what}" if what else member.name
        mates.tell(LOOP)
        events = fit(objective, settings, member.seed, Checkpoint(_state_path(run, member, what), every), device)
        return _record_loop(name, events, history, settings, longer)

    divergence = yield from member.train(minimise)
    mates.tell(TRAINED)
    if not folder.exists():
        yield Working(Sentence("{name}: exporting", name=member.name), 0, None)
        result = member.export()
        comparison = member.compare(result) or Comparison(0.0, 0)
        check_agreement(member.name, comparison.difference, member.weights, member.arithmetic)
        outcome = _record_history(member.name, history.epochs.get(member.name), divergence, member.loop_settings)
        with write_folder(folder) as new:
            _write(new, StoredMember(result.entry | outcome, result.files, comparison.validation), comparison)
    result, report = _read(folder)
    if report.checked:
        yield report
    return result


def join_training(member: Member, run: Path, device: torch.device) -> None:
    """Train along with the process in which `train_member` trains the same, and leave all else to that.

    What it does between its loops is done here, too, once it has done it.
    """
    mates = processes()
    for _ in mates.in_turn(prepare_member(member, run)):
        pass
    if mates.tell(None) != LOOP:
        return

    def minimise(
        objective: Objective, settings: LoopSettings, what: str = ""
    ) -> Generator[Event, None, Diverged | None]:
        divergence = None
        for event in fit(objective, settings, member.seed, Checkpoint(_state_path(run, member, what)), device):
            divergence = event if isinstance(event, Diverged) else divergence
        if mates.tell(None) != LOOP:
            raise _Trained
        yield from ()
        return divergence

    with suppress(_Trained):
        for _ in member.train(minimise):
            pass


class _Trained(Exception):  # noqa: N818 - no error
    """The member has gone through all its loops."""


def _state_path(run: Path, member: Member, what: str) -> Path:
    """Where the state of a loop is kept."""
    return run / f"{'.'.join(filter(None, (member.name, what.replace(' ', '-'))))}.safetensors"


def prepare_member(member: Member, run: Path) -> Generator[Event, None, None]:
    """Prepare a member in the folder of a run, unless an earlier attempt has, and open it."""
    folder = run / "members" / member.name
    if not folder.exists():
        torch.manual_seed(member.seed)
        with write_folder(folder) as new:
            yield from member.prepare(new)
    member.open(folder)


def _record_loop(
    name: str, events: Generator[Any, None, None], history: History, settings: LoopSettings, longer: set[int]
) -> Generator[Event, None, Diverged | None]:
    """Pass a loop's events on, write its epochs down, and say what is odd about its length or its end.

    :param longer: epochs of loops of which it was said that they are more than the settings say; of folds it is once.
    """
    yield Fitting(name)
    divergence = None
    with closing(events):  # so that it saves its state when we are closed
        for event in events:
            if isinstance(event, Step) and event.epochs > settings.epochs and event.epochs not in longer:
                yield _say_longer(name, event, settings)
                longer.add(event.epochs)
            if isinstance(event, Resumed):
                history.set(name, event.history)
            elif isinstance(event, Epoch):
                history.add(name, event)
            elif isinstance(event, Diverged):
                divergence = event
            yield event
    if divergence is None:
        epochs = history.epochs.get(name, ())
        yield from (Note(sentence) for sentence in find_overfitting(name, epochs))
        yield from (Remark(sentence) for sentence in find_unfinished(name, epochs, settings))
    return divergence


def _say_longer(name: str, step: Step, settings: LoopSettings) -> Note:
    return Note(
        "{name}: an epoch has {steps:,} steps, so there are {epochs:,} at most and not {fewer:,}: training.min_steps "
        "is {least:,}",
        name=name,
        steps=step.steps,
        epochs=step.epochs,
        fewer=settings.epochs,
        least=settings.min_steps,
    )


def _record_history(
    name: str, epochs: Sequence[Epoch] | None, divergence: Diverged | None, settings: LoopSettings | None
) -> dict[str, Any]:
    """Return what an entry says of the main loop."""
    if epochs is None:
        return {}
    rows = [{k: v for k, v in asdict(epoch).items() if k not in TIMES} for epoch in epochs]
    if divergence is not None:
        return {"history": rows, "diverged": {"epoch": divergence.epoch, "step": divergence.step}}
    doubts = find_overfitting(name, epochs) + (find_unfinished(name, epochs, settings) if settings else [])
    return {"history": rows} | ({"doubts": doubts} if doubts else {})


def _write(folder: Path, member: StoredMember, comparison: Comparison) -> None:
    for path, data in member.files.items():
        write_synced(folder / path, data)
    if member.validation is not None:
        array = io.BytesIO()
        np.save(array, member.validation)
        write_synced(folder / VALIDATION, array.getvalue())
    report = MemberExported(
        *(member.entry["name"], member.entry["runtime"], member.size),
        *(comparison.difference, comparison.checked, comparison.unit),
    )
    write_synced(folder / FACTS, dump_json({"entry": member.entry, "exported": asdict(report)}))


def _read(folder: Path) -> tuple[StoredMember, MemberExported]:
    """Read a member as `_write` left it, and what is told of its export."""
    facts = json.loads((folder / FACTS).read_text("utf-8"))
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != FACTS]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    array = files.pop(VALIDATION, None)
    validation = None if array is None else np.load(io.BytesIO(array), allow_pickle=False)
    return StoredMember(facts["entry"], files, validation), MemberExported(**facts["exported"])
