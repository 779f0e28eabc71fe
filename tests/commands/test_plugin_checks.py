"""``nlpkit plugins check``."""

import json

import pytest

from nlpkit.commands.plugin_checks import read_settings
from nlpkit.errors import SettingError
from tests.tasks.sentiment.test_score import one_sentence

PIECES = """
from nlpkit import hookimpl

class Pieces:
    def __init__(self, size, whole):
        self.config, self.files = {"size": size, "whole": whole}, {}
    def tokenize(self, text):
        print("cutting")
        size = self.config["size"]
        return [text[at : at + size] for at in range(0, len(text), size)]

def pieces(*, size: int = 2, whole: bool = False):
    if size < 1:
        raise ValueError(f"size must be at least 1, was: {size}")
    if not isinstance(whole, bool):
        raise ValueError(f"whole must be true or false, was: {whole!r}")
    return Pieces(size, whole)

@hookimpl
def nlpkit_register_tokenizers(register):
    register("pieces", pieces)

@hookimpl
def nlpkit_register_commands(cli):
    import click

    @cli.command()
    def cut():
        "Cut a text."
"""
SOUND = PIECES.replace('        print("cutting")\n', "").replace(
    '"Cut a text."', '"""Cut a text.\n\n        nlpkit cut\n        """'
)


@pytest.mark.parametrize("name", ["stranger", "Stranger", "stranger_plugin"])
def test_a_sound_plugin(run, stranger, name):
    done = run("plugins", "check", name, environment=stranger(SOUND))
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode()
    for text in ("plugin", "tokenizer", "command", "pieces", "odd text", "ok", "skipped"):
        assert text in shown
    assert "failed" not in shown


def test_a_broken_plugin_is_told_of_in_a_sentence(run, stranger):
    done = run("plugins", "check", "stranger", environment=stranger(PIECES))
    assert done.returncode == 1
    assert "failed" in done.stdout.decode()
    sentences = done.stderr.decode().splitlines()
    assert len(sentences) == 2
    assert sentences[0].startswith("tokenizer pieces: surroundings: it printed 'cutting")
    assert sentences[1].startswith("command cut: help: nlpkit cut --help shows no example")


def test_json_for_programs(run, stranger):
    done = run("plugins", "check", "stranger", "--format", "json", environment=stranger(PIECES))
    assert done.returncode == 1
    found = {(entry["kind"], entry["name"], entry["check"]): entry for entry in json.loads(done.stdout)}
    assert found["tokenizer", "pieces", "odd text"] == {
        "distribution": "stranger",
        "kind": "tokenizer",
        "name": "pieces",
        "check": "odd text",
        "outcome": "ok",
        "sentence": "",
    }
    assert found["command", "cut", "help"]["outcome"] == "failed"
    assert found["tokenizer", "pieces", "batch"]["outcome"] == "skipped"


def test_options_are_given_to_components(run, stranger):
    environment = stranger(SOUND)
    arguments = ("plugins", "check", "stranger", "--format", "json", "--set")
    done = run(*arguments, "pieces.size=0", environment=environment)
    assert done.returncode == 1
    made = [entry["sentence"] for entry in json.loads(done.stdout) if entry["outcome"] == "failed"]
    assert len(made) == 1
    assert "size must be at least 1, was: 0" in made[0]
    assert run(*arguments, "pieces.whole=true", environment=environment).returncode == 0
    sentence = one_sentence(run(*arguments, "pices.size=3", environment=environment), 2)
    assert "did you mean 'pieces'" in sentence


def test_without_a_name_strangers_are_tried(run, stranger):
    environment = stranger(PIECES) | {"NLPKIT_PLUGINS": "stranger"}  # others may be there, and take long
    done = run("plugins", "check", "--format", "json", environment=environment)
    assert {entry["distribution"] for entry in json.loads(done.stdout)} == {"stranger"}


def test_without_strangers_it_says_so(run):
    done = run("plugins", "check", environment={"NLPKIT_PLUGINS": "nlpkit-zh"})
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.startswith(b"no plugin is there but what comes with nlpkit")


def test_a_plugin_that_does_not_load(run, stranger):
    done = run("plugins", "check", "stranger", environment=stranger("import a_module_that_is_not_there\n"))
    assert done.returncode == 1
    assert "plugin stranger: loads: it is left out whole: ModuleNotFoundError" in done.stderr.decode()


def test_a_name_that_is_not_installed(run):
    sentence = one_sentence(run("plugins", "check", "nlpkit-hz"), 2)
    assert "no installed plugin is called 'nlpkit-hz'; did you mean 'nlpkit-zh'" in sentence


@pytest.mark.parametrize("assignment", ["size=3", "pieces.size", ".size=3", "pieces.=3"])
def test_an_assignment_of_another_form(assignment):
    with pytest.raises(SettingError, match=r"expected COMPONENT\.OPTION=VALUE"):
        read_settings([assignment])


def test_values_are_toml_or_text():
    found = read_settings(["a.size=3", "a.whole=true", "b.path=words.txt", "b.list=[1, 2]"])
    assert found == {"a": {"size": 3, "whole": True}, "b": {"path": "words.txt", "list": [1, 2]}}
