import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nlpkit.model.bundle import save
from tests.tasks.sentiment.test_score import one_sentence
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


PRINTED = "Warning: the plugin stranger 1.2 printed 'hello there', which is kept from the results\n"


def listed(run, environment):
    done = run("plugins", "list", "--format", "json", environment=environment)
    assert done.returncode == 0
    return {plugin["name"]: plugin for plugin in json.loads(done.stdout)}, done.stderr.decode()


def test_ours_are_listed(run):
    found, warnings = listed(run, {})
    assert {"char", "rjieba"} <= set(found["nlpkit-zh"]["registers"]["tokenizer"])
    assert (found["nlpkit-zh"]["distribution"], found["nlpkit-zh"]["error"], warnings) == ("nlpkit-zh", None, "")
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
    assert "char" in found["nlpkit-zh"]["registers"]["tokenizer"]
    for name in ("stranger 1.2", "'char'", "nlpkit-zh"):
        assert name in warnings


def test_a_misspelled_hook_is_named(run, stranger):
    _, warnings = listed(run, stranger(LETTERS.replace("_tokenizers", "_tokenisers")))
    assert "nlpkit_register_tokenisers" in warnings
    assert warnings.count("\n") == 1


def test_a_plugins_command_is_a_command(run, stranger):
    environment = stranger(COMMAND)
    assert run("hello", environment=environment).stdout == b"hello\n"
    done = run("hello", environment=environment | {"NLPKIT_PLUGINS": ""})
    assert done.returncode == 2
    assert "No such command 'hello'" in done.stderr.decode()


NAMED = """
import sys
print("imported", file=sys.stderr)
import click
from nlpkit.tasks.base import Task, Verb

class Pairs:
    config, files = {}, {}
    def tokenize(self, text):
        return [text[i : i + 2] for i in range(0, len(text), 2)]

def pairs():
    return Pairs()

@click.command()
def hello():
    "Say hello."
    click.echo("hello")

verbs = (Verb(name="greet", command="stranger_plugin:hello"),)
spans = Task(name="spans", about="Spans of texts.", model="m:M", run="r:R", measure="m:m", verbs=verbs, use="x")
"""
POINTS = {
    "nlpkit.tokenizers": {"pairs": "stranger_plugin:pairs"},
    "nlpkit.commands": {"hello": "stranger_plugin:hello"},
    "nlpkit.tasks": {"spans": "stranger_plugin:spans"},
}


def test_help_shows_strangers_names_and_imports_none(run, stranger):
    environment = stranger(NAMED, named=POINTS)
    stranger(NAMED, name="older")
    done = run("--help", environment=environment)
    shown = done.stdout.decode()
    assert done.stderr == b""
    for name in ("hello", "spans"):
        assert re.search(rf"^  {name} +from stranger 1\.2$", shown, re.MULTILINE)
    assert "Public corpora" in shown
    assert shown.rstrip().endswith("`nlpkit plugins list` shows what older may add.")


def test_a_strangers_name_is_imported_when_it_is_wanted(run, stranger, tiny_model):
    environment = stranger(NAMED, named=POINTS)
    assert run("sentiment", "score", "-t", "好", "-m", tiny_model, environment=environment).stderr == b""
    done = run("hello", environment=environment)
    assert (done.stdout, done.stderr) == (b"hello\n", b"imported\n")
    assert run("spans", "greet", environment=environment).stdout == b"hello\n"
    assert "Spans of texts." in run("spans", "--help", environment=environment).stdout.decode()
    found, warnings = listed(run, environment)
    assert found["stranger"]["registers"] == {"tokenizer": ["pairs"], "command": ["hello"], "task": ["spans"]}
    assert warnings == "imported\n"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (BROKEN, "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("hello = print", "the command 'hello' needs a click.Command, was: <built-in function print>"),
    ],
)
def test_a_name_that_does_not_work_is_one_sentence(run, stranger, source, sentence):
    environment = stranger(source, named={"nlpkit.commands": {"hello": "stranger_plugin:hello"}})
    told = one_sentence(run("hello", environment=environment), 1)
    assert told == f"Error: the command 'hello' of stranger 1.2 does not work: {sentence}\n"
    assert listed(run, environment)[1] == f"Warning: the plugin stranger 1.2 does not work: {sentence}\n"
    told = one_sentence(run("--help", environment=environment | {"NLPKIT_STRICT_PLUGINS": "1"}), 1)
    assert sentence in told


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
def test_a_plugin_that_exits_at_import_is_kept_apart(run, stranger, source):
    found, warnings = listed(run, stranger(source))
    assert found["nlpkit-zh"]["error"] is None
    assert warnings.startswith("Warning: the plugin stranger 1.2 does not work: SystemExit")
    assert warnings.count("\n") == 1


def test_what_a_plugin_prints_at_import_is_not_among_results(run, stranger):
    _, warnings = listed(run, stranger('print("hello there")\n' + LETTERS))
    assert warnings == PRINTED


def test_what_a_hook_prints_is_not_among_results(run, stranger):
    loud = LETTERS.replace('    register("pairs"', '    print("hello there")\n    register("pairs"')
    assert listed(run, stranger(loud))[1] == PRINTED


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


def needing(environment, requirement, name="stranger"):
    """Let a stranger's metadata say what it needs."""
    metadata = Path(environment["PYTHONPATH"]) / f"{name}-1.2.dist-info" / "METADATA"
    with metadata.open("a") as file:
        file.write(f"Requires-Dist: {requirement}\n")
    return environment


def test_a_plugin_that_needs_a_newer_nlpkit_is_not_even_imported(run, stranger, tiny_model):
    environment = needing(stranger("print('imported')\n" + LETTERS), "nlpkit-zh[train]>=99.1")
    found, warnings = listed(run, environment)
    assert found["stranger"]["registers"] == {}
    assert warnings == (
        "Warning: the plugin stranger 1.2 does not work: it needs nlpkit-zh>=99.1, and 0.1.0 is installed: "
        "pip install --upgrade nlpkit-zh stranger\n"
    )
    assert run("sentiment", "score", "-t", "好", "-m", tiny_model, environment=environment).returncode == 0


def test_a_plugin_that_goes_with_this_nlpkit_works(run, stranger):
    found, warnings = listed(run, needing(stranger(LETTERS), "nlpkit-zh>=0.1,<99"))
    assert (found["stranger"]["registers"], warnings) == ({"tokenizer": ["pairs"]}, "")


@pytest.mark.parametrize(
    "choice",
    [
        {"NLPKIT_DISABLE_PLUGINS": "Strange.R"},
        {"NLPKIT_DISABLE_PLUGINS": "point"},
        {"NLPKIT_PLUGINS": ""},
        {"NLPKIT_PLUGINS": "nlpkit-zh"},
    ],
)
def test_a_plugin_that_is_left_out_is_listed_as_such_and_explained(run, stranger, choice):
    (variable,) = choice
    environment = stranger(LETTERS, name="strange_r", point="raise RuntimeError") | choice
    found, warnings = listed(run, environment)
    points = ["point"] if choice[variable] == "point" else ["strange_r", "point"]
    assert [found[point]["left_out"] for point in points] == [variable] * len(points)
    assert found["point"]["error"] is None
    assert "point" not in warnings
    assert found["nlpkit-zh"]["registers"]
    assert f"left out by {variable}" in run("plugins", "list", environment=environment).stdout.decode()


@pytest.mark.train
@pytest.mark.parametrize("choice", [{"NLPKIT_DISABLE_PLUGINS": "strange-r"}, {"NLPKIT_PLUGINS": ""}])
def test_a_component_of_a_plugin_that_is_left_out_is_explained(run, stranger, choice):
    pytest.importorskip("torch")
    (variable,) = choice
    environment = stranger(LETTERS, name="strange_r", point="raise RuntimeError") | choice
    done = run("sentiment", "train", "x.csv", "-o", "m", "--tokenizer", "other", environment=environment)
    assert f"strange_r, which {variable} leaves out" in one_sentence(done, 2)


def test_a_model_whose_plugin_is_left_out_says_so(run, stranger, tmp_path):
    tokenizer = component("pairs", distribution="stranger", version="1.2")
    save(tmp_path / "m", model_files(table_member(words={"不好": -3.0, "很好": 3.0}, tokenizer=tokenizer)))
    environment = stranger(LETTERS) | {"NLPKIT_PLUGINS": ""}
    done = run("sentiment", "score", "-t", "好", "-m", tmp_path / "m", environment=environment)
    assert "from stranger 1.2, which NLPKIT_PLUGINS leaves out" in one_sentence(done, 1)


def test_only_the_plugins_that_are_named_are_there(run, stranger):
    stranger(LETTERS)
    environment = stranger("raise RuntimeError('never looked at')\n", name="broken") | {"NLPKIT_PLUGINS": "stranger"}
    found, warnings = listed(run, environment)
    assert found["stranger"]["registers"] == {"tokenizer": ["pairs"]}
    assert (found["broken"]["left_out"], found["broken"]["error"], warnings) == ("NLPKIT_PLUGINS", None, "")


def test_a_name_that_fits_no_plugin_is_one_line(run, stranger):
    _, warnings = listed(run, stranger(LETTERS) | {"NLPKIT_DISABLE_PLUGINS": "stranegr"})
    assert warnings.startswith("Warning: NLPKIT_DISABLE_PLUGINS names 'stranegr'")
    assert "did you mean 'stranger'" in warnings
    assert warnings.count("\n") == 1


@pytest.mark.parametrize(
    ("source", "more", "sentence"),
    [
        (BROKEN, {}, "the plugin stranger 1.2 does not work: ModuleNotFoundError"),
        (LETTERS.replace('"pairs"', '"char"'), {}, "the tokenizer 'char' is already registered by nlpkit-zh"),
        (LETTERS.replace("_tokenizers", "_tokenisers"), {}, "nlpkit_register_tokenisers"),
        (COMMAND.replace("def hello", "def models"), {}, "the command 'models' is already there"),
        (LETTERS, {"NLPKIT_PLUGINS": "stranger,strange"}, "names 'strange', which no plugin is called"),
    ],
)
def test_in_strict_mode_a_fault_is_an_error(run, stranger, tiny_model, source, more, sentence):
    environment = stranger(source) | more | {"NLPKIT_STRICT_PLUGINS": "1"}
    for arguments in (("plugins", "list"), ("--help",), ("sentiment", "score", "-t", "好", "-m", tiny_model)):
        told = one_sentence(run(*arguments, environment=environment), 1)
        assert sentence in told
        assert told.endswith("(NLPKIT_STRICT_PLUGINS makes an error of it)\n")
    assert run("plugins", "list", environment=environment | {"NLPKIT_STRICT_PLUGINS": "0"}).returncode == 0


def test_in_strict_mode_what_works_goes_on_working(run, stranger):
    environment = stranger(LETTERS) | {"NLPKIT_STRICT_PLUGINS": "1", "NLPKIT_DISABLE_PLUGINS": "nothing"}
    assert run("plugins", "list", environment=environment).returncode == 1
    environment["NLPKIT_DISABLE_PLUGINS"] = "stranger"
    assert listed(run, environment)[1] == ""


def test_strictness_holds_for_the_library_too(stranger, clean_environment):
    environment = clean_environment | stranger(BROKEN) | {"NLPKIT_STRICT_PLUGINS": "1"}
    program = "import nlpkit\ntry: nlpkit.load('reviews')\nexcept nlpkit.PluginError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert done.stdout.startswith(b"the plugin stranger 1.2 does not work: ModuleNotFoundError")


def test_one_entry_point_name_in_two_distributions(run, stranger):
    stranger(LETTERS, name="first", plugin=LETTERS.replace('"pairs"', '"twos"'))
    environment = stranger(LETTERS.replace('"pairs"', '"threes"'), name="second", plugin2="")
    point = Path(environment["PYTHONPATH"]) / "second-1.2.dist-info" / "entry_points.txt"
    point.write_text("[nlpkit]\nplugin = second_plugin\n")
    done = run("plugins", "list", "--format", "json", environment=environment)
    found = {(p["distribution"], p["name"]): p["registers"] for p in json.loads(done.stdout)}
    assert found["first", "plugin"] == {"tokenizer": ["twos"]}
    assert found["second", "plugin"] == {"tokenizer": ["threes"]}
    assert done.stderr == b""


def test_a_copy_of_our_entry_point_takes_nothing_from_us(run, stranger):
    environment = stranger(LETTERS, name="a-copy")
    point = Path(environment["PYTHONPATH"]) / "a-copy-1.2.dist-info" / "entry_points.txt"
    point.write_text("[nlpkit.tokenizers]\nchar = nlpkit.components.tokenizers:char\n")
    done = run("plugins", "list", "--format", "json", environment=environment)
    found = {p["distribution"]: p for p in json.loads(done.stdout)}
    assert "char" in found["nlpkit-zh"]["registers"]["tokenizer"]
    assert (found["a-copy"]["registers"], found["a-copy"]["error"] is None) == ({}, False)


def test_a_torn_installation_hides_no_other(run, stranger):
    environment = stranger(LETTERS)
    site = Path(environment["PYTHONPATH"])
    (site / "stranger-1.2.dist-info" / "METADATA").unlink()
    stranger(LETTERS.replace('"pairs"', '"twos"'), name="whole")
    found, warnings = listed(run, environment)
    assert found["whole"]["registers"] == {"tokenizer": ["twos"]}
    assert (found["stranger"]["distribution"], warnings) == ("unknown", "")


def test_an_entry_point_that_names_no_module_is_told(run, stranger):
    environment = stranger(LETTERS)
    point = Path(environment["PYTHONPATH"]) / "stranger-1.2.dist-info" / "entry_points.txt"
    point.write_text("[nlpkit]\nstranger = my-plugin\n")
    assert "its entry point names 'my-plugin': expected a module" in listed(run, environment)[1]


HEAVY = ("gensim", "transformers", "tokenizers", "torch", "numpy", "scipy", "onnx", "onnxruntime", "safetensors")
LIGHT = """
import sys
sys.argv = ["nlpkit", *sys.argv[1:]]
from nlpkit.commands.main import main
try:
    main()
except SystemExit as stop:
    assert stop.code in (0, None), stop.code
"""


@pytest.mark.parametrize("arguments", [["--help"], ["plugins", "list"], ["plugins", "list", "--format", "json"]])
def test_with_all_plugins_nothing_heavy_is_imported(clean_environment, arguments):
    report = f"\nprint('imported', [name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", LIGHT + report, *arguments], env=clean_environment, capture_output=True, check=True
    )
    assert done.stderr.decode().splitlines()[-1] == "imported []"


def test_a_plugins_bounds_cost_no_start(stranger, clean_environment):
    environment = clean_environment | needing(stranger(LETTERS), "nlpkit-zh[train]<9,>=0.1")
    report = "\nassert 'packaging' not in sys.modules and 'nlpkit.testing' not in sys.modules"
    subprocess.run([sys.executable, "-c", LIGHT + report, "--help"], env=environment, check=True)
