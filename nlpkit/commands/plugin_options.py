"""What can be set of the components of plugins: options with types, defaults and what their docstrings say."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlpkit.errors import SettingError, headings, nearest

if TYPE_CHECKING:
    from nlpkit.plugins.component import Component
    from nlpkit.plugins.options import Option
    from nlpkit.plugins.registry import Plugin, Registry

MADE = ("tokenizer", "embedding", "encoder", "output")  # kinds whose factories have options


def choose(registry: Registry, name: str | None) -> list[tuple[Plugin, list[Component]]]:
    """Return plugins, each with the components that can be set: all, those of one plugin, or those of one name.

    :param name: of a plugin, as pip or its entry point calls it, or of components.
    :raises SettingError: if there is neither, naming the nearest.
    """
    from nlpkit.plugins.installed import normalise

    every = [(plugin, registry.components_of(plugin.distribution, plugin.name)) for plugin in registry.plugins]
    if name is None:
        return [(plugin, _list_made(parts)) for plugin, parts in every]
    of_plugin = [(p, parts) for p, parts in every if normalise(name) in map(normalise, (p.distribution, p.name))]
    if of_plugin:
        return [(plugin, _list_made(parts)) for plugin, parts in of_plugin]
    of_name = [(plugin, [part for part in _list_made(parts) if part.name == name]) for plugin, parts in every]
    if found := [(plugin, parts) for plugin, parts in of_name if parts]:
        return found
    known = dict.fromkeys(
        [*(p.distribution for p, _ in every), *(c.name for _, parts in every for c in _list_made(parts))]
    )
    raise SettingError(
        "no plugin, and no component with options, is called {name!r}{there_is}",
        name=name,
        there_is=nearest(name, known),
    )


def add_options(
    entries: Sequence[Mapping[str, Any]], chosen: Iterable[tuple[Plugin, Sequence[Component]]]
) -> list[dict[str, Any]]:
    """Return the entries of the plugins that were chosen, each with what can be set there."""
    options = {(plugin.name, plugin.distribution): describe_components(parts) for plugin, parts in chosen}
    keys = [(entry["name"], entry["distribution"]) for entry in entries]
    return [{**entry, "options": options[key]} for entry, key in zip(entries, keys, strict=True) if key in options]


def describe_components(components: Iterable[Component]) -> dict[str, dict[str, Any]]:
    """Return for each kind, and each name of it, what it is and its options, as JSON."""
    kinds: dict[str, dict[str, Any]] = {}
    for component in components:
        options = [describe_option(option) for option in component.options().values()]
        kinds.setdefault(component.kind, {})[component.name] = {"about": _about(component), "options": options}
    return kinds


def describe_option(option: Option) -> dict[str, Any]:
    """Return an option as JSON; what it has no default for it lacks."""
    from nlpkit.plugins.options import describe_type

    entry: dict[str, Any] = {"name": option.name, "type": describe_type(option.annotation)}
    if option.default is not ...:
        entry["default"] = _to_json(option.default)
    return entry | {"help": option.help}


def draw(chosen: Iterable[tuple[Plugin, Sequence[Component]]]) -> None:
    """Draw a table of options for each component."""
    from nlpkit.commands.printing import make_console, make_table, tell

    components = [component for _, parts in chosen for component in parts]
    if not components:
        tell("It has no components that could be set.")
    for component in components:
        about = _about(component)
        tell(f"\n{component.whole_name[4:]}{': ' if about else ''}{about}")
        drawing = make_table(*headings("option", "type", "default"), "")
        for option in map(describe_option, component.options().values()):
            default = json.dumps(option["default"], ensure_ascii=False) if "default" in option else "needed"
            drawing.add_row(option["name"], option["type"], default, option["help"])
        if drawing.row_count:
            make_console().print(drawing)
        else:
            tell("It has no options.")


def _list_made(components: Iterable[Component]) -> list[Component]:
    return [component for component in components if component.kind in MADE]


def _about(component: Component) -> str:
    """Return the first sentences of a factory's docstring, up to an empty line."""
    first = (inspect.getdoc(component.factory) or "").split("\n\n", 1)[0]
    return "" if first.startswith(":") else " ".join(first.split())


def _to_json(value: Any) -> Any:
    """Return a value as JSON holds it, and what JSON cannot hold as Python spells it."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return repr(value)
