import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.tasks.cloze.blanks import Blank, blank_at, blanks_of, split_at_blanks

tokens = st.lists(st.text("好很，", min_size=1, max_size=2), max_size=3)


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("衣服质量__哦", ["衣服质量", "哦"]),
        ("衣服质量____哦", ["衣服质量", "哦"]),
        ("衣服质量＿＿哦", ["衣服质量", "哦"]),
        ("__", ["", ""]),
        ("a_b", ["a_b"]),
        ("好_\u200b_\ufeff＿吗", ["好", "吗"]),
        ("好\u200b__\u200b吗", ["好\u200b", "\u200b吗"]),
        ("__a__", ["", "a", ""]),
        ("", [""]),
    ],
)
def test_two_underscores_or_more_are_a_blank(text, segments):
    assert split_at_blanks(text) == segments


@given(st.text("_a好", max_size=12))
def test_nothing_of_a_text_is_lost_at_its_blanks(text):
    assert "__".join(split_at_blanks(text)) == re.sub("_{2,}", "__", text)


@given(st.lists(tokens, min_size=2, max_size=5))
def test_each_blank_sees_every_token_and_the_other_blanks(segments):
    whole = blanks_of(segments)
    assert len(whole) == len(segments) - 1
    for at, blank in enumerate(whole):
        assert blank.left.count(None) == at
        assert blank.right.count(None) == len(whole) - 1 - at
        assert [t for t in (*blank.left, *blank.right) if t] == [t for segment in segments for t in segment]


def test_what_was_filled_is_context():
    segments = [["发货"], ["很", "赞"], []]
    assert blank_at(segments, [None, None], 1) == Blank(["发货", None, "很", "赞"], [])
    assert blank_at(segments, ["速度", None], 1) == Blank(["发货", "速度", "很", "赞"], [])
