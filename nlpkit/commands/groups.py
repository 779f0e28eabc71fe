"""Groups of commands, one of which is what is mostly meant."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from typing import Any, NoReturn

import click

from nlpkit.commands.arguments import may_be_input, suggest
from nlpkit.errors import Sentence
from nlpkit.language import translate


class WholeGroup(click.Group):
    """A group whose help says of each command a whole sentence, on several lines if need be."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        commands = [self.get_command(ctx, name) for name in self.list_commands(ctx)]
        rows = [(command.name or "", summary_of(command)) for command in commands if command and not command.hidden]
        if rows:
            with formatter.section(translate("Commands")):
                formatter.write_dl(rows)


class VerbGroup(WholeGroup):
    """A group that says what to type where arguments begin with a text or a file instead of a command.

    :param verb: the name of the command that takes these.
    """

    def __init__(self, *arguments: Any, verb: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.verb = verb

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that arguments name, or say which may be meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            if args[0].startswith("-"):
                raise
            refuse(ctx, args, self.commands, [f"{ctx.command_path} {self.verb}"])


class DefaultGroup(VerbGroup):
    """A group that takes arguments which begin with no command for those of its verb."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command's name before arguments that begin with none."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            self._refuse_typos(ctx, args)
            args = [self.verb, *args]
        return super().parse_args(ctx, args)

    def _refuse_typos(self, ctx: click.Context, args: list[str]) -> None:
        if args and args[0].isalpha() and (close := get_close_matches(args[0], self.commands, n=1)):
            ctx.fail(Sentence("no such command {name!r}; did you mean {close!r}?", name=args[0], close=close[0]))


def summary_of(command: click.Command) -> str:
    """Return the first sentence of a command's help, uncut."""
    return command.get_short_help_str(sys.maxsize)


def refuse(ctx: click.Context, args: list[str], known: Any, verbs: list[str]) -> NoReturn:
    """Say that arguments begin with no command, and which is called alike, or takes such arguments.

    :param known: names of commands.
    :param verbs: what is typed before a text or a file.
    :raises click.UsageError: always.
    """
    advice = suggest(verbs, args) if may_be_input(args[0]) else ""
    if not advice and (close := get_close_matches(args[0], known, n=1)):
        advice = Sentence("; did you mean {close!r}?", close=close[0])
    ctx.fail(Sentence("No such command {name!r}{advice}", name=args[0], advice=advice))
