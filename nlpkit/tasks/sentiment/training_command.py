"""``nlpkit sentiment train``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nlpkit.commands import FILE
from nlpkit.commands.labelled import LABEL, LABEL_COLUMN, read_rows, renames
from nlpkit.commands.training import RunOptions, run_options, set_threads, unchanged

if TYPE_CHECKING:
    from nlpkit.training.settings import Settings


@click.command()
@click.option("--output", "-o", type=FILE, help="The folder of the model.")
@click.option("--tokenizer", help="Use this tokenizer.")
@click.option("--embedding", help="Use this embedding.")
@click.option("--encoder", help="Use this encoder.")
@LABEL_COLUMN
@LABEL
@click.option("--samples", type=FILE, help="Texts, a line each, by which the folder tests itself.")
@click.option("--dry-run", is_flag=True, help="Show composition, shapes, parameters, size and speed; train nothing.")
@run_options
def train(
    options: RunOptions,
    output: Path | None,
    label_column: str | None,
    labels: tuple[str, ...],
    samples: Path | None,
    *,
    dry_run: bool,
    **components: str | None,
) -> None:
    """Train a model on labelled rows and save it as a folder.

    A CORPUS is a file or a folder of labelled texts, LABEL=FILE, or the name of a corpus that `nlpkit corpus list`
    shows. Copies are dropped before anything is split; early stopping keeps the best epoch; the test rows are touched
    once, at the end.

    The run keeps its state in FOLDER.training. However it is interrupted, the same command with --resume, or just
    `--resume -o FOLDER`, goes on and comes to the same weights.

    \b
    nlpkit sentiment train corpus.csv -o mine
    nlpkit sentiment train goods.txt hotels.csv -o mine --label 1=positive --label 0=negative
    nlpkit sentiment train corpus.csv -o mine --encoder gru --set encoder.hidden=128 --set training.epochs=10
    nlpkit sentiment train corpus.csv --recipe stacked --dry-run
    nlpkit sentiment train -o mine --resume

    Recipes: ngrams (the default: linear, seconds), network (what --encoder and --embedding start from), lstm,
    tutorial, word2vec (needs nlpkit-zh-word2vec), stacked, reviews (the shipped model).
    """
    if output is None and (options.resume or not dry_run):
        raise click.UsageError("say by --output where the model shall go, or where the run to resume was going")
    options.check(label_column)
    from nlpkit.tasks.sentiment import run as training
    from nlpkit.training.plan import plan
    from nlpkit.training.settings import KINDS

    asked = options.asked(output)
    made = _settings(options, asked, components, renames(labels))
    columns = {"column": options.column, "label_column": label_column, "encoding": options.encoding}
    rows_of = partial(read_rows, kept=tuple(made.labels))
    if dry_run:
        from nlpkit.commands.training_view import show_plan

        set_threads(options.threads or asked.get("threads", 1))
        rows: dict[str, Any] = {"corpora": options.corpora, "columns": columns}
        rows = rows if options.corpora else unchanged(asked["origin"])
        show_plan(plan(rows_of(rows["corpora"], **rows["columns"]), made))
        return
    assert output is not None
    options.train(
        training.train,
        rows_of,
        made,
        output,
        asked,
        columns=columns,
        files=[value for m in made.members for kind in KINDS for value in getattr(m, kind).values()],
        samples=samples,
    )


def _settings(
    options: RunOptions, asked: Mapping[str, Any], components: Mapping[str, str | None], labels: Mapping[str, str]
) -> Settings:
    """What the options say."""
    from nlpkit.training.settings import assign, compose, settings, with_labels

    linear = components["embedding"] == "ngrams" or not (components["embedding"] or components["encoder"])
    default = "ngrams" if linear else "network"
    tables = options.tables(asked, default, "sentiment", changed=any(components.values()))
    tables = assign(compose(tables, components), options.assignments)
    return settings(with_labels(tables, labels))
