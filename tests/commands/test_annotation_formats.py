import json

import pytest

from nlpkit.commands.annotation_formats import KINDS, SuspectRow, write_rows
from nlpkit.errors import SettingError
from nlpkit.text.corpus import Faults, read_examples

ROWS = [
    SuspectRow("很好", "坏", "好", 0.98, {"file": "a.csv", "line": 3, "text": "原文"}),
    SuspectRow("坏了，“退货”\n", "好"),
    SuspectRow("还行", None, "好", 0.5),
]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read_back_with_its_labels(kind, write):
    path = write(b"".join(write_rows(kind, ROWS)), "a.json")
    faults = Faults()
    found = [(e.text, e.label) for e in read_examples(path, faults=faults)]
    assert found == [(row.text, row.label) for row in ROWS[:2]]
    assert faults.total() == 1


def test_a_line_of_doccano_has_a_list_of_labels_and_metadata():
    first, second, third = (json.loads(line) for line in write_rows("doccano", ROWS))
    own = {"text": "很好", "label": ["坏"], "suggestion": "好", "probability": 0.98}
    assert first == {**own, "file": "a.csv", "line": 3, "predicted_text": "原文"}
    assert (second["label"], second["suggestion"]) == (["好"], None)
    assert third["label"] == []


def test_a_task_of_label_studio_has_a_prediction_with_its_score():
    first, second, third = json.loads(b"".join(write_rows("label-studio", ROWS, choice="mood")))
    assert first["data"] == {"text": "很好", "file": "a.csv", "line": 3, "predicted_text": "原文"}
    own = {"from_name": "mood", "to_name": "text", "type": "choices"}
    assert first["annotations"] == [{"result": [{**own, "value": {"choices": ["坏"]}}]}]
    suggested = {"model_version": "nlpkit", "score": 0.98, "result": [{**own, "value": {"choices": ["好"]}}]}
    assert first["predictions"] == [suggested]
    assert "predictions" not in second
    assert "annotations" not in third


def test_no_rows_are_valid_files_too():
    assert b"".join(write_rows("doccano", [])) == b""
    assert json.loads(b"".join(write_rows("label-studio", []))) == []


def test_an_unknown_kind_is_refused():
    with pytest.raises(SettingError, match="no annotation format 'label_studio'; did you mean 'label-studio'"):
        write_rows("label_studio", [])
