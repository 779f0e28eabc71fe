"""What a task is: all that the rest of the house knows of one.

A task is one folder and one `Task`, ours and strangers' alike. It is light, as the shell looks at it at every start:
what is heavy is named, ``module:name``, and imported when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from nlpkit.model.bundle import Bundle

ANSWERS = ("label", "number", "json", None)
Reference: TypeAlias = str  # ``module:name`` of something that is imported when it is used


def resolve(reference: Reference) -> Any:
    """Import what is named ``module:name``."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def _nothing(bundle: Bundle) -> Mapping[str, Any]:  # noqa: ARG001
    return {}


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What the rows hold that a task is trained on.

    :param answer: what stands beside each text: a ``label``, one of a few; a ``number``; ``json``, whatever that may
        hold; None where the text alone is read.
    :param columns: names that the column of the answer has as a rule.
    :param several: whether a text may have several labels, so that there are options that say how they are written.
    """

    answer: Literal["label", "number", "json"] | None = None
    columns: tuple[str, ...] = ()
    several: bool = False

    def __post_init__(self) -> None:
        """Refuse an answer that nobody could read, at import and not when a corpus is read."""
        if self.answer not in ANSWERS:
            answers = ", ".join(map(repr, ANSWERS))
            raise ValueError(f"Rows.answer is one of {answers}, was: {self.answer!r}; columns say what it is called")


@dataclass(frozen=True, kw_only=True)
class Verb:
    """What a model of the task does with rows: a method of the model, a command of the shell.

    :param name: of the command.
    :param about: its ``--help``: a sentence, what it reads and writes, and after ``\\b`` lines that show it used.
    :param method: of the model. It takes the fields of ``options`` by name, and returns a function of a list of
        `nlpkit.text.row.Row`, which returns an answer for each row, in order: a named tuple that has a ``reason``, None
        or why there is no answer.
    :param options: a dataclass; what its docstring says of each field is the help of a command's option.
    :param stream: a method likewise, where an answer is a text that is made piece by piece: it returns a function of a
        row, a generator of the pieces that returns the answer.
    :param form: how answers are written, a `nlpkit.commands.answers.Form`.
    :param reads: what the command's arguments are: ``files``, or ``texts``.
    :param labelled: whether an answer has a ``label``, and ``probabilities`` by label, None where it has none: by these
        rows are counted and sorted.
    :param command: a click command in place of the one that is made of all this.
    """

    name: str
    about: str = ""
    method: str = ""
    options: type[Any] | None = None
    form: Reference = "nlpkit.commands.answers:Form"
    reads: Literal["files", "texts"] = "files"
    labelled: bool = False
    stream: str = ""
    command: Reference | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task.

    :param name: that of its command, and what config.json calls it.
    :param about: what its command's ``--help`` says: a sentence, and whatever else helps.
    :param model: a class, a `nlpkit.model.base.SavedModel`.
    :param run: a class, a `nlpkit.training.run.Run`.
    :param measure: a function of a model, examples (`nlpkit.text.corpus.Example`) and the fields of
        ``measure_options``; it returns a `nlpkit.tasks.metrics.Metrics`. ``evaluate`` calls it, and a run for its test
        rows.
    :param measure_options: a dataclass, as `Verb.options`.
    :param items: a function of models by their names, examples and the fields of ``measure_options``, and of the
        ``names`` of labels by what they were called, if rows have labels; it returns `nlpkit.tasks.items.Items`, the
        same for all of these models. ``compare`` calls it; a task without it has no such command.
    :param verbs: what a model does; the first needs no name on the command line where ``shorthand`` is true.
    :param use: a command that uses a model, to which ``--model`` and its folder are added.
    :param recipes: the folder of its recipes, ``package:folder``.
    :param recipe: the one that is taken unless another is named: its name, or a function of the components that are
        named, by their kinds.
    :param components: the kinds that a run has, and ``train`` an option for.
    :param teachable: whether a run takes a teacher and texts without labels, so that ``train`` has options for them.
    :param read: a function of a corpus's path and of what `read_examples` may be told, which reads rows for
        ``evaluate``.
    :param recipes_about: what ``train --help`` says of them, and shows of itself.
    :param default_model: the one that commands use unless told.
    :param describe: what ``models list`` says of a bundle: its labels, how many words.
    :param evaluate_about: more of what ``evaluate --help`` says; ``compare_about`` likewise.
    """

    name: str
    about: str
    model: Reference
    run: Reference
    measure: Reference
    verbs: tuple[Verb, ...]
    use: str
    rows: Rows = Rows()
    measure_options: type[Any] | None = None
    items: Reference | None = None
    compare_about: str = ""
    shorthand: bool = False
    recipes: Reference | None = None
    recipe: str | Callable[[Mapping[str, str | None]], str] = "network"
    recipes_about: str = ""
    evaluate_about: str = ""
    default_model: str | None = None
    describe: Callable[[Bundle], Mapping[str, Any]] = _nothing
    components: tuple[str, ...] = ("tokenizer", "embedding", "encoder")
    teachable: bool = False
    read: Reference | None = None
