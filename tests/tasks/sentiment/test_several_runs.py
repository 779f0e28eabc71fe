"""Training on rows of several labels: what is learnt, tuned, saved, resumed and refused."""

import itertools
import json
from collections.abc import Sequence

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import nlpkit  # noqa: E402
from nlpkit.errors import DataError, DataWarning  # noqa: E402
from nlpkit.model.bundle import Bundle  # noqa: E402
from nlpkit.model.members import open_member  # noqa: E402
from nlpkit.tasks.sentiment.run import SentimentRun  # noqa: E402
from nlpkit.tasks.sentiment.task import SENTIMENT  # noqa: E402
from nlpkit.text.corpus import Example  # noqa: E402
from nlpkit.text.several import Labels  # noqa: E402
from nlpkit.training.base_model import BaseModel  # noqa: E402
from nlpkit.training.events import MemberExported, Note, Prepared, Remark, Saved, Working  # noqa: E402
from nlpkit.training.inheritance import Answers  # noqa: E402
from nlpkit.training.run import train  # noqa: E402
from tests.training.runs import NGRAMS, TABLE, TRAINING, files_of, the  # noqa: E402

pytestmark = pytest.mark.train
PHRASES = {
    "价格": ("价格太高了", "便宜得很", "性价比不错"),
    "服务": ("客服态度好", "店员很冷淡", "售后没人管"),
    "物流": ("快递很慢", "第二天送到", "包裹破了"),
}
GRU = TABLE | {
    "name": "gru",
    "encoder": {"name": "gru", "hidden": 8},
    "head": {"pooling": "max", "dropout": 0.1},
    "training": TRAINING | {"r_drop": 0.5, "loss": "bce"},
}
SMALL = NGRAMS | {"embedding": NGRAMS["embedding"] | {"bits": 10}, "training": TRAINING | {"epochs": 12}}


def reviews(count: int = 300) -> list[Example]:
    """Texts that speak of nothing, of one thing or of several."""
    sets = [names for size in range(4) for names in itertools.combinations(PHRASES, size)]
    draw = np.random.default_rng(0)
    rows = []
    for number in range(count):
        names = sets[number % len(sets)]
        said = "，".join(str(draw.choice(PHRASES[name])) for name in names)
        rows.append(Example(f"第{number}单{said or '已经收到'}。", Labels.of(names), "a.jsonl"))
    return rows


def run(folder, rows: Sequence[Example], *members: dict, base: BaseModel | None = None, **changes: object) -> list:
    made = SentimentRun.shape().make_settings({"members": list(members), **changes})
    return list(train(SENTIMENT, rows, made, folder, base=base))


def sentences(events, kind=Remark):
    return [event.sentence for event in the(kind, events)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several") / "m"
    events = run(folder, reviews(), SMALL, GRU | {"training": GRU["training"] | {"epochs": 6}}, exits=[0.9])
    return folder, events


def test_each_label_is_learnt_by_itself(trained):
    folder, events = trained
    (prepared,) = the(Prepared, events)
    assert prepared.several
    assert sum(prepared.labels.values()) > prepared.train
    found = the(Saved, events)[0].metrics["all"]
    assert found.exact_match > 0.9
    model = nlpkit.load(folder)
    scores = model.score(["客服态度好，快递很慢", "便宜得很", "已经收到"])
    assert [score.labels for score in scores] == [["服务", "物流"], ["价格"], []]
    assert model.check() == []


def test_what_is_saved_says_that_there_are_several(trained):
    folder, _ = trained
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert (config["format"], config["several"], config["labels"]) == (2, True, sorted(PHRASES))
    first, last = config["stages"]
    assert (first["exit"], last["exit"]) == (0.9, None)
    assert first["thresholds"] == last["thresholds"]
    assert {len(last[name]) for name in ("scales", "shifts", "thresholds")} == {3}
    card = (folder / "README.md").read_text("utf-8")
    for expected in (
        "of which a text may have several, or none",
        "exact match",
        "| 服务 | 0.",
        "under different labels",
    ):
        assert expected in card


def test_each_member_says_what_torch_says(trained):
    folder, events = trained
    exported = {event.name: event for event in the(MemberExported, events)}
    assert {name: event.runtime for name, event in exported.items()} == {"ngrams": "table", "gru": "graph"}
    assert all(event.difference < 1e-4 for event in exported.values())
    bundle = Bundle.open(folder)
    table = open_member(bundle, bundle.config["members"][0], 3, relative=False)
    logits = table.logits(["便宜得很", ""])
    assert logits.shape == (2, 3)
    assert (logits[:, 0] != 0).all()  # the first label is relative to no other


def test_rows_that_are_sure_leave_early_and_the_others_are_asked_further_on(trained):
    folder, _ = trained
    model = nlpkit.load(folder)
    texts = model.normaliser.batch([row.text for row in reviews(40)])
    first, last = model.stages
    logits = [model.member(position).logits(texts) for position in range(2)]
    early, late = first.probabilities(logits[:1]), last.probabilities(logits)
    sure = np.maximum(early, 1 - early).min(1) >= 0.9
    assert 0 < sure.sum() < len(sure)
    assert np.allclose(model.probabilities(texts), np.where(sure[:, None], early, late), atol=1e-6)


def test_a_run_that_was_closed_comes_to_the_same_files(tmp_path):
    made = SentimentRun.shape().make_settings({"members": [SMALL | {"training": TRAINING}], "several": True})
    list(train(SENTIMENT, reviews(120), made, tmp_path / "whole" / "m"))
    folder = tmp_path / "closed" / "m"
    for number, moment in enumerate((Working, Prepared, MemberExported)):
        running = train(SENTIMENT, reviews(120), made, folder, resume=number > 0, every=1e9)
        next(event for event in running if isinstance(event, moment))
        running.close()
    list(train(SENTIMENT, [], made, folder, resume=True))
    assert files_of(folder) == files_of(tmp_path / "whole" / "m")


def test_copies_under_other_labels_go(tmp_path):
    rows = [
        *reviews(120),
        Example("第0单，已经收到", Labels.of(["服务"])),
        Example("第1单便宜得很", Labels.of(["价格"])),
    ]
    rows += [Example(rows[7].text, Labels.of(reversed(rows[7].label.names)))]  # the same, in another order
    (prepared,) = the(Prepared, run(tmp_path / "m", rows, SMALL | {"training": TRAINING}))
    assert prepared.conflicts == 1
    assert prepared.duplicates in (2, 3)


def test_rows_with_one_label_are_joined_to_those_with_several(tmp_path):
    rows = [Example(row.text, row.label.names[0]) if len(row.label.names) == 1 else row for row in reviews(120)]
    events = run(tmp_path / "m", rows, SMALL | {"training": TRAINING})
    assert the(Prepared, events)[0].labels == the(Prepared, run(tmp_path / "n", reviews(120), SMALL))[0].labels


def test_rows_of_one_label_are_trained_on_as_such_with_several_if_that_is_said(tmp_path):
    rows = [Example(row.text, row.label.names[0] if row.label.names else "无") for row in reviews(120)]
    events = run(tmp_path / "m", rows, SMALL | {"training": TRAINING}, several=True)
    assert nlpkit.load(tmp_path / "m").several
    assert any("exactly one label" in sentence for sentence in sentences(events))


def test_labels_are_renamed_and_left_out_and_their_rows_stay(tmp_path):
    names = {"价格": "price", "服务": ""}
    events = run(tmp_path / "m", reviews(120), SMALL | {"training": TRAINING}, labels=names)
    (prepared,) = the(Prepared, events)
    assert (set(prepared.labels), prepared.rows) == ({"price", "物流"}, 120)
    assert any("labels were left out of their rows as asked: 60 labelled '服务'" in s for s in sentences(events, Note))


@pytest.mark.parametrize("training", [{"loss": "mse"}, {"class_weights": "balanced", "label_smoothing": 0.1}])
def test_other_losses_learn_too(tmp_path, training):
    network = TABLE | {"training": TRAINING | {"epochs": 25} | training}
    (saved,) = the(Saved, run(tmp_path / "m", reviews(), network))
    assert saved.metrics["all"].micro_f1 > 0.9


def test_folds_take_the_place_of_validation(tmp_path):
    events = run(tmp_path / "m", reviews(160), SMALL, folds=2, validation=0.0)
    assert the(Saved, events)[0].metrics["all"].micro_f1 > 0.8


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_training_goes_on_with_and_without_the_weights_as_trained(tmp_path, weights):
    made = SentimentRun.shape().make_settings({"members": [SMALL | {"weights": weights}]})
    list(train(SENTIMENT, reviews(), made, tmp_path / "m", keep_weights=False))
    base = BaseModel.open(tmp_path / "m", SENTIMENT)
    events = list(train(SENTIMENT, reviews(), base.make_settings(["training.epochs=1"]), tmp_path / "n", base=base))
    assert the(Saved, events)[0].metrics["all"].exact_match > 0.9
    assert nlpkit.load(tmp_path / "n").several


def test_a_label_that_comes_begins_at_nothing(trained, tmp_path):
    folder, _ = trained
    base = BaseModel.open(folder, SENTIMENT)
    rows = [Example(row.text, Labels.of([*row.label.names, "新"][: len(row.label.names) or None])) for row in reviews()]
    events = list(train(SENTIMENT, rows, base.make_settings(["training.epochs=1"]), tmp_path / "n", base=base))
    assert the(Saved, events)[0].metrics["all"].labels[1].label == "新"
    config = json.loads((tmp_path / "n" / "config.json").read_text("utf-8"))
    assert config["members"][0]["from"]["answers"] == {"kept": sorted(PHRASES), "new": ["新"], "gone": []}
    answers = Answers(["a", "b"], ["a", "c"], relative=False)
    old, new = torch.tensor([1.0, 2.0]), torch.tensor([9.0, 9.0])
    assert answers.carry(old, new, 0).tolist() == [1.0, 0.0]


def test_training_goes_on_only_from_a_model_of_the_same_kind(tmp_path):
    one = [Example(row.text, row.label.names[0] if row.label.names else "无") for row in reviews(120)]
    run(tmp_path / "one", one, SMALL | {"training": TRAINING})
    run(tmp_path / "several", reviews(120), SMALL | {"training": TRAINING})
    for base, rows, expected in (("one", reviews(120), "train a new model"), ("several", one, "several=true")):
        model = BaseModel.open(tmp_path / base, SENTIMENT)
        with pytest.raises(DataError, match=expected):
            list(train(SENTIMENT, rows, model.make_settings(), tmp_path / "m", base=model))


def test_what_does_not_go_with_several_labels_is_refused(tmp_path):
    with pytest.raises(DataError, match="a teacher tells of one"):
        run(tmp_path / "m", reviews(120), SMALL, teacher={"model": "reviews"})
    with pytest.raises(DataError, match="several = false"):
        run(tmp_path / "n", reviews(120), SMALL, several=False)


def test_rows_are_not_drawn_by_labels_of_which_there_are_several(tmp_path):
    rows = reviews(120)
    table = {"file": "a.jsonl", "balance": True}
    made = SentimentRun.shape().make_settings({"members": [SMALL], "corpora": [table]})
    for row in rows:
        row.source = made.corpora[0].make_source("dealt")
    with pytest.raises(DataError, match="leave balance and share out"):
        list(train(SENTIMENT, rows, made, tmp_path / "m"))


def test_what_is_odd_about_labels_is_told(tmp_path):
    rows = [Example(row.text, Labels.of([*row.label.names, "全"])) for row in reviews(120)]
    assert any("all training rows have '全'" in s for s in sentences(run(tmp_path / "a", rows, SMALL)))
    rows = [Example(row.text, Labels.of([(*row.label.names, "无")[0]])) for row in reviews(120)]
    events = run(tmp_path / "b", rows, SMALL)
    assert any("exactly one label: --set several=false" in s for s in sentences(events))


def test_the_shell_trains_on_cells_with_several_and_says_so(tmp_path, write):
    from click.testing import CliRunner

    from nlpkit.commands.main import cli

    recipe = write(
        b"[[members]]\nname = 'bag'\ntokenizer = { name = 'char' }\nembedding = { name = 'trainable', dim = 8 }\n"
        b"encoder = { name = 'none' }\nhead = { pooling = 'mean' }\n"
        b"training = { epochs = 8, batch_size = 8, learning_rate = 0.05 }\n",
        "bag.toml",
    )
    lines = "".join(f"{row.text},{'、'.join(row.label.names) or '[]'}\n" for row in reviews())
    corpus = write(f"text,label\n{lines}".encode(), "a.csv")
    words = ["sentiment", "train", str(corpus), "--config", str(recipe), "-o", str(tmp_path / "m")]
    with pytest.warns(DataWarning, match="texts have several labels each, with '、' between them"):
        done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "micro F1" in done.stdout
    assert nlpkit.load(tmp_path / "m").several
