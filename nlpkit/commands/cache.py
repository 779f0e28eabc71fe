"""``nlpkit cache``: list, clear."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from nlpkit.commands.groups import WholeGroup
from nlpkit.errors import headings

if TYPE_CHECKING:
    from nlpkit.training.prepared import Entry


@click.group(cls=WholeGroup, short_help="What training has prepared, and keeps for the next run.")
def cache() -> None:
    """List or clear what training has prepared and keeps for the next run: tokens, and vectors that never change.

    It stands in the folder that NLPKIT_CACHE names, or where the system keeps such things; NLPKIT_CACHE_SIZE says how
    many GB at most, 10 unless it is set; 0 keeps nothing.
    """


@cache.command("list")
@click.option("--format", "-f", "kind", type=click.Choice(["table", "json"]), default="table", show_default=True)
def list_entries(kind: str) -> None:
    """List what is kept, what was used last first.

    \b
    nlpkit cache list
    nlpkit cache list --format json | jq 'map(.bytes) | add'
    """
    from nlpkit.commands.printing import make_console, make_table, say, tell_json
    from nlpkit.training.prepared import entries, limit, shelf

    kept = entries()
    if kind == "json":
        tell_json([{"key": e.key, "what": e.what, "bytes": e.size, "used": _date(e)} for e in kept])
        return
    drawing = make_table(*headings("key", "what", ">MB", "last used"))
    for entry in kept:
        drawing.add_row(entry.key[:12], entry.what, f"{entry.size / 1e6:.1f}", _date(entry))
    make_console().print(drawing)
    total = sum(entry.size for entry in kept)
    say(
        "{total:,.1f} MB of at most {limit:g} GB in {shelf}",
        total=total / 1000000.0,
        limit=limit() / 1000000000.0,
        shelf=shelf(),
    )


@cache.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
def clear(keys: tuple[str, ...]) -> None:
    """Remove what is kept: all of it, or what a KEY begins. A run that has taken it loses nothing.

    \b
    nlpkit cache clear
    nlpkit cache clear 49c632797cee
    """
    from nlpkit.commands.printing import say
    from nlpkit.errors import SettingError
    from nlpkit.training.prepared import entries, make_shelf, remove

    kept = entries()
    for key in keys:
        if not any(entry.key.startswith(key) for entry in kept):
            raise SettingError("nothing is kept as {key}: `nlpkit cache list` shows what is", key=key)
    make_shelf()  # without what killed runs have left
    gone = [entry for entry in kept if not keys or entry.key.startswith(keys)]
    for entry in gone:
        remove(entry)
    say("{gone:,} removed, {gone_2:,.1f} MB", gone=len(gone), gone_2=sum(entry.size for entry in gone) / 1000000.0)


def _date(entry: Entry) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
