import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.audit.texts import WRITINGS, find_odd, quantiles, writings


@pytest.mark.parametrize(
    ("text", "writing"),
    [
        ("质量很好", "Chinese, simplified"),
        ("質量很好", "Chinese, traditional"),
        ("iPhone 手机屏幕坏了", "Chinese, simplified"),
        ("この商品はとても良い", "Japanese"),
        ("품질이 좋아요", "Korean"),
        ("very good", "Latin letters"),
        ("очень хорошо", "other letters"),
        ("！！！123", "no letters"),
        ("", "no letters"),
        ("好\ud800", "Chinese, simplified"),
        ("好\n好", "Chinese, simplified"),
    ],
)
def test_letters_tell_the_writing(text, writing):
    assert WRITINGS[int(writings(["其他", text])[1])] == writing


@given(st.lists(st.text(st.characters(), max_size=20), max_size=6))
def test_every_text_has_one_writing(texts):
    assert len(writings(texts)) == len(texts)
    assert all(row < len(texts) for rows in find_odd(texts).values() for row in rows)


def test_what_no_writer_meant_is_found():
    texts = [
        "好&hellip;用",
        "好<br />用",
        "锟斤拷",
        "ä½\xa0好",
        "见 https://a.b",
        "好\u200b用",
        "好用 & 便宜 <3",
        "好用",
    ]
    assert find_odd(texts) == {
        "HTML": [0, 1],
        "characters that were lost": [2],
        "another encoding read wrongly": [3],
        "addresses of the web": [4],
        "characters that nobody sees": [5],
    }


def test_quantiles_are_numbers_that_stand_there():
    found = quantiles(np.array([1, 2, 3, 4, 100]))
    assert (found["least"], found["median"], found["most"]) == (1, 3, 100)
    assert set(found.values()) <= {1, 2, 3, 4, 100}
