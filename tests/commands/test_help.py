import os

import click
import pytest

from nlpkit import __version__
from nlpkit.commands.groups import WholeGroup
from nlpkit.commands.main import cli


def commands(group, path=()):
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            yield (*path, name), command
            if isinstance(command, click.Group):
                yield from commands(command, (*path, name))


ALL = dict(commands(cli))
LEAVES = [path for path, command in ALL.items() if not isinstance(command, click.Group)]


def test_what_is_promised_is_there():
    assert {
        ("sentiment", "score"),
        ("sentiment", "train"),
        ("sentiment", "evaluate"),
        ("models", "list"),
        ("models", "show"),
        ("models", "check"),
        ("plugins", "list"),
    } <= set(LEAVES)


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_shows_an_example_of_itself(path):
    with click.Context(ALL[path], info_name="nlpkit") as context:
        text = ALL[path].get_help(context)
    examples = [line for line in text.splitlines() if line.strip().startswith(f"nlpkit {' '.join(path)}")]
    assert examples
    assert "Traceback" not in text


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_and_option_says_what_it_does(path):
    command = ALL[path]
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help or option.name in ("kind",), option.name


@pytest.mark.parametrize("arguments", [["--help"], ["sentiment", "-h"], ["sentiment", "train", "--help"]])
def test_help_is_on_stdout(run, arguments):
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"Usage: nlpkit")


def test_the_version(run):
    assert run("--version").stdout.decode().strip() == f"nlpkit, version {__version__}"


@pytest.mark.skipif(os.name == "nt", reason="POSIX locales")
def test_a_console_without_chinese_is_no_error(run, tiny_model):
    environment = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = run("sentiment", "score", "-t", "好", "-m", tiny_model, "-f", "table", environment=environment)
    assert (done.returncode, done.stderr) == (0, b"")


GROUPS = {(): cli} | {path: command for path, command in ALL.items() if isinstance(command, click.Group)}
OF_NLPKIT = {path: group for path, group in GROUPS.items() if not path or path[0] not in ("diagnose", "vectors")}


@pytest.mark.parametrize("width", [80, 50])
@pytest.mark.parametrize("path", OF_NLPKIT, ids=" ".join)
def test_what_a_group_says_of_a_command_is_never_cut(path, width):
    group = OF_NLPKIT[path]
    with click.Context(group, info_name="nlpkit", terminal_width=width) as context:
        lines = group.get_help(context).split("Commands:\n")[1].splitlines()
        names = group.list_commands(context)
    assert not [line for line in lines if line.endswith(("...", "…"))]
    assert max(map(len, lines)) <= width
    if width == 80:
        rows = [line for line in lines if line.startswith("  ")]
        assert [line.split()[0] for line in rows] == names  # a line a command


def test_a_strangers_long_sentence_goes_on_below():
    sentence = f"{'Long words ' * 12}end."
    group = WholeGroup("g", commands=[click.Command("first", help=sentence)])
    with click.Context(group, terminal_width=80) as context:
        assert " ".join(group.get_help(context).split()).endswith(sentence)
