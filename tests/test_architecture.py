"""The page on the house names no file that is not there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
TASKS = ("sentiment", "cloze", "generate")
# what the page says that they do without
LACKING = {("sentiment", "network.py"), ("sentiment", "inference.py")}


def test_every_file_that_it_names_is_there():
    named = re.findall(r"`((?:\w+/)+\w+\.\w+)`", GUIDE)
    assert len(named) > 15
    roots = (ROOT, ROOT / "nlpkit")
    paths = {
        path.replace("/X/", f"/{task}/") for path in named for task in TASKS if (task, Path(path).name) not in LACKING
    }
    assert [path for path in paths if not any((root / path).exists() for root in roots)] == []


def test_every_task_has_the_files_of_the_table():
    files = re.findall(r"^\| (`\w+\.\w+`.*?) \|", GUIDE, re.MULTILINE)
    names = [name for row in files for name in re.findall(r"`(\w+\.\w+)`", row)]
    assert "task.py" in names
    assert {(t, n) for t in TASKS for n in names if not (ROOT / "nlpkit" / "tasks" / t / n).exists()} == LACKING
