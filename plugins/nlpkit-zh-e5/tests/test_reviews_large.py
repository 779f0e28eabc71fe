"""The model that comes with the plugin."""

import nlpkit
import pytest

TUTORIAL = {  # the reviews of the tutorial that nlpkit grew from
    "这手机吃后台特别严重,不建议购买": "negative",
    "这样很好,穿着特别舒适,很喜欢的一双鞋子,夏天也比较透气": "positive",
    "性价比还是不错的,使用到现在还没有出现问题": "positive",
    "服务态度差,物流慢": "negative",
    "这手机有问题,反应到客服没人理": "negative",
    "强烈建议购买": "positive",
    "强烈不建议购买": "negative",
}
OTHERS = {"没想象中那么差": "positive", "退货地址填哪里": "neutral", "大家好我是张三": "neutral"}


@pytest.fixture(scope="module")
def model():
    return nlpkit.load("reviews-large")


def test_it_answers_as_recorded(model):
    assert model.check() == []
    assert model.labels == ["negative", "neutral", "positive"]


def test_it_understands_the_tutorial_and_what_has_no_opinion(model):
    expected = TUTORIAL | OTHERS
    found = model.score([*expected])
    assert {text: score.label for text, score in zip(expected, found, strict=True)} == expected
    assert min(score.probability for score in found) > 0.6


def test_an_answer_hangs_on_its_own_text_alone(model):
    texts = ["好", "电池不耐用，屏幕也不亮" * 30, "", "强烈不建议购买"]
    together = model.score(texts)
    assert [score.reason for score in together] == [None, None, "empty", None]
    assert [model.score([text])[0].label for text in texts] == [score.label for score in together]
    for text, score in zip(texts, together, strict=True):
        if score.probability:
            assert model.score([text])[0].probability == pytest.approx(score.probability, abs=1e-5)


def test_its_card_says_what_it_was_trained_on(model):
    card = model.bundle.read("README.md").decode()
    for source in ("ami66/ChineseTextClassifier", "yangheng95/ABSADatasets", "corpora/phrases of nlpkit"):
        assert source in card
