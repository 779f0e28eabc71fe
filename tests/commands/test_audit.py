import csv
import json
import re

import pytest
from rich.cells import cell_len

from tests.audit.written import write_reviews
from tests.outcomes import one_sentence
from tests.terminals import on_a_terminal

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u200e]")


@pytest.fixture
def corpus(tmp_path):
    """Reviews with a flipped label, a copy, a conflict, and a text that could steer a terminal."""
    rows = write_reviews(120)
    rows[7] = (rows[7][0], "bad")
    rows += [(rows[3][0], rows[3][1]), (rows[4][0] + "！", "good"), ("好用\x1b[31m\u202e得很", "good")]
    path = tmp_path / "reviews.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


def read_csv(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_suspects_lead_to_their_rows(run, corpus, tmp_path):
    out = tmp_path / "suspects.csv"
    done = run("corpus", "audit", corpus, "-o", out)
    assert done.returncode == 0, done.stderr.decode()
    lines = corpus.read_text(encoding="utf-8").splitlines()
    suspects = read_csv(out)
    for suspect in suspects:
        assert suspect["file"] == str(corpus)
        assert lines[int(suspect["line"]) - 1] == f"{suspect['text']},{suspect['label']}"
        assert int(suspect["row"]) == int(suspect["line"]) - 1
    by_kind = {}
    for suspect in suspects:
        by_kind.setdefault(suspect["suspicion"], []).append(suspect)
    wrong = next(suspect for suspect in by_kind["wrong label"] if suspect["row"] == "8")
    assert wrong["suggested_label"] == "good"
    assert float(wrong["probability"]) > 0.5
    assert [(suspect["row"], suspect["copy_row"]) for suspect in by_kind["copy"]] == [("121", "4"), ("122", "5")]
    assert {suspect["row"] for suspect in by_kind["conflicting label"]} == {"5", "122"}
    assert [suspect["row"] for suspect in by_kind["odd characters"]] == ["123"]
    assert f"suspicions of {len({suspect['row'] for suspect in suspects})} rows: {out}" in done.stderr.decode()


def test_json_and_json_lines(run, corpus, tmp_path):
    out = tmp_path / "suspects.jsonl"
    done = run("corpus", "audit", corpus, "-f", "json", "-o", out)
    report = json.loads(done.stdout)
    suspects = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert report["rows"] == 123
    assert sum(report["suspicions"].values()) == len(suspects)
    assert report["files"] == [{"name": str(corpus), "rows": 123, "encoding": "utf-8"}]
    assert {type(suspect["row"]) for suspect in suspects} == {int}


def test_what_excel_wrote_is_written_for_excel(run, corpus, tmp_path):
    other = tmp_path / "excel.csv"
    other.write_bytes(corpus.read_bytes().decode().replace("\x1b", "").replace("\u202e", "").encode("gb18030"))
    out = tmp_path / "suspects.csv"
    assert run("corpus", "audit", other, "-o", out).returncode == 0
    data = out.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.count(b"\r\n") == data.count(b"\n")


def test_nothing_is_overwritten_and_it_is_said_before_the_work(run, corpus, tmp_path):
    out = tmp_path / "suspects.csv"
    out.write_text("mine")
    done = run("corpus", "audit", tmp_path / "nowhere.csv", "-o", out)
    assert done.returncode == 1
    assert "exists: choose another name, or say --force" in one_sentence(done, 1)
    assert out.read_text() == "mine"
    assert run("corpus", "audit", corpus, "-o", out, "--force").returncode == 0
    assert out.read_text(encoding="utf-8") != "mine"


def test_a_format_that_is_not_written_is_refused(run, corpus, tmp_path):
    done = run("corpus", "audit", corpus, "-o", tmp_path / "suspects.parquet")
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == [corpus]


def test_tables_fit_a_terminal_and_no_text_steers_it(nlpkit_command, corpus, clean_environment):
    environment = clean_environment | {"COLUMNS": "80", "TERM": "xterm"}
    code, shown = on_a_terminal([nlpkit_command, "corpus", "audit", corpus], environment, streams=["stdout"])
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n")
    assert code == 0
    assert "near copy across the split" in plain
    assert not CONTROL.search(plain)
    assert max(map(cell_len, plain.splitlines())) <= 80


def test_a_column_that_leaks_is_told(run, tmp_path):
    path = tmp_path / "stars.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = [(text, label, 5 if label == "good" else 1) for text, label in write_reviews(100)]
        csv.writer(file).writerows([("text", "label", "stars"), *rows])
    assert "stars gives the label away" in run("corpus", "audit", path).stdout.decode()
    assert json.loads(run("corpus", "audit", path, "-f", "json").stdout)["leaks"] == ["stars"]


def test_texts_without_labels(run, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"{text}\n" for text, _ in write_reviews(30)) * 2, encoding="utf-8")
    done = run("corpus", "audit", path)
    assert done.returncode == 0
    assert "it is audited without labels" in done.stderr.decode()
    shown = done.stdout.decode()
    assert "wrong labels: not looked for: no labels" in shown
    assert re.search(r"copy +30", shown)


def test_rows_that_were_left_out_are_accounted_for(run, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n好用,1\n,1\n不好,0\n一般,\n还行,2\n", encoding="utf-8")
    done = run("corpus", "audit", path, "--label", "2=", "-f", "json")
    report = json.loads(done.stdout)
    assert report["rows"] + sum(report["left_out"].values()) == 5
    assert "3 rows were left out" in done.stderr.decode()


@pytest.mark.parametrize("arguments", [("missing.csv",), ("a.csv", "--column", "b")])
def test_a_fault_is_one_sentence(run, tmp_path, arguments):
    (tmp_path / "a.csv").write_text("text,label\n好,1\n", encoding="utf-8")
    done = run("corpus", "audit", *arguments, cwd=tmp_path)
    assert one_sentence(done, 1)


def test_several_labels_a_text(run, tmp_path):
    corpus, out = tmp_path / "topics.csv", tmp_path / "suspects.jsonl"
    topics = ["price", "service", "price;service", "service;size", "size", "price"]
    rows = [(text, topics[number % len(topics)]) for number, (text, _) in enumerate(write_reviews(60))]
    with corpus.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows, (rows[2][0], "size")])
    done = run("corpus", "audit", corpus, "--label-separator", ";", "-o", out)
    assert done.returncode == 0, done.stderr.decode()
    assert "several labels a text: 3 labels, 0 texts with none" in done.stdout.decode()
    suspects = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [(s["row"], s["label"]) for s in suspects if s["suspicion"] == "conflicting label"] == [
        (3, ["price", "service"]),
        (61, ["size"]),
    ]
    done = run("corpus", "audit", corpus, "--label-column", "label", "--several", "false", "-f", "json")
    assert set(json.loads(done.stdout)["labels"]) == set(topics)
