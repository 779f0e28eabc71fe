import itertools
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nlpkit
from nlpkit.errors import BundleError, SettingError
from nlpkit.model.bundle import Bundle
from nlpkit.tasks.sentiment.model import BLOCK, Score, SentimentModel
from nlpkit.text.row import LONGEST_TEXT
from tests.tiny import component, model_files, sample, stage, table_member

ROOT = Path(__file__).parents[3]
SIMPLE = model_files()
POSITIVE = {"好": 3.0, "差": -3.0, "慢": -0.1, "快": 0.2}
DOUBT = {"好": -1.0, "差": 1.0, "慢": -4.0, "快": 4.0}
wild = st.text(st.characters(exclude_categories=())) | st.text("好棒快慢差烂的货 \n１a👍後", max_size=10)


def model(files=SIMPLE):
    return SentimentModel(Bundle("tiny", files))


@pytest.fixture(scope="module")
def reviews():
    return nlpkit.load("reviews")


def same(first: Score, second: Score, tolerance: float) -> bool:
    if first.probabilities is None or second.probabilities is None:
        return first == second
    near = all(abs(first.probabilities[k] - second.probabilities[k]) <= tolerance for k in first.probabilities)
    undecided = abs(max(first.probabilities.values()) - 0.5) <= tolerance
    return near and (first.label == second.label or undecided)


def test_probabilities_are_what_the_weights_say():
    (found,) = model().score(["好货，快！"])
    expected = 1 / (1 + math.exp(-2.5))
    assert found.label == "positive"
    assert found.probability == pytest.approx(expected, abs=1e-6)
    assert found.probabilities == pytest.approx({"negative": 1 - expected, "positive": expected}, abs=1e-6)
    assert found.reason is None


@pytest.mark.parametrize(("pooling", "logit"), [("sum", 4.0), ("mean", 1.0), ("sqrtn", 2.0)])
def test_poolings_of_a_table(pooling, logit):
    files = model_files(table_member(words={"好": 2.0, "的": 0.0}, pooling=pooling))
    assert model(files).score(["好的好的"])[0].probability == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-6)


def test_any_labels_work():
    member = table_member(words={"好": (0.0, 5.0), "差": (5.0, 0.0), "的": (0.0, 0.0), "一": (-3.0, -3.0)})
    found = model(model_files(member, labels=["中", "差评", "好评"], characters="好差的一")).score(["好", "差", "一"])
    assert [s.label for s in found] == ["好评", "差评", "中"]
    for score in found:
        assert list(score.probabilities) == ["中", "差评", "好评"]
        assert sum(score.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert score.probability == max(score.probabilities.values())


@given(st.lists(wild, max_size=12))
def test_each_text_gets_one_answer_whatever_it_is(texts):
    found = model().score(texts)
    assert len(found) == len(texts)
    for score in found:
        if score.label is None:
            assert score[:3] == (None, None, None)
            assert score.reason
        else:
            assert score.reason is None
            assert score.probabilities[score.label] == score.probability == max(score.probabilities.values())
            assert all(0 <= p <= 1 for p in score.probabilities.values())


@given(st.lists(wild, max_size=12))
def test_batch_mates_never_change_an_answer_of_a_table(texts):
    together = model().score(texts)
    assert together == [model().score([text])[0] for text in texts]


@given(st.lists(wild | st.text("质量很好不差的慢物流", max_size=30), max_size=12))
def test_batch_mates_never_change_an_answer_of_the_shipped_model(reviews, texts):
    for score, text in zip(reviews.score(texts), texts, strict=True):
        assert same(score, reviews.score([text])[0], 1e-5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("  \n\t　", "empty"),
        ("👍👍", "no evidence: no letters"),
        ("12345", "no evidence: no letters"),
        ("１２３！", "no evidence: no letters"),
        ("鑫", "no evidence: no known character or word"),
        ("hello", "no evidence: no known character or word"),
        (None, "not a text but NoneType"),
        (3.5, "not a text but float"),
        (b"\xe5\xa5\xbd", "not a text but bytes"),
        (float("nan"), "not a text but float"),
    ],
)
def test_what_cannot_be_scored_says_why(text, reason):
    before, found, after = model().score(["好", text, "差"])
    assert found == Score(None, None, None, reason)
    assert (before.label, after.label) == ("positive", "negative")


@pytest.mark.parametrize("text", ["", "👍", "12345", "\ud800", "𪚥"])
def test_the_shipped_model_knows_what_it_does_not_know(reviews, text):
    (found,) = reviews.score([text])
    assert found.label is None
    assert found.reason


def test_scripts_and_widths_make_no_difference():
    same_text = ["好货", "好貨", "好　货", "好 货"]
    assert len(set(map(repr, model().score(same_text)))) == 1


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_order_and_number_are_kept_across_blocks(count):
    texts = [("好", "差", "")[i * i % 3] * (1 + i % 5) for i in range(count)]
    alone = {text: model().score([text])[0] for text in set(texts)}
    assert model().score(texts) == [alone[text] for text in texts]


def test_a_stream_reads_no_further_than_it_must():
    taken = []

    def endless():
        for i in itertools.count():
            taken.append(i)
            yield "好"

    stream = model().stream(endless())
    assert taken == []
    assert next(stream).label == "positive"
    assert 0 < len(taken) <= BLOCK + 1
    assert [s.label for s in itertools.islice(stream, BLOCK)] == ["positive"] * BLOCK
    assert len(taken) <= 2 * BLOCK + 1


def cascade(exits):
    first, second = table_member("first", POSITIVE), table_member("second", DOUBT)
    stages = [stage(1.0, leave=leave) for leave in exits] + [stage(0.3, 0.7, temperature=0.5)]
    return model_files(first, second, stages=stages, characters="好差慢快的")


@given(st.lists(st.text("好差慢快的x", max_size=6), max_size=20), st.sampled_from([0.5, 0.6, 0.9, 0.999, 1.1]))
def test_a_cascade_asks_each_row_as_if_it_were_alone(texts, leave):
    def logit(words, text):
        return sum(words.get(c, 0.0) for c in text)

    found = model(cascade([leave])).score(texts)
    for text, score in zip(texts, found, strict=True):
        first = logit(POSITIVE, text)
        sure = 1 / (1 + math.exp(-abs(first)))
        mixed = first if sure >= leave else (0.3 * first + 0.7 * logit(DOUBT, text)) / 0.5
        if score.label is not None:
            assert score.probabilities["positive"] == pytest.approx(1 / (1 + math.exp(-mixed)), abs=2e-6)


@pytest.mark.parametrize(
    "stages",
    [
        [stage(None)],
        [stage(1.0, temperature=0)],
        [stage(1.0, temperature="x")],
        [stage(1.0, leave="x"), stage(1.0)],
        [stage(1.0, 1.0), stage(1.0)],
        [stage(1.0, 1.0)],
        [stage()],
        [None],
        [],
        None,
    ],
)
def test_stages_that_do_not_fit_are_damage(stages):
    files = model_files() | {"config.json": json.dumps(json.loads(SIMPLE["config.json"]) | {"stages": stages}).encode()}
    with pytest.raises(BundleError, match=r"tiny is damaged: config\.json"):
        model(files)


def test_a_later_member_is_opened_only_in_doubt():
    files = cascade([0.9])
    del files["second/arrays.safetensors"]
    broken = model(files)
    assert [s.label for s in broken.score(["好", "差", "好好"])] == ["positive", "negative", "positive"]
    with pytest.raises(BundleError, match=r"second/arrays\.safetensors is missing"):
        broken.score(["好", "慢"])


def test_a_model_checks_its_own_samples():
    good = [sample("好货"), sample("差"), {"text": "", "label": None, "probabilities": None}]
    assert model(model_files(samples=good)).check() == []
    wrong = {"text": "好", "label": "negative", "probabilities": {"negative": 0.9, "positive": 0.1}}
    (fault,) = model(model_files(samples=[*good, wrong])).check()
    assert "'好'" in fault
    assert "0.9" in fault


def test_the_shipped_model_is_whole(reviews):
    assert reviews.check() == []
    assert reviews.labels == ["negative", "neutral", "positive"]
    for position in range(len(reviews.bundle.config["members"])):
        assert reviews.member(position).logits(["好", ""]).shape == (2, 3)


TUTORIAL = {
    "这手机吃后台特别严重,不建议购买": "negative",
    "这样很好,穿着特别舒适,很喜欢的一双鞋子,夏天也比较透气": "positive",
    "性价比还是不错的,使用到现在还没有出现问题": "positive",
    "服务态度差,物流慢": "negative",
    "这手机有问题,反应到客服没人理": "negative",
    "强烈建议购买": "positive",
    "强烈不建议购买": "negative",
}


def test_the_seven_reviews_of_the_tutorial_are_right_and_shown(reviews):
    scores = reviews.score(list(TUTORIAL))
    assert [score.label for score in scores] == list(TUTORIAL.values())
    assert min(score.probability for score in scores) > 0.75
    samples = {sample["text"] for sample in json.loads(reviews.bundle.read("samples.json"))}
    pages = [(ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh.md")]
    for text, score in zip(TUTORIAL, scores, strict=True):
        assert text in samples
        assert all(f"{score.label}  {score.probability:.3f}  {text}" in page for page in pages)


def test_what_holds_no_opinion_is_neutral(reviews):
    texts = ["退货地址填哪里", "大家好我是张三", "请问什么时候发货？", "我昨天买了三件。"]
    assert [score.label for score in reviews.score(texts)] == ["neutral"] * 4
    forced = reviews.score(texts, labels=["negative", "positive"])
    assert {score.label for score in forced} <= {"negative", "positive"}


def test_the_shipped_model_tells_good_from_bad(reviews, samples):
    import csv

    with (samples / "labelled.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    scores = reviews.score(row["review"] for row in rows)
    right = sum(score.label == row["label"] for score, row in zip(scores, rows, strict=True))
    assert right / len(rows) > 0.85


def test_the_shipped_model_says_the_same_twice_and_opened_anew(reviews, samples):
    texts = (samples / "reviews.txt").read_text(encoding="utf-8").splitlines()
    assert reviews.score(texts) == reviews.score(texts) == nlpkit.load("reviews").score(texts)


def test_words_of_a_segmenter_and_a_dictionary_in_the_bundle():
    member = table_member("words", {"云端小铺": 3.0, "难吃": -3.0}, tokenizer=component("rjieba", hmm=True))
    files = model_files(member, characters="云端小铺难吃")
    assert model(files).score(["云端小铺"])[0].probability == 0.5  # three words that it does not know
    files["words/tokenizer/dictionary.txt"] = "云端小铺\n".encode()
    assert model(files).score(["雲端小鋪"])[0].label == "positive"


def test_long_texts_are_cut_to_their_ends():
    files = model_files(table_member(max_length=2))
    assert model(files).score(["好" + "差" * 50 + "好"])[0].label == "positive"


def test_a_dictionary_of_scores_is_json(reviews):
    (found,) = reviews.score(["质量很好"])
    assert json.loads(json.dumps(found._asdict()))["label"] == found.label


@pytest.mark.parametrize("one", ["质量很好", b"abc", None, 3])
def test_one_text_is_not_taken_for_many(reviews, one):
    with pytest.raises(SettingError, match="in a list"):
        reviews.score(one)


def test_a_text_too_long_for_memory_has_a_reason(tiny_model):
    model = SentimentModel.load(tiny_model)
    long = "好" * (LONGEST_TEXT + 1)
    scores = model.score([long, "好", long[1:]])
    assert [score.reason for score in scores] == ["too long: 1,000,001 characters, 1,000,000 are the most", None, None]
    assert [score.label for score in scores] == [None, "positive", "positive"]
