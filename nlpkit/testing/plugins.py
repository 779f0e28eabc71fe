"""Checks of a plugin as a whole, of the models and recipes that it carries and of the commands that it adds."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from nlpkit.errors import MissingExtra, NlpkitError
from nlpkit.plugins.options import options_of
from nlpkit.plugins.registry import SLOW
from nlpkit.plugins.surroundings import Visit
from nlpkit.testing.discovery import Subject, commands_of
from nlpkit.testing.elsewhere import ask
from nlpkit.testing.kit import CheckError, NotChecked, check_visit, describe
from nlpkit.testing.samples import PLAIN, list_odd_texts
from nlpkit.text.row import Row

if TYPE_CHECKING:
    from nlpkit.tasks.base import Task

LONG_ROW = 400  # characters of texts that are answered at once
UNREADABLE = "tried: this row cannot be read"


@dataclass(frozen=True)
class _NoOptions:
    """Of a verb without any."""


def loads(subject: Subject) -> None:
    """See that the registry takes it whole."""
    if subject.fault:
        raise CheckError(f"it is left out whole: {subject.fault}")


def start_up(subject: Subject) -> None:
    """Import it and call its hooks in a fresh interpreter: that is quick and quiet, and brings nothing heavy."""
    if subject.fault:
        raise NotChecked("it does not load")
    answer = ask(subject, "imports")
    check_visit(Visit("it", answer["changes"], answer["printed"]))
    if answer["threads"]:
        raise CheckError(f"its import leaves the thread {answer['threads'][0]!r}, which does not end: start none there")
    if modules := answer["heavy"]:
        raise CheckError(
            f"{', '.join(modules)} imported when nlpkit starts: import it in the body of the factory or command that "
            "needs it"
        )

    if (seconds := answer["seconds"]) >= SLOW:
        raise CheckError(
            f"its import takes {seconds:.1f} s, and less than {SLOW:g} s was expected: do what takes long in the body "
            "of the factory or command that needs it"
        )


def resolves(subject: Subject) -> None:
    """Import all that a task names; its model opens bundles as every model does."""
    from nlpkit.model.base import SavedModel
    from nlpkit.tasks.base import resolve

    try:
        from nlpkit.training.run import Run
    except ModuleNotFoundError as error:
        raise NotChecked(f"{error.name} is not installed") from error
    bases = {"model": SavedModel, "run": Run}
    task: Task = subject.component.factory
    forms = [verb.form for verb in task.verbs if not verb.command]
    commands = [verb.command for verb in task.verbs if verb.command]
    for reference in (task.model, task.run, task.measure, *forms, *commands, *([task.read] if task.read else [])):
        try:
            resolve(reference)
        except (ImportError, AttributeError, ValueError) as error:
            raise CheckError(f"it names {reference!r}, which cannot be imported: {describe(error)}") from error
    for name, base in bases.items():
        reference = getattr(task, name)
        if not (isinstance(value := resolve(reference), type) and issubclass(value, base)):
            expected = f"{base.__module__}.{base.__qualname__}"
            raise CheckError(f"its {name} {reference!r} is {value!r}: expected a class, a {expected}")
    if (name := resolve(task.model).task) != task.name:
        raise CheckError(f"its model is for {name}: set task = {task.name!r} in {task.model!r}")
    for verb in task.verbs:
        for method in filter(None, (verb.method, verb.stream)):
            if not callable(getattr(resolve(task.model), method, None)):
                raise CheckError(f"its verb {verb.name!r} wants the method {method!r}, which its model lacks")
    _check_run(task)


def _check_run(task: Task) -> None:
    """Look for what a run needs besides: kinds of members, the template of its card, the recipe that is usual."""
    from nlpkit.tasks.base import resolve
    from nlpkit.training.settings import read_recipe

    run = resolve(task.run)
    if not getattr(run, "kinds", None):
        raise CheckError(f"its run {task.run!r} has no kinds of members: say kinds = {{'network': …}}")
    package, _, path = getattr(run, "card", "").partition(":")
    if not path or not files(package).joinpath(path).is_file():
        raise CheckError(
            f"its run {task.run!r} has no template of the model card: say card = 'package:path', such as "
            "nlpkit.training:base_card.md"
        )
    usual = task.recipe if isinstance(task.recipe, str) else task.recipe({})
    try:
        run(task, run.shape().make_settings(read_recipe(task, usual))).rehearse()  # makes all parts
    except MissingExtra:
        raise
    except NlpkitError as error:
        raise CheckError(f"its recipe {usual!r} cannot be used: {error}") from error


def opens(subject: Subject) -> None:
    """Open a registered folder: it is a model, and answers its samples as when it was saved."""
    from nlpkit.model.opening import load

    faults = load(subject.component.factory).check()
    if faults:
        raise CheckError(f"of its own samples {len(faults)} come out otherwise, the first: {faults[0]}")


def answers(subject: Subject) -> None:
    """Ask a model for odd rows by each verb of its task: it answers all, and says why where it cannot."""
    from nlpkit.model.opening import load, task_of

    saved = load(subject.component.factory)
    rows = [Row(text) for text in (*PLAIN[:4], *list_odd_texts()) if len(text) < LONG_ROW] + [Row("", fault=UNREADABLE)]
    for verb in task_of(subject.name, saved.bundle.config["task"]).verbs:
        options = {option.name: option.default for option in options_of(verb.options or _NoOptions).values()}
        if not verb.method or ... in options.values():
            continue
        found = getattr(saved, verb.method)(**options)(rows)
        if not isinstance(found, list | tuple) or len(found) != len(rows):
            raise CheckError(
                f"{verb.method} answers {len(rows)} rows by {found!r:.80}: return a list with an answer for each"
            )
        if found[-1].reason != UNREADABLE:
            raise CheckError(
                f"{verb.method} gives a row with a fault the reason {found[-1].reason!r}: give it the row's own fault"
            )


def reads(subject: Subject) -> None:
    """Make settings of a recipe, as its task's run wants them."""
    from nlpkit.tasks.base import resolve
    from nlpkit.training.settings import list_own_recipes, read_recipe

    name, _, own = subject.name.partition(".")
    if not (found := subject.registry.find("task", name)):
        raise CheckError(f"there is no task {name!r}: call the recipe TASK.NAME, such as sentiment.{own}")
    task: Task = found.factory
    path = subject.component.factory
    if not path.is_file():
        raise CheckError(f"there is no file {path}: let the distribution carry it")
    if own in list_own_recipes(task):
        raise CheckError(f"{name} has a recipe {own!r} of its own, which is taken: choose another name")
    try:
        run = resolve(task.run)
    except ModuleNotFoundError as error:
        raise NotChecked(f"{error.name} is not installed") from error
    try:
        run.shape().make_settings(read_recipe(task, path))
    except NlpkitError as error:
        raise CheckError(f"it cannot be trained: {error}") from error


def help(subject: Subject) -> None:  # noqa: A001 - called as the option
    """Ask a command for help: it says what it does, and shows itself used."""
    import click
    from click.testing import CliRunner

    call = f"nlpkit {subject.name}"
    group = commands_of(subject.target)
    result = CliRunner().invoke(group, [*subject.name.split(), "--help"], prog_name="nlpkit")
    if result.exit_code or result.exception:
        why = f" by {describe(result.exception)}" if result.exception else ""
        raise CheckError(f"{call} --help exits with {result.exit_code}{why}, not with 0")
    command: click.Command = group
    for name in subject.name.split():
        with click.Context(command) as context:
            command = command.get_command(context, name)  # type: ignore[attr-defined]
    has_example = any(line.strip().startswith(call) for line in result.output.splitlines())
    if not has_example and not isinstance(command, click.Group):
        raise CheckError(f"{call} --help shows no example: write a line that begins with {call!r} into its docstring")
