import json

import pytest

from nlpkit.bundle import save
from tests.commands.test_score import one_sentence
from tests.tiny import model_files

CORPUS = "text,label,kind\n好,positive,a\n差,negative,a\n棒,negative,b\n👍,positive,b\n"


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.csv"
    path.write_text(CORPUS, encoding="utf-8")
    return path


def test_figures_as_json(run, tiny_model, corpus):
    done = run("sentiment", "evaluate", corpus, "-m", tiny_model, "--by", "kind", "--format", "json")
    found = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, b"")
    assert set(found) == {"all", "a", "b"}
    assert (found["all"]["rows"], found["all"]["accuracy"], found["all"]["unscored"]) == (4, 0.5, 1)
    assert found["all"]["confusion"] == [[1, 1, 0], [0, 1, 1]]
    assert (found["a"]["accuracy"], found["b"]["accuracy"]) == (1.0, 0.0)


def test_figures_as_a_table(run, tiny_model, corpus):
    out = run("sentiment", "evaluate", corpus, "-m", tiny_model).stdout.decode()
    for expected in ("macro F1", "calibration error", "0.5000", "negative", "positive", "none"):
        assert expected in out


def test_several_corpora_are_reported_each(run, tiny_model, corpus, tmp_path):
    lines = tmp_path / "goods.txt"
    lines.write_text("好，,,1\n差,,0\n", encoding="utf-8")
    done = run("sentiment", "evaluate", corpus, lines, "-m", tiny_model, "--format", "json")
    found = json.loads(done.stdout)
    assert set(found) == {"all", "corpus.csv", "goods.txt"}
    assert found["goods.txt"]["accuracy"] == 1.0


def test_labels_can_be_renamed(run, tiny_model, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n好,赞\n差,踩\n", encoding="utf-8")
    assert "--label" in one_sentence(run("sentiment", "evaluate", path, "-m", tiny_model), 1)
    done = run(
        "sentiment",
        "evaluate",
        path,
        "-m",
        tiny_model,
        "--label",
        "赞=positive",
        "--label",
        "踩=negative",
        "-f",
        "json",
    )
    assert json.loads(done.stdout)["all"]["accuracy"] == 1.0


def test_a_rename_that_is_none(run, tiny_model, corpus):
    done = run("sentiment", "evaluate", corpus, "-m", tiny_model, "--label", "赞")
    assert "FOUND=NAME" in one_sentence(done, 2)


def test_a_corpus_without_labels(run, tiny_model, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,stars\n好,5\n", encoding="utf-8")
    assert "text, stars" in one_sentence(run("sentiment", "evaluate", path, "-m", tiny_model), 1)
    path.write_text("text,label\n好,\n", encoding="utf-8")
    done = run("sentiment", "evaluate", path, "-m", tiny_model)
    assert (done.returncode, done.stdout) == (1, b"")
    left_out, sentence = done.stderr.decode().splitlines()
    assert "1 no label" in left_out
    assert "no labelled rows" in sentence


def test_the_shipped_model_on_the_samples(run, samples):
    done = run("sentiment", "evaluate", samples / "minimal_pairs.csv", "--by", "category", "-f", "json")
    found = json.loads(done.stdout)
    assert found["all"]["rows"] == 400
    assert sum(m["rows"] for name, m in found.items() if name != "all") == 400


def test_markup_in_labels_and_groups_is_printed_as_it_is(run, tmp_path):
    labels = ["[/x]", "[bold]good[/bold]"]
    save(tmp_path / "m", model_files(labels=labels))
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("text,label,kind\n好,[bold]good[/bold],[red]\n差,[/x],[/y]\n", encoding="utf-8")
    done = run("sentiment", "evaluate", corpus, "-m", tmp_path / "m", "--by", "kind")
    assert (done.returncode, done.stderr) == (0, b"")
    for expected in (*labels, "[red]", "[/y]"):
        assert expected in done.stdout.decode()


def test_lines_that_are_no_rows_are_counted_on_stderr(run, tiny_model, tmp_path):
    path = tmp_path / "goods.txt"
    path.write_text("好,,1\n\n不好\n差,,0\n", encoding="utf-8")
    done = run("sentiment", "evaluate", path, "-m", tiny_model, "-f", "json")
    assert json.loads(done.stdout)["all"]["rows"] == 2
    said = f"2 rows were left out: 1 no text ({path}, line 2), 1 no comma ({path}, line 3)\n"
    assert done.stderr.decode() == said


def test_unknown_labels_are_all_named_and_may_be_left_out(run, tmp_path):
    stars = tmp_path / "stars.csv"
    stars.write_text("review,label\n质量很好,5\n还行,3\n太差了,1\n", encoding="utf-8")
    done = run("sentiment", "evaluate", stars)
    assert done.returncode == 1
    assert "does not know: 3, 5;" in done.stderr.decode()
    assert "1 as positive" in done.stderr.decode()  # the shipped model's own corpora call it so; stars would not
    names = ("--label", "5=positive", "--label", "3=", "--label", "1=negative")
    done = run("sentiment", "evaluate", stars, *names, "--format", "json")
    assert json.loads(done.stdout)["all"]["rows"] == 2
