"""``nlpkit TASK evaluate``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nlpkit.commands.options import OWN, model_option, options_of_dataclass, read_renames, read_rows, row_options
from nlpkit.commands.printing import FILE, reason_of, say, warn
from nlpkit.errors import DataError
from nlpkit.tasks.base import Task, resolve

if TYPE_CHECKING:
    from nlpkit.tasks.metrics import Metrics
    from nlpkit.text.corpus import Example

HELP = """Measure a model on rows of your own, by the figures that its card has.

A CORPUS is what `train` takes: a file, a folder, or the name of a corpus that `nlpkit corpus list` shows. Of several,
each is measured, and all together.
"""


def command(task: Task) -> click.Command:
    """Make the command of a task."""
    own, params = options_of_dataclass(task.measure_options)
    params = [
        click.Argument(["corpora"], nargs=-1, required=True, metavar="CORPUS..."),
        model_option(task),
        *params,
        click.Option(["--by", "group"], metavar="COLUMN", help="Also report each value of this column."),
        *row_options(task),
        click.Option(
            ["--pictures"], type=FILE, metavar="FOLDER", help="Draw the figures of all rows into this folder."
        ),
        click.Option(["--force"], is_flag=True, help="Let --pictures replace files."),
        click.Option(
            ["--format", "-f", "kind"], type=click.Choice(["table", "json"]), default="table", show_default=True
        ),
    ]

    def callback(**values: Any) -> None:
        options = {name: values.pop(OWN + name) for name in own}
        _evaluate(task, options, **values)

    about = f"{HELP}\n{inspect.cleandoc(task.evaluate_about)}" if task.evaluate_about else HELP
    return click.Command("evaluate", params=params, callback=callback, help=about)


def _evaluate(
    task: Task,
    options: Mapping[str, Any],
    *,
    corpora: Sequence[str],
    model: str,
    group: str | None,
    kind: str,
    pictures: Path | None,
    force: bool,
    labels: Sequence[str] = (),
    **columns: Any,
) -> None:
    from nlpkit.commands.printing import tell_json
    from nlpkit.text.corpus import rename

    saved = resolve(task.model).load(model)
    names: dict[str, str] = saved.bundle.config.get("aliases", {}) | read_renames(labels)
    if group:
        columns["group_column"] = group
    query = {**saved.reading, "kept": {*names, *saved.reading.get("kept", ())}}
    read = resolve(task.read) if task.read else None
    examples = read_rows(task, corpora, read=read, **query, **columns)
    examples = rename(examples, names) if names else examples
    measure = functools.partial(resolve(task.measure), saved, **options)
    metrics = _measure_groups(measure, examples) if group or len(corpora) > 1 else {"all": measure(examples)}
    if not metrics["all"].rows_measured:
        raise DataError("{corpora}: {nothing}", corpora=", ".join(corpora), nothing=metrics["all"].nothing(options))
    for sentence in metrics["all"].doubts(saved):
        warn(sentence)
    if pictures is not None:
        _save_pictures(pictures, metrics["all"].draw(), force=force)
    if kind == "json":
        tell_json({name: figures.to_json() for name, figures in metrics.items()})
    else:
        show_metrics(metrics)


def _save_pictures(folder: Path, pictures: Mapping[str, bytes], *, force: bool) -> None:
    """Write pictures into a folder, which is made if need be."""
    from nlpkit.files import replace_file

    if not pictures:
        raise DataError("there is nothing to draw of these figures: leave --pictures out")
    if not force and (there := [name for name in pictures if (folder / name).exists()]):
        raise DataError("{path} exists: choose another folder, or say --force to replace it", path=folder / there[0])
    try:
        for name, data in pictures.items():
            replace_file(folder / name, data)
    except OSError as error:
        raise DataError("{folder} cannot be written to: {reason}", folder=folder, reason=reason_of(error)) from error
    say(f"saved {', '.join(pictures)} in {folder}")


def _measure_groups(measure: Callable[..., Metrics], examples: Iterable[Example]) -> dict[str, Metrics]:
    from nlpkit.text.groups import groups

    rows = list(examples)
    metrics = {"all": measure(rows)}
    for name, numbers in groups(rows).items():
        if name != "all":
            metrics[name] = measure((rows[number] for number in numbers), **metrics["all"].settled)
    return metrics


def show_metrics(metrics: Mapping[str, Metrics]) -> None:
    """Print figures by name, and below them what is drawn or said of all rows."""
    from nlpkit.commands.printing import make_console, make_table
    from nlpkit.tasks.metrics import table_of

    screen = make_console()
    for content in (table_of(metrics), *metrics["all"].tables()):
        drawing = make_table(*content.columns)
        for row in content.rows:
            drawing.add_row(*row)
        screen.print(drawing)
    for name, figures in metrics.items():
        for sentence in figures.remarks(name):
            screen.print(sentence)
