"""``nlpkit diagnose gradients``: what torch computes, computed by hand."""

from __future__ import annotations

from dataclasses import asdict

import click


@click.command()
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the numbers.")
@click.option(
    "--format",
    "-f",
    "kind",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="What is printed.",
)
def gradients(seed: int, kind: str) -> None:
    """Compute by hand what torch computes.

    Gradients of a sigmoid with squared error, steps of SGD with momentum, Adam and Adadelta, and the states and
    gradients of an RNN, an LSTM and a GRU, each beside torch's, in double precision. The exit code is 1 if any differs
    by more than rounding.

    \b
    nlpkit diagnose gradients
    nlpkit diagnose gradients --seed 7 --format json
    """
    from nlpkit.commands import make_console, make_table, prepare_torch, tell_json

    prepare_torch()
    from nlpkit_diagnose.gradients import ROUNDING, compare_all

    found = list(compare_all(seed))
    if kind == "json":
        rows = [{**asdict(one), "rounding": one.is_rounding} for one in found]
        tell_json({"differences": rows, "bound": ROUNDING})
    else:
        table = make_table("by hand and by torch", ">numbers", ">greatest difference", "")
        for one in found:
            table.add_row(one.what, str(one.numbers), f"{one.greatest:.1e}", "same" if one.is_rounding else "differs")
        screen = make_console()
        screen.print(table)
        screen.print(f"Up to {ROUNDING:.1e} is rounding.")
    if not all(one.is_rounding for one in found):
        raise click.exceptions.Exit(1)
