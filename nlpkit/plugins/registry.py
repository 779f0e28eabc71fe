"""Answers "which embedding is called X, and from whom", and keeps broken plugins apart from the others.

A name that is an entry point is known without any import. What it names is imported when it is wanted; modules of the
group ``nlpkit``, which register their names by hooks, when a name is wanted that is no entry point, or for a list.

Each module has a pluggy manager of its own, which checks its hooks: order and wrappers between plugins would mean that
all of them are imported.
"""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from nlpkit.errors import BundleError, DataWarning, MissingPlugin, NlpkitError, PluginError, SettingError, nearest
from nlpkit.plugins import hookspecs
from nlpkit.plugins.base import BASES, adopt, misspelt
from nlpkit.plugins.installed import (
    GROUPS,
    KINDS,
    STRICT,
    Installed,
    installed,
    left_out,
    normalised,
    pip_install,
    strict,
    unknown_names,
)
from nlpkit.plugins.options import Option, check, options_of
from nlpkit.plugins.telemetry import disable_telemetry

if TYPE_CHECKING:
    from nlpkit.text.normalisation import Normaliser

GIVEN = ("input_dim", "files", "normaliser")  # parameters of a factory that are no options
ELSEWHERE = {  # our components with a distribution of their own
    ("embedding", "word2vec"): "nlpkit-zh-word2vec",
    ("embedding", "bert"): "nlpkit-zh-bert",
    ("tokenizer", "wordpiece"): "nlpkit-zh-bert",
    ("encoder", "srn"): "nlpkit-zh-srn",
}
RIVALS = {"task": "command", "command": "task"}  # both are called as ``nlpkit NAME``
_HOOKS = {f"nlpkit_register_{kind}s": kind for kind in KINDS}
_SAVED: ContextVar[bool] = ContextVar("saved", default=False)


@dataclass
class Plugin:
    """What came of an installed plugin.

    :param error: why it, or something of it, does not work; None where nothing is known against it.
    :param left_out: the environment variable because of which it is not looked at.
    """

    name: str
    distribution: str
    version: str
    error: str | None = None
    left_out: str | None = None

    @property
    def absence(self) -> str | None:
        """Why nothing of it is there, to go on from its name."""
        if self.left_out:
            return f"which {self.left_out} leaves out"
        return f"which does not work: {self.error}" if self.error else None

    def fail(self, fault: str) -> None:
        """Keep what is wrong with it."""
        if fault not in (self.error or ""):
            self.error = f"{self.error}; {fault}" if self.error else fault


@dataclass(frozen=True)
class Component:
    """One registered name.

    :param factory: a callable, or the folder of a model.
    :param made_with: the version of the distribution that a saved model records.
    """

    kind: str
    name: str
    factory: Any
    distribution: str
    version: str
    plugin: str
    made_with: str | None = None

    def options(self) -> dict[str, Option]:
        """What can be set, read from the factory's signature."""
        return {name: option for name, option in options_of(self.factory).items() if name not in GIVEN}

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse options that it does not have, and values that they do not take; nothing is made.

        :raises SettingError: naming the first.
        """
        check(f"the {self.kind} {self.name!r}", self.options(), options)

    @property
    def takes_files(self) -> bool:
        """Whether the factory can be given the files that one of its tokenizers kept."""
        return "files" in inspect.signature(self.factory).parameters

    @property
    def takes_normaliser(self) -> bool:
        """Whether the factory wants to know how texts are normalised."""
        return "normaliser" in inspect.signature(self.factory).parameters

    def create(self, options: dict[str, Any], *, normaliser: Normaliser | None = None, **fixed: Any) -> Any:
        """Call the factory.

        :param normaliser: of the texts; it is given to a factory that takes it.
        :raises SettingError: for an option that it does not have, or a value that it refuses.
        :raises PluginError: for any other fault of the factory.
        :raises BundleError: for any of these, if a saved model was made with another version.
        """
        if normaliser is not None and self.takes_normaliser:
            fixed["normaliser"] = normaliser
        saved = _SAVED.set(self.made_with is not None)
        try:
            return self._create(options, fixed)
        except (SettingError, PluginError) as error:
            if self.made_with in (None, self.version):
                raise
            raise BundleError(
                "{error}; the model was made with {distribution} {made_with}, and {version} is installed{remedy}",
                error=error,
                distribution=self.distribution,
                made_with=self.made_with,
                version=self.version,
                remedy=pip_install(self.distribution, "==", self.made_with),
            ) from error
        finally:
            _SAVED.reset(saved)

    def _create(self, options: dict[str, Any], fixed: dict[str, Any]) -> Any:
        self.check(options)
        try:
            inspect.signature(self.factory).bind(**options, **fixed)
            made = self.factory(**options, **fixed)
        except NlpkitError:
            raise
        except (TypeError, ValueError) as error:
            raise SettingError(
                "the {kind} {name!r} refuses its options: {error}", kind=self.kind, name=self.name, error=error
            ) from error
        except Exception as error:  # a stranger's code
            raise PluginError(
                "{whole_name} cannot be made: {error}", whole_name=self.whole_name, error=_sentence(error)
            ) from error
        return self._adopted(made)

    @property
    def whole_name(self) -> str:
        """What it is and whose, to begin a sentence with."""
        return f"the {self.kind} {self.name!r} of {self.distribution} {self.version}"

    def _adopted(self, made: Any) -> Any:
        """What the factory made, with all that its kind promises."""
        try:
            adopt(BASES[self.kind], made)
        except PluginError as error:
            raise PluginError("{whole_name} {error}", whole_name=self.whole_name, error=error) from None
        for name, meant in misspelt(made):
            warnings.warn(
                DataWarning(
                    "{whole_name} has {name!r}: did you mean {meant!r}?",
                    whole_name=self.whole_name,
                    name=name,
                    meant=meant,
                ),
                stacklevel=4,
            )
        return made


@dataclass
class Named:
    """An entry point by name.

    :param fault: why what it names does not work, once that is known.
    """

    plugin: Plugin
    source: Installed
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
    points: dict[tuple[str, str], Named] = field(default_factory=dict)
    _modules: list[tuple[Plugin, Installed]] = field(default_factory=list)  # yet to be imported
    _shells: list[tuple[Plugin, Any]] = field(default_factory=list)  # modules whose commands nobody wanted yet
    _told: set[str] = field(default_factory=set)

    @property
    def faults(self) -> list[str]:
        """All that is known to be wrong, a sentence each."""
        broken = [f"the plugin {p.distribution} {p.version} does not work: {p.error}" for p in self.plugins if p.error]
        return [*self.unknown, *broken]

    def untold(self) -> list[str]:
        """The faults that this was not asked for before."""
        news = [fault for fault in self.faults if fault not in self._told]
        self._told.update(news)
        return news

    def insist(self) -> None:
        """Where the environment asks for strictness, let nothing be wrong.

        :raises PluginError: naming all that is.
        """
        if self.faults and strict(os.environ):
            raise PluginError("{faults} ({strict} makes an error of it)", faults="; ".join(self.faults), strict=STRICT)

    def take(self, source: Installed) -> Plugin:
        """Take in the names of a plugin, or its module for when that is needed; a fault is kept, never raised."""
        plugin = Plugin(source.name, source.distribution, source.version)
        self.plugins.append(plugin)
        if source.module:
            self._modules.append((plugin, source))
            return plugin
        for point in source.points:
            kind = GROUPS[point.group]
            if owner := self._owner(kind, point.name, source.distribution):
                plugin.fail(f"the {kind} {point.name!r} is already registered by {owner}")
            else:
                self.points[kind, point.name] = Named(plugin, source, point)
        return plugin

    def add(self, module: object, *, name: str, distribution: str, version: str) -> Plugin:
        """Register a module's names, all or none; a fault is kept, never raised."""
        plugin = Plugin(name, distribution, version)
        self.plugins.append(plugin)
        self._register(module, plugin)
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
        if found := self.find(kind, name):
            return found
        if (named := self.points.get((kind, name))) and named.fault:
            whose = f"{kind} {name!r} of {named.source.distribution} {named.source.version}"
            raise PluginError("the {whose} does not work: {fault}", whose=whose, fault=named.fault)
        if home := ELSEWHERE.get((kind, name)):
            raise SettingError(
                "the {kind} {name!r} is in {home}, {why_absent}",
                kind=kind,
                name=name,
                home=home,
                why_absent=self._why_absent(home),
            )
        raise SettingError(
            "there is no {kind} {name!r}{there_is}{elsewhere}",
            kind=kind,
            name=name,
            there_is=nearest(name, self.names(kind)),
            elsewhere=self.elsewhere(),
        )

    def need(self, kind: str, name: str, distribution: str, version: str) -> Component:
        """Return the component that a saved model recorded.

        :raises MissingPlugin: naming the distribution and version that the model was made with.
        """
        found = self.find(kind, name)
        if found and normalised(found.distribution) == normalised(distribution):
            return replace(found, made_with=version)
        why = self._why_absent(distribution, version)
        if found:
            why += f"; the one that is here is of {found.distribution} {found.version}"
        raise MissingPlugin(
            "the model needs the {kind} {name!r} from {distribution} {version}, {why}",
            kind=kind,
            name=name,
            distribution=distribution,
            version=version,
            why=why,
        )

    def elsewhere(self) -> str:
        """``; it may be in zh-runs, which does not work: ...``: whose components cannot be seen, ready to append."""
        absent: dict[str, dict[str, None]] = {}  # distributions by why they are; a dictionary keeps an order
        for plugin in self.plugins:
            if plugin.absence:
                absent.setdefault(plugin.absence, {})[plugin.distribution] = None
        places = [f"{' or '.join(distributions)}, {why}" for why, distributions in absent.items()]
        return f"; it may be in {', or in '.join(places)}" if places else ""

    def names(self, kind: str) -> list[str]:
        """All names of a kind, sorted, for which every module is imported; without those known not to work."""
        self._import_modules(kind)
        named = {name for (of, name), named in self.points.items() if of == kind and not named.fault}
        return sorted(named | {name for of, name in self.components if of == kind})

    def import_all(self) -> None:
        """Import whatever there is; what is wrong is then known."""
        for kind, name in self.points:
            self._import(kind, name)
        self._import_modules("command")

    def unseen(self) -> list[str]:
        """Distributions of whose names nothing is known, as they have but a module, which nobody needed yet."""
        seen = {named.source.distribution for named in self.points.values()}
        return sorted({source.distribution for _, source in self._modules} - seen)

    def _owner(self, kind: str, name: str, distribution: str) -> str | None:
        """Who has a name; a task and a command of one name are of one distribution."""
        for taken in ((kind, name), (RIVALS.get(kind, kind), name)):
            there = self.points[taken].source if taken in self.points else self.components.get(taken)
            if there and (taken[0] == kind or there.distribution != distribution):
                return there.distribution
        return None

    def _why_absent(self, distribution: str, version: str = "") -> str:
        """Why a component of a distribution is not there, and what to do, to go on from the distribution's name.

        :param version: that a saved model was made with.
        """
        found = [p for p in self.plugins if normalised(p.distribution) == normalised(distribution)]
        if told := [plugin.absence for plugin in found if plugin.absence]:
            return told[0]
        if found:
            remedy = pip_install(distribution, "==" if version else "", version)
            return f"but version {found[0].version}, which is installed, lacks it{remedy}"
        return f"which is not installed{pip_install(distribution, '>=' if version else '', version)}"

    def _import(self, kind: str, name: str) -> None:
        """Import what an entry point names; a fault is kept with it and with its plugin."""
        named = self.points[kind, name]
        if (kind, name) in self.components or named.fault:
            return
        plugin = named.plugin
        with _kept_apart() as faults:
            self._put(kind, name, named.source.load(named.point), plugin)
        if faults:
            named.fault = faults[0]
            plugin.fail(faults[0])

    def _import_modules(self, kind: str) -> None:
        """Import each module that is still to be; for commands, let each add its own."""
        modules, self._modules = self._modules, []
        for plugin, source in modules:
            module = None
            with _kept_apart() as faults:
                module = source.load(source.points[0])
            if faults:
                plugin.fail(faults[0])
            else:
                self._register(module, plugin)
        if kind == "command":
            shells, self._shells = self._shells, []
            for plugin, hook in shells:
                self._add_commands(plugin, hook)

    def _register(self, module: object, plugin: Plugin) -> None:
        before = set(self.components)
        with _kept_apart() as faults:
            hook = _hook_of(module)
            for name, kind in _HOOKS.items():
                if kind != "command":
                    getattr(hook, name)(register=self._registrar(kind, plugin))
            self._shells.append((plugin, hook))
        if faults:
            self._drop(set(self.components) - before, plugin, faults[0])

    def _add_commands(self, plugin: Plugin, hook: Any) -> None:
        import click  # only the shell pays for it

        group = click.Group("nlpkit")
        with _kept_apart() as faults:
            hook.nlpkit_register_commands(cli=group)
            for name, command in group.commands.items():
                if self._owner("command", name, plugin.distribution):
                    raise PluginError("the command {name!r} is already there", name=name)
                self._put("command", name, command, plugin)
        if faults:
            own = (plugin.distribution, plugin.name)
            mine = {key for key, found in self.components.items() if (found.distribution, found.plugin) == own}
            self._drop(mine, plugin, faults[0])

    def _drop(self, keys: set[tuple[str, str]], plugin: Plugin, fault: str) -> None:
        for key in keys:
            del self.components[key]
        plugin.fail(fault)

    def _put(self, kind: str, name: str, value: Any, plugin: Plugin) -> None:
        own = (plugin.distribution, plugin.version, plugin.name)
        self.components[kind, name] = Component(kind, name, _checked(kind, name, value), *own)

    def _registrar(self, kind: str, plugin: Plugin) -> Callable[..., None]:
        def register(name: str, factory: Any) -> None:
            named = self.points.get((kind, name)) if isinstance(name, str) else None
            if named and named.source.distribution == plugin.distribution:
                return  # a plugin that goes with an older nlpkit, too, says each name twice
            if owner := self._owner(kind, name, plugin.distribution):
                raise PluginError(
                    "the {kind} {name!r} is already registered by {owner}", kind=kind, name=name, owner=owner
                )
            self._put(kind, name, factory, plugin)

        def register_task(task: Any) -> None:
            register(getattr(task, "name", None), task)  # type: ignore[arg-type]

        return register_task if kind == "task" else register


@cache
def registry() -> Registry:
    """Return the registry of this process, made from the installed entry points at the first call.

    :raises PluginError: for a fault of any plugin, if the environment asks for strictness.
    """
    disable_telemetry()  # a plugin may import onnxruntime
    found, plugins = Registry(), installed()
    found.unknown.extend(unknown_names(plugins, os.environ))
    for source in plugins:
        if variable := left_out(source, os.environ):
            found.plugins.append(Plugin(source.name, source.distribution, source.version, left_out=variable))
        else:
            found.take(source)
    if strict(os.environ):
        found.import_all()
        found.insist()
    return found


def of_saved_model() -> bool:
    """Whether the factory that asks makes what a saved model records: it must reach for nothing outside its folder."""
    return _SAVED.get()


def _hook_of(module: object) -> Any:
    """The hooks that a module implements, as pluggy calls them.

    :raises PluginError: for a hook that there is not, or that would never run.
    """
    if wrong := [name for name in dir(module) if name.startswith("nlpkit_register_") and name not in _HOOKS]:
        raise PluginError("there is no hook {wrong!r}{there_is}", wrong=wrong[0], there_is=nearest(wrong[0], _HOOKS))
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(module)
    manager.check_pending()
    callers = manager.get_hookcallers(module)
    if not callers:
        raise PluginError("it implements no hook: each function wants @nlpkit.hookimpl above it")
    for caller in callers:
        for implementation in caller.get_hookimpls():
            function = implementation.function
            if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
                raise PluginError("{name} must be a plain function, without yield or async", name=caller.name)
    return manager.hook


def _checked(kind: str, name: Any, value: Any) -> Any:
    """What is registered, if it is what its kind asks for.

    :raises PluginError: saying what that is.
    """
    if not isinstance(name, str) or not name:
        raise PluginError("a {kind} needs a name, was: {name!r}", kind=kind, name=name)
    if kind == "model":
        value = value() if callable(value) else value
        if not isinstance(value, str | Path):
            raise PluginError("the model {name!r} needs the path of a folder, was: {value!r}", name=name, value=value)
        return Path(value)
    if kind == "task":
        from nlpkit.tasks.base import Task  # not what every start needs

        if not isinstance(value, Task) or value.name != name:
            raise PluginError(
                "the task {name!r} needs a nlpkit.tasks.base.Task of that name, was: {value!r:.200}",
                name=name,
                value=value,
            )
    elif kind == "command":
        import click  # only the shell pays for it

        if not isinstance(value, click.Command):
            raise PluginError("the command {name!r} needs a click.Command, was: {value!r}", name=name, value=value)
    elif not callable(value):
        raise PluginError(
            "the {kind} {name!r} needs a function that makes it, was: {value!r}", kind=kind, name=name, value=value
        )
    else:
        _check_signature(name, value)
    return value


@contextmanager
def _kept_apart() -> Iterator[list[str]]:
    """Run a stranger's code: what it prints goes to stderr, what it raises becomes a sentence and stops nobody else."""
    faults: list[str] = []
    try:
        with redirect_stdout(sys.stderr):  # or it would stand among results
            yield faults
    except KeyboardInterrupt:
        raise
    except BaseException as fault:  # SystemExit among it, and what compiled modules raise when they panic
        faults.append(_sentence(fault))


def _check_signature(name: str, factory: Any) -> None:
    """Options are read from a signature: they must stand there, by name alone."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        raise PluginError(
            "{name!r} needs a function whose options can be read, was: {factory!r}", name=name, factory=factory
        ) from None
    for parameter in parameters:
        if parameter.kind is not parameter.KEYWORD_ONLY:
            raise PluginError(
                "{name!r} needs a function with options by name, after a *, was: {parameter}",
                name=name,
                parameter=parameter,
            )


def _sentence(fault: BaseException) -> str:
    text = " ".join(str(fault).split())
    return text if isinstance(fault, PluginError) else f"{type(fault).__name__}: {text}"
