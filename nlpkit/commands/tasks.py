"""The commands that every task has: its verbs, ``evaluate``, ``train``; ``compare``, if it has items; ``report``, if
its answers have labels.
"""

from __future__ import annotations

import inspect

import click

from nlpkit.commands import answering, comparing, evaluating, training
from nlpkit.commands.groups import DefaultGroup, VerbGroup
from nlpkit.commands.reports import command as reporting
from nlpkit.tasks.base import Task


def group(task: Task) -> click.Group:
    """Make the commands of a task."""
    about = inspect.cleandoc(task.about)
    kind = DefaultGroup if task.shorthand else VerbGroup
    commands = kind(task.name, verb=task.verbs[0].name, help=about)
    for verb in task.verbs:
        commands.add_command(answering.command(task, verb), verb.name)
    commands.add_command(evaluating.command(task))
    if task.items:
        commands.add_command(comparing.command(task))
    if any(verb.labelled for verb in task.verbs):
        commands.add_command(reporting.command(task))
    commands.add_command(training.command(task))
    return commands
