"""Tables of numbers: every encoding and spelling that people have, and one sentence for what cannot be read."""

import csv
import gzip
import io
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from nlpkit import DataError, NlpkitError, SettingError

from nlpkit_diagnose.tables import NULLS, parse_number, read_ragged, read_table, scale

quick = settings(max_examples=60, deadline=None, derandomize=True)
COLUMNS = (("Open", "开盘"), ("Close", "收盘"))
FINITE = st.floats(-1e15, 1e15)
SPELT = st.one_of(
    FINITE.map(repr), st.integers(-(10**9), 10**9).map("{:,}".format), st.floats(-9e14, 9e14).map("{:+.3e}".format)
)
JUNK = st.sampled_from(["x", "1x", "--", "inf", "-inf", "nan7", "Infinity", "1.2.3", "$5", "五", "1,2,3", "1_0", "."])


@given(FINITE)
@quick
def test_a_number_is_read_as_it_is_written(value):
    assert parse_number(repr(value), "here") == value


@given(st.integers(-(10**14), 10**14), st.integers(0, 99))
@quick
def test_a_number_may_have_commas_between_thousands(whole, hundredths):
    assert parse_number(f"{whole:,}.{hundredths:02}", "here") == float(f"{whole}.{hundredths:02}")


@given(st.text(max_size=60))
@quick
def test_whatever_stands_in_a_cell_it_is_a_finite_number_or_refused_in_words(cell):
    try:
        assert math.isfinite(parse_number(cell, "t.csv, line 3"))
    except DataError as error:
        assert str(error).startswith("t.csv, line 3: expected a number ")  # noqa: PT017
        assert str(error).endswith(f", found {cell[:40]!r}")  # noqa: PT017


@pytest.mark.parametrize("cell", ["1e16", "-2000000000000000", "9e999", "1" * 400])
def test_a_number_that_no_network_could_learn_is_refused(cell):
    with pytest.raises(DataError, match=r"^here: expected a number of at most 1e\+15, found "):
        parse_number(cell, "here")


@pytest.mark.parametrize(
    ("cell", "value"),
    [("1,234,567", 1234567), ("-1,234.5", -1234.5), ("+.5", 0.5), ("5.", 5), ("1E3", 1000), ("１２", 12), ("007", 7)],
)
def test_a_number_is_read_as_a_spreadsheet_writes_it(cell, value):
    assert parse_number(cell, "here") == value


@pytest.mark.parametrize(
    "cell", ["", " ", "1,5", "12,34", "1,2345", ",5", "1e", "+", "-.", "1_000", "0x1", "5%", "1 2"]
)
def test_what_may_mean_something_else_is_no_number(cell):
    with pytest.raises(DataError, match=r"^here: expected a number such as -1234\.5, found "):
        parse_number(cell, "here")


@given(st.lists(st.tuples(*[st.one_of(SPELT, SPELT, st.sampled_from(NULLS))] * 3), min_size=1, max_size=8))
@quick
def test_rows_with_all_numbers_are_kept_and_the_others_counted(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("tables") / "t.csv"
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["Open", "else", "收盘"], *rows])
    path.write_text(text.getvalue(), encoding="utf-8")
    wanted = [(row[0], row[2]) for row in rows if row[0] not in NULLS and row[2] not in NULLS]
    if not wanted:
        with pytest.raises(DataError, match=r"has no row in which Open, 收盘 are all there"):
            read_table(path, COLUMNS)
        return
    found = read_table(path, COLUMNS)
    assert found.values.tolist() == [[float(cell.replace(",", "")) for cell in row] for row in wanted]
    assert (found.nulls, list(found.columns)) == (len(rows) - len(wanted), ["Open", "收盘"])


@given(st.lists(SPELT, max_size=4), JUNK, st.booleans())
@quick
def test_what_is_no_number_is_named_with_its_line_and_its_column(tmp_path_factory, before, junk, last):
    path = tmp_path_factory.mktemp("tables") / "t.csv"
    lines = [f'1;"{cell}"' for cell in before] + [f"1;{junk}" if last else f"{junk};1"]
    path.write_text("\n".join(["Open;Close", *lines]), encoding="utf-8")
    column = "Close" if last else "Open"
    expected = f"{path}, line {len(lines) + 1}, {column}: expected a number such as -1234.5, found {junk!r}"
    with pytest.raises(DataError, match=re.escape(expected)):
        read_table(path, COLUMNS)


@given(st.binary(max_size=80), st.sampled_from([b"", b"Open,Close\n1,2\n", "开盘\t收盘\n".encode("gb18030")]))
@quick
@pytest.mark.filterwarnings("ignore::nlpkit.errors.DataWarning")
def test_whatever_is_in_a_file_it_is_read_or_refused_in_words(tmp_path_factory, data, header):
    path = tmp_path_factory.mktemp("wild") / "t.csv"
    path.write_bytes(header + data)
    for read in (lambda: read_table(path, COLUMNS), lambda: read_table(path, None), lambda: list(read_ragged(path))):
        try:
            read()
        except NlpkitError as error:
            assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("nulls", NULLS)
def test_a_row_that_lacks_a_number_is_left_out(write, nulls):
    found = read_table(write(f"Open,Close\n1,2\n{nulls.upper()} ,4\n5,6\n"), COLUMNS)
    assert found.values.tolist() == [[1, 2], [5, 6]]
    assert (list(found.lines), found.nulls) == ([2, 4], 1)
    assert found.findings == ["1 of 3 rows were left out: a number is missing there"]


def test_nothing_is_said_where_nothing_was_left_out(write):
    assert read_table(write("Open,Close\n1,2\n"), COLUMNS).findings == []


def test_columns_come_in_the_order_asked_for_by_any_of_their_names_in_any_case(write):
    found = read_table(write("x, CLOSE ,day,open\n9,2,a,1\n9,4,b,3\n"), COLUMNS, key=("Date", "Day"))
    assert (list(found.columns), found.values.tolist()) == (["open", "CLOSE"], [[1, 2], [3, 4]])
    assert list(found.keys) == ["a", "b"]


def test_a_line_is_where_a_row_begins(write):
    found = read_table(write('Open,"Cl\nose",Close,at\n1,x,2,"a\nb"\n\n3,y,4,c\n'), COLUMNS, key=("at",))
    assert list(found.lines) == [3, 6]


@pytest.mark.parametrize(
    ("encoding", "name"), [("utf-8-sig", "t.csv"), ("gb18030", "t.csv"), ("utf-16", "t.csv"), ("utf-8", "t.csv.gz")]
)
def test_a_table_may_be_encoded_as_spreadsheets_do(write, encoding, name):
    data = "开盘,收盘,日期\n1,2,一月\n".encode(encoding)
    path = write(gzip.compress(data) if name.endswith(".gz") else data, name)
    found = read_table(path, COLUMNS, key=("日期",))
    assert (list(found.columns), found.values.tolist(), list(found.keys)) == (["开盘", "收盘"], [[1, 2]], ["一月"])


def test_an_encoding_that_is_said_is_used_and_one_that_is_none_refused(write):
    path = write("开盘,收盘\n1,2\n".encode("utf-16-le"))
    assert read_table(path, COLUMNS, encoding="utf-16").values.tolist() == [[1, 2]]
    with pytest.raises(SettingError, match="there is no encoding 'gbkk'"):
        read_table(path, COLUMNS, encoding="gbkk")


def test_all_columns_are_read_where_none_is_named(write):
    found = read_table(write("b,a\n1,2\n3,4\n"), None)
    assert (list(found.columns), found.values.tolist()) == (["b", "a"], [[1, 2], [3, 4]])


@pytest.mark.parametrize("header", ["a,a,b", "a,A,b"])
def test_columns_of_one_name_are_not_taken_for_each_other(write, header):
    assert read_table(write(f"{header}\n1,2,3\n4,5,6\n"), None).values.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("header", ["Open,Close,close", "Open,收盘,Close"])
def test_two_columns_that_may_be_meant_are_refused(write, header):
    path = write(f"{header}\n1,2,3\n")
    with pytest.raises(
        DataError, match=f"has 2 columns for 'Close', {' and '.join(header.split(',')[1:])}: rename all"
    ):
        read_table(path, COLUMNS)


def test_short_rows_may_be_filled_as_a_spreadsheet_does(write):
    found = list(read_ragged(write("1,2,3,,\n,,,,\n4,5,,,\n")))
    assert found == [(1, [1, 2, 3]), (3, [4, 5])]


def test_a_gap_within_a_row_is_no_number(write):
    path = write("1,2\n1,,2\n")
    with pytest.raises(DataError, match=re.escape(f"{path}, line 2: expected a number such as -1234.5, found ''")):
        list(read_ragged(path))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("Opening,收盘\n1,2\n", r"has no column 'Open' \(nor 开盘\); did you mean 'Opening'\? There is: Opening, 收盘"),
        ("开盘,close price\n1,2\n", r"has no column 'Close' \(nor 收盘\).* There is: 开盘, close price"),
        ("1,2\n3,4\n", r"has no column 'Open' .*there is: 1, 2"),
        ("Open,Close\n", "has no row in which Open, Close are all there"),
        ("Open,Close\n1,2\n1,2,3\n", "line 3: 3 columns where the header has 2"),
        ('Open,Close\n1,"2\n', "line 2, Close: expected a number such as -1234.5, found '\"2'"),
        ("", "is empty"),
        (b"PK\x03\x04 workbook", "an Excel workbook: save it as CSV"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence_that_names_it(write, data, sentence):
    path = write(data)
    with pytest.raises(DataError, match=sentence) as caught:
        read_table(path, COLUMNS)
    assert str(path) in str(caught.value)


def test_a_key_that_is_missing_is_named(write):
    with pytest.raises(DataError, match=r"has no column 'Date' \(nor 日期\); there is: Open, Close"):
        read_table(write("Open,Close\n1,2\n"), COLUMNS, key=("Date", "日期"))


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'nowhere.csv'} cannot be read: no such file")):
        read_table(tmp_path / "nowhere.csv", COLUMNS)


def test_rows_can_be_put_in_another_order_and_columns_moved(write):
    found = read_table(write("a,b,c\n1,2,3\n4,5,6\n7,,9\n"), None, key=("b",))
    turned = found.in_order([1, 0])
    assert (turned.values.tolist(), list(turned.keys), list(turned.lines)) == (
        [[4, 5, 6], [1, 2, 3]],
        ["5", "2"],
        [3, 2],
    )
    moved = found.with_last(0)
    assert (list(moved.columns), moved.values.tolist()) == (["b", "c", "a"], [[2, 3, 1], [5, 6, 4]])
    assert turned.nulls == moved.nulls == 1


ROWS = st.lists(st.lists(FINITE, min_size=1, max_size=5), min_size=1, max_size=6)


@given(ROWS, st.sampled_from([",", ", ", ";", "\t", " ", "\u3000"]), st.booleans())
@quick
def test_ragged_rows_are_read_past_blank_lines(tmp_path_factory, rows, between, blank):
    path = tmp_path_factory.mktemp("ragged") / "b.csv"
    lines = [between.join(map(repr, row)) for row in rows]
    path.write_text(("\n \n" if blank else "\n").join(lines), encoding="utf-8")
    found = list(read_ragged(path))
    assert [row for _, row in found] == rows
    assert [line for line, _ in found] == [1 + at * (1 + blank) for at in range(len(rows))]


@given(
    arrays(np.float64, (9, 2), elements=st.integers(-1000, 1000).map(lambda value: value / 8)),
    st.sets(st.integers(0, 8), min_size=1),
)
@quick
def test_columns_are_scaled_by_the_chosen_rows(values, chosen):
    at = np.array(sorted(chosen))
    found = scale(values, at)
    assert (found.dtype, found.shape) == (np.float32, values.shape)
    for column in range(2):
        numbers = [float(values[row, column]) for row in at]
        mean = sum(numbers) / len(numbers)
        spread = math.sqrt(sum((value - mean) ** 2 for value in numbers) / len(numbers))
        wanted = [(float(value) - mean) / spread if spread else 0.0 for value in values[:, column]]
        np.testing.assert_allclose(found[:, column], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.3, 1e9 / 7])  # of most, rounding makes a spread
@pytest.mark.parametrize("rows", [3, 7, 100])
def test_a_column_that_never_changes_there_becomes_zero(value, rows):
    values = np.full((rows + 1, 1), value)
    values[-1] = value + 1
    assert not scale(values, np.arange(rows)).any()
