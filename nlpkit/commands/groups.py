"""Groups of commands of which one needs no name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import click


class DefaultGroup(click.Group):
    """A group that takes arguments which begin with no command for those of one of its commands.

    :param default: the name of that command.
    """

    def __init__(self, *arguments: Any, default: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command's name before arguments that begin with none."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            self._refuse_typos(ctx, args)
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def _refuse_typos(self, ctx: click.Context, args: list[str]) -> None:
        if args and args[0].isalpha() and (close := get_close_matches(args[0], self.commands, n=1)):
            ctx.fail(f"no such command {args[0]!r}; did you mean {close[0]!r}?")
