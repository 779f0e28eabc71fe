import io
import sys
import zipfile
from datetime import date, datetime, time, timedelta
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.errors import DataError, DataWarning, MissingExtra, SettingError
from nlpkit.text import workbooks
from nlpkit.text.corpus import Faults, files_of, read_examples
from nlpkit.text.rows import open_rows
from tests.workbooks import Formula, workbook

HEADER = ["编号", "评价", "label"]
ROWS = [HEADER, [1, "质量很好", 1], [2, "坏了", 0], [3, "还行", 1]]


def rows_of(data, **options):
    with open_rows(io.BytesIO(data) if isinstance(data, bytes) else data, **options) as source:
        return [row for block in source.blocks for row in block]


def texts_of(data, **options):
    return [row.text for row in rows_of(data, **options)]


def test_a_workbook_is_known_by_its_first_bytes_whatever_it_is_called(write):
    for name in ("a.xlsx", "a.csv", "a"):
        assert texts_of(write(workbook({"一": ROWS}), name)) == ["质量很好", "坏了", "还行"]


def test_a_cell_is_read_as_excel_writes_it_to_csv():
    cells = [
        (1, "1"),
        (2.5, "2.5"),
        (13800138000, "13800138000"),
        ("007", "007"),
        (" =1+1", " =1+1"),
        (True, "TRUE"),
        (date(2024, 1, 31), "2024-01-31"),
        (datetime(2024, 1, 31, 9, 5), "2024-01-31 09:05:00"),
        (time(9, 5), "09:05:00"),
        (timedelta(hours=30, minutes=1), "30:01:00"),
        (Formula("1+1 = 2"), "2"),
        (None, ""),
        ("好\n坏", "好\n坏"),
    ]
    (row,) = rows_of(workbook({"一": [["text", *map(str, range(len(cells)))], ["好", *(cell for cell, _ in cells)]]}))
    assert list(row.cells) == ["好", *(text for _, text in cells)]
    assert list(row.values)[1:6] == [1, 2.5, 13800138000, "007", " =1+1"]
    assert row.line == 2


def test_numbers_as_labels_have_no_point(write):
    path = write(workbook({"一": ROWS}), "a.xlsx")
    assert [(e.text, e.label) for e in read_examples(path)] == [("质量很好", "1"), ("坏了", "0"), ("还行", "1")]


def test_an_error_in_a_cell_is_told_by_its_name(write):
    error = Formula("NA() = #N/A")
    data = workbook({"一": [["评价", "label", "n"], ["好", error, Formula("1/0 = #DIV/0!")], [error, 1, 2]]})
    first, second = rows_of(data)
    assert (first.cells[1:], first.fault) == (["#N/A", "#DIV/0!"], None)
    assert (second.text, second.fault) == ("#N/A", "error #N/A")
    faults = Faults()
    assert list(read_examples(write(data, "a.xlsx"), faults=faults)) == []
    assert faults == {"no label": 1, "error #N/A": 1}


def test_errors_are_found_where_they_stand_in_a_sheet_that_begins_further_right_and_below():
    rows = [[], [], [None, None, "评价", "n"], [None, None, "好", Formula("NA() = #N/A")], [None, None, "坏", 1]]
    found = rows_of(workbook({"空": [], "一": rows}))
    assert [row.cells for row in found] == [["好", "#N/A"], ["坏", "1"]]
    assert [row.line for row in found] == [4, 5]


def test_a_sheet_made_to_be_searched_for_ever_is_searched_in_no_time():
    began = perf_counter()
    for piece in (b'<c t="e" r="A1">', b'<c r="A1" t="e"></c >', b"<c ", b'<c t="e" r="AAA" '):
        assert workbooks._ERROR.findall(piece * 20_000) == []
    assert perf_counter() - began < 5  # it was minutes


def test_a_row_without_any_value_is_none_and_others_are_told_by_their_number(write):
    rows = [["评价", "label"], ["好", 1], [None, None], ["", None], ["坏", None], [None, 0]]
    faults = Faults()
    path = write(workbook({"一": rows}), "a.xlsx")
    assert len(list(read_examples(path, faults=faults))) == 1
    assert str(faults) == f"1 no label ({path}, line 5), 1 no text ({path}, line 6)"


@pytest.mark.parametrize("column", [None, "评价"])
def test_a_header_below_a_title_is_found_and_told(column):
    data = workbook({"一": [["2024年评价汇总"], [], *ROWS]})
    with pytest.warns(DataWarning, match="stdin has its header in row 3: what is above is left out"):
        assert texts_of(data, column=column) == ["质量很好", "坏了", "还行"]


def test_a_cell_that_is_called_as_the_column_is_no_header_if_a_row_above_has_as_many():
    data = workbook({"一": [["a", "b"], ["评价", "x"], ["好", "y"]]})
    with pytest.raises(DataError, match="has the columns a, b: say which one by --column"):
        texts_of(data)
    with pytest.raises(DataError, match="has no column '评价'; there is: a, b"):
        texts_of(data, column="评价")


def test_merged_cells_are_told():
    data = workbook({"一": ROWS}, merged=[(1, 3, 2, 3, "手机"), (0, 4, 0, 5, "更多")])
    with pytest.warns(DataWarning, match="merged over several rows, of which only the first has their value: row 2"):
        assert [row.cells[3] for row in rows_of(data)] == ["手机", "", ""]


def test_of_several_sheets_with_rows_one_must_be_named():
    data = workbook({"说明": [["text"], ["这是说明"]], "空": [], "数据": ROWS, "藏": ROWS}, hidden=["藏"])
    with pytest.raises(DataError, match="stdin has rows on the sheets 说明, 数据: say which one by --sheet"):
        texts_of(data)
    assert texts_of(data, sheet="数据") == texts_of(data, sheet="藏") == ["质量很好", "坏了", "还行"]
    with pytest.raises(SettingError, match="has no sheet '数'; did you mean '数据'"):
        texts_of(data, sheet="数")


def test_a_hidden_sheet_is_not_read_unless_it_is_named():
    assert texts_of(workbook({"一": ROWS, "藏": [["text"], ["x"]]}, hidden=["藏"])) == ["质量很好", "坏了", "还行"]
    with pytest.raises(DataError, match=r"is empty: expected a header and rows below it; --sheet reads one .*: 藏"):
        texts_of(workbook({"一": [], "藏": ROWS}, hidden=["藏"]))


def test_only_a_workbook_has_sheets(write):
    with pytest.raises(SettingError, match=r"a.csv is no workbook, and has no sheet '一'"):
        texts_of(write("text\n好\n".encode(), "a.csv"), sheet="一")


def test_what_is_damaged_or_no_workbook_is_told_in_a_sentence(write):
    good = workbook({"一": ROWS})
    old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)  # of which ones with a password are, too
    for data in (good[: len(good) // 2], old):
        with pytest.raises(DataError, match=r"a.xlsx is no workbook that can be read \(.+\): save it as"):
            texts_of(write(data, "a.xlsx"))
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("评论.txt", "好")
    with pytest.raises(DataError, match="is a zip file"):
        texts_of(write(other.getvalue(), "a.xlsx"))


def test_what_reads_workbooks_may_be_missing(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    path = write(workbook({"一": ROWS}), "a.xlsx")
    with pytest.raises(MissingExtra, match=r"reading .*a.xlsx needs python-calamine, .* '.\[excel\]'"):
        texts_of(path)


def test_a_sheet_of_open_document_is_read():
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    number = '<table:table-cell office:value-type="float" office:value="{0}"><text:p>{0}</text:p></table:table-cell>'
    rows = [cell.format("评价") + cell.format("label"), cell.format("好") + number.format(1)]
    spaces = {name: f"urn:oasis:names:tc:opendocument:xmlns:{name}:1.0" for name in ("office", "table", "text")}
    names = " ".join(f'xmlns:{name}="{space}"' for name, space in spaces.items())
    table = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
    body = f'<office:spreadsheet><table:table table:name="一">{table}</table:table></office:spreadsheet>'
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr(
            "content.xml",
            f"<office:document-content {names}><office:body>{body}</office:body></office:document-content>",
        )
    (row,) = rows_of(content.getvalue())
    assert row.cells == ["好", "1"]


def test_workbooks_of_a_folder_are_read_but_not_what_excel_leaves_beside_one_that_is_open(write, tmp_path):
    write(workbook({"一": ROWS}), "a.xlsx")
    write(b"lock", "~$a.xlsx")
    assert [path.name for path in files_of(tmp_path)] == ["a.xlsx"]
    assert len(list(read_examples(tmp_path))) == 3


def test_texts_of_one_label_may_stand_in_a_workbook(write):
    path = write(workbook({"一": ROWS}), "a.xlsx")
    assert [(e.text, e.label) for e in read_examples(f"good={path}")] == [(row[1], "good") for row in ROWS[1:]]


XML = st.characters(exclude_characters="\ufffe\uffff", exclude_categories=["Cs"])
TEXTS = st.text(XML, min_size=1, max_size=20)
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False).map(
    lambda x: float(f"{x:.15g}")
)
DATES = st.dates(date(1900, 3, 1), date(9999, 12, 31))
TIMES = st.datetimes(datetime(1900, 3, 1), datetime(9999, 12, 31)).map(lambda t: t.replace(microsecond=0))


@given(st.lists(st.tuples(TEXTS, TEXTS | NUMBERS | st.booleans() | DATES | TIMES | st.none()), min_size=1, max_size=5))
def test_any_cell_is_read_as_it_was_written(rows):
    found = rows_of(workbook({"一": [["评价", "x"], *rows]}))
    assert [row.text for row in found] == [text for text, _ in rows]
    assert [row.values[1] for row in found] == [value for _, value in rows]
