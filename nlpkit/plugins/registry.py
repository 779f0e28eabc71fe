"""Keeps broken plugins apart from the others, and answers "which embedding is called X, and from whom"."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from nlpkit.errors import BundleError, MissingPlugin, NlpkitError, PluginError, SettingError, nearest
from nlpkit.plugins import hookspecs
from nlpkit.plugins.installed import (
    STRICT,
    Installed,
    installed,
    left_out,
    normalised,
    pip_install,
    strict,
    unknown_names,
)
from nlpkit.plugins.telemetry import disable_telemetry

if TYPE_CHECKING:
    import click

    from nlpkit.text.normalisation import Normaliser

PREFIX = "nlpkit_register_"
GIVEN = ("input_dim", "files", "normaliser")  # parameters of a factory that are no options
HOOKS = {
    "tokenizer": "nlpkit_register_tokenizers",
    "embedding": "nlpkit_register_embeddings",
    "encoder": "nlpkit_register_encoders",
    "output": "nlpkit_register_outputs",
    "model": "nlpkit_register_models",
    "task": "nlpkit_register_tasks",
}
ELSEWHERE = {  # our components with a distribution of their own
    ("embedding", "word2vec"): "nlpkit-zh-word2vec",
    ("embedding", "bert"): "nlpkit-zh-bert",
    ("tokenizer", "wordpiece"): "nlpkit-zh-bert",
    ("encoder", "srn"): "nlpkit-zh-srn",
}
_SAVED: ContextVar[bool] = ContextVar("saved", default=False)


@dataclass(frozen=True)
class Plugin:
    """An entry point of the group ``nlpkit`` and what came of it.

    :param error: why it does not work; None where all went well.
    :param left_out: the environment variable because of which it was not looked at.
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

    def options(self) -> dict[str, Any]:
        """Option names and defaults of the factory, read from its signature; ``...`` marks one without a default."""
        parameters = inspect.signature(self.factory).parameters.values()
        return {
            p.name: ... if p.default is p.empty else p.default
            for p in parameters
            if p.kind is p.KEYWORD_ONLY and p.name not in GIVEN
        }

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
                f"{error}; the model was made with {self.distribution} {self.made_with}, and {self.version} is "
                f"installed{pip_install(self.distribution, '==', self.made_with)}"
            ) from error
        finally:
            _SAVED.reset(saved)

    def _create(self, options: dict[str, Any], fixed: dict[str, Any]) -> Any:
        known = self.options()
        for name in options:
            if name not in known:
                raise SettingError(f"the {self.kind} {self.name!r} has no option {name!r}{nearest(name, known)}")
        try:
            inspect.signature(self.factory).bind(**options, **fixed)
            return self.factory(**options, **fixed)
        except NlpkitError:
            raise
        except (TypeError, ValueError) as error:
            raise SettingError(f"the {self.kind} {self.name!r} refuses its options: {error}") from error
        except Exception as error:  # a stranger's code
            whose = f"{self.kind} {self.name!r} of {self.distribution} {self.version}"
            raise PluginError(f"the {whose} cannot be made: {_sentence(error)}") from error


@dataclass
class Registry:
    """All plugins that could be found, and every name that they registered.

    :param unknown: a sentence for each name in the environment that fits no plugin.
    """

    plugins: list[Plugin] = field(default_factory=list)
    components: dict[tuple[str, str], Component] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    _manager: pluggy.PluginManager = field(default_factory=lambda: pluggy.PluginManager(hookspecs.PROJECT))

    def __post_init__(self) -> None:
        self._manager.add_hookspecs(hookspecs)

    @property
    def faults(self) -> list[str]:
        """All that is wrong, a sentence each."""
        broken = [f"the plugin {p.distribution} {p.version} does not work: {p.error}" for p in self.plugins if p.error]
        return [*self.unknown, *broken]

    def insist(self) -> None:
        """Where the environment asks for strictness, let nothing be wrong.

        :raises PluginError: naming all that is.
        """
        if self.faults and strict(os.environ):
            raise PluginError(f"{'; '.join(self.faults)} ({STRICT} makes an error of it)")

    def load(self, plugin: Installed) -> None:
        """Import one plugin that goes with this nlpkit, and register it; a fault is kept in `plugins`, never raised."""
        module = None
        with _kept_apart() as faults:
            module = plugin.load()
        if faults:
            self.plugins.append(Plugin(plugin.point.name, plugin.distribution, plugin.version, faults[0]))
        else:
            self.add(module, name=plugin.point.name, distribution=plugin.distribution, version=plugin.version)

    def add(self, module: object, *, name: str, distribution: str, version: str) -> None:
        """Register one plugin, wholly or not at all; a fault is kept in `plugins`, never raised."""
        before = dict(self.components)
        own = f"{distribution}:{name}"
        with _kept_apart() as faults:
            if wrong := [name for name in dir(module) if name.startswith(PREFIX) and name not in _hooks()]:
                raise PluginError(f"there is no hook {wrong[0]!r}{nearest(wrong[0], _hooks())}")
            self._manager.register(module, name=own)
            self._manager.check_pending()
            if not self._manager.get_hookcallers(module):
                raise PluginError("it implements no hook: each function wants @nlpkit.hookimpl above it")
            for kind, hook in HOOKS.items():
                self._call(hook, module, register=self._registrar(kind, distribution, version, name))
        if faults:
            self.components = before
            if self._manager.get_plugin(own) is module:
                self._manager.unregister(name=own)
        self.plugins.append(Plugin(name, distribution, version, *faults))

    def add_commands(self, cli: click.Group) -> None:
        """Let every plugin add its commands to ``cli``; one that fails is marked in `plugins`."""
        for position, plugin in enumerate(self.plugins):
            if plugin.absence:
                continue
            module = self._manager.get_plugin(f"{plugin.distribution}:{plugin.name}")
            before = list(_commands(cli))
            with _kept_apart() as faults:
                self._call("nlpkit_register_commands", module, cli=cli)
                for group, commands in before:
                    for name, command in commands.items():
                        if group.commands.get(name) is not command:
                            raise PluginError(f"the command {name!r} is already there")
            if faults:
                for group, commands in before:
                    group.commands = commands
                own = (plugin.distribution, plugin.name)
                self.components = {k: c for k, c in self.components.items() if (c.distribution, c.plugin) != own}
                self.plugins[position] = replace(plugin, error=faults[0])

    def get(self, kind: str, name: str) -> Component:
        """Return the component.

        :raises SettingError: naming the nearest right name and all there are, or where it is.
        """
        if found := self.components.get((kind, name)):
            return found
        if home := ELSEWHERE.get((kind, name)):
            raise SettingError(f"the {kind} {name!r} is in {home}, {self._why_absent(home)}")
        raise SettingError(f"there is no {kind} {name!r}{nearest(name, self.names(kind))}{self.elsewhere()}")

    def need(self, kind: str, name: str, distribution: str, version: str) -> Component:
        """Return the component that a saved model recorded.

        :raises MissingPlugin: naming the distribution and version that the model was made with.
        """
        found = self.components.get((kind, name))
        if found and normalised(found.distribution) == normalised(distribution):
            return replace(found, made_with=version)
        why = self._why_absent(distribution, version)
        if found:
            why += f"; the one that is here is of {found.distribution} {found.version}"
        raise MissingPlugin(f"the model needs the {kind} {name!r} from {distribution} {version}, {why}")

    def elsewhere(self) -> str:
        """``; it may be in zh-runs, which does not work: ...``: whose components cannot be seen, ready to append."""
        absent: dict[str, dict[str, None]] = {}  # distributions by why they are; a dictionary keeps an order
        for plugin in self.plugins:
            if plugin.absence:
                absent.setdefault(plugin.absence, {})[plugin.distribution] = None
        places = [f"{' or '.join(distributions)}, {why}" for why, distributions in absent.items()]
        return f"; it may be in {', or in '.join(places)}" if places else ""

    def names(self, kind: str) -> list[str]:
        """All names of a kind, sorted."""
        return sorted(name for of, name in self.components if of == kind)

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

    def _call(self, hook: str, module: object, **arguments: Any) -> None:
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            if implementation.plugin is module:
                function = implementation.function
                if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
                    raise PluginError(f"{hook} must be a plain function, without yield or async")
                function(*(arguments[name] for name in implementation.argnames))

    def _registrar(self, kind: str, distribution: str, version: str, plugin: str) -> Callable[..., None]:
        def register_task(task: Any) -> None:
            if taken := self.components.get((kind, task.name)):
                raise PluginError(f"the task {task.name!r} is already registered by {taken.distribution}")
            self.components[kind, task.name] = Component(kind, task.name, task, distribution, version, plugin)

        if kind == "task":
            return register_task

        def register(name: str, factory: Callable[..., Any] | Path) -> None:
            if not isinstance(name, str) or not name:
                raise PluginError(f"a {kind} needs a name, was: {name!r}")
            if not (isinstance(factory, str | Path) if kind == "model" else callable(factory)):
                wanted = "the path of a folder" if kind == "model" else "a function that makes it"
                raise PluginError(f"the {kind} {name!r} needs {wanted}, was: {factory!r}")
            if kind != "model":
                _check_signature(name, factory)
            if taken := self.components.get((kind, name)):
                raise PluginError(f"the {kind} {name!r} is already registered by {taken.distribution}")
            self.components[kind, name] = Component(kind, name, factory, distribution, version, plugin)

        return register


@cache
def registry() -> Registry:
    """Return the registry of this process, made from the installed entry points at the first call.

    :raises PluginError: for a fault of any plugin, if the environment asks for strictness.
    """
    disable_telemetry()  # a plugin may import onnxruntime
    found, plugins = Registry(), installed()
    found.unknown.extend(unknown_names(plugins, os.environ))
    for plugin in plugins:
        if variable := left_out(plugin, os.environ):
            found.plugins.append(Plugin(plugin.point.name, plugin.distribution, plugin.version, left_out=variable))
        else:
            found.load(plugin)
    found.insist()
    return found


def of_saved_model() -> bool:
    """Whether the factory that asks makes what a saved model records: it must reach for nothing outside its folder."""
    return _SAVED.get()


def _commands(group: Any) -> Iterator[tuple[click.Group, dict[str, click.Command]]]:
    """A group and those below it, each with its commands as they are now."""
    yield group, dict(group.commands)
    for command in group.commands.values():
        if hasattr(command, "commands"):
            yield from _commands(command)


def _hooks() -> list[str]:
    return [name for name in vars(hookspecs) if name.startswith(PREFIX)]


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
        raise PluginError(f"{name!r} needs a function whose options can be read, was: {factory!r}") from None
    for parameter in parameters:
        if parameter.kind is not parameter.KEYWORD_ONLY:
            raise PluginError(f"{name!r} needs a function with options by name, after a *, was: {parameter}")


def _sentence(fault: BaseException) -> str:
    text = " ".join(str(fault).split())
    return text if isinstance(fault, PluginError) else f"{type(fault).__name__}: {text}"
