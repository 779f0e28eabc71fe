import csv
import io
import string
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from nlpkit.corpus import (
    Example,
    argument_row,
    deduplicate,
    fingerprint,
    letters,
    open_rows,
    read_examples,
    split,
)
from nlpkit.decoding import BLOCK
from nlpkit.errors import DataError

REVIEWS = ["质量很好，下次还来。", "物流慢，服务态度差", "还行吧 OK", "", "👍", "屏幕大，颜色正"]
PLAIN = [text for text in REVIEWS if text != "👍"]


def rows_of(path, **options):
    with open_rows(path, **options) as source:
        return [row for block in source.blocks for row in block]


def texts_of(path, **options):
    return [row.text for row in rows_of(path, **options)]


@pytest.fixture
def write(tmp_path):
    def write_bytes(data: bytes, name: str = "reviews.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write_bytes


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


def test_a_nul_is_part_of_a_row(write):
    assert texts_of(write("好\0用\n差\n".encode())) == ["好\0用", "差"]


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


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('id,text\n1,"好\n2,差\n3,棒\n', 2),
        ('id,text\n1,好\n2,"差，\n坏"\n3,"棒\n4,好', 5),
        ('id,"text\n1,好\n', 1),
        ('id,text\n1,好\n2,"差\n', 3),
        ('id,text\n1,好\n2,"差', 3),
    ],
)
def test_a_quote_that_never_closes_is_named_by_its_line(write, text, line):
    with pytest.raises(DataError, match=rf"a\.csv, line {line}: a quote opens that never closes"):
        rows_of(write(text.encode(), "a.csv"), column="text")


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
        rows_of(write(b"\n1,2\n", "a.csv"), column="a")


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


def examples_of(path, **options):
    return [(e.text, e.label, e.group) for e in read_examples(path, **options)]


def test_examples_of_lines_take_the_last_comma(write):
    path = write("质量好，便宜,,1\n一,二,三,,0\n好,1\n,,1\n差,,\n\xa0,,0\n".encode(), "goods.txt")
    assert examples_of(path) == [("质量好，便宜", "1", ""), ("一,二,三", "0", ""), ("好", "1", "")]


def test_examples_of_a_table(write):
    path = write(CSV.encode(), "a.csv")
    expected = [(CELLS[0], "positive", ""), (CELLS[1], "negative", "")]
    assert examples_of(path) == expected
    assert examples_of(path, group_column="id") == [(t, la, g) for (t, la, _), g in zip(expected, "12", strict=True)]


def test_columns_of_examples_may_be_named(write):
    path = write("y,x\n1,好\n0,差\n".encode(), "a.csv")
    assert examples_of(path, text_column="x", label_column="y") == [("好", "1", ""), ("差", "0", "")]
    with pytest.raises(DataError, match="no column 'z'"):
        examples_of(path, text_column="x", label_column="z")


def test_a_label_column_alone_makes_any_file_a_table(write):
    assert examples_of(write("text,y\n好,1\n".encode(), "a.dat"), label_column="y") == [("好", "1", "")]


def test_lines_without_text_or_label_are_counted(write):
    path = write("好,,1\n\n  \n不好\n,,0\n差,,\n坏,,0\n".encode() + b"\xff\xff,,0\n", "goods.txt")
    faults = Counter()
    assert examples_of(path, faults=faults) == [("好", "1", ""), ("坏", "0", "")]
    assert faults == {"no text": 3, "no comma": 1, "no label": 1, "undecodable bytes": 1}


def test_lines_of_which_none_is_labelled_are_an_error(write):
    with pytest.raises(DataError, match=r"goods.txt has no labelled rows: expected lines TEXT,,LABEL"):
        examples_of(write("不好\n\n差\n".encode(), "goods.txt"))


def test_undecodable_examples_are_left_out(write):
    path = write("好,,1\n棒,,1\n".encode() + b"\xff\xff,,0\n" + "差,,0\n".encode(), "goods.txt")
    assert [text for text, *_ in examples_of(path)] == ["好", "棒", "差"]


def test_the_labelled_sample_is_whole(samples):
    found = list(read_examples(samples / "labelled.csv"))
    assert len(found) == 300
    assert {e.label for e in found} == {"positive", "negative"}


def test_copies_differ_in_punctuation_and_case_only():
    found = deduplicate(
        [
            Example("很好，OK！", "1"),
            Example("很好 ok", "1"),
            Example("ＯＫ很好", "1"),
            Example("差", "0"),
            Example("差。", "1"),
            Example("差!", "0"),
            Example("！！", "1"),
        ]
    )
    assert [e.text for e in found.examples] == ["很好，OK！", "ＯＫ很好"]
    assert (found.duplicates, found.conflicts, found.empty) == (3, 1, 1)


labelled = st.lists(st.builds(Example, st.text("好坏 ，!aA", max_size=3), st.sampled_from("01")), max_size=20)


@given(labelled)
def test_every_row_is_kept_or_counted(rows):
    found = deduplicate(rows)
    keys = [letters(e.text) for e in found.examples]
    assert len(set(keys)) == len(keys)
    assert len(rows) == len(found.examples) + found.duplicates + found.conflicts + found.empty
    for example_ in found.examples:
        assert {e.label for e in rows if letters(e.text) == letters(example_.text)} == {example_.label}
    assert deduplicate(found.examples).examples == found.examples


INVENTED = [Example(f"第{a}家{b}店", str((ord(a) + ord(b)) % 2)) for a in string.ascii_letters for b in string.digits]
shares = st.tuples(st.integers(0, 60), st.integers(1, 39))


@given(shares, st.randoms())
def test_a_split_is_disjoint_whole_and_blind_to_order(share, random):
    test, validation = share[0] / 100, share[1] / 100
    parts = split(INVENTED, test=test, validation=validation)
    assert sorted(e.text for e in parts.train + parts.validation + parts.test) == sorted(e.text for e in INVENTED)
    shuffled = INVENTED[:]
    random.shuffle(shuffled)
    again = split(shuffled, test=test, validation=validation)
    assert {e.text for e in again.test} == {e.text for e in parts.test}
    assert {e.text for e in again.validation} == {e.text for e in parts.validation}


@given(shares, st.integers(1, 39), st.integers(0, 39))
def test_test_rows_depend_on_their_share_alone(share, validation, more):
    first = split(INVENTED, test=share[0] / 100, validation=share[1] / 100)
    second = split(INVENTED, test=share[0] / 100, validation=validation / 100)
    larger = split(INVENTED, test=(share[0] + more) / 100, validation=0.01)
    assert first.test == second.test
    assert {e.text for e in first.test} <= {e.text for e in larger.test}


def test_shares_come_out_about_right():
    parts = split(INVENTED, test=0.2, validation=0.1)
    assert len(parts.test) == pytest.approx(0.2 * len(INVENTED), rel=0.25)
    assert len(parts.validation) == pytest.approx(0.1 * len(INVENTED), rel=0.25)


def test_copies_fall_into_the_same_part():
    one, other = split([Example("很好，OK！", "1")]), split([Example("很好ok", "0", "elsewhere")])
    assert [len(p) for p in (one.train, one.validation, one.test)] == [
        len(p) for p in (other.train, other.validation, other.test)
    ]


def test_a_fingerprint_tells_texts_labels_and_order_apart():
    rows = [Example("好", "1"), Example("差", "0")]
    prints = {
        fingerprint(rows),
        fingerprint(rows[::-1]),
        fingerprint(rows[:1]),
        fingerprint([Example("好", "0"), rows[1]]),
    }
    assert len(prints) == 4
    assert fingerprint(rows) == fingerprint([Example("好", "1", "elsewhere"), rows[1]])


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
