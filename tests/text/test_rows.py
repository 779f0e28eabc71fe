import csv
import gzip
import io

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from nlpkit.errors import DataError, DataWarning
from nlpkit.text import decoding
from nlpkit.text.decoding import BLOCK
from nlpkit.text.rows import argument_row, open_rows, preview

REVIEWS = ["质量很好，下次还来。", "物流慢，服务态度差", "还行吧 OK", "", "👍", "屏幕大，颜色正"]
PLAIN = [text for text in REVIEWS if text != "👍"]


def rows_of(path, **options):
    with open_rows(path, **options) as source:
        return [row for block in source.blocks for row in block]


def texts_of(path, **options):
    return [row.text for row in rows_of(path, **options)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be", "bom+utf-16-be"]
)
@pytest.mark.parametrize("last", [True, False])
def test_lines_in_every_encoding(write, encoding, end, last):
    data = (end.join(REVIEWS) + end * last).encode(encoding.removeprefix("bom+"))
    path = write(b"\xfe\xff" + data if encoding.startswith("bom") else data)
    assert texts_of(path) == REVIEWS
    assert all(row.fault is None for row in rows_of(path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_the_sample_reviews_read_the_same_in_every_encoding(samples, write, encoding):
    expected = (samples / "reviews.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    path = write("\n".join([*expected, ""]).encode(encoding))
    assert texts_of(path) == expected


def test_one_bad_line_of_utf8_is_one_bad_row(write):
    lines = [text.encode() for text in REVIEWS]
    lines[2] = b"\xc4\xe3\xba\xc3"  # GB18030 in the midst of UTF-8
    found = rows_of(write(b"\n".join(lines) + b"\n"))
    assert [row.text for row in found if row.fault is None] == [t for i, t in enumerate(REVIEWS) if i != 2]
    assert [row.fault for row in found] == [None, None, "undecodable bytes", None, None, None]
    assert "�" in found[2].text


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_nul_is_part_of_a_row_and_told(write, encoding):
    lines = [f"第{n}条，质量很好" for n in range(9)]
    lines[4] = "质量\0很好"
    path = write("\n".join(lines).encode(encoding))
    with pytest.warns(DataWarning, match="has zero bytes in its text: line 5$"):
        assert texts_of(path) == lines
    table = write("\n".join(["text", *lines]).encode(encoding), "a.csv")
    with pytest.warns(DataWarning, match="has zero bytes in its text: line 6$"):
        assert texts_of(table) == lines


def test_blocks_come_as_they_are_asked_for(write):
    path = write("好\n".encode() * BLOCK)
    with open_rows(path) as source:
        first = next(source.blocks)
        assert 0 < len(first) < BLOCK
        assert 0 < source.progress() < 1
        assert len(first) + sum(map(len, source.blocks)) == BLOCK
        assert source.progress() == 1


lines = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r")) | st.binary(max_size=9), max_size=8)


def joined(parts):
    return b"\n".join(part if isinstance(part, bytes) else part.encode() for part in parts)


@pytest.mark.filterwarnings("ignore::nlpkit.errors.DataWarning")
@given(lines.map(joined) | st.binary(max_size=200), st.sampled_from(["utf-8", "gb18030"]))
@example(b"\x81\n\x81\x30\n\xe5\n\xe5\xa5\n", "utf-8")
@example(b"\x81\n\x81\x30\n\xe5\n\xe5\xa5\n", "gb18030")
@example(b"\r\n\r\r\n\n\r", "utf-8")
def test_as_many_rows_come_out_as_lines_go_in(tmp_path, data, encoding):
    path = tmp_path / "wild.txt"
    path.write_bytes(data)
    try:
        found = rows_of(path, encoding=encoding)
    except DataError:
        assume(False)
    assert len(found) == data.count(b"\n") + (not data.endswith(b"\n"))
    for row, line in zip(found, data.split(b"\n"), strict=False):
        assert "\n" not in row.text
        row.text.encode()
        if row.fault is None:
            assert row.text == line.removesuffix(b"\r").decode(encoding)
        else:
            with pytest.raises(UnicodeDecodeError):
                line.decode(encoding)


@pytest.mark.filterwarnings("ignore::nlpkit.errors.DataWarning")
@given(st.binary(max_size=300) | lines.map(joined))
@example(b"\xef\xbb\xbf")
@example(b"\xff\xfe\n")
@example(b"\xfe\xff\x00")
@example(b"\0")
def test_any_bytes_are_rows_or_one_sentence(tmp_path, data):
    path = tmp_path / "wild.txt"
    path.write_bytes(data)
    try:
        found = rows_of(path)
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017 - either outcome will do
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert found
        assert all(row.fault in (None, "undecodable bytes") for row in found)
        assert all("\n" not in row.text for row in found)


@pytest.mark.parametrize("path", ["missing.txt", "."])
def test_what_cannot_be_read_is_named(tmp_path, path):
    with pytest.raises(DataError, match="cannot be read"):
        rows_of(tmp_path / path)


def test_an_open_stream_is_read_and_stays_open(write):
    with write("好\n差\n".encode()).open("rb") as stream:
        assert texts_of(stream) == ["好", "差"]
        assert not stream.closed
    for stream in (io.BytesIO("好\n差\n".encode()), io.BufferedReader(io.BytesIO("好\n差\n".encode()))):
        assert texts_of(stream) == ["好", "差"]
        assert stream.tell() == 8
    table = io.BytesIO("text,n\n好,1\n".encode())
    assert texts_of(table, table=True) == ["好"]
    assert not table.closed


def test_a_source_says_what_it_is(write):
    with open_rows(write("text,n\r\n好,1\r\n".encode("utf-8-sig"), "a.csv")) as source:
        assert (source.name.endswith("a.csv"), source.header, source.windows) == (True, ["text", "n"], True)
        assert (source.decoded.encoding, source.progress()) == ("utf-8-sig", 1)
    with open_rows(write("好\n".encode())) as source:
        assert (source.header, source.windows) == (None, False)


@pytest.mark.parametrize(
    ("argument", "row"),
    [("好", ("好", None)), ("\udcff好", ("�好", "undecodable bytes")), ("\ud800", ("�", "undecodable bytes"))],
)
def test_an_argument_is_a_row(argument, row):
    found = argument_row(argument)
    assert (found.text, found.fault) == row


@pytest.mark.parametrize("column", ["text", "note"])
def test_long_cells_make_short_blocks(column):
    """Memory is bounded by what a block holds, whichever column is long."""
    long = "好" * (BLOCK // 4)
    cells = {"text": "好", "note": "x"} | {column: long}
    data = "text,note\n" + f"{cells['text']},{cells['note']}\n" * 24
    with open_rows(io.BytesIO(data.encode()), column="text") as source:
        sizes = [sum(len(cell) for row in block for cell in row.cells) for block in source.blocks]
    assert sum(sizes) == 24 * (len(long) + 1)
    assert max(sizes) < 2 * BLOCK


CSV = 'id,review,label\r\n1,"好，用""得""很""舒服",positive\r\n2,"第一行\n第二行",negative\r\n3,,negative\r\n'
CELLS = ['好，用"得"很"舒服', "第一行\n第二行", ""]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_quotes_and_line_breaks_in_a_table(write, encoding):
    path = write(CSV.encode(encoding), "reviews.csv")
    found = rows_of(path)
    assert [row.text for row in found] == CELLS
    assert [list(row.cells) for row in found] == [
        ["1", CELLS[0], "positive"],
        ["2", CELLS[1], "negative"],
        ["3", "", "negative"],
    ]
    with open_rows(path) as source:
        assert source.header == ["id", "review", "label"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.tsv", "id\ttext\n1\t好,用\n"),
        ("a.tsv", "id\ttext\tone;two\n1\t好,用\t;\n"),
        ("a.tsv", "id\ttext\tone,two\n1\t好,用\t,\n"),
        ("a.csv", "id;text\n1;好,用\n"),
        ("a.csv", "id\ttext\n1\t好,用\n"),
        ("a.csv", 'id,text\n1,"好,用"\n'),
        ("a.csv", 'text\n"好,用"\n'),
        ("a.csv", '评价 \n"好,用"\n'),
        ("a.csv", '编号,评论\n1,"好,用"\n'),
    ],
)
def test_delimiters_and_usual_columns(write, name, data):
    assert texts_of(write(data.encode(), name)) == ["好,用"]


def test_a_column_asked_for_makes_any_file_a_table(write):
    path = write("号,说\n1,好\n".encode(), "export.dat")
    assert texts_of(path, column="说") == ["好"]


@pytest.mark.parametrize("column", ["revew", "nothing like it"])
def test_a_missing_column_says_which_there_are(write, column):
    with pytest.raises(DataError, match=f"no column '{column}'.*id, review, label"):
        rows_of(write(CSV.encode(), "a.csv"), column=column)


def test_no_usual_column_says_which_there_are(write):
    with pytest.raises(DataError, match="a, b: say which one by --column"):
        rows_of(write(b"a,b\n1,2\n", "a.csv"))


def test_a_table_without_a_header_is_refused(write):
    with pytest.raises(DataError, match="no header"):
        rows_of(write(b"\n\r\n", "a.csv"), column="a")


def test_ragged_rows_stay_rows(write):
    found = rows_of(write("id,text,label\n1\n2,好\n3,差,neg,more\n".encode(), "a.csv"))
    assert len(found) == 3
    assert [row.text for row in found if row.fault is None] == ["好"]
    assert "1 col" in found[0].fault
    assert "4 col" in found[2].fault  # which of its cells is the text, nobody knows
    assert all(len(row.cells) == 3 for row in found)
    assert [row.cells[0] for row in found] == ["1", "2", "3"]


def test_a_bad_cell_is_a_bad_row_only_where_the_text_is(write):
    data = b"id,text\n" + b"\xff,\xe5\xa5\xbd\n1,\xff\xff\n2,\xe5\xa5\xbd\n" + "3,好\n4,好\n".encode()
    found = rows_of(write(data, "a.csv"))
    assert [row.fault for row in found] == [None, "undecodable bytes", None, None, None]
    assert found[0].cells[0] == "�"


cells = st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)) | st.sampled_from('\n",;\t'), max_size=6)


@given(st.lists(st.lists(cells, min_size=2, max_size=2), max_size=6), st.sampled_from([",", "\t", ";"]), st.booleans())
def test_what_was_written_as_a_table_is_read_back(tmp_path, records, delimiter, bom):
    stream = io.StringIO()
    out = csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    out.writerows([["note", "text"], *records])
    path = tmp_path / "a.csv"
    path.write_bytes(stream.getvalue().encode("utf-8-sig" if bom else "utf-8"))
    found = rows_of(path, encoding=None if bom else "utf-8")
    assert [list(row.cells) for row in found] == records
    assert [row.text for row in found] == [record[1] for record in records]


def test_a_column_of_one_keeps_its_blank_rows(write):
    assert texts_of(write("text\n好\n\n差\n".encode(), "a.csv")) == ["好", "", "差"]


def test_one_column_without_a_usual_name_is_not_guessed_to_be_a_header(write):
    with (
        pytest.raises(DataError, match=r"say which one by --column; .* name it \.txt"),
        open_rows(write("好用\n差\n".encode(), "a.csv")),
    ):
        pass


def test_excel_names_its_delimiter(write):
    with open_rows(write("sep=;\nid;评价\n1;好, 很好\n".encode(), "a.csv")) as source:
        assert source.header == ["id", "评价"]
        assert [row.text for block in source.blocks for row in block] == ["好, 很好"]


def test_two_columns_of_one_name_are_refused(write):
    with (
        pytest.raises(DataError, match="2 columns '评价'"),
        open_rows(write("评价,评价\n好,差\n".encode(), "a.csv"), column="评价"),
    ):
        pass


def test_packed_files_keep_their_shape(write):
    assert texts_of(write(gzip.compress("好\n差\n".encode()), "a.txt.gz")) == ["好", "差"]
    assert texts_of(write(gzip.compress("id\t评价\n1\t好, 很好\n".encode("gb18030")), "A.TSV.GZ")) == ["好, 很好"]
    assert texts_of(io.BytesIO(gzip.compress("text,n\n好,1\n".encode())), table=True) == ["好"]


def test_a_record_knows_the_line_on_which_it_begins(write):
    data = 'sep=;\ntext;n\n"一\n二";1\n\n三;2\n四\n'
    found = rows_of(write(data.encode(), "a.csv"))
    assert [(row.text, row.line) for row in found] == [("一\n二", 3), ("三", 6), ("四", 7)]


@pytest.mark.parametrize(
    ("text", "rows"), [("编号\t评价\n1\t好\n2\t差\n", ["好", "差"]), ("评价\t分\n好\n差\t1\n", ["好", "差"])]
)
@pytest.mark.parametrize("encoding", ["utf-16", "gb18030"])
def test_excel_calls_a_table_parted_by_tabs_a_text(write, text, rows, encoding):
    with open_rows(write(text.encode(encoding), "a.txt")) as source:
        assert [row.text for block in source.blocks for row in block] == rows
        assert source.header == text.split("\n")[0].split("\t")


def test_lines_that_look_like_a_table_are_told(write):
    path = write("姓名\t评语\n张三\t好\n".encode())
    with pytest.warns(DataWarning, match="looks like a table with the columns 姓名, 评语: say --column"):
        assert texts_of(path) == ["姓名\t评语", "张三\t好"]
    assert texts_of(path, column="评语") == ["好"]
    assert texts_of(write("好，用\n差\t1\n棒\n".encode())) == ["好，用", "差\t1", "棒"]


def test_lines_that_end_in_lf_long_after_cr_end_all_the_same(write, monkeypatch):
    monkeypatch.setattr(decoding, "LONG_LINE", 10)
    monkeypatch.setattr(decoding, "BLOCK", 12)
    lines = ["abcdefghij", "abcdefghij", "f", "g", "h"]
    assert texts_of(write(b"abcdefghij\rabcdefghij\rf\ng\r\nh\r")) == lines


def test_an_open_stream_is_called_stdin_in_sentences():
    with pytest.raises(DataError, match="stdin is empty"):
        texts_of(io.BytesIO(b""))
    with open_rows(io.BytesIO("好\n".encode())) as source:
        assert source.name == "-"


@pytest.mark.parametrize(
    "text",
    [
        '编号\t评语\r\n1\t很好\r\n2\t"难吃\n退货"\r\n3\t不错\r\n',
        "编号\t您对我们的服务满意吗？\r\n1\t很好\r\n",
        "编号\t评语\t\r\n1\t很好\t\r\n",
        "2023\t评语\n1\t很好\n",
    ],
)
def test_whatever_is_parted_by_tabs_is_told(write, text):
    with pytest.warns(DataWarning, match="looks like a table with the columns"):
        texts_of(write(text.encode("utf-16"), "a.txt"))


def test_a_line_that_names_the_delimiter_makes_a_table(write):
    assert texts_of(write("sep=\t\r\n编号\t评语\r\n1\t很好\r\n".encode(), "a.txt"), column="评语") == ["很好"]
    with pytest.raises(DataError, match="has the columns 编号, 说: say which one by --column"):
        texts_of(write("sep=;\n编号;说\n1;很好\n".encode(), "a.txt"))


def test_blank_lines_above_a_header_are_passed_over(write):
    found = rows_of(write("\n\ntext,n\n好,1\n".encode(), "a.csv"))
    assert [(row.text, row.line) for row in found] == [("好", 4)]


@pytest.mark.parametrize("last", ["差,0\n", "差,0\r\n"])
def test_a_table_that_ends_lines_in_cr_and_in_lf_is_refused(write, last):
    with pytest.raises(DataError, match="ends its first line in CR and a later one in LF: let all end in LF"):
        rows_of(write(f"text,label\r好吃,1\r难吃,0\n{last}".encode(), "a.csv"))


@pytest.mark.parametrize("encoding", ["gb18030", "big5"])
def test_lines_of_utf8_in_another_encoding_are_told(write, encoding):
    lines = ["品質很好，推薦", "物流很快，包裝好", "用了兩天就壞了", "態度差，不會再買"] * 3
    data = [line.encode(encoding) for line in lines]
    data[7] = "很好".encode()
    with pytest.warns(DataWarning, match="has UTF-8 in line 8: its texts are wrong there"):
        texts_of(write(b"\n".join(data)))
    assert texts_of(write("\n".join(lines).encode(encoding))) == lines


@pytest.mark.parametrize(
    ("name", "data", "columns", "rows"),
    [
        ("a.csv", "id,review\n1,好\n2,\n", ["id", "review"], [["1", "好"], ["2", ""]]),
        ("a.tsv", "id\treview\n1\t好\n", ["id", "review"], [["1", "好"]]),
        ("a.txt", "好\n坏\n", None, [["好"], ["坏"]]),
        ("a.txt", "id\ttext\n1\t好\n", ["id", "text"], [["1", "好"]]),
        (
            "a.jsonl",
            '{"a": "好", "n": 1.50}\n{"b": [1], "a": null}\n',
            ["a", "n", "b"],
            [["好", "1.50", ""], ["", "", "[1]"]],
        ),
    ],
)
def test_a_preview_shows_columns_and_first_rows(write, name, data, columns, rows):
    path = write(data.encode(), name)
    assert preview(path) == (columns, rows)
    assert preview(path, rows=1) == (columns, rows[:1])
