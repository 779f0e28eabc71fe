import json
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from nlpkit.components.decoders import pack
from nlpkit.model.bundle import Bundle
from nlpkit.model.bundle import save as save_model
from nlpkit.tasks.cloze import metrics as cloze_evaluation
from nlpkit.tasks.cloze.blanks import Blank
from nlpkit.tasks.cloze.items import Item
from nlpkit.tasks.cloze.metrics import NEVER, measure_items, rank
from nlpkit.tasks.cloze.model import ClozeModel
from tests.outcomes import one_sentence
from tests.tasks.cloze.tiny import ANSWERS, CONTEXT, COUNTS, TEXTS, cloze_files, counted_files, logits, network_member
from tests.tiny import component

MODEL = ClozeModel(Bundle("tiny", cloze_files()))
word = st.sampled_from(CONTEXT)
items = st.lists(
    st.builds(lambda a, b, answer: Item(f"{a} __ {b}", answer), word, word, st.sampled_from([*ANSWERS, "没听过"])),
    max_size=20,
)


def ranks(wanted, among):
    """The place of each answer among some words, 0 the best, None for one that is not there."""
    found = []
    for text, answer in wanted:
        left, right = text.split(" __ ")
        row = logits(Blank([left], [right]))
        order = sorted(among, key=lambda said: -row[ANSWERS.index(said)])
        found.append(order.index(answer) if answer in among else None)
    return found


@given(items, st.none() | st.lists(st.sampled_from([*ANSWERS, "闻所未闻"]), unique=True))
def test_figures_are_those_of_the_ranks(wanted, candidates):
    among = [said for said in ANSWERS if candidates is None or said in candidates]
    found, expected = measure_items(MODEL, wanted, candidates), ranks(wanted, among)
    total, known = max(len(wanted), 1), [r for r in expected if r is not None]
    assert (found.items, found.candidates, found.unknown) == (len(wanted), len(among), len(wanted) - len(known))
    for k, share in ((1, found.top1), (5, found.top5), (10, found.top10)):
        assert share == pytest.approx(100 * sum(r < k for r in known) / total)
    assert found.mrr10 == pytest.approx(sum(1 / (r + 1) for r in known if r < 10) / total)
    assert found.bits is None


def test_of_equals_the_more_frequent_is_first():
    values = np.array([[1.0, 2.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0]])
    assert rank(values, np.array([2, 3, -1])).tolist() == [1, 3, NEVER]
    assert rank(values, np.array([1, 0, 0])).tolist() == [0, 0, 3]


def test_answers_are_compared_in_the_spelling_of_the_model():
    (simplified, traditional) = (measure_items(MODEL, [Item("衣服 __", answer)]) for answer in ("推荐", "推薦"))
    assert simplified == traditional
    assert simplified.unknown == 0


def coded():
    """The tiny model, its outputs read as bits of codes."""
    entry, files = network_member()
    codes = np.random.default_rng(2).random((len(ANSWERS), len(ANSWERS))) < 0.4
    bias, scale = np.zeros(len(ANSWERS), np.float32), np.array(0.5, np.float32)
    files["network/arrays.safetensors"] = save({"codes": pack(codes), "bias": bias, "scale": scale})
    entry["output"] = component("binary-codes", bits=len(ANSWERS))
    return ClozeModel(Bundle("tiny", cloze_files((entry, files)))), codes


def test_bits_stand_beside_what_a_constant_would_get_right():
    model, codes = coded()
    wanted = [Item("衣服 __ 哦", "好"), Item("很 __ ,", "速度"), Item("很 __ ,", "没听过")]
    outputs = np.array([logits(Blank(["衣服"], ["哦"])), logits(Blank(["很"], [","]))])
    right = codes[[ANSWERS.index("好"), ANSWERS.index("速度")]]
    majority = np.average(codes, axis=0, weights=COUNTS) >= 0.5
    found = measure_items(model, wanted)
    assert found.unknown == 1
    assert found.bits.bits == len(ANSWERS)
    assert found.bits.accuracy == pytest.approx(((outputs > 0) == right).mean())
    assert found.bits.majority == pytest.approx((majority == right).mean())
    assert found.to_json()["bits"] == {
        "bits": 8,
        "accuracy": round(found.bits.accuracy, 4),
        "majority": round(found.bits.majority, 4),
    }
    assert measure_items(model, []).bits is None
    (remark,) = found.remarks("all")
    assert remark.startswith("all: of the 8 bits of a right word's code ")
    assert found.doubts() == ()
    lost = replace(found, items=400, top1=0.0, top5=0.0, top10=0.0)
    assert lost.doubts()[0].startswith(
        "none of 400 answers is among the model's first ten: its codes tell no words apart"
    )


def test_blocks_make_no_difference(monkeypatch):
    model, _ = coded()
    draw = random.Random(1)
    texts = [f"{draw.choice(CONTEXT)} __ {draw.choice(CONTEXT)}" for _ in range(23)]
    wanted = [Item(text, draw.choice([*ANSWERS, "没听过"])) for text in texts]
    whole = measure_items(model, wanted)
    monkeypatch.setattr(cloze_evaluation, "BLOCK", 4)
    assert measure_items(model, iter(wanted)) == whole


def test_figures_as_json_are_rounded():
    order = [ANSWERS[i] for i in np.argsort(-logits(Blank(["衣服"], ["哦"])))]
    found = measure_items(MODEL, [Item("衣服 __ 哦", answer) for answer in (order[0], order[0], order[2])]).to_json()
    shares = {"top1": 66.67, "top5": 100.0, "top10": 100.0, "mrr10": 0.7778}
    assert found == {"items": 3, "candidates": len(ANSWERS), "unknown": 0, **shares, "bits": None}


# What evaluate says of items, and of texts whose words are blanked


@pytest.fixture
def evaluate(run, tmp_path):
    """Measure a model that has read six sentences."""
    save_model(tmp_path / "m", counted_files())

    def evaluate_tiny(*arguments):
        return run("cloze", "evaluate", *arguments, "--model", tmp_path / "m")

    return evaluate_tiny


ITEMS = [
    ("衣服质量__，值得推荐", "不错"),
    ("发货__，质量不错", "很快"),
    ("发货__，质量不错", "神速"),
    ("两__个__", "x"),
]


@pytest.fixture
def items(tmp_path):
    path = tmp_path / "items.jsonl"
    lines = [json.dumps({"text": text, "answer": answer}) for text, answer in ITEMS]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_figures_of_items(evaluate, items):
    done = evaluate(items, "--format", "json")
    found = json.loads(done.stdout)["all"]
    assert (found["items"], found["unknown"], found["candidates"]) == (3, 1, 15)
    assert (found["top1"], found["mrr10"], found["bits"]) == (33.33, 0.375, None)
    assert "1 rows were left out: 1 several blanks" in done.stderr.decode()
    assert json.loads(evaluate(items, "--format", "json", "--limit", 2).stdout)["all"]["items"] == 2


def test_figures_among_the_words_of_a_lexicon(evaluate, items, tmp_path):
    lexicon = tmp_path / "words.json"
    lexicon.write_text(json.dumps(["神速", "不错", "购买"]), encoding="utf-8")
    found = json.loads(evaluate(items, "--format", "json", "--lexicon", lexicon).stdout)["all"]
    assert (found["items"], found["unknown"], found["candidates"]) == (3, 2, 2)


@pytest.mark.parametrize("shape", ["reviews.txt", "reviews.csv", "reviews.jsonl"])
def test_figures_of_a_corpus_whose_words_are_blanked(evaluate, tmp_path, shape):
    path = tmp_path / shape
    header = "text,label\n" if shape.endswith(".csv") else ""
    rows = [json.dumps({"text": text, "label": "x"}) if shape.endswith(".jsonl") else text for text in TEXTS]
    rows = [f'"{row}",x' if header else row for row in rows]
    path.write_text(header + "\n".join(rows) + "\n", encoding="utf-8")
    found = json.loads(evaluate(path, "--format", "json", "--skip-frequent", 1, "--min-words", 4).stdout)["all"]
    assert found["items"] == 6
    assert found["top1"] > 50  # a guess is right in 7 of 100


def test_every_word_of_a_corpus(evaluate, write):
    path = write("\n".join(TEXTS).encode())
    done = evaluate(path, "--format", "json", "--skip-frequent", 1, "--min-words", 4, "--all-words", "--seed", 3)
    assert json.loads(done.stdout)["all"]["items"] > 20


def test_figures_as_a_table(evaluate, items):
    out = evaluate(items).stdout.decode()
    for expected in ("items of", "all", "top-1", "MRR@10", "33.3"):
        assert expected in out


def test_a_corpus_without_words_to_blank_is_one_sentence(evaluate, tmp_path, items):
    path = tmp_path / "short.txt"
    path.write_text("好\n很好\n", encoding="utf-8")
    assert "--min-words" in one_sentence(evaluate(path), 1)
    assert "there is no file" in one_sentence(evaluate(tmp_path / "none.jsonl"), 1)
    items.write_text(items.read_text(encoding="utf-8").splitlines()[-1], encoding="utf-8")
    assert evaluate(items).returncode == 1
