"""``nlpkit generate train``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nlpkit.commands import FILE
from nlpkit.commands.labelled import read_rows
from nlpkit.commands.training import RunOptions, run_options

if TYPE_CHECKING:
    from typing import Any

    from nlpkit.tasks.generate.settings import GenerationSettings


@click.command()
@click.option("--output", "-o", "folder", type=FILE, required=True, help="The folder of the model.")
@click.option("--embedding", help="Use this embedding.")
@click.option("--encoder", help="Use this encoder, which must not see what comes after.")
@click.option("--samples", type=FILE, help="Prompts, a line each, by which the folder tests itself.")
@run_options
def train(options: RunOptions, folder: Path, samples: Path | None, **components: str | None) -> None:
    """Train a model that goes on writing, on texts, labelled or not, and save it as a folder.

    A CORPUS is a file or a folder of texts, or the name of a corpus that `nlpkit corpus list` shows; a text is a line,
    or a cell of a column. Copies are dropped before anything is split; the test rows are touched once, at the end.
    Of texts that follow each other (training.shuffle=false, or a file that is one long line) all stay, in order.

    The run keeps its state in FOLDER.training. However it is interrupted, the same command with --resume, or just
    `--resume -o FOLDER`, goes on and comes to the same weights.

    \b
    nlpkit generate train reviews.txt -o mine
    nlpkit generate train novel.txt -o novel --set training.shuffle=false
    nlpkit generate train goods.txt hotels.csv -o mine --set training.focus=[0.35,0.6]
    nlpkit generate train reviews.txt -o small --encoder gru --set encoder.hidden=128
    nlpkit generate train -o mine --resume

    Recipes: network (the default), tutorial, reviews-chars (the shipped model).
    """
    options.check()
    from nlpkit.tasks.generate import run as training
    from nlpkit.training.settings import PARTS

    asked = options.asked(folder)
    made = _settings(options, asked, components)
    options.train(
        training.train,
        partial(read_rows, answer=None, blank_lines=not made.network.training.shuffle),
        made,
        folder,
        asked,
        columns={"column": options.column, "encoding": options.encoding},
        files=[value for kind in PARTS for value in getattr(made.network, kind).values()],
        samples=samples,
    )


def _settings(
    options: RunOptions, asked: Mapping[str, Any], components: Mapping[str, str | None]
) -> GenerationSettings:
    """What the options say."""
    from nlpkit.tasks.generate.settings import TASK, GenerationSettings, settings
    from nlpkit.training.settings import assign, choose_one_way, network_places

    tables = choose_one_way(options.tables(asked, "network", TASK, changed=any(components.values())), components)
    return settings(assign(tables, options.assignments, partial(network_places, GenerationSettings)))
