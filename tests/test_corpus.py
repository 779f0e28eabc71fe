from collections import Counter

import pytest

from nlpkit.corpus import read_examples
from nlpkit.errors import DataError
from tests.test_rows import CELLS, CSV


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
