"""What is shown of the library passes a type checker, and names say of which class a shipped model is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.train]


def check(folder, source):
    """What mypy says of a program that uses the installed nlpkit."""
    pytest.importorskip("mypy")
    (folder / "program.py").write_text(source, "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--no-error-summary", "program.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("page", ["README.md", pytest.param("README.zh.md", marks=pytest.mark.long)])
def test_the_program_of_the_readme_passes(page, tmp_path):
    programs = re.findall(r"```python\n(import nlpkit\n.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    assert programs
    assert check(tmp_path, "\n".join(programs)) == ""


@pytest.mark.slow
@pytest.mark.long
def test_a_name_or_a_class_says_what_load_opens(tmp_path):
    said = check(
        tmp_path,
        "import nlpkit\n"
        'reveal_type(nlpkit.load("reviews"))\n'
        'reveal_type(nlpkit.load("reviews-cloze").fill(["__"]))\n'
        'reveal_type(nlpkit.load("reviews-chars"))\n'
        'reveal_type(nlpkit.SentimentModel.load("my-model"))\n'
        'nlpkit.load("reviews").fill(["__"])\n',
    )
    lines = [line.split(": ", 1)[1] for line in said.splitlines()]
    kinds = ["sentiment.model.SentimentModel", "filling.Filled", "generate.model.GenerationModel"]
    assert [kind in line for kind, line in zip([*kinds, kinds[0]], lines, strict=False)] == [True] * 4
    assert lines[4].startswith('error: "SentimentModel" has no attribute "fill"')
