"""``nlpkit TASK evaluate``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nlpkit.commands.options import (
    OWN,
    check_columns,
    jobs_option,
    model_option,
    options_of_dataclass,
    read_renames,
    read_rows,
    row_options,
    shape_option,
)
from nlpkit.commands.printing import FILE, say, say_replaced, warn
from nlpkit.errors import DataError, SettingError, reason_of
from nlpkit.tasks.base import Task, resolve

if TYPE_CHECKING:
    from nlpkit.commands.annotation_formats import SuspectRow
    from nlpkit.tasks.metrics import Metrics
    from nlpkit.text.corpus import Example

ERROR_FIELDS = ("file", "row", "line", "text", "truth", "answer", "probability", "reason", "explanation")
SHORT = "Measure a model on rows of your own."
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
            ["--errors"], type=FILE, metavar="FILE", help="Write the rows that are wrong or unscored, the surest first."
        ),
        shape_option(),
        jobs_option("Answer in so many processes; 0: one a core. The same figures."),
        click.Option(
            ["--pictures"], type=FILE, metavar="FOLDER", help="Draw the figures of all rows into this folder."
        ),
        click.Option(["--force"], is_flag=True, help="Let --errors and --pictures replace files."),
        click.Option(
            ["--format", "-f", "kind"], type=click.Choice(["table", "json"]), default="table", show_default=True
        ),
    ]

    def callback(**values: Any) -> None:
        options = {name: values.pop(OWN + name) for name in own}
        _evaluate(task, options, **values)

    about = f"{HELP}\n{inspect.cleandoc(task.evaluate_about)}" if task.evaluate_about else HELP
    return click.Command("evaluate", params=params, callback=callback, help=about, short_help=SHORT)


def _evaluate(
    task: Task,
    options: Mapping[str, Any],
    *,
    corpora: Sequence[str],
    model: str,
    group: str | None,
    kind: str,
    errors: Path | None,
    shape: str | None,
    pictures: Path | None,
    force: bool,
    labels: Sequence[str] = (),
    jobs: int,
    **columns: Any,
) -> None:
    from nlpkit.commands.printing import tell_json
    from nlpkit.text.corpus import rename

    if errors is not None:
        shape = _check_errors(task, errors, shape, force=force)
    elif shape:
        raise click.UsageError("--as is of --errors: say --errors FILE, too")
    check_columns(corpora, {**columns, "group_column": group})
    saved = resolve(task.model).load(model)
    saved.jobs = jobs
    names: dict[str, str] = saved.bundle.config.get("aliases", {}) | read_renames(labels)
    if group:
        columns["group_column"] = group
    query = {**saved.reading, "kept": {*names, *saved.reading.get("kept", ())}}
    read = resolve(task.read) if task.read else None
    examples = read_rows(task, corpora, read=read, **query, **columns)
    examples = rename(examples, names) if names else examples
    measure = functools.partial(resolve(task.measure), saved, **options)
    rows = list(examples) if errors is not None else examples
    metrics = _measure_groups(measure, rows) if group or len(corpora) > 1 else {"all": measure(rows)}
    if not metrics["all"].rows_measured:
        raise DataError("{corpora}: {nothing}", corpora=", ".join(corpora), nothing=metrics["all"].nothing(options))
    for sentence in metrics["all"].doubts(saved):
        warn(sentence)
    if errors is not None and shape:
        _save_errors(task, saved, rows, metrics["all"], errors, shape, options=options, names=names, force=force)
    if pictures is not None:
        _save_pictures(pictures, metrics["all"].draw(), force=force)
    if kind == "json":
        tell_json({name: figures.to_json() for name, figures in metrics.items()})
    else:
        show_metrics(metrics)


def _check_errors(task: Task, output: Path, shape: str | None, *, force: bool) -> str:
    """Return how wrong rows are written; refuse before the work what would be refused after it."""
    from nlpkit.commands.row_lists import choose_shape

    if not task.items:
        raise SettingError("{task} has no answers that are right or wrong: leave --errors out", task=task.name)
    return choose_shape(output, shape, force=force)


def _save_errors(
    task: Task,
    model: Any,
    examples: Iterable[Example],
    metrics: Metrics,
    output: Path,
    shape: str,
    *,
    options: Mapping[str, Any],
    names: Mapping[str, str],
    force: bool,
) -> None:
    """Write items that are wrong or have no answer, the surest first, as explained as the model can."""
    from nlpkit.commands.row_lists import save_rows
    from nlpkit.tasks.comparison import answer_items

    named = {"names": names} if task.rows.answer == "label" else {}
    items = resolve(task.items or "")({"model": model}, examples, **{**options, **metrics.settled}, **named)
    outcomes = [outcome for part in answer_items(model, items) for outcome in part]
    wrong = [number for number, outcome in enumerate(outcomes) if not outcome.right]
    wrong.sort(key=lambda number: -(outcomes[number].probability or 0.0))
    rows = [items.examples[number] for number in wrong]
    why = _explain_answers(model, rows, metrics)
    values = [
        [*_place(row), row.text, _spell(row.label), _spell(answer), probability, reason, strongest]
        for row, (_, answer, probability, reason), strongest in zip(
            rows, (outcomes[number] for number in wrong), why, strict=True
        )
    ]
    save_rows(output, shape, ERROR_FIELDS, values, _as_suspect, force=force)
    say(
        "{wrong:,} of {outcomes:,} answers are wrong or missing: {output}",
        wrong=len(wrong),
        outcomes=len(outcomes),
        output=output,
    )


def _spell(label: str | None) -> str | list[str] | None:
    """Return a label, or a list where a text may have several."""
    from nlpkit.text.several import Labels

    return list(label.names) if isinstance(label, Labels) else label


def _place(row: Example) -> tuple[str, int | None, int | None]:
    return row.file or row.corpus, row.row or None, row.line or None


def _explain_answers(model: Any, rows: Sequence[Example], metrics: Metrics) -> list[str | None]:
    """Return the words that speak for each answer and against it, where a model can say so."""
    if not hasattr(model, "explain"):
        return [None] * len(rows)
    return [one.describe() or None for one in model.explain([row.text for row in rows], **metrics.settled)]


def _as_suspect(row: dict[str, Any]) -> SuspectRow:
    """Make of a wrong row what an annotation tool imports."""
    from nlpkit.commands.annotation_formats import SuspectRow

    more = {name: row[name] for name in ("file", "row", "line", "reason", "explanation") if row[name] is not None}
    return SuspectRow(row["text"], row["truth"], row["answer"], row["probability"], more)


def _save_pictures(folder: Path, pictures: Mapping[str, bytes], *, force: bool) -> None:
    """Write pictures into a folder, which is made if need be."""
    from nlpkit.files import describe_file, replace_file

    if not pictures:
        raise DataError("there is nothing to draw of these figures: leave --pictures out")
    if not force and (there := [name for name in pictures if (folder / name).exists()]):
        raise DataError("{path} exists: choose another folder, or say --force to replace it", path=folder / there[0])
    try:
        for name, data in pictures.items():
            before = describe_file(folder / name) if (folder / name).is_file() else None
            replace_file(folder / name, data)
            say_replaced(folder / name, before)
    except OSError as error:
        raise DataError("{folder} cannot be written to: {reason}", folder=folder, reason=reason_of(error)) from error
    say("saved {pictures} in {folder}", pictures=", ".join(pictures), folder=folder)


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
    from nlpkit.language import translate
    from nlpkit.tasks.metrics import table_of

    screen = make_console()
    for content in (table_of(metrics), *metrics["all"].tables()):
        drawing = make_table(*content.columns)
        for row in content.rows:
            drawing.add_row(*row)
        screen.print(drawing)
    for name, figures in metrics.items():
        for sentence in figures.remarks(name):
            screen.print(translate(sentence))
