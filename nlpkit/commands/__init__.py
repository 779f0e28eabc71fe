"""The shell: one module per command group, each parses, calls and draws. Heavy imports live in the commands' bodies."""

from __future__ import annotations

import codecs
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any, TextIO, cast

import click

from nlpkit.commands import signals
from nlpkit.commands.screen import drawable, guard, harmless, harmless_json
from nlpkit.commands.screen import sentence as one_line
from nlpkit.errors import DataWarning, NlpkitError, SettingError
from nlpkit.tasks.base import resolve
from nlpkit.version import __version__

# whether it can be read is found out when it is: a fault of a file, not of the command line
FILE = click.Path(path_type=Path, readable=False)
INPUT = click.Path(allow_dash=True, readable=False)
TASK_GROUP = "nlpkit.commands.tasks:group"  # makes the commands of a task; by name, as it imports what stands here


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
        from nlpkit.plugins.registry import registry

        found = registry()
        found.add_commands(self)
        group = resolve(TASK_GROUP)
        for name in found.names("task"):
            self.add_command(group(found.get("task", name).factory))
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
    _start_in_utf8()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy starts a thread a core otherwise, and we never use them
    signals.listen()
    warnings.showwarning = _show_warning
    sys.stdin, sys.stdout = sys.stdin or _nothing("r"), sys.stdout or _nothing("w")
    sys.stderr = sys.stderr or _nothing("w")
    guard()
    try:
        code = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except NlpkitError as error:
        fail(error)
        code = 2 if isinstance(error, SettingError) else 1
    except (ClosedPipe, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it closes stdout
        code = 0
    except (click.Abort, KeyboardInterrupt) as error:
        number = signals.signal_of(error)
        say("Interrupted." if number == signal.SIGINT else "Terminated.")
        code = signals.exit_code(number)
    except OSError as error:
        fail(f"{error.filename}: {reason(error)}" if error.filename else reason(error))
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _start_in_utf8() -> None:
    """Start anew in Python's UTF-8 mode where the locale is ASCII alone, as under ``LC_ALL=C PYTHONUTF8=0``.

    Texts, columns and names of files come in UTF-8 there all the same, and Python could not say their names to the
    system. https://peps.python.org/pep-0540/
    """
    mode = ["-X", "utf8"]
    started = sys.orig_argv[1:]
    if codecs.lookup(sys.getfilesystemencoding()).name == "ascii" and started[:2] != mode and sys.executable:
        os.execv(sys.executable, [sys.executable, *mode, *started])


def _show_warning(message: Warning | str, category: type[Warning], *where: Any, **_more: Any) -> None:
    """Doubt about data is one line on stderr; other warnings come as Python prints them."""
    if issubclass(category, DataWarning):
        warn(one_line(str(message)))
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
    print(harmless(sentence), file=sys.stderr)  # click.echo would go past what rich put in its place


def fail(error: object) -> None:
    """Print one line on stderr that says what is wrong."""
    say(f"Error: {one_line(str(error))}")


def reason(error: OSError) -> str:
    """What the system says, as the end of a sentence."""
    return (error.strerror or str(error)).lower()


def tell(text: str, *, end: str = "\n") -> None:
    """Print for eyes on stdout: what could steer a terminal is left out, be it one or not."""
    click.echo(harmless(text) + end, nl=False)


def tell_json(value: Any) -> None:
    """Print JSON on stdout, in which what could steer a terminal is escaped.

    :param value: what is to be JSON, or bytes that are.
    """
    import orjson

    data = value if isinstance(value, bytes) else orjson.dumps(value, option=orjson.OPT_INDENT_2)
    click.echo(harmless_json(data), nl=not isinstance(value, bytes))


def console(*, stderr: bool = False) -> Any:
    """A rich console that does not cut what goes into a pipe, and lets nothing steer a terminal but what it draws."""
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
