"""``nlpkit diagnose trades``: the log of buys and sells of a finished diagnosis of ``stock``."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(path_type=Path, readable=False)


@click.command()
@click.argument("folder", type=FILE)
@click.option("--network", metavar="NAME", help="Whose answers are followed, such as gru-0.  [default: the first]")
@click.option("--output", "-o", type=FILE, help="Draw the price and the trades into this file, .svg or .png.")
@click.option(
    "--format",
    "-f",
    "kind",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="What is printed.",
)
@click.option("--force", is_flag=True, help="Replace the file.")
def trades(folder: Path, network: str | None, output: Path | None, kind: str, force: bool) -> None:
    """Say what would have been bought and sold on the test days.

    FOLDER is what a diagnosis of stock has left by --output. The account begins with 1,000,000; it buys all that it can
    where a rise is foretold, and sells all where none is.

    \b
    nlpkit diagnose trades stock
    nlpkit diagnose trades stock --network lstm-0 -o trades.svg
    """
    from nlpkit.commands import say, tell, tell_json

    from nlpkit_diagnose.trading import PICTURES, draw_account, read_account

    if output is not None and output.suffix.lower() not in PICTURES:
        raise click.UsageError(f"--output draws {' or '.join(PICTURES)}, found {output}")
    name, account = read_account(folder, network)
    if output is not None:
        _write(output, draw_account(name, account, output.suffix.lower()[1:]), force=force)
        say(f"drew {output}")
    if kind == "json":
        tell_json({"network": name, **account.to_json()})
    else:
        tell(account.log())


def _write(output: Path, data: bytes, *, force: bool) -> None:
    from nlpkit import DataError
    from nlpkit.files import replace_file

    if output.exists() and not force:
        raise DataError("{output} exists: choose another name, or say --force to replace it", output=output)
    try:
        replace_file(output, data)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError("{output} cannot be written: {reason}", output=output, reason=reason) from error
