import csv
import io
import itertools
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.text.records import suffix_of
from nlpkit.text.rows import open_rows


@pytest.fixture
def read(write):
    """The cells of a table, and what was told of it."""

    def cells(text: str, name: str = "a.csv"):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            with open_rows(write(text.encode(), name), column="text") as source:
                found = [list(row.cells) for block in source.blocks for row in block]
        return found, [str(w.message).partition(name)[2] for w in told]

    return cells


STRAY = ['"好"字，快', '"坏了，两天', "很好", '5"的屏', '不错，喜欢"', '"很好"']


def test_a_tsv_with_stray_quotes_is_read_without_quoting(read):
    found, told = read("\n".join(["n\ttext", *(f"1\t{text}" for text in STRAY)]), "a.tsv")
    assert found == [["1", text] for text in STRAY]
    assert told == [" is read without quoting, as on line 2 quotes do not enclose a whole cell"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_tsv_whose_quotes_seem_to_close_lines_later_keeps_its_rows(read, order):
    texts = [['"坏了', '好"', "很好"][at] for at in order]
    found, _ = read("\n".join(["n\ttext", *(f"1\t{text}" for text in texts)]), "a.tsv")
    assert found == [["1", text] for text in texts]


def test_quotes_that_enclose_a_tab_between_cells_enclose_nothing(read):
    found, told = read('n\ttext\n"\t"\n1\t好\n', "a.tsv")
    assert found == [['"', '"'], ["1", "好"]]
    assert told == [" is read without quoting, as on line 2 quotes do not enclose a whole cell"]


def test_a_quote_that_opens_above_lines_that_look_like_rows_is_stray(read):
    found, told = read('n\ttext\n1\t"\n2\t""""\n3\t好\n', "a.tsv")
    assert found == [["1", '"'], ["2", '""""'], ["3", "好"]]
    assert len(told) == 1


def test_a_tsv_that_was_written_with_quotes_is_read_with_them(read):
    stream = io.StringIO()
    cells = [["1", "第一行\n第二行"], ["2", '说"好"'], ["3", "有\t制表符"], ["4", "平常"]]
    csv.writer(stream, delimiter="\t").writerows([["n", "text"], *cells])
    assert read(stream.getvalue(), "a.tsv") == (cells, [])


def test_a_table_whose_header_is_quoted_has_quotes_that_enclose(read):
    cells = [["1", "\r\t"], ["2", "一\n3\t二"]]
    stream = io.StringIO()
    csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([["n", "text"], *cells])
    assert read(stream.getvalue(), "a.tsv") == (cells, [])


def test_a_stray_quote_far_behind_is_told(read):
    lines = [f'{n}\t"第{n}行"' for n in range(60_000)]
    found, told = read("\n".join(["n\ttext", *lines, '1\t"坏了，两天', "2\t好"]), "a.tsv")
    assert len(found) == 60_002
    assert found[-2:] == [["1", '"坏了，两天'], ["2", "好"]]
    assert told == [" has a quote that does not enclose a whole cell, and is read as part of the text: line 60,002"]


@pytest.mark.parametrize(
    ("lines", "cells", "line"),
    [
        (['1,"坏了，两天', "2,好", '3,"不错",'], [["1", '"坏了，两天'], ["2", "好"], ["3", "不错"]], 2),
        (["1,好", '2,"坏了', "3,好"], [["1", "好"], ["2", '"坏了'], ["3", "好"]], 3),
        (["1,好", '2,"好"字样，快', "3,好"], [["1", "好"], ["2", '"好"字样，快'], ["3", "好"]], 3),
        (['"1",好', '"2","说""好""，还行', '"3","好"'], [["1", "好"], ['"2"', '"说""好""，还行'], ["3", "好"]], 3),
    ],
)
def test_a_csv_whose_quotes_swallow_lines_is_told_by_line(read, lines, cells, line):
    found, told = read("\n".join(["n,text", *lines]))
    assert found == cells
    assert told == [f" has a quote that does not enclose a whole cell, and is read as part of the text: line {line}"]


def test_a_quoted_cell_that_holds_what_looks_like_rows_is_told(read):
    found, told = read('n,m,text\n1,1,"好\n2,2,差"\n3,3,"好\n真好"\n')
    assert found == [["1", "1", "好\n2,2,差"], ["3", "3", "好\n真好"]]
    assert told == [" has a quoted cell with lines in it that look like rows: line 2"]


def test_a_quote_that_closes_in_a_later_block_closes(read):
    long = "很长的一行，\n" * 90_000
    found, told = read(f'n,text\n1,"{long}"\n2,好\n')
    assert (found, told) == ([["1", long], ["2", "好"]], [])


@pytest.mark.parametrize("text", ["次,", ",", "好,,,"])
def test_a_table_of_one_column_keeps_commas_at_the_end(read, text):
    assert read(f"text\n{text}\n好\n") == ([[text], ["好"]], [])


@pytest.mark.parametrize("said", ["sep=;", "sep=\t", '"sep=;"', "SEP=|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_delimiter_that_excel_names_is_taken(read, said, end):
    delimiter = said.strip('"')[-1]
    lines = [said, delimiter.join(["n", "text"]), delimiter.join(["1", "好,用"])]
    assert read(end.join([*lines, ""])) == ([["1", "好,用"]], [])


def test_a_delimiter_within_the_quotes_of_a_header_parts_nothing(read):
    assert read('"a,b";text\n1;好\n') == ([["1", "好"]], [])


@pytest.mark.parametrize("name", ["a.csv", "a.txt"])
def test_cr_ends_rows_where_no_lf_does(write, name):
    lines = ["好，用", "差", "", "还行"]
    data = ("text\r" * (name == "a.csv") + "\r".join(lines) + "\r").encode()
    with open_rows(write(data, name)) as source:
        assert [row.text for block in source.blocks for row in block] == lines


def test_cr_ends_rows_where_lf_stands_in_quotes_alone(read):
    assert read('n,text\r1,"一\n二"\r2,"三\r\n四"\r3,五') == ([["1", "一\n二"], ["2", "三\r\n四"], ["3", "五"]], [])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_cr_stays_in_its_cell_where_lf_ends_rows(read, end):
    lines = ["n,text", "1,一\r二", '2,"三\r四"', "3,\r五"]
    assert read(end.join([*lines, ""])) == ([["1", "一\r二"], ["2", "三\r四"], ["3", "\r五"]], [])


def test_lines_that_end_in_two_crs_end_once(read):
    assert read("n,text\r\r\n1,好\r\r\n2,差\r\r\n") == ([["1", "好"], ["2", "差"]], [])


odd = st.text(st.sampled_from('好a",;\t\r\n') | st.characters(codec="utf-8", exclude_categories=("Cc",)), max_size=8)


@given(
    records=st.lists(st.tuples(odd, odd), max_size=12),
    end=st.sampled_from(["\n", "\r\n"]),
    delimiter=st.sampled_from([",", ";", "\t"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
@pytest.mark.filterwarnings("ignore::nlpkit.errors.DataWarning")
def test_whatever_csv_writes_is_read_back(tmp_path, records, end, delimiter, quoting):
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator="\r\n", quoting=quoting).writerows([["n", "text"], *records])
    path = tmp_path / "a.csv"
    text = stream.getvalue()
    path.write_bytes((text if end == "\r\n" or "\r\n" in str(records) else text.replace("\r\n", "\n")).encode())
    with open_rows(path, column="text", encoding="utf-8") as source:
        assert [tuple(row.cells) for block in source.blocks for row in block] == records


@pytest.mark.parametrize(
    ("name", "suffix"), [("Reviews.CSV.gz", ".csv"), ("a.tsv.bz2", ".tsv"), ("a.b.jsonl.xz", ".jsonl"), ("a", "")]
)
def test_the_suffix_below_the_packing_tells(name, suffix):
    assert suffix_of(name) == suffix


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("a.tsv", 'id\ttext\n1\t好吃\n2\t"坏了\n3\t很好\n\n4\t差评"\n5\t不错\n', 5),
        ("a.csv", 'id,text\n1,"好吃\n2,难吃\n3,不错, 但是\n4,还行"\n5,好用\n', 2),
        ("a.csv", '"id","text"\n1,"好吃\n2,难吃\n3,不错\n4,还行"\n5,好用\n', 2),
        ("a.tsv", '"id"\t"text"\n1\t"好吃\n2\t难吃\n3\t不错\n4\t还行"\n5\t好用\n', 5),
    ],
)
def test_quotes_around_lines_most_of_which_look_like_rows_are_told(read, name, text, rows):
    found, told = read(text, name)
    assert len(found) == rows
    assert len(told) == 1
    assert "quot" in told[0]
