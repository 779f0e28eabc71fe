"""``evaluate``, whatever the task."""

import json

import pytest

from tests.outcomes import one_sentence

TASKS = ("sentiment", "cloze", "generate")
COUNTED = {"sentiment": "rows", "cloze": "items", "generate": "texts"}  # what the figures are of
HEADER, ROWS = (
    "评价,label,kind\n",
    [
        "衣服质量很好值得推荐,positive,a",
        "鞋子质量很差不推荐,negative,a",
        "发货速度很快值得推荐,positive,b",
        "发货很慢质量很差不推荐,negative,b",
    ],
)
MORE = {"cloze": ["--skip-frequent", 0, "--min-words", 1]}
pytestmark = pytest.mark.parametrize("task", TASKS)


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.csv"
    path.write_text(HEADER + "\n".join(ROWS) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def evaluate(run, task, models):
    def evaluate_the_tiny_model(*arguments):
        return run(task, "evaluate", *arguments, "--model", models[task], *MORE.get(task, ()))

    return evaluate_the_tiny_model


def figures(done):
    assert (done.returncode, done.stderr) == (0, b"")
    return json.loads(done.stdout)


def test_figures_are_of_all_and_of_each_value_of_a_column(task, evaluate, corpus):
    found = figures(evaluate(corpus, "--column", "评价", "--by", "kind", "--format", "json"))
    assert list(found) == ["all", "a", "b"]
    assert [found[name][COUNTED[task]] for name in found] == [4, 2, 2]
    lines = evaluate(corpus, "-c", "评价", "--by", "kind").stdout.decode().splitlines()
    assert [line.split()[0] for line in lines if line.split()[:1] in (["all"], ["a"], ["b"])] == ["all", "a", "b"]


def test_several_corpora_are_measured_each(task, evaluate, corpus, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text(HEADER + ROWS[0] + "\n", encoding="utf-8")
    found = figures(evaluate(corpus, other, "-c", "评价", "-f", "json"))
    assert {name: found[name][COUNTED[task]] for name in found} == {"all": 5, "corpus.csv": 4, "other.csv": 1}
    alone = figures(evaluate(corpus, "-c", "评价", "-f", "json"))
    assert list(alone) == ["all"]
    assert alone["all"] == found["corpus.csv"]


def test_what_cannot_be_measured_is_one_sentence(task, evaluate, corpus, tmp_path):  # noqa: ARG001
    assert "评论" in one_sentence(evaluate(corpus, "--column", "评论"), 1)
    assert "none.csv" in one_sentence(evaluate(tmp_path / "none.csv"), 1)
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"")
    assert "is empty" in one_sentence(evaluate(empty), 1)
    assert "kinds" in one_sentence(evaluate(corpus, "-c", "评价", "--by", "kinds"), 1)


def test_a_model_of_another_task_is_refused(task, run, models, corpus):
    other = TASKS[(TASKS.index(task) + 1) % len(TASKS)]
    refused = run(task, "evaluate", corpus, "-m", models[other])
    assert f"use it with nlpkit {other}" in one_sentence(refused, 1)
