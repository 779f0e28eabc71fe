"""What a training run is told: by a recipe (TOML), by options, by ``--set``; checked before anything runs."""

from __future__ import annotations

import copy
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from nlpkit.errors import DataError, SettingError, nearest
from nlpkit.plugins.registry import registry
from nlpkit.text.normalisation import Normaliser

T = TypeVar("T")
CHOICES = {
    "loss": ("cross_entropy", "bce", "mse"),
    "class_weights": ("none", "balanced"),
    "optimizer": ("adamw", "adam", "adadelta", "sgd"),
    "schedule": ("constant", "linear", "cosine"),
    "monitor": ("loss", "accuracy"),
    "precision": ("float32", "bfloat16"),
}
RANGES: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    (
        ("epochs", "batch_size", "batch_tokens", "learning_rate", "patience", "pretrain_rate"),
        lambda value: value > 0,
        "be above 0",
    ),
    (
        ("weight_decay", "r_drop", "pretrain", "clip", "exact_epochs", "subsample"),
        lambda value: value >= 0,
        "not be negative",
    ),
    (("momentum", "beta2", "warmup", "label_smoothing", "blanked"), lambda value: 0 <= value < 1, "be in [0, 1)"),
)
WEIGHTS = ("float32", "int8")
POOLINGS = ("attention", "last", "max", "mean", "sqrtn", "sum")
NORMS = ("none", "layer", "batch")  # of the hidden units of a head
KINDS = ("tokenizer", "embedding", "encoder")
ONE_WAY = {"bidirectional": False, "causal": True}  # the options by which an encoder reads one way
SPELT = {"True": "true", "False": "false"}  # as Python spells them
NETWORK = "network"  # the table, and the member, of a task that trains one network
PARTS = ("embedding", "encoder", "output")  # of it


@dataclass(frozen=True)
class LoopSettings:
    """How the loop minimises, and when it stops.

    :param optimizer: adamw, adam, adadelta or sgd.
    :param learning_rate: its highest value.
    :param momentum: of sgd.
    :param beta2: the second decay of adam and adamw (https://arxiv.org/abs/1711.05101).
    :param schedule: constant, linear or cosine, the latter two down to zero over all epochs.
    :param warmup: share of all steps over which the rate rises from zero.
    :param clip: the greatest norm of a gradient; 0 clips nothing. Norms are recorded either way.
    :param monitor: loss or accuracy: by which the validation rows judge an epoch.
    :param patience: epochs without a better one before the run stops.
    """

    epochs: int = 20
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    momentum: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.01
    schedule: str = "cosine"
    warmup: float = 0.05
    clip: float = 1.0
    monitor: str = "loss"
    patience: int = 3


@dataclass(frozen=True)
class RowTraining(LoopSettings):
    """The training of a network that reads rows.

    :param batch_size: rows in a step.
    """

    batch_size: int = 64


@dataclass(frozen=True)
class TrainingSettings(RowTraining):
    """The training of a classifier.

    :param loss: cross_entropy; bce, binary cross entropy of each label against the others; or mse, the squared error of
        the probabilities (Brier 1950).
    :param label_smoothing: share of each target that is spread over all labels.
    :param class_weights: none; or balanced, where each label counts as much as any other, however rare.
    :param r_drop: weight of the difference between two passes under dropout (Liang et al. 2021,
        https://arxiv.org/abs/2106.14448); doubles the time.
    :param pretrain: epochs as a two-way language model before the first; for a recurrent encoder with one layer.
    :param pretrain_rate: its learning rate.
    """

    loss: str = "cross_entropy"
    label_smoothing: float = 0.0
    class_weights: str = "none"
    r_drop: float = 0.0
    pretrain: int = 0
    pretrain_rate: float = 4e-3


@dataclass(frozen=True)
class HeadSettings:
    """How states become logits.

    :param pooling: attention, last, max, mean, sum, or sqrtn (the sum over the square root of the length); or several
        side by side: ``max+attention``.
    :param hidden: units of a layer with ReLU between; 0 for none.
    :param norm: none, layer or batch: how these units are normalised before the ReLU.
    :param dropout: on what goes into each layer.
    :param projection: false: the pooled states are the logits but for a bias, one a label.
    """

    pooling: str = "max"
    hidden: int = 0
    norm: str = "none"
    dropout: float = 0.0
    projection: bool = True


@dataclass(frozen=True)
class MemberSettings:
    """One composition. Components are ``{"name": …, option: …}``.

    :param max_length: ids of a row that are kept, its first and last halves; 0 for all.
    :param weights: how the saved weights are stored: float32 or int8.
    """

    name: str
    tokenizer: Mapping[str, Any]
    embedding: Mapping[str, Any]
    encoder: Mapping[str, Any]
    head: HeadSettings = HeadSettings()
    training: TrainingSettings = TrainingSettings()
    max_length: int = 0
    weights: str = "float32"


@dataclass(frozen=True)
class Settings:
    """A whole run.

    :param labels: names for the labels found in the corpus: ``{"1": "positive"}``; others keep theirs.
    :param exits: for each member but the last, the probability from which on the later ones are not asked.
    """

    members: tuple[MemberSettings, ...]
    seed: int = 0
    test: float = 0.2
    validation: float = 0.2
    labels: Mapping[str, str] = field(default_factory=dict)
    normalisation: Mapping[str, bool] = field(default_factory=dict)
    exits: tuple[float, ...] = ()


def recipes(task: str = "sentiment") -> list[str]:
    """Names of a task's recipes that come with nlpkit."""
    return sorted(path.stem for path in _recipes(task).glob("*.toml"))


def _recipes(task: str) -> Path:
    return Path(str(files("nlpkit"))) / "tasks" / task / "recipes"


def read_recipe(recipe: str | Path, task: str = "sentiment") -> dict[str, Any]:
    """Return a recipe as nested tables: a path, or the name of one of a task that comes with nlpkit.

    :param recipe: a string is a path if it ends in .toml.
    :raises SettingError: if there is none of that name, or it is no TOML.
    :raises DataError: if the file cannot be read.
    """
    path = Path(recipe)
    if isinstance(recipe, str) and path.suffix != ".toml":
        if str(recipe) not in recipes(task):
            raise SettingError(f"there is no recipe {str(recipe)!r} for {task}{nearest(str(recipe), recipes(task))}")
        path = _recipes(task) / f"{recipe}.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"the recipe {path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise SettingError(f"the recipe {path} is no TOML: {error}") from error


def assign(
    tables: dict[str, Any], assignments: Iterable[str], places: Callable[..., Sequence[dict[str, Any]]] | None = None
) -> dict[str, Any]:
    """Return tables with ``encoder.hidden=64`` and the like put in; a member is named first where there are several.

    :param places: which tables an assignment changes, of all tables, the path before the last name, and that name.
    :raises SettingError: for an assignment without ``=``, or a place that does not exist.
    """
    places = places or _places
    tables = copy.deepcopy(tables)
    for assignment in assignments:
        place, equals, value = assignment.partition("=")
        if not equals:
            raise SettingError(f"expected NAME=VALUE such as encoder.hidden=64, found {assignment!r}")
        *path, last = place.strip().split(".")
        for table in places(tables, path, last):
            table[last] = _value(value.strip())
    return tables


def compose(tables: dict[str, Any], components: Mapping[str, str | None]) -> dict[str, Any]:
    """Return tables with the only member's tokenizer, embedding or encoder replaced by name; options of the old one go.

    :raises SettingError: if there are several members.
    """
    tables = copy.deepcopy(tables)
    for kind, name in components.items():
        if name is not None:
            members = _tables(tables.get("members"))
            if len(members) != 1:
                raise SettingError(f"--{kind} needs a recipe with one member; this one has {len(members)}: use --set")
            members[0][kind] = {"name": name}
    return tables


def with_labels(tables: dict[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """Return tables with more names for labels."""
    said = tables.get("labels", {})
    return {**tables, "labels": {**said, **labels}} if isinstance(said, dict) else tables


def settings(tables: Mapping[str, Any]) -> Settings:
    """Check nested tables and make settings of them.

    :raises SettingError: for a name or value that is wrong, saying what there is.
    """
    tables = dict(tables)
    members = [_member(member, position) for position, member in enumerate(_tables(tables.pop("members", [])))]
    if len({member.name.casefold() for member in members}) < len(members):  # one folder on Windows
        raise SettingError(f"two members have one name: {', '.join(member.name for member in members)}")
    tables["exits"] = tuple(exits) if isinstance(exits := tables.get("exits", ()), list | tuple) else exits
    made = fill(Settings, {**tables, "members": tuple(members)}, "the recipe")
    check_seed(made.seed)
    if len(made.exits) > len(members) - 1:
        raise SettingError(f"exits has {len(made.exits)} values, more than members - 1: {len(members) - 1}")
    if not all(0 < leave <= 1 for leave in made.exits):
        raise SettingError(f"exits are probabilities above 0, found: {list(made.exits)}")
    fill(Normaliser, made.normalisation, "normalisation")
    check_shares(made.test, made.validation)
    return made


def check_seed(seed: int) -> None:
    """Refuse a seed that some source of random numbers does not take.

    :raises SettingError: saying what it must be.
    """
    if not 0 <= seed < 1 << 32:
        raise SettingError(f"seed must be at least 0 and below 2**32, was: {seed}")


def check_shares(test: float, validation: float) -> None:
    """Refuse shares of the rows that cannot be dealt out.

    :raises SettingError: saying what they must be.
    """
    shares = test * 100, validation * 100
    if not all(abs(share - round(share)) < 1e-6 for share in shares):
        raise SettingError(f"test and validation are whole percentages, 0.15 say, was: {test}, {validation}")
    if not (round(shares[0]) >= 0 and round(shares[1]) > 0 and round(sum(shares)) < 100):
        raise SettingError(
            f"test {test} and validation {validation} must leave rows to train on, and validation must not be 0"
        )


def fill(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    """Make a settings class of a table.

    :raises SettingError: for a name that it does not have, or a value of another type.
    """
    if not isinstance(table, Mapping):
        raise SettingError(f"{where} wants a table of settings, found {table!r}")
    known = get_type_hints(kind)
    for name, value in table.items():
        if name not in known:
            raise SettingError(f"{where} has no setting {name!r}{nearest(name, known)}")
        if not _fits(value, known[name]):
            raise SettingError(f"{where}: {name} wants {_wanted(known[name])}, found {value!r}")
    if missing := [f.name for f in fields(kind) if f.name not in table and _required(f)]:  # type: ignore[arg-type]
        raise SettingError(f"{where} lacks {' and '.join(missing)}: a recipe says all of it")
    return kind(**table)


def _required(setting: Field[Any]) -> bool:
    return setting.default is MISSING and setting.default_factory is MISSING


def _wanted(kind: Any) -> str:
    """A type as TOML calls it."""
    if get_origin(kind) is tuple:
        return "a list of numbers"
    if get_origin(kind) is not None:
        return (
            "a table" if get_args(kind)[1] is Any else f"a table in which every value is {_wanted(get_args(kind)[1])}"
        )
    return {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}.get(kind, "a table")


def _fits(value: object, wanted: Any) -> bool:
    """Whether a value read from TOML is of a field's type; a whole number passes for a number."""
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if get_origin(wanted) is tuple:
        return isinstance(value, tuple) and all(_fits(item, get_args(wanted)[0]) for item in value)
    if get_origin(wanted) is not None:
        inside = get_args(wanted)[1]
        return isinstance(value, get_origin(wanted)) and all(_fits(item, inside) for item in value.values())
    if wanted is Any:
        return True
    return isinstance(value, wanted)


def _tables(members: object) -> list[Any]:
    if not isinstance(members, list | tuple) or not members:
        raise SettingError(f"the recipe wants at least one table [[members]], found: {members!r}")
    if wrong := [member for member in members if not isinstance(member, dict)]:
        raise SettingError(f"a member wants a table of settings, found {wrong[0]!r}")
    return list(members)


def _member(table: Mapping[str, Any], position: int) -> MemberSettings:
    if not isinstance(table, Mapping):
        raise SettingError(f"a member wants a table of settings, found {table!r}")
    table = {"name": f"member-{position}", **table}
    training = fill(TrainingSettings, table.pop("training", {}), f"{table['name']}.training")
    head = fill(HeadSettings, table.pop("head", {}), f"{table['name']}.head")
    check_training(training)
    check_head(head)
    member = fill(MemberSettings, {**table, "training": training, "head": head}, table["name"])
    if member.weights not in WEIGHTS:
        raise SettingError(f"weights must be one of {', '.join(WEIGHTS)}, was: {member.weights}")
    if not member.name.replace("-", "").replace("_", "").isalnum():
        raise SettingError(f"a member's name becomes a folder: letters, digits, - and _ only, was: {member.name!r}")
    if member.max_length < 0:
        raise SettingError(f"max_length must not be negative, was: {member.max_length}")
    for kind in KINDS:
        check_component(kind, getattr(member, kind), member.name)
    return member


def check_component(kind: str, chosen: Mapping[str, Any], where: str) -> None:
    """Refuse a component that nobody registers, or options that it does not have or take.

    :raises SettingError: saying what there is.
    """
    if "name" not in chosen:
        raise SettingError(f"{where}.{kind} has no name; there is: {', '.join(registry().names(kind))}")
    if not isinstance(chosen["name"], str):
        raise SettingError(f"{where}.{kind}: name wants a text, found {chosen['name']!r}")
    registry().get(kind, chosen["name"]).check({option: value for option, value in chosen.items() if option != "name"})


def check_head(head: HeadSettings) -> None:
    """Refuse values that no head could use.

    :raises SettingError: naming the first.
    """
    for pooling in head.pooling.split("+"):
        if pooling not in POOLINGS:
            raise SettingError(f"there is no pooling {pooling!r}{nearest(pooling, POOLINGS)}, or several joined by +")
    if head.norm not in NORMS:
        raise SettingError(f"there is no head.norm {head.norm!r}{nearest(head.norm, NORMS)}")
    if head.norm != "none" and not head.hidden:
        raise SettingError(f"head.norm={head.norm} normalises hidden units, and there are none: set head.hidden")
    if head.hidden < 0 or not 0 <= head.dropout < 1:
        raise SettingError(f"head.hidden must not be negative and head.dropout be in [0, 1), was: {head}")


def without_paths(chosen: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """A component's settings; an option that it does not keep in its config is a path, and nobody's business."""
    return {option: value for option, value in chosen.items() if option == "name" or option in entry["config"]}


def network_places(run: type, tables: dict[str, Any], path: Sequence[str], last: str) -> list[dict[str, Any]]:
    """The table that an assignment changes where a run trains one network: its own, unless ``run`` has the setting."""
    own = {f.name for f in fields(run)}
    inside = [] if [*path, last][0] in own else [NETWORK]
    return [descend(tables, [*inside, *path])]


def choose_one_way(tables: dict[str, Any], components: Mapping[str, str | None]) -> dict[str, Any]:
    """Return tables with components replaced by name; options of the old one go, unless it has the same name.

    An encoder that can read one way does: a state that has seen what comes after cannot foretell it.
    """
    tables = copy.deepcopy(tables)
    for kind, name in components.items():
        table = descend(tables, [] if kind == "tokenizer" else [NETWORK])
        before = table.get(kind)
        if name is not None and not (isinstance(before, dict) and before.get("name") == name):
            known = registry().get(kind, name).options() if kind == "encoder" else ()
            table[kind] = {"name": name} | {option: value for option, value in ONE_WAY.items() if option in known}
    return tables


def check_training(training: LoopSettings) -> None:
    """Refuse values that no run could use.

    :raises SettingError: naming the first.
    """
    for name, known in CHOICES.items():
        if (value := getattr(training, name, known[0])) not in known:
            raise SettingError(f"training.{name} cannot be {value!r}{nearest(value, known)}")
    for names, fits, wanted in RANGES:
        for name in names:
            if not fits(value := getattr(training, name, 0.5)):  # any number that fits stands for one not there
                raise SettingError(f"training.{name} must {wanted}, was: {value}")


def check_focus(focus: Sequence[float]) -> None:
    """Refuse what is no share in the first and the last epoch."""
    if focus and (len(focus) != 2 or not all(0 <= share <= 1 for share in focus)):
        raise SettingError(f"training.focus wants two shares of at most 1, such as [0.35, 0.6], was: {list(focus)}")


def check_focused(focus: Sequence[float], corpora: int) -> None:
    """Refuse a share of the first corpus where there is no other."""
    if focus and corpora < 2:
        raise SettingError("training.focus says how large a part the first of several corpora is, and there is but one")


def check_judges(there: bool, focus: Sequence[float], lacking: str) -> None:
    """Refuse a run that no validation row could judge.

    :param lacking: what none of them does.
    :raises DataError: saying what to do.
    """
    if not there:
        whose = " of the first corpus, which training.focus makes the judge," if focus else ""
        raise DataError(f"no validation row{whose} {lacking}: give more texts")


def tuples(table: object, name: str) -> Any:
    """A table whose list of a name is a tuple, as settings hold it."""
    if isinstance(table, Mapping) and isinstance(table.get(name), list):
        return {**table, name: tuple(table[name])}
    return table


def _places(tables: dict[str, Any], path: list[str], last: str) -> list[dict[str, Any]]:
    """The tables that an assignment changes: the run's own, one member's, or that of every member."""
    members = {member.get("name", f"member-{i}"): member for i, member in enumerate(_tables(tables.get("members")))}
    run = {f.name for f in fields(Settings)} - {"members"}
    if path and path[0] in members:
        return [descend(members[path[0]], path[1:])]
    if (path or [last])[0] in run:
        return [descend(tables, path)]
    return [descend(member, path) for member in members.values()]


def descend(table: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """The table at a path of names, made where it is not there.

    :raises SettingError: if something else is there.
    """
    for name in path:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise SettingError(f"{'.'.join(path)} is not a table of settings: {name} is {table!r}")
    return table


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {SPELT.get(text, text)}")["value"]
    except ValueError:
        return text
