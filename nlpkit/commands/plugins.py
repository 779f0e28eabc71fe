"""``nlpkit plugins``: list, new, check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nlpkit.commands.groups import WholeGroup
from nlpkit.commands.plugin_checks import check
from nlpkit.commands.printing import FILE
from nlpkit.errors import headings
from nlpkit.language import phrase, translate

if TYPE_CHECKING:
    from nlpkit.plugins.registry import Registry


@click.group(cls=WholeGroup, short_help="Plugins: list them, check them, begin one of your own.")
def plugins() -> None:
    """List plugins and what each brings, check whether they keep their promises, and begin one of your own."""


@plugins.command("list", short_help="List plugins and what each registers.")
@click.option("--format", "-f", "kind", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.argument("name", required=False)
@click.option("--options", is_flag=True, help="What can be set of each component, too.")
def list_plugins(kind: str, name: str | None, options: bool) -> None:
    """List plugins: what each registers, from which distribution, and why one does not work or is left out.

    With a NAME, of a plugin or of a component, what can be set there: options with types, defaults and what they mean.

    NLPKIT_PLUGINS leaves out all but those it names, NLPKIT_DISABLE_PLUGINS those it names. Where
    NLPKIT_STRICT_PLUGINS is 1, a plugin that does not work is an error, here and everywhere.

    \b
    nlpkit plugins list
    nlpkit plugins list rjieba
    nlpkit plugins list nlpkit-zh-word2vec
    nlpkit plugins list --options --format json
    NLPKIT_DISABLE_PLUGINS=word2vec nlpkit plugins list
    """
    from nlpkit.commands.plugin_options import add_options, choose, draw
    from nlpkit.commands.printing import make_console, make_table, tell_json, warn
    from nlpkit.plugins.registry import registry

    plugins = registry()
    plugins.import_all()
    for fault in plugins.list_new_faults():
        warn(fault)
    chosen = choose(plugins, name) if name or options else []
    entries = add_options(_entries_of(plugins), chosen) if chosen else _entries_of(plugins)
    if kind == "json":
        tell_json(entries)
        return
    if name:
        draw(chosen)
        return
    drawing = make_table(*headings("plugin", "from", "registers"))
    for e in entries:
        lines = [f"{kind}: {', '.join(names)}" for kind, names in e["registers"].items()]
        text = (
            phrase("left out by {variable}", variable=e["left_out"])
            if e["left_out"]
            else "\n".join(
                [
                    *lines,
                    *map(translate, filter(None, [e["error"]])),
                    *map(translate, e["remarks"]),
                    *_tell_slowness(e["seconds"]),
                ]
            )
        )
        drawing.add_row(str(e["name"]), f"{e['distribution']} {e['version']}", text)
    make_console().print(drawing)
    draw(chosen)


@plugins.command(short_help="Write the beginning of a plugin that installs and works.")
@click.argument("kind", type=click.Choice(["tokenizer", "embedding", "encoder", "output", "command", "task", "model"]))
@click.argument("name")
@click.option(
    "--output",
    "-o",
    type=FILE,
    help="The folder to write; nlpkit-zh-NAME in this one unless said.",
)
def new(kind: str, name: str, output: Path | None) -> None:
    """Write the beginning of a plugin: a folder that installs, works, and tests itself; then change what it does.

    NAME is what --tokenizer, --embedding, --model and so on will call it; a command or a task is called as
    `nlpkit NAME`. A model begins as that of reviews, until `nlpkit models pack` brings one of yours.

    \b
    nlpkit plugins new embedding my-vectors
    nlpkit plugins new task stars
    nlpkit plugins new tokenizer runs --output ~/runs
    """
    from nlpkit.commands.model_packing import pack
    from nlpkit.commands.plugin_templates import draft, write
    from nlpkit.commands.printing import tell

    plugin = pack("reviews", name) if kind == "model" else draft(kind, name)
    folder = output or Path(plugin.distribution)
    write(plugin, folder)
    tell(phrase("{folder} is written. What it does is in {file}. Next:\n", folder=folder, file=folder / plugin.main))
    tell(plugin.tell_steps(folder))


plugins.add_command(check)


def _tell_slowness(seconds: float) -> Iterator[str]:
    """Say how long the import of a plugin took, where it is long."""
    from nlpkit.plugins.registry import SLOW

    if seconds >= SLOW:
        yield phrase("imported in {seconds:.1f} s", seconds=seconds)


def _entries_of(registry: Registry) -> list[dict[str, Any]]:
    """Return each plugin, and the names that it registered by their kinds."""
    entries: list[dict[str, Any]] = []
    for plugin in registry.plugins:
        names: dict[str, list[str]] = {}
        for component in registry.components_of(plugin.distribution, plugin.name):
            names.setdefault(component.kind, []).append(component.name)
        entry = {"name": plugin.name, "distribution": plugin.distribution, "version": plugin.version}
        found = {"registers": names, "error": plugin.error, "left_out": plugin.left_out}
        entries.append(entry | found | {"seconds": round(plugin.seconds, 3), "remarks": list(plugin.remarks)})
    return entries
