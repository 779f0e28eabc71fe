"""``nlpkit TASK compare``: models on rows of one's own, or recipes that are trained for it."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from nlpkit.commands.options import OWN, check_columns, options_of_dataclass, read_renames, read_rows, row_options
from nlpkit.commands.printing import FILE, say, warn
from nlpkit.commands.training import origin_of, prepare_torch, set_threads
from nlpkit.errors import DataError, Sentence, SettingError
from nlpkit.tasks.base import Task, resolve

if TYPE_CHECKING:
    from nlpkit.model.base import SavedModel
    from nlpkit.tasks.comparison import Comparison, Cost
    from nlpkit.text.corpus import Example
    from nlpkit.training.comparison import Compared
    from nlpkit.training.settings import RunSettings

SHORT = "Say whether one model, or recipe, is better than another."
HELP = """Say whether one model is better than another, or whether chance explains the difference.

All models are asked the same of the rows of a CORPUS, which is what `train` takes; no answer is a wrong one.
Differences have intervals and p values; where the interval holds 0, no difference is shown. With --by, each value of a
column is compared, too; --output gets the rows on which the models differ.

With --recipe, models are trained for it: each recipe with every seed, every time without another fold of the rows,
which is what the models are compared on. --work keeps each training, so that the same command goes on.
"""
SEEDS, FOLDS, THREADS = 3, 5, 1  # unless said
TRAINING = ("assignments", "seeds", "folds", "work", "threads", "device")  # options of recipes
FEW = 5  # trainings of a recipe, by which the spread between them is known badly


def command(task: Task) -> click.Command:
    """Make the command of a task that has items."""
    own, params = options_of_dataclass(task.measure_options)
    params = [
        click.Argument(["corpora"], nargs=-1, required=True, metavar="CORPUS..."),
        click.Option(["--model", "-m", "models"], multiple=True, help="A model's name or folder; two or more."),
        click.Option(["--recipe", "recipes"], multiple=True, help="Train this, a name or a file in TOML; two or more."),
        *params,
        click.Option(["--by", "group"], metavar="COLUMN", help="Also compare on each value of this column."),
        click.Option(
            ["--test-rows"], is_flag=True, help="Take only rows that the trainings of all models left for their tests."
        ),
        *row_options(task),
        click.Option(["--output", "-o"], type=FILE, help="Write the rows on which they differ: .csv, .tsv or .jsonl."),
        click.Option(["--force"], is_flag=True, help="Let --output replace a file."),
        click.Option(
            ["--format", "-f", "kind"], type=click.Choice(["table", "json"]), default="table", show_default=True
        ),
        click.Option(
            ["--set", "assignments"], multiple=True, metavar="NAME=VALUE", help="Of all recipes: encoder.hidden=64."
        ),
        click.Option(["--seeds"], type=click.IntRange(1), help=f"Of recipes.  [default: {SEEDS}]"),
        click.Option(["--folds"], type=click.IntRange(2), help=f"Of the rows, for recipes.  [default: {FOLDS}]"),
        click.Option(["--work"], type=FILE, help="A folder that keeps the trainings of recipes."),
        click.Option(["--threads"], type=click.IntRange(1), help=f"For torch.  [default: {THREADS}]"),
        click.Option(["--device"], metavar="auto|cpu|cuda[:N]", help="Where networks are trained.  [default: auto]"),
    ]

    def callback(**values: Any) -> None:
        options = {name: values.pop(OWN + name) for name in own}
        _compare(task, options, **values)

    about = f"{HELP}\n{inspect.cleandoc(task.compare_about)}" if task.compare_about else HELP
    return click.Command("compare", params=params, callback=callback, help=about, short_help=SHORT)


def _compare(
    task: Task,
    options: Mapping[str, Any],
    *,
    corpora: Sequence[str],
    models: Sequence[str],
    recipes: Sequence[str],
    group: str | None,
    test_rows: bool,
    output: Path | None,
    force: bool,
    kind: str,
    labels: Sequence[str] = (),
    encoding: str | None,
    **others: Any,
) -> None:
    training = {name: value for name, value in others.items() if name in TRAINING}
    _check(models, recipes, training, test_rows=test_rows)
    from nlpkit.commands.comparison_view import open_differing, show

    named = {"encoding": encoding, "group_column": group, **others}
    columns = {name: value for name, value in named.items() if value is not None and name not in TRAINING}
    check_columns(corpora, columns)
    with open_differing(output, force=force) as write:
        if models:
            comparison, costs = _compare_models(
                task, options, corpora, models, columns, read_renames(labels), test_rows=test_rows
            )
        else:
            comparison, costs = _compare_recipes(
                task, options, corpora, recipes, columns, read_renames(labels), **training
            )
        write(comparison, group, corpora, encoding)
    show(comparison, costs, kind)
    if output is not None:
        say("saved {output}: the rows on which they differ", output=output)


def _check(models: Sequence[str], recipes: Sequence[str], training: Mapping[str, Any], *, test_rows: bool) -> None:
    """Refuse what contradicts itself."""
    if models and recipes:
        raise click.UsageError("give --model or --recipe, not both: models are compared as they are, recipes trained")
    names, option = (recipes, "--recipe") if recipes else (models, "--model")
    if len(names) < 2:
        count = Sentence("only {names}", names=names[0]) if names else "none"
        both = option if names else "--model, or two recipes by --recipe"
        raise click.UsageError(
            Sentence("a comparison wants two or more by {both}; there is {count}", both=both, count=count)
        )
    if twice := [name for name in names if names.count(name) > 1]:
        raise click.UsageError(
            Sentence(
                "{option} {twice} is given twice: a comparison is of different ones", option=option, twice=twice[0]
            )
        )
    named = [f"--{'set' if name == 'assignments' else name}" for name, value in training.items() if value]
    if models and named:
        raise click.UsageError(Sentence("{named} is for trainings by --recipe: leave it out", named=named[0]))
    if recipes and test_rows:
        raise click.UsageError("--test-rows is for --model: recipes answer no row that they were trained on")


def _compare_models(
    task: Task,
    options: Mapping[str, Any],
    corpora: Sequence[str],
    models: Sequence[str],
    columns: Mapping[str, Any],
    names: Mapping[str, str],
    *,
    test_rows: bool,
) -> tuple[Comparison, Sequence[Cost]]:
    """Ask models about rows."""
    from nlpkit.commands.progress import draw_live
    from nlpkit.tasks.comparison import (
        Comparison,
        Cost,
        Round,
        answer_items,
        measure_speed,
        remark_on_training,
        take_test_rows,
    )

    saved = _open(task, models)
    configs = {name: model.bundle.config for name, model in saved.items()}
    names = _join_aliases({name: config.get("aliases", {}) for name, config in configs.items()}, names)
    read = resolve(task.read) if task.read else None
    query = _join_reading([model.reading for model in saved.values()], names)
    examples = _rename(read_rows(task, corpora, read=read, **query, **columns), names)
    for sentence in remark_on_training(configs, examples, tested=test_rows):
        warn(sentence)
    if test_rows:
        examples = take_test_rows(configs, examples)
        say("{examples:,} rows are left that trainings on them keep for the test", examples=len(examples))
    items = resolve(task.items or "")(saved, examples, **options, **_names_of_labels(task, names))
    _check_items(items.examples, corpora)
    for sentence in items.remarks:
        say(sentence)
    outcomes: list[list[Any]] = []
    with draw_live() as (_, bar):
        for name, model in saved.items():
            outcomes.append([])
            for part in answer_items(model, items):
                outcomes[-1] += part
                bar.work(name, len(outcomes[-1]), len(items.examples))
    speeds = measure_speed(list(saved.values()), items)
    costs = [Cost(model.bundle.size, speed) for model, speed in zip(saved.values(), speeds, strict=True)]
    return Comparison(list(saved), [Round(items.examples, outcomes)]), costs


def _open(task: Task, names: Sequence[str]) -> dict[str, SavedModel]:
    """Open models by their names.

    :raises SettingError: if two are the same.
    """
    saved: dict[str, SavedModel] = {}
    owners: dict[str, str] = {}
    for name in names:
        saved[name] = resolve(task.model).load(name)
        first = owners.setdefault(saved[name].bundle.fingerprint, name)
        if first != name:
            raise SettingError(
                "{first} and {second} are the same model: a comparison is of different ones", first=first, second=name
            )
    return saved


def _join_aliases(aliases: Mapping[str, Mapping[str, str]], names: Mapping[str, str]) -> dict[str, str]:
    """Return the names that models have for labels of corpora; those that the command says go before them.

    :raises SettingError: where models contradict each other.
    """
    joined: dict[str, str] = {}
    for model, own in aliases.items():
        for old, new in own.items():
            if old not in names and joined.setdefault(old, new) != new:
                raise SettingError(
                    "the models call the label {old} {first} and, {model}, {second}: say --label {old}=NAME",
                    old=old,
                    first=joined[old],
                    model=model,
                    second=new,
                )
    return joined | dict(names)


def _join_reading(readings: Iterable[Mapping[str, Any]], names: Iterable[str]) -> dict[str, Any]:
    """Return how rows are read for several models: labels that one of them keeps are kept."""
    joined: dict[str, Any] = {"kept": set(names)}
    for reading in readings:
        joined |= {**reading, "kept": joined["kept"] | set(reading.get("kept", ()))}
    return joined


def _rename(examples: Iterator[Example], names: Mapping[str, str]) -> list[Example]:
    from nlpkit.text.corpus import rename

    return list(rename(examples, names) if names else examples)


def _names_of_labels(task: Task, names: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
    """Return what the items of a task are told of labels."""
    return {"names": names} if task.rows.answer == "label" else {}


def _check_items(examples: Sequence[Example], corpora: Sequence[str]) -> None:
    """Refuse to compare on nothing, and say where items are copies of each other.

    :raises DataError: if there is none.
    """
    from nlpkit.tasks.comparison import count_copies

    if not examples:
        raise DataError("{corpora}: holds no row to compare on", corpora=", ".join(corpora))
    if copies := count_copies(examples):
        warn(
            "{copies:,} of {examples:,} rows are copies of others, and count each: intervals take "
            "rows for independent, and are narrower than they should be",
            copies=copies,
            examples=len(examples),
        )


def _compare_recipes(
    task: Task,
    options: Mapping[str, Any],
    corpora: Sequence[str],
    recipes: Sequence[str],
    columns: Mapping[str, Any],
    names: Mapping[str, str],
    *,
    assignments: Sequence[str],
    seeds: int | None,
    folds: int | None,
    work: Path | None,
    threads: int | None,
    device: str | None,
) -> tuple[Comparison, Sequence[Cost]]:
    """Train recipes, and ask the models about the rows that these did not see."""
    prepare_torch()
    from nlpkit.training.comparison import compare_recipes, read_labels

    settings = _read_recipes(task, recipes, assignments)
    labels = read_labels(settings, names)
    set_threads(threads or THREADS)
    seeds, folds = seeds or SEEDS, folds or FOLDS
    rows = read_rows(task, corpora, **_join_reading([one.reading for one in settings.values()], labels), **columns)
    read = {name: value for name, value in columns.items() if name != "group_column"}  # on which no training depends
    origin = origin_of(corpora, read, [value for one in settings.values() for value in _values_of(one)])
    with _open_work(work) as folder:
        count = len(recipes) * seeds * folds
        say(
            "{recipes} recipes, {seeds} seeds, {folds} folds: {count} trainings",
            recipes=len(recipes),
            seeds=seeds,
            folds=folds,
            count=count,
        )
        if seeds * folds < FEW:
            warn(
                "{seeds} trainings of a recipe can hardly show any difference: take more --folds or --seeds",
                seeds=seeds * folds,
            )
        compared = _follow(
            compare_recipes(
                task,
                _rename(rows, labels),
                settings,
                folder,
                seeds=seeds,
                folds=folds,
                origin={**origin, "labels": labels},
                options={**options, **_names_of_labels(task, labels)},
                device=device or "auto",
            ),
            recipes=len(recipes),
            resumable=work is not None,
        )
        _check_items([example for one in compared.comparison.rounds[:folds] for example in one.examples], corpora)
        for sentence in compared.remarks:
            say(sentence)
        return compared.comparison, compared.costs


def _read_recipes(task: Task, recipes: Sequence[str], assignments: Sequence[str]) -> dict[str, RunSettings]:
    """Return the settings of recipes by their names, which become folders.

    :raises SettingError: if two have one name, or one is wrong.
    """
    from nlpkit.training.settings import read_recipe

    shape = resolve(task.run).shape()
    settings: dict[str, RunSettings] = {}
    for recipe in recipes:
        name = Path(recipe).name.removesuffix(".toml")
        if name in settings:
            raise SettingError("two recipes are called {name}: give one of the files another name", name=name)
        settings[name] = shape.make_settings(shape.assign(read_recipe(task, recipe), assignments))
    return settings


def _values_of(settings: RunSettings) -> Iterator[object]:
    for options in settings.list_components():
        yield from options.values()


@contextmanager
def _open_work(work: Path | None) -> Iterator[Path]:
    """Yield the folder of trainings: one that goes when all is done, unless one is named."""
    if work is None:
        say("the trainings are not kept: with --work FOLDER the same command would go on where it was interrupted")
    with TemporaryDirectory() if work is None else nullcontext(work) as folder:
        yield Path(folder)


def _follow(events: Generator[Any, None, None], *, recipes: int, resumable: bool) -> Compared:
    """Draw trainings until all are compared.

    :raises Exit: if they were interrupted.
    """
    from nlpkit.commands.comparison_view import Drawing
    from nlpkit.commands.progress import draw_live, follow

    with draw_live() as (tell, bar):
        draw = Drawing(tell, bar, recipes)
        stopped = follow(events, draw, resumable=False)
    if draw.compared is None:
        say("Interrupted; the state is saved: the same command goes on." if resumable else "Interrupted.")
        raise click.exceptions.Exit(stopped)
    return draw.compared
