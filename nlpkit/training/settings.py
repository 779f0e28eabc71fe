"""What a run is told: by a recipe (TOML), by options, by ``--set``; checked before anything runs.

A run trains `members`, each of a kind that its task allows. A recipe spells them out as ``[[members]]``, or one as the
table of its kind: ``[network]`` is a member of the kind ``network`` that is called so.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin

from nlpkit.errors import DataError, Sentence, SettingError, nearest, reason_of
from nlpkit.model.head_settings import HeadSettings
from nlpkit.plugins.options import Count, Option, Positive, Range, Share, Size, Weight, options_of
from nlpkit.plugins.registry import registry
from nlpkit.tasks.base import Task
from nlpkit.text.normalisation import Normaliser
from nlpkit.training.reading import MixtureReader, Reader, TextCorpus, name_of

T = TypeVar("T")
Seed = Annotated[int, Range(0, 2**32, high_open=True)]  # which every source of random numbers takes
Weights = Literal["float32", "int8", "int4"]
ONE_WAY = {"bidirectional": False, "causal": True}  # the options by which an encoder reads one way
PYTHON_BOOLS = {"True": "true", "False": "false"}  # as Python spells them


@dataclass(frozen=True)
class LoopSettings:
    """How the loop minimises, and when it stops.

    :param optimizer: adamw, adam, amsgrad (adam that never forgets its greatest second moment:
        https://arxiv.org/abs/1904.09237), adadelta or sgd.
    :param learning_rate: its highest value.
    :param momentum: of sgd.
    :param beta2: the second decay of adam, adamw and amsgrad (https://arxiv.org/abs/1711.05101).
    :param schedule: constant, linear or cosine, the latter two down to zero over all epochs.
    :param warmup: share of all steps over which the rate rises from zero.
    :param clip: the greatest norm of a gradient; 0 clips nothing. Norms are recorded either way.
    :param monitor: loss or accuracy: by which the validation rows judge an epoch.
    :param patience: epochs without a better one before the run stops.
    :param stop_loss: the run also stops after an epoch whose training loss is below this.
    :param min_steps: updates to which a run is made longer, by more epochs, if ``epochs`` are fewer: of few rows an
        epoch has few; 0 leaves it as long as it is. See `nlpkit.training.pace`.
    :param precision: float32, or bfloat16: matrices are multiplied in it, which is several times as fast on processors
        that have it, and slow on others; weights and what the optimizer remembers stay in float32.
    """

    epochs: Size = 20
    optimizer: Literal["adamw", "adam", "amsgrad", "adadelta", "sgd"] = "adamw"
    learning_rate: Positive = 2e-3
    momentum: Share = 0.9
    beta2: Share = 0.99
    weight_decay: Weight = 0.01
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    warmup: Share = 0.05
    clip: Weight = 1.0
    monitor: Literal["loss", "accuracy"] = "loss"
    patience: Size = 3
    stop_loss: Weight = 0.0
    min_steps: Count = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    fine_tuning: ClassVar[Mapping[str, Any]] = {}  # what is set anew where training goes on from a saved model
    fixed: ClassVar[tuple[str, ...]] = ()  # what cannot change then

    def rate_of(self, parameter: str) -> float:  # noqa: ARG002
        """Return the highest learning rate of a parameter, by its name in the module that is trained."""
        return self.learning_rate


@dataclass(frozen=True)
class RowTraining(LoopSettings):
    """The training of a network that reads rows.

    :param batch_size: rows in a step.
    """

    batch_size: Size = 64


@dataclass(frozen=True)
class TextTraining(LoopSettings):
    """The training of a network that learns from texts alone, of several corpora perhaps.

    :param focus: share of the texts of the first corpus in the first and the last epoch, in between in proportion;
        empty: each corpus as large as it is. However that is, an epoch has as many texts as there are.
    :raises SettingError: for a focus that is none.
    """

    focus: tuple[float, ...] = ()
    fine_tuning: ClassVar[Mapping[str, Any]] = {"focus": ()}  # as there are other corpora

    def __post_init__(self) -> None:
        if self.focus and (len(self.focus) != 2 or not all(0 <= share <= 1 for share in self.focus)):
            shares = list(self.focus)
            raise SettingError(
                "training.focus wants two shares of at most 1, such as [0.35, 0.6], was: {shares}", shares=shares
            )


@dataclass(frozen=True, kw_only=True)
class MemberSettings:
    """What a member is told, of whatever kind; a task's kinds add to it.

    Components are ``{"name": …, option: …}``.

    :param kind: one of those that its task has members of.
    """

    name: str
    kind: str = ""
    components: ClassVar[tuple[str, ...]] = ()  # its fields that name one, each called as the kind of component
    one_way: ClassVar[bool] = False  # whether its encoder must not see what comes after, where it has the choice
    tunable: ClassVar[tuple[str, ...]] = ("training",)  # what may change where training goes on from a saved model

    @property
    def absent(self) -> bool:
        """Whether a member that is so told is none."""
        return False


@dataclass(frozen=True, kw_only=True)
class TextNetworkSettings(MemberSettings):
    """What a network that reads texts is told. Components are ``{"name": …, option: …}``.

    :param max_length: ids of a row that are kept, its first and last halves; 0 for all.
    :param weights: how the saved weights are stored: float32, int8, or int4, which is int8 but for matrices that are in
        blocks of 4 bits already, as those of a plugin may be: these stay so.
    :param arithmetic: by what the saved graph multiplies large matrices: float32, or int8, which is faster and rounds.
    """

    tokenizer: Mapping[str, Any]
    embedding: Mapping[str, Any]
    encoder: Mapping[str, Any]
    head: HeadSettings = field(default_factory=HeadSettings)
    training: RowTraining = field(default_factory=RowTraining)
    max_length: Count = 0
    weights: Weights = "float32"
    arithmetic: Literal["float32", "int8"] = "float32"
    components: ClassVar[tuple[str, ...]] = ("tokenizer", "embedding", "encoder")
    tunable: ClassVar[tuple[str, ...]] = ("training", "max_length", "weights")


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What a run is told, of whatever task; a task's own add to it.

    :param test: share of the rows that are touched once, at the end; a whole percentage, as is ``validation``.
    :param validation: share by which epochs are judged, members mixed and probabilities calibrated.
    :param normalisation: what differs from the defaults of `Normaliser`.
    """

    members: tuple[Any, ...]
    seed: Seed = 0
    test: float = 0.2
    validation: float = 0.2
    normalisation: Mapping[str, bool] = field(default_factory=dict)
    components: ClassVar[tuple[str, ...]] = ()  # of the run: its members share them
    defaults: ClassVar[Mapping[str, bool]] = {}  # of the normalisation, where they are not those of `Normaliser`
    own: ClassVar[tuple[str, ...]] = ("seed", "test", "validation")  # what no saved model says that it goes on from
    tunable: ClassVar[tuple[str, ...]] = ()  # what such a model says, and may change

    def __post_init__(self) -> None:
        check_shares(self.test, self.validation, judge=self.judge)

    @property
    def judge(self) -> str:
        """The place of the rows by which members are mixed and probabilities calibrated."""
        return "validation"

    @property
    def normaliser(self) -> Normaliser:
        """What normalises the texts."""
        return Normaliser(**{**self.defaults, **self.normalisation})

    @property
    def reading(self) -> Mapping[str, Any]:
        """What `read_rows` is told besides: ``kept``, labels that stay though they look like none, ``blank_lines``."""
        return {}

    def reader(self, corpora: Sequence[str]) -> Reader:
        """Return what reads the corpora that the command names, and those that the settings do."""
        return Reader(corpora)

    def record(self) -> dict[str, Any]:
        """Return all of them for config.json, which says of a file its name and not where it lies."""
        return asdict(self)

    def list_components(self) -> Iterable[Mapping[str, Any]]:
        """Yield the settings of every component."""
        for part in (self, *self.members):
            yield from (getattr(part, kind) for kind in part.components)


@dataclass(frozen=True, kw_only=True)
class LabelledRunSettings(RunSettings):
    """What a run on labelled rows is told: that of every task whose rows have the answer ``label``.

    :param labels: names for the labels found in the corpus: ``{"1": "positive"}``; others keep theirs.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    own: ClassVar[tuple[str, ...]] = (*RunSettings.own, "labels")

    @property
    def reading(self) -> Mapping[str, Any]:
        """Keep the labels that are named."""
        return {"kept": tuple(self.labels)}


@dataclass(frozen=True, kw_only=True)
class TextRunSettings(RunSettings):
    """What a run on texts alone is told.

    :param corpora: how files are read, and where they come from; the corpora themselves, where the command names none.
    """

    corpora: tuple[TextCorpus, ...] = ()
    own: ClassVar[tuple[str, ...]] = (*RunSettings.own, "corpora")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.reader([])

    def reader(self, corpora: Sequence[str]) -> Reader:
        """Return what reads them as the tables say."""
        return MixtureReader(corpora, self.corpora)

    def record(self) -> dict[str, Any]:
        """Return all settings, files by their last parts alone."""
        table = super().record()
        for corpus in table["corpora"]:
            corpus["file"] = name_of(corpus["file"])
        return table


def list_recipes(task: Task) -> list[str]:
    """Names of the recipes that come with a task, and of those that plugins bring for it."""
    start = f"{task.name}."
    of_plugins = [name.removeprefix(start) for name in registry().names("recipe") if name.startswith(start)]
    return sorted({*list_own_recipes(task), *of_plugins})


def list_own_recipes(task: Task) -> list[str]:
    """Names of the recipes that come with a task."""
    folder = _recipe_folder(task)
    return [path.stem for path in folder.glob("*.toml")] if folder else []


def _recipe_folder(task: Task) -> Path | None:
    if task.recipes is None:
        return None
    package, _, folder = task.recipes.partition(":")
    return Path(str(files(package))) / folder


def read_recipe(task: Task, recipe: str | Path) -> dict[str, Any]:
    """Return a recipe as nested tables: a path, or the name of one that comes with the task or with a plugin.

    :param recipe: a string is a path if it ends in .toml.
    :raises SettingError: if there is none of that name, or it is no TOML.
    :raises DataError: if the file cannot be read.
    :raises PluginError: if it is of a plugin that does not work.
    """
    path = Path(recipe)
    if isinstance(recipe, str) and path.suffix != ".toml":
        path = _find_recipe(task, recipe)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError("the recipe {path} cannot be read: {reason}", path=path, reason=reason_of(error)) from error
    except ValueError as error:
        raise SettingError("the recipe {path} is no TOML: {error}", path=path, error=error) from error


def _find_recipe(task: Task, name: str) -> Path:
    """Return the file of a recipe: the task's own or, where it has none of that name, a plugin's.

    :raises SettingError: if there is none, saying in which distribution of ours it is, or what there is.
    """
    folder, whole_name, plugins = _recipe_folder(task), f"{task.name}.{name}", registry()
    if folder and name in list_own_recipes(task):
        return folder / f"{name}.toml"
    if plugins.find("recipe", whole_name) or ("recipe", whole_name) in plugins.points:
        path: Path = plugins.get("recipe", whole_name).factory
        return path
    if elsewhere := plugins.tell_home("recipe", whole_name):
        raise SettingError(elsewhere)
    raise SettingError(
        "there is no recipe {name!r} for {task}{there_is}",
        name=name,
        task=task.name,
        there_is=nearest(name, list_recipes(task)),
    )


@dataclass(frozen=True)
class Shape:
    """What the settings of a task's runs look like.

    :param run: the class of a run's settings.
    :param kinds: those of its members by their kinds, the usual one first.
    """

    run: type[RunSettings]
    kinds: Mapping[str, type[MemberSettings]]

    def spell_out(self, tables: Mapping[str, Any]) -> dict[str, Any]:
        """Return tables in which every member stands in ``members``, with its kind and its name.

        :raises SettingError: if there is none.
        """
        result = copy.deepcopy({name: value for name, value in tables.items() if name not in self.kinds})
        members = result.get("members", [])
        if not isinstance(members, list | tuple):
            raise SettingError("the recipe wants tables [[members]], found: {members!r}", members=members)
        members = list(members)
        for kind in self.kinds:
            if kind in tables:
                members.append({"name": kind, "kind": kind, **_check_table(tables[kind], kind)})
        if not members:
            kinds = " or ".join(f"[{kind}]" for kind in self.kinds)
            raise SettingError("the recipe wants at least one table [[members]], or {kinds}, found none", kinds=kinds)
        usual = next(iter(self.kinds))
        result["members"] = [
            {"name": f"member-{position}", "kind": usual, **copy.deepcopy(_check_table(member, "a member"))}
            for position, member in enumerate(members)
        ]
        return result

    def assign(self, tables: Mapping[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
        """Return tables with ``encoder.hidden=64`` and the like put in.

        A setting of the run is changed, or one of all members that have it; a member's name before it says of which.
        Whoever says how many ``epochs`` there shall be means it: a recipe's ``min_steps`` beside them goes, unless that
        is assigned, too.

        :raises SettingError: for an assignment without ``=``, or a place that does not exist.
        """
        tables = self.spell_out(tables)
        places = [parse_assignment(assignment) for assignment in assignments]
        shorter = "min_steps" not in {place[-1] for place, _ in places}
        for (*path, last), value in places:
            for table in self._find_tables(tables, path, last):
                table[last] = value
                if last == "epochs" and shorter:
                    table.pop("min_steps", None)
        return tables

    def list_trained(self, tables: Mapping[str, Any], setting: str) -> list[str]:
        """Return the names of the members in whose training there is such a setting."""
        members = self.spell_out(tables)["members"]
        return [member["name"] for member in members if setting in self._training_of(member)]

    def choose(self, tables: Mapping[str, Any], components: Mapping[str, str | None]) -> dict[str, Any]:
        """Return tables with components replaced by name; options of the old one go, unless it has the same name.

        :raises SettingError: if several members have such a component.
        """
        tables = self.spell_out(tables)
        for kind, name in components.items():
            if name is not None:
                table, one_way = self._find_table(tables, kind)
                before = table.get(kind)
                if not (isinstance(before, dict) and before.get("name") == name):
                    options = registry().get(kind, name).options() if kind == "encoder" and one_way else ()
                    table[kind] = {"name": name} | {option: v for option, v in ONE_WAY.items() if option in options}
        return tables

    def make_settings(self, tables: Mapping[str, Any]) -> Any:
        """Check tables and make settings of them.

        :raises SettingError: for a name or value that is wrong, saying what there is.
        """
        tables = self.spell_out(tables)
        tables |= _name_anew(tables, self.run.components)
        members = [self._make_member(table) for table in tables["members"]]
        if len({member.name.casefold() for member in members}) < len(members):  # one folder on Windows
            raise SettingError(
                "two members have one name: {members}", members=", ".join(member.name for member in members)
            )
        members = [member for member in members if not member.absent]
        fill(Normaliser, _check_table(tables.get("normalisation", {}), "normalisation"), "normalisation")
        run = fill(self.run, {**tables, "members": tuple(members)}, Sentence("the recipe"))
        check_components(run, Sentence("the recipe"))
        return run

    def _make_member(self, table: Mapping[str, Any]) -> MemberSettings:
        kind, name = table["kind"], table["name"]
        if kind not in self.kinds:
            raise SettingError(
                "there is no kind of member {kind!r}{there_is}", kind=kind, there_is=nearest(str(kind), self.kinds)
            )
        if not isinstance(name, str) or not name.replace("-", "").replace("_", "").isalnum():
            raise SettingError(
                "a member's name becomes a folder: letters, digits, - and _ only, was: {name!r}", name=name
            )
        member = fill(self.kinds[kind], {**table, **_name_anew(table, self.kinds[kind].components)}, name)
        check_components(member, name)
        return member

    def _find_tables(self, tables: dict[str, Any], path: Sequence[str], last: str) -> list[dict[str, Any]]:
        """Return the tables that an assignment changes: the run's own, one member's, or those of all that have it."""
        members = {member["name"]: member for member in tables["members"]}
        first = [*path, last][0]
        if path and first in members:
            return [descend(members[first], path[1:])]
        if first in {f.name for f in fields(self.run)}:
            return [descend(tables, path)]
        owners = [member for member in members.values() if self._has_setting(member, first)]
        return [descend(member, path) for member in owners or members.values()]

    def _has_setting(self, member: Mapping[str, Any], setting: str) -> bool:
        kind = self.kinds.get(member["kind"])
        return kind is not None and setting in {f.name for f in fields(kind)}

    def _find_table(self, tables: dict[str, Any], kind: str) -> tuple[dict[str, Any], bool]:
        """Return the table that names a component, and whether it must read one way."""
        members = [member for member in tables["members"] if kind in self._kind_of(member).components]
        if kind in self.run.components:
            return tables, False
        if len(members) != 1:
            raise SettingError(
                "--{kind} needs a recipe with one member; this one has {count}: use --set",
                kind=kind,
                count=len(members),
            )
        return members[0], self._kind_of(members[0]).one_way

    def _training_of(self, member: Mapping[str, Any]) -> Mapping[str, Option]:
        training = options_of(self._kind_of(member)).get("training")
        return options_of(training.annotation) if training else {}

    def _kind_of(self, member: Mapping[str, Any]) -> type[MemberSettings]:
        return self.kinds.get(member["kind"], MemberSettings)


def parse_assignment(assignment: str) -> tuple[list[str], Any]:
    """Split ``encoder.hidden=64`` into the parts of its name and its value, read as TOML or else as it stands.

    :raises SettingError: without ``=``.
    """
    place, equals, value = assignment.partition("=")
    if not equals:
        raise SettingError("expected NAME=VALUE such as encoder.hidden=64, found {assignment!r}", assignment=assignment)
    value = value.strip()
    try:
        return place.strip().split("."), tomllib.loads(f"value = {PYTHON_BOOLS.get(value, value)}")["value"]
    except ValueError:
        return place.strip().split("."), value


def descend(table: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """Return the table at a path of names, made where it is not there.

    :raises SettingError: if something else is there.
    """
    for name in path:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise SettingError(
                "{path} is not a table of settings: {name} is {table!r}", path=".".join(path), name=name, table=table
            )
    return table


def fill(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    """Make a dataclass of settings of a table, and those in it of the tables in that.

    :raises SettingError: for a name that it does not have, or a value that does not fit.
    """
    options = options_of(kind)
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in options:
            raise SettingError(
                "{where} has no setting {name!r}{there_is}", where=where, name=name, there_is=nearest(name, options)
            )
        values[name] = _convert(options[name], value, where)
    if missing := [name for name, option in options.items() if name not in table and option.default is ...]:
        raise SettingError(
            "{where} lacks {missing}: a recipe says all of it", where=where, missing=" and ".join(missing)
        )
    return kind(**values)


def _convert(option: Option, value: Any, where: str) -> Any:
    annotation: Any = option.annotation
    if is_dataclass(annotation) and not isinstance(value, annotation):  # type: ignore[arg-type]
        place = f"{where}.{option.name}".removeprefix("the recipe.")
        return fill(annotation, _check_table(value, f"{where}: {option.name}"), place)  # type: ignore[arg-type]
    if get_origin(annotation) is tuple and is_dataclass(get_args(annotation)[0]):
        return _fill_all(get_args(annotation)[0], value, f"{where}: {option.name}")
    if wrong := option.find_fault(value):
        raise SettingError("{where}: {name} {wrong}", where=where, name=option.name, wrong=wrong)
    kinds = {get_origin(kind) for kind in (annotation, *get_args(annotation))}
    return tuple(value) if tuple in kinds and isinstance(value, list) else value


def _fill_all(kind: type[T], tables: object, where: str) -> tuple[T, ...]:
    """Make a dataclass of each of several tables.

    :raises SettingError: if these are none.
    """
    if not isinstance(tables, list | tuple):
        raise SettingError("{where} wants a list of tables, found {tables!r}", where=where, tables=tables)
    return tuple(one if isinstance(one, kind) else fill(kind, _check_table(one, where), where) for one in tables)


def _check_table(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SettingError("{what} wants a table of settings, found {value!r}", what=what, value=value)
    return value


def _name_anew(table: Mapping[str, Any], kinds: Iterable[str]) -> dict[str, Any]:
    """Return the components of a table whose options were renamed, by the names that they have now; warn of each."""
    result = {}
    for kind in kinds:
        component = table.get(kind)
        if not isinstance(component, Mapping) or not isinstance(component.get("name"), str):
            continue  # which is said elsewhere
        if found := registry().find(kind, component["name"]):
            result[kind] = found.rename(component, told=True)
    return result


def check_components(settings: Any, where: str) -> None:
    """Refuse a component that nobody registers, or options that it does not have.

    :param settings: of a run or a member.
    :raises SettingError: saying what there is.
    """
    for kind in settings.components:
        check_component(kind, getattr(settings, kind), where)


def check_component(kind: str, component: Mapping[str, Any], where: str) -> None:
    """Refuse a component that nobody registers, or options that it does not have or that do not fit.

    :raises SettingError: saying what there is.
    """
    if "name" not in component:
        raise SettingError(
            "{where}.{kind} has no name; there is: {names}",
            where=where,
            kind=kind,
            names=", ".join(registry().names(kind)),
        )
    if not isinstance(component["name"], str):
        raise SettingError(
            "{where}.{kind}: name wants a text, found {name!r}", where=where, kind=kind, name=component["name"]
        )
    options = {option: value for option, value in component.items() if option != "name"}
    registry().get(kind, component["name"]).check(options)


def check_shares(test: float, validation: float, judge: str) -> None:
    """Refuse shares of the rows that cannot be dealt out.

    :param judge: see `RunSettings.judge`.
    :raises SettingError: saying what they must be.
    """
    shares = test * 100, validation * 100
    if not all(abs(share - round(share)) < 1e-6 for share in shares):
        raise SettingError(
            "test and validation are whole percentages, 0.15 say, was: {test}, {validation}",
            test=test,
            validation=validation,
        )
    if judge != "validation" and validation:
        raise SettingError(
            "folds of the training rows judge, so validation must be 0, was: {validation}", validation=validation
        )
    least = 1 if judge == "validation" else 0
    if not (round(shares[0]) >= 0 and round(shares[1]) >= least and round(sum(shares)) < 100):
        raise SettingError(
            "test {test} and validation {validation} must leave rows to train on, and validation must not be 0",
            test=test,
            validation=validation,
        )


def check_focus(focus: Sequence[float], corpora: int) -> None:
    """Refuse a share of the first corpus where there is no other."""
    if focus and corpora < 2:
        raise SettingError("training.focus says how large a part the first of several corpora is, and there is but one")


def check_judges(judges: bool, focus: Sequence[float], lacking: str) -> None:
    """Refuse a run that no validation row could judge.

    :param lacking: what none of them does.
    :raises DataError: saying what to do.
    """
    if not judges:
        whose = Sentence(" of the first corpus, which training.focus makes the judge,") if focus else ""
        raise DataError("no validation row{whose} {lacking}: give more texts", whose=whose, lacking=lacking)


def drop_paths(component: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a component's settings but for paths, which are nobody's business: what it does not keep in its config."""
    return {option: value for option, value in component.items() if option == "name" or option in config}
