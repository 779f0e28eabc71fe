"""``nlpkit TASK train``, the same for every task."""

from __future__ import annotations

import inspect
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nlpkit.commands.launched import speak_once
from nlpkit.commands.options import check_columns, read_renames, read_rows, row_options
from nlpkit.commands.printing import FILE, warn
from nlpkit.errors import DataError, MissingExtra, Sentence, SettingError
from nlpkit.tasks.base import Task, resolve
from nlpkit.text.line_numbers import MOST_NAMED
from nlpkit.training.launch import read_place

if TYPE_CHECKING:
    from nlpkit.text.corpus import Example
    from nlpkit.training.base_model import BaseModel
    from nlpkit.training.settings import RunSettings, Shape

CODING = {"coding": "output"}  # what options call a kind of component, where it is not its name
HELP = """Train a model and save it as a folder.

A CORPUS is a file or a folder of texts{answers}, or the name of a corpus that `nlpkit corpus list` shows. Copies are
dropped before anything is split; early stopping keeps the best epoch; the test rows are touched once, at the end.

With --from, training goes on from a saved model or a shipped one, also with other labels: it is composed as that was,
its vocabulary stays, and what of its weights is kept is told.

The run keeps its state in FOLDER.training. However it is interrupted, the same command with --resume, or just
`--resume -o FOLDER`, goes on and comes to the same weights.
"""
ABOUT = {
    "tokenizer": "Use this tokenizer.",
    "embedding": "Use this embedding.",
    "encoder": "Use this encoder.",
    "coding": "How answers are coded: softmax or binary-codes.",
}


def command(task: Task) -> click.Command:
    """Make the command of a task."""
    kinds = [next((name for name, kind in CODING.items() if kind == of), of) for of in task.components]
    params = [
        click.Argument(["corpora"], nargs=-1, metavar="CORPUS..."),
        click.Option(["--output", "-o"], type=FILE, help="The folder of the model."),
        *(click.Option([f"--{kind}"], help=ABOUT.get(kind)) for kind in kinds),
        *row_options(task),
        click.Option(["--recipe"], help="A recipe that comes with the task, or with a plugin: see below."),
        click.Option(["--config"], type=FILE, help="A recipe of your own, in TOML."),
        click.Option(["--from", "base"], metavar="MODEL", help="Go on from this model: a name, or a folder."),
        click.Option(
            ["--set", "assignments"], multiple=True, metavar="NAME=VALUE", help="Change a setting: encoder.hidden=64."
        ),
        *_short_options(),
        *(_teaching_options() if task.teachable else ()),
        click.Option(["--samples"], type=FILE, help="Texts, a line each, by which the folder tests itself."),
        click.Option(
            ["--dry-run"], is_flag=True, help="Show composition, shapes, parameters, size and speed; train nothing."
        ),
        click.Option(["--prepare"], is_flag=True, hidden=True, help="What `nlpkit corpus prepare` does."),
        click.Option(
            ["--keep-weights/--no-weights"], default=None, help="Also save the weights as trained.  [default: keep]"
        ),
        click.Option(["--threads"], type=click.IntRange(1), help="For torch.  [default: 1]"),
        click.Option(
            ["--device"],
            metavar="auto|cpu|cuda[:N]|mps",
            help="Where networks are trained; auto: on a GPU if torch sees one.  [default: auto]",
        ),
        click.Option(["--resume"], is_flag=True, help="Go on with the run that was interrupted in this folder."),
        click.Option(
            ["--save-every"], type=click.FloatRange(0), default=30, show_default=True, help="Seconds between states."
        ),
        click.Option(["--force"], is_flag=True, help="Replace a model, or an unfinished run, in the folder."),
    ]

    def callback(**values: Any) -> None:
        components = {CODING.get(kind, kind): values.pop(kind) for kind in kinds}
        with speak_once():
            _train(task, components, **values)

    of_texts = {"label": " with labels, LABEL=FILE", "number": " with a number each", "json": " with answers in JSON"}
    about = HELP.format(answers=of_texts.get(task.rows.answer or "", ", labelled or not"))
    about += f"\n{inspect.cleandoc(task.recipes_about)}" if task.recipes_about else ""
    return click.Command("train", params=params, callback=callback, help=about)


def _short_options() -> list[click.Parameter]:
    """Make options for the settings that are changed most, called as these are."""
    return [
        click.Option(["--seed"], type=int, help="Short for --set seed=…: by it rows are dealt out, weights drawn."),
        click.Option(["--epochs"], type=int, help="Of each network at most; short for --set training.epochs=…"),
        click.Option(["--learning-rate"], type=float, help="Of each network; short for --set training.learning_rate=…"),
    ]


def _teaching_options() -> list[click.Parameter]:
    return [
        click.Option(["--teacher"], metavar="MODEL", help="Learn from this model's probabilities, too."),
        click.Option(
            ["--unlabelled"], multiple=True, metavar="FILE", help="Texts without labels, for which the teacher answers."
        ),
    ]


def _train(
    task: Task,
    components: Mapping[str, str | None],
    *,
    corpora: tuple[str, ...],
    output: Path | None,
    recipe: str | None,
    config: Path | None,
    base: str | None,
    assignments: tuple[str, ...],
    seed: int | None,
    epochs: int | None,
    learning_rate: float | None,
    samples: Path | None,
    dry_run: bool,
    prepare: bool,
    keep_weights: bool | None,
    threads: int | None,
    device: str | None,
    resume: bool,
    save_every: float,
    force: bool,
    labels: Sequence[str] = (),
    teacher: str | None = None,
    unlabelled: Sequence[str] = (),
    **columns: str | None,
) -> None:
    """Read what the options say, then train, or show what would be trained."""
    unsaved = dry_run or prepare
    _check(corpora, output, columns, recipe=recipe, config=config, base=base, resume=resume, unsaved=unsaved)
    settings_of_options = {"seed": seed, "epochs": epochs, "learning_rate": learning_rate}
    short = {name: value for name, value in settings_of_options.items() if value is not None}
    _check_short(short, assignments)
    if config is None:  # which may say of each corpus which columns it has
        check_columns(corpora, columns)
    prepare_torch()
    from nlpkit.model.bundle import check_writable
    from nlpkit.training.run_folder import read_request

    request = read_request(output) if resume and output else {}
    model = _open_base(task, base, request)
    settings = _read_settings(
        task,
        components,
        request,
        model,
        recipe=config or recipe,
        assignments=assignments,
        short=short,
        labels=read_renames(labels),
        more={"teacher": {"model": teacher} if teacher else {}, "unlabelled": list(unlabelled)},
    )
    reader = settings.reader(corpora)
    if not reader.corpora and not resume:
        raise click.UsageError("give a CORPUS: a file, a folder, or a name that `nlpkit corpus list` shows")
    if unused := reader.unused:
        more = Sentence(" and {unused} more", unused=len(unused) - MOST_NAMED) if len(unused) > MOST_NAMED else ""
        named = ", ".join(unused[:MOST_NAMED])
        warn(
            "the recipe has a table [[corpora]] of {named}{more}, which is none of the corpora"
            if len(unused) == 1
            else "the recipe has tables [[corpora]] of {named}{more}, which are none of the corpora",
            named=named,
            more=more,
        )
    set_threads(threads or request.get("threads", 1))
    _rehearse(settings, model)
    place = device or request.get("device", "auto")
    if dry_run:
        if read_place().rank:
            return
        from nlpkit.commands.training_view import show_plan
        from nlpkit.training.dry_run import plan

        origin = {"corpora": corpora, "columns": columns}
        origin = check_unchanged(request["origin"]) if resume and not corpora else origin
        model = model or _open_base(task, request.get("from", {}).get("source"), {})
        show_plan(plan(task, _read_rows(task, settings, origin), settings, model, place))
        return
    if prepare:
        _prepare(task, settings, {"corpora": corpora, "columns": columns}, model)
        return
    assert output is not None
    from nlpkit.commands.training_view import show
    from nlpkit.training.run import train

    check_writable(output, force=force or request.get("force", False))
    values = [value for options in settings.list_components() for value in options.values()]
    if resume and not corpora:
        origin = check_unchanged(request["origin"])
    else:
        origin = origin_of(corpora, columns, values, files=reader.corpora)
    show(
        train(
            task,
            _read_rows(task, settings, origin),
            settings,
            output,
            keep_weights=request.get("keep_weights", True) if keep_weights is None else keep_weights,
            force=force,
            resume=resume,
            every=save_every,
            device=place,
            origin=origin,
            base=model,
            samples=read_texts(samples) if samples else request.get("samples"),
        )
    )


def _check(
    corpora: Sequence[str],
    output: Path | None,
    columns: Mapping[str, str | None],
    *,
    recipe: str | None,
    config: Path | None,
    base: str | None,
    resume: bool,
    unsaved: bool,
) -> None:
    """Refuse what contradicts itself.

    :param unsaved: whether no model shall be saved.
    """
    if recipe and config:
        raise click.UsageError("give --recipe or --config, not both")
    if base and (recipe or config):
        raise click.UsageError(
            "give --from or a recipe, not both: the model says how it is composed, and --set what else shall differ"
        )
    if output is None and (resume or not unsaved):
        raise click.UsageError("say by --output where the model shall go, or where the run to resume was going")
    if resume and not corpora and any(columns.values()):
        raise click.UsageError("say the CORPUS too, or nothing of its columns and encoding: --resume knows them")


def _open_base(task: Task, base: str | None, request: Mapping[str, Any]) -> BaseModel | None:
    """Open the model from which training goes on, unless the run to resume has it in its folder."""
    from nlpkit.training.base_model import BaseModel

    return None if base is None or base == request.get("from", {}).get("source") else BaseModel.open(base, task)


def _read_settings(
    task: Task,
    components: Mapping[str, str | None],
    request: Mapping[str, Any],
    base: BaseModel | None,
    *,
    recipe: str | Path | None,
    assignments: Iterable[str],
    short: Mapping[str, float],
    labels: Mapping[str, str],
    more: Mapping[str, Any],
) -> RunSettings:
    """Read what a recipe or a saved model and the options say or, where a run is resumed, what it was begun with."""
    from nlpkit.training.settings import read_recipe

    shape = resolve(task.run).shape()
    old = request["settings"] if request and not recipe and not any(components.values()) else None
    usual = task.recipe if isinstance(task.recipe, str) else task.recipe(components)
    tables = old or (base.tables() if base else read_recipe(task, recipe or usual))
    tables = shape.choose(tables, components)
    tables = shape.assign(tables, [*assignments, *_spell_out(shape, tables, short)])
    if labels and isinstance(tables.get("labels", {}), dict):
        tables["labels"] = {**tables.get("labels", {}), **labels}
    for name, value in more.items():
        if value:
            tables[name] = {**tables.get(name, {}), **value} if isinstance(value, dict) else value
    settings: RunSettings = shape.make_settings(tables)
    if base is not None:
        base.check(settings)
    return settings


def _check_short(short: Mapping[str, float], assignments: Iterable[str]) -> None:
    """Refuse a setting that --set says, too."""
    for assignment in assignments:
        *path, last = assignment.partition("=")[0].strip().split(".")
        if last in short and path[-1:] == ([] if last == "seed" else ["training"]):
            template = "give {flag} or --set {assignment}, not both"
            raise click.UsageError(Sentence(template, flag=_flag(last), assignment=assignment))


def _spell_out(shape: Shape, tables: Mapping[str, Any], short: Mapping[str, float]) -> Iterator[str]:
    """Yield what --set would be told."""
    for name, value in short.items():
        if name == "seed":
            yield f"{name}={value}"
            continue
        members = shape.list_trained(tables, name)
        if not members:
            raise SettingError("{flag} is of networks, and there is none: leave it out", flag=_flag(name))
        yield from (f"{member}.training.{name}={value}" for member in members)


def _flag(setting: str) -> str:
    return f"--{setting.replace('_', '-')}"


def _rehearse(settings: RunSettings, base: BaseModel | None) -> None:
    """Try strangers' components before any corpus is read, also where a run is resumed.

    :raises PluginError: for one that does not keep what it must.
    """
    from nlpkit.plugins.installed import is_stranger
    from nlpkit.plugins.registry import registry

    if not any(map(is_stranger, {part.distribution for part in registry().components.values()})):
        return  # and the kit need not be imported
    from nlpkit.testing.rehearsal import rehearse

    for note in rehearse(settings, base.read_tokenizer_files() if base else None):
        warn(note)


def _prepare(task: Task, settings: RunSettings, origin: Mapping[str, Any], model: BaseModel | None) -> None:
    """Prepare rows for later runs, and say what is kept of that."""
    from nlpkit.commands.training_view import show_preparing
    from nlpkit.training.prepared import scratch
    from nlpkit.training.run import prepare

    with scratch() as folder:
        show_preparing(prepare(task, _read_rows(task, settings, origin), settings, folder, base=model))


def _read_rows(task: Task, settings: RunSettings, origin: Mapping[str, Any]) -> Iterator[Example]:
    reader = settings.reader(origin["corpora"])
    return read_rows(task, reader.corpora, read=reader, **settings.reading, **origin["columns"])


def prepare_torch() -> None:
    """Import torch before anything else is looked at, and bound what it keeps for each shape of a batch.

    :raises MissingExtra: if it is not installed.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")  # gigabytes otherwise, in bfloat16
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtra("torch", "train", "training") from None


def set_threads(threads: int) -> None:
    """Let torch use so many."""
    import torch

    torch.set_num_threads(threads)


def origin_of(
    corpora: Sequence[str],
    columns: Mapping[str, str | None],
    options: Iterable[object],
    files: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Say what a run is of: the corpora as they were named, and the SHA-256 of each file that they or options name.

    :param files: all corpora, those that only the settings name among them; None: no others.
    """
    from nlpkit.text.catalogue import files_of
    from nlpkit.text.fetching import sha256_of

    paths = [path for corpus in (corpora if files is None else files) for path in files_of(corpus)]
    paths += [Path(value) for value in options if isinstance(value, str)]
    sums = {str(path): sha256_of(path) for path in paths if path.is_file()}
    return {"corpora": list(corpora), "columns": dict(columns), "files": sums}


def check_unchanged(origin: dict[str, Any] | None) -> dict[str, Any]:
    """Refuse to go on where a file has changed; one that is gone may be, as long as its rows were stored."""
    from nlpkit.text.fetching import sha256_of

    if origin is None or "files" not in origin:
        raise DataError("the run was begun by a program, not by this command: resume it there")
    for name, digest in origin["files"].items():
        if Path(name).exists() and sha256_of(Path(name)) != digest:
            raise DataError("{name} has changed since the run began: put it back, or begin anew by --force", name=name)
    return origin


def read_texts(path: Path) -> list[str]:
    """Read the rows of a file."""
    from nlpkit.text.rows import open_rows

    with open_rows(path) as source:
        return [row.text for row in itertools.chain.from_iterable(source.blocks) if row.fault is None]
