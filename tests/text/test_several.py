"""Several labels of a text: as one value, and as they are found in files."""

import copy
import json
import pickle
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.errors import DataError, DataWarning
from nlpkit.text.corpus import read_examples
from nlpkit.text.example import Example, Faults, rename
from nlpkit.text.several import Labels, Separation, find_few, find_separation, names_of, parse_list, read_marks

SETS = [["价格"], ["价格", "服务"], ["服务"], ["价格", "物流", "服务"], ["物流"], ["物流", "价格"]]


def separator(cells: list[str], **more: object) -> str | None:
    found = find_separation(cells, **more)
    return None if found is None else found.separator


def rows_of(path, **query: object) -> list[tuple[str, tuple[str, ...]]]:
    return [(e.text, names_of(e.label)) for e in read_examples(path, **query)]


@given(st.lists(st.text()))
def test_labels_are_one_value_whatever_they_are_called(names):
    labels = Labels.of(names)
    assert labels.names == tuple(sorted(set(names)))
    for same in (
        Labels(str(labels)),
        Labels.of(reversed(names)),
        pickle.loads(pickle.dumps(labels)),
        copy.copy(labels),
    ):
        assert (same, same.names, hash(same)) == (labels, labels.names, hash(labels))
    assert json.loads(labels) == list(labels.names)


def test_of_several_labels_the_one_that_is_renamed_to_nothing_goes():
    rows = [Example("好", Labels.of(["a", "b"])), Example("差", Labels.of(["b"])), Example("嗯", "b")]
    renamed = [(e.text, names_of(e.label)) for e in rename(rows, {"a": "c", "b": ""})]
    assert renamed == [("好", ("c",)), ("差", ())]


@pytest.mark.parametrize("mark", [",", "，", ";", "；", "|", "｜", "、", "/", "／", "\n", ", ", " | "])
def test_what_stands_between_labels_is_found_out(mark):
    found = find_separation([mark.join(names) for names in SETS] * 3)
    assert [sorted(found(mark.join(names)).names) for names in SETS] == [sorted(names) for names in SETS]


def test_either_width_of_a_separator_is_one():
    assert separator(["价格,服务", "服务，物流", "价格", "服务", "物流,价格"] * 4) == ",，"


@pytest.mark.parametrize(
    "cells",
    [
        ["好", "差"] * 9,
        ["体育/足球", "体育/篮球", "财经/股票", "财经/基金"] * 9,  # a path
        ["体育", "体育/足球", "体育/篮球", "体育/网球", "财经", "财经/股票", "财经/基金", "财经/债券"] * 9,
        ["衣服/鞋子", "电脑/办公", "图书"] * 9,  # names with a sign in them
        ["4,5", "3,5", "4", "3", "5"] * 9,  # numbers
        ["1,0,0", "0,1,0", "1,1,0"] * 9,  # of each label whether it applies
        ["positive,weak", "negative,weak", "positive,strong", "negative,strong"] * 9,
        ["价格,服务", "服务;物流", "价格", "服务", "物流", "服务,价格", "物流;价格"] * 9,  # two separators
        [f"{i}号,{i + 1}号" for i in range(99)],  # too many to be labels
        ["价格"] * 60 + ["服务"] * 60 + ["物流,服务"] + ["物流"] * 9,  # hardly any
        ["差" * 50 + ",好", "好", "差" * 50] * 9,
        [],
    ],
)
def test_what_may_be_one_label_is_taken_for_one(cells):
    assert separator(cells) is None


def test_labels_that_are_known_show_what_stands_between_them():
    assert separator(["价格;服务"], sure=True) is None
    assert separator(["价格;服务"], sure=True, kept=["价格", "服务"]) == ";；"
    assert separator(["价格、服务", "价格", "服务"], sure=True) == "、"
    assert separator(["3C/数码;价格", "3C/数码"], sure=True, kept=["3C/数码", "价格"]) == ";；"


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ('["价格", "服务"]', ("价格", "服务")),
        ("['价格', '服务']", ("价格", "服务")),
        ("[1, 2.50, 'x']", ("1", "2.5", "x")),
        ("[]", ()),
        ("[价格]", None),
        ('[["价格"]]', None),
        ('["价格", null]', None),
        ('["", "价格"]', None),
        ("[" * 5000 + "]" * 5000, None),
        ("[__import__('os').getcwd()]", None),
        ("价格", None),
    ],
)
def test_lists_in_cells(cell, names):
    found = parse_list(cell)
    assert (None if found is None else found.names) == names


@given(st.text(alphabet="[]\"',0a{}: \\\n", max_size=40))
def test_no_cell_breaks_a_list(cell):
    found = parse_list(cell)
    assert found is None or all(name.strip() == name != "" for name in found.names)


@pytest.mark.parametrize(
    ("marks", "names"),
    [
        (["1", "0"], ("a",)),
        (["True", "FALSE"], ("a",)),
        (["是", "否"], ("a",)),
        (["1.0", "0.0"], ("a",)),
        (["x", ""], ("a",)),
        (["√", "√"], ("a", "b")),
        (["0", "0"], ()),
    ],
)
def test_columns_of_a_label_each(marks, names):
    labels, wrong = read_marks(dict(zip("ab", marks, strict=True)))
    assert (labels.names, wrong) == (names, None)


@pytest.mark.parametrize("marks", [["1", "?"], ["0", ""], ["2", "0"], ["1", None]])
def test_what_is_neither_yes_nor_no_is_told(marks):
    assert read_marks(dict(zip("ab", marks, strict=True))) == (None, "a label neither 0 nor 1")


def test_nothing_at_all_is_no_answer():
    assert read_marks({"a": "", "b": " "}) == (None, None)


def write_table(write, names_of_rows, mark, name="a.csv"):
    lines = [f'第{i}行好,"{mark.join(names)}"' for i, names in enumerate(names_of_rows)]
    return write(("text,label\n" + "\n".join(lines) + "\n").encode(), name)


def test_a_table_whose_cells_hold_several_is_told(write):
    path = write_table(write, SETS * 3, ";")
    with pytest.warns(
        DataWarning, match=r"a.csv: texts have several labels each, with ';' or '；' between them, such as"
    ):
        rows = rows_of(path, several=None)
    assert [names for _, names in rows] == [tuple(sorted(names)) for names in SETS * 3]


def test_what_is_said_is_not_guessed(write):
    path = write_table(write, [["a/b", "c"], ["c"], ["a/b"]], " + ")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [names for _, names in rows_of(path, label_separator="+")] == [("a/b", "c"), ("c",), ("a/b",)]


def test_a_cell_that_says_nothing_is_no_answer_and_an_empty_list_is_one(write):
    path = write('text,label\n好,"a,b"\n差,\n嗯,[]\n哦,nan\n啊,a\n吧,"a,nan"\n呢,","\n'.encode(), "a.csv")
    faults = Faults()
    rows = [(e.text, names_of(e.label)) for e in read_examples(path, label_separator=",", faults=faults)]
    assert rows == [("好", ("a", "b")), ("嗯", ()), ("啊", ("a",))]
    assert faults == {"no label": 4}
    assert faults.no_labels == {"nan": 1, "a,nan": 1, ",": 1}


def test_lists_in_json_are_labels_and_null_is_none(write):
    labels = [["a", "b"], [], "a", ["b"], None, ["a", None], [["a"]], {"a": 1}]
    lines = [json.dumps({"text": f"好{i}", "labels": label}) for i, label in enumerate(labels)]
    path, faults = write("\n".join(lines).encode(), "a.jsonl"), Faults()
    with pytest.warns(DataWarning, match="several labels each, such as"):
        rows = [names_of(e.label) for e in read_examples(path, several=None, faults=faults)]
    assert rows == [("a", "b"), (), ("a",), ("b",)]
    assert faults == {"nested label": 3, "no label": 1}


def test_a_few_rows_with_several_are_told_and_left_out(write):
    labels = [["a", "b"], *(["a", "b"] * 30)]
    lines = [json.dumps({"text": f"好{i}", "label": label}) for i, label in enumerate(labels)]
    path, faults = write("\n".join(lines).encode(), "a.jsonl"), Faults()
    with pytest.warns(DataWarning, match=r"one label each, but 1 of the first 61 may have several.*are left out"):
        assert len(list(read_examples(path, several=None, faults=faults))) == 60
    assert faults == {"several labels": 1}


def test_a_few_cells_with_several_are_told_and_are_classes(write):
    path = write_table(write, [["a", "b"], *([["a"], ["b"]] * 30)], "|")
    with pytest.warns(DataWarning, match=r"1 of the first 61 may have several, such as a\|b, and are classes of"):
        assert {label for _, (label,) in rows_of(path, several=None)} == {"a", "b", "a|b"}


def test_what_is_not_parted_though_there_are_several_is_told(write):
    path = write_table(write, [["a", "b"], ["c", "d"]] * 2, "/")
    with pytest.warns(DataWarning, match="cells such as a/b are taken for one label each: --label-separator says what"):
        assert [names for _, names in rows_of(path, several=True)] == [("a/b",), ("c/d",)] * 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(rows_of(path, several=True, kept=["a/b", "c/d"])) == 4


def test_what_has_one_label_is_not_spoken_of(write):
    path = write_table(write, [["好"], ["差"]] * 9, "")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(rows_of(path, several=None)) == 18


def test_what_looks_like_several_and_cannot_be_parted_is_refused(write):
    path = write_table(write, [["好", "强"], ["差", "强"], ["好", "弱"], ["差", "弱"]] * 9, ",")
    with pytest.raises(DataError, match=r"looks like several labels.*what stands between them by --label-separator"):
        rows_of(path, several=None)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_column_a_label(write, name):
    table = "text,价格,服务,id\n好,1,0,7\n差,0,0,8\n嗯,1,1,9\n哦,,,10\n啊,?,1,11\n"
    head, *lines = table.splitlines()
    if name == "a.jsonl":
        table = "\n".join(json.dumps(dict(zip(head.split(","), line.split(","), strict=True))) for line in lines)
    path, faults = write(table.encode(), name), Faults()
    rows = [names_of(e.label) for e in read_examples(path, label_columns=["价格", "服务"], faults=faults)]
    assert rows == [("价格",), (), ("价格", "服务")]
    assert faults == {"no label": 1, "a label neither 0 nor 1": 1}
    with pytest.raises(DataError, match="'物流'"):
        rows_of(path, label_columns=["价格", "物流"])
    with pytest.raises(DataError, match="--label-column, or a column a label by --label-columns"):
        rows_of(path, several=None)


def test_labels_of_fasttext_may_be_several(write):
    lines = ["__label__a __label__b 好用", "__label__a 好", "差 __label__b"] * 3
    with pytest.warns(DataWarning, match="several labels each"):
        rows = rows_of(write("\n".join(lines).encode()), several=None)
    assert rows == [("好用", ("a", "b")), ("好", ("a",)), ("差", ("b",))] * 3


def test_few_are_found_whatever_stands_between():
    assert find_few(["a", "b", "a|b", "a、c", '["a", "b"]', "a;b"]) == ["a|b", '["a", "b"]', "a;b"]


def test_parts_are_cut_at_what_was_said_alone():
    assert Separation("--", whole=True).part("a-b -- c") == ["a-b", "c"]
    assert Separation("").part("a,b") == ["a,b"]
