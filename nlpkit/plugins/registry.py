"""Answers "which embedding is called X, and from whom", and keeps broken plugins apart from the others.

A name that is an entry point is known without any import. What it names is imported when it is wanted; modules of the
group ``nlpkit``, which register their names by hooks, when a name is wanted that is no entry point, or for a list.

Each module has a pluggy manager of its own, which checks its hooks: order and wrappers between plugins would mean that
all of them are imported.
"""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib.metadata import EntryPoint
from typing import Any

from nlpkit.errors import DataWarning, MissingPlugin, PluginError, Sentence, SettingError, join, nearest
from nlpkit.plugins.blame import find_owner
from nlpkit.plugins.component import Component, check_name
from nlpkit.plugins.hookspecs import list_hooks, read_hooks
from nlpkit.plugins.installed import (
    GROUPS,
    KINDS,
    STRICT,
    InstalledPlugin,
    find_exclusion,
    find_installed,
    is_stranger,
    is_strict,
    list_unknown_names,
    normalise,
    pip_install,
)
from nlpkit.plugins.isolation import Attempt, describe_error, isolate
from nlpkit.plugins.one_file import is_file_name
from nlpkit.plugins.surroundings import tell
from nlpkit.plugins.telemetry import disable_telemetry

ELSEWHERE = {  # our components with a distribution of their own
    ("embedding", "word2vec"): "nlpkit-zh-word2vec",
    ("embedding", "bert"): "nlpkit-zh-bert",
    ("tokenizer", "wordpiece"): "nlpkit-zh-bert",
    ("embedding", "e5"): "nlpkit-zh-e5",
    ("tokenizer", "e5-pieces"): "nlpkit-zh-e5",
    ("encoder", "srn"): "nlpkit-zh-srn",
    ("model", "reviews-large"): "nlpkit-zh-e5",
    ("recipe", "sentiment.few"): "nlpkit-zh-e5",
    ("recipe", "sentiment.reviews-large"): "nlpkit-zh-e5",
    ("recipe", "sentiment.word2vec"): "nlpkit-zh-word2vec",
}
SLOW = 1.0  # seconds of an import that are warned of
MOST_NAMES = 1000  # of a plugin
RIVALS = {"task": "command", "command": "task"}  # both are called as ``nlpkit NAME``


@dataclass
class Plugin:
    """What came of an installed plugin.

    :param error: why it, or something of it, does not work; None where nothing is known against it.
    :param left_out: the environment variable because of which it is not looked at.
    :param seconds: that its import took, with what it imports and is not there yet.
    :param remarks: what it did to the process at that, a sentence each; it works all the same.
    """

    name: str
    distribution: str
    version: str
    error: str | None = None
    left_out: str | None = None
    seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)

    @property
    def owner(self) -> str | None:
        """What to begin a sentence with that is about it; None where it is ours."""
        if not is_stranger(self.distribution):
            return None
        return Sentence("the plugin {distribution} {version}", distribution=self.distribution, version=self.version)

    @property
    def absence(self) -> str | None:
        """Why nothing of it is there, to go on from its name."""
        if self.left_out:
            return Sentence("which {variable} leaves out", variable=self.left_out)
        return Sentence("which does not work: {error}", error=self.error) if self.error else None

    def fail(self, fault: str) -> None:
        """Keep what is wrong with it."""
        if fault not in (self.error or ""):
            from nlpkit.log import get_logger  # which few starts need

            get_logger(__name__).warning("the plugin %s %s: %s", self.distribution, self.version, fault)
            self.error = f"{self.error}; {fault}" if self.error else fault

    def note(self, attempt: Attempt) -> None:
        """Keep what came of running its code, but for the fault, and warn of what a user should know."""
        before, self.seconds = self.seconds, self.seconds + attempt.seconds
        if attempt.visit is None:
            return
        self.remarks += [sentence for _, sentence in attempt.visit.remarks() if sentence not in self.remarks]
        tell(attempt.visit)
        if before < SLOW <= self.seconds:
            slow = "{owner} took {seconds:.1f} s to be imported, whenever one of its names is used"
            warnings.warn(DataWarning(slow, owner=self.owner, seconds=self.seconds), stacklevel=2)


@dataclass
class NamedPoint:
    """An entry point by name.

    :param fault: why what it names does not work, once that is known.
    """

    plugin: Plugin
    source: InstalledPlugin
    point: EntryPoint
    fault: str | None = None


@dataclass
class Registry:
    """All plugins that are installed, and every name of theirs.

    :param components: what has been imported.
    :param unknown: a sentence for each name in the environment that fits no plugin.
    """

    plugins: list[Plugin] = field(default_factory=list)
    components: dict[tuple[str, str], Component] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    points: dict[tuple[str, str], NamedPoint] = field(default_factory=dict)
    _modules: list[tuple[Plugin, InstalledPlugin]] = field(default_factory=list)  # yet to be imported
    _shells: list[tuple[Plugin, Any]] = field(default_factory=list)  # hooks whose commands nobody wanted yet
    _old_faults: set[str] = field(default_factory=set)
    _homes: dict[str, Plugin] = field(default_factory=dict)  # strangers, by the modules that they name

    @property
    def faults(self) -> list[str]:
        """All that is known to be wrong, a sentence each."""
        broken = [
            Sentence(
                "the plugin {distribution} {version} does not work: {error}",
                distribution=p.distribution,
                version=p.version,
                error=p.error,
            )
            for p in self.plugins
            if p.error
        ]
        return [*self.unknown, *broken]

    def list_new_faults(self) -> list[str]:
        """Return the faults that this was not asked for before."""
        new = [fault for fault in self.faults if fault not in self._old_faults]
        self._old_faults.update(new)
        return new

    def insist(self) -> None:
        """Where the environment asks for strictness, let nothing be wrong.

        :raises PluginError: naming all that is.
        """
        if self.faults and is_strict(os.environ):
            raise PluginError("{faults} ({strict} makes an error of it)", faults="; ".join(self.faults), strict=STRICT)

    def take(self, source: InstalledPlugin) -> Plugin:
        """Take in the names of a plugin, or its module for when that is needed; a fault is kept, never raised."""
        plugin = Plugin(source.name, source.distribution, source.version)
        self.plugins.append(plugin)
        if plugin.owner:
            self._homes |= {point.value.partition(":")[0].strip(): plugin for point in source.points}
        if source.module:
            self._modules.append((plugin, source))
            return plugin
        if len(source.points) > MOST_NAMES:
            plugin.fail(_say_many(len(source.points)))
            return plugin
        for point in source.points:
            kind = GROUPS[point.group]
            if fault := check_name(kind, point.name):
                plugin.fail(fault)
            elif owner := self._find_owner(kind, point.name, source.distribution):
                plugin.fail(
                    Sentence(
                        "the {kind} {name!r} is already registered by {owner}",
                        kind=Sentence(kind),
                        name=point.name,
                        owner=owner,
                    )
                )
            else:
                self.points[kind, point.name] = NamedPoint(plugin, source, point)
        return plugin

    def add(self, module: object, *, name: str, distribution: str, version: str) -> Plugin:
        """Register a module's names, all or none; a fault is kept, never raised."""
        plugin = Plugin(name, distribution, version)
        self.plugins.append(plugin)
        if plugin.owner:
            self._homes[getattr(module, "__name__", name)] = plugin
        self._register(lambda: module, plugin)
        return plugin

    def find(self, kind: str, name: str) -> Component | None:
        """Return the component, imported now if it was not yet; None where there is none that works."""
        if (kind, name) not in self.components:
            if (kind, name) in self.points:
                self._import(kind, name)
            else:
                self._import_modules(kind)
        return self.components.get((kind, name))

    def get(self, kind: str, name: str) -> Component:
        """Return the component.

        :raises SettingError: naming the nearest right name and all there are, or where it is.
        :raises PluginError: if it does not work.
        """
        if component := self.find(kind, name):
            return component
        if (named := self.points.get((kind, name))) and named.fault:
            whose = f"{kind} {name!r} of {named.source.distribution} {named.source.version}"
            raise PluginError("the {whose} does not work: {fault}", whose=whose, fault=named.fault)
        if elsewhere := self.tell_home(kind, name):
            raise SettingError(elsewhere)
        raise SettingError(
            "there is no {kind} {name!r}{there_is}{elsewhere}",
            kind=Sentence(kind),
            name=name,
            there_is=nearest(name, self.names(kind)),
            elsewhere=self.list_absent(),
        )

    def tell_home(self, kind: str, name: str) -> Sentence | None:
        """Say which distribution of ours has a component, and why it is not here; None if none has."""
        if not (home := ELSEWHERE.get((kind, name))):
            return None
        why = self._explain_absence(home)
        return Sentence("the {kind} {name!r} is in {home}, {why}", kind=Sentence(kind), name=name, home=home, why=why)

    def need(self, kind: str, name: str, distribution: str, version: str) -> Component:
        """Return the component that a saved model recorded.

        :raises MissingPlugin: naming the distribution and version that the model was made with.
        """
        component = self.find(kind, name)
        if component and normalise(component.distribution) == normalise(distribution):
            return replace(component, made_with=version)
        why = self._explain_absence(distribution, version)
        if component:
            why = Sentence(
                "{why}; the one that is here is of {distribution} {version}",
                why=why,
                distribution=component.distribution,
                version=component.version,
            )
        raise MissingPlugin(
            "the model needs the {kind} {name!r} from {distribution} {version}, {why}",
            kind=Sentence(kind),
            name=name,
            distribution=distribution,
            version=version,
            why=why,
        )

    def blame(self, error: BaseException) -> PluginError | None:
        """Say in a sentence whose code an error came out of; None if no stranger's is behind it."""
        found = find_owner(error, self._homes)
        if found is None:
            return None
        plugin, place = found
        return PluginError(
            "{owner} fails in {place}: {error:.400}", owner=plugin.owner, place=place, error=describe_error(error)
        )

    def list_absent(self) -> str:
        """Return ``; it may be in zh-runs, which does not work: ...``, ready to append to a sentence."""
        absent: dict[str, dict[str, None]] = {}  # distributions by why they are; a dictionary keeps an order
        for plugin in self.plugins:
            if plugin.absence:
                absent.setdefault(plugin.absence, {})[plugin.distribution] = None
        places = [
            Sentence("{distributions}, {why}", distributions=" or ".join(distributions), why=Sentence(why))
            for why, distributions in absent.items()
        ]
        return Sentence("; it may be in {places}", places=join(places, ", or in ")) if places else ""

    def names(self, kind: str) -> list[str]:
        """Return all names of a kind, sorted, but those known not to work; every module is imported."""
        self._import_modules(kind)
        by_name = {name for (of, name), named in self.points.items() if of == kind and not named.fault}
        return sorted(by_name | {name for of, name in self.components if of == kind})

    def import_all(self) -> None:
        """Import whatever there is; what is wrong is then known."""
        for kind, name in self.points:
            self._import(kind, name)
        self._import_modules("command")

    def components_of(self, distribution: str, plugin: str) -> list[Component]:
        """Return what a plugin has registered and is imported."""
        own = (distribution, plugin)
        return [part for part in self.components.values() if (part.distribution, part.plugin) == own]

    def list_unknown(self) -> list[str]:
        """Return the distributions that have but a module, which nobody needed yet, so that no name is known."""
        known = {named.plugin.distribution for named in self.points.values()}
        return sorted({plugin.distribution for plugin, _ in self._modules} - known)

    def _find_owner(self, kind: str, name: str, distribution: str) -> str | None:
        """Return whose a name is, None if it is free; a task and a command of one name are of one distribution."""
        for key in ((kind, name), (RIVALS.get(kind, kind), name)):
            owner = self.points[key].plugin if key in self.points else self.components.get(key)
            if owner and (key[0] == kind or owner.distribution != distribution):
                return owner.distribution
        return None

    def _explain_absence(self, distribution: str, version: str = "") -> str:
        """Say why a distribution has no such component, and what to do, to go on from the distribution's name.

        :param version: that a saved model was made with.
        """
        plugins = [plugin for plugin in self.plugins if normalise(plugin.distribution) == normalise(distribution)]
        if reasons := [plugin.absence for plugin in plugins if plugin.absence]:
            return reasons[0]
        if plugins:
            remedy = pip_install(distribution, "==" if version else "", version)
            template = "but version {version}, which is installed, lacks it{remedy}"
            return Sentence(template, version=plugins[0].version, remedy=remedy)
        remedy = pip_install(distribution, ">=" if version else "", version)
        if is_file_name(distribution):
            return Sentence("which is not here{remedy}", remedy=remedy)
        return Sentence("which is not installed{remedy}", remedy=remedy)

    def _import(self, kind: str, name: str) -> None:
        """Import what an entry point names; a fault is kept with it and with its plugin."""
        named = self.points[kind, name]
        if (kind, name) in self.components or named.fault:
            return
        plugin = named.plugin
        with isolate(plugin.owner) as attempt:
            self._put(kind, name, named.source.load(named.point), plugin)
        plugin.note(attempt)
        if attempt.fault:
            named.fault = attempt.fault
            plugin.fail(attempt.fault)

    def _import_modules(self, kind: str) -> None:
        """Import each module that is still to be; for commands, let each add its own."""
        modules, self._modules = self._modules, []
        for plugin, source in modules:
            self._register(partial(source.load, source.points[0]), plugin)
        if kind == "command":
            shells, self._shells = self._shells, []
            for plugin, hooks in shells:
                self._add_commands(plugin, hooks)

    def _register(self, load: Callable[[], object], plugin: Plugin) -> None:
        known = set(self.components)
        with isolate(plugin.owner) as attempt:
            hooks = read_hooks(load())
            for kind in KINDS:
                for name in list_hooks(kind) if kind != "command" else ():
                    getattr(hooks, name)(register=self._make_register(kind, plugin))
            self._shells.append((plugin, hooks))
        plugin.note(attempt)
        if attempt.fault:
            self._drop(plugin, attempt.fault, kept=known)

    def _add_commands(self, plugin: Plugin, hooks: Any) -> None:
        import click  # only the shell pays for it

        group = click.Group("nlpkit")
        with isolate(plugin.owner) as attempt:
            for hook in list_hooks("command"):
                getattr(hooks, hook)(cli=group)
            for name, command in group.commands.items():
                if self._find_owner("command", name, plugin.distribution):
                    raise PluginError("the command {name!r} is already there", name=name)
                self._put("command", name, command, plugin)
        plugin.note(attempt)
        if attempt.fault:
            self._drop(plugin, attempt.fault)

    def _drop(self, plugin: Plugin, fault: str, *, kept: Collection[tuple[str, str]] = ()) -> None:
        """Leave a plugin out; what is kept is of another file of its name."""
        for component in self.components_of(plugin.distribution, plugin.name):
            if (key := (component.kind, component.name)) not in kept:
                del self.components[key]
        plugin.fail(fault)

    def _put(self, kind: str, name: str, value: Any, plugin: Plugin) -> None:
        own = {"distribution": plugin.distribution, "version": plugin.version, "plugin": plugin.name}
        self.components[kind, name] = Component.of(kind, name, value, **own)

    def _make_register(self, kind: str, plugin: Plugin) -> Callable[..., None]:
        """Make what a hook calls to register something of a kind."""
        counts = itertools.count(1)

        def register(name: str, factory: Any) -> None:
            if (count := next(counts)) > MOST_NAMES:
                raise PluginError(_say_many(count))
            named = self.points.get((kind, name)) if isinstance(name, str) else None
            if named and named.plugin.distribution == plugin.distribution:
                return  # a plugin that goes with an older nlpkit, too, says each name twice
            if owner := self._find_owner(kind, name, plugin.distribution):
                raise PluginError(
                    "the {kind} {name!r} is already registered by {owner}", kind=kind, name=name, owner=owner
                )
            self._put(kind, name, factory, plugin)

        def register_task(task: Any) -> None:
            register(getattr(task, "name", None), task)  # type: ignore[arg-type]

        return register_task if kind == "task" else register


def _say_many(count: int) -> str:
    return f"it registers {count:,} names or more, and {MOST_NAMES:,} are the most: let one take options"


@cache
def registry() -> Registry:
    """Return the registry of this process, made from the installed entry points at the first call.

    :raises PluginError: for a fault of any plugin, if the environment asks for strictness.
    """
    disable_telemetry()  # a plugin may import onnxruntime
    known, plugins = Registry(), find_installed()
    known.unknown.extend(list_unknown_names(plugins, os.environ))
    for source in plugins:
        if variable := find_exclusion(source, os.environ):
            known.plugins.append(Plugin(source.name, source.distribution, source.version, left_out=variable))
        else:
            known.take(source)
    if is_strict(os.environ):
        known.import_all()
        known.insist()
    return known
