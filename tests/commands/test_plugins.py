import json

import pytest

from nlpkit.bundle import save
from tests.commands.test_score import one_sentence
from tests.tiny import component, model_files, table_member

LETTERS = """
from nlpkit import hookimpl

class Pairs:
    config, files = {}, {}
    def tokenize(self, text):
        return [text[i : i + 2] for i in range(0, len(text), 2)]

@hookimpl
def nlpkit_register_tokenizers(register):
    register("pairs", lambda: Pairs())
"""
BROKEN = "import a_module_that_is_not_there\n"
COMMAND = """
import click
from nlpkit import hookimpl

@hookimpl
def nlpkit_register_commands(cli):
    @cli.command()
    def hello():
        "Say hello."
        click.echo("hello")
"""
MODEL = """
from pathlib import Path
from nlpkit import hookimpl

@hookimpl
def nlpkit_register_models(register):
    register("lost", Path(__file__).parent / "not-there")
"""


def listed(run, environment):
    done = run("plugins", "list", "--format", "json", environment=environment)
    assert done.returncode == 0
    return {plugin["name"]: plugin for plugin in json.loads(done.stdout)}, done.stderr.decode()


def test_ours_are_listed(run):
    found, warnings = listed(run, {})
    assert {"char", "rjieba"} <= set(found["builtin"]["registers"]["tokenizer"])
    assert (found["builtin"]["distribution"], found["builtin"]["error"], warnings) == ("nlpkit-zh", None, "")
    assert "rjieba" in run("plugins", "list").stdout.decode()


def test_a_strangers_tokenizer_works_through_the_shell(run, stranger, tmp_path):
    environment = stranger(LETTERS)
    found, warnings = listed(run, environment)
    assert found["stranger"]["registers"] == {"tokenizer": ["pairs"]}
    assert (found["stranger"]["version"], warnings) == ("1.2", "")
    tokenizer = component("pairs", distribution="stranger", version="1.2")
    save(
        tmp_path / "m",
        model_files(table_member(words={"不好": -3.0, "很好": 3.0}, tokenizer=tokenizer), characters="不很好"),
    )
    arguments = ("sentiment", "score", "-t", "很好不好不好", "-m", tmp_path / "m")
    done = run(*arguments, environment=environment)
    assert json.loads(done.stdout)["label"] == "negative"
    assert done.stderr == b""
    sentence = one_sentence(run(*arguments), 1)
    assert "tokenizer 'pairs' from stranger 1.2" in sentence


def test_a_plugin_that_fails_to_import_is_named_and_kept_apart(run, stranger, tiny_model):
    environment = stranger(BROKEN)
    found, warnings = listed(run, environment)
    assert "a_module_that_is_not_there" in found["stranger"]["error"]
    assert warnings.startswith("Warning: the plugin stranger 1.2 does not work: ModuleNotFoundError")
    assert warnings.count("\n") == 1
    done = run("sentiment", "score", "-t", "好", "-m", tiny_model, environment=environment)
    assert done.returncode == 0
    assert json.loads(done.stdout)["label"] == "positive"


def test_a_taken_name_names_both(run, stranger):
    found, warnings = listed(run, stranger(LETTERS.replace('"pairs"', '"char"')))
    assert found["stranger"]["registers"] == {}
    assert "char" in found["builtin"]["registers"]["tokenizer"]
    for name in ("stranger 1.2", "'char'", "nlpkit-zh"):
        assert name in warnings


def test_a_misspelled_hook_is_named(run, stranger):
    _, warnings = listed(run, stranger(LETTERS.replace("_tokenizers", "_tokenisers")))
    assert "nlpkit_register_tokenisers" in warnings
    assert warnings.count("\n") == 1


def test_a_plugins_command_is_a_command(run, stranger):
    environment = stranger(COMMAND)
    assert run("hello", environment=environment).stdout == b"hello\n"
    assert "Say hello." in run("--help", environment=environment).stdout.decode()


def test_two_plugins_of_one_distribution_are_listed_apart(run, stranger):
    found, _ = listed(run, stranger(LETTERS, other=LETTERS.replace('"pairs"', '"twos"')))
    assert found["stranger"]["registers"] == {"tokenizer": ["pairs"]}
    assert found["other"]["registers"] == {"tokenizer": ["twos"]}


def test_a_lost_model_of_a_plugin_hides_no_other(run, stranger):
    environment = stranger(MODEL)
    done = run("models", "list", environment=environment)
    assert done.returncode == 0
    assert "reviews" in done.stdout.decode()


@pytest.mark.parametrize("source", ["raise SystemExit(3)\n", "import sys\nsys.exit('not here')\n"])
def test_a_plugin_that_exits_at_import_is_kept_apart(run, stranger, tiny_model, source):
    done = run("sentiment", "score", "-t", "好", "-m", tiny_model, environment=stranger(source))
    assert done.returncode == 0
    assert json.loads(done.stdout)["label"] == "positive"
    assert done.stderr.startswith(b"Warning: the plugin stranger 1.2 does not work: SystemExit")
    assert done.stderr.count(b"\n") == 1


def test_what_a_plugin_prints_at_import_is_not_among_results(run, stranger, tiny_model):
    done = run(
        "sentiment", "score", "-t", "好", "-m", tiny_model, environment=stranger('print("hello there")\n' + LETTERS)
    )
    assert json.loads(done.stdout)["label"] == "positive"
    assert done.stderr == b"hello there\n"


def test_what_a_hook_prints_is_not_among_results(run, stranger, tiny_model):
    loud = LETTERS.replace('    register("pairs"', '    print("hello there")\n    register("pairs"')
    done = run("sentiment", "score", "-t", "好", "-m", tiny_model, environment=stranger(loud))
    assert json.loads(done.stdout)["label"] == "positive"


def test_a_taken_command_leaves_its_plugin_out_whole(run, stranger, tiny_model):
    source = LETTERS + COMMAND.replace("def hello", "def models")
    environment = stranger(source)
    found, warnings = listed(run, environment)
    assert found["stranger"]["registers"] == {}
    assert found["stranger"]["error"] == "the command 'models' is already there"
    assert warnings.count("\n") == 1
    assert run("models", "check", tiny_model, environment=environment).stdout.decode() == f"{tiny_model}: ok\n"


def test_markup_in_a_fault_is_printed_as_it_is(run, stranger):
    done = run("plugins", "list", environment=stranger("raise RuntimeError('[/x] [bold]')\n"))
    assert done.returncode == 0
    assert "RuntimeError: [/x] [bold]" in done.stdout.decode()
