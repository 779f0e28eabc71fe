import gzip
import json

import pytest

from nlpkit.audit import read_corpora
from nlpkit.audit.rows import NO_LABEL
from nlpkit.errors import DataError
from tests.audit.written import write_reviews


@pytest.fixture
def put(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def columns_of(rows):
    return {
        column.name: [None if code < 0 else column.values[code] for code in column.codes.tolist()]
        for column in rows.columns
    }


def test_rows_of_a_table_know_where_they_stand_and_what_stands_beside_them(put):
    path = put("a.csv", 'id,text,label,shop\n1,好用,good,甲\n2,"不好\n用",bad,\n3,,bad,乙\n4,很好,good,丙\n')
    rows = read_corpora([path])
    assert list(zip(rows.texts, rows.numbers, rows.lines, strict=True)) == [
        ("好用", 1, 2),
        ("不好\n用", 2, 3),
        ("很好", 4, 6),
    ]
    assert set(rows.files) == {str(path)}
    assert columns_of(rows) == {"id": ["1", "2", "4"], "shop": ["甲", None, "丙"]}
    assert str(rows.left_out[0]) == f"1 no text ({path}, line 5)"
    assert [(source.name, source.rows, source.encoding) for source in rows.sources] == [(str(path), 3, "utf-8")]


def test_fields_of_json_are_columns_those_inside_others_too(put):
    lines = [
        {"body": {"text": "好用", "lang": "zh"}, "queue": "a", "stars": 5, "tags": ["x"]},
        {"body": {"text": "不好用", "lang": "zh"}, "queue": "b", "stars": 1, "who": None},
    ]
    path = put("a.jsonl", "\n".join(json.dumps(line, ensure_ascii=False) for line in lines))
    rows = read_corpora([path], column="body.text", label_column="queue")
    assert rows.label_names == ["a", "b"]
    assert columns_of(rows) == {"body.lang": ["zh", "zh"], "stars": ["5", "1"]}


def test_files_with_other_columns_stand_beside_each_other(put):
    a, b = put("a.csv", "text,label,n\n好用,a,1\n不好,b,2\n"), put("b.csv", "m,text,label\n7,还行,a\n")
    assert columns_of(read_corpora([a, b])) == {"n": ["1", "2", None], "m": [None, None, "7"]}


def test_columns_of_one_name_are_told_apart(put):
    rows = read_corpora([put("a.csv", "text,label,n,n\n好用,a,1,2\n不好,b,3,4\n")])
    assert columns_of(rows) == {"n (3)": ["1", "3"], "n (4)": ["2", "4"]}


def test_files_of_other_shapes_have_no_columns(put):
    a = put("a.txt", "好用,,1\n\n不好,,0\n")
    b = put("b.txt.gz", gzip.compress("还可以,,1\n不行,,0\n".encode("gb18030")))
    rows = read_corpora([a, b])
    assert list(zip(rows.texts, rows.numbers, strict=True)) == [("好用", 1), ("不好", 3), ("还可以", 1), ("不行", 2)]
    assert rows.columns == []
    assert [source.encoding for source in rows.sources] == ["utf-8", "gb18030"]


def test_a_document_is_all_of_its_file(put, tmp_path):
    put("good/1.txt", "好用\n真的")
    put("bad/1.txt", "不好用")
    rows = read_corpora([tmp_path])
    assert [(file.rsplit("/", 2)[1], number) for file, number in zip(rows.files, rows.numbers, strict=True)] == [
        ("bad", 0),
        ("good", 0),
    ]


def test_a_label_that_is_renamed_to_nothing_is_counted_as_left_out(put):
    path = put("a.csv", "text,label\n好用,1\n一般,2\n不好,0\n")
    rows = read_corpora([path], names={"1": "good", "2": ""})
    assert rows.label_names == ["0", "good"]
    assert str(rows.left_out[0]) == f"1 of a label that is left out ({path}, line 3)"


def test_texts_without_labels_are_read_and_that_is_said(put):
    rows = read_corpora([put("a.txt", "好用\n不好用\n"), put("b.csv", "text,label\n还行,1\n不行,0\n")])
    assert rows.labels.tolist() == [NO_LABEL, NO_LABEL, 1, 0]
    (doubt,) = rows.doubts
    assert "a.txt has no labels that can be found" in doubt
    assert doubt.endswith("it is audited without labels")


def test_who_names_labels_gets_no_audit_without(put):
    with pytest.raises(DataError, match="no column 'stars'"):
        read_corpora([put("a.csv", "text,label\n好用,1\n")], label_column="stars")


@pytest.mark.parametrize(("text", "sentence"), [("", "is empty"), ("text,label\n,1\n", "no rows to audit: 1 no text")])
def test_nothing_is_an_error(put, text, sentence):
    with pytest.raises(DataError, match=sentence):
        read_corpora([put("a.csv", text)])


def test_a_corpus_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no corpus of that name"):
        read_corpora([tmp_path / "a.csv"])


def test_reviews_are_distinct():
    rows = write_reviews(500)
    assert len({text for text, _ in rows}) == 500
