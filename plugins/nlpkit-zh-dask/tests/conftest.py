import csv

import pytest
from click.testing import CliRunner
from nlpkit.commands import cli

TEXTS = ["质量很好，下次还来", "太差了，不建议购买", "👍", "", '一般"般"吧,\n换行了', "物流快"]


@pytest.fixture
def run():
    """Run ``nlpkit`` in this process."""

    def run_command(*arguments, code=0):
        done = CliRunner().invoke(cli, list(map(str, arguments)), standalone_mode=False)
        if isinstance(done.exception, SystemExit) or done.exception is None:
            assert (done.return_value or 0) == code, done.output
        return done

    return run_command


def write_table(path, rows, first=0):
    """Write numbered reviews, some of them with quotes, commas and line breaks."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "review"])
        out.writerows([n, f"{TEXTS[n % len(TEXTS)]}{n if n % 3 else ''}"] for n in range(first, first + rows))


@pytest.fixture
def reviews(tmp_path):
    """A folder with two tables and a file of lines."""
    folder = tmp_path / "reviews"
    (folder / "more").mkdir(parents=True)
    write_table(folder / "a.csv", 60)
    write_table(folder / "more" / "b.csv", 40, 60)
    (folder / "lines.txt").write_text("质量很好\n\n太差了\n", "utf-8")
    return folder


def core(run, source, target):
    """What the core writes of a file."""
    run("sentiment", "score", source, "--column", "review", "-o", target)
    return target.read_bytes()
