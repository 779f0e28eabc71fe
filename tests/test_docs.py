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
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)\s]*)?\)")
WITH_PYTHON = [path for path in DOCUMENTS if BLOCK.search(path.read_text(encoding="utf-8"))]


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
