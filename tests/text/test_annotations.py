import json

import pytest

from nlpkit.errors import DataError
from nlpkit.text.corpus import Faults, read_examples
from nlpkit.text.rows import open_rows


def choice(*labels, name="sentiment", **more):
    return {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": list(labels), **more}}


def annotation(*results, cancelled=False):
    return {"id": 7, "completed_by": 1, "result": list(results), "was_cancelled": cancelled, "ground_truth": False}


def task(text, *annotations, **data):
    return {"id": 1, "data": {"text": text, **data}, "annotations": list(annotations), "predictions": [], "project": 3}


@pytest.fixture
def read(write):
    def read_file(content, name="export.json", **options):
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        faults = Faults()
        examples = list(read_examples(write(text.encode(), name), faults=faults, **options))
        return [(e.text, e.label) for e in examples], dict(faults)

    return read_file


GOOD, BAD = annotation(choice("好")), annotation(choice("坏"))


def test_a_task_has_the_label_that_its_annotators_chose(read):
    tasks = [
        task("很好", GOOD),
        task("坏了", BAD, BAD),
        task("还行", annotation(choice("好"), choice("快", name="speed"))),
    ]
    assert read(tasks, label_column="sentiment") == ([("很好", "好"), ("坏了", "坏"), ("还行", "好")], {})
    assert read(tasks[:2]) == ([("很好", "好"), ("坏了", "坏")], {})


def test_a_task_without_one_clear_label_is_left_out_and_counted(read):
    skipped = annotation(choice("坏"), cancelled=True)
    tasks = [
        task("很好", GOOD, skipped),
        task("不一", GOOD, BAD),
        task("一半", GOOD, annotation()),
        task("跳过", skipped),
        task("没有"),
        task("空的", annotation()),
        task("两个", annotation(choice("好", "坏"))),
        task("", GOOD),
        task(["列"], GOOD),
        7,
    ]
    found, faults = read(tasks)
    assert found == [("很好", "好")]
    assert faults == {
        "annotators disagree": 2,
        "cancelled annotation": 1,
        "no annotation": 1,
        "no label": 1,
        "several labels": 1,
        "no text": 1,
        "nested text": 1,
        "no JSON object": 1,
    }


def test_which_choice_is_the_label_must_be_said_if_there_are_several(read):
    tasks = [task("很好", annotation(choice("好"), choice("快", name="speed")))]
    with pytest.raises(DataError, match="has the choices sentiment, speed: say which one by --label-column"):
        read(tasks)
    with pytest.raises(DataError, match="has no choice 'spede'; did you mean 'speed'"):
        read(tasks, label_column="spede")
    with pytest.raises(DataError, match="has no choices among its annotations"):
        read([task("很好", annotation(choice("好", start=0, end=1)))])


def test_the_text_is_what_has_a_usual_name_or_is_the_only_one(read):
    assert read([task("很好", GOOD, shop="甲")])[0] == [("很好", "好")]
    only = {"data": {"标题": "很好", "n": 1}, "annotations": [GOOD]}
    assert read([only])[0] == [("很好", "好")]
    two = {"data": {"a": "很好", "b": "坏了"}, "annotations": [GOOD]}
    with pytest.raises(DataError, match=r"has the fields data.a, data.b: say which one by --column"):
        read([two])
    assert read([two], column="b") == read([two], column="data.b") == ([("坏了", "好")], {})


def test_texts_alone_need_no_annotation(read):
    assert read([task("很好"), task("坏了", GOOD, BAD)], answer=None) == ([("很好", ""), ("坏了", "")], {})


def test_groups_may_be_of_the_data(write):
    path = write(json.dumps([task("很好", GOOD, shop="甲")]).encode(), "a.json")
    assert [e.group for e in read_examples(path, group_column="shop")] == ["甲"]


def rows(*annotations):
    return [
        {"text": text, "id": number, "sentiment": label, "annotator": 1, "annotation_id": 5, "lead_time": 1.5}
        for number, text, label in annotations
    ]


ANNOTATIONS = [(1, "很好", "好"), (2, "坏了", "坏"), (2, "坏了", "坏"), (3, "不一", "好"), (3, "不一", "坏")]


def test_of_a_row_an_annotation_those_of_one_text_are_one(read):
    expected = [("很好", "好"), ("坏了", "坏")], {"annotators disagree": 1}
    assert read(rows(*ANNOTATIONS)) == expected
    table = rows(*ANNOTATIONS)
    lines = [",".join(table[0]), *(",".join(map(str, row.values())) for row in table)]
    assert read("\n".join(lines), "export.csv") == expected
    assert read(rows(*ANNOTATIONS), answer=None)[0] == [("很好", ""), ("坏了", ""), ("不一", "")]


def test_several_choices_of_one_text_are_no_label(read):
    several = {**rows((1, "两个", ""))[0], "sentiment": {"choices": ["好", "坏"]}}
    assert read([*rows((2, "很好", "好")), several]) == ([("很好", "好")], {"nested label": 1})


@pytest.mark.parametrize("text", ["text", "data"])
def test_lines_of_doccano_have_lists_of_labels(read, text):
    lines = [("很好", ["好"]), ("坏了", ["坏"]), ("两个", ["好", "坏"]), ("没有", [])]
    objects = [{"id": n, text: said, "label": labels, "Comments": []} for n, (said, labels) in enumerate(lines)]
    content = "\n".join(json.dumps(item) for item in objects)
    assert read(content, "all.jsonl") == ([("很好", "好"), ("坏了", "坏")], {"several labels": 1, "no label": 1})


def test_a_table_of_doccano_calls_the_text_data(read, write):
    table = "id,data,label\n1,很好,好\n2,坏了,坏\n3,没有,\n"
    assert read(table, "all.csv") == ([("很好", "好"), ("坏了", "坏")], {"no label": 1})
    with open_rows(write(table.encode(), "all.csv")) as source:
        assert [row.text for block in source.blocks for row in block] == ["很好", "坏了", "没有"]
    with pytest.raises(DataError, match="has the columns data, label: say which one"):
        read("data,label\n2024,好\n", "b.csv")


def test_labels_that_doccano_has_joined_are_several(read):
    table = "id,data,label\n1,很好,好\n2,坏了,坏\n3,不一,坏#好\n"
    with pytest.raises(DataError, match="which looks like several labels"):
        read(table, "all.csv")
