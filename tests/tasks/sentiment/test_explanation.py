"""What each word adds to an answer: exact where members are sums, what is lost without it where they are networks."""

import json
import math
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nlpkit
from nlpkit.errors import SettingError
from nlpkit.model.bundle import Bundle
from nlpkit.tasks.sentiment.explanation import MOST_WORDS
from nlpkit.tasks.sentiment.model import SentimentModel
from tests.tiny import WORDS, component, model_files, stage, table_member

wild = st.text(st.characters(exclude_categories=("Cs",)), max_size=20) | st.text(
    "好棒快慢差烂的货 \n１a👍後", max_size=12
)
THREE = {"好": (0.5, 2.0), "差": (1.0, -2.0), "一般": (2.5, 0.5), "的": (0.0, 0.25)}
TEXTS = [
    "质量很好，下次还来",
    "没有想象中那么差",
    "電池不耐用！！一天要充三次",
    "房间不大，ＷＩＦＩ也慢",
    "请问几点退房",
]


def model(*members, **config):
    return SentimentModel(Bundle("tiny", model_files(*members, **config)))


def words_member(name="words", words=None, **more):
    own = words or {"好货": 3.0, "不好": -3.0, "慢": -1.0, "快递": 0.5}
    return table_member(name, own, tokenizer=component("rjieba", hmm=True), **more)


@pytest.fixture(scope="module")
def reviews():
    return nlpkit.load("reviews")


def margin(score):
    """The answer's logit above the mean of the others', from probabilities."""
    logits = {label: math.log(max(p, 1e-12)) for label, p in score.probabilities.items()}
    own = max(score.probabilities, key=score.probabilities.get)
    return logits[own] - np.mean([value for label, value in logits.items() if label != own])


@given(st.lists(wild, max_size=5))
def test_it_is_the_score_and_as_many_as_there_were_texts(texts):
    tiny = model()
    explained = tiny.explain(texts)
    assert [one[:5] for one in explained] == [tuple(score) for score in tiny.score(texts)]
    for text, one in zip(texts, explained, strict=True):
        assert one.text == text
        for token in one.tokens:
            assert text[token.start : token.end] == token.token
            assert 0 <= token.start < token.end <= len(text)


@pytest.mark.parametrize("pooling", ["sum", "mean", "sqrtn"])
def test_weights_and_bias_of_sums_add_up_to_the_logit(pooling):
    three = model(table_member(words=THREE, pooling=pooling), labels=["中", "差评", "好评"], characters="好差一般的")
    for text in ("好的，好差", "一般", "差差差的 好"):
        (one,) = three.explain([text])
        assert one.method == "sum"
        assert sum(one.weights) + one.bias == pytest.approx(margin(one), abs=0.01)
        assert one.bias == pytest.approx(0, abs=1e-9)


def test_a_word_weighs_what_its_characters_weigh():
    (one,) = model().explain(["好货快递"])
    assert [(token.token, token.weight) for token in one.tokens] == [("好货", WORDS["好"]), ("快递", WORDS["快"])]


def test_of_a_negative_answer_what_speaks_for_it_is_positive():
    (one,) = model().explain(["差，不过快"])
    assert one.label == "negative"
    weights = {token.token: token.weight for token in one.tokens}
    assert weights["差"] == pytest.approx(2.0)
    assert weights["快"] == pytest.approx(-0.5)


def test_members_are_weighed_as_they_are_mixed():
    both = model(table_member(), words_member(), stages=[stage(1.0, 0.5, temperature=2.0)])
    (one,) = both.explain(["好货，慢"])
    weights = {token.token: token.weight for token in one.tokens}
    assert weights["好货"] == pytest.approx((2.0 + 0.0 + 0.5 * 3.0) / 2)
    assert weights["慢"] == pytest.approx((-0.5 + 0.5 * -1.0) / 2)
    assert sum(one.weights) + one.bias == pytest.approx(margin(one), abs=1e-4)


def test_of_a_cascade_only_the_members_that_were_asked_count():
    cascade = model(table_member(), words_member(), stages=[stage(1.0, leave=0.9), stage(0.5, 2.0)])
    sure, unsure = cascade.explain(["好棒好棒", "快慢，快递慢"])
    assert sum(sure.weights) == pytest.approx(2 * (WORDS["好"] + WORDS["棒"]))
    assert {token.token for token in unsure.tokens} >= {"慢", "快递"}
    assert sum(unsure.weights) + unsure.bias == pytest.approx(margin(unsure), abs=1e-4)


def test_a_forced_choice_weighs_among_its_labels_alone():
    three = model(table_member(words=THREE), labels=["中", "差评", "好评"], characters="好差一般的")
    (one,) = three.explain(["好的"], labels=["差评", "好评"])
    assert one.label == "好评"
    assert sum(one.weights) == pytest.approx((2.0 + 0.25) - 0.5)


@pytest.mark.parametrize("text", TEXTS)
def test_without_the_word_that_counts_most_of_a_network_the_answer_is_as_promised(reviews, text):
    """The network alone, whose weights are what is lost: so the promise is exact."""
    bundle = reviews.bundle
    config = bundle.config | {"stages": [{"weights": [0.0, 1.0], "temperature": 1.0, "exit": None}]}
    network = SentimentModel(_with_config(bundle, config))
    (one,) = network.explain([text])
    assert one.method == "sum, occlusion"
    token = one.strongest(1)[0]
    (without,) = network.score([text[: token.start] + text[token.end :]])
    logits = {label: math.log(p) for label, p in without.probabilities.items()}
    rest = logits[one.label] - np.mean([value for label, value in logits.items() if label != one.label])
    assert rest == pytest.approx(margin(one) - token.weight, abs=0.05)


def _with_config(bundle, config):
    import copy

    other = copy.copy(bundle)
    other.config = config
    return other


@pytest.mark.parametrize("text", TEXTS)
def test_words_of_the_shipped_model_make_up_the_text(reviews, text):
    (one,) = reviews.explain([text])
    assert "".join(token.token for token in one.tokens) == text
    assert sum(one.weights) + one.bias == pytest.approx(margin(one), abs=0.05)


def test_the_place_is_that_in_the_text_as_given(reviews):
    text = "\ufeff\u200b½的質量，Ｇ\u200bＯＯＤ！很差"
    (one,) = reviews.explain([text])
    assert [text[token.start : token.end] for token in one.tokens] == [token.token for token in one.tokens]
    assert {"質量", "很差"} <= {token.token for token in one.tokens}


def test_a_long_text_is_weighed_in_groups(reviews):
    text = "屏幕还行，就是有点慢，" * 60
    (one,) = reviews.explain([text])
    assert len(one.tokens) <= MOST_WORDS or one.method == "sum"
    assert "".join(token.token for token in one.tokens) == text


def test_one_word_alone_is_explained(reviews):
    (one,) = reviews.explain(["好"])
    assert [token.token for token in one.tokens] == ["好"]


def test_texts_without_an_answer_have_a_reason_and_no_words(reviews):
    for one in reviews.explain(["", "👍", None]):
        assert one.label is None
        assert one.reason
        assert not one.tokens


def test_an_unsure_answer_is_none_and_says_how_sure():
    tiny = model()
    sure, unsure, empty = tiny.score(["好好", "快", ""], min_probability=0.8)
    assert sure.label == "positive"
    assert unsure.label is None
    assert unsure.reason == "unsure (0.62)"
    assert unsure.probability == max(unsure.probabilities.values())
    assert empty.reason == "empty"
    (why,) = tiny.explain(["快"], min_probability=0.8)
    assert why.reason == "unsure (0.62)"
    assert why.tokens


@pytest.mark.parametrize("wrong", [-0.1, 1.5, "0.5", True, math.nan])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(SettingError, match="from 0 to 1"):
        model().score(["好"], min_probability=wrong)


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.text, self.styles = "", []

    def handle_data(self, data):
        self.text += data

    def handle_starttag(self, tag, attributes):  # noqa: ARG002
        self.styles += [value for name, value in attributes if name == "style"]


@given(wild)
def test_html_shows_the_text_and_nothing_of_it_is_markup(text):
    (one,) = model().explain(["好" + text + "<b>&差"])
    reader = Reader()
    reader.feed(one.to_html())
    assert reader.text.replace("\r", "") == one.text.replace("\r", "")
    assert len(reader.styles) == len(one.tokens)


def test_html_is_red_where_it_speaks_for_a_bad_review():
    (one,) = model().explain(["差"])
    assert "220,38,38" in one.to_html()
    assert "<b>negative</b>" in one._repr_html_()


def test_what_came_of_one_character_is_one_word(reviews):
    (one,) = reviews.explain(["①②③很好㈱"])
    places = [token.start for token in one.tokens]
    assert places == sorted(set(places))
    assert sum(one.weights) + one.bias == pytest.approx(margin(one), abs=0.05)


def test_a_long_text_of_combining_marks_is_soon_done():
    text = "很好e\u0301差" * 1500
    (one,) = model().explain([text])
    assert "".join(text[start:end] for start, end in one.spans) == text.replace(" ", "")


def test_a_shortened_text_keeps_what_its_words_weigh():
    (one,) = model().explain(["好，货，" * 50])
    short = one.shortened(10)
    assert short.text == "好，货，好，货，好…"
    assert [token.token for token in short.tokens] == list("好，货，好，货，好")
    assert one.shortened(1000) is one


def test_how_a_text_is_explained_does_not_hang_on_the_others():
    cut = model(table_member(max_length=4))
    long = "好" * 9
    alone, beside = cut.explain(["好，慢"]), cut.explain(["好，慢", long])
    assert beside[0] == alone[0]
    assert (beside[0].method, beside[1].method) == ("sum", "occlusion")


def test_an_unsure_answer_is_explained_in_every_format(run, tmp_path):
    from nlpkit.model.bundle import save

    save(tmp_path / "m", model_files())
    done = run("sentiment", "score", "-m", tmp_path / "m", "-t", "快", "--explain", "--min-probability", "0.8")
    row = json.loads(done.stdout)
    assert (row["label"], row["reason"]) == (None, "unsure (0.62)")
    assert row["explanation"] == [{"token": "快", "start": 0, "end": 1, "weight": 0.5}]
