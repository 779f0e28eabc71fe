import csv
import io
import json

import pandas
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.commands.answers import JsonLines, as_cell, csv_lines, dump
from nlpkit.text.names import find_free_name, make_unique
from nlpkit.text.rows import Row, Source

ANSWER = {"label": "good", "reason": None}
LINES = JsonLines(list(ANSWER))


def line_of(source, row):
    data = LINES(source, 7, [row], [ANSWER.values()])
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    return json.loads(data)


def test_a_line_comes_with_its_file_and_number():
    found = line_of(Source("a.txt", None, iter(())), Row("很好"))
    assert found == {"file": "a.txt", "row": 7, "text": "很好", **ANSWER}


def test_a_row_of_a_table_keeps_all_its_columns():
    source = Source("a.csv", ["id", "评价", "label"], iter(()))
    found = line_of(source, Row("很好", cells=["1", "很好", "bad"]))
    own = {"id": "1", "评价": "很好", "label": "bad"}
    assert found == {"file": "a.csv", "row": 7, "text": "很好", **own, "predicted_label": "good", "reason": None}


def test_an_object_keeps_every_letter_of_it():
    record = '{ "n": 12345678901234567890.10, "t": "\\u597d", "label":1 }'
    data = LINES(
        Source("a.jsonl", None, iter(())), 7, [Row("好", record=record, fields=json.loads(record))], [ANSWER.values()]
    )
    assert data == record[:-2].encode() + b',"predicted_label":"good","reason":null}\n'
    empty = Row("", record="{}", fields={})
    assert JsonLines(["a"])(Source("a", None, iter(())), 1, [empty], [[1]]) == b'{"a":1}\n'


def test_two_columns_of_one_name_are_both_kept():
    assert make_unique(["n", "n", "n_2", "n"]) == ["n", "n_3", "n_2", "n_4"]
    source = Source("a.csv", ["text", "n", "n"], iter(()))
    assert {"n": "1", "n_2": "2"}.items() <= line_of(source, Row("好", cells=["好", "1", "2"])).items()


def test_a_name_that_is_taken_gets_another():
    assert find_free_name("label", []) == "label"
    assert find_free_name("label", ["label"]) == "predicted_label"
    assert find_free_name("label", ["label", "predicted_label"]) == "predicted_label_2"


def test_what_orjson_does_not_write_is_written():
    assert json.loads(dump({"a": "\ud83d", "b": 1 << 70})) == {"a": "\ud83d", "b": 1 << 70}


def test_values_of_json_as_cells():
    assert [as_cell(value) for value in ("好", None, 1.5, True, {"a": ["好"]})] == [
        "好",
        "",
        "1.5",
        "true",
        '{"a": ["好"]}',
    ]


cells = st.text(st.sampled_from('好a",;\t\r\n ') | st.characters(codec="utf-8"), max_size=6)


@given(
    st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=6),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([",", "\t"]),
)
def test_every_reader_of_csv_gets_the_same_cells(records, end, delimiter):
    text = csv_lines(records, delimiter, end=end)
    assert list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)) == records
    assert text.endswith(end)


def test_a_cell_with_a_cr_is_quoted_whatever_ends_the_lines():
    assert csv_lines([["a\rb", "c"]], ",", end="\n") == '"a\rb",c\n'


def test_pandas_reads_the_same_cells():
    records = [["a", "b"], ["x\ry", 'say "z"'], ["1,2", "\n"]]
    found = pandas.read_csv(
        io.StringIO(csv_lines(records, ",", end="\n"), newline=""), dtype=str, keep_default_na=False
    )
    assert [list(found.columns), *found.to_numpy().tolist()] == records


def test_names_are_those_of_the_whole_file():
    source = Source("a.jsonl", None, iter(()), fields=["text", "label"])
    rows = [Row("好", record='{"text":"好"}', fields={"text": "好"}), Row("x", "no JSON object")]
    first, second = LINES(source, 1, rows, [ANSWER.values()] * 2).splitlines()
    assert json.loads(first) == {"text": "好", "predicted_label": "good", "reason": None}
    assert json.loads(second) == {"file": "a.jsonl", "row": 2, "text": "x", "predicted_label": "good", "reason": None}
    late = Row("好", record='{"predicted_label":1}', fields={"predicted_label": 1})
    found = json.loads(LINES(source, 3, [late], [ANSWER.values()]))
    assert found == {"predicted_label": 1, "predicted_predicted_label": "good", "reason": None}
