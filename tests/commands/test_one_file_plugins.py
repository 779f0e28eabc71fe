"""Plugins that are one file, from the shell."""

import json

import pytest

from nlpkit.model.bundle import save
from tests.commands.test_plugins import COMMAND, LETTERS, listed
from tests.tasks.sentiment.test_score import one_sentence
from tests.tiny import component, model_files, table_member


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "my_pairs.py"
    file.write_text(LETTERS + COMMAND, encoding="utf-8")
    return file


def test_a_file_is_a_plugin(run, path, tmp_path):
    assert run("--plugin", path, "hello").stdout == b"hello\n"
    assert run("--plugin", "my_pairs.py", "hello", cwd=tmp_path).stdout == b"hello\n"
    assert run("hello", environment={"NLPKIT_PLUGINS_DIR": str(tmp_path)}).stdout == b"hello\n"
    assert run("hello", environment={"NLPKIT_PLUGIN_FILES": str(path)}).stdout == b"hello\n"
    assert run("hello").returncode == 2
    assert "shows what my_pairs.py may add" in run("--plugin", path, "--help").stdout.decode()
    found, warnings = listed(run, {"NLPKIT_PLUGINS_DIR": str(tmp_path)})
    assert (found["my_pairs"]["distribution"], warnings) == ("my_pairs.py", "")
    assert found["my_pairs"]["registers"] == {"tokenizer": ["pairs"], "command": ["hello"]}


def test_several_files_are_given_one_by_one(run, path, tmp_path):
    (tmp_path / "other_words.py").write_text(LETTERS.replace('"pairs"', '"others"'), encoding="utf-8")
    done = run("--plugin", path, "--plugin", tmp_path / "other_words.py", "plugins", "list", "--format", "json")
    registered = {plugin["distribution"]: plugin["registers"] for plugin in json.loads(done.stdout)}
    assert registered["other_words.py"] == {"tokenizer": ["others"]}
    assert registered["my_pairs.py"]["tokenizer"] == ["pairs"]


@pytest.mark.usefixtures("path")
def test_a_broken_file_is_one_line_and_kept_apart(run, tmp_path):
    (tmp_path / "broken_one.py").write_text("import a_module_that_is_not_there\n")
    environment = {"NLPKIT_PLUGINS_DIR": str(tmp_path)}
    done = run("hello", environment=environment)
    assert done.stdout == b"hello\n"
    assert done.stderr.decode().startswith("Warning: the plugin broken_one.py ")
    assert done.stderr.count(b"\n") == 1
    told = one_sentence(run("models", "list", environment=environment | {"NLPKIT_STRICT_PLUGINS": "1"}), 1)
    assert "a_module_that_is_not_there" in told


def test_the_environment_leaves_files_out_as_others(run, path):
    done = run("--plugin", path, "plugins", "list", environment={"NLPKIT_DISABLE_PLUGINS": "my_pairs.py"})
    assert "left out by NLPKIT_DISABLE_PLUGINS" in done.stdout.decode()


def test_a_model_names_the_file_that_it_needs(run, path, tmp_path):
    tokenizer = component("pairs", distribution="my_pairs.py", version="86b6d1fe")
    member = table_member(words={"不好": -3.0, "很好": 3.0}, tokenizer=tokenizer)
    save(tmp_path / "m", model_files(member, characters="不很好"))
    score = ("sentiment", "score", "-t", "很好不好不好", "-m", tmp_path / "m")
    assert json.loads(run("--plugin", path, *score).stdout)["label"] == "negative"
    assert (
        "the model needs the tokenizer 'pairs' from my_pairs.py 86b6d1fe, which is not here: say --plugin my_pairs.py "
        "before the command, or put it where NLPKIT_PLUGINS_DIR says"
    ) in one_sentence(run(*score), 1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--plugin", "nowhere.py", "models", "list"], "nowhere.py: there is no such file"),
        (["--plugin", "notes.txt", "models", "list"], "expected a file in Python, such as mine.py"),
        (
            ["models", "list", "--plugin", "a.py"],
            "--plugin goes before the command: nlpkit --plugin mine.py models list",
        ),
        (["hello", "--plugin", "a.py"], "No such command 'hello'; --plugin goes before the command"),
    ],
)
def test_what_is_wrong_with_the_option_is_said(run, arguments, sentence):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert sentence in done.stderr.decode()


def test_a_file_is_checked_as_a_plugin(run, path):
    done = run("--plugin", path, "plugins", "check", "my_pairs.py", "--format", "json")
    outcomes = {(entry["kind"], entry["check"]): entry["outcome"] for entry in json.loads(done.stdout)}
    assert outcomes["plugin", "loads"] == outcomes["plugin", "start-up"] == outcomes["tokenizer", "inference"] == "ok"
