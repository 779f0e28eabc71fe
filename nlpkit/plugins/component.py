"""A registered name: what it makes, by which options, and from which distribution it is."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from nlpkit.errors import BundleError, DataWarning, NlpkitError, PluginError, Sentence, SettingError
from nlpkit.plugins.base import BASES, adopt, find_misspelt
from nlpkit.plugins.installed import is_stranger, pip_install
from nlpkit.plugins.isolation import describe_error
from nlpkit.plugins.options import Option, check, options_of
from nlpkit.plugins.renaming import rename, renames_of
from nlpkit.plugins.surroundings import watch_making

if TYPE_CHECKING:
    from nlpkit.text.normalisation import Normaliser

GIVEN = ("input_dim", "files", "normaliser")  # parameters of a factory that are no options
LONGEST_NAME = 100
_NAME = re.compile(r"[^\W_][\w-]*")
_SAVED: ContextVar[bool] = ContextVar("saved", default=False)


@dataclass(frozen=True)
class Component:
    """One registered name.

    :param factory: a callable, the folder of a model, or the file of a recipe.
    :param made_with: the version of the distribution that a saved model records.
    """

    kind: str
    name: str
    factory: Any
    distribution: str
    version: str
    plugin: str
    made_with: str | None = None

    @classmethod
    def of(cls, kind: str, name: Any, value: Any, *, distribution: str, version: str, plugin: str) -> Self:
        """Make a component of what a plugin registers.

        :raises PluginError: if its kind asks for something else.
        """
        if fault := check_name(kind, name):
            raise PluginError(fault)
        if kind in ("model", "recipe"):
            value = _read_path(kind, name, value)
        elif kind == "task":
            _check_task(name, value)
        elif kind == "command":
            _check_command(name, value)
        else:
            _check_factory(kind, name, value)
        return cls(kind, name, value, distribution, version, plugin)

    @property
    def whole_name(self) -> Sentence:
        """What it is and whose, to begin a sentence with."""
        return Sentence(
            "the {kind} {name!r} of {distribution} {version}",
            kind=Sentence(self.kind),
            name=self.name,
            distribution=self.distribution,
            version=self.version,
        )

    @property
    def takes_files(self) -> bool:
        """Whether the factory can be given the files that one of its tokenizers kept."""
        return "files" in inspect.signature(self.factory).parameters

    @property
    def takes_normaliser(self) -> bool:
        """Whether the factory wants to know how texts are normalised."""
        return "normaliser" in inspect.signature(self.factory).parameters

    def options(self) -> dict[str, Option]:
        """Read what can be set from the factory's signature."""
        return {name: option for name, option in options_of(self.factory).items() if name not in GIVEN}

    def rename(self, options: Mapping[str, Any], *, told: bool = False) -> dict[str, Any]:
        """Return options by the names that they have now, where the factory says that some were `renamed`.

        :param told: whether each old name is warned of.
        :raises SettingError: where one is given by both its names.
        """
        return rename(self.whole_name, renames_of(self.factory), options, told=told)

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse options that it does not have, and values that they do not take; nothing is made.

        :raises SettingError: naming the first.
        """
        whole = Sentence("the {kind} {name!r}", kind=Sentence(self.kind), name=self.name)
        check(whole, self.options(), self.rename(options))

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
        options = self.rename(options, told=self.made_with is None)  # whoever opens a saved model cannot mend it
        self.check(options)
        try:
            inspect.signature(self.factory).bind(**options, **fixed)
            with watch_making(self.whole_name if is_stranger(self.distribution) else None):
                part = self.factory(**options, **fixed)
        except NlpkitError:
            raise
        except (TypeError, ValueError) as error:
            raise SettingError(
                "the {kind} {name!r} refuses its options: {error}", kind=self.kind, name=self.name, error=error
            ) from error
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:  # a stranger's code; SystemExit, and what compiled modules raise in a panic
            raise PluginError(
                "{whole_name} cannot be made: {error}", whole_name=self.whole_name, error=describe_error(error)
            ) from error
        return self._adopt(part)

    def _adopt(self, part: Any) -> Any:
        """Give an object all that its kind promises."""
        try:
            adopt(BASES[self.kind], part)
        except PluginError as error:
            raise PluginError("{whole_name} {error}", whole_name=self.whole_name, error=error) from None
        for name, meant in find_misspelt(part):
            warnings.warn(
                DataWarning(
                    "{whole_name} has {name!r}: did you mean {meant!r}?",
                    whole_name=self.whole_name,
                    name=name,
                    meant=meant,
                ),
                stacklevel=4,  # whoever called `create`
            )
        return part


def check_name(kind: str, name: object) -> Sentence | None:
    """Say what is wrong with a name that somebody shall type, and settings shall hold; None if nothing is."""
    if not isinstance(name, str) or not name:
        return Sentence("a {kind} needs a name, was: {name!r}", kind=Sentence(kind), name=name)
    if kind == "recipe" and [bool(part) for part in name.split(".")] != [True, True]:
        return Sentence("a recipe is called TASK.NAME, such as sentiment.few, was: {name!r:.60}", name=name)
    if len(name) <= LONGEST_NAME and all(_NAME.fullmatch(part) for part in _divide(kind, name)):
        return None
    return Sentence(
        "no {kind} can be called {name!r:.60}: a name has letters, digits, - and _, a letter or a digit first, and at "
        "most {most} characters",
        kind=Sentence(kind),
        name=name,
        most=LONGEST_NAME,
    )


def _divide(kind: str, name: str) -> list[str]:
    """Divide the name of what belongs to a task, ``TASK.NAME``; of no other has a name dots, which divide settings."""
    return [name] if kind in BASES or kind in ("task", "command", "model") else name.split(".", 1)


def of_saved_model() -> bool:
    """Say whether a saved model is being opened: a factory must then reach for nothing outside the model's folder."""
    return _SAVED.get()


def _read_path(kind: str, name: str, value: Any) -> Path:
    value = value() if callable(value) else value
    if not isinstance(value, str | Path):
        what = {"model": "a folder", "recipe": "a file"}[kind]
        raise PluginError(
            "the {kind} {name!r} needs the path of {what}, was: {value!r}",
            kind=Sentence(kind),
            name=name,
            what=what,
            value=value,
        )
    return Path(value)


def _check_task(name: str, value: object) -> None:
    from nlpkit.tasks.base import Task  # not what every start needs

    if not isinstance(value, Task) or value.name != name:
        raise PluginError(
            "the task {name!r} needs a nlpkit.tasks.base.Task of that name, was: {value!r:.200}", name=name, value=value
        )


def _check_command(name: str, value: object) -> None:
    import click  # only the shell pays for it

    if not isinstance(value, click.Command):
        raise PluginError("the command {name!r} needs a click.Command, was: {value!r}", name=name, value=value)


def _check_factory(kind: str, name: str, factory: Any) -> None:
    """Refuse what is no function, or has options that cannot be read from its signature or be given by name."""
    if not callable(factory):
        raise PluginError(
            "the {kind} {name!r} needs a function that makes it, was: {value!r}",
            kind=Sentence(kind),
            name=name,
            value=factory,
        )
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
    _check_renames(name, factory)


def _check_renames(name: str, factory: Any) -> None:
    """Refuse a mark `renamed` whose new name is no option, or whose old name is one."""
    options = options_of(factory)
    for old, new in renames_of(factory).items():
        if new not in options or old in options:
            raise PluginError(
                "{name!r} says that its option {old!r} is called {new!r} now: expected an option {new!r}, no {old!r}",
                name=name,
                old=old,
                new=new,
            )
