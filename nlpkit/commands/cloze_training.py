"""``nlpkit cloze train``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nlpkit.commands import say
from nlpkit.commands.labelled import ENCODING, TEXT_COLUMN
from nlpkit.commands.training import lines, need_torch, origin_of, set_threads, unchanged

if TYPE_CHECKING:
    from nlpkit.corpus import Example
    from nlpkit.training.cloze_settings import ClozeSettings

FILE = click.Path(path_type=Path)


@click.command()
@click.argument("corpora", nargs=-1, metavar="CORPUS...")
@click.option("-o", "--folder", type=FILE, required=True, help="The folder of the model.")
@click.option("--recipe", help="A recipe that comes with nlpkit: see below.")
@click.option("--config", type=FILE, help="A recipe of your own, in TOML.")
@click.option("--tokenizer", help="Use this tokenizer.")
@click.option("--embedding", help="Use this embedding.")
@click.option("--encoder", help="Use this encoder: from both sides if it sees only what is before, else masked.")
@click.option("--output", help="How answers are coded: softmax or binary-codes.")
@click.option("--loss", help="Of binary-codes: softmax or bce.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Change a setting: encoder.hidden=64.")
@TEXT_COLUMN
@click.option("--samples", type=FILE, help="Texts with blanks, a line each, by which the folder tests itself.")
@click.option("--keep-weights/--no-weights", default=None, help="Also save the weights as trained.  [default: keep]")
@click.option("--threads", type=click.IntRange(1), help="For torch.  [default: 1]")
@click.option("--resume", is_flag=True, help="Go on with the run that was interrupted in this folder.")
@click.option("--save-every", type=click.FloatRange(0), default=30, show_default=True, help="Seconds between states.")
@click.option("--force", is_flag=True, help="Replace a model, or an unfinished run, in the folder.")
@ENCODING
def train(
    corpora: tuple[str, ...],
    folder: Path,
    recipe: str | None,
    config: Path | None,
    tokenizer: str | None,
    embedding: str | None,
    encoder: str | None,
    output: str | None,
    loss: str | None,
    assignments: tuple[str, ...],
    text_column: str | None,
    samples: Path | None,
    keep_weights: bool | None,
    threads: int | None,
    resume: bool,
    save_every: float,
    force: bool,
    encoding: str | None,
) -> None:
    """Train a model on texts, labelled or not, and save it as a folder.

    A CORPUS is a file or a folder of texts, or the name of a corpus that `nlpkit corpus list` shows. Copies are dropped
    before anything is split; the test rows are touched once, at the end.

    The run keeps its state in FOLDER.training. However it is interrupted, the same command with --resume, or just
    `--resume -o FOLDER`, goes on and comes to the same weights.

    \b
    nlpkit cloze train reviews.txt -o mine
    nlpkit cloze train goods.txt hotels.csv -o mine --set training.focus=[0.35,0.6]
    nlpkit cloze train reviews.txt -o small --output binary-codes --loss softmax --set output.bits=100
    nlpkit cloze train -o mine --resume

    Recipes: network (the default), tutorial, reviews-cloze (the shipped model).
    """
    if recipe and config:
        raise click.UsageError("give --recipe or --config, not both")
    if not corpora and not resume:
        raise click.UsageError("give a CORPUS: a file, a folder, or a name that `nlpkit corpus list` shows")
    if not corpora and (text_column or encoding):
        raise click.UsageError("say the CORPUS too, or nothing of its column and encoding: --resume knows them")
    need_torch()
    from nlpkit.bundle import writable
    from nlpkit.commands.training_view import show
    from nlpkit.training import cloze as training
    from nlpkit.training.run_folder import read_request

    asked = read_request(folder) if resume else {}
    components = {"tokenizer": tokenizer, "embedding": embedding, "encoder": encoder, "output": output}
    made = _settings(asked, config or recipe, components, loss, assignments)
    set_threads(threads or asked.get("threads", 1))
    writable(folder, force=force or asked.get("force", False))
    columns = {"text_column": text_column, "encoding": encoding}
    origin = origin_of(corpora, columns, _options(made)) if corpora else unchanged(asked["origin"])
    show(
        training.train(
            _texts(origin["corpora"], **origin["columns"]),
            made,
            folder,
            samples=lines(samples) if samples else asked.get("samples"),
            keep_weights=asked.get("keep_weights", True) if keep_weights is None else keep_weights,
            force=force,
            resume=resume,
            every=save_every,
            origin=origin,
        )
    )


def _settings(
    asked: Mapping[str, Any],
    recipe: str | Path | None,
    components: Mapping[str, str | None],
    loss: str | None,
    assignments: Sequence[str],
) -> ClozeSettings:
    """What the options say: they change a recipe or, where a run is resumed and none is named, what that was asked."""
    from nlpkit.training.cloze_settings import TASK, choose, places, settings
    from nlpkit.training.settings import assign, read_recipe

    own = asked and not recipe and not any(components.values())
    tables = asked["settings"] if own else read_recipe(recipe or "network", TASK)
    loss_too = [*([f"output.loss={loss}"] if loss else []), *assignments]
    return settings(assign(choose(tables, components), loss_too, places))


def _options(made: ClozeSettings) -> list[object]:
    """Every value that a component is given: some are paths."""
    from nlpkit.training.cloze_settings import PARTS

    tables = [made.tokenizer, *(getattr(made.network, kind) for kind in PARTS)]
    return [value for table in tables for value in table.values()]


def _texts(corpora: Sequence[str], **columns: str | None) -> Iterator[Example]:
    """Read rows as they are asked for; at the end say on stderr how many were left out and why."""
    from nlpkit.catalogue import texts_of
    from nlpkit.corpus import Faults

    faults = Faults()
    for corpus in corpora:
        yield from texts_of(corpus, faults=faults, **columns)
    if faults:
        say(f"{faults.total():,} rows were left out: {faults}")
