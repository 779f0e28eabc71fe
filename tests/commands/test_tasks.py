"""The commands that every task has: one meaning, one name."""

import click
import pytest

from nlpkit.commands.groups import VerbGroup
from nlpkit.commands.main import cli
from nlpkit.commands.tasks import group
from nlpkit.plugins.registry import registry
from nlpkit.tasks.base import Task, resolve
from tests.outcomes import one_sentence

TASKS = [registry().get("task", name).factory for name in registry().names("task")]
OURS = [task for task in TASKS if task.model.startswith("nlpkit.")]
MEANS = {  # what an option is called, wherever it is
    "--output": "-o",
    "--column": "-c",
    "--model": "-m",
    "--format": "-f",
    "--text": "-t",
}


def options(command: click.Command) -> dict[str, set[str]]:
    return {opt: set(p.opts) for p in command.params for opt in p.opts if isinstance(p, click.Option)}


def test_ours_are_there():
    assert {"sentiment", "cloze", "generate"} <= {task.name for task in OURS}


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_task_has_its_verbs_and_what_all_have(task):
    made = group(task)
    compare = {"compare"} if task.items else set()
    report = {"report"} if any(verb.labelled for verb in task.verbs) else set()
    assert set(made.commands) == {*(verb.name for verb in task.verbs), "evaluate", "train"} | compare | report
    assert compare or task.name == "generate"
    with click.Context(cli) as context:
        assert isinstance(cli.get_command(context, task.name), click.Group)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_an_option_has_one_short_name_everywhere(task):
    for command in group(task).commands.values():
        known = options(command)
        for long, short in MEANS.items():
            if long in known and (task.name, command.name, long) != ("generate", "text", "--text"):
                assert short in known[long], (command.name, long)


@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_what_all_tasks_have_they_all_have(command):
    shared = {
        "evaluate": {"--model", "--by", "--column", "--encoding", "--format"},
        "train": {"--output", "--column", "--encoding", "--recipe", "--config", "--set", "--samples", "--dry-run"}
        | {"--keep-weights", "--threads", "--resume", "--save-every", "--force", "--tokenizer", "--encoder"},
    }[command]
    for task in TASKS:
        assert shared - {"--tokenizer", "--encoder"} <= set(options(group(task).commands[command])), task.name
    assert shared <= {
        option for task in OURS if task.name != "generate" for option in options(group(task).commands[command])
    }


@pytest.mark.parametrize("task", OURS, ids=lambda task: task.name)
def test_what_a_task_names_is_there(task):
    named = [task.model, task.measure, task.read, *(verb.form for verb in task.verbs)]
    named += [verb.command for verb in task.verbs]
    assert all(resolve(name) for name in named if name)
    assert all(hasattr(resolve(task.model), verb.method) for verb in task.verbs if verb.method)


@pytest.mark.train
@pytest.mark.parametrize("task", OURS, ids=lambda task: task.name)
def test_what_trains_a_task_is_there(task):
    from nlpkit.training.settings import list_recipes

    assert resolve(task.run).kinds
    assert isinstance(task.recipe, str) is False or task.recipe in list_recipes(task)


@pytest.mark.parametrize("task", OURS, ids=lambda task: task.name)
def test_a_model_of_another_task_says_which_command_it_is_for(run, models, task):
    for other, folder in models.items():
        if other != task.name:
            words = (task.name, task.verbs[0].name, "-m", folder)
            assert f"use it with nlpkit {other}" in one_sentence(run(*words, stdin="好__\n".encode()), 1)


def test_a_verb_that_is_no_other_needs_no_name(run, models):
    texts = ("好__", "-m", models["cloze"], "-f", "jsonl")
    assert run("cloze", *texts).stdout == run("cloze", "fill", *texts).stdout != b""


def test_a_task_needs_no_shorthand():
    task = Task(name="t", about="x", model="m:M", run="r:R", measure="e:e", verbs=OURS[0].verbs, use="nlpkit t")
    assert type(group(task)) is VerbGroup
