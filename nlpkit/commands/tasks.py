"""The commands that every task has: its verbs, ``evaluate``, ``train``; ``compare``, if it has items; ``report``, if
its answers have labels.
"""

from __future__ import annotations

import inspect

import click

from nlpkit.commands import answering, comparing, evaluating, training
from nlpkit.commands.groups import DefaultGroup
from nlpkit.commands.reports import command as reporting
from nlpkit.tasks.base import Task


def group(task: Task) -> click.Group:
    """Make the commands of a task."""
    about = inspect.cleandoc(task.about)
    commands = (
        DefaultGroup(task.name, default=task.verbs[0].name, help=about)
        if task.shorthand
        else click.Group(task.name, help=about)
    )
    for verb in task.verbs:
        commands.add_command(answering.command(task, verb), verb.name)
    commands.add_command(evaluating.command(task))
    if task.items:
        commands.add_command(comparing.command(task))
    if any(verb.labelled for verb in task.verbs):
        commands.add_command(reporting.command(task))
    commands.add_command(training.command(task))
    return commands
