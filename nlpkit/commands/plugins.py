"""``nlpkit plugins``: list."""

from __future__ import annotations

from typing import Any

import click


@click.group()
def plugins() -> None:
    """What plugins are installed, and what each brings."""


@plugins.command("list")
@click.option("--format", "-f", "kind", type=click.Choice(["table", "json"]), default="table", show_default=True)
def list_plugins(kind: str) -> None:
    """List plugins: what each registers, from which distribution, and why one does not work.

    \b
    nlpkit plugins list
    nlpkit plugins list --format json
    """
    import orjson

    from nlpkit.commands import console, table
    from nlpkit.registry import registry

    known = registry()
    found: list[dict[str, Any]] = []
    for plugin in known.plugins:
        names: dict[str, list[str]] = {}
        for component in known.components.values():
            if (component.distribution, component.plugin) == (plugin.distribution, plugin.name):
                names.setdefault(component.kind, []).append(component.name)
        entry = {"name": plugin.name, "distribution": plugin.distribution, "version": plugin.version}
        found.append(entry | {"registers": names, "error": plugin.error})
    if kind == "json":
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    shown = table("plugin", "from", "registers")
    for e in found:
        lines = [f"{kind}: {', '.join(names)}" for kind, names in e["registers"].items()]
        shown.add_row(str(e["name"]), f"{e['distribution']} {e['version']}", e["error"] or "\n".join(lines))
    console().print(shown)
