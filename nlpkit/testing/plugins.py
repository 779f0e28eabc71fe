"""Checks of a plugin as a whole, of the models that it carries and of the commands that it adds."""

from __future__ import annotations

from nlpkit.testing.discovery import Subject, commands_of
from nlpkit.testing.elsewhere import ask
from nlpkit.testing.kit import CheckError, NotChecked, sentence


def loads(subject: Subject) -> None:
    """The registry takes it whole."""
    if subject.fault:
        raise CheckError(f"it is left out whole: {subject.fault}")


def start_up(subject: Subject) -> None:
    """Importing it and calling its hooks in a fresh interpreter imports nothing heavy."""
    if subject.fault:
        raise NotChecked("it does not load")
    found = ask(subject, "imported")
    if found:
        raise CheckError(
            f"{', '.join(found)} imported when nlpkit starts: import it in the body of the factory or command that "
            "needs it"
        )


def resolves(subject: Subject) -> None:
    """All that a task names is there, and its model opens bundles as every model does."""
    from nlpkit.model.base import SavedModel
    from nlpkit.tasks.base import Task, resolve

    try:
        from nlpkit.training.run import Run
    except ModuleNotFoundError as error:
        raise NotChecked(f"{error.name} is not installed") from error
    bases = {"model": SavedModel, "run": Run}
    task: Task = subject.component.factory
    forms = [verb.form for verb in task.verbs if not verb.command]
    commands = [verb.command for verb in task.verbs if verb.command]
    for named in (task.model, task.run, task.measure, *forms, *commands, *([task.read] if task.read else [])):
        try:
            resolve(named)
        except (ImportError, AttributeError, ValueError) as error:
            raise CheckError(f"it names {named!r}, which cannot be imported: {sentence(error)}") from error
    for name, base in bases.items():
        named = getattr(task, name)
        if not (isinstance(found := resolve(named), type) and issubclass(found, base)):
            expected = f"{base.__module__}.{base.__qualname__}"
            raise CheckError(f"its {name} {named!r} is {found!r}: expected a class, a {expected}")
    if (name := resolve(task.model).task) != task.name:
        raise CheckError(f"its model is for {name}: set task = {task.name!r} in {task.model!r}")
    for verb in task.verbs:
        if verb.method and not callable(getattr(resolve(task.model), verb.method, None)):
            raise CheckError(f"its verb {verb.name!r} wants the method {verb.method!r}, which its model lacks")


def opens(subject: Subject) -> None:
    """A registered folder is a model, and answers its samples as when it was saved."""
    from nlpkit.model.opening import load

    faults = load(subject.component.factory).check()
    if faults:
        raise CheckError(f"of its own samples {len(faults)} come out otherwise, the first: {faults[0]}")


def help(subject: Subject) -> None:  # noqa: A001 - called as the option
    """The command says what it does, and shows itself used."""
    import click
    from click.testing import CliRunner

    called = f"nlpkit {subject.name}"
    group = commands_of(subject.target)
    done = CliRunner().invoke(group, [*subject.name.split(), "--help"], prog_name="nlpkit")
    if done.exit_code or done.exception:
        why = f" by {sentence(done.exception)}" if done.exception else ""
        raise CheckError(f"{called} --help exits with {done.exit_code}{why}, not with 0")
    command: click.Command = group
    for name in subject.name.split():
        with click.Context(command) as context:
            command = command.get_command(context, name)  # type: ignore[attr-defined]
    shown = any(line.strip().startswith(called) for line in done.output.splitlines())
    if not shown and not isinstance(command, click.Group):
        raise CheckError(
            f"{called} --help shows no example: write a line that begins with {called!r} into its docstring"
        )
