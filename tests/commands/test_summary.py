import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.commands.summary import interval

ROWS = "品类,评价\n水果,好\n水果,差\n手机,好好\n手机,\n,棒\n水果,慢快\n"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "shop.csv"
    path.write_text(ROWS, encoding="utf-8")
    return path


@pytest.fixture
def score(run, tiny_model):
    return lambda *arguments, **options: run("sentiment", "score", "--model", tiny_model, *arguments, **options)


@given(st.integers(0, 200), st.integers(0, 200))
def test_an_interval_holds_the_share(hits, others):
    rows = hits + others
    low, high = interval(hits, rows)
    assert 0 <= low <= (hits / rows if rows else 0.5) <= high <= 1


def test_an_interval_is_wilsons():
    assert interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert interval(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


def test_labels_are_counted_by_the_values_of_a_column(score, table):
    done = score(table, "--column", "评价", "--by", "品类", "--format", "jsonl")
    groups = {group["品类"]: group for group in map(json.loads, done.stdout.decode().splitlines())}
    assert list(groups) == ["水果", "手机", "(none)"]
    assert groups["水果"]["rows"] == 3
    assert groups["水果"]["labels"]["positive"]["rows"] + groups["水果"]["labels"]["negative"]["rows"] == 3
    assert groups["手机"]["unscored"] == 1
    assert groups["手机"]["labels"]["positive"]["share"] == 1.0
    assert "1 of 6 rows could not be scored: 1 empty" in done.stderr.decode()


def test_counts_are_a_table_of_cells_in_a_pipe(score, table):
    done = score(table, "--column", "评价", "--by", "品类")
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert {row["品类"] for row in rows} == {"水果", "手机", "(none)"}
    assert sum(int(row["rows_of_label"]) for row in rows) == 5
    assert all(float(row["low"]) <= float(row["share"]) <= float(row["high"]) for row in rows)


def test_counts_are_drawn_with_a_bar(score, table):
    done = score(table, "--column", "评价", "--by", "品类", "--format", "table")
    lines = done.stdout.decode().splitlines()
    assert any("手机" in line and "100% (21–100)" in line and "▓" in line for line in lines)


def test_rows_are_written_beside_the_counts_where_an_output_is_named(score, table, tmp_path):
    output = tmp_path / "scored.csv"
    done = score(table, "--column", "评价", "--by", "品类", "-o", output)
    assert done.stdout.decode().startswith("品类,rows,")
    assert len(list(csv.DictReader(io.StringIO(output.read_text(encoding="utf-8"))))) == 6
    assert f"6 rows: 2 negative, 3 positive, 1 without an answer; saved in {output}" in done.stderr.decode()


def test_several_columns_are_counted_by_their_combinations(score, tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"text": "好", "shop": {"city": "北京"}, "year": 2024}, {"text": "差", "shop": {"city": "北京"}}]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    done = score(path, "--by", "shop.city", "--by", "year", "-f", "jsonl")
    keys = [(group["shop.city"], group["year"]) for group in map(json.loads, done.stdout.decode().splitlines())]
    assert keys == [("北京", "(none)"), ("北京", "2024")]


@pytest.mark.parametrize("column", ["品", "nothing"])
def test_a_missing_column_says_which_there_are(score, table, column):
    done = score(table, "--column", "评价", "--by", column)
    assert done.returncode == 1
    assert "There is: 品类, 评价" in done.stderr.decode() or "there is: 品类, 评价" in done.stderr.decode()


def test_lines_have_no_columns(score, tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("好\n差\n", encoding="utf-8")
    done = score(path, "--by", "品类")
    assert done.returncode == 1
    assert "has no columns" in done.stderr.decode()


def test_the_worst_rows_come_first(score, table):
    done = score(table, "--column", "评价", "--sort", "negative")
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert [row["评价"] for row in rows] == ["差", "慢快", "棒", "好", "好好", ""]
    assert rows[-1]["reason"] == "empty"
    top = score(table, "--column", "评价", "--sort", "negative", "--top", "2")
    assert list(csv.DictReader(io.StringIO(top.stdout.decode()))) == rows[:2]


def test_rows_of_several_files_are_sorted_together(score, tmp_path):
    for name, text in (("a.txt", "好\n差\n"), ("b.txt", "烂差\n棒\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = score(tmp_path / "a.txt", tmp_path / "b.txt", "--sort", "negative")
    rows = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [(row["file"][-5:], row["row"]) for row in rows] == [("b.txt", 1), ("a.txt", 2), ("b.txt", 2), ("a.txt", 1)]


def test_the_number_of_rows_needs_an_order(score, table):
    assert score(table, "--top", "3").returncode == 2
    wrong = score(table, "--column", "评价", "--sort", "negativ")
    assert wrong.returncode == 2
    assert "did you mean 'negative'" in wrong.stderr.decode()


def test_each_label_may_have_a_column(score, table):
    done = score(table, "--column", "评价", "--probabilities")
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert list(rows[0])[-2:] == ["probability_negative", "probability_positive"]
    assert float(rows[0]["probability_negative"]) + float(rows[0]["probability_positive"]) == pytest.approx(1)
    assert rows[3]["probability_negative"] == ""


def test_unsure_rows_are_counted_as_one_kind(score, tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("快\n慢\n好好\n", encoding="utf-8")
    done = score(path, "--min-probability", "0.9")
    rows = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [row["label"] for row in rows] == [None, None, "positive"]
    assert "2 of 3 rows could not be scored: 2 unsure" in done.stderr.decode()
    assert score(path, "--min-probability", "1.2").returncode == 2


def test_words_are_explained_in_each_format(score, tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text('好，"慢"\n\n差\n', encoding="utf-8")
    rows = [json.loads(line) for line in score(path, "--explain").stdout.decode().splitlines()]
    assert {"token": "好", "start": 0, "end": 1, "weight": 2.0} in rows[0]["explanation"]
    assert rows[0]["method"] == "sum"
    assert rows[1]["explanation"] is None
    cells = list(csv.DictReader(io.StringIO(score(path, "--explain", "-f", "csv").stdout.decode())))
    assert cells[0]["explanation"].startswith("好 +2.00")
    lines = score(path, "--explain", "-f", "table").stdout.decode().splitlines()
    assert "好 +2.00, 慢 -0.50" in lines[1]


def test_a_page_shows_what_speaks_for_each_answer(score, tmp_path):
    path, output = tmp_path / "lines.txt", tmp_path / "page.html"
    path.write_text("好<script>\n\n差\n", encoding="utf-8")
    assert score(path, "--explain", "-o", output).returncode == 0
    html = output.read_text(encoding="utf-8")
    assert html.count("<tr>") == 4
    assert "<script>" not in html
    assert 'title="+2.00">好</span>' in html
    assert html.rstrip().endswith("</table>")


def test_counts_keep_the_names_of_columns_that_they_have_themselves(score, tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text("rows,label,text\na,x,好\nb,y,差\n", encoding="utf-8")
    groups = [json.loads(line) for line in score(path, "--by", "rows", "-f", "jsonl").stdout.decode().splitlines()]
    assert [(group["by_rows"], group["rows"]) for group in groups] == [("a", 1), ("b", 1)]
    assert score(path, "--by", "label", "-f", "csv").stdout.decode().startswith("by_label,rows,")


def test_lists_are_values_too(score, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "好", "g": ["x"]}\n{"text": "差", "g": ["y"]}\n', encoding="utf-8")
    groups = [json.loads(line)["g"] for line in score(path, "--by", "g", "-f", "jsonl").stdout.decode().splitlines()]
    assert groups == ['["x"]', '["y"]']


@pytest.mark.parametrize("more", [("--sort", "negative"), ("--explain",), ("--probabilities",), ("--format", "xlsx")])
def test_what_counts_have_no_room_for_is_refused(score, table, more):
    assert score(table, "--column", "评价", "--by", "品类", *more).returncode == 2


def test_unsure_rows_are_no_answers_and_come_last(score, tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("慢\n差差\n好好\n", encoding="utf-8")
    done = score(path, "--sort", "negative", "--min-probability", "0.9")
    assert [json.loads(line)["text"] for line in done.stdout.decode().splitlines()] == ["差差", "好好", "慢"]


def test_how_many_are_saved_is_said(score, tmp_path):
    path, output = tmp_path / "lines.txt", tmp_path / "out.jsonl"
    path.write_text("慢\n差差\n好好\n", encoding="utf-8")
    done = score(path, "--sort", "negative", "--top", "2", "-o", output)
    assert f"saved the first 2 of these in {output}" in done.stderr.decode()
    assert len(output.read_text(encoding="utf-8").splitlines()) == 2
