"""Tries the installed wheel from outside the repository: the first minute of a new user, and what it weighs."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import nlpkit

LIMIT = 300_000_000  # bytes that inference and the shipped model may take
HERE = Path(__file__).resolve().parent.parent
NLPKIT = [sys.executable, "-m", "nlpkit"]


def run(*arguments: str, stdin: str | None = None) -> str:
    """Run the command line; a failure stops everything."""
    done = subprocess.run([*NLPKIT, *arguments], input=stdin, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


site = Path(sysconfig.get_path("purelib"))
assert Path(nlpkit.__file__).is_relative_to(site), f"nlpkit is imported from {nlpkit.__file__}, not from the wheel"
assert not Path.cwd().is_relative_to(HERE) or ".tox" in Path.cwd().parts
assert "reviews" in run("models", "list")
for model in ("reviews", "reviews-cloze", "reviews-chars"):
    assert run("models", "check", model) == f"{model}: ok\n"
rows = [json.loads(line) for line in run("sentiment", "score", stdin="质量很好，很满意\n太差了，退货\n\n").splitlines()]
assert [row["label"] for row in rows] == ["positive", "negative", None], rows
assert json.loads(run("cloze", stdin="衣服质量__哦\n"))["fillings"][0]["words"] == ["不错"]
assert run("generate", "--prompt", "衣服质量", "--length", "9", "--through", "--seed", "1").startswith("衣服质量")
size = sum(f.stat().st_size for f in site.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
assert size <= LIMIT, f"the environment takes {size / 1e6:.0f} MB, more than {LIMIT / 1e6:.0f}"
print(f"the wheel works; the environment takes {size / 1e6:.0f} MB")
