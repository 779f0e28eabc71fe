"""Finds plugins, keeps broken ones apart, and answers "which embedding is called X, and from whom"."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from nlpkit import hookspecs
from nlpkit.errors import MissingPlugin, NlpkitError, PluginError, SettingError, nearest

if TYPE_CHECKING:
    import click

HOOKS = {
    "tokenizer": "nlpkit_register_tokenizers",
    "embedding": "nlpkit_register_embeddings",
    "encoder": "nlpkit_register_encoders",
    "output": "nlpkit_register_outputs",
    "model": "nlpkit_register_models",
}
ELSEWHERE = {("embedding", "word2vec"): "nlpkit-zh-word2vec"}  # our components with a distribution of their own


@dataclass(frozen=True)
class Plugin:
    """An entry point of the group ``nlpkit`` and what came of it; ``error`` is None where all went well."""

    name: str
    distribution: str
    version: str
    error: str | None = None


@dataclass(frozen=True)
class Component:
    """One registered name. ``factory`` is a callable, or the folder of a model."""

    kind: str
    name: str
    factory: Any
    distribution: str
    version: str
    plugin: str

    def options(self) -> dict[str, Any]:
        """Option names and defaults of the factory, read from its signature; ``...`` marks one without a default."""
        parameters = inspect.signature(self.factory).parameters.values()
        return {
            p.name: ... if p.default is p.empty else p.default
            for p in parameters
            if p.kind is p.KEYWORD_ONLY and p.name not in ("input_dim", "files")
        }

    @property
    def takes_files(self) -> bool:
        """Whether the factory can be given the files that one of its tokenizers kept."""
        return "files" in inspect.signature(self.factory).parameters

    def create(self, options: dict[str, Any], **fixed: Any) -> Any:
        """Call the factory.

        :raises SettingError: for an option that it does not have, or a value that it refuses.
        :raises PluginError: for any other fault of the factory.
        """
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
    """All plugins that could be found, and every name that they registered."""

    plugins: list[Plugin] = field(default_factory=list)
    components: dict[tuple[str, str], Component] = field(default_factory=dict)
    _manager: pluggy.PluginManager = field(default_factory=lambda: pluggy.PluginManager(hookspecs.PROJECT))

    def __post_init__(self) -> None:
        self._manager.add_hookspecs(hookspecs)

    def add(self, module: object, *, name: str, distribution: str, version: str) -> None:
        """Register one plugin, wholly or not at all; a fault is kept in `plugins`, never raised."""
        before = dict(self.components)
        error = None
        own = f"{distribution}:{name}"
        try:
            self._manager.register(module, name=own)
            self._manager.check_pending()
            if not self._manager.get_hookcallers(module):
                raise PluginError("it implements no hook: each function wants @nlpkit.hookimpl above it")
            for kind, hook in HOOKS.items():
                self._call(hook, module, register=self._registrar(kind, distribution, version, name))
        except (Exception, SystemExit) as fault:  # a stranger's code: whatever it raises must not stop the others
            self.components = before
            if self._manager.get_plugin(own) is module:
                self._manager.unregister(name=own)
            error = _sentence(fault)
        self.plugins.append(Plugin(name, distribution, version, error))

    def add_commands(self, cli: click.Group) -> None:
        """Let every plugin add its commands to ``cli``; one that fails is marked in `plugins`."""
        for position, plugin in enumerate(self.plugins):
            module = self._manager.get_plugin(f"{plugin.distribution}:{plugin.name}")
            before = dict(cli.commands)
            try:
                self._call("nlpkit_register_commands", module, cli=cli)
                for name, command in before.items():
                    if cli.commands.get(name) is not command:
                        raise PluginError(f"the command {name!r} is already there")
            except (Exception, SystemExit) as fault:  # as in `add`
                cli.commands = before
                own = (plugin.distribution, plugin.name)
                self.components = {k: c for k, c in self.components.items() if (c.distribution, c.plugin) != own}
                self.plugins[position] = replace(plugin, error=_sentence(fault))

    def get(self, kind: str, name: str) -> Component:
        """Return the component.

        :raises SettingError: naming the nearest right name and all there are.
        """
        if (kind, name) not in self.components:
            if ours := ELSEWHERE.get((kind, name)):
                raise SettingError(f"the {kind} {name!r} is in {ours}, which is not installed: pip install {ours}")
            raise SettingError(f"there is no {kind} {name!r}{nearest(name, self.names(kind))}")
        return self.components[kind, name]

    def need(self, kind: str, name: str, distribution: str, version: str) -> Component:
        """Return the component that a saved model recorded.

        :raises MissingPlugin: naming the distribution and version that the model was made with.
        """
        if (kind, name) not in self.components:
            raise MissingPlugin(
                f"the model needs the {kind} {name!r} from {distribution} {version}, which is not installed or failed "
                f"to load: pip install '{distribution}>={version}', and see `nlpkit plugins list`"
            )
        return self.components[kind, name]

    def names(self, kind: str) -> list[str]:
        """All names of a kind, sorted."""
        return sorted(name for of, name in self.components if of == kind)

    def _call(self, hook: str, module: object, **arguments: Any) -> None:
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            if implementation.plugin is module:
                with redirect_stdout(sys.stderr):  # what a plugin prints must not stand among results
                    implementation.function(*(arguments[name] for name in implementation.argnames))

    def _registrar(self, kind: str, distribution: str, version: str, plugin: str) -> Callable[[str, Any], None]:
        def register(name: str, factory: Callable[..., Any] | Path) -> None:
            if not isinstance(name, str) or not name:
                raise PluginError(f"a {kind} needs a name, was: {name!r}")
            if not (isinstance(factory, str | Path) if kind == "model" else callable(factory)):
                wanted = "the path of a folder" if kind == "model" else "a function that makes it"
                raise PluginError(f"the {kind} {name!r} needs {wanted}, was: {factory!r}")
            if kind != "model":
                _signature(name, factory)
            if taken := self.components.get((kind, name)):
                raise PluginError(f"the {kind} {name!r} is already registered by {taken.distribution}")
            self.components[kind, name] = Component(kind, name, factory, distribution, version, plugin)

        return register


@cache
def registry() -> Registry:
    """Return the registry of this process, made from the installed entry points at the first call."""
    found = Registry()
    for point in _sorted_entry_points():
        distribution, version = (point.dist.name, point.dist.version) if point.dist else ("unknown", "0")
        try:
            with redirect_stdout(sys.stderr):
                module = point.load()
        except (Exception, SystemExit) as fault:  # an import runs a stranger's code: any fault is the plugin's alone
            found.plugins.append(Plugin(point.name, distribution, version, _sentence(fault)))
        else:
            found.add(module, name=point.name, distribution=distribution, version=version)
    return found


def _sorted_entry_points() -> Iterator[EntryPoint]:
    """Ours first, so that a stranger who takes one of our names is the one refused."""
    points = entry_points(group=hookspecs.PROJECT)
    yield from sorted(points, key=lambda p: (p.module != "nlpkit.builtin", p.dist.name if p.dist else "", p.name))


def _signature(name: str, factory: Any) -> inspect.Signature:
    try:
        return inspect.signature(factory)
    except ValueError:
        raise PluginError(f"{name!r} needs a function whose options can be read, was: {factory!r}") from None


def _sentence(fault: BaseException) -> str:
    text = " ".join(str(fault).split())
    return text if isinstance(fault, PluginError) else f"{type(fault).__name__}: {text}"
