import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.errors import BundleError, SettingError
from nlpkit.model.bundle import Bundle
from nlpkit.model.mixing import softmax
from nlpkit.tasks.cloze import model as cloze
from nlpkit.tasks.cloze.blanks import Blank
from nlpkit.tasks.cloze.model import ClozeModel
from tests.tasks.cloze.tiny import ANSWERS, CONTEXT, COUNTS, cloze_files, logits, network_member
from tests.tiny import component, model_files, stage

ROOT = Path(__file__).parents[3]
token = st.sampled_from([*CONTEXT, None, "没见过"])
blanks = st.builds(Blank, st.lists(token, max_size=5), st.lists(token, max_size=5))


def model(files=None):
    return ClozeModel(Bundle("tiny", files or cloze_files()))


@pytest.fixture(scope="module")
def tiny():
    return model()


def test_words_and_counts(tiny):
    assert tiny.words == ANSWERS
    assert tiny.counts.tolist() == COUNTS


@given(st.lists(blanks, max_size=5))
def test_probabilities_are_what_the_tables_say(tiny, batch):
    found = softmax(tiny.logits(batch))
    assert found.shape == (len(batch), len(ANSWERS))
    for row, blank in zip(found, batch, strict=True):
        np.testing.assert_allclose(row, softmax(logits(blank)), atol=1e-5)


def test_members_are_mixed_by_their_weights():
    first, (entry, files) = network_member(), network_member()
    second = entry | {"name": "other"}, {path.replace("network/", "other/"): data for path, data in files.items()}
    mixed = model(cloze_files(first, second, stages=[stage(0.25, 0.5, temperature=0.5)]))
    blank = Blank(["衣服"], ["哦"])
    np.testing.assert_allclose(mixed.logits([blank])[0], 1.5 * logits(blank), atol=1e-5)


@given(st.lists(blanks, min_size=1, max_size=7), st.integers(1, 12), st.integers(1, 40))
def test_the_best_are_the_best_however_many_fit_into_memory(tiny, batch, size, numbers):
    expected = np.log(softmax(np.array([logits(blank) for blank in batch])))
    before, cloze.NUMBERS = cloze.NUMBERS, numbers
    try:
        found, values = tiny.best(batch, size)
        some, _ = tiny.best(batch, size, np.array([1, 3, 6]))
    finally:
        cloze.NUMBERS = before
    assert found.shape == values.shape == (len(batch), min(size, len(ANSWERS)))
    np.testing.assert_allclose(values, -np.sort(-expected, 1)[:, :size], atol=1e-4)
    np.testing.assert_allclose(values, np.take_along_axis(expected, found, 1), atol=1e-4)
    assert [
        [i for i in row if i in (1, 3, 6)][: min(size, 3)] for row in tiny.best(batch, 99)[0].tolist()
    ] == some.tolist()


def test_of_equals_the_more_frequent_comes_first(tiny):
    assert tiny.best([Blank([None], [])], 3)[0].tolist() == [[0, 1, 2]]  # an empty blank's logits are all 0


def test_among_no_words_none_is_best(tiny):
    found, values = tiny.best([Blank(["很"], [])] * 2, 3, np.zeros(0, dtype=np.intp))
    assert found.shape == values.shape == (2, 0)


def test_what_a_model_knows(tiny):
    assert tiny.knows([["很", "没见过"], ["没见过"], [], [","]]).tolist() == [True, False, False, True]


def test_a_model_checks_its_own_samples(tiny):
    samples = [tiny.sample(text) for text in ("衣服 __ 哦", "__ 很 __", "__", "没有")]
    assert [bool(sample["reason"]) for sample in samples] == [False, False, True, True]
    assert model(cloze_files(samples=samples)).check() == []
    wrong = {"text": "衣服 __", "fillings": [{"words": ["好"], "probability": 0.999}], "reason": None}
    none = {"text": "衣服 __", "fillings": [], "reason": "no blank"}
    faults = model(cloze_files(samples=[*samples, wrong, none])).check()
    assert len(faults) == 2
    assert "0.999" in faults[0]


@pytest.mark.parametrize(
    "answers",
    [
        {"words": ANSWERS},
        {"words": ANSWERS, "counts": COUNTS[1:]},
        {"words": [], "counts": []},
        {"words": ["好"] * 8, "counts": COUNTS},
        {"words": ANSWERS, "counts": [-1] * 8},
        {"words": ANSWERS, "counts": ["many"] * 8},
        [],
    ],
)
def test_answers_that_are_none_are_damage(answers):
    with pytest.raises(BundleError, match=r"tiny is damaged: answers\.json"):
        model(cloze_files() | {"answers.json": json.dumps(answers).encode()}).words  # noqa: B018


def test_fewer_answers_than_a_member_has_are_damage():
    answers = json.dumps({"words": ANSWERS[1:], "counts": COUNTS[1:]}).encode()
    with pytest.raises(BundleError, match="tiny is damaged: network"):
        model(cloze_files() | {"answers.json": answers}).check()


@pytest.mark.parametrize(
    "stages",
    [[], [stage(1.0, 1.0)], [stage(1.0), stage(1.0)], [{}], None, [stage(None)], [stage(1.0, temperature=0)]],
)
def test_stages_that_do_not_fit_are_damage(stages):
    with pytest.raises(BundleError, match=r"tiny is damaged: config\.json"):
        model(cloze_files(stages=stages))


@pytest.mark.parametrize("members", [[], {}, None, 3, "x", [None], ["x"], [[]], [{}], [{"kind": "network"}]])
def test_members_that_are_none_are_damage(members):
    with pytest.raises(BundleError, match=r"tiny is damaged: config\.json"):
        model(cloze_files(members=members))


@pytest.mark.parametrize("tokenizer", [None, {}, component("rjieba", hmm="yes"), component("rjieba", hmm=1)])
def test_a_tokenizer_that_is_none_is_one_sentence(tokenizer):
    with pytest.raises((BundleError, SettingError), match=r"damaged: config\.json|hmm wants true or false, found "):
        model(cloze_files(tokenizer=tokenizer)).fill(["很__"])


def test_a_model_of_another_task_says_what_it_is_for():
    with pytest.raises(BundleError, match="is a model for sentiment, not for cloze: use it with nlpkit sentiment"):
        model(model_files())


@pytest.fixture(scope="module")
def shipped():
    return ClozeModel.load("reviews-cloze")


BLANKS = {  # the tutorial's sentences, and what a reader takes for natural there
    "衣服质量__哦": "不错 很好 挺好 很棒 好 真好 可以 超好 蛮好 还行",
    "鞋子轻便__,好穿,值得推荐。": "舒服 舒适 透气 柔软 好看 合脚 耐穿 保暖 时尚 漂亮",
    "鞋子轻便舒服,好穿,值得__。": "购买 推荐 拥有 入手 信赖 信任 点赞 表扬",
    "鞋子轻便舒服,好穿,__推荐。": "值得 强烈 真心 非常 极力 很 特别 强力",
    "发货__很赞,东西也挺好": "速度 很快 快 迅速 及时 神速 服务",
    "半个月就出现这问题 ,__直接说找附近站点售后 ,浪费时间,还得自己修,差评一个": "客服 商家 卖家 店家 售后 厂家 店主",
    "不错给老公买了好几个了,穿着特别__": "舒服 舒适 合身 帅气 暖和 好看 帅 精神 合适",
    "不错给__买了好几个了,穿着特别舒服": "老公 爸爸 老爸 妈妈 老妈 儿子 孩子 弟弟 男友 家人",
}


def test_the_eight_blanks_of_the_tutorial_are_filled_rightly_and_shown(shipped):
    samples = {sample["text"] for sample in json.loads(shipped.bundle.read("samples.json"))}
    pages = [(ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh.md")]
    for (text, accepted), filled in zip(BLANKS.items(), shipped.fill(BLANKS, top=3), strict=True):
        (first,) = filled.fillings[0].words
        assert first in accepted.split(), (text, filled)
        assert text in samples
        assert all(f"{text}\n   1  {first} " in page for page in pages)
