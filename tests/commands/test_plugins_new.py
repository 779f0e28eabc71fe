import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from nlpkit.commands.plugin_templates import KINDS, draft, write
from nlpkit.errors import SettingError
from tests.commands.distributions import install
from tests.tasks.sentiment.test_score import one_sentence
from tests.tasks.sentiment.test_train import write_goods

ROOT = Path(__file__).parents[2]
OPTIONS = {"output": "coding"}  # what `train` calls a kind, where it is not its name
COMMON = {
    ".github/workflows/ci.yml",
    ".gitignore",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "tests/test_conformance.py",
}
OWN = {
    "command": {"nlpkit_my_own.py", "tests/test_command.py"},
    "task": {
        *(f"nlpkit_my_own/{name}" for name in ("__init__.py", "model.py", "recipes/network.toml", "training.py")),
        "tests/test_task.py",
    },
    "model": {"nlpkit_my_own/__init__.py", "tests/test_model.py"},
}
USES = {
    "command": r"nlpkit my-own reviews\.txt",
    "task": r"nlpkit my-own train rows\.jsonl -o mine",
    "model": r"nlpkit sentiment score FILE --model my-own",
}
COMPONENTS = [kind for kind in KINDS if kind not in OWN]
TASK_LIMIT = 150  # lines of a whole task
LIMIT = 40  # lines that an author reads before she writes her own


def lines_of(path):
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_with_one_module_is_written_and_it_is_said_what_to_do(run, tmp_path, kind):
    done = run("plugins", "new", kind, "my-own", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    folder = tmp_path / "nlpkit-zh-my-own"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found - {path for path in found if "/model/" in path} == COMMON | OWN.get(kind, {"nlpkit_my_own.py"})
    assert list(tmp_path.iterdir()) == [folder]
    written, next_steps = done.stdout.decode().split("Next:\n\n")
    assert (tmp_path / re.search(r"What it does is in (\S+)\.", written)[1]).exists()
    install_it, test_it, use_it = next_steps.splitlines()
    assert (install_it, test_it) == ("pip install -e './nlpkit-zh-my-own[test]'", "pytest nlpkit-zh-my-own")
    assert re.fullmatch(
        USES.get(kind, rf"nlpkit (sentiment|cloze) train \S+ -o mine --{OPTIONS.get(kind, kind)} my-own"), use_it
    )
    for path in found - {path for path in found if "/model/" in path}:
        assert "$" not in (folder / path).read_text(encoding="utf-8").replace("${{ matrix.python }}", "")


@pytest.mark.parametrize("kind", KINDS)
def test_it_can_be_published(tmp_path, kind):
    """As it stands: a licence, and a workflow that tests on three Pythons and publishes without a password."""
    write(draft(kind, "my-own"), tmp_path / "p")
    assert re.search(
        r"Copyright \(c\) 20\d\d The authors of nlpkit-zh-my-own\n", (tmp_path / "p" / "LICENSE").read_text()
    )
    assert "__pycache__/" in (tmp_path / "p" / ".gitignore").read_text().splitlines()
    workflow = (tmp_path / "p" / ".github" / "workflows" / "ci.yml").read_text()
    for part in (
        'python: ["3.11", "3.12", "3.13"]',
        "${{ matrix.python }}",
        "id-token: write",
        "gh-action-pypi-publish",
    ):
        assert part in workflow
    assert "password" not in workflow.split("name: ci")[1]
    project = tomllib.loads((tmp_path / "p" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (project["license"], project["license-files"]) == ("MIT", ["LICENSE"])
    assert list(project["entry-points"]) == [f"nlpkit.{kind}s"]


def test_what_is_written_says_what_pip_and_nlpkit_need(tmp_path):
    write(draft("embedding", "my-vectors"), tmp_path / "p")
    project = tomllib.loads((tmp_path / "p" / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["name"] == "nlpkit-zh-my-vectors"
    assert project["project"]["dependencies"] == ["nlpkit-zh[train]>=0.1"]
    assert project["project"]["entry-points"] == {"nlpkit.embeddings": {"my-vectors": "nlpkit_my_vectors:my_vectors"}}
    assert project["tool"]["pytest"]["ini_options"]["nlpkit_plugin"] == "nlpkit-zh-my-vectors"
    assert "changelog" in (tmp_path / "p" / "pyproject.toml").read_text(encoding="utf-8")


def test_the_embedding_can_be_read_at_a_glance(tmp_path):
    write(draft("embedding", "my-vectors"), tmp_path / "p")
    assert len(lines_of(tmp_path / "p" / "nlpkit_my_vectors.py")) < LIMIT


def test_a_task_is_a_hundred_and_fifty_lines_at_most(tmp_path):
    write(draft("task", "stars"), tmp_path / "p")
    paths = [path for path in (tmp_path / "p" / "nlpkit_stars").rglob("*") if path.is_file()]
    assert len(paths) == 4
    assert sum(len(lines_of(path)) for path in paths) <= TASK_LIMIT


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_well_written(tmp_path, kind):
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("ruff is not installed beside this Python")
    write(draft(kind, "my-own"), tmp_path / "p")
    rules = [f"--config={ROOT / 'pyproject.toml'}", "--config=lint.isort.known-third-party=['nlpkit']", "--no-cache"]
    for command in (["check", "--ignore=D1,ARG"], ["format", "--check"]):
        done = subprocess.run([ruff, *command, *rules, tmp_path], capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode()


def pass_own_tests(folder, site, environment):
    """Run the tests that were written with a plugin, which is installed in a folder."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", folder]
    environment = environment | {"PYTHONPATH": str(site)}
    tested = subprocess.run(command, env=environment, capture_output=True, check=False, cwd=site)
    assert tested.returncode == 0, tested.stdout.decode()
    assert re.search(rb"\d+ passed", tested.stdout)
    assert b"failed" not in tested.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["command", "model", pytest.param("task", marks=[pytest.mark.train, pytest.mark.long])]
)
def test_a_command_a_model_and_a_task_pass_their_own_tests(run, clean_environment, tmp_path, kind):
    folder, site = tmp_path / "a plugin", tmp_path / "site"
    assert run("plugins", "new", kind, f"my-{kind}", "--output", folder).returncode == 0
    install(folder, site)
    pass_own_tests(folder, site, clean_environment)
    listed = run("plugins", "list", "--format", "json", environment={"PYTHONPATH": str(site)})
    (plugin,) = (p for p in json.loads(listed.stdout) if p["name"] == f"nlpkit-zh-my-{kind}")
    assert plugin["registers"] == {kind: [f"my-{kind}"]}


@pytest.mark.train
@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.long) if kind in ("encoder", "output") else kind for kind in COMPONENTS],
)
def test_what_is_written_installs_passes_its_own_tests_and_trains(run, clean_environment, tmp_path, kind):
    pytest.importorskip("torch")
    folder, site = tmp_path / "a plugin", tmp_path / "site"
    assert run("plugins", "new", kind, f"my-{kind}", "--output", folder).returncode == 0
    install(folder, site)
    environment = {"PYTHONPATH": str(site)}

    listed = run("plugins", "list", "--format", "json", environment=environment)
    (plugin,) = (p for p in json.loads(listed.stdout) if p["name"] == f"nlpkit-zh-my-{kind}")
    assert plugin["registers"] == {kind: [f"my-{kind}"]}
    assert (plugin["distribution"], listed.stderr) == (f"nlpkit-zh-my-{kind}", b"")

    pass_own_tests(folder, site, clean_environment)
    own = [f"--{OPTIONS.get(kind, kind)}", f"my-{kind}", "-o", tmp_path / "m", "--set", "training.epochs=1"]
    if kind == "output":
        texts = tmp_path / "texts.txt"
        texts.write_text("".join(f"第{i % 60}家店 衣服 质量 很好 {i}\n" for i in range(240)), encoding="utf-8")
        done = run("cloze", "train", texts, *own, "--set", "answers.min_count=2", environment=environment)
        used = ("cloze", "衣服 质量 __", "-m", tmp_path / "m")
    else:
        done = run("sentiment", "train", write_goods(tmp_path), *own, environment=environment)
        used = ("sentiment", "score", "-t", "很好", "-m", tmp_path / "m")
    assert done.returncode == 0, done.stderr.decode()
    needed = kind in ("tokenizer", "output")
    assert run(*used, environment=environment).returncode == 0
    without = run(*used)
    assert without.returncode == (1 if needed else 0)
    if needed:
        assert f"pip install 'nlpkit-zh-my-{kind}>=0.1.0'" in one_sentence(without, 1)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("My_Vectors", "my-vectors"),
        ("质量", ""),
        ("my vectors", "my-vectors"),
        ("2grams", "grams"),
        ("", ""),
        ("a--b", "a-b"),
        ("-a", "a"),
        ("a/../../b", "a-b"),
        ("a\n", "a"),
        ("nlpkit-zh-", ""),
    ],
)
def test_a_name_that_no_plugin_can_have_is_refused(name, hint):
    with pytest.raises(SettingError, match=r"is no name for a plugin: expected small letters") as caught:
        draft("embedding", name)
    assert str(caught.value).endswith(f": try {hint}" if hint else "hyphens between")


@pytest.mark.parametrize(
    ("kind", "name", "sentence"),
    [
        ("embedding", "lambda", "'lambda' is a word of Python"),
        ("tokenizer", "list", "try my-list"),
        ("tokenizer", "char", "the tokenizer 'char' is there already, in nlpkit-zh"),
        ("embedding", "word2vec", "in nlpkit-zh-word2vec"),
        ("embedding", "bert", "in nlpkit-zh-bert"),
        ("model", "reviews", "the model 'reviews' is there already, in nlpkit-zh"),
        ("model", "reviews-large", "in nlpkit-zh-e5"),
        ("task", "cloze", "the task 'cloze' is there already, in nlpkit-zh"),
        ("task", "models", "the task 'models' is there already, in nlpkit-zh"),
        ("command", "sentiment", "the command 'sentiment' is there already, in nlpkit-zh"),
    ],
)
def test_a_name_that_is_taken_is_refused(run, tmp_path, kind, name, sentence):
    assert sentence in one_sentence(run("plugins", "new", kind, name, cwd=tmp_path), 2)
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_one_kind_may_be_of_another():
    assert draft("encoder", "char").name == "char"


def test_the_prefix_may_be_said():
    assert draft("embedding", "nlpkit-zh-my-vectors") == draft("embedding", "my-vectors")


def test_what_is_there_is_not_touched(run, tmp_path):
    for name in ("folder", "file", "link"):
        if name == "folder":
            (tmp_path / name).mkdir()
        elif name == "file":
            (tmp_path / name).write_text("mine")
        elif os.name != "nt":
            (tmp_path / name).symlink_to("nowhere")
        done = run("plugins", "new", "encoder", "mine", "-o", tmp_path / name)
        assert "is there already, and nothing was touched" in one_sentence(done, 2)
    assert list((tmp_path / "folder").iterdir()) == []
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    written = []

    def full(path, *arguments, **options):  # noqa: ARG001 - as Path.write_bytes
        written.append(path)
        if len(written) == 3:
            raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space left"):
        write(draft("tokenizer", "mine"), tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_may_be_deep(run, tmp_path):
    folder = tmp_path / "a" / "b"
    assert run("plugins", "new", "tokenizer", "mine", "-o", folder).returncode == 0
    assert (folder / "nlpkit_mine.py").is_file()
