"""The shell: one module per command group, each parses, calls and draws. Heavy imports live in the commands' bodies."""

from __future__ import annotations

import io
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any, TextIO, cast

import click

from nlpkit import __version__
from nlpkit.errors import DataWarning, NlpkitError, SettingError


class ClosedPipe(Exception):  # noqa: N818
    """Whoever read our output has seen enough."""


class PluginGroup(click.Group):
    """A group whose commands come from plugins, ours among them, when the first is asked for."""

    _loaded = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        self._load()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        self._load()
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a closed pipe is told apart before click makes an exit code of it."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ClosedPipe from error

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        from nlpkit.registry import registry

        found = registry()
        found.add_commands(self)
        found.insist()
        for fault in found.faults:
            warn(fault)


@click.group(cls=PluginGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nlpkit")
def cli() -> None:
    """Text analysis for Chinese.

    \b
    nlpkit sentiment score reviews.txt          is each review good or bad, and how sure are we
    nlpkit cloze "衣服质量__哦"                 the words that fit the blank, best first
    nlpkit generate --prompt 衣服质量           text that goes on from there
    nlpkit sentiment train corpus.csv -o mine   a model of your own
    nlpkit models list                          models that are there
    nlpkit corpus list                          public corpora to train on
    """


def main() -> None:
    """Run the command line: faults of data or model exit with 1, of the command line with 2, in one sentence."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy starts a thread a core otherwise, and we never use them
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what is half-written is cleared away
    warnings.showwarning = _show_warning
    sys.stdin, sys.stdout = sys.stdin or _nothing("r"), sys.stdout or _nothing("w")
    sys.stderr = sys.stderr or _nothing("w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console in GBK cannot show every character
    try:
        code = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except NlpkitError as error:
        click.echo(f"Error: {error}", err=True)
        code = 2 if isinstance(error, SettingError) else 1
    except (ClosedPipe, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it closes stdout
        code = 0
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        code = 130
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"Error: {where}{(error.strerror or str(error)).lower()}", err=True)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _show_warning(message: Warning | str, category: type[Warning], *where: Any, **_more: Any) -> None:
    """Doubt about data is one line on stderr; other warnings come as Python prints them."""
    if issubclass(category, DataWarning):
        warn(str(message))
    else:
        say(warnings.formatwarning(message, category, *where[:2]).rstrip())


def _nothing(mode: str) -> TextIO:
    """A stream in place of one that was closed before we were started."""
    return cast(TextIO, Path(os.devnull).open(mode, encoding="utf-8"))


def warn(sentence: str) -> None:
    """Print one line on stderr."""
    say(f"Warning: {sentence}")


def say(sentence: str) -> None:
    """Print on stderr; where a live line is drawn, above it."""
    print(sentence, file=sys.stderr)  # click.echo would go past what rich put in its place


def console(*, stderr: bool = False) -> Any:
    """A rich console that does not cut what goes into a pipe."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr,
        width=None if stream.isatty() else 200,
        highlight=False,
        markup=False,
        soft_wrap=not stream.isatty(),
    )


def table(*columns: str) -> Any:
    """An empty rich table; columns that begin with ``>`` hold numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(
            column.removeprefix(">"), justify="right" if column.startswith(">") else "left", overflow="fold"
        )
    return made
