import itertools
import json
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.components.tokenizers import char, whitespace
from nlpkit.errors import DataError
from nlpkit.plugins.base import Tokenizer
from nlpkit.tasks.cloze.items import (
    BLOCK,
    Item,
    blank_words,
    draw_items,
    holds_items,
    make_items,
    read_items,
    read_words,
)
from nlpkit.text.corpus import Faults

ANSWERS = ["的", "好", "快", "不错", "推荐"]
TEXT = "衣服 的 质量 好 ， 快 递 不错"


def filled(item):
    return item.text.replace("__", item.answer)


def words_blanked(texts, tokenizer=None, **options):
    return list(blank_words(texts, tokenizer or whitespace(), ANSWERS, **options))


def test_every_known_word_in_turn():
    found = words_blanked([TEXT], skip_frequent=1, every=True)
    assert [item.answer for item in found] == ["好", "快", "不错"]
    assert found[0].text == "衣服 的 质量 __ ， 快 递 不错"
    assert {filled(item) for item in found} == {TEXT}


def test_one_word_a_text_is_drawn_by_the_seed():
    texts = [TEXT] * 200
    found = words_blanked(texts, seed=3, skip_frequent=1)
    assert len(found) == 200
    assert {item.answer for item in found} == {"好", "快", "不错"}
    assert found == words_blanked(iter(texts), seed=3, skip_frequent=1)
    assert found != words_blanked(texts, seed=4, skip_frequent=1)


def test_the_most_frequent_words_are_left_alone():
    assert words_blanked([TEXT], skip_frequent=4, every=True) == []
    assert len(words_blanked([TEXT], skip_frequent=0, every=True)) == 4


@pytest.mark.parametrize(
    ("text", "items"), [("好 x , 快", 0), ("好 快 很 多", 2), ("好 __ 快 很 多", 0), ("abc def", 0), ("", 0)]
)
def test_texts_that_say_too_little_or_have_blanks_are_left_out(text, items):
    assert len(words_blanked([text], skip_frequent=1, min_words=4, every=True)) == items


def test_a_limit_is_drawn_from_all_that_there_are_without_it():
    texts = [f"{n} 好 快 一 二 三 四" for n in range(500)]
    found = make_items(texts, whitespace(), ANSWERS, skip_frequent=0, limit=20)
    assert len(found) == len(set(found)) == 20
    assert set(found) <= set(words_blanked(texts, skip_frequent=0))
    assert max(int(item.text.split()[0]) for item in found) > 250
    assert found == make_items(iter(texts), whitespace(), ANSWERS, skip_frequent=0, limit=20)
    assert found != make_items(texts, whitespace(), ANSWERS, skip_frequent=0, limit=20, seed=1)


def test_each_item_is_as_likely_to_be_drawn_as_any_other():
    items = [Item(f"{n} __", "好") for n in range(10)]
    times = Counter(item for seed in range(3000) for item in draw_items(items, 4, seed))
    assert times.keys() == set(items)
    assert all(1050 < n < 1350 for n in times.values())  # 1,200 expected, 27 the standard deviation


@given(st.integers(0, 9), st.integers(1, 12))
def test_so_many_items_are_drawn_as_there_are(count, limit):
    items = [Item(f"{n} __", "好") for n in range(count)]
    found = draw_items(iter(items), limit)
    assert len(set(found)) == min(count, limit)
    assert found == items or count > limit


def test_texts_are_blanked_as_they_come():
    taken = []

    def endless():
        for n in itertools.count():
            taken.append(n)
            yield TEXT

    items = blank_words(endless(), whitespace(), ANSWERS, skip_frequent=1)
    assert taken == []
    assert filled(next(items)) == TEXT
    assert len(taken) <= BLOCK


@given(
    st.lists(st.text("好快的一二 a", max_size=12), max_size=6), st.sampled_from([char(), whitespace()]), st.booleans()
)
def test_an_item_put_together_is_its_text(texts, tokenizer, every):
    found = words_blanked(texts, tokenizer, skip_frequent=1, min_words=0, every=every)
    assert {filled(item) for item in found} <= set(texts)
    assert {item.answer for item in found} <= set(ANSWERS[1:])
    assert every or len(found) <= len(texts)


class Pieces(Tokenizer):
    """A tokenizer whose tokens do not stand in the text as they are."""

    def tokenize(self, text):
        return ["##好", *text]


def test_a_token_that_is_not_written_in_the_text_has_no_place():
    found = blank_words(["一二三四好"], Pieces(), ["##好", "好"], skip_frequent=0, every=True)
    assert list(found) == [Item("一二三四__", "好")]


LINES = [
    '{"text": "质量__哦", "answer": "好", "more": 1}',
    "",
    '{"text": "没有", "answer": "好"}',
    '{"text": "__很__", "answer": "好"}',
    '{"text": "质量__", "answer": " "}',
    '{"text": 3, "answer": "好"}',
    "[1]",
    "no JSON",
    '{"text": "发货__", "answer": "快"}',
]


def test_items_of_a_file_and_what_is_left_out(tmp_path):
    path = tmp_path / "items.jsonl"
    path.write_text("\n".join(LINES), encoding="utf-8")
    faults = Faults()
    assert holds_items(path)
    assert list(read_items(path, faults=faults)) == [Item("质量__哦", "好"), Item("发货__", "快")]
    assert dict(faults) == {"no blank": 1, "several blanks": 1, "no text and answer": 2, "no JSON object": 2}
    assert "lines 7 and 8" in str(faults)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.jsonl", '\n{"text": "质量__哦", "answer": "好"}\n', True),
        ("a.json", '{"answer": "好", "text": "质量__哦"}\n', True),
        ("a.jsonl", '{"text": "质量", "label": "好"}\n', False),
        ("a.jsonl", "[]\n", False),
        ("a.jsonl", "x\n", False),
        ("a.txt", '{"text": "质量__哦", "answer": "好"}\n', True),
    ],
)
def test_which_files_hold_items(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert holds_items(tmp_path / name) is expected


def test_a_file_that_is_not_there_holds_no_items(tmp_path):
    assert not holds_items(tmp_path / "a.jsonl")
    assert not holds_items("goods")


@pytest.mark.parametrize("text", ["好\n\n 不错 \r\n好\n", '["好", "不错", "好"]', ' [\n "好", "不错"\n]\n', "好\n不错"])
def test_a_lexicon_is_lines_or_a_list(tmp_path, text):
    path = tmp_path / "words.txt"
    path.write_bytes(text.encode())
    assert read_words(path) == ["好", "不错"]


@pytest.mark.parametrize("text", ['["好", 3]', "[好", "[]", "\n \n", "[[]]"])
def test_a_lexicon_that_is_none_is_one_sentence(tmp_path, text):
    path = tmp_path / "words.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"words\.txt (is no lexicon|holds no words): expected"):
        read_words(path)


def test_a_great_lexicon_keeps_its_order(tmp_path):
    words = [f"词{n}" for n in range(20_000)]
    random.Random(1).shuffle(words)
    path = tmp_path / "words.json"
    path.write_text(json.dumps(words), encoding="utf-8")
    assert read_words(path) == words


def test_items_may_stand_in_one_array(tmp_path):
    path = tmp_path / "items.json"
    items = [{"text": "质量__", "answer": "好"}, {"text": "很好", "answer": "好"}]
    path.write_text(json.dumps(items, indent=1), encoding="utf-8")
    faults = Faults()
    assert holds_items(path)
    assert list(read_items(path, faults=faults)) == [Item("质量__", "好")]
    assert dict(faults) == {"no blank": 1}
