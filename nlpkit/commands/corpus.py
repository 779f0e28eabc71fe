"""``nlpkit corpus``: list, show, fetch, prepare; `nlpkit.commands.audit` is its audit."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nlpkit.commands.audit import audit
from nlpkit.commands.groups import WholeGroup
from nlpkit.commands.printing import FILE
from nlpkit.errors import headings
from nlpkit.language import phrase, translate, width_of

if TYPE_CHECKING:
    from nlpkit.text.catalogue import Entry
    from nlpkit.text.corpus import Faults


@click.group(cls=WholeGroup, short_help="Public corpora and how to get them, and what is wrong with one.")
def corpus() -> None:
    """Corpora: public ones, under what licence, and how to get them; and what is wrong with one."""


corpus.add_command(audit)


@corpus.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    short_help="Cut a corpus into tokens for later runs.",
)
@click.option("--task", default="sentiment", show_default=True, help="That will be trained.")
@click.argument("arguments", nargs=-1, required=True, metavar="CORPUS... [OPTION OF TRAIN]...", type=click.UNPROCESSED)
def prepare(task: str, arguments: tuple[str, ...]) -> None:
    """Do what comes before training, once for all runs: cut a corpus into tokens, compute vectors that never change.

    What is said is what `nlpkit TASK train` would be told, but for --output. Runs do the same by themselves, and keep
    it: of two that differ in `encoder.hidden`, say, the second begins at once. `nlpkit cache list` shows what is kept.

    \b
    nlpkit corpus prepare goods.csv --embedding e5 --tokenizer e5-pieces
    nlpkit corpus prepare --task cloze goods.csv --recipe network
    """
    from nlpkit.commands.training import command
    from nlpkit.plugins.registry import registry

    train = command(registry().get("task", task).factory)
    train.main([*arguments, "--prepare"], prog_name=f"nlpkit corpus prepare --task {task}", standalone_mode=False)


@corpus.command("list")
@click.option("--format", "-f", "kind", type=click.Choice(["table", "json"]), default="table", show_default=True)
def list_corpora(kind: str) -> None:
    """List the corpora that are known by name. Train on one by its name.

    \b
    nlpkit corpus list
    nlpkit corpus list --format json | jq '.[].name'
    """
    from nlpkit.commands.printing import make_console, make_table, tell_json
    from nlpkit.text.catalogue import find, names

    entries = [find(name) for name in names()]
    if kind == "json":
        tell_json([_facts_of(entry) for entry in entries])
        return
    drawing = make_table(*headings("name", "what", ">rows", "labels", "licence", "where"))
    for e in entries:
        rows = "" if e.rows is None else f"{e.rows:,}"
        drawing.add_row(e.name, e.title, rows, _list_few(e.label_names), translate(e.licence), translate(e.state))
    make_console().print(drawing)


@corpus.command(short_help="Print all that is known of a corpus.")
@click.argument("name")
@click.option("--format", "-f", "kind", type=click.Choice(["text", "json"]), default="text", show_default=True)
def show(name: str, kind: str) -> None:
    """Print all that is known of a corpus, and the rows of each label if it is there.

    NAME is one that `nlpkit corpus list` shows, or a TOML file of your own.

    \b
    nlpkit corpus show waimai_10k
    nlpkit corpus show ./ours.toml --format json
    """
    from nlpkit.commands.printing import tell, tell_json
    from nlpkit.text.catalogue import examples_of, find
    from nlpkit.text.corpus import Faults

    entry, faults = find(name), Faults()
    facts = _facts_of(entry)
    if entry.present:
        counts = Counter(e.label for e in examples_of(name, faults=faults))
        facts["found"] = dict(counts.most_common())
        facts["left_out"] = dict(faults)
    if kind == "json":
        tell_json(facts)
        return
    for line in _lines_of(entry, facts, faults):
        tell(line)


@corpus.command(short_help="Download corpora, check them, and keep them.")
@click.argument("chosen", metavar="NAMES...", nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Fetch again what is there already.")
@click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    envvar="NLPKIT_MIRROR",
    metavar="URL",
    help="Ask this address first: {url} in it is the file's own, which otherwise follows it; may be repeated.",
)
@click.option(
    "--file",
    "brought",
    multiple=True,
    type=FILE,
    help="Take this file, which you have had otherwise, in place of a download; may be repeated.",
)
def fetch(chosen: tuple[str, ...], force: bool, mirrors: tuple[str, ...], brought: tuple[Path, ...]) -> None:
    """Download corpora, check them, and keep them for all who train on this account.

    NAMES are such as `nlpkit corpus list` shows, or TOML files of your own. A download that was interrupted goes on
    where it ended. NLPKIT_CACHE names another folder for them. Read the licence first: `nlpkit corpus show`.

    Behind a wall, --mirror or NLPKIT_MIRROR (several, with spaces between) says where else the files are; or bring a
    file on a stick, and let --file check and take it.

    \b
    nlpkit corpus fetch waimai_10k tnews
    nlpkit corpus fetch waimai_10k --mirror https://mirror.example/
    nlpkit corpus fetch waimai_10k --file ~/waimai_10k.csv
    nlpkit corpus fetch ./ours.toml
    """
    from nlpkit.commands.printing import fail, tell
    from nlpkit.errors import NlpkitError
    from nlpkit.text.catalogue import find
    from nlpkit.text.fetching import fetch_corpus

    entries = [find(name) for name in chosen]
    if brought and len(entries) > 1:
        raise click.UsageError("--file is of one corpus: name that alone")
    failed = False
    for entry in entries:
        try:
            with _draw_bar(entry.name) as progress:
                sentences = fetch_corpus(entry, force=force, mirrors=mirrors, brought=brought, progress=progress)
        except NlpkitError as error:  # one that cannot be had keeps no other back
            fail(error)
            failed = True
        else:
            tell("\n".join(map(translate, sentences)))
    if failed:
        raise click.exceptions.Exit(1)


def _facts_of(entry: Entry) -> dict[str, Any]:
    facts = {
        name: getattr(entry, name)
        for name in ("name", "title", "rows", "licence", "homepage", "citation", "note", "package", "version")
    }
    facts |= {"labels": entry.label_names, "state": entry.state}
    return facts | {
        "files": [str(path) for path, _ in entry.sources],
        "from": [file.url or file.page or file.path for file in entry.files],
        "sha256": [file.sha256 for file in entry.files],
        "bytes": sum(path.stat().st_size for path, _ in entry.sources) if entry.present else None,
    }


def _lines_of(entry: Entry, facts: dict[str, Any], faults: Faults) -> Iterator[str]:
    rows = phrase("unknown") if entry.rows is None else f"{entry.rows:,}"
    values = {
        "what": entry.title,
        "rows": rows,
        "labels": ", ".join(entry.label_names) or phrase("as they stand in the files"),
        "licence": translate(entry.licence),
        "homepage": entry.homepage,
        "citation": entry.citation,
        "note": " ".join(entry.note.split()),
        "where": translate(entry.state),
    }
    yield entry.name
    for name, value in values.items():
        if value:
            yield f"  {_pad(name)} {value}"
    for source, checksum in zip(facts["from"], facts["sha256"], strict=True):
        yield f"  {_pad('from')} {source}{f' (SHA-256 {checksum})' if checksum else ''}"
    for path in facts["files"]:
        yield f"  {_pad('file')} {path}"
    for label, count in facts.get("found", {}).items():
        yield f"  {_pad('found')} {count:,} {label}"
    if faults:
        yield f"  {_pad('left out')} {faults}"


def _pad(name: str) -> str:
    """Return the name of a fact as it is shown, as wide as the longest."""
    shown = phrase(name)
    return shown + " " * (9 - width_of(shown))


def _list_few(labels: list[str]) -> str:
    return (
        ", ".join(labels)
        if len(labels) <= 4
        else phrase("{labels} and {more} more", labels=", ".join(labels[:2]), more=len(labels) - 2)
    )


@contextlib.contextmanager
def _draw_bar(name: str) -> Iterator[Callable[[int, int | None], None] | None]:
    """Draw a bar on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from nlpkit.commands.printing import make_console

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=make_console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda so_far, in_all: progress.update(task, completed=so_far, total=in_all)
