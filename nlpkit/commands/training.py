"""``nlpkit sentiment train``: says what is to be trained, and draws how it goes."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nlpkit.commands.labelled import ENCODING, LABEL, LABEL_COLUMN, TEXT_COLUMN, labelled_rows, renames
from nlpkit.errors import DataError, MissingExtra

if TYPE_CHECKING:
    from nlpkit.training.settings import Settings

FILE = click.Path(path_type=Path)


@click.command()
@click.argument("corpora", nargs=-1, metavar="CORPUS...")
@click.option("--output", "-o", type=FILE, help="The folder of the model.")
@click.option("--recipe", help="A recipe that comes with nlpkit: see below.")
@click.option("--config", type=FILE, help="A recipe of your own, in TOML.")
@click.option("--tokenizer", help="Use this tokenizer.")
@click.option("--embedding", help="Use this embedding.")
@click.option("--encoder", help="Use this encoder.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Change a setting: encoder.hidden=64.")
@TEXT_COLUMN
@LABEL_COLUMN
@LABEL
@click.option("--samples", type=FILE, help="Texts, a line each, by which the folder tests itself.")
@click.option("--keep-weights/--no-weights", default=None, help="Also save the weights as trained.  [default: keep]")
@click.option("--threads", type=click.IntRange(1), help="For torch.  [default: 1]")
@click.option("--dry-run", is_flag=True, help="Show composition, shapes, parameters, size and speed; train nothing.")
@click.option("--resume", is_flag=True, help="Go on with the run that was interrupted in this folder.")
@click.option("--save-every", type=click.FloatRange(0), default=30, show_default=True, help="Seconds between states.")
@click.option("--force", is_flag=True, help="Replace a model, or an unfinished run, in the folder.")
@ENCODING
def train(
    corpora: tuple[str, ...],
    output: Path | None,
    recipe: str | None,
    config: Path | None,
    tokenizer: str | None,
    embedding: str | None,
    encoder: str | None,
    assignments: tuple[str, ...],
    text_column: str | None,
    label_column: str | None,
    labels: tuple[str, ...],
    samples: Path | None,
    keep_weights: bool | None,
    threads: int | None,
    dry_run: bool,
    resume: bool,
    save_every: float,
    force: bool,
    encoding: str | None,
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
    if output is None and (resume or not dry_run):
        raise click.UsageError("say by --output where the model shall go, or where the run to resume was going")
    if recipe and config:
        raise click.UsageError("give --recipe or --config, not both")
    if not corpora and not resume:
        raise click.UsageError("give a CORPUS: a file, a folder, or a name that `nlpkit corpus list` shows")
    if not corpora and (text_column or label_column or encoding):
        raise click.UsageError("say the CORPUS too, or nothing of its columns and encoding: --resume knows them")
    need_torch()
    from nlpkit.bundle import writable
    from nlpkit.commands.training_view import show, show_plan
    from nlpkit.training import sentiment as training
    from nlpkit.training.plan import plan
    from nlpkit.training.run_folder import read_request
    from nlpkit.training.settings import KINDS

    asked = read_request(output) if resume and output else {}
    components = {"tokenizer": tokenizer, "embedding": embedding, "encoder": encoder}
    made = _settings(asked, config or recipe, components, assignments, renames(labels))
    columns = {"text_column": text_column, "label_column": label_column, "encoding": encoding}
    set_threads(threads or asked.get("threads", 1))
    if dry_run:
        rows: dict[str, Any] = {"corpora": corpora, "columns": columns} if corpora else unchanged(asked["origin"])
        show_plan(plan(labelled_rows(rows["corpora"], **rows["columns"]), made))
        return
    assert output is not None
    writable(output, force=force or asked.get("force", False))
    options = [value for m in made.members for kind in KINDS for value in getattr(m, kind).values()]
    origin = origin_of(corpora, columns, options) if corpora else unchanged(asked["origin"])
    show(
        training.train(
            labelled_rows(origin["corpora"], **origin["columns"]),
            made,
            output,
            samples=lines(samples) if samples else asked.get("samples"),
            keep_weights=asked.get("keep_weights", True) if keep_weights is None else keep_weights,
            force=force,
            resume=resume,
            every=save_every,
            origin=origin,
        )
    )


def need_torch() -> None:
    """Say how to get torch, before anything else is looked at.

    :raises MissingExtra: if it is not installed.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")  # it keeps what it made for each shape of a batch
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtra("torch", "train", "training") from None


def set_threads(threads: int) -> None:
    """Let torch use so many."""
    import torch

    torch.set_num_threads(threads)


def _settings(
    asked: Mapping[str, Any],
    recipe: str | Path | None,
    components: Mapping[str, str | None],
    assignments: Sequence[str],
    labels: Mapping[str, str],
) -> Settings:
    """What the options say: they change a recipe or, where a run is resumed and none is named, what that was asked."""
    from nlpkit.training.settings import assign, compose, read_recipe, settings, with_labels

    linear = components["embedding"] == "ngrams" or not (components["embedding"] or components["encoder"])
    own = asked and not recipe and not any(components.values())
    tables = asked["settings"] if own else read_recipe(recipe or ("ngrams" if linear else "network"))
    tables = assign(compose(tables, components), assignments)
    return settings(with_labels(tables, labels))


def origin_of(corpora: Sequence[str], columns: Mapping[str, str | None], options: Iterable[object]) -> dict[str, Any]:
    """What a run is of: the corpora as they were said, and the SHA-256 of every file, those that options name too."""
    from nlpkit.catalogue import files_of
    from nlpkit.fetching import sha256_of

    paths = [path for corpus in corpora for path in files_of(corpus)]
    paths += [Path(value) for value in options if isinstance(value, str)]
    files = {str(path): sha256_of(path) for path in paths if path.is_file()}
    return {"corpora": list(corpora), "columns": dict(columns), "files": files}


def unchanged(origin: dict[str, Any] | None) -> dict[str, Any]:
    """The rows that a run was begun with; a file that is gone may be, as long as its rows were stored."""
    from nlpkit.fetching import sha256_of

    if origin is None or "files" not in origin:
        raise DataError("the run was begun by a program, not by this command: resume it there")
    for name, digest in origin["files"].items():
        if Path(name).exists() and sha256_of(Path(name)) != digest:
            raise DataError(f"{name} has changed since the run began: put it back, or begin anew by --force")
    return origin


def lines(path: Path) -> list[str]:
    """The rows of a file."""
    from nlpkit.rows import open_rows

    with open_rows(path) as source:
        return [row.text for row in itertools.chain.from_iterable(source.blocks) if row.fault is None]
