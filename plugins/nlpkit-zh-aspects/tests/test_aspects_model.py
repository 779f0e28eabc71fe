"""The shipped model: what it finds stands where it says, whatever the text."""

import re
from pathlib import Path

import nlpkit
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nlpkit.testing import FAILED, find_targets, list_subjects, run

from nlpkit_aspects import restaurant_opinions

PIECES = ["房间", "很大", "，", "服務", "也很熱情", "。", "Ｗｉｆｉ", "不好", "！", "\u200b", "ﬁ", "👍", "é"]
pieces = st.sampled_from([*PIECES, " ", "\n"])
texts = st.lists(pieces, max_size=25).map("".join) | st.text(max_size=20)


@pytest.fixture(scope="module")
def model():
    return nlpkit.load("restaurant-opinions", warm=True)


@settings(deadline=None)
@given(st.lists(texts, max_size=4))
def test_spans_are_slices_of_the_text_as_it_stands(model, rows):
    for text, (opinions, reason) in zip(rows, model.find(rows), strict=True):
        assert bool(opinions) != bool(reason)
        for one in opinions:
            for begin, end in filter(None, (one.target, one.opinion)):
                assert 0 <= begin < end <= len(text)
                assert text[begin:end].strip()
            assert 0 <= one.probability <= 1
        assert model.find([text])[0].opinions == pytest.approx(opinions) or [
            one.key for one in model.find([text])[0].opinions
        ] == [one.key for one in opinions]


def test_plain_opinions_are_found(model):
    text = "菜很好吃！　服务员的態度太差了"
    found = {(one.target and text[slice(*one.target)], one.polarity) for one in model.find([text])[0].opinions}
    assert ("菜", "positive") in found
    assert "negative" in {polarity for _, polarity in found}


def test_it_is_small_and_answers_its_samples(model):
    size = sum(path.stat().st_size for path in restaurant_opinions().rglob("*") if path.is_file())
    assert size <= 8_000_000
    assert model.check() == []
    assert not list(Path(restaurant_opinions()).rglob("model.safetensors"))


def test_the_readme_shows_what_is_so(capsys):
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    exec(code, {})
    assert "菜 很好吃 positive" in capsys.readouterr().out


@pytest.mark.train
@pytest.mark.slow
def test_what_nlpkit_asks_of_every_plugin_is_kept():
    found = run(list_subjects(find_targets("nlpkit-zh-aspects")))
    assert [f"{one.subject}: {one.sentence}" for one in found if one.outcome == FAILED] == []
