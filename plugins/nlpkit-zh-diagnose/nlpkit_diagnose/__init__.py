"""``nlpkit diagnose``: small sequence tasks with known answers; light, as it is imported at every start of nlpkit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nlpkit import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def nlpkit_register_commands(cli: click.Group) -> None:
    """Add the group ``diagnose``."""
    from nlpkit_diagnose.commands import diagnose  # only the shell needs click

    cli.add_command(diagnose)
