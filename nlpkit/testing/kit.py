"""The checks by name, and how they are run. Light: a check's module is imported when it is first run."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from nlpkit.errors import DataWarning, MissingExtra
from nlpkit.plugins.isolation import message_of
from nlpkit.plugins.surroundings import Visit, keep, list_endless

if TYPE_CHECKING:
    from nlpkit.testing.discovery import Subject

OK, FAILED, SKIPPED = "ok", "failed", "skipped"


class CheckError(AssertionError):
    """What was found, what was expected, what to do: one sentence."""


class NotChecked(Exception):  # noqa: N818 - it is no error
    """Why a check says nothing of a component."""


@dataclass(frozen=True)
class Check:
    """Something that holds of every sound component of a kind.

    :param says: what that is, in a line.
    :param module: in `nlpkit.testing`, where its function is, called as the check with underscores.
    :param process: whether it is of what the plugin's code does to the process.
    """

    name: str
    kind: str
    says: str
    module: str
    needs_torch: bool = False
    process: bool = False

    def run(self, subject: Subject) -> None:
        """Try it.

        :raises CheckError: if it does not hold.
        :raises NotChecked: if nothing can be said.
        """
        if self.needs_torch:
            _need_torch()
        function = getattr(
            import_module(f"nlpkit.testing.{self.module}"), self.name.replace(" ", "_").replace("-", "_")
        )
        visit = Visit("it")
        try:
            with keep("it", ours=True) as visit, _keep_seed(self.needs_torch), warnings.catch_warnings():
                warnings.simplefilter("ignore", DataWarning)  # the check "made" tells of what is misspelt
                function(subject)
        except MissingExtra as error:
            raise NotChecked(str(error)) from error
        except (MemoryError, KeyboardInterrupt):
            raise
        except BaseException as error:  # a stranger's code; SystemExit, and what compiled modules raise in a panic
            self._explain(error, visit)
        if self.process:
            check_visit(visit)

    def _explain(self, error: BaseException, visit: Visit) -> NoReturn:
        """Raise what a check says that ended by an error."""
        if self.process:
            check_visit(visit)
            raise NotChecked("it fails before, see the other checks") from error
        if isinstance(error, CheckError | NotChecked):
            raise error
        raise CheckError(f"it raised {describe(error)}, where this was expected: {self.says}") from error


@dataclass(frozen=True)
class Result:
    """What came of a check.

    :param outcome: `OK`, `FAILED` or `SKIPPED`.
    :param sentence: why, unless it is ok.
    """

    subject: Subject
    check: Check
    outcome: str
    sentence: str = ""


def list_checks(kind: str | None = None) -> list[Check]:
    """Return all checks, or those of a kind: ``plugin``, or one of those that a plugin may register."""
    return [check for check in _CHECKS if kind in (None, check.kind)]


def run(subjects: Iterable[Subject]) -> Iterator[Result]:
    """Try every check of every subject, one after the other."""
    for subject in subjects:
        for check in list_checks(subject.kind):
            yield _try(check, subject)


def describe(error: BaseException) -> str:
    """Say an error in a line, with its class."""
    text = message_of(error)
    return f"{type(error).__name__}: {text if len(text) < 300 else text[:300] + '…'}"


def check_visit(visit: Visit) -> None:
    """Refuse what a plugin's code did to the process."""
    if visit.changes:
        raise CheckError(
            f"it changed {' and '.join(visit.changes)}, which others in the process rely on: put back what you change, "
            "or do without"
        )
    if visit.printed:
        raise CheckError(f"it printed {visit.printed!r} on stdout, where results go: print to sys.stderr, or log")
    if threads := list_endless(visit.threads):
        raise CheckError(
            f"it left the thread {threads[0].name!r}, which does not end and keeps the process from its end: join it, "
            "or make it with daemon=True"
        )


def _try(check: Check, subject: Subject) -> Result:
    try:
        check.run(subject)
    except CheckError as error:
        return Result(subject, check, FAILED, str(error))
    except NotChecked as reason:
        return Result(subject, check, SKIPPED, str(reason))
    return Result(subject, check, OK)


@contextmanager
def _keep_seed(torch_too: bool) -> Iterator[None]:
    """Leave torch's seed as it was found; a check draws the same each time."""
    if not torch_too:
        yield
        return
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def _need_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        missing = MissingExtra("torch", "train", "this check")
        raise NotChecked(str(missing)) from error


def _of_components(kind: str, *, needs_torch: bool) -> list[Check]:
    return [
        Check("made", kind, "its factory makes what the protocol asks for", "components", needs_torch),
        Check(
            "options",
            kind,
            "every option has a default, and a wrong value is refused",
            "components",
            needs_torch,
        ),
        Check("config", kind, "config is JSON, holds no path, and rebuilds it", "components", needs_torch),
        Check(
            "surroundings",
            kind,
            "at work it prints nothing, and leaves the process as it found it",
            f"{kind}s",
            needs_torch=kind != "tokenizer",
            process=True,
        ),
    ]


def _of_torch(kind: str, *named: tuple[str, str]) -> list[Check]:
    return [Check(name, kind, says, f"{kind}s", True) for name, says in named]


_MATES = ("batch-mates", "a row's numbers do not depend on the rows beside it")
_SEED = ("determinism", "the same seed of torch gives the same, in training too")
_SAVED = ("save and load", "made again from config and weights, through files, it says the same")
_GRADIENTS = ("gradients", "they reach what comes in and all that is to be learnt, and nothing that is frozen")
_EXPORT = ("export", "the exported graph agrees with torch on ragged rows")
_CHECKS = (
    Check("loads", "plugin", "it is imported, its hooks are known, its names are free", "plugins"),
    Check("start-up", "plugin", "its import is quick and quiet, and brings nothing heavy", "plugins"),
    *_of_components("tokenizer", needs_torch=False),
    Check("files", "tokenizer", "files are bytes by name, and with config rebuild it", "tokenizers"),
    Check("odd text", "tokenizer", "any text is answered by a list of tokens, the empty one by none", "tokenizers"),
    Check("determinism", "tokenizer", "the same text has the same tokens, whatever came before", "tokenizers"),
    Check("batch", "tokenizer", "batch equals tokenize, text by text", "tokenizers"),
    Check("longest", "tokenizer", "no text has more tokens than longest", "tokenizers"),
    Check("inference", "tokenizer", "in another process, without torch, it says the same", "tokenizers"),
    *_of_components("embedding", needs_torch=True),
    *_of_torch(
        "embedding",
        ("fit", "fit iterates over documents and returns a vocabulary that can be saved"),
        ("shapes", "vectors are finite float32 (batch, time, dim), also of rows without tokens"),
        ("odd text", "odd tokens and empty documents are fitted, and have finite vectors"),
        ("padding", "padding changes no vector"),
        _MATES,
        _SEED,
        _SAVED,
        _GRADIENTS,
        ("vectors", "vectors() and lookup(ids) are what forward returns"),
        ("fixed", "what says that it is fixed, or a half of it, has nothing to train and is the same in training"),
        _EXPORT,
    ),
    *_of_components("encoder", needs_torch=True),
    *_of_torch(
        "encoder",
        ("shapes", "states are finite float32 (batch, time, output_dim), for any length of vectors and rows"),
        ("padding", "what stands under a false mask changes no state under a true one"),
        _MATES,
        ("causal", "where causal is true, no state depends on a later vector"),
        ("state", "where a state is carried, two calls equal one"),
        _SEED,
        _SAVED,
        _GRADIENTS,
        _EXPORT,
    ),
    *_of_components("output", needs_torch=False),
    *_of_torch(
        "output",
        ("shapes", "outputs are float32 (n, width), logits (n, words), the loss is one finite number"),
        _MATES,
        ("agreement", "loss(exact=True) is the cross entropy of the decoder's logits"),
        ("kept", "a word's logit is less by the logarithm of its kept"),
        _SEED,
        _SAVED,
        _GRADIENTS,
        ("foreign arrays", "the decoder refuses arrays that are not its own"),
        ("inference", "in another process, without torch, it says the same"),
        _EXPORT,
    ),
    Check(
        "resolves",
        "task",
        "what it names can be imported, and its model is a SavedModel, its usual recipe composed",
        "plugins",
    ),
    Check("opens", "model", "its folder opens, and it answers its own samples again", "plugins"),
    Check("answers", "model", "whatever a row holds, each has an answer, or a reason why there is none", "plugins"),
    Check(
        "reads", "recipe", "its task is there, lacks a recipe of that name, and can be trained as it says", "plugins"
    ),
    Check("help", "command", "--help exits with 0 and shows an example", "plugins"),
)
