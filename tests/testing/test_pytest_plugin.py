"""The pytest plugin, as an author uses it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = """
from nlpkit import hookimpl

class Characters:
    def __init__(self, size, empty):
        self.config, self.files = {"size": size, "empty": empty}, {}
    def tokenize(self, text):
        text = "".join(text.split())
        return [text[at : at + self.config["size"]] for at in range(len(text))] or self.config["empty"]

def pieces(*, size: int = 2, empty: list[str] | None = None):
    if size < 1:
        raise ValueError(f"size must be at least 1, was: {size}")
    return Characters(size, empty or [])

@hookimpl
def nlpkit_register_tokenizers(register):
    register("my-pieces", pieces)
"""
TEST = "def test_conformance(nlpkit_check):\n    nlpkit_check()\n"
OVERRIDDEN = """
import pytest

@pytest.fixture
def nlpkit_options():
    return {"my-pieces": {"empty": ["[empty]"]}}

"""
TABLE = """
from nlpkit import hookimpl
from tests.testing.sound import table

@hookimpl
def nlpkit_register_embeddings(register):
    register("my-vectors", table)
"""
STRICT = "[pytest]\nfilterwarnings = error\naddopts = --strict-markers --strict-config -p no:cacheprovider\n"


@pytest.fixture
def author(tmp_path):
    """Run pytest in a folder of an author's own, nlpkit's plugin loaded once, be it by its entry point or by name."""

    def run(*arguments, source=PLUGIN, test=TEST, ini="nlpkit_plugin = my_plugin\n", program=None):
        (tmp_path / "my_plugin.py").write_text(source)
        (tmp_path / "test_mine.py").write_text(test)
        (tmp_path / "pytest.ini").write_text(STRICT + ini)
        environment = os.environ | {
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        command = ["-c", program] if program else ["-m", "pytest"]
        return subprocess.run(
            [sys.executable, *command, "-p", "nlpkit.testing.plugin", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    return run


@pytest.mark.slow
def test_each_check_of_each_component_is_a_test(author):
    done = author("-v")
    assert done.returncode == 0, done.stdout
    for name in ("plugin my_plugin: loads", "tokenizer my-pieces: odd text", "tokenizer my-pieces: inference"):
        assert f"test_mine.py::test_conformance[{name}] PASSED" in done.stdout
    assert "[tokenizer my-pieces: batch] SKIPPED" in done.stdout


def test_one_check_can_be_chosen(author):
    assert "1 passed" in author("-k", "files").stdout


@pytest.mark.slow
def test_options_of_components_can_be_said(author):
    done = author(test=OVERRIDDEN + TEST)
    assert done.returncode == 1
    assert "tokenizer my-pieces: tokenize('') is ['[empty]'], where [] was expected" in done.stdout
    assert "1 failed" in done.stdout


def test_options_of_a_component_that_nobody_has(author):
    done = author("-k", "files", test=OVERRIDDEN.replace("my-pieces", "my-peices") + TEST)
    assert "there is no component 'my-peices' to give options to; did you mean 'my-pieces'" in done.stdout


def test_a_failure_is_a_sentence_without_a_traceback(author):
    done = author("-rN", source=PLUGIN.replace(' or self.config["empty"]', ' or [""]'))
    assert "where a list of strings was expected, none empty" in done.stdout
    assert "kit.py" not in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.slow
def test_what_the_plugin_raises_is_shown_where_it_is(author):
    done = author(source=PLUGIN.replace('"".join(text.split())', '"".join(text.split("")) '))
    assert "ValueError: empty separator" in done.stdout
    assert "my_plugin.py" in done.stdout


def test_a_plugin_that_does_not_load_is_one_failure(author):
    done = author(source="import a_module_that_is_not_there\n")
    assert "it is left out whole: ModuleNotFoundError" in done.stdout
    assert "1 failed, 1 skipped" in done.stdout


def test_without_its_name_it_says_what_to_write(author):
    done = author(ini="")
    assert done.returncode != 0
    assert 'add nlpkit_plugin = "its distribution\'s name"' in done.stdout + done.stderr


def test_a_name_that_is_not_installed_says_the_nearest(author):
    done = author(ini="nlpkit_plugin = nlpkit-hz\n")
    assert done.returncode != 0
    assert "did you mean 'nlpkit-zh'" in done.stdout + done.stderr
    assert "pip install -e ." in done.stdout + done.stderr


def test_it_does_nothing_unless_it_is_used(author):
    done = author("-q", test="def test_nothing():\n    pass\n", ini="", source="")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_it_is_light():
    program = (
        "import sys, pytest; before = set(sys.modules); import nlpkit.testing.plugin; print(set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True, cwd=ROOT)
    assert eval(done.stdout) == {"lazy_loader", "nlpkit", "nlpkit.version", "nlpkit.testing", "nlpkit.testing.plugin"}


def test_an_installed_plugin_is_found_by_its_distribution(author):
    done = author("--collect-only", "-q", ini="nlpkit_plugin = nlpkit-zh\n")
    assert "test_mine.py::test_conformance[encoder lstm: causal]" in done.stdout


@pytest.mark.slow
@pytest.mark.train
def test_an_embedding_is_tried_with_warnings_as_errors(author):
    pytest.importorskip("torch")
    done = author("-q", source=TABLE)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_without_torch_what_needs_it_is_skipped(author):
    program = "import sys; sys.modules['torch'] = None; import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    done = author("-rs", source=PLUGIN + TABLE, program=program)
    assert done.returncode == 0, done.stdout
    assert "pip install '.[train]' in a clone" in done.stdout
    assert "failed" not in done.stdout
