"""``nlpkit TASK report``."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nlpkit.commands.answering import find_table_format
from nlpkit.commands.options import encoding_option, jobs_option, model_option, sheet_option
from nlpkit.commands.printing import FILE, INPUT, say
from nlpkit.errors import DataError, SettingError, nearest
from nlpkit.plugins.options import options_of
from nlpkit.tasks.base import Task, Verb, resolve

if TYPE_CHECKING:
    from nlpkit.commands.questions import Answered, Block
    from nlpkit.commands.reports.gathering import Gathered

ABOUT = """Score rows, and say what came out on one page that opens in any browser and prints.

Shares of labels with 95% intervals, all together, by the values of a column and over time; words that go with good and
bad; the worst rows with what speaks for it, those of which the model is not sure, those that it cannot score; and what
the model is and is not. The page holds all that it needs, and loads nothing. Needs the extra report.

\b
nlpkit sentiment report orders.csv --column 评价 -o report.html
nlpkit sentiment report 订单.xlsx --column 评价 --by 品类 --date 日期 -o report.html
"""


def command(task: Task) -> click.Command:
    """Make the command of a task whose answers have labels."""
    params = [
        click.Argument(["files"], nargs=-1, required=True, metavar="FILE...", type=INPUT),
        click.Option(["--column", "-c"], help="The column of a table, or field of JSON, with the text."),
        click.Option(["--by"], multiple=True, metavar="COLUMN", help="Also by the values of this column; repeatable."),
        click.Option(["--date", "dates"], metavar="COLUMN", help="Also over time, by the dates in this column."),
        model_option(task),
        click.Option(["--labels", "labels"], metavar="A,B", help="Choose among these labels only."),
        click.Option(
            ["--min-probability"], type=click.FloatRange(0, 1), default=0.0, help="An answer that is less sure is none."
        ),
        click.Option(["--worst"], metavar="LABEL", help="Whose rows are shown.  [default: negative, or the first]"),
        click.Option(["--title"], help="Of the page."),
        click.Option(
            ["--language"], type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="Of the page."
        ),
        click.Option(["--output", "-o"], type=FILE, required=True, help="The page, .html."),
        click.Option(["--force"], is_flag=True, help="Let --output replace a file."),
        jobs_option("Score in so many processes; 0: one a core."),
        sheet_option(),
        encoding_option(),
    ]
    short = "Score rows, and say on one page what came out."
    callback = lambda **values: _report(task, **values)  # noqa: E731
    return click.Command("report", params=params, callback=callback, help=ABOUT, short_help=short)


def _report(
    task: Task,
    *,
    files: Sequence[str],
    column: str | None,
    by: Sequence[str],
    dates: str | None,
    model: str | None,
    labels: str | None,
    min_probability: float,
    worst: str | None,
    title: str | None,
    language: Any,
    output: Path,
    force: bool,
    jobs: int,
    sheet: str | None,
    encoding: str | None,
) -> None:
    from nlpkit.charts import import_figure
    from nlpkit.commands.answers import Look
    from nlpkit.commands.questions import Question, answer_blocks
    from nlpkit.commands.reports.page import make_page
    from nlpkit.commands.streams import open_output
    from nlpkit.model.workers import count_jobs

    if output.suffix.lower() not in (".html", ".htm"):
        raise SettingError("{output} would hold a page of HTML: name it .html", output=output)
    if output.is_file() and not force:
        raise DataError("{output} exists: choose another name, or say --force to replace it", output=output)
    find_table_format(files, column, encoding, sheet, [*by, *([dates] if dates else [])])
    import_figure("a report")  # told before the work
    verb = next(verb for verb in task.verbs if verb.labelled)
    saved = resolve(task.model).load(model)
    if getattr(saved, "several", False):
        raise SettingError("{name} gives a text several labels, a report is of one", name=saved.bundle.name)
    options = _options_of(verb, labels=labels, min_probability=min_probability)
    question = Question(saved, verb.method, options, verb.form, "jsonl", Look(), lines=False)
    answerer = question.open()
    form = answerer.form
    if not form.labels:
        raise SettingError("{name} says no labels: a report counts them", name=saved.bundle.name)
    if worst is not None and worst not in form.labels:
        raise SettingError(
            "--worst: there is no label {worst!r}{known}", worst=worst, known=nearest(worst, form.labels)
        )
    gathered = _gather(
        functools.partial(answer_blocks, question, answerer, jobs=count_jobs(jobs)),
        files,
        labels=form.labels,
        worst=worst or ("negative" if "negative" in form.labels else form.labels[0]),
        by=by,
        dates=dates,
        read={"column": column, "encoding": encoding, "sheet": sheet},
    )
    chosen = list(form.labels) if labels else None
    explain = (lambda texts: saved.explain(texts, labels=chosen)) if hasattr(saved, "explain") else None
    name = Path(files[0]).name if len(files) == 1 else f"{Path(files[0]).name} …"
    page = make_page(gathered, model=saved, file=name, title=title, language=language, explain=explain)
    with open_output(output, force=force) as out:
        out.write(page.encode("utf-8", "replace"))
    say("{describe}; saved in {output}", describe=gathered.all.describe(gathered.labels), output=output)


def _gather(
    answer: Callable[[Iterable[Block]], Iterable[tuple[Block, Answered]]],
    files: Sequence[str],
    *,
    labels: Sequence[str],
    worst: str,
    by: Sequence[str],
    dates: str | None,
    read: dict[str, Any],
) -> Gathered:
    """Answer all rows, and gather what a report says of them."""
    from nlpkit.commands.questions import Block
    from nlpkit.commands.reports.gathering import Gathered
    from nlpkit.commands.streams import draw_bar, read_blocks
    from nlpkit.components.tokenizers import rjieba

    gathered = Gathered(labels, worst, by, dates, rjieba().tokenize)
    with draw_bar(show=True) as advance:
        blocks = itertools.starmap(Block, read_blocks(files, (), "", **read))
        for block, answered in answer(_check_each(blocks, gathered)):
            gathered.add(*block, answered.answers)
            advance(gathered.all.rows, block.source.progress())
    if not gathered.all.rows:
        raise DataError("{files}: holds no row to report on", files=", ".join(files))
    return gathered


def _check_each(blocks: Iterable[Block], gathered: Gathered) -> Iterator[Block]:
    """Refuse a file without one of the columns, when it is opened."""
    for block in blocks:
        if not block.rows:
            gathered.check(block.source)
        yield block


def _options_of(verb: Verb, **wanted: Any) -> dict[str, Any]:
    """Return those options that a verb has.

    :raises SettingError: if another is given.
    """
    known = options_of(verb.options) if verb.options else {}
    if odd := [name for name, value in wanted.items() if value and name not in known]:
        raise SettingError("{verb} has no option --{option}", verb=verb.name, option=odd[0].replace("_", "-"))
    return {name: value for name, value in wanted.items() if name in known}
