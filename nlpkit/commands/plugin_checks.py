"""``nlpkit plugins check``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nlpkit.testing import Result


@click.command(short_help="Try all that a plugin brings by the conformance kit.")
@click.argument("dist", required=False)
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="An option: my-vectors.dim=50.")
@click.option("--format", "-f", "kind", type=click.Choice(["table", "json"]), default="table", show_default=True)
def check(dist: str | None, assignments: tuple[str, ...], kind: str) -> None:
    """Try everything that a plugin brings by the conformance kit; exit with 1 if it breaks a promise.

    DIST is an installed distribution, the name of its entry point or of its module. Without it, all plugins are tried
    but those that come with nlpkit and those that the environment leaves out.

    \b
    nlpkit plugins check nlpkit-zh-runs
    nlpkit plugins check nlpkit-zh-runs --set runs.size=3 --format json
    """
    from nlpkit.commands.printing import say, tell_json
    from nlpkit.testing import FAILED, find_targets, list_subjects, run

    targets = find_targets(dist)
    results = list(run(list_subjects(targets, read_settings(assignments))))
    if kind == "json":
        tell_json([_entry_of(result) for result in results])
    elif results:
        _draw(results)
    else:
        say("no plugin is there but what comes with nlpkit: nlpkit plugins check nlpkit-zh tries that")
    if any(result.outcome == FAILED for result in results):
        raise click.exceptions.Exit(1)


def read_settings(assignments: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return options by the name of a component.

    :param assignments: such as ``my-vectors.dim=50``; a value is read as TOML and, if it is none, as it stands.
    :raises SettingError: for one that is of another form.
    """
    from nlpkit.errors import SettingError

    settings: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        place, equals, value = assignment.partition("=")
        component, dot, option = place.strip().rpartition(".")
        if not equals or not dot or not component or not option:
            raise SettingError(
                "expected COMPONENT.OPTION=VALUE such as my-vectors.dim=50, found {assignment!r}", assignment=assignment
            )
        settings.setdefault(component, {})[option] = _read_value(value)
    return settings


def _read_value(text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return text


def _entry_of(result: Result) -> dict[str, Any]:
    subject, tried = result.subject, result.check
    entry = {"distribution": subject.target.distribution, "kind": subject.kind, "name": subject.name}
    return entry | {"check": tried.name, "outcome": result.outcome, "sentence": result.sentence}


def _draw(results: Sequence[Result]) -> None:
    """Draw a table for each kind, of checks by components, and print a sentence for each that failed."""
    from nlpkit.commands.printing import make_console, make_table, say
    from nlpkit.testing import FAILED

    for kind in dict.fromkeys(result.subject.kind for result in results):
        of_kind = [result for result in results if result.subject.kind == kind]
        names = list(dict.fromkeys(result.subject.name for result in of_kind))
        drawing = make_table(kind, *names)
        for name in dict.fromkeys(result.check.name for result in of_kind):
            outcomes = {result.subject.name: result.outcome for result in of_kind if result.check.name == name}
            drawing.add_row(name, *(outcomes[of] for of in names))
        make_console().print(drawing)
    for result in results:
        if result.outcome == FAILED:
            say(f"{result.subject}: {result.check.name}: {result.sentence}")
