import itertools
import os
import signal
import subprocess
import sys
import time
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opencc import OpenCC

from nlpkit.text.invisible import visible
from nlpkit.text.normalisation import MARKS_TOGETHER, SHORT_TEXT, Normaliser, nfkc

SIMPLIFY = OpenCC("t2s")
UNSEEN = {  # Unicode 16, DerivedCoreProperties.txt: Default_Ignorable_Code_Point
    *map(chr, [0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), *range(0x200B, 0x2010)]),
    *map(chr, [*range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164, *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0]),
    *map(chr, [*range(0xFFF0, 0xFFF9), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000)]),
    *"\ufff9\ufffa\ufffb",
    *(chr(c) for c in range(0x100) if unicodedata.category(chr(c)) == "Cc" and not chr(c).isspace()),
}
MARK_OF_EACH_CLASS = list(
    {unicodedata.combining(c): c for c in map(chr, range(0x20000)) if unicodedata.combining(c)}.values()
)
manners = st.text(
    st.sampled_from(
        "好著書ＡＺａ！～１　㈱ﬁÀA\u0300\u0338=＝Σσςİß\n\r\x0b\u2028\0가ᄀ\u1161ｶﾞ一㍿😀𠀀後髮\u200b\ufe0f\xad"
    ),
    max_size=12,
)
text = st.text() | manners


def step_by_step(text: str, normaliser: Normaliser) -> str:
    text = text.replace("\n", " ")
    if normaliser.visible:
        text = "".join(c for c in text if c not in UNSEEN)
    if normaliser.nfkc:
        text = unicodedata.normalize("NFKC", text)
    if normaliser.lower:
        text = text.lower()
    if normaliser.zero:
        text = "".join("0" if c in "123456789" else c for c in text)
    traditional = any(SIMPLIFY.convert(c) != c for c in text if c < "\U00010000")
    return SIMPLIFY.convert(text) if normaliser.simplify and traditional else text


@given(st.lists(text, max_size=6), st.builds(Normaliser, *[st.booleans()] * 5))
@example(["ΑΣ", "Α"], Normaliser())
@example(["a", "\u0300b"], Normaliser())
@example(["＝\u0338"], Normaliser())
@example(["a\0後", "後"], Normaliser())
@example(["\u200b", "e\u200b\u0301", "好\u200b", "\ufeffé"], Normaliser())
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
        ("后\0後", "后后"),
        ("\ufeff\u202a好\u200b评\ufe0f\u202c\xad", "好评"),
        ("e\u200d\u0301", "é"),
        ("\u200b\u3164", ""),
        ("👨\u200d👩", "👨👩"),
        ("a\x85b\x0cc\td", "a\x85b\x0cc\td"),
    ],
)
def test_one_spelling(text, expected):
    assert Normaliser()(text) == expected


def test_steps_can_be_left_out():
    assert Normaliser(nfkc=False, lower=False, simplify=False)("ＡA\u200b後") == "ＡA後"
    assert Normaliser(nfkc=False, lower=False, simplify=False, visible=False)("ＡA\u200b後") == "ＡA\u200b後"


def test_every_digit_may_be_a_nought():
    assert Normaliser(zero=True)("1.5米，２３０９元，③") == "0.0米,0000元,0"
    assert Normaliser(zero=True, nfkc=False)("１9") == "１0"
    assert Normaliser()("19") == "19"


@pytest.mark.parametrize("zero", [False, True])
def test_the_config_makes_an_equal_normaliser(zero):
    made = Normaliser(nfkc=False, lower=True, simplify=False, zero=zero)
    assert Normaliser.of(made.config) == made
    assert Normaliser.of({"nfkc": True, "lower": True, "simplify": True})("好\u200b评") == "好评"  # of an older model


@pytest.mark.parametrize("config", [{"lower": "yes"}, {"lower": None}, {"louder": True}, [1], None])
def test_a_config_that_is_none_is_refused(config):
    with pytest.raises((TypeError, ValueError)):
        Normaliser.of(config)


@given(st.lists(text, max_size=4), st.data())
def test_what_nobody_sees_changes_nothing_wherever_it_stands(texts, data):
    def strewn(text):
        unseen = st.text(st.sampled_from(sorted(UNSEEN)), max_size=2)
        return "".join(itertools.chain.from_iterable((data.draw(unseen), c) for c in text)) + data.draw(unseen)

    assert Normaliser().batch([strewn(text) for text in texts]) == Normaliser().batch(texts)


def test_all_that_unicode_calls_ignorable_is_dropped_and_nothing_that_is_seen():
    everything = [c for c in map(chr, range(0x110000)) if not "\ud800" <= c <= "\udfff"]
    kept = set(visible("".join(everything)))
    assert {c for c in everything if c not in kept} == UNSEEN
    assert {c for c in everything if unicodedata.category(c) in ("Cf", "Cc")} - UNSEEN >= set("\t\n\r\u0600")


LONG = "质量很好，" * SHORT_TEXT


@given(st.text(st.sampled_from("aé한가ᄀ\u1161か\uff9e\u3099\u0301\u0316\u0344…·《好 "), max_size=80))
@example("a" + "\u0301\u0316" * (MARKS_TOGETHER // 2))
@example("\u0344" * MARKS_TOGETHER + "好")
def test_a_long_text_is_composed_as_unicode_says(text):
    if max((len(list(run)) for mark, run in itertools.groupby(text, _is_mark) if mark), default=0) <= MARKS_TOGETHER:
        for whole in (text + LONG, LONG + text, LONG + text + LONG):
            assert nfkc(whole) == unicodedata.normalize("NFKC", whole)


def _is_mark(c):
    return all(map(unicodedata.combining, unicodedata.normalize("NFKD", c)))


@pytest.mark.slow
@given(
    st.lists(
        st.sampled_from(["好", "é", "e\u0301", "ａ", "後", "ΑΣ", " ", "。", "乾\u0301", "ｶﾞ"]), min_size=1, max_size=9
    )
)
@settings(max_examples=25)
def test_a_line_of_many_pieces_equals_its_whole(words):
    line = "".join(words) * (150_000 // len("".join(words)))
    assert nfkc(line) == unicodedata.normalize("NFKC", line)
    assert Normaliser(simplify=False)(line) == unicodedata.normalize("NFKC", line).lower()
    assert Normaliser()(line + "。后") == SIMPLIFY.convert(unicodedata.normalize("NFKC", line).lower()) + "。后"


@pytest.mark.slow
@pytest.mark.parametrize("marks", [MARK_OF_EACH_CLASS, ["\u0301", "\u0316"], ["\u0344"], ["\uff9e"], ["か", "\u3099"]])
def test_time_grows_with_the_length_alone(marks):
    def seconds(length):
        line = "a" + ("".join(marks) * length)[:length]
        began = time.process_time()
        assert Normaliser()(line)
        return time.process_time() - began

    Normaliser()("é" * 1000)
    short, long = (min(seconds(length) for _ in range(3)) for length in (80_000, 640_000))
    assert long < 24 * short  # the square would be 64


def test_an_interrupt_is_heard_in_a_long_line():
    code = (
        "from nlpkit.text.normalisation import nfkc; "
        "s = 'e\\u0301好' * 7_000_000; print(nfkc(s[:2]), flush=True); nfkc(s)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline()
        time.sleep(0.3)
        began = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate()
    assert b"KeyboardInterrupt" in said
    assert time.monotonic() - began < 1
