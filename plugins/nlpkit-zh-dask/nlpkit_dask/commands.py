"""``nlpkit dask``: files answered by many processes or machines. Heavy imports live in the commands' bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from nlpkit.commands import ENCODING, say

if TYPE_CHECKING:
    from nlpkit.commands import FileAnswerer, Tally

    from nlpkit_dask.journal import Journal
    from nlpkit_dask.partitions import Partition

FORMATS = ("csv", "tsv", "jsonl", "xlsx", "parquet", "html")


@click.group()
def dask() -> None:
    """Answer many files by many processes or machines.

    \b
    nlpkit dask score 'reviews/*.csv' --column review -o scored
    """


@dask.command(short_help="Answer the rows of many files.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--column", "-c", help="The column of a table, or field of JSON, with the text.")
@click.option("--output", "-o", required=True, help="The folder, or URL, of the answers.")
@click.option("--model", "-m", help="A model's name or folder.  [default: that of --task]")
@click.option("--task", "-t", default="sentiment", show_default=True, help="Whose default model is taken.")
@click.option("--verb", help="What is asked of the model.  [default: the first verb of its task]")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="An option of the verb: explain=true.")
@click.option("--probabilities", is_flag=True, help="In tables, a column for each label's probability.")
@click.option("--format", "-f", "kind", type=click.Choice(FORMATS), help="Default: that of each file, JSONL for lines.")
@click.option("--scheduler", metavar="ADDRESS", help="Of a cluster of Dask's: tcp://10.0.0.1:8786.")
@click.option("--workers", type=click.IntRange(1), help="Processes of this machine.  [default: one a core]")
@click.option("--resume", is_flag=True, help="Do what an earlier run has not done.")
@click.option("--force", is_flag=True, help="Replace the answers of an earlier run.")
@click.option("--strict", is_flag=True, help="Exit with 1 if any row has no answer.")
@click.option("--sheet", help="The sheet of a workbook, if several hold rows.")
@ENCODING
def score(
    files: tuple[str, ...],
    output: str,
    model: str | None,
    task: str,
    assignments: tuple[str, ...],
    kind: str | None,
    scheduler: str | None,
    workers: int | None,
    **options: Any,
) -> None:
    """Answer the rows of many files.

    A file goes out for each that comes in, a row for each row, in order.

    FILE may be a pattern, in quotes, lest the shell expand it, and a URL of whatever fsspec knows. Files are as for the
    command of the model's task: CSV, TSV, JSONL, Parquet, workbooks, lines of text, packed or not. Answers have the
    format of their file; those of lines are JSONL.

    A file is what one worker does: it is not split, so cut large ones, and see that there are more files than workers.
    A file is there whole or not at all, and what is there is not done again with --resume.

    Without --scheduler, processes of this machine do it. With one, its workers must have nlpkit-zh-dask, the same model
    under the same name, and the files under the same path.

    \b
    nlpkit dask score 'reviews/*.csv' --column review -o scored
    nlpkit dask score 'reviews/*.csv' --column review -o scored --resume
    nlpkit dask score 'reviews/**/*.jsonl' -c text -o scored --model mine --workers 8
    nlpkit dask score a.csv b.csv -c 评价 -o scored --set labels=negative,positive --probabilities
    nlpkit dask score 's3://shop/reviews/*.parquet' -c review -o s3://shop/scored --scheduler tcp://10.0.0.1:8786
    nlpkit dask score '*.txt' -o opinions --task aspects --model restaurant-opinions
    """
    from nlpkit_dask.journal import Journal
    from nlpkit_dask.partitions import list_partitions
    from nlpkit_dask.storage import Place

    if scheduler and workers:
        raise click.UsageError("--workers is of this machine, and --scheduler has workers of its own: say one of them")
    resume, force, strict = (options.pop(name) for name in ("resume", "force", "strict"))
    partitions = list_partitions(files, kind)
    answerers = _make_answerers(partitions, _find_model(model, task), assignments, options)
    with partitions[0].source.as_source() as first:
        answerers[partitions[0].kind].check(first)
    any_answerer = answerers[partitions[0].kind]
    journal = Journal(Place.of(output), {**any_answerer.asked, "format": [kind, options["probabilities"]]})
    done = journal.begin(partitions, resume=resume, force=force)
    tally = _answer(answerers, partitions, journal, done, scheduler, workers)
    some = f" ({len(done):,} were done before)" if done else ""
    files_of = f"{len(partitions):,} file{'s' * (len(partitions) != 1)}"
    say(f"{any_answerer.describe(tally)}; {files_of} in {output}{some}")
    any_answerer.tell(tally)
    if strict and tally.rows.reasons:
        raise click.exceptions.Exit(1)


def _find_model(model: str | None, task: str) -> Any:
    """Open the model that is named, or the default one of a task."""
    import nlpkit

    name = model or nlpkit.registry().get("task", task).factory.default_model
    if name is None:
        raise click.UsageError(f"the task {task} comes with no model: say --model")
    return nlpkit.load(str(Path(name).absolute()) if Path(name).is_dir() else name)


def _make_answerers(
    partitions: Sequence[Partition], model: Any, assignments: Sequence[str], options: Mapping[str, Any]
) -> dict[str, FileAnswerer]:
    """Return what answers files, for each format that is written."""
    from nlpkit.commands import FileAnswerer
    from nlpkit.training import parse_assignment

    chosen = {".".join(path): value for path, value in map(parse_assignment, assignments)}
    kinds = {partition.kind for partition in partitions}
    return {kind: FileAnswerer(model, kind, options=chosen, **options) for kind in sorted(kinds)}


def _answer(
    answerers: Mapping[str, FileAnswerer],
    partitions: Sequence[Partition],
    journal: Journal,
    done: Mapping[str, Any],
    scheduler: str | None,
    workers: int | None,
) -> Tally:
    """Answer the files that are not done, and return what was counted of all."""
    from nlpkit.commands import Tally, draw_live, warn

    from nlpkit_dask.clusters import count_cores, open_client
    from nlpkit_dask.scoring import WorkerLost, answer_partitions

    tally, left = Tally(), [partition for partition in partitions if partition.target not in done]
    for counted in done.values():
        tally.join(Tally.from_json((), counted))
    if not left:
        return tally
    with (
        open_client(scheduler, min(workers or count_cores(), len(left))) as client,
        draw_live() as (_, bar),
    ):
        number = len(done)
        for event in answer_partitions(client, answerers, left, journal):
            if isinstance(event, WorkerLost):
                warn("a worker is gone: what it had not done is done again by another")
                continue
            for sentence in event.warned:
                warn(sentence)
            number += 1
            tally.join(Tally.from_json((), event.counted))
            bar.update("files", number, len(partitions), f"{tally.rows.rows:,} rows")
    return tally
