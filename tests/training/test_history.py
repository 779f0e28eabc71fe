import csv
import io
import sys

import pytest

pytest.importorskip("torch")

from nlpkit.training.history import History, picture_of, table_of
from nlpkit.training.loop import Epoch

pytestmark = pytest.mark.train
COLUMNS = [
    *("run", "epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate"),
    *("norm", "greatest_norm", "clipped", "rows", "seconds", "best", "calibrated_loss"),
]


def epoch(number, *, best=True, judged=True):
    return Epoch(
        epoch=number,
        train_loss=1 / number,
        train_accuracy=0.9 if judged else None,
        validation_loss=1.5 / number if judged else None,
        validation_accuracy=0.8 if judged else None,
        learning_rate=0.01,
        norm=1.0,
        greatest_norm=2.5,
        clipped=0.25,
        rows=120,
        seconds=0.123456789,
        best=best,
    )


def rows(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_row_an_epoch():
    text = table_of({"a, b": [epoch(1), epoch(3, best=False)], "words": [epoch(1, judged=False)]})
    assert text.splitlines()[0].split(",") == COLUMNS
    first, second, third = rows(text)
    assert (first["run"], first["epoch"], first["best"], first["seconds"]) == ("a, b", "1", "1", "0.123457")
    assert (second["train_loss"], second["best"]) == ("0.333333", "0")
    assert first["calibrated_loss"] == ""
    assert third["train_accuracy"] == third["validation_loss"] == third["validation_accuracy"] == ""


def test_the_table_is_there_after_every_epoch(tmp_path):
    history = History(tmp_path)
    for number in (1, 2, 3):
        history.add("words", epoch(number))
        assert [row["epoch"] for row in rows((tmp_path / "history.csv").read_text("utf-8"))] == list("123"[:number])
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]


def test_no_epoch_is_missing_or_twice_after_a_resumption(tmp_path):
    first = History(tmp_path)
    for number in (1, 2, 3):
        first.add("bag", epoch(number))
    again = History(tmp_path)
    again.set("bag", [epoch(1), epoch(2)])  # the state was saved before the third
    again.add("bag", epoch(3))
    again.add("words", epoch(1))
    found = [(row["run"], row["epoch"]) for row in rows((tmp_path / "history.csv").read_text("utf-8"))]
    assert found == [("bag", "1"), ("bag", "2"), ("bag", "3"), ("words", "1")]


HISTORIES = {
    "one": {"words": [epoch(1)]},
    "several": {"bag": [epoch(1), epoch(2)], "words: language model": [epoch(1, judged=False)], "词": [epoch(1)]},
    "none was better": {"words": [epoch(1, best=False)]},
    "begun": {"bag": [epoch(1)], "words": []},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HISTORIES)
def test_a_picture_is_drawn(name):
    pytest.importorskip("matplotlib")
    assert picture_of(HISTORIES[name]).startswith(b"\x89PNG\r\n")


def test_what_there_is_becomes_files(tmp_path):
    pytest.importorskip("matplotlib")
    history = History(tmp_path)
    history.draw()
    assert (history.files(), list(tmp_path.iterdir())) == ({}, [])
    history.add("words", epoch(1))
    history.draw()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == history.files()
    assert history.files().keys() == {"history.csv", "curve.png"}


def test_without_matplotlib_there_is_a_table_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    history = History(tmp_path)
    history.add("words", epoch(1))
    history.draw()
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]
    assert history.files() == {"history.csv": (tmp_path / "history.csv").read_bytes()}


def test_files_that_somebody_holds_stop_no_run(tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("history.csv", "curve.png"):
        (tmp_path / name / "held").mkdir(parents=True)  # no file can take its place
    history = History(tmp_path)
    history.add("words", epoch(1))
    history.draw()
    assert rows(history.files()["history.csv"].decode())[0]["epoch"] == "1"
    (tmp_path / "history.csv" / "held").rmdir()
    (tmp_path / "history.csv").rmdir()
    history.add("words", epoch(2))
    assert [row["epoch"] for row in rows((tmp_path / "history.csv").read_text("utf-8"))] == ["1", "2"]
