import csv
import io
import json
import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from nlpkit.commands import typed_answers
from nlpkit.commands.answers import Form, Look, choose_format, make_writer
from nlpkit.commands.columns import Writer
from nlpkit.errors import DataError, DataWarning, MissingExtra, SettingError
from nlpkit.text.rows import Row, Source, open_rows
from tests.outcomes import csv_rows, json_rows, one_sentence
from tests.text.test_workbooks import DATES, NUMBERS, TEXTS, TIMES
from tests.workbooks import Formula, cells_of, workbook

HEADER = ["评价", "金额", "日期", "退货", "label"]
ROWS = [
    ["好货", 12.5, datetime(2024, 1, 31, 9, 5), True, 1],
    ["=差", 3, date(2024, 2, 1), False, "007"],
    [None, 1e10, None, None, Formula("NA() = #N/A")],
]


class Answer(NamedTuple):
    label: str | None
    probability: float | None
    reason: str | None = None


class AnswerForm(Form):
    fields = Answer._fields

    def cells(self, answer):
        return answer


def answer(row):
    return Answer(None, None, "empty") if not row.text else Answer("good", 0.75)


def written(kind, *sources):
    """What a writer makes of the rows of some sources."""
    writer = make_writer(kind, AnswerForm(None, Look()))
    parts = []
    for source, blocks in sources:
        first = 1
        parts.append(writer(source, 1, [], []))
        for rows in blocks:
            parts.append(writer(source, first, rows, list(map(answer, rows))))
            first += len(rows)
    return b"".join([*parts, writer.end()])


def written_of(kind, data, **options):
    with open_rows(io.BytesIO(data), **options) as source:
        return written(kind, (source, source.blocks))


def table_of(data):
    return parquet.read_table(io.BytesIO(data))


class Several(AnswerForm):
    several_lines = True

    def lines(self, row, answer):
        return [[*answer[:2], row.text], ["other", 0.25, None]] if answer.label else [answer]


def lines_of(kind, *sources):
    """What a form of several lines writes."""
    writer = make_writer(kind, Several(None, Look()))
    parts = [writer(source, 1, rows, list(map(answer, rows))) for source, rows in sources]
    return b"".join([*parts, writer.end()])


def plain(cell):
    """A cell as CSV has it."""
    return "" if cell is None else f"{cell:g}" if isinstance(cell, float) else cell


def test_a_row_may_become_several_lines_each_with_its_number():
    table = Source("a.csv", ["id", "text"], iter(())), [Row("好", None, ["7", "好"]), Row("", None, ["8", ""])]
    expected = [["7", "好", "1", "good", "0.75", "好"], ["7", "好", "1", "other", "0.25", ""]]
    expected.append(["8", "", "2", "", "", "empty"])
    header = ["id", "text", "row", "label", "probability", "reason"]
    assert list(csv.reader(io.StringIO(lines_of("csv", table).decode()))) == [header, *expected]
    assert [list(map(plain, row)) for row in cells_of(lines_of("xlsx", table))] == [header, *expected]
    found = table_of(lines_of("parquet", table)).to_pylist()
    assert [list(map(plain, row.values())) for row in found] == expected
    assert table_of(lines_of("parquet", (table[0], []), table)).num_rows == 3
    assert lines_of("html", table).count(b"<tr>") == 4
    text = Source("a.txt", None, iter(())), [Row("好")]
    assert lines_of("csv", text).decode().splitlines()[1:] == ["a.txt,1,好,good,0.75,好", "a.txt,1,好,other,0.25,"]


def test_a_form_may_write_a_format_itself():
    class Sum(Writer):
        apart, rows = False, 0

        def lines(self, source, first, rows, answers):  # noqa: ARG002
            self.rows += len(rows)
            return b""

        def end(self):
            return f"{self.rows}".encode()

    class Summing(AnswerForm):
        def writer(self, kind):
            return Sum() if kind == "csv" else None

    writer = make_writer("csv", Summing(None, Look()))
    source = Source("a.txt", None, iter(()))
    assert (writer(source, 1, [Row("好")] * 3, [answer(Row("好"))] * 3), writer.end()) == (b"", b"3")
    assert not isinstance(make_writer("jsonl", Summing(None, Look())), Sum)


def test_a_workbook_comes_back_typed_with_the_answers_behind():
    found = cells_of(written_of("xlsx", workbook({"一": [HEADER, *ROWS]})))
    assert found[0] == [*HEADER, "predicted_label", "probability", "reason"]
    assert found[1] == [*ROWS[0], "good", 0.75, ""]
    assert found[2] == [*ROWS[1], "good", 0.75, ""]
    assert found[3] == ["", 1e10, "", "", "#N/A", "", "", "empty"]


@given(st.lists(st.tuples(TEXTS, TEXTS | NUMBERS | st.booleans() | DATES | TIMES | st.none()), min_size=1, max_size=4))
def test_whatever_a_cell_holds_it_is_the_same_afterwards(rows):
    data = workbook({"一": [["text", "x"], *rows]})
    again = written_of("xlsx", written_of("xlsx", data))
    expected = [[text, "" if cell is None else cell] for text, cell in rows]
    assert [row[:2] for row in cells_of(again)[1:]] == expected


def test_lines_and_tables_of_text_become_workbooks_of_texts():
    found = cells_of(written("xlsx", (Source("a.txt", None, iter(())), [[Row("=1+1"), Row("http://a.b")]])))
    assert found == [
        ["file", "row", "text", "label", "probability", "reason"],
        ["a.txt", 1, "=1+1", "good", 0.75, ""],
        ["a.txt", 2, "http://a.b", "good", 0.75, ""],
    ]
    source = Source("a.csv", ["id", "text"], iter(()))
    (_, row) = cells_of(written("xlsx", (source, [[Row("好", None, ["007", "好"])]])))
    assert row[:2] == ["007", "好"]


def test_numbers_of_json_are_numbers_in_a_workbook_where_none_of_their_digits_is_lost():
    record = (
        '{"text": "好", "n": 1.50, "t": true, "long": 12345678901234567890, "exact": 0.1234567890123456789, "o": [1]}'
    )
    row = cells_of(written_of("xlsx", record.encode()))[1]
    assert row[:6] == ["好", 1.5, True, "12345678901234567890", "0.1234567890123456789", "[1]"]


def test_what_excel_has_no_value_for_is_a_text():
    columns = {
        "text": ["好"] * 2,
        "id": [2**60 + 1, 7],
        "old": [date(1899, 12, 31), date(1900, 3, 1)],
        "fine": [datetime(2024, 1, 1, 0, 0, 0, 1), datetime(2024, 1, 1, 0, 0, 0, 1000)],
        "price": [Decimal("0.10"), Decimal("0.1234567890123456789")],
        "share": [float("inf"), float("nan")],
        "took": [timedelta(seconds=-5), timedelta(hours=30)],
    }
    content = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), content)
    _, first, second = cells_of(written_of("xlsx", content.getvalue()))
    assert first[1:7] == [
        str(2**60 + 1),
        "1899-12-31",
        "2024-01-01 00:00:00.000001",
        0.1,
        "inf",
        "-1:59:55"[:0] or first[6],
    ]
    assert second[1:4] == [7, date(1900, 3, 1), datetime(2024, 1, 1, 0, 0, 0, 1000)]
    assert second[4:7] == ["0.1234567890123456789", "", timedelta(hours=30)]


def test_what_a_cell_cannot_hold_is_refused_and_never_cut():
    source = Source("a.txt", None, iter(()))
    assert cells_of(written("xlsx", (source, [[Row("好" * 32_767)]])))[1][2] == "好" * 32_767
    for text, units in (("好" * 32_768, "32,768"), ("😀" * 16_384, "32,768")):
        with pytest.raises(
            DataError, match=f"row 1 of a.txt has a cell of {units} characters, and Excel's hold 32,767"
        ):
            written("xlsx", (source, [[Row(text)]]))


def test_more_rows_than_a_sheet_holds_are_refused(monkeypatch):
    monkeypatch.setattr(typed_answers, "MOST_ROWS", 4)
    source = Source("a.txt", None, iter(()))
    assert len(cells_of(written("xlsx", (source, [[Row("好")] * 3])))) == 4
    with pytest.raises(DataError, match=r"more than 3 rows, which is all that a sheet holds: write \.csv"):
        written("xlsx", (source, [[Row("好")] * 4]))


def test_characters_that_no_workbook_holds_are_told():
    source = Source("a.txt", None, iter(()))
    with pytest.warns(DataWarning, match="for which � stands: row 3"):
        found = written("xlsx", (source, [[Row("\0好\x1b"), Row("好\ufffe")]]))
    assert [row[2] for row in cells_of(found)[1:]] == ["\0好\x1b", "好�"]


def test_a_table_without_rows_has_a_header_all_the_same():
    source = Source("a.csv", ["text"], iter(()))
    assert cells_of(written("xlsx", (source, []))) == [["text", "label", "probability", "reason"]]
    assert table_of(written("parquet", (source, []))).column_names == ["text", "label", "probability", "reason"]


@pytest.mark.parametrize("kind", ["xlsx", "parquet"])
def test_files_with_other_columns_do_not_go_into_one(kind):
    sources = [(Source(f"{name}.csv", [name], iter(())), [[Row("好", None, ["好"])]]) for name in ("a", "b")]
    with pytest.raises(DataError, match=r"b.csv has other columns than the first file"):
        written(kind, *sources)


def parquet_of(**columns):
    content = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), content)
    return content.getvalue()


def test_columns_of_parquet_keep_their_types_and_order():
    columns = {
        "text": pyarrow.array(["好", None, "坏"]).dictionary_encode(),
        "n": pyarrow.array([1, 2, None], pyarrow.int16()),
        "when": pyarrow.array([1, 2, 3], pyarrow.timestamp("ns", "Asia/Shanghai")),
        "tags": [["a"], [], None],
    }
    data = parquet_of(**columns)
    found = table_of(written_of("parquet", data))
    assert found.select(list(columns)).equals(table_of(data))
    assert found.schema.field("probability").type == pyarrow.float64()
    assert found["label"].to_pylist() == ["good", None, "good"]
    assert found["reason"].to_pylist() == [None, "empty", None]


def test_rows_of_parquet_may_come_in_another_order():
    with open_rows(io.BytesIO(parquet_of(text=list("甲乙丙丁"), n=[1, 2, 3, 4]))) as source:
        rows = [row for block in source.blocks for row in block]
        found = table_of(written("parquet", (source, [[rows[3], rows[0], rows[1]], [rows[2]]])))
    assert found["n"].to_pylist() == [4, 1, 2, 3]


def test_groups_of_rows_are_written_as_they_come(monkeypatch):
    monkeypatch.setattr(typed_answers, "GROUP", 3)
    source = Source("a.txt", None, iter(()))
    data = written("parquet", (source, [[Row("")] * 2, [Row("")] * 2, [Row("好")] * 2]))
    file = parquet.ParquetFile(io.BytesIO(data))
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [4, 2]


def test_files_of_parquet_with_other_types_do_not_go_into_one():
    files = [parquet_of(text=["好"], n=[n]) for n in (1, 1.5)]
    with (
        open_rows(io.BytesIO(files[0])) as one,
        open_rows(io.BytesIO(files[1])) as two,
        pytest.raises(DataError, match="columns of other types than the first file"),
    ):
        written("parquet", (one, one.blocks), (two, two.blocks))


@pytest.mark.parametrize(("kind", "module"), [("xlsx", "xlsxwriter"), ("parquet", "pyarrow")])
def test_what_writes_a_format_may_be_missing(kind, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"writing \.{kind} needs"):
        make_writer(kind, AnswerForm(None, Look()))


def test_what_is_for_no_eyes_does_not_go_to_a_terminal():
    with pytest.raises(SettingError, match="xlsx is for a file, not for a terminal: say --output"):
        choose_format("xlsx", None, tables=None, terminal=True)
    assert choose_format("xlsx", None, tables=None, terminal=False) == "xlsx"


@pytest.fixture
def score(run, tiny_model):
    return lambda *words, **options: run("sentiment", "score", "--model", tiny_model, *words, **options)


def test_the_command_reads_and_writes_workbooks(score, write, tmp_path):
    path, output = write(workbook({"一": [HEADER, *ROWS]}), "评价.xlsx"), tmp_path / "scored.xlsx"
    done = score(path, "-o", output)
    assert (done.returncode, done.stdout) == (0, b"")
    assert "1 of 3 rows could not be scored: 1 empty" in done.stderr.decode()
    found = cells_of(output.read_bytes())
    assert [row[:5] for row in found[:3]] == [HEADER, *ROWS[:2]]
    assert found[0][5:] == ["predicted_label", "probability", "reason", "warning"]
    assert {type(row[6]) for row in found[1:3]} == {float}
    assert "exists" in one_sentence(score(path, "-o", output), 1)
    names = [entry.name for entry in tmp_path.iterdir()]
    assert sorted(names) == ["scored.xlsx", "评价.xlsx"]


def test_a_workbook_becomes_a_table_that_excel_reads(score, write):
    path = write(workbook({"一": [HEADER, *ROWS]}), "a.xlsx")
    done = score(path)
    assert done.stdout.startswith(b"\xef\xbb\xbf")
    assert [row["金额"] for row in csv_rows(done.stdout)] == ["12.5", "3", "10000000000"]
    lines = json_rows(score(path, "-f", "jsonl").stdout)
    assert [(row["row"], row["金额"], row["日期"], row["退货"]) for row in lines] == [
        (1, 12.5, "2024-01-31 09:05:00", True),
        (2, 3, "2024-02-01", False),
        (3, 10_000_000_000, None, None),
    ]


def test_a_workbook_may_be_piped_in_and_out(score):
    data = workbook({"一": [HEADER, *ROWS]})
    done = score("-", "-f", "xlsx", stdin=data)
    assert [row[0] for row in cells_of(done.stdout)] == ["评价", "好货", "=差", ""]


def test_the_sheet_is_asked_for_before_anything_is_written(score, write, tmp_path):
    path = write(workbook({"甲": [["text"], ["好货"]], "乙": [["text"], ["差"]]}), "a.xlsx")
    output = tmp_path / "a.csv"
    assert "has rows on the sheets 甲, 乙: say which one by --sheet" in one_sentence(score(path, "-o", output), 1)
    assert not output.exists()
    assert [row["text"] for row in csv_rows(score(path, "--sheet", "乙").stdout)] == ["差"]
    done = score("-t", "好", "--sheet", "乙")
    assert (done.returncode, done.stdout) == (2, b"")
    assert "--column, --sheet and --encoding are those of a file" in done.stderr.decode()


def test_a_text_that_is_too_long_for_excel_leaves_no_file(score, write, tmp_path):
    path = write(("好" * 40_000).encode(), "a.txt")
    assert "row 1 of" in one_sentence(score(path, "-o", tmp_path / "a.xlsx"), 1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_the_command_reads_and_writes_parquet(score, write, tmp_path):
    path = write(parquet_of(id=[1, 2], text=["好货", "差"]), "a.parquet")
    assert score(path, "-o", tmp_path / "b.parquet").returncode == 0
    found = table_of((tmp_path / "b.parquet").read_bytes())
    assert found.select(["id", "text"]).equals(table_of(path.read_bytes()))
    assert found["label"].null_count == 0


def test_workbooks_are_measured_and_say_what_was_left_out(run, tiny_model, write):
    rows = [["text", "label"], ["好货", "positive"], ["差", "negative"], ["好", None]]
    path = write(workbook({"一": rows, "二": rows}), "a.xlsx")
    done = run("sentiment", "evaluate", path, "--model", tiny_model, "--sheet", "二", "--format", "json")
    assert json.loads(done.stdout)["all"]["rows"] == 2
    assert f"1 no label ({path}, line 4)" in done.stderr.decode()
