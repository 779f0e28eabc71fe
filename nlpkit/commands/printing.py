"""What all commands print by, and how."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from nlpkit.commands.screen import drawable, escape_json, make_harmless
from nlpkit.commands.screen import to_sentence as one_line
from nlpkit.errors import Sentence
from nlpkit.language import phrase, translate

# whether it can be read is found out when it is: a fault of a file, not of the command line
FILE = click.Path(path_type=Path, readable=False)
INPUT = click.Path(allow_dash=True, readable=False)


def warn(template: str, /, **values: object) -> None:
    """Print one line on stderr: a sentence that is a doubt."""
    say("Warning: {sentence}", sentence=Sentence(template, **values))


def say(template: str, /, **values: object) -> None:
    """Print a sentence on stderr; where a live line is drawn, above it."""
    shown = phrase(template, **values)
    print(make_harmless(shown), file=sys.stderr)  # click.echo would go past what rich put in its place


def say_replaced(path: Path, before: str | None) -> None:
    """Say what a file was that another has replaced, if there was one.

    :param before: as `nlpkit.files.describe_file` has it.
    """
    if before:
        say("replaced {path}, {before}", path=path, before=before)


def fail(error: object) -> None:
    """Print one line on stderr that says what is wrong.

    :param error: an exception, or a sentence.
    """
    sentence = error if isinstance(error, str) else getattr(error, "sentence", str(error))
    print(one_line(phrase("Error: {sentence}", sentence=Sentence(sentence))), file=sys.stderr)


def tell(text: str, *, end: str = "\n") -> None:
    """Print for eyes on stdout: what could steer a terminal is left out, be it one or not."""
    click.echo(make_harmless(text) + end, nl=False)


def tell_json(value: Any) -> None:
    """Print JSON on stdout, in which what could steer a terminal is escaped.

    :param value: what is to be JSON, or bytes that are.
    """
    import orjson

    data = value if isinstance(value, bytes) else orjson.dumps(value, option=orjson.OPT_INDENT_2)
    click.echo(escape_json(data), nl=not isinstance(value, bytes))


def make_console(*, stderr: bool = False) -> Any:
    """Make a rich console that cuts nothing in a pipe, and lets nothing steer a terminal but what it draws."""
    from nlpkit.commands.consoles import HarmlessConsole

    stream = sys.stderr if stderr else sys.stdout
    return HarmlessConsole(
        file=drawable(stream),
        stderr=stderr,
        width=None if stream.isatty() else 200,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not stream.isatty(),
    )


def make_table(*columns: str) -> Any:
    """Make an empty rich table, which breaks no name in two; columns that begin with ``>`` hold numbers.

    :param columns: those that are sentences are translated.
    """
    from nlpkit.commands.tables import WordTable

    table = WordTable()
    for column in columns:
        name = column.removeprefix(">")
        shown = translate(name) if isinstance(column, Sentence) else name
        table.add_column(shown, justify="right" if column.startswith(">") else "left", overflow="fold")
    return table
