"""The saved model from which a run goes on: what of its settings stays, its components, its vocabulary.

What becomes of its weights is in `nlpkit.training.inheritance`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nlpkit.errors import BundleError, Sentence, SettingError, join
from nlpkit.files import write_synced
from nlpkit.model.bundle import CONFIG, SAMPLES, TOKENIZER, UNLISTED, VOCABULARY, Bundle, find, origin_of
from nlpkit.plugins.options import options_of
from nlpkit.plugins.registry import registry
from nlpkit.plugins.watched import watch_part
from nlpkit.tasks.base import Task, resolve
from nlpkit.text.normalisation import Normaliser
from nlpkit.text.vocabulary import Vocabulary, load_vocabulary
from nlpkit.training.components import Part
from nlpkit.training.settings import LoopSettings, Shape
from nlpkit.training.storage import write_folder
from nlpkit.version import __version__

FROM = "from"  # of config.json, of run.json
STORED = "from"  # the folder of a run that holds what training needs of the model
UNREAD = {*UNLISTED, SAMPLES} - {CONFIG}  # files that training has no use for
FREE = ("dropout", "frozen")  # options of a component on which no weight depends


@dataclass(frozen=True)
class BaseModel:
    """A saved model from which a run goes on.

    :param name: of the model; of a folder its last part, as where it lies is nobody's business.
    :param source: as it was asked for.
    :param sha256: its fingerprint.
    """

    name: str
    source: str
    sha256: str
    bundle: Bundle
    task: Task

    @classmethod
    def open(cls, model: str | Path, task: Task) -> BaseModel:
        """Open a model by its registered name or its folder.

        :raises BundleError: if there is none, it is damaged, of a newer format, or made for another task.
        """
        bundle = find(model)
        bundle.require_task(task.name)
        bundle.require("settings", "normalisation")
        name = str(model) if str(model) == bundle.source == Path(model).name else Path(model).resolve().name
        return cls(name, str(model), bundle.fingerprint, bundle, task)

    @property
    def record(self) -> dict[str, str]:
        """What config.json says of it."""
        return {"model": self.name, "sha256": self.sha256}

    @property
    def request(self) -> dict[str, str]:
        """What run.json says of it: a resumed run must go on from the same."""
        return {**self.record, "source": self.source}

    @cached_property
    def members(self) -> dict[str, BaseMember]:
        """Its members by their names."""
        with self.bundle.report_damage(CONFIG):
            return {entry["name"]: BaseMember(self, entry) for entry in self.bundle.config["members"]}

    @property
    def shape(self) -> Shape:
        """What settings of its task look like."""
        shape: Shape = resolve(self.task.run).shape()
        return shape

    @cached_property
    def forgotten(self) -> list[str]:
        """The settings with which it was trained and that this nlpkit does not have."""
        with self.bundle.report_damage(CONFIG):
            return list(_prune(self.shape, self._spell_out()))

    def read_tokenizer_files(self) -> dict[str, bytes]:
        """Return the files that the tokenizer of the model, or of its first member that has one, keeps."""
        folders = (TOKENIZER, *(f"{name}/{TOKENIZER}" for name in self.members))
        return next((files for folder in folders if (files := self.bundle.read_folder(folder))), {})

    def remarks(self) -> Iterator[str]:
        """Say what of it was left out."""
        if self.forgotten:
            yield (
                Sentence(
                    "{name} was trained by nlpkit {then} with settings that {now} does not have, which "
                    "were left out: {forgotten}",
                    name=self.name,
                    then=self.bundle.config.get("nlpkit"),
                    now=__version__,
                    forgotten=", ".join(self.forgotten),
                )
            )

    def tables(self) -> dict[str, Any]:
        """Return its settings as nested tables, as a run wants them that goes on from it.

        What a run says for itself is as always: the seed, the shares of the rows, names of labels. What was done once,
        before the first epoch, is not done again.

        :raises BundleError: if they are damaged.
        """
        with self.bundle.report_damage(CONFIG):
            tables = self._spell_out()
            list(_prune(self.shape, tables))
            for name in self.shape.run.own:
                tables.pop(name, None)
            for member in tables["members"]:
                _tune(member, self.shape)
            tables["normalisation"] = Normaliser.of(self.bundle.config["normalisation"]).config
        return tables

    def make_settings(self, assignments: Iterable[str] = ()) -> Any:
        """Make the settings of a run that goes on from it.

        :param assignments: ``training.epochs=3`` and the like.
        :raises SettingError: for an assignment that is wrong, or of what cannot change.
        """
        settings = self.shape.make_settings(self.shape.assign(self.tables(), assignments))
        self.check(settings)
        return settings

    def check(self, settings: Any) -> None:
        """Refuse settings of a run that cannot go on from it.

        :raises SettingError: naming what cannot change.
        """
        before = self.shape.make_settings(self.tables())
        changes = [
            *_list_changes("", before, settings, {}),
            *_list_lost(before.members, settings.members),
            *(
                change
                for old, new in _pair(before.members, settings.members)
                for change in _list_changes(old.name, old, new, self.members[old.name].entry)
            ),
        ]
        if changes:
            raise SettingError(
                "training that goes on from {model} cannot change how it is composed: {changes}; what can be set is "
                "training.*, dropout and frozen of its parts, {more}",
                model=self.name,
                changes=join(changes, "; "),
                more=", ".join(_list_tunable(settings)),
            )

    def member(self, name: str) -> BaseMember:
        """Return one of its members.

        :raises BundleError: if config.json names it in its settings only.
        """
        if name not in self.members:
            raise BundleError(
                "{model} is damaged: its config.json has settings of a member {name} and no entry",
                model=self.name,
                name=name,
            )
        return self.members[name]

    def store(self, folder: Path) -> None:
        """Copy what training needs of it: the model itself may change or vanish then."""
        with write_folder(folder) as new:
            for path in sorted(set(self.bundle.files) - UNREAD):
                write_synced(new / path, self.bundle.files[path] if path == CONFIG else self.bundle.read(path))

    def make_component(self, kind: str, settings: Mapping[str, Any], normaliser: Normaliser | None) -> Part:
        """Make a component that its members share."""
        with self.bundle.report_damage(CONFIG):
            record = self.bundle.config[kind]
        return _make_again(self.bundle, kind, record, TOKENIZER, settings, normaliser, {})

    def _spell_out(self) -> dict[str, Any]:
        return self.shape.spell_out(self.bundle.config["settings"])


def keep_base(run: Path, base: BaseModel | None, asked: Mapping[str, str], task: Task) -> BaseModel:
    """Return the model from which a run goes on as it lies in the run's folder, copied there if it is not yet.

    :param base: the model; None where a run is resumed that knows it.
    :param asked: what run.json says of it.
    :raises BundleError: if it is not there yet, and is gone or is another by now.
    """
    folder = run / STORED
    if not folder.exists():
        base = base or BaseModel.open(asked["source"], task)
        if base.request != asked:
            raise BundleError(
                "{model} has changed since the run began: put it back, or begin anew by --force", model=asked["source"]
            )
        base.store(folder)
    bundle = Bundle(asked["model"], Bundle.of_members(folder).files)
    return BaseModel(asked["model"], asked["source"], asked["sha256"], bundle, task)


@dataclass(frozen=True)
class BaseMember:
    """A member of the model from which a run goes on.

    :param entry: what config.json says of it.
    """

    model: BaseModel
    entry: Mapping[str, Any] = field(hash=False)

    @property
    def name(self) -> str:
        """Its own."""
        name: str = self.entry["name"]
        return name

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Its own, or that which all members of the model share."""
        bundle, own = self.model.bundle, f"{self.name}/{VOCABULARY}"
        path = own if own in bundle.files else VOCABULARY
        with bundle.report_damage(path):
            return load_vocabulary(bundle.read(path))

    def make_component(
        self, kind: str, settings: Mapping[str, Any], normaliser: Normaliser | None, **fixed: Any
    ) -> Part:
        """Make one of its components again, with the options in which settings differ from what it was made with.

        :param fixed: what the factory is given besides options.
        :raises MissingPlugin: if it is not installed.
        """
        bundle = self.model.bundle
        if kind not in self.entry:
            return self.model.make_component(kind, settings, normaliser)
        with bundle.report_damage(CONFIG):
            record = self.entry[kind]
        return _make_again(bundle, kind, record, f"{self.name}/{TOKENIZER}", settings, normaliser, fixed)


def _make_again(
    bundle: Bundle,
    kind: str,
    record: Mapping[str, Any],
    folder: str,
    settings: Mapping[str, Any],
    normaliser: Normaliser | None,
    fixed: Mapping[str, Any],
) -> Part:
    """Make a recorded component with other settings: of those that a model may say, none names a path."""
    with bundle.report_damage(CONFIG):
        component = registry().need(kind, *origin_of(record))
        files = {"files": bundle.read_folder(folder)} if component.takes_files else {}
        recorded = component.rename(record["config"])
        options = recorded | {n: v for n, v in settings.items() if n != "name" and (n in recorded or _is_free(n))}
        part = Part(
            component, watch_part(component, component.create(options, normaliser=normaliser, **files, **fixed))
        )
        if unknown := sorted(set(recorded) - set(part.instance.config)):
            raise ValueError(f"the {kind} has no option {unknown[0]!r}")
    return part


def _prune(shape: Shape, tables: dict[str, Any]) -> Iterator[str]:
    """Drop the settings that there are no more; yield the place of each."""
    yield from _prune_table(shape.run, tables, "")
    for member in tables["members"]:
        if member["kind"] in shape.kinds:
            yield from _prune_table(shape.kinds[member["kind"]], member, f"{member['name']}.")


def _prune_table(kind: Any, table: dict[str, Any], place: str) -> Iterator[str]:
    known = {f.name: f for f in fields(kind)}
    for name in [name for name in table if name not in known]:
        del table[name]
        yield f"{place}{name}"
    options = options_of(kind)
    for name, value in table.items():
        if is_dataclass(options[name].annotation) and isinstance(value, dict):
            yield from _prune_table(options[name].annotation, value, f"{place}{name}.")


def _tune(member: dict[str, Any], shape: Shape) -> None:
    """Set what is other in the training of a member that goes on from another."""
    kind = shape.kinds.get(member["kind"])
    training = options_of(kind)["training"].annotation if kind and "training" in options_of(kind) else None
    if isinstance(training, type) and issubclass(training, LoopSettings):
        member["training"] = {**member.get("training", {}), **training.fine_tuning}


def _pair(before: Sequence[Any], after: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the settings of each member that stayed, before and after."""
    names = {member.name: member for member in after}
    return ((member, names[member.name]) for member in before if member.name in names)


def _list_lost(before: Sequence[Any], after: Sequence[Any]) -> Iterator[str]:
    """Name members that came, or went though they have weights: those that are counted may go."""
    old, new = ({member.name: member for member in members} for members in (before, after))
    yield from (Sentence("there is no member {name} to go on from", name=name) for name in new if name not in old)
    yield from (
        Sentence("the member {name} is gone", name=name)
        for name, member in old.items()
        if name not in new and member.components
    )


def _list_changes(where: str, before: Any, after: Any, entry: Mapping[str, Any]) -> Iterator[str]:
    """``encoder.hidden of words was 32, is 64`` for each setting that differs and must not.

    :param where: the name of the member; empty for the run.
    :param entry: of the member: what its components were made with, which settings need not say.
    """
    old, new = (json.loads(json.dumps(asdict(settings))) for settings in (before, after))
    for name in ("members", *after.own, *after.tunable) if not where else after.tunable:
        old.pop(name, None), new.pop(name, None)
    for settings, table in ((before, old), (after, new)):
        training = vars(settings).get("training")
        if isinstance(training, LoopSettings):  # of which the most may change
            table["training"] = {name: getattr(training, name) for name in training.fixed}
    made = {kind: _read_options(kind, entry) for kind in after.components}
    for place in sorted(set(_flatten(old)) | set(_flatten(new))):
        kind, _, option = place.partition(".")
        was = _flatten(old).get(place, made.get(kind, {}).get(option, MISSING))
        now = _flatten(new).get(place, made.get(kind, {}).get(option, MISSING))
        if was != now and not _is_free(place):
            of = Sentence(" of {where}", where=where) if where else ""
            yield Sentence("{place}{of} was {was}, is {now}", place=place, of=of, was=_show(was), now=_show(now))


def _read_options(kind: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a component of a member was made with, its options called as they are now."""
    record = entry.get(kind, {})
    options: Mapping[str, Any] = record.get("config", {})
    component = registry().find(kind, record.get("name", ""))
    return component.rename(options) if component else options


def _is_free(place: str) -> bool:
    """Whether a setting is one on which no weight depends: ``encoder.weight_dropout``, say."""
    return place.rpartition(".")[2].rpartition("_")[2] in FREE


def _flatten(table: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    """Return the leaves of nested tables by their places."""
    leaves: dict[str, Any] = {}
    for name, value in table.items():
        leaves |= _flatten(value, f"{place}{name}.") if isinstance(value, dict) and value else {f"{place}{name}": value}
    return leaves


def _show(value: Any) -> str:
    return "not there" if value is MISSING else json.dumps(value, ensure_ascii=False)


def _list_tunable(settings: Any) -> list[str]:
    """Name what else may change, of the run and of its members."""
    of_members = [name for member in settings.members for name in member.tunable if name != "training"]
    return list(dict.fromkeys([*of_members, *settings.own, *settings.tunable]))
