import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.errors import DataError
from nlpkit.text.rows import open_rows


def rows_of(path, column=None):
    with open_rows(path, column=column) as source:
        return [row for block in source.blocks for row in block]


def dumped(rows, *, array=False, **options):
    if array:
        return json.dumps(rows, **options).encode()
    return "".join(json.dumps(row, **options) + "\n" for row in rows).encode()


ROWS = [{"id": 1, "review": {"content": "很好"}}, {"id": 2, "review": {"content": "差"}}]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.ndjson", "a.txt", "a.jsonl.gz"])
@pytest.mark.parametrize("options", [{}, {"ensure_ascii": False}])
def test_a_field_within_a_field_is_the_text(write, name, options):
    import gzip

    data = dumped(ROWS, **options)
    found = rows_of(write(gzip.compress(data) if name.endswith(".gz") else data, name), "review.content")
    assert [row.text for row in found] == ["很好", "差"]
    assert [row.fields for row in found] == ROWS


@pytest.mark.parametrize("options", [{}, {"indent": 2}, {"ensure_ascii": False}])
@pytest.mark.parametrize("name", ["a.json", "a.txt"])
def test_an_array_of_objects_has_a_row_each(write, name, options):
    found = rows_of(write(dumped([{"text": "好"}, {"text": "差"}, 3], array=True, **options), name))
    assert [(row.text, row.fault) for row in found] == [("好", None), ("差", None), ("3", "no JSON object")]
    assert json.loads(found[0].record) == {"text": "好"}
    assert "\n" not in found[0].record


@pytest.mark.parametrize(
    ("data", "line"),
    [('[{"text": "好"},\n{"text": "差"}', 2), ('[{"text": "好"}\n{"text": "差"}]', 2), ('[{"text": 1}]x', 1)],
)
def test_a_broken_array_is_named_by_its_line(write, data, line):
    with pytest.raises(DataError, match=rf"a\.json, line {line}: JSON that is broken here"):
        rows_of(write(data.encode(), "a.json"))


def test_a_line_that_begins_in_a_bracket_is_no_json(write):
    assert [row.text for row in rows_of(write("[微笑]很好\n[1]\n{好}\n".encode()))] == ["[微笑]很好", "[1]", "{好}"]


def test_each_fault_of_a_row_is_a_row(write):
    lines = ['{"text": "好"}', "好", "[1]", "", '{"n": 1}', '{"text": null}', '{"text": 3}', '{"text": ["好"]}']
    found = rows_of(write("\n".join(lines).encode() + b'\n{"text": "\xff"}\n', "a.jsonl"))
    assert [(row.text, row.fault) for row in found] == [
        ("好", None),
        ("好", "no JSON object"),
        ("[1]", "no JSON object"),
        ("", "no field 'text'"),
        ("", None),
        ("3", None),
        ("", "nested text"),
        ("�", "undecodable bytes"),
    ]
    assert [row.line for row in found] == [1, 2, 3, 5, 6, 7, 8, 9]


def test_a_field_that_none_has_is_named_with_those_there_are(write):
    with pytest.raises(
        DataError, match=r"no field 'review.contents'; did you mean 'review.content'\?.*id, review.content"
    ):
        rows_of(write(dumped(ROWS), "a.jsonl"), "review.contents")
    with pytest.raises(DataError, match="has the fields id, r: say which one by --column"):
        rows_of(write(dumped([{"id": 1, "r": "好"}]), "a.jsonl"))


def test_a_name_with_a_dot_goes_before_what_it_would_mean(write):
    assert rows_of(write(dumped([{"a.b": "好", "a": {"b": "差"}}]), "a.jsonl"), "a.b")[0].text == "好"
    assert rows_of(write(dumped([{"a": [{"b": "差"}]}]), "a.jsonl"), "a.0.b")[0].text == "差"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)


@given(
    st.lists(st.dictionaries(st.text(max_size=4), values, max_size=3), min_size=1, max_size=5),
    st.booleans(),
    st.booleans(),
)
def test_whatever_python_writes_as_json_is_read(tmp_path, objects, array, ascii_only):
    path = tmp_path / "a.json"
    objects = [{**found, "text": "好"} for found in objects]
    text = json.dumps(objects) if array else "\n".join(map(json.dumps, objects))
    if not ascii_only:
        text = json.dumps(objects, ensure_ascii=False) if array else text
    path.write_bytes(text.encode("utf-8", "replace"))
    found = rows_of(path)
    assert [row.text for row in found] == ["好"] * len(objects)
    assert all(row.record is not None and "text" in json.loads(row.record) for row in found)


@pytest.mark.parametrize("name", ["a.json", "a.txt"])
def test_objects_over_several_lines_are_read(write, name):
    objects = [{"text": "好", "n": {"a": 1}}, {"text": "差"}]
    data = "\n".join(json.dumps(found, indent=2, ensure_ascii=False) for found in objects)
    assert [(row.text, row.fields) for row in rows_of(write(data.encode(), name))] == [
        ("好", objects[0]),
        ("差", objects[1]),
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.txt"])
def test_commas_and_marks_around_objects_and_a_broken_first_line_do_no_harm(write, name):
    data = 'x\n{"text": "好"},\n\ufeff{"text": "差"}\n{"text": "棒"}\n'
    found = rows_of(write(data.encode(), name))
    assert [(row.text, row.fault) for row in found] == [
        ("x", "no JSON object"),
        ("好", None),
        ("差", None),
        ("棒", None),
    ]
    assert found[1].record == '{"text": "好"}'


@pytest.mark.parametrize(
    "number", ["18446744073709551616", "12345678901234567891123", "1.10", "0.12345678901234567890", "1e5"]
)
def test_numbers_keep_their_digits(write, number):
    for data in (f'{{"text": {number}}}\n', f'[{{"text": {number}}}]'):
        assert rows_of(write(data.encode(), "a.json"))[0].text == number
