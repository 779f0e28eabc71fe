"""Several processes write what one writes; a run that was stopped goes on to the same bytes."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import nlpkit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as Unix has them")
TEXTS = ["质量很好，下次还来", "太差了，不建议购买", "👍", "", "房间很大，就是隔音不好", "物流快", "一般般吧"]
PROGRAM = """
import os, signal, sys
import nlpkit.commands.resuming as resuming
from nlpkit.commands.main import main
resuming.EVERY = 0
keep, left = resuming.Part.keep, int(sys.argv.pop(1))
how = getattr(signal, sys.argv.pop(1))
def keep_and_die(self, **state):
    global left
    keep(self, **state)
    left -= 1
    if not left:
        os.kill(os.getpid(), how)
resuming.Part.keep = keep_and_die
if __name__ == "__main__":
    main()
"""


def lines(count):
    return "".join(f"{TEXTS[n % len(TEXTS)]}{n if n % 3 else ''}\n" for n in range(count))


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    """Files of several blocks: lines, a table of Excel's, objects."""
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "lines.txt").write_text(lines(30_000), "utf-8")
    rows = "".join(f"{n},{text},{'甲乙丙'[n % 3]}\r\n" for n, text in enumerate(lines(9_000).splitlines()))
    (folder / "table.csv").write_bytes(("\ufeff编号,评价,品类\r\n" + rows).encode())
    rows = "".join(f"{n},{text},{'甲乙丙'[n % 3]}\n" for n, text in enumerate(lines(9_000).splitlines()))
    (folder / "more.csv").write_text("编号,评价,品类\n" + rows, "utf-8")
    objects = [
        json.dumps({"id": n, "评价": text}, ensure_ascii=False) for n, text in enumerate(lines(9_000).split("\n"))
    ]
    (folder / "objects.jsonl").write_text("\n".join(objects) + "\n", "utf-8")
    return folder


def score(*arguments, cwd, code=0):
    command = [sys.executable, "-m", "nlpkit", "sentiment", "score", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout, done.stderr.decode()


def score_and_die(keeps, how, *arguments, cwd):
    command = [sys.executable, "-c", PROGRAM, str(keeps), how, "sentiment", "score", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, stdin=subprocess.DEVNULL, check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["lines.txt"],
        ["table.csv", "more.csv", "--column", "评价", "--format", "csv", "--probabilities"],
        ["objects.jsonl", "--column", "评价"],
        ["table.csv", "--column", "评价", "--by", "品类"],
        ["table.csv", "--column", "评价", "--sort", "negative", "--top", "50"],
        ["lines.txt", "--format", "html"],
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_several_processes_write_what_one_writes(reviews, arguments):
    one, two = (score(*arguments, "--jobs", jobs, cwd=reviews) for jobs in (1, 2))
    assert one == two
    assert one[0]


def test_workbooks_are_written_by_several_processes(reviews, tmp_path):
    pytest.importorskip("xlsxwriter")
    calamine = pytest.importorskip("python_calamine")
    for jobs in (1, 2):
        score("table.csv", "-c", "评价", "-o", tmp_path / f"{jobs}.xlsx", "--jobs", jobs, cwd=reviews)
    one, two = (
        calamine.CalamineWorkbook.from_path(tmp_path / f"{jobs}.xlsx").get_sheet_by_index(0).to_python()
        for jobs in (1, 2)
    )
    assert one == two
    assert len(one) == 9_001


def test_columns_that_differ_are_refused_by_several_processes_too(reviews, tmp_path):
    (tmp_path / "other.csv").write_text("text\n好\n", "utf-8")
    for jobs in (1, 2):
        command = ["lines.txt", tmp_path / "other.csv", "--format", "csv", "--jobs", jobs]
        assert "has other columns than the first file" in score(*command, cwd=reviews, code=1)[1]


def test_a_model_scores_and_is_measured_in_several_processes():
    model = nlpkit.load("reviews")
    texts = lines(10_000).splitlines()
    assert model.score(texts, jobs=2) == model.score(texts)
    with pytest.raises(nlpkit.NlpkitError, match="jobs is a number"):
        model.score(texts, jobs=-1)


@pytest.mark.slow
def test_figures_are_the_same_in_several_processes(tmp_path):
    rows = "".join(f"{n % 2},{text}{n}\n" for n, text in enumerate(lines(4_500).splitlines()))
    (tmp_path / "rows.csv").write_text("label,text\n" + rows, "utf-8")
    label = ["--label", "1=positive", "--label", "0=negative"]
    for task, more in (("sentiment", label), ("cloze", ["--limit", "1100"]), ("generate", [])):
        said = [
            subprocess.run(
                [sys.executable, "-m", "nlpkit", task, "evaluate", "rows.csv", *more, "-f", "json", "--jobs", jobs],
                cwd=tmp_path,
                capture_output=True,
                check=True,
            ).stdout
            for jobs in "12"
        ]
        assert said[0] == said[1]


@pytest.mark.parametrize(
    ("how", "jobs", "arguments"),
    [
        ("SIGKILL", 1, ["lines.txt", "-o", "o.jsonl"]),
        ("SIGKILL", 2, ["table.csv", "more.csv", "-c", "评价", "-o", "o.csv", "--by", "品类"]),
        ("SIGINT", 2, ["lines.txt", "-o", "o.html"]),
        ("SIGTERM", 1, ["objects.jsonl", "-c", "评价", "-o", "o.jsonl"]),
    ],
)
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(reviews, tmp_path, how, jobs, arguments):
    for file in reviews.iterdir():
        (tmp_path / file.name).symlink_to(file)
    output = tmp_path / arguments[arguments.index("-o") + 1]
    _, told = score(*arguments, cwd=tmp_path)
    whole = output.read_bytes()
    output.unlink()
    stopped = score_and_die(2, how, *arguments, "--jobs", jobs, cwd=tmp_path)
    assert stopped.returncode in (-getattr(signal, how), 128 + getattr(signal, how))
    assert not output.exists()
    assert ("rows are kept" in stopped.stderr.decode()) == (how != "SIGKILL")
    assert "--resume goes on, --force begins anew" in score(*arguments, cwd=tmp_path, code=1)[1]
    assert score(*arguments, "--resume", "--jobs", 3 - jobs, cwd=tmp_path)[1] == told
    assert output.read_bytes() == whole
    assert not list(tmp_path.glob("*.partial*"))


def test_what_asked_something_else_is_not_gone_on_with(reviews, tmp_path):
    (tmp_path / "lines.txt").symlink_to(reviews / "lines.txt")
    score_and_die(2, "SIGKILL", "lines.txt", "-o", "o.jsonl", cwd=tmp_path)
    arguments = ["lines.txt", "-o", "o.jsonl", "--min-probability", "0.7"]
    assert "was begun with other options" in score(*arguments, "--resume", cwd=tmp_path, code=1)[1]
    assert (tmp_path / "o.jsonl.partial").exists()
    score(*arguments, "--force", cwd=tmp_path)
    assert len((tmp_path / "o.jsonl").read_bytes().splitlines()) == 30_000
    assert not list(tmp_path.glob("*.partial*"))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["lines.txt"], "there is none"),
        (["lines.txt", "-o", "o.jsonl", "--sort", "negative"], "sorted rows"),
        (["-", "-o", "o.jsonl"], "can be read again"),
    ],
)
def test_what_cannot_be_gone_on_with_is_told(reviews, arguments, why):
    assert why in score(*arguments, "--resume", cwd=reviews, code=2)[1]


def test_two_runs_do_not_write_one_file(reviews, tmp_path):
    import fcntl

    (tmp_path / "lines.txt").symlink_to(reviews / "lines.txt")
    with (tmp_path / "o.jsonl.partial").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another run is writing it" in score("lines.txt", "-o", "o.jsonl", cwd=tmp_path, code=1)[1]


def test_a_file_of_the_users_own_is_not_taken_for_what_a_run_left(tmp_path):
    (tmp_path / "lines.txt").write_text("质量很好\n", "utf-8")
    (tmp_path / "o.jsonl.partial").write_text("my notes", "utf-8")
    for more in ([], ["--resume"]):
        assert "no run has left it" in score("lines.txt", "-o", "o.jsonl", *more, cwd=tmp_path, code=1)[1]
    assert (tmp_path / "o.jsonl.partial").read_text("utf-8") == "my notes"
    score("lines.txt", "-o", "o.jsonl", "--force", cwd=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lines.txt", "o.jsonl"]


def test_workers_that_are_killed_are_told_and_replaced(reviews, tmp_path):
    command = [sys.executable, "-m", "nlpkit", "sentiment", "score", "-", "-f", "jsonl", "--jobs", "2"]
    with (tmp_path / "out").open("wb") as out:  # not a pipe, which would have to be read meanwhile
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.PIPE, cwd=tmp_path)
    assert process.stdin
    content = (reviews / "lines.txt").read_bytes()
    process.stdin.write(content)
    process.stdin.flush()
    until = time.monotonic() + 30
    while not (workers := _children_of(process.pid)) and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(workers[0], signal.SIGKILL)
    _, told = process.communicate(content, timeout=120)
    assert process.returncode == 0
    assert len((tmp_path / "out").read_bytes().splitlines()) == 60_000
    assert "a worker process was killed" in told.decode()


def _children_of(pid):
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in done.stdout.split()]
