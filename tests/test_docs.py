"""What the documents promise: their Python runs, every hook is described, every relative link leads somewhere."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nlpkit import hookspecs

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
WALK = re.compile(r"^```sh walk\n(.*?)^```", re.MULTILINE | re.DOTALL)  # run one after the other, in one folder
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)\s]*)?\)")
WITH_PYTHON = [path for path in DOCUMENTS if BLOCK.search(path.read_text(encoding="utf-8"))]
WITH_A_WALK = [path for path in DOCUMENTS if WALK.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", WITH_PYTHON, ids=lambda path: path.name)
def test_the_python_of_a_document_runs(path, tmp_path):
    source = "\n".join(BLOCK.findall(path.read_text(encoding="utf-8")))
    (tmp_path / "corpora").symlink_to(ROOT / "corpora")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr


def test_some_documents_hold_python():
    assert {"README.md", "library.md", "plugins.md"} <= {path.name for path in WITH_PYTHON}
    assert "training.md" in {path.name for path in WITH_A_WALK}


@pytest.mark.train
@pytest.mark.skipif(sys.platform == "win32", reason="the commands are written for a Unix shell")
@pytest.mark.parametrize("path", WITH_A_WALK, ids=lambda path: path.name)
def test_a_walk_can_be_walked(path, tmp_path, nlpkit_command, clean_environment):
    pytest.importorskip("torch")
    commands = "set -e\n" + "\n".join(WALK.findall(path.read_text(encoding="utf-8")))
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


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: hook.__name__)
def test_a_hook_is_a_heading_of_the_documentation(hook):
    signature = inspect.getsource(hook).split("def ", 1)[1].split(":\n", 1)[0]
    headings = re.findall(
        r"^#+ `?(nlpkit_[^`\n]+)`?$", (ROOT / "docs/plugins.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert signature in headings


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    targets = LINK.findall(path.read_text(encoding="utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []
