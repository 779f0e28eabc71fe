"""Options of a factory that were called otherwise once: who says the old name is told the new one, and understood."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from nlpkit.errors import DataWarning, SettingError

Factory = TypeVar("Factory", bound=Callable[..., Any])
_MARK = "__nlpkit_renamed__"


def renamed(**options: str) -> Callable[[Factory], Factory]:
    """Mark options of a factory that are called otherwise now: ``@renamed(size="length")``, the old name first.

    The old name still works: recipes and options that say it get a line of warning, saved models none.
    """

    def mark(factory: Factory) -> Factory:
        setattr(factory, _MARK, {**renames_of(factory), **options})
        return factory

    return mark


def renames_of(factory: Any) -> dict[str, str]:
    """Return the new names of a factory's options by the old ones."""
    return dict(getattr(factory, _MARK, {}))


def rename(what: str, renames: Mapping[str, str], options: Mapping[str, Any], *, told: bool) -> dict[str, Any]:
    """Return options by the names that they have now.

    :param what: has these options, to begin a sentence with.
    :param told: whether each old name is warned of.
    :raises SettingError: where one is given by both its names.
    """
    result: dict[str, Any] = {}
    for name, value in options.items():
        new = renames.get(name, name)
        if new in result or (new != name and new in options):
            old = next(one for one in options if renames.get(one) == new)
            raise SettingError("{what}: {old} and {new} are one option: give {new} alone", what=what, old=old, new=new)
        if new != name and told:
            sentence = "{what}: the option {old!r} is called {new!r} now, which it was taken for"
            warnings.warn(DataWarning(sentence, what=what, old=name, new=new), stacklevel=3)
        result[new] = value
    return result
