import csv
import io
import json
import re

import pytest

from nlpkit.model.bundle import save
from tests.tasks.sentiment.test_score import one_sentence
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


def test_a_label_that_looks_like_a_known_one_is_told_by_which_it_is(run, tmp_path):
    save(tmp_path / "m", model_files(labels=["0", "1"], aliases={"no": "0", "odd": "none of these"}))
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("text,label\n好,1.0\n差,0.0\n坏,NO\n", encoding="utf-8")
    sentence = one_sentence(run("sentiment", "evaluate", corpus, "-m", tmp_path / "m"), 1)
    names = re.search(r"such as ((--label \S+ ?)+)", sentence.replace(",", " "))[1].split()
    assert names == ["--label", "0.0=0", "--label", "1.0=1", "--label", "NO=0"]
    assert run("sentiment", "evaluate", corpus, "-m", tmp_path / "m", *names).returncode == 0


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_a_rare_label_that_is_hardly_answered_is_told(run, tmp_path, weights):
    settings = {"members": [{"name": "characters", "training": {"class_weights": weights}}]}
    save(tmp_path / "m", model_files(data={"labels": {"negative": 20, "positive": 90}}, settings=settings))
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("text,label\n" + "好,negative\n" * 9 + "差,negative\n好,positive\n" * 2, encoding="utf-8")
    done = run("sentiment", "evaluate", corpus, "-m", tmp_path / "m", "-f", "json")
    assert json.loads(done.stdout)["all"]["rows"] == 13
    remedy = "give more rows of it" if weights == "balanced" else "train with --set training.class_weights=balanced"
    found = f"of the evaluated rows, 11 are 'negative', the answer to 2: {remedy}\n"
    assert done.stderr.decode().endswith(found)
    even = tmp_path / "even.csv"
    even.write_text("text,label\n" + "好,positive\n差,negative\n" * 9, encoding="utf-8")
    assert run("sentiment", "evaluate", even, "-m", tmp_path / "m").stderr == b""


def test_a_word_for_nothing_may_be_a_label_that_the_model_knows(run, tmp_path):
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("text,label\n好,positive\n差,none\n", encoding="utf-8")
    save(tmp_path / "m", model_files(labels=["none", "positive"]))
    done = run("sentiment", "evaluate", corpus, "-m", tmp_path / "m", "-f", "json")
    assert (json.loads(done.stdout)["all"]["rows"], done.stderr) == (2, b"")
    save(tmp_path / "n", model_files())
    done = run("sentiment", "evaluate", corpus, "-m", tmp_path / "n", "-f", "json")
    assert json.loads(done.stdout)["all"]["rows"] == 1
    left_out, taken = done.stderr.decode().splitlines()
    assert "1 no label" in left_out
    assert taken == "taken for no label: 'none' (1); --label none=none keeps it as a class"
    done = run("sentiment", "evaluate", corpus, "-m", tmp_path / "n", "-f", "json", "--label", "none=negative")
    assert (json.loads(done.stdout)["all"]["rows"], done.stderr) == (2, b"")


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


@pytest.mark.train
def test_pictures_are_drawn_into_a_folder(run, tiny_model, tmp_path):
    rows, folder = tmp_path / "rows.csv", tmp_path / "pictures"
    rows.write_text("text,label\n好,positive\n差,negative\n快,negative\n", encoding="utf-8")
    words = ("sentiment", "evaluate", rows, "--model", tiny_model, "--pictures", folder)
    done = run(*words)
    assert done.returncode == 0
    assert {path.name for path in folder.iterdir()} == {"reliability.png", "confusion.png", "coverage.png"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.iterdir())
    again = run(*words)
    assert again.returncode == 1
    assert "--force" in again.stderr.decode()


def test_wrong_rows_are_written_the_surest_first(run, tiny_model, tmp_path):
    rows, output = tmp_path / "rows.csv", tmp_path / "errors.csv"
    rows.write_text("text,label\n好,negative\n差,negative\n快,negative\n,positive\n👍,positive\n", encoding="utf-8")
    words = ("sentiment", "evaluate", rows, "--model", tiny_model, "--errors", output)
    done = run(*words)
    assert "3 of 4 answers are wrong or missing" in done.stderr.decode()
    errors = list(csv.DictReader(io.StringIO(output.read_text(encoding="utf-8"))))
    assert [(row["row"], row["text"], row["truth"], row["answer"]) for row in errors] == [
        ("1", "好", "negative", "positive"),
        ("3", "快", "negative", "positive"),
        ("5", "👍", "positive", ""),
    ]
    assert errors[0]["explanation"] == "好 +2.00"
    assert errors[2]["reason"] == "no evidence: no letters"
    assert run(*words).returncode == 1
    assert run(*words, "--force").returncode == 0


def test_wrong_rows_go_into_an_annotation_tool(run, tiny_model, tmp_path):
    rows, output = tmp_path / "rows.csv", tmp_path / "errors.json"
    rows.write_text("text,label\n好,negative\n差,negative\n棒,positive\n", encoding="utf-8")
    run("sentiment", "evaluate", rows, "--model", tiny_model, "--errors", output, "--as", "label-studio")
    (task,) = json.loads(output.read_text(encoding="utf-8"))
    assert task["data"]["text"] == "好"
    assert task["predictions"][0]["result"][0]["value"]["choices"] == ["positive"]


@pytest.mark.parametrize("more", [("--errors", "errors.txt"), ("--as", "csv")])
def test_how_wrong_rows_are_written_must_be_known(run, tiny_model, corpus, more):
    done = run("sentiment", "evaluate", corpus, "--model", tiny_model, *more)
    assert done.returncode == 2
    assert "--as" in done.stderr.decode()
