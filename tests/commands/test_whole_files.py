"""Files answered one by one, as workers elsewhere do: the same bytes as the command writes."""

import pickle

import pytest

import nlpkit
from nlpkit.commands import FileAnswerer

TABLE = 'id,评价\n1,质量很好\n2,"太差了,\n不建议购买"\n3,\n'


@pytest.mark.parametrize(
    ("name", "kind", "column"),
    [("a.csv", "csv", "评价"), ("a.csv", "jsonl", "评价"), ("a.csv", "html", "评价"), ("a.txt", "csv", None)],
)
def test_a_file_is_what_the_command_writes(run, tmp_path, name, kind, column):
    (tmp_path / name).write_text(TABLE, "utf-8")
    answerer = FileAnswerer(nlpkit.load("reviews"), kind, column=column, probabilities=True)
    tally = pickle.loads(pickle.dumps(answerer)).answer(tmp_path / name, tmp_path / f"one.{kind}", name=name)
    told = ["--column", column] if column else []
    command = ["sentiment", "score", "--file", name, *told, "-f", kind, "--probabilities", "-o", f"two.{kind}"]
    assert run(*command, cwd=tmp_path).returncode == 0
    assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"two.{kind}").read_bytes()
    assert answerer.describe(tally).startswith(f"{3 if column else 5} rows: ")


def test_parquet_stays_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    parquet.write_table(pyarrow.table({"n": [1, 2], "text": ["质量很好", None]}), tmp_path / "a.parquet")
    FileAnswerer(nlpkit.load("reviews"), "parquet").answer(tmp_path / "a.parquet", tmp_path / "b.parquet")
    found = parquet.read_table(tmp_path / "b.parquet")
    assert found.column("n").to_pylist() == [1, 2]
    assert found.column("label").to_pylist() == ["positive", None]


def test_any_verb_of_a_task_answers(tmp_path):
    (tmp_path / "a.txt").write_text("衣服质量__哦\n", "utf-8")
    answerer = FileAnswerer(nlpkit.load("reviews-cloze"), "jsonl", options={"top": 2})
    answerer.answer(tmp_path / "a.txt", tmp_path / "b.jsonl")
    assert "衣服质量__哦" in (tmp_path / "b.jsonl").read_text("utf-8")


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("table", {}, "no format 'table'"),
        ("csv", {"verb": "scor"}, "sentiment has no verb 'scor'; did you mean 'score'"),
        ("csv", {"options": {"min": 1}}, "sentiment score has no option 'min'"),
        ("csv", {"options": {"explain": 1}}, "explain wants true or false"),
    ],
)
def test_what_it_is_not_asked_is_refused(kind, options, said):
    with pytest.raises(nlpkit.SettingError, match=said):
        FileAnswerer(nlpkit.load("reviews"), kind, **options)


def test_what_is_half_written_is_not_there(tmp_path):
    (tmp_path / "a.csv").write_text("id,review\n1,好\n", "utf-8")
    with pytest.raises(nlpkit.DataError, match="no column 'text'"):
        FileAnswerer(nlpkit.load("reviews"), "csv", column="text").answer(tmp_path / "a.csv", tmp_path / "b.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
