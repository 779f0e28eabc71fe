"""``nlpkit sentiment``: score, evaluate, train."""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from nlpkit.commands import FILE, INPUT, say, warn
from nlpkit.commands.labelled import (
    COLUMN,
    ENCODING,
    LABEL,
    LABEL_COLUMN,
    counted,
    read_rows,
    renames,
    told_neglect,
)
from nlpkit.errors import DataError
from nlpkit.tasks.sentiment.training_command import train
from nlpkit.text.labels import likeness, rename_options

MODEL = click.option("--model", "-m", default="reviews", show_default=True, help="A model's name or folder.")


@click.group()
def sentiment() -> None:
    """Is a text good or bad, or whatever your labels say, and how sure are we."""


@sentiment.command()
@click.argument("files", nargs=-1, type=INPUT)
@click.option("--text", "-t", "texts", multiple=True, help="Score this text; may be repeated.")
@click.option("--column", "-c", help="The column of a table, or field of JSON, with the text.")
@MODEL
@click.option("--format", "-f", "kind", type=click.Choice(["table", "jsonl", "csv", "tsv"]), help="Default: see below.")
@click.option("--output", "-o", type=FILE, help="Write here instead of to stdout.")
@click.option("--force", is_flag=True, help="Let --output replace a file.")
@click.option("--strict", is_flag=True, help="Exit with 1 if any row could not be scored.")
@ENCODING
def score(
    files: tuple[str, ...],
    texts: tuple[str, ...],
    column: str | None,
    model: str,
    kind: str | None,
    output: Path | None,
    force: bool,
    strict: bool,
    encoding: str | None,
) -> None:
    """Score reviews: a row for each row that goes in, in order.

    FILES hold a review a line, or are CSV or TSV with a header; - is stdin, and so is nothing at all. A row that cannot
    be scored (empty, without any known character, undecodable) has no label but a reason.

    The format is what the name of --output says; else a table on a terminal, CSV or TSV for the same, JSONL for lines.

    \b
    nlpkit sentiment score reviews.txt
    nlpkit sentiment score --text "质量很好，下次还来" --text "不建议购买"
    nlpkit sentiment score orders.csv --column 评价 -o scored.csv
    cat reviews.txt | nlpkit sentiment score --format jsonl | jq .label
    """
    from nlpkit.commands.streams import bar, blocks, opened, width
    from nlpkit.tasks.sentiment.model import SentimentModel
    from nlpkit.tasks.sentiment.scores import choose, writer

    gc.disable()  # a fifth of the time, for a million rows of which none makes a cycle
    if texts and files:
        raise click.UsageError("give FILES or --text, not both")
    if not files and not texts and sys.stdin.isatty():
        raise click.UsageError("no input: give a file, --text, or pipe something in; see --help")
    opened_model = SentimentModel.load(model)
    if str(output) == "-":
        output = None
    terminal = sys.stdout.isatty()
    kind = choose(kind, output, tables=_tables(files, column, encoding), terminal=terminal)
    faults: Counter[str] = Counter()
    rows = 0
    with (
        opened(output, force=force, styled=kind == "table") as out,
        bar(show=output is not None or not terminal) as advance,
    ):
        seen = terminal and output is None
        color = seen and not os.environ.get("NO_COLOR")
        write = writer(kind, opened_model.labels, color=color, width=width() if seen else None)
        for source, first, block in blocks(files, texts, "--text", column=column, encoding=encoding):
            scores = opened_model.score_rows(block)
            out.write(write(source, first, block, scores))
            if terminal or source.name == "-":
                out.flush()
            faults.update((s.reason or "").split(":")[0] for s in scores if s.label is None)
            rows += len(block)
            advance(rows, source.progress())
    if faults:
        say(f"{faults.total():,} of {rows:,} rows could not be scored: {counted(faults)}")
        if strict:
            raise click.exceptions.Exit(1)


@sentiment.command()
@click.argument("corpora", nargs=-1, required=True, metavar="CORPUS...")
@MODEL
@click.option("--by", "group", metavar="COLUMN", help="Also report each value of this column.")
@COLUMN
@LABEL_COLUMN
@LABEL
@click.option("--format", "-f", "kind", type=click.Choice(["table", "json"]), default="table", show_default=True)
@ENCODING
def evaluate(
    corpora: tuple[str, ...],
    model: str,
    group: str | None,
    column: str | None,
    label_column: str | None,
    labels: tuple[str, ...],
    kind: str,
    encoding: str | None,
) -> None:
    """Measure a model on labelled rows: accuracy, macro F1, calibration error, confusion.

    A CORPUS is what `train` takes. Rows that could not be scored count as wrong.

    \b
    nlpkit sentiment evaluate labelled.csv
    nlpkit sentiment evaluate minimal_pairs.csv --by category
    nlpkit sentiment evaluate test.csv --model mine --label 1=positive --label 0=negative
    """
    from nlpkit.commands import tell_json
    from nlpkit.tasks.sentiment.metrics import measure, neglected
    from nlpkit.tasks.sentiment.model import SentimentModel
    from nlpkit.text.corpus import rename
    from nlpkit.text.groups import groups

    opened_model = SentimentModel.load(model)
    names = opened_model.bundle.config.get("aliases", {}) | renames(labels)
    columns = {"column": column, "label_column": label_column, "group_column": group, "encoding": encoding}
    kept = {*names, *opened_model.labels}
    examples = list(rename(read_rows(corpora, kept=kept, **columns), names))
    truth = _known([e.label for e in examples], opened_model.labels, names)
    if not examples:
        raise DataError(f"{', '.join(corpora)}: no labelled rows")
    scores = opened_model.score(e.text for e in examples)
    metrics = {
        name: measure([truth[i] for i in rows], [scores[i] for i in rows], opened_model.labels)
        for name, rows in groups(examples).items()
    }
    config = opened_model.bundle.config
    trained = config.get("data", {}).get("labels", {})
    for sentence in told_neglect(neglected([metrics["all"]], trained), "evaluated", balanced=_balanced(config)):
        warn(sentence)
    if kind == "json":
        tell_json({name: found.to_json() for name, found in metrics.items()})
    else:
        show_metrics(metrics)


sentiment.add_command(train)


def _known(found: list[str], labels: Sequence[str], names: Mapping[str, str]) -> list[str]:
    if unknown := sorted(set(found) - set(labels)):
        known = {
            likeness(old): new for old, new in [*names.items(), *zip(labels, labels, strict=True)] if new in labels
        }
        alike = {label: known[likeness(label)] for label in unknown if likeness(label) in known}
        example = rename_options(alike or {unknown[0]: labels[-1]})
        example += f", {rename_options({unknown[0]: ''})} to leave its rows out"
        raise DataError(
            f"the rows have labels that the model does not know: {', '.join(unknown)}; it knows "
            f"{', '.join([*labels, *(f'{old} as {new}' for old, new in names.items() if new)])}: "
            f"say what each means, such as {example}"
        )
    return found


def _balanced(config: Mapping[str, Any]) -> bool:
    """Whether a model was trained so that each label counted as much as any other, in every member."""
    members = config.get("settings", {}).get("members", [])
    return all(member.get("training", {}).get("class_weights") == "balanced" for member in members)


def show_metrics(metrics: dict[str, Any]) -> None:
    """Print figures by group, and the confusion over all rows."""
    from nlpkit.commands import console, table

    shown = table("rows of", ">rows", ">accuracy", ">macro F1", ">calibration error", ">unscored")
    for name, m in metrics.items():
        shown.add_row(
            name,
            f"{m.rows:,}",
            f"{m.accuracy:.4f}",
            f"{m.macro_f1:.4f}",
            f"{m.calibration_error:.4f}",
            f"{m.unscored:,}",
        )
    labels = metrics["all"].labels
    confusion = table("true \\ answer", *(f">{label}" for label in (*labels, "none")))
    for label, row in zip(labels, metrics["all"].confusion, strict=True):
        confusion.add_row(label, *(f"{n:,}" for n in row))
    screen = console()
    screen.print(shown)
    screen.print(confusion)


def _tables(files: Sequence[str], column: str | None, encoding: str | None) -> str | None:
    """The format of the input if all of it are tables of one shape."""
    from nlpkit.commands.streams import headers
    from nlpkit.text.records import suffix_of

    found = headers(files, column=column, encoding=encoding)
    if any(header is None or header != found[0] for header in found):
        return None
    return "tsv" if any(suffix_of(file) == ".tsv" for file in files) else "csv" if found or column else None
