"""Cloze models on the same blanks."""

import json

import pytest

from nlpkit.model.bundle import Bundle
from nlpkit.tasks.cloze.comparison import make_items
from nlpkit.tasks.cloze.metrics import measure
from nlpkit.tasks.cloze.model import ClozeModel
from nlpkit.text.corpus import Example
from tests.tasks.cloze.tiny import TEXTS, counted_files

EASY = {"skip_frequent": 0, "min_words": 1}
ROWS = [Example(text, "", "reviews.txt", "a" if number < 2 else "b") for number, text in enumerate(TEXTS)]


def model(*, without=()):
    """The tiny model; of words that it shall not know others stand in their places."""
    files = counted_files()
    answers = json.loads(files["answers.json"])
    answers["words"] = [f"{word}们" if word in without else word for word in answers["words"]]
    return ClozeModel(Bundle("tiny", files | {"answers.json": json.dumps(answers).encode()}))


@pytest.mark.parametrize("more", [{}, {"all_words": True}, {"limit": 3}])
def test_accuracy_is_that_of_the_first_word_in_evaluate(more):
    one = model()
    items = make_items({"one": one, "two": model()}, ROWS[:2], **EASY, **more)
    right = [outcome.right for outcome in items.answer(one, items.examples)]
    assert 100 * sum(right) / len(right) == pytest.approx(measure(one, ROWS[:2], **EASY, **more).top1)


def test_only_words_that_all_models_know_are_blanked_and_rows_keep_their_groups():
    whole, part = model(), model(without=["质量", "推荐"])
    items = make_items({"whole": whole, "part": part}, ROWS, **EASY, all_words=True)
    answers = {item.label for item in items.examples}
    assert answers
    assert not answers & {"质量", "推荐"}
    assert {item.group for item in items.examples} == {"a", "b"}
    assert {item.corpus for item in items.examples} == {"reviews.txt"}
    assert "that all models know" in items.remarks[0]


def test_of_items_of_ones_own_an_unknown_word_is_wrong():
    whole, part = model(), model(without=["不错"])
    rows = [Example("衣服质量__，值得购买", "不错")]
    items = make_items({"whole": whole, "part": part}, rows)
    assert items.remarks == []
    (known,), (unknown,) = (items.answer(one, rows) for one in (whole, part))
    assert known.right == (known.answer == "不错")
    assert not unknown.right
    assert 0 < unknown.probability <= 1


def test_a_lexicon_says_among_which_words(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("不错\n", encoding="utf-8")
    rows = [Example("衣服质量__，值得购买", "不错")]
    items = make_items({"whole": model()}, rows, lexicon=path)
    assert items.answer(model(), rows)[0].right
    (none,) = items.answer(model(without=["不错"]), rows)
    assert (none.right, none.answer) == (False, None)
    assert none.reason == "no word of the lexicon is known"
