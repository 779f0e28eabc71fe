import csv
import gzip
import io
import json
import math
import re
import warnings
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.errors import DataError, DataWarning
from nlpkit.text.corpus import Example, Faults, files_of, label_and_file, read_examples, rename
from tests.text.test_rows import CELLS, CSV

read_unlabelled = partial(read_examples, answer=None)
ENCODINGS = ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-be"]
PAIRS = [("质量很好，下次还来", "好"), ("物流慢，差评", "坏"), ("屏幕大，颜色正", "好"), ("坏了", "坏")]
SHAPES = {
    "a.csv": "text,label\n" + "".join(f"{text},{label}\n" for text, label in PAIRS),
    "b.tsv": "编号\t评论\t标签\n" + "".join(f"1\t{text}\t{label}\n" for text, label in PAIRS),
    "c.jsonl": "".join(json.dumps({"label": la, "text": t}, ensure_ascii=False) + "\n" for t, la in PAIRS),
    "d.txt": "".join(f"__label__{label} {text}\n" for text, label in PAIRS),
    "e.txt": "".join(f"{text},,{label}\n" for text, label in PAIRS),
    "f.txt": "".join(f"{text}\t{label}\n" for text, label in PAIRS),
    "g.txt": "".join(f"{label}\t{text}\n" for text, label in PAIRS),
    "h.txt": "label\treview\n" + "".join(f"{label}\t{text}\n" for text, label in PAIRS),
}


def examples_of(path, **options):
    return [(e.text, e.label, e.group) for e in read_examples(path, **options)]


def pairs_of(path, **options):
    return [(e.text, e.label) for e in read_examples(path, **options)]


def faults_of(path, **options):
    faults = Faults()
    list(read_examples(path, faults=faults, **options))
    return faults


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_shape_in_every_encoding(write, name, encoding, end):
    data = SHAPES[name].replace("\n", end).encode(encoding)
    assert pairs_of(write(data, name)) == PAIRS
    path = write(gzip.compress(data), f"{name}.gz")
    assert pairs_of(path) == PAIRS
    assert {e.corpus for e in read_examples(path)} == {str(path)}


@pytest.mark.filterwarnings("ignore::nlpkit.errors.DataWarning")
@given(data=st.data())
def test_any_cut_of_any_shape_is_rows_or_one_sentence(tmp_path, data):
    name = data.draw(st.sampled_from(sorted(SHAPES)))
    whole = SHAPES[name].encode()
    junk = data.draw(st.binary(max_size=20))
    at = data.draw(st.integers(0, len(whole)))
    path = tmp_path / name
    path.write_bytes(whole[:at] + junk + whole[at + data.draw(st.integers(0, 9)) :])
    try:
        found = list(read_examples(path, faults=Faults()))
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome will do
    else:
        assert all(e.text.strip() and e.label.strip() and "\udcff" not in e.text + e.label for e in found)


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
    assert examples_of(path, column="x", label_column="y") == [("好", "1", ""), ("差", "0", "")]
    with pytest.raises(DataError, match="no column 'z'"):
        examples_of(path, column="x", label_column="z")


def test_a_label_column_alone_makes_any_file_a_table(write):
    assert examples_of(write("text,y\n好,1\n".encode(), "a.dat"), label_column="y") == [("好", "1", "")]


def test_keys_of_json_are_columns(write):
    rows = [{"内容": "好", "stars": 5, "kind": {"a": 1}}, {"内容": "差", "stars": 1.5, "kind": "书"}]
    path = write("\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode(), "a.ndjson")
    assert examples_of(path, label_column="stars", group_column="kind") == [("好", "5", ""), ("差", "1.5", "书")]
    with pytest.raises(DataError, match=r"has the fields 内容, stars, kind\.a, kind: say which one by --label-column"):
        examples_of(path)


def test_labels_of_json_may_be_anything_but_nested(write):
    labels = ["好", 1, -0.5, True, False, ["好"], [2], None, "", [], ["好", "坏"], {"a": 1}]
    lines = [json.dumps({"text": "好", "label": label}) for label in labels]
    path = write("\n".join([*lines, '{"text": "好"}', '{"label": 1}', '{"text": 7, "label": 1}']).encode(), "a.jsonl")
    assert pairs_of(path) == [*(("好", label) for label in ["好", "1", "-0.5", "true", "false", "好", "2"]), ("7", "1")]
    assert faults_of(path) == {"no label": 4, "nested label": 1, "several labels": 1, "no text": 1}


def test_lines_that_are_no_json_are_named(write):
    good = '{"text": "好", "label": 1}'
    path = write(f'{good}\n{{"text": "好"\n\n[1]\n{good}\n'.encode() + b'{"text": "\xff\xff", "label": 1}\n', "a.jsonl")
    faults = faults_of(path)
    assert faults == {"no JSON object": 2, "undecodable bytes": 1}
    assert str(faults) == f"2 no JSON object ({path}, lines 2 and 4), 1 undecodable bytes ({path}, line 6)"


@pytest.mark.parametrize("text", ["[]\n", "[1]", "好,1\n"])
def test_json_that_is_no_object_a_line_is_refused(write, text):
    with pytest.raises(DataError, match=r"a.json holds no JSON object a line: expected lines such as \{"):
        pairs_of(write(text.encode(), "a.json"))


def test_an_array_of_objects_is_a_corpus(write):
    rows = [{"review": {"content": "好"}, "label": 1}, {"review": {"content": "差"}, "label": 0}]
    path = write(json.dumps(rows, indent=1).encode(), "a.json")
    assert examples_of(path, column="review.content") == [("好", "1", ""), ("差", "0", "")]


def test_labels_of_fasttext_stand_anywhere_but_once(write):
    path = write("__label__1 好 用\n差 __label__0\n__label__1 __label__0 还行\n__label__1\n__label__ 好\n好\n".encode())
    assert pairs_of(path) == [("好 用", "1"), ("差", "0")]
    assert faults_of(path) == {"several labels": 1, "no text": 1, "no label": 2}


def test_lines_without_text_or_label_are_counted(write):
    path = write("好,,1\n\n  \n不好\n,,0\n差,,\n坏,,0\n".encode() + b"\xff\xff,,0\n", "goods.txt")
    faults = Faults()
    assert examples_of(path, faults=faults) == [("好", "1", ""), ("坏", "0", "")]
    assert faults == {"no text": 3, "no comma": 1, "no label": 1, "undecodable bytes": 1}
    assert faults.total() == 6


def test_ragged_records_are_counted_with_their_lines(write):
    path = write('text,label\n"好\n用",1\n差\n一,二,0\n坏,0\n,1\n'.encode(), "a.csv")
    assert pairs_of(path) == [("好\n用", "1"), ("坏", "0")]
    assert str(faults_of(path)) == (
        f"1 no label ({path}, line 4), 1 3 columns where the header has 2 ({path}, line 5), 1 no text ({path}, line 7)"
    )


def test_undecodable_examples_are_left_out(write):
    path = write("好,,1\n棒,,1\n".encode() + b"\xff\xff,,0\n" + "差,,0\n".encode(), "goods.txt")
    assert [text for text, *_ in examples_of(path)] == ["好", "棒", "差"]


@pytest.mark.parametrize(
    "text",
    [
        "不好\n\n差\n",
        "质量好,便宜\n物流慢,不推荐\n屏幕大,颜色正\n",
        "质量好\n物流慢\n屏幕大,颜色正\n",
        " \n",
    ],
)
def test_lines_without_labels_are_an_error_that_names_the_shapes(write, text):
    with pytest.raises(DataError, match=r"goods.txt has no labels .*table.*JSON.*TEXT,,LABEL.*say LABEL=.*goods.txt"):
        pairs_of(write(text.encode(), "goods.txt"))


def test_several_tabs_a_line_want_a_header(write):
    with pytest.raises(DataError, match=r"a.txt has several tabs a line: expected a header"):
        pairs_of(write("A1\t好用\t1\nA2\t难用\t0\n".encode(), "a.txt"))


def test_a_column_that_is_asked_for_must_be_there(write):
    path = write("review,label\n好用,1\n难用,0\n".encode(), "data")
    with pytest.raises(DataError, match=r"data has no column 'text': its first line is 'review,label'"):
        pairs_of(path, column="text")


def test_a_file_of_one_label(write):
    path = write("好\n\n用,得,久\n".encode(), "pos.txt")
    assert examples_of(f"positive={path}") == [("好", "positive", ""), ("用,得,久", "positive", "")]
    assert [e.corpus for e in read_examples(f"positive={path}")] == [str(path)] * 2
    assert str(faults_of(Path(f"positive={path}"))) == f"1 no text ({path}, line 2)"
    table = write("n,text\n1,棒\n".encode(), "pos.csv")
    assert pairs_of(f"好={table}") == [("棒", "好")]
    assert pairs_of(f"好={path}", column="n") == [("好", "好"), ("用,得,久", "好")]


def test_a_path_that_exists_is_no_label(write, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    write("好,,1\n差,,0\n".encode(), "a=b.txt")
    assert pairs_of("a=b.txt") == [("好", "1"), ("差", "0")]
    assert label_and_file("a=c.txt") == ("a", Path("c.txt"))
    assert label_and_file("c.txt") == (None, Path("c.txt"))
    assert label_and_file("=c.txt") == (None, Path("=c.txt"))
    with pytest.raises(DataError, match=r"^c.txt cannot be read"):
        pairs_of("a=c.txt")


def documents(folder: Path, **labels: list[bytes]) -> Path:
    for label, texts in labels.items():
        (folder / label).mkdir(parents=True)
        for number, text in enumerate(texts):
            (folder / label / f"{number}.txt").write_bytes(text)
    return folder


def test_a_folder_for_each_label(tmp_path):
    root = documents(tmp_path / "films", 坏=["差\r\n真差\n".encode()], 好=["很好看\n".encode("gb18030"), b"", b" \n"])
    (root / "好" / "9.txt.gz").write_bytes(gzip.compress("棒".encode()))
    (root / "好" / "notes.md").write_text("none", encoding="utf-8")
    (root / ".hidden").mkdir()
    (root / "README.md").write_text("none", encoding="utf-8")
    assert pairs_of(root) == [("差\n真差", "坏"), ("很好看", "好"), ("棒", "好")]
    assert {e.corpus for e in read_examples(root)} == {str(root)}
    assert str(faults_of(root)) == f"2 no text ({root / '好' / '1.txt'}; {root / '好' / '2.txt'})"
    assert [path.name for path in files_of(root)] == ["0.txt", "0.txt", "1.txt", "2.txt", "9.txt.gz"]


def test_short_documents_whose_encoding_is_in_doubt_are_told_once(tmp_path):
    root = documents(tmp_path / "films", 好=["兵".encode("gb18030"), "垚".encode("gb18030")], 坏=["差评\n".encode()])
    with pytest.warns(DataWarning, match=r"^\d documents of .*films are too short to show their encoding") as told:
        pairs_of(root)
    assert len(told) == 1


def test_one_document_that_cannot_be_read_is_a_fault(tmp_path):
    root = documents(tmp_path / "films", a=["好".encode(), b"%PDF-1.7\n"], b=["差".encode()])
    assert pairs_of(root) == [("好", "a"), ("差", "b")]
    assert str(faults_of(root)) == f"1 unreadable ({root / 'a' / '1.txt'})"


def test_a_folder_of_files_is_read_by_name(tmp_path):
    for name, text in SHAPES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "notes.md").write_text("none", encoding="utf-8")
    assert pairs_of(tmp_path) == PAIRS * len(SHAPES)
    assert list(dict.fromkeys(e.corpus for e in read_examples(tmp_path))) == [str(tmp_path / name) for name in SHAPES]
    assert files_of(tmp_path) == [tmp_path / name for name in SHAPES]


def test_a_folder_that_is_empty_or_mixed_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds nothing to read: expected a folder of .txt documents for each label"):
        pairs_of(tmp_path)
    documents(tmp_path, good=["好".encode()])
    (tmp_path / "a.csv").write_text("text,label\n好,1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"holds both the folder good and the file a.csv: expected"):
        pairs_of(tmp_path)


def test_files_of_what_is_no_folder():
    assert files_of("a.csv") == [Path("a.csv")]
    assert files_of("good=a.txt") == [Path("a.txt")]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_text_column_of_numbers_is_refused(write, name):
    rows = [{"id": i, "review": "好", "label": i % 2} for i in range(30)]
    lines = (
        [json.dumps(row) for row in rows] if name.endswith("l") else ["id,review,label", *(f"{i},好,1" for i in "12")]
    )
    with pytest.raises(DataError, match=r"the column 'id' of .*a.* holds numbers or signs, no text: say --column"):
        pairs_of(write("\n".join(lines).encode(), name), column="id")


def test_lines_of_numbers_are_refused(write):
    with pytest.raises(DataError, match=r"a.txt holds numbers or signs, no text"):
        pairs_of(write(b"1.5,,0\n2.5,,1\n", "a.txt"))


def test_a_label_column_of_prices_is_refused(write):
    table = "text,price,code\n" + "".join(f"好{i},{i}.5,{'a' if i == 50 else i}\n" for i in range(101))
    path = write(table.encode(), "a.csv")
    with pytest.raises(
        DataError, match=r"'price' of .*a.csv holds more than 100 different numbers: expected a few labels"
    ):
        pairs_of(path, label_column="price")
    assert len(pairs_of(path, label_column="code")) == 101


def test_rows_come_before_the_file_is_read(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(("text,label\n" + "好,1\n差,0\n" * 50_000).encode())[:-20])
    examples = read_examples(path)
    assert next(examples) == Example("好", "1", str(path))
    with pytest.raises(DataError, match="damaged or cut off"):
        list(examples)


def test_faults_name_the_first_places():
    faults = Faults()
    assert (str(faults), bool(faults)) == ("", False)
    for line in (3, 1700, 20, 21, 22):
        faults.add("no JSON", "a.jsonl", line)
    faults.add("no label", "a.jsonl", 9)
    faults.add("no label", "b.txt", 2)
    faults.add("no text", "c.txt")
    assert str(faults) == (
        "5 no JSON (a.jsonl, lines 3, 1,700, 20 and 2 more), 2 no label (a.jsonl, line 9; b.txt, line 2), "
        "1 no text (c.txt)"
    )
    for number in range(5):
        faults.add("unreadable", f"{number}.txt")
    assert str(faults).startswith("5 no JSON (a.jsonl, lines 3, 1,700, 20 and 2 more), 5 unreadable (0.txt; 1.txt; 2.")
    assert "2.txt; and 2 more)" in str(faults)


def test_labels_are_renamed_or_left_out():
    rows = [Example("好", "1", "a", "x"), Example("还行", "3"), Example("差", "0")]
    assert list(rename(rows, {"1": "good", "3": ""})) == [Example("好", "good", "a", "x"), Example("差", "0")]


def test_the_labelled_sample_is_whole(samples):
    found = list(read_examples(samples / "labelled.csv"))
    assert len(found) == 300
    assert {e.label for e in found} == {"positive", "negative"}


# Texts without labels


def texts_of(path, **options):
    found = list(read_unlabelled(path, **options))
    assert {(e.label, e.group) for e in found} <= {("", "")}
    return [e.text for e in found]


TEXTS = ["质量很好，下次还来", "物流慢，差评,不要买", "屏幕大, 颜色正, 好", "坏了"]
UNLABELLED = {
    "a.csv": 'text\n"质量很好，下次还来"\n"物流慢，差评,不要买"\n"屏幕大, 颜色正, 好"\n坏了\n',
    "b.tsv": "编号\t评论\n" + "".join(f"1\t{text}\n" for text in TEXTS),
    "c.jsonl": "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in TEXTS),
    "d.txt": "".join(f"{text}\n" for text in TEXTS),
    "e.json": "".join(json.dumps({"id": 3, "content": text}) + "\n" for text in TEXTS),
}


@pytest.mark.parametrize("name", UNLABELLED)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_texts_alone_in_every_shape_and_encoding(write, name, encoding, end):
    path = write(gzip.compress(UNLABELLED[name].replace("\n", end).encode(encoding)), f"{name}.gz")
    assert texts_of(path) == TEXTS
    assert {e.corpus for e in read_unlabelled(path)} == {str(path)}


TOLD = {  # what is left out where nobody has named a table
    "d.txt": "__label__ and what follows are taken for the label of each line and left out",
    "e.txt": "what stands behind ,, is taken for the label of each line and left out",
    "h.txt": "the first line is taken for a header, and only the column 'review' is read",
}


@pytest.mark.parametrize("name", [name for name in SHAPES if name not in ("f.txt", "g.txt")])
def test_the_labels_of_labelled_texts_are_dropped_and_told(write, name):
    path = write(SHAPES[name].encode(), name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert texts_of(path) == [text for text, _ in PAIRS]
    assert [str(warning.message) for warning in caught] == ([f"{path}: {TOLD[name]}"] if name in TOLD else [])


def test_only_what_stands_behind_two_commas_is_cut_off(write):
    path = write("好,用,,1\n差,,0\n差,0\n行,,,1\n不知道\n,,1\n\n".encode(), "goods.txt")
    faults = Faults()
    with pytest.warns(DataWarning, match="behind ,,"):
        assert texts_of(path, faults=faults) == ["好,用", "差", "差,0", "行,", "不知道"]
    assert faults == {"no text": 2}


LINES = {
    "a refrain": [f"众人散了{i}, 啦啦啦" for i in range(100)],
    "a refrain among others": [line for i in range(60) for line in (f"风{i}, 啦啦啦", f"雨{i}, 啦啦啦", f"第{i}章")],
    "speakers": [f"{'甲乙'[i % 2]}\t你好{i}" for i in range(100)],
    "labels behind tabs": [f"你好{i}\t{i % 2}" for i in range(100)],
    "one tab": [f"\t他走了{i}。" for i in range(100)],
    "two tabs": [f"\t\t他走了{i}。" for i in range(100)],
    "numbers": [f"他走了{i},3,1" for i in range(100)],
    "quotes": [f'"他走了{i}"\t0' for i in range(100)],
    "dots of commas": [f"好吧,,我知道{i}了" for i in range(100)],
    "a first line of names": ["评论,情感里的一切", *(f"他走了{i}" for i in range(100))],
}


@pytest.mark.parametrize("lines", LINES.values(), ids=LINES)
def test_no_text_without_a_label_is_cut(write, lines):
    path = write("\n".join(lines).encode(), "l.txt")
    assert texts_of(path) == lines
    assert texts_of(path, blank_lines=True) == lines


@pytest.mark.parametrize("name", ["d.txt", "e.txt", "f.txt", "g.txt"])
def test_lines_that_follow_each_other_stay_whole_whatever_they_look_like(write, name):
    path = write((SHAPES[name] * 30).replace("\n", "\r\n").encode(), name)
    assert texts_of(path, blank_lines=True) == (SHAPES[name] * 30).splitlines()


@given(st.lists(st.text("好坏的,，。 ", min_size=1, max_size=12).filter(str.strip), min_size=30, max_size=60))
def test_a_comma_in_a_text_parts_no_label(tmp_path, lines):
    lines = [f"{'用了' * (i % 3)}{line.replace(',,', ',')}尾{i}" for i, line in enumerate(lines)]
    path = tmp_path / "a.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert texts_of(path) == [line for line in lines if line.strip()]


def test_lines_that_hold_no_text_are_counted(write):
    path = write("好用\n\n  \n差\n".encode() + b"\xff\xff\n", "a.txt")
    faults = Faults()
    assert texts_of(path, faults=faults) == ["好用", "差"]
    assert faults == {"no text": 2, "undecodable bytes": 1}
    rows_ = '{"text": "好"}\n{"text": ""}\n{"text": ["好"]}\n{"other": 1}\n[]\n'
    faults = Faults()
    assert texts_of(write(rows_.encode(), "a.jsonl"), faults=faults) == ["好"]
    assert faults == {"no text": 2, "nested text": 1, "no JSON object": 1}


def test_a_column_of_texts_may_be_named(write):
    table = "id,words,label\n1,好,1\n2,差,\n"
    assert texts_of(write(table.encode(), "a.csv"), column="words") == ["好", "差"]  # a label is not asked for
    assert texts_of(write(b'{"a": "x", "b": "y"}\n', "a.jsonl"), column="b") == ["y"]
    assert texts_of(write("n,t\n1,好\n".encode(), "a.dat"), column="t") == ["好"]
    with pytest.raises(DataError, match="no column 'z'"):
        texts_of(write(table.encode(), "a.csv"), column="z")
    with pytest.raises(DataError, match="id, words, label: say which one by --column"):
        texts_of(write(table.encode(), "a.csv"))


def test_folders_and_files_of_one_label_are_texts_too(tmp_path):
    folder = documents(tmp_path / "films", 好=["很好".encode()], 坏=["很差".encode()])
    assert sorted(texts_of(folder)) == ["很好", "很差"]
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for name, text in UNLABELLED.items():
        (mixed / name).write_text(text, encoding="utf-8")
    assert texts_of(mixed) == TEXTS * len(UNLABELLED)
    assert texts_of(f"good={mixed / 'd.txt'}") == TEXTS


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.csv", b"text\n1.5\n2.5\n", "holds numbers or signs, no text: say --column"),
        ("a.txt", b"1,2,3\n4,5,6\n", "a.txt holds numbers or signs, no text"),
        ("a.txt", b"", "a.txt is empty"),
        ("a.json", b"[1]", "holds no JSON object a line"),
    ],
)
def test_what_is_no_text_is_refused(write, name, data, sentence):
    with pytest.raises(DataError, match=sentence):
        texts_of(write(data, name))


@pytest.mark.filterwarnings("ignore::nlpkit.errors.DataWarning")
@given(data=st.data())
def test_any_cut_of_texts_is_rows_or_one_sentence(tmp_path, data):
    name = data.draw(st.sampled_from(sorted(UNLABELLED)))
    whole = UNLABELLED[name].encode()
    at = data.draw(st.integers(0, len(whole)))
    path = tmp_path / name
    path.write_bytes(whole[:at] + data.draw(st.binary(max_size=20)) + whole[at + data.draw(st.integers(0, 9)) :])
    try:
        found = texts_of(path, faults=Faults())
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome will do
    else:
        assert all(text.strip() and "\udcff" not in text for text in found)


# Labels that are none, headers among the rows, shapes that were guessed

MISSING = {
    "a.csv": lambda label: f"text,label\n很好,好\n屏幕亮,{label}\n很差,坏\n",
    "b.tsv": lambda label: f"编号\t评论\t标签\n1\t很好\t好\n2\t屏幕亮\t{label}\n3\t很差\t坏\n",
    "c.jsonl": lambda label: "".join(
        json.dumps({"text": text, "label": la}) + "\n"
        for text, la in (("很好", "好"), ("屏幕亮", label), ("很差", "坏"))
    ),
    "d.txt": lambda label: f"__label__好 很好\n__label__{label} 屏幕亮\n__label__坏 很差\n",
    "e.txt": lambda label: f"很好,,好\n屏幕亮,,{label}\n很差,,坏\n" * 2,
    "f.txt": lambda label: f"很好\t好\n屏幕亮\t{label}\n很差\t坏\n" * 2,
    "g.txt": lambda label: f"好\t很好\n{label}\t屏幕亮\n坏\t很差\n" * 2,
}


@pytest.mark.filterwarnings("ignore::nlpkit.errors.DataWarning")
@pytest.mark.parametrize("name", MISSING)
@pytest.mark.parametrize("label", ["nan", "None", "NULL", "N/A", "#N/A", "<NA>"])
def test_a_word_for_nothing_is_no_label_in_any_shape(write, name, label):
    path, faults = write(MISSING[name](label).encode(), name), Faults()
    found = [e.label for e in read_examples(path, faults=faults)]
    assert set(found) == {"好", "坏"}
    assert faults == {"no label": len(found) // 2}
    assert faults.no_labels == {label: len(found) // 2}
    assert re.search(rf"{re.escape(str(path))}, lines? {2 if name[0] in 'cdefg' else 3}\b", str(faults))
    kept = {e.label for e in read_examples(path, faults=faults, kept={label})}
    assert kept == {"好", "坏", label}
    assert len(list(read_unlabelled(path))) >= 3  # a text is one whatever its label


def test_a_null_of_json_is_no_label(write):
    path = write(b'{"text": "a", "label": null}\n{"text": "b", "label": 1}\n', "a.jsonl")
    assert pairs_of(path) == [("b", "1")]
    assert faults_of(path) == {"no label": 1}


def test_a_label_that_somebody_named_is_one(write, tmp_path):
    assert pairs_of(f"none={write('很好'.encode(), 'a.txt')}") == [("很好", "none")]
    (tmp_path / "films" / "null").mkdir(parents=True)
    (tmp_path / "films" / "null" / "1.txt").write_text("很差", encoding="utf-8")
    assert pairs_of(tmp_path / "films") == [("很差", "null")]


@pytest.mark.parametrize("again", ["text,label,n", "\ufefftext,label,n", " text ,label,x"])
def test_a_header_among_the_rows_is_none_of_them(write, again):
    path = write(f"text,label,n\n很好,好,1\n{again}\n很差,坏,2\n".encode(), "a.csv")
    assert pairs_of(path) == [("很好", "好"), ("很差", "坏")]
    faults = faults_of(path)
    assert faults == {"repeated header": 1}
    assert str(faults) == f"1 repeated header ({path}, line 3)"


def test_a_row_that_is_half_a_header_stays(write):
    path = write("text,label\ntext,好\n很好,label\n".encode(), "a.csv")
    assert pairs_of(path) == [("text", "好"), ("很好", "label")]
    one = write("text\n很好\ntext\n".encode(), "b.csv")
    assert [e.text for e in read_unlabelled(one)] == ["很好", "text"]


@pytest.mark.parametrize(
    ("name", "line", "place"),
    [
        ("a.txt", "屏幕{}很亮,[('屏幕', '好')]", "line 1: read as lines TEXT,,LABEL, its label would be \"'好')]\""),
        ("a.txt", '["屏幕{}很亮", "好"]', "line 1: read as lines TEXT,,LABEL, its label would be '\"好\"]'"),
        ("a.txt", "屏幕{}很亮\t['好']", "line 1: read as lines TEXT and LABEL with a tab between, its label would be"),
        (
            "a.csv",
            "屏幕{}很亮,\"['好', '亮']\"",
            "line 2: read as a table with the labels in 'label', its label would be",
        ),
        (
            "a.jsonl",
            '{{"text": "屏幕{}", "label": "他说，很亮。"}}',
            "line 1: read as JSON with the labels in 'label'",
        ),
    ],
)
def test_a_guessed_shape_whose_labels_can_be_none_is_refused(write, name, line, place):
    header = "text,label\n" if name.endswith(".csv") else ""
    path = write((header + "".join(line.format(i) + "\n" for i in range(30))).encode(), name)
    with pytest.raises(DataError) as caught:
        pairs_of(path)
    assert str(caught.value).startswith(f"{path}, {place}")
    assert ("--label-column" in str(caught.value)) == (not name.endswith(".txt"))
    if not name.endswith(".txt"):
        assert len(pairs_of(path, label_column="label")) == 30  # who says that these are labels is believed
    assert len(list(read_unlabelled(path))) == 30


@pytest.mark.parametrize(
    "lines", ['"好"\t1\n"差，""很""差"\t0\n', '1\t"好"\n0\t"差，""很""差"\n', '"好","1"\n"差，""很""差","0"\n']
)
def test_quotes_around_all_texts_are_none_of_theirs(write, lines):
    path = write((lines * 5).encode(), "a.txt")
    assert pairs_of(path) == [("好", "1"), ('差，"很"差', "0")] * 5


def test_quotes_around_some_texts_are(write):
    assert pairs_of(write('"好"\t1\n差\t0\n'.encode(), "a.txt")) == [('"好"', "1"), ("差", "0")]


def test_lines_of_more_than_two_cells_want_a_header(write):
    path = write("".join(f"好{i},{i % 5},{i % 2}\n" for i in range(30)).encode(), "a.txt")
    with pytest.raises(DataError, match=r"has 2 commas in each line: expected lines TEXT,LABEL or .* a header above"):
        pairs_of(path)
    lines = "好,坏,1\n坏,好,0\n好,好,1\n"  # which may be by chance
    assert pairs_of(write(lines.encode(), "b.txt")) == [("好,坏", "1"), ("坏,好", "0"), ("好,好", "1")]


def test_blank_lines_are_texts_where_texts_follow_each_other(write):
    path = write("第一章\n\n他走了。\n　\n他走了。\n".encode(), "novel.txt")
    assert [e.text for e in read_unlabelled(path, blank_lines=True)] == ["第一章", "", "他走了。", "　", "他走了。"]
    assert len(list(read_unlabelled(path))) == 3


# Numbers and JSON beside the texts

STARS = [("质量很好，下次还来", "5"), ("物流慢，差评", "-1.50"), ("屏幕大，颜色正", "3e2"), ("坏了", ".5")]
SPANS = [
    ("质量很好", [[0, 2, "质量"]]),
    ("物流慢", []),
    ("坏了", {"a": [1, None]}),
    ("好", "好"),
    ("行", 1.5),
    ("差", False),
]


def answers(pairs, kind):
    """Files with such answers, by name."""
    table = io.StringIO()
    written = [(text, answer if kind == "number" else json.dumps(answer)) for text, answer in pairs]
    csv.writer(table).writerows([("answer", "text"), *((answer, text) for text, answer in written)])
    values = [{"text": t, "answer": float(a) if kind == "number" and a == "5" else a} for t, a in pairs]
    return {
        "a.csv": table.getvalue(),
        "b.jsonl": "".join(json.dumps(value) + "\n" for value in values),
        "c.txt": "".join(f"{text}\t{answer}\n" for text, answer in written),
        "d.txt": "text\tanswer\n" + "".join(f"{text}\t{answer}\n" for text, answer in written),
    }


@pytest.mark.parametrize("name", ["a.csv", "b.jsonl", "c.txt", "d.txt"])
def test_numbers_are_kept_as_they_are_written(write, name):
    path = write(answers(STARS, "number")[name].encode(), name)
    expected = [(text, "5.0" if number == "5" and name == "b.jsonl" else number) for text, number in STARS]
    assert pairs_of(path, answer="number", answer_columns=("answer", "stars")) == expected


@pytest.mark.filterwarnings("ignore:.*read without quoting:nlpkit.errors.DataWarning")
@pytest.mark.parametrize("name", ["a.csv", "b.jsonl", "c.txt", "d.txt"])
def test_json_is_the_same_from_every_shape(write, name):
    path = write(answers(SPANS, "json")[name].encode(), name)
    found = pairs_of(path, answer="json", answer_columns=("answer",))
    assert found == [(text, json.dumps(value, ensure_ascii=False)) for text, value in SPANS]


def test_numbers_of_json_keep_their_digits(write):
    path = write(b'{"text": "a", "n": 1.50}\n{"text": "b", "n": 12345678901234567890}\n', "a.jsonl")
    assert pairs_of(path, answer="number", label_column="n") == [("a", "1.50"), ("b", "12345678901234567890")]


def test_two_commas_may_stand_before_a_number(write):
    path = write("一,二,,3.5\n好,,4\n差,,0.1\n无\n".encode(), "a.txt")
    assert pairs_of(path, answer="number") == [("一,二", "3.5"), ("好", "4"), ("差", "0.1")]
    assert faults_of(path, answer="number") == {"no comma": 1}


def test_rows_without_a_number_or_json_are_counted(write):
    cells = ["1", "", "nan", "inf", "-Infinity", "一", "1,5", "1 2", " 7 "]
    table = "text,n\n" + "".join(f'好,"{cell}"\n' for cell in cells)
    path = write(table.encode(), "a.csv")
    assert pairs_of(path, answer="number", label_column="n") == [("好", "1"), ("好", "7")]
    assert str(faults_of(path, answer="number", label_column="n")).startswith(f"7 no number ({path}, lines 3, 4, 5 and")
    assert faults_of(path, answer="json", label_column="n") == {"no JSON": 7}
    values = ["[1]", "null", "[NaN]", "{", '"x', '"x"', "1e999"]
    lines = "".join(f'{{"text": "好", "n": {value}}}\n' for value in values if value not in ("{", '"x'))
    path = write((lines + '{"text": "好"}\n').encode(), "a.jsonl")
    assert pairs_of(path, answer="json", label_column="n") == [("好", "[1]"), ("好", '"x"')]
    assert faults_of(path, answer="json", label_column="n") == {"no JSON": 4}
    assert faults_of(path, answer="number", label_column="n") == {"no number": 6}


def test_what_must_not_be_a_label_may_be_an_answer(write):
    many = "text,n,spans\n" + "".join(f'好{i},{i}.25,"[""{i}"", ""，""]"\n' for i in range(150))
    path = write(many.encode(), "a.csv")
    assert len(pairs_of(path, answer="number", answer_columns=("n",))) == 150
    assert len(pairs_of(path, answer="json", answer_columns=("spans",))) == 150
    with pytest.raises(DataError, match="its label would be"):
        pairs_of(path, answer_columns=("spans",))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("number", "one of numbers, or lines with a tab between text and number$"),
        ("json", "one of JSON, or lines with"),
    ],
)
def test_shapes_that_hold_no_such_answers_are_refused(write, tmp_path, kind, expected):
    lines = write("很好\n很差\n还行,好\n".encode(), "a.txt")
    with pytest.raises(
        DataError, match=rf"a.txt has no (numbers|JSON) that can be found: expected a table .* {expected}"
    ):
        pairs_of(lines, answer=kind)
    with pytest.raises(DataError, match=rf"has a label for all texts of a file, no .*{expected}"):
        pairs_of(f"5={lines}", answer=kind)
    folder = documents(tmp_path / "films", good=["很好".encode()])
    with pytest.raises(DataError, match=rf"films has a label for all texts of a file, no .*{expected}"):
        pairs_of(folder, answer=kind)
    with pytest.raises(DataError, match=r"several tabs a line: expected a header above them that names text and"):
        pairs_of(write("1\t好\t2\n2\t差\t3\n".encode(), "b.txt"), answer=kind)
    with pytest.raises(DataError, match="say which one by --label-column"):
        pairs_of(write("text,n\n好,1\n".encode(), "c.csv"), answer=kind, answer_columns=())


@pytest.mark.filterwarnings("ignore::nlpkit.errors.DataWarning")
@given(data=st.data(), kind=st.sampled_from(["number", "json"]))
def test_any_cut_of_answers_is_answers_or_one_sentence(tmp_path, data, kind):
    files = answers(STARS if kind == "number" else SPANS, kind)
    name = data.draw(st.sampled_from(sorted(files)))
    whole = files[name].encode()
    at = data.draw(st.integers(0, len(whole)))
    path = tmp_path / name
    path.write_bytes(whole[:at] + data.draw(st.binary(max_size=20)) + whole[at + data.draw(st.integers(0, 9)) :])
    try:
        found = list(read_examples(path, answer=kind, answer_columns=("answer",)))
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome will do
    else:
        values = [json.loads(e.label) if kind == "json" else float(e.label) for e in found]
        assert None not in values
        assert kind == "json" or all(map(math.isfinite, values))
