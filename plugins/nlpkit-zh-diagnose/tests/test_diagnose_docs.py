"""What the README and the page of the documentation show is so."""

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from nlpkit_diagnose.commands import diagnose  # noqa: E402
from nlpkit_diagnose.tasks import TASKS  # noqa: E402

pytestmark = pytest.mark.train
PLUGIN = Path(__file__).resolve().parents[1]
README = (PLUGIN / "README.md").read_text(encoding="utf-8")
PAGE = (PLUGIN.parents[1] / "docs" / "diagnose.md").read_text(encoding="utf-8")
WALK = re.findall(r"^```sh walk\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
NAMES = [task.name for task in TASKS]


def run(*command, folder):
    """Run a command with this Python's scripts at hand; what it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
        env=os.environ | {"PATH": path, "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the commands are written for a Unix shell")
def test_the_readme_can_be_walked(tmp_path):
    (walk,) = WALK
    printed = run("sh", "-ec", walk, folder=tmp_path)
    assert all(name in printed for name in NAMES)
    files = {"diagnosis.json", "history.csv", "networks.safetensors", "plot.png"}
    assert {path.name for path in (tmp_path / "sine").iterdir()} == files


@pytest.mark.slow
def test_the_readme_shows_how_it_is_called_from_python(tmp_path):
    (source,) = PYTHON
    printed = run(sys.executable, "-W", "error", "-c", source, folder=tmp_path)
    assert [line.split()[0] for line in printed.splitlines()] == ["rnn-0", "lstm-0", "rnn-1", "lstm-1"]


def test_every_task_is_a_command_and_a_section_with_figures_and_a_plot():
    assert sorted(diagnose.commands) == sorted([*NAMES, "data", "gradients", "list", "predict", "trades"])
    for name in NAMES:
        section = PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]
        figures = section.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]
        assert figures.count("\n| ") >= 3  # a head, a ruler, an encoder
        plot = PLUGIN.parents[1] / "docs" / "diagnose" / f"{name}.png"
        assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("task", TASKS, ids=NAMES)
def test_the_page_names_every_setting_of_a_task_and_where_it_starts(task):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{task.name}` |") and "`test`" in line)
    for field in fields(task.data):
        assert f"`{field.name}`" in row
        if not isinstance(field.default, tuple):
            assert f"{field.default:g}" in row


@pytest.mark.parametrize("task", TASKS, ids=NAMES)
def test_the_page_says_how_a_task_is_trained(task):
    chosen = task.tables["training"]
    begins = f"| `{task.name}` | {chosen['epochs']}"
    patience = "" if chosen["patience"] == chosen["epochs"] else f", patience {chosen['patience']}"
    rate = f"{chosen['learning_rate']:g}"
    assert f"{begins}{patience} | {chosen['batch_size']} | {rate} | {chosen['schedule']} |" in PAGE


def test_the_page_names_every_option():
    said = {name for command in diagnose.commands.values() for option in command.params for name in option.opts}
    assert all(f"`{name}" in PAGE or f", `{name}`" in PAGE for name in said if name.startswith("--"))
