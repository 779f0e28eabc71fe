"""``nlpkit cloze train``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nlpkit.commands import FILE
from nlpkit.commands.labelled import read_rows
from nlpkit.commands.training import RunOptions, run_options

if TYPE_CHECKING:
    from nlpkit.tasks.cloze.settings import ClozeSettings


@click.command()
@click.option("-o", "--folder", type=FILE, required=True, help="The folder of the model.")
@click.option("--tokenizer", help="Use this tokenizer.")
@click.option("--embedding", help="Use this embedding.")
@click.option("--encoder", help="Use this encoder: from both sides if it sees only what is before, else masked.")
@click.option("--output", help="How answers are coded: softmax or binary-codes.")
@click.option("--loss", help="Of binary-codes: softmax or bce.")
@click.option("--samples", type=FILE, help="Texts with blanks, a line each, by which the folder tests itself.")
@run_options
def train(options: RunOptions, folder: Path, loss: str | None, samples: Path | None, **components: str | None) -> None:
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
    options.check()
    from nlpkit.tasks.cloze import run as training
    from nlpkit.training.settings import PARTS

    asked = options.asked(folder)
    made = _settings(options, asked, components, loss)
    tables = [made.tokenizer, *(getattr(made.network, kind) for kind in PARTS)]
    options.train(
        training.train,
        partial(read_rows, answer=None),
        made,
        folder,
        asked,
        columns={"column": options.column, "encoding": options.encoding},
        files=[value for table in tables for value in table.values()],
        samples=samples,
    )


def _settings(
    options: RunOptions, asked: Mapping[str, Any], components: Mapping[str, str | None], loss: str | None
) -> ClozeSettings:
    """What the options say."""
    from nlpkit.tasks.cloze.settings import TASK, ClozeSettings, settings
    from nlpkit.training.settings import assign, choose_one_way, network_places

    tables = choose_one_way(options.tables(asked, "network", TASK, changed=any(components.values())), components)
    loss_too = [*([f"output.loss={loss}"] if loss else []), *options.assignments]
    return settings(assign(tables, loss_too, partial(network_places, ClozeSettings)))
