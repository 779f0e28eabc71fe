"""Models of several labels a text: what they answer, how that is written and measured; without torch."""

import csv
import io
import json
import math

import numpy as np
import pytest

from nlpkit.errors import BundleError, DataError, SettingError
from nlpkit.model.bundle import Bundle, add_checksums, save
from nlpkit.tasks.sentiment.metrics import measure
from nlpkit.tasks.sentiment.model import SentimentModel
from nlpkit.text.example import Example
from nlpkit.text.several import Labels
from tests.tasks.sentiment.test_score import json_rows, one_sentence
from tests.tiny import model_files, stage, table_member

LABELS = ["价格", "服务", "物流"]
WORDS = {"贵": (4.0, -4.0, -4.0), "冷": (0.0, 4.0, 0.0), "慢": (0.0, 0.0, 4.0), "好": (-1.0, -1.0, -1.0)}
SEVERAL = {"scales": [1.0, 1.0, 2.0], "shifts": [0.0, -1.0, 0.0], "thresholds": [0.6, 0.5, 0.3]}


def files_of_model(labels: list[str] = LABELS, **changes: object) -> dict[str, bytes]:
    entry, files = table_member(words=WORDS)
    stages = [stage(1.0) | SEVERAL | changes]
    made = model_files((entry, files), labels=labels, stages=stages, characters="".join(WORDS), format=2, several=True)
    return add_checksums(made)


@pytest.fixture
def model():
    return SentimentModel(Bundle("several", files_of_model()))


@pytest.fixture
def folder(tmp_path):
    save(tmp_path / "m", files_of_model())
    return tmp_path / "m"


def sigmoid(logit: float) -> float:
    return round(1 / (1 + math.exp(-logit)), 6)


def test_each_label_has_a_probability_and_a_threshold_of_its_own(model):
    expensive, cold, good, unknown = model.score(["贵", "冷慢", "好", "👍"])
    assert model.several
    assert expensive.labels == ["价格"]
    assert expensive.probabilities == {"价格": sigmoid(4), "服务": sigmoid(-5), "物流": sigmoid(-8)}
    assert cold.labels == ["服务", "物流"]  # 价格 has 0.5, and wants 0.6
    assert (good.labels, good.reason) == ([], None)
    assert (unknown.labels, unknown.probabilities, unknown.reason) == (None, None, "no evidence: no letters")


def test_labels_may_be_restricted_and_stay_as_likely_as_they_were(model):
    (score,) = model.score(["冷慢"], labels=["物流"])
    assert score == (["物流"], {"物流": sigmoid(8)}, None, None)
    with pytest.raises(SettingError, match="one label or more"):
        model.score(["冷"], labels=[])


def test_a_model_that_answers_several_is_of_a_newer_format():
    assert json.loads(files_of_model()["config.json"])["format"] == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"thresholds": [0.5]},
        {"thresholds": [0.5, 0.5, 2]},
        {"scales": [1.0, 1.0]},
        {"shifts": "xyz"},
        {"scales": [1, 1, -1]},
        {"scales": None},
        {name: [1, 1] for name in SEVERAL},
    ],
)
def test_a_model_that_is_damaged_is_refused(changes):
    with pytest.raises(BundleError, match="damaged"):
        SentimentModel(Bundle("several", files_of_model(**changes)))


def test_figures_are_those_of_their_definition(model):
    rows = [("贵", ["价格"]), ("冷慢", ["服务"]), ("好", []), ("👍", ["服务", "物流"]), ("慢", ["物流"])]
    found = measure(model, [Example(text, Labels.of(names)) for text, names in rows])
    truth = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 1, 1], [0, 0, 1]])
    given = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0, 0], [0, 0, 1]])
    hits, either = (truth * given).sum(0), truth.sum(0) + given.sum(0)
    assert found.micro_f1 == pytest.approx(2 * hits.sum() / either.sum())
    assert found.macro_f1 == pytest.approx((2 * hits / either).mean())
    assert (found.rows, found.unscored, found.exact_match) == (5, 1, 3 / 5)
    assert found.hamming_loss == pytest.approx((truth != given).mean())
    assert [(of.label, of.rows, of.answers, of.right) for of in found.labels] == [
        ("价格", 1, 1, 1),
        ("服务", 2, 1, 1),
        ("物流", 2, 2, 1),
    ]
    assert (found.labels[1].precision, found.labels[1].recall, found.labels[2].threshold) == (1.0, 0.5, 0.3)
    alone = measure(model, [Example(text, Labels.of(names)) for text, names in rows], labels="价格")
    assert (alone.exact_match, alone.micro_f1, alone.excluded) == (4 / 5, 1.0, ("服务", "物流"))


def test_a_label_that_no_row_has_is_told(model):
    found = measure(model, [Example("贵", Labels.of([])), Example("冷", Labels.of(["服务", "物流"]))])
    assert any("no row has '价格'" in doubt and "--labels 服务,物流" in doubt for doubt in found.doubts(model))


def test_labels_that_it_does_not_know_are_named(model):
    with pytest.raises(DataError, match="labels that the model does not know: 质量"):
        measure(model, [Example("贵", Labels.of(["价格", "质量"]))])


def test_rows_with_several_labels_are_nothing_for_a_model_of_one():
    with pytest.raises(DataError, match="the rows have several labels each"):
        measure(SentimentModel(Bundle("one", model_files())), [Example("好", Labels.of(["positive"]))])


def test_scores_as_json_tell_none_from_nothing(run, folder, write):
    done = run("sentiment", "score", write("冷慢\n好\n👍\n".encode()), "-m", folder, "-f", "jsonl")
    found = json_rows(done.stdout)
    assert [row["labels"] for row in found] == [["服务", "物流"], [], None]
    assert list(found[0]) == ["file", "row", "text", "labels", "probabilities", "reason", "warning"]
    assert found[2]["reason"] == "no evidence: no letters"


def test_scores_as_a_table_are_read_as_labels_again(run, folder, write):
    table = write("id,text\n1,冷慢\n2,好\n3,👍\n4,贵\n".encode(), "a.csv")
    done = run("sentiment", "score", table, "-m", folder)
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert [row["labels"] for row in rows] == ["服务,物流", "[]", "", "价格"]
    assert rows[0]["probabilities"] == f"{sigmoid(3)},{sigmoid(8)}"
    again = write(done.stdout, "scored.csv")
    done = run("sentiment", "evaluate", again, "-m", folder, "-f", "json")
    found = json.loads(done.stdout)["all"]
    assert (found["rows"], found["exact_match"], found["micro_f1"]) == (3, 1.0, 1.0)
    assert b"1 no label" in done.stderr


def test_a_terminal_shows_each_label_that_applies(run, folder, write):
    out = run("sentiment", "score", write("冷慢\n好\n👍\n".encode()), "-m", folder, "-f", "table").stdout.decode()
    assert out.splitlines() == ["服务 0.953  物流 1.000  冷慢", "none  好", "-  (no evidence: no letters)  👍"]


def test_a_label_with_a_comma_has_another_separator(run, tmp_path, write):
    save(tmp_path / "m", files_of_model(["a,b", "c", "d"]))
    done = run("sentiment", "score", write("text\n冷慢贵贵\n".encode(), "a.csv"), "-m", tmp_path / "m")
    assert next(csv.DictReader(io.StringIO(done.stdout.decode())))["labels"] == "a,b"
    done = run("sentiment", "score", write("text\n冷慢\n".encode(), "a.csv"), "-m", tmp_path / "m")
    assert next(csv.DictReader(io.StringIO(done.stdout.decode())))["labels"] == "c;d"


@pytest.mark.parametrize(
    ("options", "table"),
    [
        ([], "text,label\n冷慢,服务;物流\n贵,价格\n好,[]\n"),
        (["--label-separator", "+"], "text,label\n冷慢,服务+物流\n贵,价格\n好,[]\n"),
        (["--label-columns", "价格,服务,物流"], "text,价格,服务,物流\n冷慢,0,1,1\n贵,1,0,0\n好,0,0,0\n"),
        (["--label", "贵了=价格"], "text,label\n冷慢,\"['服务', '物流']\"\n贵,['贵了']\n好,[]\n"),
    ],
)
def test_rows_are_measured_however_they_hold_their_labels(run, folder, write, options, table):
    done = run("sentiment", "evaluate", write(table.encode(), "a.csv"), "-m", folder, "-f", "json", *options)
    found = json.loads(done.stdout)["all"]
    assert (done.stderr, found["rows"], found["exact_match"], found["macro_f1"]) == (b"", 3, 1.0, 1.0)


def test_figures_of_each_label_are_drawn_and_groups_are_told_apart(run, folder, write):
    table = write("text,label,kind\n冷慢,服务;物流,a\n贵,价格;物流,b\n".encode(), "a.csv")
    done = run("sentiment", "evaluate", table, "-m", folder, "--by", "kind")
    for expected in ("micro F1", "exact match", "threshold", "0.3000", "服务"):
        assert expected in done.stdout.decode()


def test_labels_of_which_a_model_knows_none_are_one_sentence(run, folder, write):
    path = write("text,label\n冷,坏\n".encode(), "a.csv")
    assert "does not know: 坏" in one_sentence(run("sentiment", "evaluate", path, "-m", folder), 1)


def test_a_model_is_listed_as_one_of_several(folder):
    from nlpkit.tasks.sentiment.task import describe

    assert describe(Bundle.open(folder)) == {"labels": LABELS, "answer": ["several a text"]}


def test_each_label_that_applies_is_explained_by_itself(model):
    cold, good, unknown = model.explain(["冷，慢", "好", "👍"])
    assert list(cold.weights) == ["服务", "物流"]
    for label in cold.weights:
        own = cold.of(label)
        logit = math.log(own.probability / (1 - own.probability))
        assert sum(own.weights) + own.bias == pytest.approx(logit, abs=1e-2)
    assert {token.token: token.weight for token in cold.of("物流").tokens} == {"冷": 0.0, "，": 0.0, "慢": 8.0}
    assert cold.bias == {"服务": -1.0, "物流": 0.0}
    assert "物流" in cold.to_html()
    assert (good.labels, good.weights) == ([], {})
    assert (unknown.labels, unknown.reason) == (None, "no evidence: no letters")


def test_explained_labels_are_written(run, folder):
    words = ("sentiment", "score", "-m", folder, "-t", "冷，慢", "-t", "好", "-t", "👍", "--explain")
    rows = json_rows(run(*words, "-f", "jsonl").stdout)
    assert rows[0]["explanation"]["物流"][2] == {"token": "慢", "start": 2, "end": 3, "weight": 8.0}
    assert (rows[1]["explanation"], rows[2]["explanation"]) == ({}, None)
    cells = list(csv.DictReader(io.StringIO(run(*words, "-f", "csv").stdout.decode())))
    assert cells[0]["explanation"] == "服务: 冷 +4.00; 物流: 慢 +8.00"
    assert "物流: 慢 +8.00" in run(*words, "-f", "table").stdout.decode()


def test_rows_whose_labels_are_wrong_are_written(run, folder, write):
    path = write('{"text": "贵", "label": ["价格"]}\n{"text": "贵", "label": ["价格", "服务"]}\n'.encode(), "a.jsonl")
    output = path.parent / "errors.csv"
    done = run("sentiment", "evaluate", path, "-m", folder, "--errors", output)
    assert "1 of 2 answers are wrong or missing" in done.stderr.decode()
    (row,) = csv.DictReader(io.StringIO(output.read_text("utf-8")))
    assert (row["text"], row["truth"], row["answer"]) == ("贵", '["价格", "服务"]', '["价格"]')
    assert row["explanation"] == "价格: 贵 +4.00"
