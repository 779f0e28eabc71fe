"""No control character and no direction override of a file, a model or a plugin reaches a terminal."""

import io
import json
import os
import re
import sys

import pytest

from nlpkit.commands.consoles import HarmlessConsole
from nlpkit.commands.screen import Screen, escape_json, make_harmless, to_one_line, to_sentence
from nlpkit.model.bundle import save
from tests.tasks.generate import tiny as tiny_generation
from tests.terminals import on_a_terminal
from tests.tiny import WORDS, model_files, table_member

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals, and such names of files")
EVIL = "\x1b]0;pwned\x07\x1b[31m\x9b2J\x7f\u202eolleh\u2066\u200f\u061c\x00"  # a title, colours, a line erased
NAME = EVIL.replace("\x00", "")  # no argument and no file can hold that
ALONE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\r(?!\n)")


def alone(output: bytes, *, drawn: bool = False) -> list[str]:
    """What in the output could steer a terminal, where something is drawn but for what bars and tables are drawn by."""
    text = output.decode("utf-8", "surrogateescape")
    if drawn:
        text = re.sub(r"\r?\x1b\[(?!31m)[0-9;?]*[A-Za-z]", "", text)
    return ALONE.findall(text)


@pytest.mark.parametrize(
    "character", [*EVIL[:1], "\x07", "\x7f", "\x9b", "\u202e", "\u2066", "\u200f", "\u061c", "\u2028", "\U000e0041"]
)
def test_what_steers_a_terminal_is_shown_as_a_mark(character):
    assert make_harmless(f"好{character}\t的\r\n") == "好�\t的\r\n"
    assert escape_json(json.dumps(character, ensure_ascii=False).encode()) == json.dumps(character).replace(
        '"\x7f"', '"\\u007f"'
    )
    assert len(to_one_line(f"好{character}的").split("\n")) == len(to_sentence(f"好{character}的").split("\n")) == 1


@pytest.mark.parametrize("text", ["好的", "naïve", "a\tb\nc\r\nd", "👨‍👩‍👧", "❤️", "क्‍ष", "　"])
def test_what_does_not_stays(text):
    assert make_harmless(text) == text
    assert to_sentence(text.replace("\n", "").replace("\r", "")) == text.replace("\n", "").replace("\r", "")


def test_a_lone_return_would_write_over_what_stands_there():
    assert make_harmless("safe\revil\r\n") == "safe�evil\r\n"


def test_a_screen_lets_only_drawing_through():
    below = io.BytesIO()
    screen = Screen(io.TextIOWrapper(below, "utf-8", write_through=True))
    assert screen.write(EVIL) == len(EVIL)
    screen.buffer.write("好".encode()[:1])
    screen.buffer.write("好".encode()[1:] + EVIL.encode())
    screen.writelines([EVIL])
    print(EVIL, file=screen)
    screen.flush()
    assert alone(below.getvalue()) == []
    assert "好" in below.getvalue().decode()
    screen.styled.write("\x1b[1m")
    screen.raw.write(b"\x1b[2m")
    assert below.getvalue().endswith(b"\x1b[1m\x1b[2m")


def test_a_console_draws_nothing_that_it_is_given():
    from rich.table import Table
    from rich.text import Text

    out = io.StringIO()
    console = HarmlessConsole(file=out, force_terminal=True, width=60, markup=False, highlight=False, emoji=False)
    table = Table(EVIL)
    table.add_row(f"好{EVIL}的")
    for what in (EVIL, Text(EVIL, style="bold"), table, ":star: [red]"):
        console.print(what)
    assert alone(out.getvalue().encode(), drawn=True) == []
    assert all(word in out.getvalue() for word in ("好", "的", "olleh", ":star: [red]"))
    lines = [line for line in out.getvalue().splitlines() if "│" in line]
    assert lines
    assert (
        len(
            set(
                map(
                    len,
                    (re.sub(r"\x1b\[[0-9;]*m", "", line).replace("好", "好 ").replace("的", "的 ") for line in lines),
                )
            )
        )
        == 1
    )


@pytest.fixture(scope="module")
def evil(tmp_path_factory):
    """A folder of files that all hold what should not come out."""
    folder = tmp_path_factory.mktemp("evil")
    words = {**WORDS, EVIL[0]: 0.5}
    files = model_files(table_member(words=words), labels=[f"bad{EVIL}", f"good{EVIL}"], note=EVIL, aliases={})
    config = json.loads(files["config.json"])
    files["config.json"] = json.dumps(config, ensure_ascii=False).encode()
    save(folder / "model", files | {"README.md": f"# {EVIL}\n".encode()})
    damaged = {
        **config,
        "members": [
            {**config["members"][0], "tokenizer": {"name": EVIL, "distribution": EVIL, "version": EVIL, "config": {}}}
        ],
    }
    save(folder / "strange", files | {"config.json": json.dumps(damaged).encode()})
    save(folder / "odd", files | {"config.json": json.dumps({**config, "task": EVIL}).encode()})
    (folder / "header.csv").write_bytes(f"{EVIL},备注\n1,好\n".encode())
    (folder / "cells.csv").write_bytes(f'text,备注\n好{EVIL}\rx,"{EVIL}"\n'.encode())
    (folder / "cells.tsv").write_bytes(f"text\t备注\n好{EVIL}\t{EVIL}\n".encode())
    (folder / "lines.txt").write_bytes(f"好{EVIL}的\n".encode())
    (folder / "labelled.csv").write_bytes(f"text,label,by\n好,bad{EVIL},{EVIL}\n差,good{EVIL},x\n".encode())
    (folder / "other.csv").write_bytes(f"text,label\n好,{EVIL}\n差,x\n".encode())
    entry = dict.fromkeys(("title", "licence", "homepage", "citation", "note"), EVIL)
    lines = [f"{name} = {json.dumps(value).replace(chr(127), chr(92) + 'u007f')}" for name, value in entry.items()]
    (folder / "entry.toml").write_text(
        "\n".join([*lines, "[[files]]", 'url = "http://far.invalid/x.csv"']) + "\n", encoding="utf-8"
    )
    (folder / f"{NAME}.csv").write_bytes(b"text\n")
    (folder / "chars").mkdir()
    tiny_generation.write(folder / "chars", texts=tuple(f"好{c}的" for c in EVIL) * 3)
    return folder


SCORE = ("sentiment", "score")
MODEL = ("--model", "{model}")
CASES = {
    "a header in an error": (*SCORE, "{header.csv}", "--column", "nothere"),
    "a header, of which there is no column": (*SCORE, "{header.csv}"),
    "a header as CSV": (*SCORE, "{header.csv}", "-c", "备注"),
    "an argument": (*SCORE, f"--{NAME}"),
    "an argument that is a value": (*SCORE, "-f", NAME),
    "a command": (NAME,),
    "a name of a file": (*SCORE, f"{NAME}.txt"),
    "a name of a file that is there": (*SCORE, "{name}", "-m", "nowhere"),
    "a name of a model": (*SCORE, "-t", "好", "-m", NAME),
    "a text and labels in a table": (*SCORE, "-t", f"好{NAME}", *MODEL),
    "a text and labels in JSON": (*SCORE, "-t", f"好{NAME}", *MODEL, "-f", "jsonl"),
    "cells and labels as CSV": (*SCORE, "{cells.csv}", *MODEL),
    "cells and labels as TSV": (*SCORE, "{cells.tsv}", *MODEL, "-f", "tsv"),
    "rows in a table": (*SCORE, "{lines.txt}", *MODEL, "-f", "table"),
    "rows to /dev/stdout": (*SCORE, "{lines.txt}", *MODEL, "-f", "jsonl", "-o", "/dev/stdout"),
    "rows to the terminal's name": (*SCORE, "{lines.txt}", *MODEL, "-f", "jsonl", "-o", "/dev/stderr"),
    "a confusion": ("sentiment", "evaluate", "{labelled.csv}", *MODEL, "--by", "by"),
    "figures as JSON": ("sentiment", "evaluate", "{labelled.csv}", *MODEL, "--by", "by", "-f", "json"),
    "a label that is unknown": ("sentiment", "evaluate", "{other.csv}", *MODEL),
    "a card": ("models", "show", "{model}"),
    "a config.json": ("models", "show", "{model}", "-f", "json"),
    "a check": ("models", "check", "{model}"),
    "a component that nobody has": ("models", "check", "{strange}"),
    "a task that nobody has": (*SCORE, "-t", "好", "-m", "{odd}"),
    "an entry of the catalogue": ("corpus", "show", "{entry.toml}"),
    "an entry as JSON": ("corpus", "show", "{entry.toml}", "-f", "json"),
    "a text that is written": ("generate", "text", f"好{NAME}", "-m", "{chars}", "--through", "--seed", "1"),
    "several that are": ("generate", "text", f"好{NAME}", "-n", "3", "-m", "{chars}", "--through", "--seed", "1"),
    "those as JSON": ("generate", "text", "-n", "3", "-m", "{chars}", "--through", "--seed", "1", "-f", "jsonl"),
    "a blank that is none": ("cloze", "fill", f"好{NAME}"),
}


def filled(case, evil):
    paths = {**{f"{{{path.name}}}": path for path in evil.iterdir()}, "{name}": evil / f"{NAME}.csv"}
    return [paths.get(word, word) for word in CASES[case]]


@pytest.mark.parametrize("case", CASES)
def test_nothing_of_it_reaches_a_terminal(nlpkit_command, clean_environment, evil, case):
    environment = clean_environment | {"NO_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "100"}
    code, output = on_a_terminal([nlpkit_command, *filled(case, evil)], environment)
    assert alone(output, drawn=True) == []
    assert (code, output) != (0, b"")
    assert b"Traceback" not in output


@pytest.mark.parametrize(
    "case", ["a header in an error", "an argument that is a value", "a name of a model", "a check"]
)
def test_what_is_wrong_is_said_without_it_anywhere(run, evil, case):
    done = run(*filled(case, evil))
    assert alone(done.stderr) == []
    assert done.stderr or case == "a check"


@pytest.mark.parametrize(
    "case", ["a card", "a config.json", "an entry of the catalogue", "an entry as JSON", "a confusion"]
)
def test_what_is_for_eyes_goes_without_it_anywhere(run, evil, case):
    done = run(*filled(case, evil))
    assert alone(done.stdout) == []
    if case == "a config.json":
        assert json.loads(done.stdout)["note"] == EVIL
    if case == "an entry as JSON":
        assert json.loads(done.stdout)["title"] == EVIL


def test_results_in_a_file_or_a_pipe_are_what_they_are(run, evil, tmp_path):
    done = run(*SCORE, evil / "lines.txt", "-m", evil / "model", "-f", "jsonl")
    assert json.loads(done.stdout)["text"] == f"好{EVIL}的"
    run(*SCORE, evil / "lines.txt", "-m", evil / "model", "-o", tmp_path / "out.csv")
    assert EVIL.encode() in (tmp_path / "out.csv").read_bytes()


PLUGIN = """
import warnings
import click
from nlpkit.plugins.hookspecs import hookimpl

EVIL = {evil!r}
print(EVIL)
warnings.warn(EVIL)

@hookimpl
def nlpkit_register_commands(cli):
    @cli.command("evil")
    @click.argument("how")
    def command(how):
        if how == "print":
            print(EVIL)
            click.echo(EVIL)
            click.echo(EVIL.encode())
            click.secho(EVIL, fg="red", err=True)
        elif how == "raise":
            raise OSError(2, EVIL, EVIL)
        else:
            raise click.UsageError(EVIL)
"""


@pytest.mark.parametrize("how", ["print", "raise", "refuse"])
def test_a_plugin_prints_nothing_of_it(stranger, clean_environment, how):
    environment = clean_environment | stranger(PLUGIN.format(evil=EVIL)) | {"NO_COLOR": "1"}
    code, output = on_a_terminal([sys.executable, "-m", "nlpkit", "evil", how], environment)
    assert alone(output, drawn=True) == []
    assert code == {"print": 0, "raise": 1, "refuse": 2}[how]
    assert b"olleh" in output


@pytest.mark.parametrize("source", ["raise RuntimeError({evil!r})", "x = {evil!r}"])
def test_a_plugin_that_is_of_no_use_is_told_without_it(stranger, clean_environment, source):
    environment = clean_environment | stranger(source.format(evil=EVIL), version="1") | {"NO_COLOR": "1"}
    _, output = on_a_terminal([sys.executable, "-m", "nlpkit", "plugins", "list"], environment)
    assert alone(output, drawn=True) == []
    assert b"stranger" in output
