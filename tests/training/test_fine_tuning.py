"""Training that goes on from a saved model: what is kept, what is new, what is refused, and how it is told."""

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load

torch = pytest.importorskip("torch")

import nlpkit  # noqa: E402
from nlpkit.errors import BundleError, MissingPlugin, PluginError, SettingError  # noqa: E402
from nlpkit.model.bundle import Bundle  # noqa: E402
from nlpkit.plugins.component import Component  # noqa: E402
from nlpkit.plugins.registry import registry  # noqa: E402
from nlpkit.tasks.sentiment.run import SentimentRun  # noqa: E402
from nlpkit.text.corpus import Example  # noqa: E402
from nlpkit.training.base_model import BaseModel  # noqa: E402
from nlpkit.training.dry_run import plan  # noqa: E402
from nlpkit.training.events import Note, Remark, Saved  # noqa: E402
from nlpkit.training.inheritance import Answers, describe, measure_unknown  # noqa: E402
from nlpkit.training.loop import Epoch, Step  # noqa: E402
from nlpkit.training.run import train  # noqa: E402
from tests.training.runs import TINY, deciding, files_of, the  # noqa: E402

pytestmark = pytest.mark.train
each = pytest.mark.parametrize(  # the tasks go one way: the quick tests see one of them
    "name",
    [
        "sentiment",
        *(pytest.param(name, marks=(pytest.mark.slow, pytest.mark.long)) for name in TINY if name != "sentiment"),
    ],
)
SENTIMENT = TINY["sentiment"].task


@pytest.fixture(autouse=True, scope="module")
def quick():
    """A picture takes longer than all the rest, and so does what torch can export."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib.figure", None)
        component = Component("encoder", "deciding", deciding, "stranger", "1.2", "stranger")
        patch.setitem(registry().components, ("encoder", "deciding"), component)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory, quick):  # noqa: ARG001 - it is there before
    """The folder of a tiny model of a task, by its name; not to be changed."""
    folders = {}

    def train_once(name):
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp(name) / "tiny"
            list(TINY[name].train(folders[name], "training.epochs=1"))
        return folders[name]

    return train_once


@pytest.fixture
def copy(trained, tmp_path):
    """A tiny model of a task in a folder of the test's own."""
    return lambda name="sentiment": shutil.copytree(trained(name), tmp_path / "mine")


def go_on(name, model, folder, *assignments, rows=None, **options):
    """Return the events of a run that goes on from a model, as it goes."""
    tiny = TINY[name]
    base = BaseModel.open(model, tiny.task)
    settings = base.make_settings(["validation=0.2", *assignments])
    return train(tiny.task, rows or tiny.rows(), settings, folder, base=base, **options)


def begin(name, model, folder, *assignments, **options):
    """Run until the first step; return what was noted, and the folder of the run."""
    events, noted = go_on(name, model, folder, *assignments, **options), []
    for event in events:
        noted += [event.sentence] if isinstance(event, Note) else []
        if isinstance(event, Step):
            break
    events.close()
    return noted, folder.with_name(f"{folder.name}.training")


def renamed(**names):
    """Return the rows of a classifier under other labels; those of a label without a name stay."""
    return [Example(row.text, names.get(f"_{row.label}", row.label), row.corpus) for row in TINY["sentiment"].rows()]


def change_config(folder, **entries):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | entries), "utf-8")


# What is kept


@each
def test_a_run_begins_with_the_weights_and_the_vocabulary_of_the_model(tmp_path, trained, name):
    model = trained(name)
    member = json.loads((model / "config.json").read_text("utf-8"))["members"][0]["name"]
    noted, run = begin(name, model, tmp_path / "m")
    before, now = (load((at / member / "model.safetensors").read_bytes()) for at in (model, run / "members"))
    assert before.keys() == now.keys()
    assert all(np.array_equal(before[key], now[key]) for key in before)
    own, shared = model / member / "vocabulary.json", model / "vocabulary.json"
    vocabulary = json.loads((own if own.exists() else shared).read_text("utf-8"))
    assert json.loads((run / "members" / member / "vocabulary.json").read_text("utf-8")) == vocabulary
    assert noted[0].startswith("from tiny: ")
    assert f"of {member} kept; 0.0% of the tokens to train on are unknown to it" in noted[0]
    assert " new" not in noted[0]


@each
def test_what_comes_of_it_knows_where_it_came_from(tmp_path, trained, name):
    model, folder = trained(name), tmp_path / "m"
    events = list(go_on(name, model, folder, "training.epochs=1"))
    noted = [event.sentence for event in the(Note, events)]
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert config["from"] == {"model": "tiny", "sha256": Bundle.open(model).fingerprint}
    told = [describe("tiny", member["name"], member.get("from")) for member in config["members"]]
    card = (folder / "README.md").read_text("utf-8")
    assert all(sentence in noted and f"- {sentence}\n" in card for sentence in told)
    assert str(model) not in card + json.dumps(config)
    assert nlpkit.load(folder).check() == []
    assert (
        config["members"][0].keys() - {"from"} == json.loads((model / "config.json").read_text())["members"][0].keys()
    )


@pytest.mark.slow
@pytest.mark.long
def test_counted_members_are_counted_anew_and_may_be_dropped(tmp_path, trained):
    events = list(go_on("generate", trained("generate"), tmp_path / "m", "training.epochs=1"))
    assert "from tiny: ngrams is counted anew, in these rows alone" in [event.sentence for event in the(Note, events)]
    list(go_on("generate", trained("generate"), tmp_path / "n", "training.epochs=1", "ngrams.order=0"))
    assert [member["name"] for member in Bundle.open(tmp_path / "n").config["members"]] == ["network"]


@pytest.mark.slow
@pytest.mark.long
def test_words_that_can_be_answered_stay(tmp_path, trained):
    rows = [Example(f"我 看见 {new} 山 {new}", "", "new.txt") for new in ("云", "雨", "雪") for _ in range(40)]
    rows = [Example(f"{row.text} 第{i}", "", "new.txt") for i, row in enumerate(rows)]
    list(go_on("cloze", trained("cloze"), tmp_path / "m", "training.epochs=1", rows=rows))
    answers = [Bundle.open(at).read_json("answers.json") for at in (trained("cloze"), tmp_path / "m")]
    assert answers[0] == answers[1]
    assert Bundle.open(tmp_path / "m").config["members"][0]["from"]["unknown"] > 0.3


def test_texts_that_the_model_knew_are_evidence_still(tmp_path, trained):
    rows = [Example(f"{text}{i}", label) for i in range(40) for text, label in (("甲乙", "1"), ("丙丁", "0"))]
    list(go_on("sentiment", trained("sentiment"), tmp_path / "m", "training.epochs=1", rows=rows))
    model = nlpkit.load(tmp_path / "m")
    assert [score.reason for score in model.score(["喜欢", "甲", "庚"])] == [
        None,
        None,
        "no evidence: no known character or word",
    ]


def test_the_share_of_unknown_tokens_is_that_of_their_occurrences():
    from nlpkit.text.vocabulary import HashVocabulary, TableVocabulary

    documents = [["好", "好", "店"], ["差", "新"]]
    assert measure_unknown(documents, TableVocabulary(["好"])) == 0.6
    assert measure_unknown(documents, TableVocabulary(["店"], suffixes=True)) == 0.8
    assert measure_unknown([["商店"]], TableVocabulary(["店"], suffixes=True)) == 0.0
    assert measure_unknown([], TableVocabulary(["好"])) == 0.0
    assert measure_unknown(documents, HashVocabulary(bits=8, low=1, high=1)) is None


# Other labels


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({"_0": "坏", "_1": "好"}, "embedding of table kept, head new (labels 坏, 好); "),
        ({"_0": "坏"}, "embedding of table kept, head kept for 1, new for 坏; "),
    ],
)
def test_labels_with_the_same_name_keep_their_rows(tmp_path, trained, names, told):
    noted, run = begin("sentiment", trained("sentiment"), tmp_path / "m", rows=renamed(**names))
    assert told in noted[0]
    before, now = (
        load((at / "table" / "model.safetensors").read_bytes()) for at in (trained("sentiment"), run / "members")
    )
    assert np.array_equal(before["embedding.table.weight"], now["embedding.table.weight"])
    weight, old = now["head.layers.1.weight"], before["head.layers.1.weight"]
    if "1" in told:  # of a softmax, the row of a label that is new says nothing for it and nothing against it
        assert np.array_equal(weight, np.stack([old[1], old[1]]))
    else:
        assert not np.isclose(weight, old).all()


def test_labels_may_become_more_and_fewer():
    old = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    more = Answers(["a", "c"], ["a", "b", "c"])
    assert more.carry(old, torch.zeros(3, 2), 0).tolist() == [[1, 0], [2, 2], [3, 4]]
    assert more.carry(old.T, torch.zeros(2, 3), 1).tolist() == [[1, 2, 3], [0, 2, 4]]
    assert Answers(["a", "c"], ["c"]).carry(old, torch.zeros(1, 2), 0).tolist() == [[3, 4]]
    assert Answers(["a", "c"], ["d"]).carry(old, torch.ones(1, 2), 0).tolist() == [[1, 1]]
    assert more.changes == {"kept": ["a", "c"], "new": ["b"], "gone": []}
    assert Answers(["a", "c"], ["a", "c"]).changes == {}


@pytest.mark.slow
@pytest.mark.long
def test_a_linear_model_keeps_the_columns_of_its_labels(tmp_path, trained):
    folder = tmp_path / "m"
    rows = renamed(_0="坏")
    rows = [Example(row.text, "neutral" if i % 5 == 0 else row.label, row.corpus) for i, row in enumerate(rows)]
    list(go_on("sentiment", trained("sentiment"), folder, "training.epochs=1", rows=rows))
    member = Bundle.open(folder).config["members"][1]
    assert member["embedding"]["config"]["dim"] == 3
    assert member["from"]["answers"] == {"kept": ["1"], "new": ["neutral", "坏"], "gone": ["0"]}
    assert nlpkit.load(folder).check() == []


def test_a_linear_model_of_other_labels_begins_anew(tmp_path, trained):
    events = list(
        go_on("sentiment", trained("sentiment"), tmp_path / "m", "training.epochs=1", rows=renamed(_0="坏", _1="好"))
    )
    noted = [event.sentence for event in the(Note, events)]
    assert noted[1] == "from tiny: nothing of ngrams kept, embedding and head new (labels 坏, 好)"


@pytest.mark.slow
@pytest.mark.long
def test_names_of_labels_that_the_model_knows_are_told_and_stay(tmp_path, copy):
    model = copy()
    change_config(model, labels=["negative", "positive"], aliases={"0": "negative", "1": "positive", "2": ""})
    rows = renamed()
    events = list(go_on("sentiment", model, tmp_path / "m", "training.epochs=1", rows=rows))
    (remark,) = the(Remark, events)
    assert remark.sentence == (
        "mine was trained with 0 negative and 1 positive for labels: if these rows mean the same, say "
        "--label 0=negative --label 1=positive, and what it knows of them is kept"
    )
    assert Bundle.open(tmp_path / "m").config["aliases"] == {}
    change = ["training.epochs=1", "labels.0=negative", "labels.1=positive"]
    events = list(go_on("sentiment", model, tmp_path / "n", *change, rows=rows))
    assert not the(Remark, events)
    rows = renamed(_0="negative", _1="positive")
    list(go_on("sentiment", model, tmp_path / "o", "training.epochs=1", rows=rows))
    assert Bundle.open(tmp_path / "o").config["aliases"] == {"0": "negative", "1": "positive"}


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (None, "from a: b is counted anew, in these rows alone"),
        ({"kept": ["embedding", "encoder", "head"], "new": []}, "from a: embedding, encoder and head of b kept"),
        (
            {"kept": ["embedding"], "new": ["head"], "answers": {"kept": [], "new": ["x", "y"], "gone": ["z"]}},
            "from a: embedding of b kept, head new (labels x, y)",
        ),
        (
            {"kept": ["embedding"], "new": [], "answers": {"kept": ["x", "y"], "new": [], "gone": ["z"]}},
            "from a: embedding of b kept, head kept for x and y",
        ),
        (
            {"kept": ["embedding"], "new": ["marks"], "answers": {"kept": ["x"], "new": ["y", "z"], "gone": []}},
            "from a: embedding of b kept, head kept for x, new for y, z, marks new",
        ),
        (
            {"kept": ["embedding"], "new": [], "unknown": 0.0271, "read_back": True},
            "from a: embedding of b kept; its weights are those that inference reads, as rounded there; 2.7% of the "
            "tokens to train on are unknown to it",
        ),
    ],
)
def test_what_is_kept_is_one_sentence(facts, told):
    assert describe("a", "b", facts) == told


# Settings


def test_settings_are_those_of_the_model_but_for_what_a_run_says_itself(copy):
    model = copy()
    settings = json.loads((model / "config.json").read_text("utf-8"))["settings"]
    change_config(model, settings=settings | {"seed": 7, "test": 0.1, "labels": {"0": "x"}})
    base = BaseModel.open(model, SENTIMENT).make_settings()
    assert (base.seed, base.test, base.validation, dict(base.labels)) == (0, 0.2, 0.2, {})
    assert [member.training.learning_rate for member in base.members] == [0.02] * 2
    assert base.normaliser.config == json.loads((model / "config.json").read_text("utf-8"))["normalisation"]


def test_what_is_done_before_the_first_epoch_is_not_done_again(copy):
    model = copy()
    settings = json.loads((model / "config.json").read_text("utf-8"))["settings"]
    settings["members"][0]["training"] |= {"pretrain": 3}
    change_config(model, settings=settings)
    assert BaseModel.open(model, SENTIMENT).make_settings().members[0].training.pretrain == 0


@pytest.mark.parametrize(
    ("name", "assignment", "told"),
    [
        ("sentiment", "table.embedding.dim=4", "embedding.dim of table was 8, is 4"),
        ("sentiment", "ngrams.embedding.high=3", "embedding.high of ngrams was 2, is 3"),
        ("sentiment", "ngrams.embedding.marks=false", "embedding.marks of ngrams was true, is false"),
        ("sentiment", "table.head.pooling=max", 'head.pooling of table was "mean", is "max"'),
        ("sentiment", "table.tokenizer.name=rjieba", 'tokenizer.name of table was "char", is "rjieba"'),
        ("sentiment", "normalisation.lower=false", "normalisation.lower was true, is false"),
        ("sentiment", "table.name=other", "there is no member other to go on from; the member table is gone"),
        ("cloze", "tokenizer.name=char", 'tokenizer.name was "whitespace", is "char"'),
        ("cloze", "answers.min_count=2", "answers.min_count was 1, is 2"),
        ("cloze", "training.subsample=0.1", "training.subsample of network was 0.0, is 0.1"),
        ("generate", "encoder.name=lstm", 'encoder.name of network was "deciding", is "lstm"'),
    ],
)
def test_what_cannot_change_is_named(trained, name, assignment, told):
    with pytest.raises(SettingError) as caught:
        BaseModel.open(trained(name), TINY[name].task).make_settings([assignment])
    sentence = (
        f"training that goes on from tiny cannot change how it is composed: {told}; what can be set is training.*"
    )
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("name", "assignment"),
    [
        ("sentiment", "training.epochs=9"),
        ("sentiment", "table.embedding.dropout=0.5"),
        ("sentiment", "table.embedding.frozen=true"),
        ("sentiment", "table.embedding.start=normal"),  # it is so already, though the recipe did not say it
        ("sentiment", "head.dropout=0.5"),
        ("sentiment", "weights=int8"),
        ("sentiment", "max_length=99"),
        ("sentiment", "exits=[0.9]"),
        ("sentiment", "seed=3"),
        ("sentiment", "labels.0=bad"),
        ("cloze", "head.dropout=0.5"),
        ("cloze", "training.focus=[0.5,0.5]"),
        ("generate", "dropout=0.1"),
        ("generate", "ngrams.min_count=3"),
    ],
)
def test_what_may_change_changes(trained, name, assignment):
    base = BaseModel.open(trained(name), TINY[name].task)
    assert base.make_settings([assignment]) != base.make_settings() or "start=normal" in assignment


def test_dropout_that_is_set_is_that_of_the_new_model(tmp_path, trained):
    changes = ["table.embedding.dropout=0.5", "table.embedding.frozen=true", "training.epochs=1"]
    list(go_on("sentiment", trained("sentiment"), tmp_path / "m", *changes))
    member = Bundle.open(tmp_path / "m").config["members"][0]
    assert (member["embedding"]["config"]["dropout"], member["embedding"]["config"]["frozen"]) == (0.5, True)
    before, now = (
        load((at / "table" / "model.safetensors").read_bytes()) for at in (trained("sentiment"), tmp_path / "m")
    )
    assert np.array_equal(before["embedding.table.weight"], now["embedding.table.weight"])
    assert not np.array_equal(before["head.layers.1.weight"], now["head.layers.1.weight"])


def test_settings_of_another_model_are_refused_by_the_run_itself(tmp_path, trained):
    tiny = TINY["sentiment"]
    base = BaseModel.open(trained("sentiment"), tiny.task)
    with pytest.raises(SettingError, match=r"embedding\.dim of table was 8, is 6"):
        next(train(tiny.task, [], tiny.settings("table.embedding.dim=6"), tmp_path / "m", base=base))
    assert not (tmp_path / "m.training").exists()


def test_settings_that_are_no_more_are_left_out_and_told(tmp_path, copy):
    model = copy()
    config = json.loads((model / "config.json").read_text("utf-8"))
    settings = config["settings"] | {"counts": {"order": 0}}
    settings["members"][0]["training"]["momenta"] = 3
    change_config(model, settings=settings, nlpkit="0.0.9")
    events = list(go_on("sentiment", model, tmp_path / "m", "training.epochs=1"))
    assert the(Remark, events)[0].sentence == (
        f"mine was trained by nlpkit 0.0.9 with settings that {nlpkit.__version__} does not have, which were left out: "
        "counts, table.training.momenta"
    )


# Models that cannot be gone on from


def test_a_model_of_another_task_is_refused(trained):
    with pytest.raises(BundleError, match="is a model for cloze, not for sentiment"):
        BaseModel.open(trained("cloze"), SENTIMENT)
    base = BaseModel.open(trained("cloze"), TINY["cloze"].task)
    with pytest.raises(BundleError, match="is a model for cloze, not for sentiment"):
        next(train(SENTIMENT, [], TINY["sentiment"].settings(), trained("cloze"), base=base))


def test_a_name_that_is_none_says_what_there_is():
    with pytest.raises(BundleError, match=r"there is no model 'revews', .* did you mean 'reviews'"):
        BaseModel.open("revews", SENTIMENT)


def test_a_missing_plugin_is_named(tmp_path, copy):
    model = copy()
    config = json.loads((model / "config.json").read_text("utf-8"))
    config["members"][0]["encoder"] |= {"distribution": "nlpkit-zh-runs", "version": "3.1"}
    change_config(model, members=config["members"])
    with pytest.raises(
        MissingPlugin, match=r"needs the encoder 'none' from nlpkit-zh-runs 3\.1, which is not installed"
    ):
        next(go_on("sentiment", model, tmp_path / "m"))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda weights: weights | {"embedding.table.weight": np.zeros((3, 8), np.float32)}, r"is \(3, 8\), not"),
        (lambda weights: {k: v for k, v in weights.items() if k[0] != "e"}, "is not among them"),
        (lambda weights: {k: v * np.float32("nan") for k, v in weights.items()}, "not finite"),
    ],
)
def test_weights_that_do_not_fit_are_told(tmp_path, copy, damage, told):
    from safetensors.numpy import save

    model = copy()
    path = model / "table" / "model.safetensors"
    path.write_bytes(save(damage(load(path.read_bytes()))))
    config = json.loads((model / "config.json").read_text("utf-8"))
    del config["files"]  # as a model of old
    (model / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(BundleError, match=told):
        list(go_on("sentiment", model, tmp_path / "m"))


def test_weights_of_another_model_are_refused(tmp_path, copy):
    model = copy()
    (model / "table" / "model.safetensors").write_bytes(b"other")
    with pytest.raises(BundleError, match=r"table/model.safetensors is not the file that was saved with it"):
        list(go_on("sentiment", model, tmp_path / "m"))


def test_a_plugin_that_chooses_a_vocabulary_anew_is_named(tmp_path, trained, monkeypatch):
    from nlpkit.tasks.sentiment.member import Classifier
    from nlpkit.training.components import fit_embedding

    monkeypatch.setattr(Classifier, "fit_embedding", lambda _, *arguments: fit_embedding(*arguments))
    rows = [Example(f"{row.text}啊", row.label) for row in TINY["sentiment"].rows()]
    with pytest.raises(PluginError, match="the member table chose a vocabulary anew where it should go on from tiny"):
        list(go_on("sentiment", trained("sentiment"), tmp_path / "m", rows=rows))


# Models without the weights as trained


def without_weights(folder):
    for path in folder.rglob("model.safetensors"):
        path.unlink()
    return folder


def test_a_linear_model_is_read_back_from_its_table(tmp_path, copy):
    model = copy()
    (model / "ngrams" / "model.safetensors").unlink()
    noted, events = (
        [],
        go_on("sentiment", model, tmp_path / "m", "training.epochs=1", "ngrams.training.learning_rate=1e-9"),
    )
    for event in events:
        noted += [event.sentence] if isinstance(event, Note) else []
    assert noted[1] == (
        "from mine: embedding and head of ngrams kept; its weights are those that inference reads, as rounded there"
    )
    before, now = (load((at / "ngrams" / "arrays.safetensors").read_bytes()) for at in (model, tmp_path / "m"))
    assert np.abs(before["table"] - now["table"]).max() < 1e-5
    assert np.abs(before["bias"] - now["bias"]).max() < 1e-5


def test_a_network_that_was_folded_says_what_to_do(tmp_path, copy):
    with pytest.raises(BundleError) as caught:
        list(go_on("sentiment", without_weights(copy()), tmp_path / "m"))
    assert str(caught.value) == (
        "mine comes without the weights of its member table (table/model.safetensors), and what inference executes "
        "does not hold all of them (embedding.table.weight, head.layers.1.bias, head.layers.1.weight): go on from a "
        "model that was trained with --keep-weights"
    )


GRAPHS = {
    "sentiment": ["table.encoder.name=lstm", "table.encoder.hidden=4", "table.head.pooling=max+attention"],
    "cloze": ["encoder.name=lstm", "encoder.hidden=4", "encoder.bidirectional=false", "output.tied=true"],
    "generate": ["encoder.name=lstm", "encoder.hidden=4", "encoder.bidirectional=false", "output.tied=true"],
}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("weights", ["float32", "int8"])
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *GRAPHS.items(),
        ("cloze", [*GRAPHS["cloze"], "embedding.name=spelled", "training.subsample=0.01"]),
        ("sentiment", [*GRAPHS["sentiment"], "table.embedding.name=spelled"]),
        ("cloze", [*GRAPHS["cloze"][:3], "training.subsample=0.01"]),
        ("generate", [*GRAPHS["generate"], "output.tied=false"]),
    ],
    ids=["sentiment", "cloze", "generate", "spelled", "classified", "codes", "untied"],
)
def test_a_graph_is_read_back(tmp_path, name, changes, weights, request):
    model, tiny, case = tmp_path / "tiny", TINY[name], request.node.callspec.id
    if "codes" in case:
        network = tiny.tables["network"] | {"output": {"name": "binary-codes", "bits": 8}}
        tiny = replace(tiny, tables=tiny.tables | {"network": network})
    list(tiny.train(model, *changes, f"weights={weights}", "training.epochs=1"))
    member = Bundle.open(model).config["members"][0]["name"]
    kept = load((model / member / "model.safetensors").read_bytes())
    noted, run = begin(name, without_weights(model), tmp_path / "m")
    assert "as rounded there" in noted[0]
    now = load((run / "members" / member / "model.safetensors").read_bytes())
    away = {key: float(np.abs(now[key].astype(float) - kept[key]).max()) for key in kept}
    bytewise = weights == "int8" or "untied" in case  # as is the table of an output, always
    if "spelled" in "".join(changes):  # whose vectors are the same, though not what they are added up from
        away = {key: value for key, value in away.items() if not key.startswith("embedding.")}
    assert {key: value for key, value in away.items() if value > (0.05 if bytewise else 1e-5)} == {}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("model", ["reviews", "reviews-cloze", "reviews-chars"])
def test_the_shipped_models_can_be_gone_on_from(tmp_path, model):
    name = nlpkit.load(model).task
    labels = {"0": "negative", "1": "positive"}
    rows = [Example(row.text.replace(" ", ""), labels.get(row.label, ""), "one.csv") for row in TINY[name].rows()]
    noted, _ = begin(name, model, tmp_path / "m", rows=rows)
    assert noted[0].startswith(f"from {model}: ")
    assert "nothing" not in noted[0]


# Runs that are broken off


def test_a_run_goes_on_though_the_model_is_gone(tmp_path, copy):
    model, folder = copy(), tmp_path / "n" / "m"
    list(go_on("sentiment", model, tmp_path / "whole" / "m"))
    events = go_on("sentiment", model, folder)
    next(event for event in events if isinstance(event, Epoch))
    events.close()
    tiny, settings = TINY["sentiment"], BaseModel.open(model, SENTIMENT).make_settings(["validation=0.2"])
    shutil.rmtree(model)
    assert the(Saved, train(tiny.task, [], settings, folder, resume=True))
    assert files_of(folder) == files_of(tmp_path / "whole" / "m")


def test_a_run_goes_on_from_the_same_model_alone(tmp_path, copy, trained):
    model, folder = copy(), tmp_path / "n" / "m"
    events = go_on("sentiment", model, folder)
    next(event for event in events if isinstance(event, Step))
    events.close()
    with pytest.raises(SettingError, match=r'from.model was "mine", is "tiny"'):
        next(go_on("sentiment", trained("sentiment"), folder, resume=True))
    change_config(model, nlpkit="0.0.9")
    with pytest.raises(SettingError, match=r'from.sha256 was "'):
        next(go_on("sentiment", model, folder, resume=True))


def test_a_model_that_changed_before_it_was_taken_is_told(tmp_path, copy):
    model, folder = copy(), tmp_path / "n" / "m"
    events = go_on("sentiment", model, folder)
    next(event for event in events if isinstance(event, Step))
    events.close()
    shutil.rmtree(folder.with_name("m.training") / "from")
    change_config(model, nlpkit="0.0.9")
    settings = BaseModel.open(model, SENTIMENT).make_settings(["validation=0.2"])
    with pytest.raises(
        BundleError, match="mine has changed since the run began: put it back, or begin anew by --force"
    ):
        list(train(SENTIMENT, [], settings, folder, resume=True))


def test_a_model_may_be_replaced_by_what_comes_of_it(copy):
    model = copy()
    before = Bundle.open(model).fingerprint
    list(go_on("sentiment", model, model, "training.epochs=1", force=True))
    assert Bundle.open(model).config["from"] == {"model": "mine", "sha256": before}


# Dry runs


@each
def test_a_dry_run_says_what_would_be_kept(trained, name):
    tiny = TINY[name]
    base = BaseModel.open(trained(name), tiny.task)
    found = plan(tiny.task, tiny.rows(), base.make_settings(["validation=0.2"]), base)
    assert [member.base.split(" ")[:2] for member in found.members] == [["from", "tiny:"]] * len(found.members)


def test_runs_say_nothing_of_models_that_there_are_not(tmp_path):
    events = list(TINY["sentiment"].train(tmp_path / "m", "training.epochs=1"))
    config = Bundle.open(tmp_path / "m").config
    assert "from" not in config
    assert all("from" not in member for member in config["members"])
    assert not the(Note, events)
    assert "went on from" not in (tmp_path / "m" / "README.md").read_text("utf-8")
    assert SentimentRun.base is None


def test_a_path_in_the_settings_of_a_model_is_not_followed(tmp_path, copy):
    model = copy()
    settings = json.loads((model / "config.json").read_text("utf-8"))["settings"]
    settings["members"][0]["embedding"]["vectors"] = str(tmp_path / "no-such-file")
    change_config(model, settings=settings)
    assert the(Saved, go_on("sentiment", model, tmp_path / "m", "training.epochs=1"))


@pytest.mark.parametrize(
    "entries",
    [{"settings": []}, {"settings": {"members": [3]}}, {"settings": {"members": []}}, {"normalisation": {"lower": 3}}],
)
def test_a_config_that_is_damaged_is_one_sentence(copy, entries):
    model = copy()
    change_config(model, **entries)
    with pytest.raises((BundleError, SettingError)) as caught:
        BaseModel.open(model, SENTIMENT).make_settings()
    assert "\n" not in str(caught.value)
