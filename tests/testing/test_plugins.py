"""What is wrong with a plugin as a whole, with its models and its commands."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import click
import pytest

from nlpkit import hookimpl
from nlpkit.errors import DataWarning, SettingError
from nlpkit.model.base import SavedModel
from nlpkit.model.bundle import save
from nlpkit.tasks.base import Task, Verb
from nlpkit.testing import FAILED, Target, find_targets, list_subjects, of_module, run
from tests.testing.trying import failures, module
from tests.tiny import model_files, sample


class Characters:
    def __init__(self):
        self.config, self.files = {}, {}

    def tokenize(self, text):
        return text.split()


def failing(*targets):
    return {(r.subject.kind, r.check.name): r.sentence for r in run(list_subjects(targets)) if r.outcome == FAILED}


def written(source, tmp_path, monkeypatch, name="tried_whole"):
    """A module on the path, whatever its import does."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    return Target.of(name, (name, name, "nlpkit"))


HOOK = """
from nlpkit import hookimpl

class Characters:
    def __init__(self):
        self.config, self.files = {}, {}
    def tokenize(self, text):
        return text.split()

@hookimpl
def nlpkit_register_tokenizers(register):
    register("tried", lambda: Characters())
"""


QUICK = '[network]\ntokenizer={name="char"}\nembedding={name="trainable"}\nencoder={name="none"}'


@pytest.mark.train
@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("sentiment.mine", QUICK, None),
        ("sentiments.mine", "", "there is no task 'sentiments'"),
        ("sentiment.lstm", "", "sentiment has a recipe 'lstm' of its own"),
        ("sentiment.mine", "[network]", "it cannot be trained: network lacks tokenizer"),
        ("sentiment.mine", "x", "it cannot be trained: the recipe"),
        ("sentiment.mine", None, "there is no file"),
    ],
)
def test_a_recipe(name, text, sentence, tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_text(text)
    tried = module("recipe", path, name)
    found = failing(of_module(tried))
    assert list(found) == ([("recipe", "reads")] if sentence else [])
    assert sentence is None or sentence in found["recipe", "reads"]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("import a_module_that_is_not_there", "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
        ("raise SystemExit('no')", "SystemExit: no"),
        (HOOK.replace("_tokenizers", "_tokenisers"), "nlpkit_register_tokenisers"),
        (HOOK.replace('"tried"', '"char"'), "'char' is already registered by nlpkit-zh"),
        ("", "implements no hook"),
    ],
)
def test_a_plugin_that_is_left_out(source, sentence, tmp_path, monkeypatch):
    target = written(source, tmp_path, monkeypatch)
    found = failing(target)
    assert list(found) == [("plugin", "loads")]
    assert sentence in found["plugin", "loads"]
    assert [s.kind for s in list_subjects([target])] == ["plugin"]


def test_a_module_that_does_not_exist():
    found = failing(Target.of("tried", ("tried", "a_module_that_is_not_there", "nlpkit")))
    assert "ModuleNotFoundError" in found["plugin", "loads"]


def test_a_command_that_is_taken():
    made = module("tokenizer", lambda: Characters())
    made.nlpkit_register_commands = hookimpl(lambda cli: cli.add_command(click.Command("models")))
    assert "'models' is already there" in failing(of_module(made))["plugin", "loads"]


@pytest.mark.parametrize(
    ("source", "heavy"),
    [
        (f"import numpy\n{HOOK}", "numpy"),
        (HOOK.replace("    register(", "    import numpy\n    register("), "numpy"),
        (f"{HOOK}\n@hookimpl\ndef nlpkit_register_commands(cli):\n    import onnxruntime", "numpy, onnxruntime"),
    ],
)
def test_what_is_imported_at_start(source, heavy, tmp_path, monkeypatch):
    found = failing(written(source, tmp_path, monkeypatch))
    assert list(found) == [("plugin", "start-up")]
    assert found["plugin", "start-up"].startswith(f"{heavy} imported when nlpkit starts")


@pytest.mark.slow
def test_torch_at_start(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    found = failing(written(f"import torch\n{HOOK}", tmp_path, monkeypatch))
    assert set(found) == {("plugin", "start-up"), ("tokenizer", "inference")}
    assert "torch" in found["plugin", "start-up"]


def test_what_is_printed_at_start_is_told(tmp_path, monkeypatch):
    with pytest.warns(DataWarning, match="the plugin tried_whole 0 printed 'hello', which is kept from the results"):
        found = failing(written(f"print('hello')\n{HOOK}", tmp_path, monkeypatch))
    sentence = "it printed 'hello' on stdout, where results go: print to sys.stderr, or log"
    assert found == {("plugin", "start-up"): sentence}


def models(**folders):
    made = ModuleType("tried_models")
    made.nlpkit_register_models = hookimpl(lambda register: [register(*item) for item in folders.items()])
    return of_module(made)


def test_a_model_opens_and_answers_as_before(tmp_path):
    answered = [sample("好货"), sample("差")]
    save(tmp_path / "whole", model_files(samples=answered))
    save(
        tmp_path / "other",
        model_files(samples=[answered[0] | {"probabilities": {"negative": 0.9, "positive": 0.1}}, answered[1]]),
    )
    assert failing(models(whole=tmp_path / "whole")) == {}
    assert "of its own samples 1" in failing(models(other=tmp_path / "other"))["model", "opens"]
    assert "BundleError" in failing(models(lost=tmp_path / "lost"))["model", "opens"]


def test_a_model_that_is_damaged(tmp_path):
    save(tmp_path / "mine", model_files())
    config = json.loads((tmp_path / "mine" / "config.json").read_text(encoding="utf-8"))
    Path(tmp_path / "mine" / "config.json").write_text(json.dumps(config | {"format": 99}), encoding="utf-8")
    assert "BundleError" in failing(models(mine=tmp_path / "mine"))["model", "opens"]


SPANS = Task(
    name="spans",
    about="Spans.",
    model="tests.testing.test_plugins:Spans",
    run="nlpkit.tasks.sentiment:SentimentRun",
    measure="tests.testing.test_plugins:Spans",
    verbs=(Verb(name="mark", method="check", form="tests.testing.test_plugins:Spans"),),
    use="nlpkit spans mark",
    recipes="nlpkit.tasks.sentiment:recipes",
)


class Spans(SavedModel):
    task = "spans"


def bare_run():
    """No class."""


@pytest.mark.train
@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({}, None),
        ({"run": "nowhere:Run"}, "it names 'nowhere:Run', which cannot be imported: ModuleNotFoundError"),
        ({"measure": "tests.testing.test_plugins:nothing"}, "which cannot be imported: AttributeError"),
        ({"model": "tests.testing.test_plugins:Characters"}, "expected a class, a nlpkit.model.base.SavedModel"),
        ({"verbs": (replace(SPANS.verbs[0], method="mark"),)}, "'mark' wants the method 'mark', which its model lacks"),
        ({"name": "marks"}, "its model is for spans: set task = 'marks'"),
        ({"run": "nlpkit.training:Run"}, "has no kinds of members"),
        ({"run": "tests.testing.test_plugins:bare_run"}, "expected a class, a nlpkit.training.run.Run"),
        ({"recipe": "nowhere"}, "its recipe 'nowhere' cannot be used: there is no recipe 'nowhere'"),
    ],
)
def test_a_task_names_what_is_there(changed, sentence):
    made = ModuleType("tried_tasks")
    made.nlpkit_register_tasks = hookimpl(lambda register: register(replace(SPANS, **changed)))
    found = failing(of_module(made))
    assert list(found) == ([("task", "resolves")] if sentence else [])
    assert not sentence or sentence in found["task", "resolves"]


def commanding(add):
    made = ModuleType("tried_commands")
    made.nlpkit_register_commands = hookimpl(lambda cli: add(cli))
    return of_module(made)


def test_a_command_without_an_example():
    def add(cli):
        @cli.group()
        def outer():
            """Things."""

        @outer.command()
        def silent():
            """Do things."""

        @outer.command()
        def shown():
            """Do things.

            nlpkit outer shown
            """

    found = [r for r in run(list_subjects([commanding(add)])) if r.outcome == FAILED]
    assert [str(r.subject) for r in found] == ["command outer silent"]
    assert "begins with 'nlpkit outer silent'" in found[0].sentence


def test_a_command_whose_help_fails():
    class Breaking(click.Command):
        def format_help(self, *_):
            raise RuntimeError("no help")

    found = failing(commanding(lambda cli: cli.add_command(Breaking("broken"))))
    assert "exits with 1 by RuntimeError: no help" in found["command", "help"]


def test_plugins_are_found_by_any_of_their_names():
    for name in ("nlpkit-zh", "nlpkit_zh", "NLPKIT.zh", "nlpkit.components.encoders", "trainable"):
        assert [target.name for target in find_targets(name)] == ["nlpkit-zh"]
    assert "nlpkit-zh" not in [target.name for target in find_targets()]


def test_a_name_that_nobody_has_says_the_nearest():
    with pytest.raises(SettingError, match="no installed plugin is called 'nlpkit-hz'; did you mean 'nlpkit-zh'"):
        find_targets("nlpkit-hz")


def test_options_of_a_component_that_nobody_has():
    with pytest.raises(SettingError, match="there is no component 'tride' to give options to; did you mean 'tried'"):
        list_subjects([of_module(module("tokenizer", lambda: Characters()))], {"tride": {}})


def test_two_plugins_are_tried_side_by_side(tmp_path, monkeypatch):
    first = written(HOOK, tmp_path, monkeypatch, "tried_first")
    second = written(HOOK.replace('"tried"', '"other"'), tmp_path, monkeypatch, "tried_second")
    found = list_subjects([first, second])
    assert [str(s) for s in found] == [
        "plugin tried_first",
        "tokenizer tried",
        "plugin tried_second",
        "tokenizer other",
    ]
    assert failures(found[1]) == {}
    taken = written(HOOK, tmp_path, monkeypatch, "tried_third")
    assert "already registered by tried_first" in failing(first, taken)["plugin", "loads"]
