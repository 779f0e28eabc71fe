import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opencc import OpenCC

from nlpkit.normalisation import Normaliser

SIMPLIFY = OpenCC("t2s")
manners = st.text(
    st.sampled_from("好著書ＡＺａ！～１　㈱ﬁÀA\u0300\u0338=＝Σσςİß\n\r\x0b\u2028\0가ᄀ\u1161ｶﾞ一㍿😀𠀀後髮"), max_size=12
)
text = st.text() | manners


def step_by_step(text: str, normaliser: Normaliser) -> str:
    text = text.replace("\n", " ")
    if normaliser.nfkc:
        text = unicodedata.normalize("NFKC", text)
    if normaliser.lower:
        text = text.lower()
    if normaliser.zero:
        text = "".join("0" if c in "123456789" else c for c in text)
    traditional = any(SIMPLIFY.convert(c) != c for c in text if c < "\U00010000")
    return SIMPLIFY.convert(text) if normaliser.simplify and traditional else text


@given(st.lists(text, max_size=6), st.builds(Normaliser, *[st.booleans()] * 4))
@example(["ΑΣ", "Α"], Normaliser())
@example(["a", "\u0300b"], Normaliser())
@example(["＝\u0338"], Normaliser())
@example(["a\0後", "後"], Normaliser())
def test_a_batch_equals_its_texts_one_by_one(texts, normaliser):
    assert normaliser.batch(texts) == [step_by_step(text, normaliser) for text in texts]


PHRASES = [
    "一目瞭然",
    "瞭望塔",
    "乾坤",
    "餅乾",
    "著作",
    "看著",
    "藉口",
    "狼藉",
    "反覆",
    "甚麼",
    "宮商角徵羽",
    "老闆",
    "於是",
    "ＡＢ……",
]


@given(st.lists(text | st.sampled_from(PHRASES), max_size=6), st.integers(0, 3))
@example(PHRASES, 0)
def test_a_great_batch_equals_its_texts_one_by_one(texts, at):
    normaliser = Normaliser()
    batch = ["质量好"] * at + texts + ["还行。"] * 1500
    assert normaliser.batch(batch)[at : at + len(texts)] == [step_by_step(text, normaliser) for text in texts]


@given(st.lists(st.text(st.characters(exclude_categories=()) | st.sampled_from("\ud800\udfff\n好")), max_size=6))
def test_lone_surrogates_do_no_harm(texts):
    found = Normaliser().batch(texts)
    assert len(found) == len(texts)
    "".join(found).encode()
    for one, expected in zip(texts, found, strict=True):
        assert Normaliser()(one) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ＡＢＣ！１２３", "abc!123"),
        ("質量很好，還會再來", "质量很好,还会再来"),
        ("OK\n下次再来", "ok 下次再来"),
        ("第一行\n第二行\n", "第一行 第二行 "),
        ("", ""),
        ("e\u0301", "é"),
        ("后\0後", "后\0后"),
    ],
)
def test_one_spelling(text, expected):
    assert Normaliser()(text) == expected


def test_steps_can_be_left_out():
    assert Normaliser(nfkc=False, lower=False, simplify=False)("ＡA後") == "ＡA後"


def test_every_digit_may_be_a_nought():
    assert Normaliser(zero=True)("1.5米，２３０９元，③") == "0.0米,0000元,0"
    assert Normaliser(zero=True, nfkc=False)("１9") == "１0"
    assert Normaliser()("19") == "19"


@pytest.mark.parametrize("zero", [False, True])
def test_the_config_makes_an_equal_normaliser(zero):
    made = Normaliser(nfkc=False, lower=True, simplify=False, zero=zero)
    assert Normaliser(**made.config) == made
    older = {name: value for name, value in Normaliser().config.items() if name != "zero"}
    assert Normaliser(**older) == Normaliser()  # of a bundle that was made before there was one
