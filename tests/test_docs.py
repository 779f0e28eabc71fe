"""What the documents promise: their Python runs, every hook is described and shown, every link leads somewhere.

A block ``python name.py`` is a module: it is written to that file, from which the other blocks may import.
"""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nlpkit.model.bundle import save
from nlpkit.plugins import hookspecs
from nlpkit.testing import list_checks
from tests.tiny import model_files, sample

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
WITH_TORCH = re.compile(r"^```python torch\n(.*?)^```", re.MULTILINE | re.DOTALL)
MODULE = re.compile(r"^```(?:python|toml) (\w+\.(?:py|toml))\n(.*?)^```", re.MULTILINE | re.DOTALL)
WALK = re.compile(r"^```sh walk\n(.*?)^```", re.MULTILINE | re.DOTALL)  # run one after the other, in one folder
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)\s]*)?\)")
WITH_PYTHON = [path for path in DOCUMENTS if BLOCK.search(path.read_text(encoding="utf-8"))]
PLUGINS = ROOT / "docs" / "plugins.md"
MODULES = dict(MODULE.findall(PLUGINS.read_text(encoding="utf-8")))
KINDS = {
    "twos.py": "tokenizer",
    "nlpkit_runs.py": "tokenizer",
    "nlpkit_minimal.py": "encoder",
    "nlpkit_characters.py": "output",
    "nlpkit_hotels.py": "model",
    "nlpkit_quick.py": "recipe",
    "nlpkit_count.py": "command",
    "nlpkit_topics.py": "task",
}
NAMED = {"nlpkit_my_vectors.py": ("my-vectors", "nlpkit_my_vectors:my_vectors", "nlpkit.embeddings")}  # by no hook
KIT = """
import importlib, sys
from nlpkit.testing import Target, of_module, run, list_subjects
module, *point = sys.argv[1:]
target = Target.of("example", point) if point else of_module(importlib.import_module(module))
for result in run(list_subjects([target])):
    print(result.subject.kind, result.outcome)
    print(result.check.name, result.sentence, file=sys.stderr)
"""
WITH_A_WALK = [path for path in DOCUMENTS if WALK.search(path.read_text(encoding="utf-8"))]
LONG = ["training.md"]
WALKS = [pytest.param(path, id=path.name, marks=[pytest.mark.long] * (path.name in LONG)) for path in WITH_A_WALK]


def write_modules(text, folder):
    """Write each block that names a file into a folder; return what they are imported by."""
    found = MODULE.findall(text)
    for name, source in found:
        (folder / name).write_text(source, encoding="utf-8")
    return [Path(name).stem for name, _ in found if name.endswith(".py")]


@pytest.mark.parametrize("path", WITH_PYTHON, ids=lambda path: path.name)
def test_the_python_of_a_document_runs(path, tmp_path):
    text = path.read_text(encoding="utf-8")
    modules = write_modules(text, tmp_path)
    source = "\n".join([*(f"import {module}" for module in modules), *BLOCK.findall(text)])
    (tmp_path / "corpora").symlink_to(ROOT / "corpora")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr


def test_some_documents_hold_python():
    assert {"README.md", "library.md", "plugins.md"} <= {path.name for path in WITH_PYTHON}
    assert "training.md" in {path.name for path in WITH_A_WALK}


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.parametrize("path", [path for path in DOCUMENTS if WITH_TORCH.search(path.read_text(encoding="utf-8"))])
def test_the_python_that_needs_torch_runs(path, tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "corpora").symlink_to(ROOT / "corpora")
    for source in WITH_TORCH.findall(path.read_text(encoding="utf-8")):
        done = subprocess.run(
            [sys.executable, "-c", source], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.skipif(sys.platform == "win32", reason="the commands are written for a Unix shell")
@pytest.mark.parametrize("path", WALKS)
def test_a_walk_can_be_walked(path, tmp_path, nlpkit_command, clean_environment):
    pytest.importorskip("torch")
    text = path.read_text(encoding="utf-8")
    commands = "set -e\n" + "\n".join(WALK.findall(text))
    write_modules(text, tmp_path)
    (tmp_path / "corpora").symlink_to(ROOT / "corpora")
    found = f"{Path(nlpkit_command).parent}:{clean_environment['PATH']}"
    done = subprocess.run(
        ["sh", "-c", commands],
        cwd=tmp_path,
        env=clean_environment | {"PATH": found},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=600,  # a run that does not begin would be waited for without end
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def hooks():
    return [function for name, function in vars(hookspecs).items() if name.startswith("nlpkit_")]


def section(heading):
    """What stands below a heading of the page on plugins, up to the next."""
    below = PLUGINS.read_text(encoding="utf-8").split(f"\n### {heading}\n")[1:]
    return re.split(r"^##", below[0], maxsplit=1, flags=re.MULTILINE)[0] if below else ""


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: hook.__name__)
def test_a_hook_is_a_heading_of_the_documentation_with_an_example(hook):
    signature = inspect.getsource(hook).split("def ", 1)[1].split(":\n", 1)[0]
    examples = [source for _, source in MODULE.findall(section(signature))]
    assert any(f"\n@hookimpl\ndef {hook.__name__}(" in source for source in examples)


def test_every_check_of_the_conformance_kit_is_in_the_table():
    rows = re.findall(r"^\| ([\w -]+) \| ([\w ,]+) \| \S.* \|$", PLUGINS.read_text(encoding="utf-8"), re.MULTILINE)
    four = "tokenizer, embedding, encoder, output"
    told = {(name, kind) for name, kinds in rows for kind in kinds.replace("all four", four).split(", ")}
    assert {(check.name, check.kind) for check in list_checks()} == told - {("check", "of")}


def test_an_embedding_of_ones_own_fits_on_a_page():
    assert len([line for line in MODULES["nlpkit_my_vectors.py"].splitlines() if line.strip()]) <= 40


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.parametrize("name", [name for name, source in MODULES.items() if name in NAMED or "@hookimpl" in source])
def test_an_example_passes_the_conformance_kit(name, tmp_path):
    pytest.importorskip("torch")
    write_modules(PLUGINS.read_text(encoding="utf-8"), tmp_path)
    save(tmp_path / "model", model_files(samples=[sample("好货")]))  # that the example of a model carries
    command = [sys.executable, "-c", KIT, Path(name).stem, *NAMED.get(name, ())]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    checked = set(done.stdout.decode().split("\n"))
    assert {"plugin ok", f"{KINDS.get(name, 'embedding')} ok"} <= checked
    assert not any(line.endswith("failed") for line in checked), done.stderr.decode()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    targets = LINK.findall(path.read_text(encoding="utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []
