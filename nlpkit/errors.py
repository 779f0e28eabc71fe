"""Every error that nlpkit raises on purpose, one tree, one sentence each.

NlpkitError
├── DataError            a file, a row or a corpus is at fault
├── BundleError          a saved model is at fault
│   └── MissingPlugin    ... because a plugin that it names is not installed
├── SettingError         an option, a name or a value that the caller gave is at fault
├── PluginError          a plugin is at fault
└── MissingExtra         an optional dependency is not installed

DataWarning              no error: data can be used, but perhaps not as they were meant
"""

from collections.abc import Iterable
from difflib import get_close_matches

CLONED = ("nlpkit-zh-bert", "nlpkit-zh-diagnose", "nlpkit-zh-srn", "nlpkit-zh-word2vec")  # of the repository's plugins/


class NlpkitError(Exception):
    """Base of all errors that a user can cause; its text is one sentence fit to print."""


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


class MissingExtra(NlpkitError):  # noqa: N818
    """Something needs a package that the plain installation of a distribution leaves out."""

    def __init__(self, package: str, extra: str, purpose: str, distribution: str = "nlpkit-zh") -> None:
        super().__init__(f"{purpose} needs {package}, which is not installed: {install(distribution, extra)}")


def install(distribution: str, extra: str = "", elsewhere: str = "") -> str:
    """Say how a distribution is installed, and an extra of it; ours are on no index, but in a clone of the repository.

    :param elsewhere: what pip is told of a distribution that is not ours: ``'zh-letters>=1.2'``.

    >>> install("nlpkit-zh", "train")
    "pip install '.[train]' in a clone of nlpkit's repository"
    """
    extras = f"[{extra}]" if extra else ""
    if distribution == "nlpkit-zh":
        return f"pip install '.{extras}' in a clone of nlpkit's repository"
    if distribution in CLONED:
        return f"pip install 'plugins/{distribution}{extras}' in a clone of nlpkit's repository"
    return "pip install " + (elsewhere or f"'{distribution}{extras}'")


def nearest(wrong: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'lstm'? There is: lstm, none`` for a wrong name, ready to append to a sentence."""
    names = list(known)
    lower = {name.lower(): name for name in reversed(names)}
    close = get_close_matches(wrong.lower(), lower, n=1)
    guess = f"; did you mean {lower[close[0]]!r}? There is" if close else "; there is"
    return f"{guess}: {', '.join(names) or 'nothing'}"
