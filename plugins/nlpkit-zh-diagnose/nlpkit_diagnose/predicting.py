"""``nlpkit diagnose predict``: the networks of a finished diagnosis answer inputs of one's own."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from nlpkit_diagnose.networks import Restored
    from nlpkit_diagnose.task import Task


class Answered(NamedTuple):
    """What came of an input: fields by their names, or None and a reason."""

    text: str
    answer: dict[str, Any] | None
    reason: str | None


@click.command(context_settings={"ignore_unknown_options": True})  # -1,4 is a ball
@click.argument("folder", type=click.Path(path_type=Path, readable=False))
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@click.option("--network", metavar="NAME", help="Which answers, such as gru-0.  [default: the best by validation]")
@click.option("--steps", type=click.IntRange(1, 10_000), help="How far a sine goes on.  [default: as it was tested]")
@click.option(
    "--format",
    "-f",
    "kind",
    type=click.Choice(["text", "table", "jsonl"]),
    default="text",
    show_default=True,
    help="What is printed.",
)
def predict(folder: Path, inputs: tuple[str, ...], network: str | None, steps: int | None, kind: str) -> None:
    """Let a saved network answer inputs of your own.

    FOLDER is what a diagnosis has left by --output. Inputs are arguments, or lines of stdin; on a terminal they are
    asked for. Each has one answer, or none and a reason.

    \b
    ball       positions: 1,2,3
    salary     the features of a row, in the order of the table's columns
    letters    a string: xxbxa
    digit-sum  digits: 7300000400
    sine       points to go on from: 0,0.2,0.39, or a number of steps: 49
    stock      a file of prices

    \b
    nlpkit diagnose predict ball 1,2,3 3,5,7 9,7,5,3
    nlpkit diagnose predict letters --format jsonl < strings.txt
    """
    _check_inputs(inputs)
    from nlpkit.commands import prepare_torch, say

    prepare_torch()
    from nlpkit_diagnose.networks import Restored, choose_network, read_networks

    networks = read_networks(folder)
    asking = not inputs and sys.stdin.isatty()
    texts = list(inputs) if inputs or asking else list(_read_lines())
    chosen = Restored(choose_network(networks, network, [len(re.sub(r"[^0-9]", "", text)) for text in texts]))
    task = _find_task(networks[chosen.name].record["task"])
    if network is None and len(networks) > 1:
        say(f"{chosen.name} answers, the best by validation; --network says another of {', '.join(networks)}")
    if asking:
        _converse(task, chosen, steps)
        return
    answers = [answer_input(task, chosen, text, steps) for text in texts]
    {"text": _print_lines, "table": _print_table, "jsonl": _print_json}[kind](task, answers)
    if answers and not any(answered.answer for answered in answers):
        from nlpkit import DataError

        raise DataError("nothing was answered: {reason}", reason=answers[0].reason)


def answer_input(task: type[Task], network: Restored, text: str, steps: int | None = None) -> Answered:
    """Answer an input; one that is wrong, or an answer that is no number, has a reason instead."""
    from nlpkit import NlpkitError

    from nlpkit_diagnose.report import drop_infinite

    try:
        if not text.strip():
            return Answered(text, None, f"expected {task.asks}, found nothing")
        found = task.answer(network, text.strip(), steps)
    except NlpkitError as error:
        return Answered(text, None, str(error))
    if drop_infinite(found) != found:
        return Answered(text, None, "the network's answer is no number: it ran away")
    return Answered(text, found, None)


def _check_inputs(inputs: Sequence[str]) -> None:
    """Refuse an option that there is not, which would pass for an input."""
    for text in inputs:
        if re.match(r"-{1,2}[A-Za-z]", text):
            raise click.NoSuchOption(text, possibilities=["--network", "--steps", "--format"])


def _find_task(name: str) -> type[Task]:
    from nlpkit import DataError

    from nlpkit_diagnose.tasks import TASKS

    for task in TASKS:
        if task.name == name:
            return task
    known = ", ".join(task.name for task in TASKS)
    raise DataError("these networks are of a task {name!r}; there is: {known}", name=name, known=known)


def _read_lines() -> Iterator[str]:
    for number, line in enumerate(sys.stdin.buffer):
        yield line.decode("utf-8-sig" if not number else "utf-8", "replace").rstrip("\r\n")


def _converse(task: type[Task], network: Restored, steps: int | None) -> None:
    """Ask for an input, answer it, and ask again, until there is no more."""
    from nlpkit.commands import converse, fail, tell

    def answer(_number: int, text: str) -> None:
        answered = answer_input(task, network, text, steps)
        if answered.answer is None:
            fail(answered.reason)
        else:
            tell(task.tell_answer(text, answered.answer))

    converse(answer, ",".join(network.facts.get("columns", ())[:-1]) or task.asks)


def _print_lines(task: type[Task], answers: Iterable[Answered]) -> None:
    from nlpkit.commands import tell

    for answered in answers:
        said = answered.answer and task.tell_answer(answered.text, answered.answer)
        tell(said or f"{answered.text} → no answer: {answered.reason}")


def _print_table(task: type[Task], answers: Sequence[Answered]) -> None:  # noqa: ARG001
    from nlpkit.commands import make_console, make_table

    fields = list(next((answered.answer for answered in answers if answered.answer), {}))
    faults = ["reason"] if any(answered.reason for answered in answers) else []
    table = make_table("input", *(f">{field}" for field in fields), *faults)
    for answered in answers:
        cells = [_format_cell((answered.answer or {}).get(field)) for field in fields]
        table.add_row(answered.text, *cells, *([answered.reason or ""] if faults else []))
    make_console().print(table)


def _format_cell(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_format_cell, value))
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)


def _print_json(task: type[Task], answers: Iterable[Answered]) -> None:  # noqa: ARG001
    import json

    for text, answer, reason in answers:
        click.echo(json.dumps({"input": text, "answer": answer, "reason": reason}, ensure_ascii=False))
