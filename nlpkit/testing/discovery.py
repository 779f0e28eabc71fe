"""What is checked: plugins, each component that they register, each command that they add."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nlpkit.errors import NlpkitError, SettingError, nearest
from nlpkit.plugins.component import Component
from nlpkit.plugins.installed import GROUP, KINDS, InstalledPlugin, find_exclusion, find_installed, normalise
from nlpkit.plugins.registry import Plugin, Registry, registry
from nlpkit.testing.kit import CheckError, NotChecked

if TYPE_CHECKING:
    import click

Settings = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Target:
    """A plugin, or a module that could be one.

    :param loaded: the module itself, where its name may not find it.
    """

    plugin: InstalledPlugin
    loaded: ModuleType | None = None

    @classmethod
    def of(cls, distribution: str, *points: Sequence[str]) -> Target:
        """Describe a plugin by its entry points, each a name, a value and a group, be it installed or not."""
        return cls(InstalledPlugin(tuple(EntryPoint(*point) for point in points), distribution, "0"))

    @property
    def name(self) -> str:
        """Of its module's entry point, or of its distribution."""
        return self.plugin.name

    @property
    def distribution(self) -> str:
        """What pip calls it."""
        return self.plugin.distribution

    @property
    def importable(self) -> bool:
        """Whether another process finds it."""
        return self.loaded is None or sys.modules.get(self.loaded.__name__) is self.loaded

    def register(self, plugins: Registry) -> Plugin:
        """Add it to a registry."""
        if self.loaded is None:
            return plugins.take(self.plugin)
        return plugins.add(self.loaded, name=self.name, distribution=self.distribution, version=self.plugin.version)


@dataclass(frozen=True)
class Subject:
    """Something to be checked.

    :param kind: that of its checks.
    :param name: a plugin's entry point, a component's name, a command as it is called without ``nlpkit``.
    :param target: the plugin that it is of.
    :param registry: where it is registered, beside the built-in components.
    :param settings: options by the name of a component, for this one and for those that it is tried with.
    :param fault: why the plugin does not load.
    """

    kind: str
    name: str
    target: Target
    registry: Registry
    settings: Settings = field(default_factory=dict)
    fault: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def component(self) -> Component:
        """Its entry in the registry."""
        return self.registry.components[self.kind, self.name]

    @property
    def options(self) -> dict[str, Any]:
        """What it is made with."""
        return dict(self.settings.get(self.name, {}))

    def make(self, **fixed: Any) -> Any:
        """Make an instance with its options; see `remake`.

        :raises NotChecked: if it cannot be made, which is for the check "made" to say.
        """
        try:
            return self.component.create(self.options, **fixed)
        except NlpkitError as error:
            raise NotChecked("it cannot be made, see the check made") from error

    @cached_property
    def tokenizer(self) -> Any:
        """The instance that all checks of a tokenizer share: some take seconds to make."""
        return self.make()

    def remake(self, config: Mapping[str, Any], **fixed: Any) -> Any:
        """Make an instance of what another says of itself.

        :raises CheckError: if that fails.
        """
        try:
            return self.component.create(dict(config), **fixed)
        except NlpkitError as error:
            raise CheckError(
                f"its factory called with its own config failed ({error}): let config hold options that are enough to "
                "rebuild it, without any file of the user's"
            ) from error

    def make_other(self, kind: str, name: str) -> Any:
        """Make an instance of a component that this one goes with.

        :raises NotChecked: if there is none, or it cannot be made.
        """
        try:
            plugins = self.registry if self.registry.find(kind, name) else registry()
            return plugins.get(kind, name).create(dict(self.settings.get(name, {})))
        except NlpkitError as error:
            raise NotChecked(f"it goes with the {kind} {name!r}, which cannot be made: {error}") from error


def find_targets(name: str | None = None) -> list[Target]:
    """Find the installed plugins of a distribution, of an entry point's name or of a module.

    Without a name, all but ours and those that the environment leaves out.

    :raises SettingError: if there is none, naming the nearest.
    """
    plugins = find_installed()
    if name is None:
        return [Target(plugin) for plugin in plugins if not plugin.ours and not find_exclusion(plugin, os.environ)]
    matches = [plugin for plugin in plugins if normalise(name) in map(normalise, _names_of(plugin))]
    if not matches:
        names = dict.fromkeys(name for plugin in plugins for name in _names_of(plugin))
        raise SettingError("no installed plugin is called {name!r}{there_is}", name=name, there_is=nearest(name, names))
    return [Target(plugin) for plugin in matches]


def of_module(module: ModuleType) -> Target:
    """Take a module for a plugin: it need not be installed, nor be found by its name."""
    return Target(Target.of(module.__name__, (module.__name__, module.__name__, GROUP)).plugin, module)


def list_subjects(targets: Sequence[Target], settings: Settings | None = None) -> list[Subject]:
    """Return everything of some plugins that can be checked.

    :param settings: options by the name of a component, where it needs some.
    :raises SettingError: for options of a component that nobody registers.
    """
    plugins, faults = _register(targets)
    settings = settings or {}
    check_settings(plugins, settings)
    return [subject for target in targets for subject in _list_parts(target, plugins, settings, faults[target])]


def check_settings(plugins: Registry, settings: Settings) -> None:
    """Refuse options that no component takes.

    :raises SettingError: for those of a component that nobody registers, naming the nearest.
    """
    names = {name for of in (plugins, registry()) for _, name in {**of.points, **of.components}}
    for name in settings:
        if name not in names:
            raise SettingError(
                "there is no component {name!r} to give options to{there_is}",
                name=name,
                there_is=nearest(name, sorted(names)),
            )


def _list_parts(target: Target, plugins: Registry, settings: Settings, fault: str | None) -> Iterator[Subject]:
    yield Subject("plugin", target.name, target, plugins, settings, fault)
    for kind in KINDS[:-1]:
        for component in plugins.components_of(target.distribution, target.name):
            if component.kind == kind:
                yield Subject(kind, component.name, target, plugins, settings)
    if not fault:
        for path in _list_paths(commands_of(target)):
            yield Subject("command", path, target, plugins, settings)


def commands_of(target: Target) -> click.Group:
    """Return a group of nothing but the commands that a plugin adds."""
    import click

    alone = Registry()
    target.register(alone)
    return click.Group(GROUP, {name: alone.get("command", name).factory for name in alone.names("command")})


def _list_paths(group: click.Group, before: str = "") -> Iterator[str]:
    import click

    with click.Context(group) as context:
        for name in group.list_commands(context):
            yield before + name
            command = group.get_command(context, name)
            if isinstance(command, click.Group):
                yield from _list_paths(command, f"{before}{name} ")


def _register(targets: Sequence[Target]) -> tuple[Registry, dict[Target, str | None]]:
    """Return a registry of the built-in components and some plugins, and what is wrong with each of these."""
    plugins = Registry()
    if not any(target.plugin.ours for target in targets):
        plugins.take(find_core())
    by_target = {target: target.register(plugins) for target in targets}
    plugins.import_all()
    faults = {target: plugin.error for target, plugin in by_target.items()}
    for target in targets:
        if not target.loaded:  # it may claim a name of a third
            registry().import_all()
            own = [p for p in registry().plugins if (p.name, p.distribution) == (target.name, target.distribution)]
            faults[target] = next((p.error for p in own if p.error), faults[target])
    return plugins, faults


def find_core() -> InstalledPlugin:
    """Return what comes with nlpkit."""
    return find_installed()[0]


def _names_of(plugin: InstalledPlugin) -> list[str]:
    modules = [point.value.partition(":")[0] for point in plugin.points]
    return [plugin.distribution, *(point.name for point in plugin.points), *dict.fromkeys(modules)]
