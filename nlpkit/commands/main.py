"""The command ``nlpkit``: a group whose commands come from plugins; exit codes; a closed pipe."""

from __future__ import annotations

import codecs
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from nlpkit.commands import signals
from nlpkit.commands.arguments import suggest
from nlpkit.commands.groups import DefaultGroup, VerbGroup, refuse, summary_of
from nlpkit.commands.printing import FILE, fail, say, warn
from nlpkit.commands.screen import guard
from nlpkit.errors import DataWarning, NlpkitError, Sentence, SettingError, reason_of
from nlpkit.language import find_language, is_english, phrase, speak, translate
from nlpkit.plugins.surroundings import end_in_time, own_process
from nlpkit.version import __version__

if TYPE_CHECKING:
    from nlpkit.plugins.component import Component
    from nlpkit.plugins.installed import InstalledPlugin
    from nlpkit.plugins.registry import Registry

CALLED = ("command", "task")  # what is called as ``nlpkit NAME``


class ClosedPipe(Exception):  # noqa: N818
    """Whoever read our output has seen enough."""


class PluginGroup(click.Group):
    """A group whose commands are those of plugins, ours among them; a stranger's is imported when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names of all commands and tasks that are entry points; no plugin is imported."""
        return sorted({name for kind, name in _registry().points if kind in CALLED})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command by its name; where no entry point has it, all plugins are asked."""
        plugins = _registry()
        if kinds := [kind for kind in CALLED if (kind, cmd_name) in plugins.points]:
            component: Component | None = plugins.get(kinds[0], cmd_name)
        else:
            component = plugins.find("command", cmd_name) or plugins.find("task", cmd_name)
            _registry()  # one of those that were imported for it may be broken
        if component is None:
            return None
        if component.kind == "command":
            return _shown(cast(click.Command, component.factory))
        from nlpkit.commands.tasks import group  # which a command that is of no task need not import

        return _shown(group(component.factory))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that arguments name, or say which is called alike: click knows only those that it holds."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            if args[0].startswith("-"):
                raise
            if "--plugin" in args:  # which was not looked at
                ctx.fail(Sentence("No such command {name!r}; --plugin goes before the command", name=args[0]))
            if elsewhere := [f"{path} {args[0]}" for path, group in self._our_groups(ctx) if args[0] in group.commands]:
                advice = suggest(elsewhere, args[1:])
                ctx.fail(Sentence("No such command {name!r}{advice}", name=args[0], advice=advice))
            verbs = [_with_verb(path, group) for path, group in self._our_groups(ctx) if isinstance(group, VerbGroup)]
            refuse(ctx, args, self.list_commands(ctx), verbs)

    def _our_groups(self, ctx: click.Context) -> Iterator[tuple[str, click.Group]]:
        """Yield our commands that are groups, and how each is typed; strangers' are not imported for that."""
        for name in self.list_commands(ctx):
            if _source_of(name).ours and isinstance(command := self.get_command(ctx, name), click.Group):
                yield f"{ctx.command_path} {name}", command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, and which plugins may have more."""
        if names := self.list_commands(ctx):
            with formatter.section(translate("Commands")):
                formatter.write_dl([(name, self._short_help(ctx, name)) for name in names])
        if unknown := _registry().list_unknown():
            formatter.write_paragraph()
            listed = ", ".join(unknown)
            formatter.write_text(phrase("`nlpkit plugins list` shows what {names} may add.", names=listed))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a closed pipe is told apart before click makes an exit code of it."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ClosedPipe from error

    def _short_help(self, ctx: click.Context, name: str) -> str:
        source = _source_of(name)
        command = self.get_command(ctx, name) if source.ours else None
        if command:
            return summary_of(command)
        return phrase("from {distribution} {version}", distribution=source.distribution, version=source.version)


def _shown(command: click.Command) -> click.Command:
    """Return a command whose help is in the language of the shell."""
    if is_english():
        return command
    from nlpkit.commands.translated import in_language  # which English needs not

    return in_language(command)


def _with_verb(path: str, group: VerbGroup) -> str:
    """Return how a group is asked about a text."""
    return path if isinstance(group, DefaultGroup) else f"{path} {group.verb}"


def _source_of(name: str) -> InstalledPlugin:
    points = _registry().points
    return next(points[kind, name] for kind in CALLED if (kind, name) in points).source


def _registry() -> Registry:
    """Return the registry, after a warning of each fault that is new."""
    from nlpkit.plugins.registry import registry  # what imports this module for a colour need not read all metadata

    plugins = registry()
    for fault in plugins.list_new_faults():
        warn(fault)
    return plugins


def _add_plugins(ctx: click.Context, param: click.Parameter, paths: tuple[Path, ...]) -> None:  # noqa: ARG001
    """Let plugins that are files take part, before any plugin is looked for.

    :raises click.BadParameter: for what is no file in Python.
    """
    from nlpkit.plugins.one_file import SUFFIX, add_file  # what imports this module for a colour needs no plugins

    for path in paths:
        if path.suffix != SUFFIX or not path.is_file():
            if path.suffix != SUFFIX:
                raise click.BadParameter(Sentence("{path}: expected a file in Python, such as mine.py", path=path))
            raise click.BadParameter(Sentence("{path}: there is no such file", path=path))
        add_file(path, os.environ)


@click.group(cls=PluginGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nlpkit")
@click.option(
    "--plugin",
    "plugins",
    type=FILE,
    multiple=True,
    is_eager=True,
    expose_value=False,
    callback=_add_plugins,
    help="A plugin that is one file in Python; may be repeated.",
)
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
    speak(find_language(os.environ))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy starts a thread a core otherwise, and we never use them
    signals.listen()
    warnings.showwarning = _show_warning
    sys.stdin, sys.stdout = sys.stdin or _open_nothing("r"), sys.stdout or _open_nothing("w")
    sys.stderr = sys.stderr or _open_nothing("w")
    guard()
    own_process()
    try:
        code = _shown(cli).main(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        _translate_error(_place_option(error)).show()
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
        reason = reason_of(error)
        fail(Sentence("{file}: {reason}", file=error.filename, reason=reason) if error.filename else reason)
        code = 1
    except SystemExit:
        raise
    except BaseException as error:  # a stranger's code, perhaps: what compiled modules raise in a panic is no Exception
        if (sentence := _blame(error)) is None:
            raise
        fail(sentence)
        code = 1
    code = code if isinstance(code, int) else 0
    end_in_time(code, warn)
    sys.exit(code)


def _blame(error: BaseException) -> Sentence | None:
    """Say whose code failed; None if it was ours, or the environment asks for strictness: then a traceback says it."""
    from nlpkit.plugins.installed import STRICT, is_strict
    from nlpkit.plugins.registry import registry

    sentence = None if is_strict(os.environ) else registry().blame(error)
    if not sentence:
        return None
    return Sentence("{sentence} ({strict}=1 shows the traceback)", sentence=sentence, strict=STRICT)


def _translate_error(error: click.ClickException) -> click.ClickException:
    """Return an error of the command line whose message is one of ours in the language of the shell."""
    vars(error)["message"] = translate(error.message)  # which is final, but may be none of click's
    return error


def _place_option(error: click.ClickException) -> click.ClickException:
    """Return an error that, where an option of `nlpkit` itself stands behind a command, says where it goes."""
    if isinstance(error, click.NoSuchOption) and error.option_name == "--plugin" and error.ctx:
        command = error.ctx.command_path.removeprefix("nlpkit ")
        advice = "--plugin goes before the command: nlpkit --plugin mine.py {command} ..."
        return click.UsageError(Sentence(advice, command=command), error.ctx)
    return error


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
    """Print doubt about data as one line on stderr, and other warnings as Python does."""
    if issubclass(category, DataWarning):
        warn(getattr(message, "sentence", str(message)))
    else:
        say(warnings.formatwarning(message, category, *where[:2]).rstrip())


def _open_nothing(mode: str) -> TextIO:
    """Return a stream in place of one that was closed before we were started."""
    return cast(TextIO, Path(os.devnull).open(mode, encoding="utf-8"))
