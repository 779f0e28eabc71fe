"""Texts that came by no file."""

import json

import pytest

import nlpkit
from nlpkit.commands import FileAnswerer, TextAnswerer


@pytest.fixture(scope="module")
def answerer():
    return TextAnswerer(FileAnswerer(nlpkit.load("reviews"), "jsonl"))


def test_a_text_has_the_line_of_an_object_of_a_file(answerer, tmp_path):
    texts = ["质量很好", "", '"引号"', "太差了\n再也不买"]
    source = tmp_path / "texts.jsonl"
    source.write_text("".join(f'{{"text":{json.dumps(text, ensure_ascii=False)}}}\n' for text in texts), "utf-8")
    FileAnswerer(nlpkit.load("reviews"), "jsonl").answer(source, tmp_path / "answers.jsonl")
    lines, tally = answerer.answer(texts)
    assert lines == (tmp_path / "answers.jsonl").read_bytes().splitlines()
    assert (tally.rows.rows, dict(tally.rows.reasons)) == (4, {"empty": 1})
    assert answerer.answer([])[0] == []


@pytest.mark.parametrize(
    ("text", "written", "reason"),
    [
        (3, 3, "no evidence: no letters"),
        (None, None, "empty"),
        ([1], None, "nested text"),
        ({"text": "好"}, None, "nested text"),
        (float("nan"), None, "empty"),
        (float("inf"), None, "empty"),
        (10**30, 10**30, "no evidence: no letters"),
        ("\ud800", "\ud800", "no evidence: no letters"),
    ],
)
def test_what_is_no_text_has_a_reason(answerer, text, written, reason):
    (line,) = answerer.answer([text])[0]
    answer = json.loads(line)
    assert answer["text"] == written
    assert answer["label"] is None
    assert answer["reason"].startswith(reason.partition(":")[0])


def test_a_text_that_has_a_fault_is_not_asked(answerer):
    lines, _ = answerer.answer(["好用", "好用"], {1: "it was poisoned"})
    assert [json.loads(line)["reason"] for line in lines] == [None, "it was poisoned"]


def test_a_text_comes_in_pieces_and_is_the_same(answerer):
    options = {"seed": 4, "length": 12}
    model = nlpkit.load("reviews-chars")
    whole, _ = TextAnswerer(FileAnswerer(model, "jsonl", options=options)).answer(["衣服"])
    stream = TextAnswerer(FileAnswerer(model, "jsonl", options=options)).stream("衣服")
    ends = []

    def follow():
        ends.append((yield from stream))

    pieces = list(follow())
    ((line, tally),) = ends
    assert [line] == whole
    assert "".join(pieces) == json.loads(line)["text"]
    assert tally.rows.rows == 1
    assert not answerer.streams
    with pytest.raises(nlpkit.SettingError, match="score answers in one piece"):
        next(answerer.stream("好"))


def test_texts_that_are_written_go_on_being_numbered():
    model, options = nlpkit.load("reviews-chars"), {"seed": 4, "length": 5}
    one = TextAnswerer(FileAnswerer(model, "jsonl", options=options))
    lines = one.answer(["衣服"])[0] + one.answer(["衣服"])[0]
    both = TextAnswerer(FileAnswerer(model, "jsonl", options=options)).answer(["衣服", "衣服"])[0]
    assert lines == both
    assert [json.loads(line)["number"] for line in lines] == [0, 1]


def test_only_lines_of_json_are_written():
    with pytest.raises(nlpkit.SettingError, match="as jsonl, not as csv"):
        TextAnswerer(FileAnswerer(nlpkit.load("reviews"), "csv"))
