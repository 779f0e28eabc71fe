"""Every error that nlpkit raises on purpose, one tree, one sentence each.

NlpkitError
├── DataError            a file, a row or a corpus is at fault
├── BundleError          a saved model is at fault
│   └── MissingPlugin    ... because a plugin that it names is not installed
├── SettingError         an option, a name or a value that the caller gave is at fault
├── PluginError          a plugin is at fault
└── MissingExtra         an optional dependency is not installed

DataWarning              no error: data can be used, but perhaps not as they were meant

Each is raised with a template and its values, not with a finished string, so that it can be said in another language,
and faults of one kind be counted:

>>> error = DataError("{path}: no column {column!r}", path="a.csv", column="text")
>>> str(error), error.sentence.template
("a.csv: no column 'text'", '{path}: no column {column!r}')
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Self

_CLONED = ("bert", "dask", "diagnose", "e5", "serve", "srn", "word2vec")
CLONED = tuple(f"nlpkit-zh-{name}" for name in _CLONED)  # in our plugins/


class Sentence(str):
    """A sentence that knows its template and the values in it, some of which may be sentences again.

    A template without values is the sentence itself, braces and all; a template that is a sentence stays what it is.
    """

    __slots__ = ("template", "values")
    template: str
    values: dict[str, object]

    def __new__(cls, template: str, /, **values: object) -> Self:
        """Fill the template as `str.format` does."""
        if isinstance(template, cls) and not values:
            return template
        sentence = super().__new__(cls, template.format(**values) if values else template)
        sentence.template = template
        sentence.values = {
            name: value.sentence if isinstance(value, NlpkitError) else value for name, value in values.items()
        }
        return sentence

    def __add__(self, more: str, /) -> Sentence:
        """Return both as one, which still knows them."""
        return join((self, more), "")

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, object]]:
        """Copy and pickle the template, not the finished string."""
        return (self.template,), self.values


class NlpkitError(Exception):
    """Base of all errors that a user can cause; its text is one sentence fit to print."""

    def __init__(self, template: str, /, **values: object) -> None:
        self.sentence = Sentence(template, **values)
        super().__init__(self.sentence)

    def __str__(self) -> str:
        return str(self.sentence)


class DataError(NlpkitError):
    """A file or a corpus cannot be used: missing, empty, binary, without the column asked for."""


class BundleError(NlpkitError):
    """A folder is no model, is damaged, or was written in a format that this version does not read."""


class MissingPlugin(BundleError):  # noqa: N818 - the sentence reads "missing plugin", as pip's does
    """A model names a component that no installed plugin registers."""


class SettingError(NlpkitError):
    """A name, an option or a value is wrong; the sentence says what there is."""


class PluginError(NlpkitError):
    """A plugin failed to load, claims a taken name, or breaks its protocol."""


class DataWarning(UserWarning):
    """Data can be used, but perhaps not as they were meant: a doubtful encoding, a stray quote. The shell prints it."""

    def __init__(self, template: str, /, **values: object) -> None:
        self.sentence = Sentence(template, **values)
        super().__init__(self.sentence)


class MissingExtra(NlpkitError):  # noqa: N818
    """Something needs a package that the plain installation of a distribution leaves out."""

    def __init__(self, package: str, extra: str, purpose: str, distribution: str = "nlpkit-zh") -> None:
        super().__init__(
            "{purpose} needs {package}, which is not installed: {remedy}",
            purpose=Sentence(purpose),
            package=package,
            remedy=install(distribution, extra),
        )
        self.args = package, extra, purpose, distribution  # by which a copy is made


def install(distribution: str, extra: str = "", elsewhere: str = "") -> Sentence:
    """Say how a distribution is installed, and an extra of it; ours are on no index, but in a clone of the repository.

    :param elsewhere: what pip is told of a distribution that is not ours: ``'zh-letters>=1.2'``.

    >>> install("nlpkit-zh", "train")
    "pip install '.[train]' in a clone of nlpkit's repository"
    """
    extras = f"[{extra}]" if extra else ""
    if distribution == "nlpkit-zh":
        return Sentence("pip install '.{extras}' in a clone of nlpkit's repository", extras=extras)
    if distribution in CLONED:
        template = "pip install 'plugins/{distribution}{extras}' in a clone of nlpkit's repository"
        return Sentence(template, distribution=distribution, extras=extras)
    return Sentence("pip install {what}", what=elsewhere or f"'{distribution}{extras}'")


def reason_of(error: OSError) -> Sentence:
    """Return what the system says, as the end of a sentence."""
    return Sentence((error.strerror or str(error)).lower())


def join(parts: Iterable[str], between: str = ", ") -> Sentence:
    """Join sentences to one that still knows them.

    >>> join([Sentence("{n} rows", n=3), "no label"], "; ").values["_0"].template
    '{n} rows'
    """
    values = {f"_{place}": part for place, part in enumerate(parts)}
    return Sentence(between.join(f"{{{name}}}" for name in values), **values)


def headings(*columns: str) -> tuple[Sentence, ...]:
    """Return columns of a table that are words of ours, unlike labels of a user's; ``>`` before one means numbers."""
    return tuple(map(Sentence, columns))


def nearest(wrong: str, known: Iterable[str]) -> Sentence:
    """Return ``; did you mean 'lstm'? There is: lstm, none`` of a wrong name, ready to append to a sentence."""
    names = list(known)
    lower = {name.lower(): name for name in reversed(names)}
    close = get_close_matches(wrong.lower(), lower, n=1)
    listed = ", ".join(names) or Sentence("nothing")
    if close:
        return Sentence("; did you mean {guess!r}? There is: {names}", guess=lower[close[0]], names=listed)
    return Sentence("; there is: {names}", names=listed)
