"""Characters that nobody sees change nothing that the shipped models say, wherever they stand."""

import random

import pytest

from nlpkit.tasks.cloze.model import ClozeModel
from nlpkit.tasks.generate.model import GenerationModel
from nlpkit.tasks.sentiment.model import SentimentModel

UNSEEN = (
    "\u200b\u200c\u200d\u2060\ufeff\xad\ufe0f\ufe0e\u180e\u180b\u202a\u202e\u2066\u2069\u200e\u061c\u034f\u115f\u3164"
    "\x00\x1b\x7f\U000e0061\U000e0100"
)
TEXTS = ["质量很好，下次还来", "物流太慢了，ＯＫ", "客服T恤态度e\u0301很差！", "12345", "", "👨👩"]


def strewn(text, seed=0):
    draw = random.Random(seed)
    return "".join(part for c in [*text, ""] for part in (*draw.sample(UNSEEN, 2), c))


@pytest.fixture(scope="module")
def cloze():
    return ClozeModel.load()


@pytest.mark.parametrize("seed", range(3))
def test_a_score_is_the_same(seed):
    model = SentimentModel.load()
    assert model.score([strewn(text, seed) for text in TEXTS]) == model.score(TEXTS)


def test_a_text_of_nothing_else_is_empty(cloze):
    assert [score.reason for score in SentimentModel.load().score([UNSEEN, " \u3164\t"])] == ["empty", "empty"]
    assert [filled.reason for filled in cloze.fill([UNSEEN, UNSEEN + "__"])] == ["empty", "nothing but a blank"]


def test_a_filling_is_the_same_in_the_text_as_it_came(cloze):
    (plain,), (found,) = cloze.fill(["衣服质量__哦"]), cloze.fill(["衣\u200b服质\ufe0f量_\u200b_哦\u200e"])
    assert [filling[:3] for filling in found.fillings] == [filling[:3] for filling in plain.fillings]
    assert found.fillings[0].text == f"衣\u200b服质\ufe0f量{plain.fillings[0].words[0]}哦\u200e"


def test_a_lexicon_is_the_same(cloze):
    (plain,), (found,) = (
        cloze.fill(["质量__哦"], lexicon=words) for words in (["不错", "很好"], ["不\u200b错", "\ufeff很好"])
    )
    assert found == plain


def test_a_prompt_is_the_same():
    model = GenerationModel.load()
    (plain,) = model.generate(["衣服质量"], seed=1, length=12)
    (found,) = model.generate([strewn("衣服质量")], seed=1, length=12)
    assert (found.text, found.prompt) == (plain.text, strewn("衣服质量"))
