"""``compare``, of models that are there."""

import json
import shutil

import pytest

from nlpkit.model.bundle import add_checksums, save
from tests.outcomes import csv_rows, json_rows, one_sentence
from tests.tasks.cloze.tiny import counted_files
from tests.tiny import WORDS, model_files, table_member

GOOD = ["好货", "棒货", "的好", "好棒", "快好", "货棒的"]
BAD = ["差货", "烂货", "的差", "差烂", "慢差", "货烂的"]
MUCH = 5  # times that each row stands in the corpus


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows in two groups, a model that is always right, one that takes good for bad in the second, one of 0 and 1."""
    folder = tmp_path_factory.mktemp("compare")
    texts = [f"{text}{'的' * more}" for more in range(MUCH) for text in (*GOOD, *BAD)]
    rows = [f"{text},{'negative' if set('差烂') & set(text) else 'positive'},{'棒' in text}" for text in texts]
    (folder / "rows.csv").write_text("text,label,superb\n" + "\n".join([*rows, "？,positive,False"]) + "\n", "utf-8")
    others = {
        "right": table_member(),
        "wrong": table_member(words=WORDS | {"棒": -3.0}),
        "numbers": table_member(words=WORDS | {"烂": 4.0}),
    }
    for name, member in others.items():
        labels = ("0", "1") if name == "numbers" else ("negative", "positive")
        aliases = {} if name == "numbers" else {"1": "positive", "0": "negative"}
        save(folder / name, add_checksums(model_files(member, labels=labels, aliases=aliases)))
    return folder


@pytest.fixture
def compare(run, folder):
    def compare_models(*arguments, models=("right", "wrong")):
        options = [word for name in models for word in ("--model", name)]
        return run("sentiment", "compare", "rows.csv", *options, *arguments, cwd=folder)

    return compare_models


def test_a_difference_is_shown_with_its_interval(compare):
    done = compare()
    assert done.returncode == 0
    shown = done.stdout.decode()
    assert "right is better than wrong, by " in shown
    assert "95% intervals of a paired bootstrap cover the chance in the rows" in shown
    assert "Rows that none could answer, and that are wrong for all: 1." in shown


def test_json_holds_all_of_it_by_group(compare):
    found = json.loads(compare("--by", "superb", "--format", "json").stdout)
    assert list(found["rows"]) == ["all", "False", "True"]
    whole = found["rows"]["all"]
    assert (whole["rows"], whole["unanswered"]) == (61, {"right": 1, "wrong": 1})
    assert whole["accuracy"] == {"right": round(60 / 61, 4), "wrong": round(45 / 61, 4)}
    (difference,) = whole["differences"]
    assert difference["difference"] == round(15 / 61, 4)
    assert 0 < difference["low"] < difference["difference"] < difference["high"] < 1
    assert (difference["only_first_right"], difference["only_second_right"], difference["better"]) == (15, 0, "right")
    assert difference["p"] == pytest.approx(2**-15, rel=0.01)
    (same,) = found["rows"]["False"]["differences"]
    assert (same["difference"], same["p"], same["better"]) == (0, 1, None)
    assert same["low"] < 0 < same["high"]
    assert all(model["cpu_ms_a_row"] > 0 and model["bytes"] > 1000 for model in found["models"].values())


def test_where_no_difference_is_shown_it_is_said(compare):
    rows = compare("--labels", "negative,positive", "--by", "superb").stdout.decode()
    assert "none shown" in rows
    done = compare(models=("right", "wrong", "numbers"))
    assert "wrong and numbers: no difference shown; it may be anything from -" in done.stdout.decode()
    assert "adjusted for 3 comparisons (Holm 1979), intervals are not" in done.stdout.decode()
    assert b"of the labels of numbers are taken 0 for negative, 1 for positive" in done.stderr


def test_rows_on_which_they_differ_are_written_and_never_over_a_file(compare, tmp_path):
    path = tmp_path / "differ.csv"
    done = compare("--by", "superb", "-o", path)
    assert f"saved {path}" in done.stderr.decode()
    rows = csv_rows(path.read_bytes())
    assert len(rows) == 15
    assert list(rows[0])[:4] == ["file", "superb", "text", "truth"]
    assert {(row["truth"], row["right"], row["wrong"], row["superb"]) for row in rows} == {
        ("positive", "positive", "negative", "True")
    }
    assert all(0.5 < float(row["wrong probability"]) <= 1 for row in rows)
    before = path.read_bytes()
    assert "exists" in one_sentence(compare("-o", path), 1)
    assert path.read_bytes() == before
    assert compare("-o", path, "--force").returncode == 0
    assert "superb" not in csv_rows(path.read_bytes())[0]
    compare("-o", tmp_path / "differ.jsonl")
    assert json_rows((tmp_path / "differ.jsonl").read_bytes())[0]["wrong"] == "negative"
    assert "xlsx" in one_sentence(compare("-o", tmp_path / "differ.xlsx"), 2)


def test_a_table_for_excel_is_one_again(run, folder, tmp_path):
    path = tmp_path / "excel.csv"
    path.write_text((folder / "rows.csv").read_text("utf-8"), "utf-8-sig")
    done = run("sentiment", "compare", path, "-m", "right", "-m", "wrong", "-o", tmp_path / "o.csv", cwd=folder)
    assert done.returncode == 0
    assert (tmp_path / "o.csv").read_bytes().startswith("\ufefffile,text".encode())


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "two or more by --model, or two recipes by --recipe; there is none"),
        (("-m", "right"), 2, "two or more by --model; there is only right"),
        (("-m", "right", "-m", "right"), 2, "--model right is given twice"),
        (("-m", "right", "-m", "copy"), 2, "right and copy are the same model"),
        (("-m", "right", "--recipe", "ngrams"), 2, "not both"),
        (("-m", "right", "-m", "wrong", "--seeds", "3"), 2, "--seeds is for trainings by --recipe"),
        (("-m", "right", "-m", "wrong", "--set", "seed=1"), 2, "--set is for trainings by --recipe"),
        (("--recipe", "ngrams", "--recipe", "lstm", "--test-rows"), 2, "--test-rows is for --model"),
        (("-m", "right", "-m", "wrong", "--by", "kind"), 1, "kind"),
        (("-m", "right", "-m", "wrong", "--label-column", "kind"), 1, "kind"),
        (("-m", "right", "-m", "none"), 1, "none"),
        (("-m", "right", "-m", "wrong", "--test-rows"), 2, "trained without test rows"),
        (("-m", "right", "-m", "wrong", "--labels", "good,bad"), 2, "right: the model has no label 'good'"),
    ],
)
def test_what_cannot_be_compared_is_told(run, folder, arguments, code, said):
    if "copy" in arguments:
        shutil.copytree(folder / "right", folder / "copy", dirs_exist_ok=True)
    done = run("sentiment", "compare", "rows.csv", *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (code, b"")
    lines = done.stderr.decode().splitlines()
    assert said in lines[-1]
    assert lines[-1].startswith("Error: ")


def test_a_corpus_without_labels_is_refused(run, folder, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("好货\n差货\n", "utf-8")
    done = run("sentiment", "compare", path, "-m", "right", "-m", "wrong", cwd=folder)
    assert "texts.txt" in one_sentence(done, 1)


def test_copies_are_told(run, folder, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n好货,positive\n好货！,positive\n差货,negative\n", "utf-8")
    done = run("sentiment", "compare", path, "-m", "right", "-m", "wrong", cwd=folder)
    assert b"Warning: 1 of 3 rows are copies of others" in done.stderr


def test_cloze_models_are_compared_on_the_same_blanks(run, tmp_path):
    for name, stages in (("one", 1.0), ("two", -1.0)):
        stage = {"weights": [stages], "temperature": 1.0, "exit": None}
        save(tmp_path / name, add_checksums(counted_files(stages=[stage])))
    (tmp_path / "items.jsonl").write_text('{"text": "衣服质量__，值得购买", "answer": "不错"}\n' * 2, "utf-8")
    done = run("cloze", "compare", "items.jsonl", "-m", "one", "-m", "two", "-f", "json", cwd=tmp_path)
    assert json.loads(done.stdout)["rows"]["all"]["rows"] == 2


def test_labels_that_a_model_lacks_are_told(run, folder, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n好货,positive\n差货,negative\n货,neutral\n", "utf-8")
    command = ("sentiment", "compare", path, "-m", "right", "-m", "wrong")
    assert "--label neutral=positive, --label neutral= to leave" in one_sentence(run(*command, cwd=folder), 1)
    assert run(*command, "--label", "neutral=", cwd=folder).returncode == 0
