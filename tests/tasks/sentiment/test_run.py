"""Whole training runs, tiny but real: composed, trained, exported, saved, opened and compared with torch."""

import csv
import io
import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from nlpkit.training.composition import restore  # noqa: E402
from safetensors.numpy import load as load_arrays  # noqa: E402

import nlpkit  # noqa: E402
from nlpkit.errors import BundleError, DataError, NlpkitError, SettingError  # noqa: E402
from nlpkit.model.bundle import Bundle, add_checksums  # noqa: E402
from nlpkit.model.members import TextIds, open_member  # noqa: E402
from nlpkit.model.network import Network  # noqa: E402
from nlpkit.plugins.registry import registry  # noqa: E402
from nlpkit.tasks.sentiment.run import train  # noqa: E402
from nlpkit.text.corpus import Example  # noqa: E402
from nlpkit.text.split import fingerprint, split  # noqa: E402
from nlpkit.text.vocabulary import TableVocabulary, dump_vocabulary, load_vocabulary  # noqa: E402
from nlpkit.training.events import (  # noqa: E402
    AlikeLabels,
    FewRows,
    Fitting,
    MemberExported,
    MemberStarted,
    Prepared,
    RareAnswers,
    RareLabels,
    Saved,
    Working,
)
from nlpkit.training.loop import Epoch, Resumed, Step  # noqa: E402
from nlpkit.training.settings import settings  # noqa: E402
from tests.training.test_checkpoint import files_no_larger_than  # noqa: E402

pytestmark = pytest.mark.train
TRAINING = {"epochs": 2, "learning_rate": 0.02, "batch_size": 16}
NGRAMS = {
    "name": "ngrams",
    "tokenizer": {"name": "char"},
    "embedding": {"name": "ngrams", "low": 1, "high": 2, "bits": 14},
    "encoder": {"name": "none"},
    "head": {"pooling": "sqrtn", "projection": False},
    "training": TRAINING | {"schedule": "linear"},
}
TABLE = NGRAMS | {
    "name": "table",
    "embedding": {"name": "trainable", "dim": 8, "min_count": 1},
    "head": {"pooling": "mean"},
}
BAG = TABLE | {"name": "bag", "head": {"pooling": "max+mean", "hidden": 6, "dropout": 0.1}}
CNN = BAG | {"name": "cnn", "encoder": {"name": "cnn", "filters": 8}, "head": {"pooling": "max"}, "weights": "int8"}
LSTM = BAG | {
    "name": "lstm",
    "tokenizer": {"name": "rjieba"},
    "embedding": {"name": "trainable", "dim": 32, "min_count": 1},
    "encoder": {"name": "lstm", "hidden": 8},
    "head": {"pooling": "max+attention", "dropout": 0.2},
    "max_length": 20,
    "training": TRAINING | {"pretrain": 1, "r_drop": 0.5},
}
ODD = ["", "好", "这" * 400, "这手机质量很好。", "abc 123", "不建议购买！" * 7]


def run(folder, examples, *members, **changes):
    made = settings({"members": list(members), **changes})
    torch.manual_seed(made.seed)
    return list(train(examples, made, folder))


def the(kind, events):
    return [event for event in events if isinstance(event, kind)]


@pytest.fixture(scope="session")
def trained(tmp_path_factory, examples):
    """A model of all kinds of members, trained once: its folder and the events of the run."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    return folder, run(folder, examples, NGRAMS, TABLE, BAG, CNN, LSTM, exits=[0.9], validation=0.3)


def network_of(bundle: Bundle, entry) -> tuple[Network, TextIds]:
    """A member composed again from what was saved, without its graph or table."""
    vocabulary = load_vocabulary(bundle.read(f"{entry['name']}/vocabulary.json"))
    tokenizer = registry().get("tokenizer", entry["tokenizer"]["name"]).create(entry["tokenizer"]["config"])
    network = restore(bundle, entry, vocabulary, len(bundle.config["labels"]))
    return network, TextIds(tokenizer, vocabulary, entry["max_length"])


@pytest.mark.parametrize("position", range(5))
def test_each_export_agrees_with_torch_on_each_row_alone(trained, examples, position):
    bundle = Bundle.open(trained[0])
    entry = bundle.config["members"][position]
    network, text_ids = network_of(bundle, entry)
    texts = [e.text for e in examples[:40]] + ODD
    found = open_member(bundle, entry, 2).logits(texts)
    tolerance = 0.1 if entry["name"] == "cnn" else 1e-4  # int8 rounds
    for text, logits in zip(texts, found, strict=True):
        ids, mask = text_ids([text]).padded()
        with torch.no_grad():
            expected = network(torch.from_numpy(ids), torch.from_numpy(mask))[0].double().numpy()
        assert logits[1] - logits[0] == pytest.approx(expected[1] - expected[0], abs=tolerance)


@pytest.mark.parametrize("position", range(5))
def test_padding_and_batch_mates_change_nothing(trained, examples, position):
    bundle = Bundle.open(trained[0])
    member = open_member(bundle, bundle.config["members"][position], 2)
    texts = [e.text for e in examples[:100]] + ODD
    together = member.logits(texts)
    np.testing.assert_allclose(together[::-1], member.logits(texts[::-1]), atol=1e-5)
    np.testing.assert_allclose(together, np.concatenate([member.logits([text]) for text in texts]), atol=1e-5)


def test_what_needs_no_graph_is_a_table(trained):
    runtimes = {event.name: event.runtime for event in the(MemberExported, trained[1])}
    assert runtimes == {"ngrams": "table", "table": "table", "bag": "graph", "cnn": "graph", "lstm": "graph"}
    assert not (trained[0] / "ngrams" / "model.onnx").exists()
    assert (trained[0] / "lstm" / "model.onnx").is_file()


def test_no_path_of_the_machine_is_in_the_files(trained):
    for path in trained[0].rglob("*"):
        if path.is_file():
            assert b"site-packages" not in path.read_bytes(), path
            assert str(trained[0].parent).encode() not in path.read_bytes(), path


def test_a_run_tells_what_it_does(trained, examples):
    events = trained[1]
    (prepared,) = the(Prepared, events)
    parts = split(examples, test=0.2, validation=0.3)
    assert (prepared.train, prepared.validation, prepared.test) == tuple(
        len(part) for part in (parts.train, parts.validation, parts.test)
    )
    assert sum(prepared.labels.values()) == prepared.train
    assert [e.name for e in the(MemberStarted, events)] == ["ngrams", "table", "bag", "cnn", "lstm"]
    assert [e.name for e in the(Fitting, events)] == ["ngrams", "table", "bag", "cnn", "lstm: language model", "lstm"]
    assert len(the(Epoch, events)) == 5 * 2 + 1
    assert {(e.what.partition(": ")[2] or e.what) for e in the(Working, events)} >= {"tokens", "train ids", "testing"}
    assert all(e.difference < (0.05 if e.name == "cnn" else 1e-4) for e in the(MemberExported, events))
    (saved,) = the(Saved, events)
    assert saved.metrics["all"].rows == prepared.test
    assert saved.metrics["all"].accuracy > 0.9
    assert [len(stage.weights) for stage in saved.stages] == [1, 5]


def test_the_config_says_where_all_came_from(trained, examples):
    config = Bundle.open(trained[0]).config
    assert (config["format"], config["task"], config["labels"]) == (1, "sentiment", ["negative", "positive"])
    assert config["data"]["fingerprint"] == fingerprint(split(examples, test=0.2, validation=0.3).train)
    assert config["data"]["corpora"] == {"shop.csv": len(examples)}
    assert config["settings"]["seed"] == 0
    assert all("seconds" not in epoch for member in config["members"] for epoch in member["history"])
    for member in config["members"]:
        for kind in ("tokenizer", "embedding", "encoder"):
            assert member[kind]["distribution"] == "nlpkit-zh"
            assert member[kind]["version"]
    assert config["statistics"]["length"]["q05"] <= config["statistics"]["length"]["q99"]


def test_the_folder_tests_itself_and_carries_its_card(trained):
    model = nlpkit.load(trained[0])
    samples = json.loads((trained[0] / "samples.json").read_bytes())
    assert len(samples) > 5
    assert model.check() == []
    card = (trained[0] / "README.md").read_text(encoding="utf-8")
    for expected in ("## Data", "shop.csv", "macro F1", "## Limits", "lstm"):
        assert expected in card


def test_the_model_scores_what_it_never_saw(trained):
    found = nlpkit.load(trained[0]).score(["这台灯真不错", "这台灯非常失望", "👍"])
    assert [score.label for score in found] == ["positive", "negative", None]


def files_of(folder):
    """All files but the picture, the history without what differs between two runs that are otherwise the same."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != "curve.png")
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    table = csv.DictReader(io.StringIO(found["history.csv"].decode(), newline=""))
    return found | {"history.csv": [{**row, "seconds": ""} for row in table]}


def test_the_same_seed_gives_the_same_files(tmp_path, examples):
    for name, seed, chosen in (("one", 0, [TABLE, LSTM]), ("two", 0, [TABLE, LSTM]), ("three", 1, [TABLE])):
        run(tmp_path / name / "m", examples, *chosen, seed=seed)
    one, two, three = (files_of(tmp_path / name / "m") for name in ("one", "two", "three"))
    assert {"config.json", "README.md", "samples.json", "lstm/model.safetensors"} <= one.keys() == two.keys()
    assert [path for path in one if one[path] != two[path]] == []
    assert one["table/model.safetensors"] != three["table/model.safetensors"]


def test_copies_and_conflicts_go_before_the_split_and_are_counted(tmp_path, examples):
    copies = [Example(e.text.replace("。", "！"), e.label, "copies.csv") for e in examples[:20]]
    conflict = Example(examples[30].text, "positive" if examples[30].label == "negative" else "negative", "other.csv")
    events = run(tmp_path / "m", [*examples, *copies, conflict, Example("！！", "positive")], NGRAMS)
    (prepared,) = the(Prepared, events)
    assert prepared.rows == len(examples) + 22
    assert (prepared.conflicts, prepared.empty) == (1, 1)
    assert prepared.duplicates == 20 + 1
    assert prepared.train + prepared.validation + prepared.test == len(examples) - 1


@pytest.mark.parametrize("names", [{"d/a.csv": "a.csv", "b.csv": "b.csv"}, {"all": "corpus all", "b.csv": "b.csv"}])
def test_figures_stand_under_their_own_corpus(tmp_path, examples, names):
    first, second = names
    named = [Example(e.text, e.label, first if i % 4 else second) for i, e in enumerate(examples)]
    (saved,) = the(Saved, run(tmp_path / "m", named, NGRAMS))
    test = split(named).test
    expected = {names[corpus]: sum(e.corpus == corpus for e in test) for corpus in names}
    assert {name: found.rows for name, found in saved.metrics.items()} == {"all": len(test), **expected}


def test_several_labels_and_renamed_ones(tmp_path, examples):
    three = [Example(e.text, {"positive": "1", "negative": "0"}[e.label]) for e in examples]
    three += [Example(f"第{i}次来，一般般", "mixed") for i in range(60)]
    (saved,) = the(Saved, run(tmp_path / "m", three, NGRAMS, labels={"1": "好", "0": "坏"}))
    model = nlpkit.load(tmp_path / "m")
    assert model.labels == sorted(["mixed", "好", "坏"])
    assert saved.metrics["all"].labels == tuple(model.labels)
    assert model.score(["第八次来，一般般"])[0].label == "mixed"


def spelt(examples, spellings):
    """The same rows, their labels in several spellings."""
    return [Example(e.text, spellings[e.label][i % len(spellings[e.label])], e.corpus) for i, e in enumerate(examples)]


def test_labels_that_look_alike_are_told_with_what_joins_them(tmp_path, examples):
    rows = spelt(examples, {"positive": ["1", "1.0", "1"], "negative": ["0"]})
    (told,) = the(AlikeLabels, run(tmp_path / "m", rows, NGRAMS))
    (group,) = told.groups
    assert group.renames == {"1.0": "1"}
    joined = run(tmp_path / "n", rows, NGRAMS, labels=group.renames)
    assert the(AlikeLabels, joined) == []
    assert nlpkit.load(tmp_path / "n").labels == ["0", "1"]


def test_they_are_told_too_where_they_are_why_nothing_can_be_trained(tmp_path, examples):
    odd = next(e for e in examples if split([e]).test)
    rows = [Example(e.text, "POSITIVE" if e is odd else e.label) for e in examples]
    events = []
    with pytest.raises(DataError, match="'POSITIVE' stands in the test rows only"):
        events.extend(train(rows, settings({"members": [NGRAMS]}), tmp_path / "m"))
    (told,) = the(AlikeLabels, events)
    assert told.groups[0].renames == {"POSITIVE": "positive"}


def rows_of(counts):
    """So many rows of each label; which words stand in them says little of it."""
    return [Example(f"第{i}家{label}店，{'好' * (i % 5)}", label) for label, n in counts.items() for i in range(n)]


def test_labels_of_few_rows_and_rare_ones_are_told_before_training(tmp_path):
    balanced = {**NGRAMS, "training": {**NGRAMS.get("training", {}), "class_weights": "balanced"}}
    counts = {"多": 120, "少": 39, "三": 41, "四": 4}
    found = run(tmp_path / "m", rows_of(counts), NGRAMS)
    (few,), (rare,) = the(FewRows, found), the(RareLabels, found)
    assert (few.labels, few.others) == ({"四": 4}, 3)
    assert (rare.labels, rare.most) == ({"少": 39}, ("多", 120))
    assert next(i for i, e in enumerate(found) if e is rare) < next(
        i for i, e in enumerate(found) if isinstance(e, Fitting)
    )
    assert the(RareLabels, run(tmp_path / "n", rows_of(counts), balanced)) == []
    (told,) = the(RareLabels, run(tmp_path / "o", rows_of(counts), balanced, {**NGRAMS, "name": "other"}))
    assert told.labels == {"少": 39}


def test_nothing_of_the_kind_is_told_of_balanced_rows(trained):
    assert the(FewRows, trained[1]) + the(RareLabels, trained[1]) + the(RareAnswers, trained[1]) == []
    assert the(AlikeLabels, trained[1]) == []


@pytest.mark.parametrize("test", [0.2, 0.0])
def test_a_rare_label_that_is_not_answered_is_told_after_training(tmp_path, test):
    """Nothing tells its rows from the others', so that the frequent label is always likelier."""
    rows = [Example(f"第{i}家店", "少" if i % 5 == 0 else "多") for i in range(300)]
    (told,) = the(RareAnswers, run(tmp_path / "m", rows, NGRAMS, test=test))
    assert (list(told.labels), told.balanced) == (["少"], False)
    assert told.place == ("validation and test" if test else "validation")
    assert 2 * told.labels["少"].answers < told.labels["少"].rows
    assert set(Bundle.open(tmp_path / "m").config["data"]["labels"]) == {"少", "多"}


@pytest.mark.parametrize(
    ("choose", "sentence"),
    [
        (lambda rows: rows[:0], "at least two labels, found: no labelled rows"),
        (
            lambda rows: [e for e in rows if e.label == "positive"],
            "at least two labels, found: only the label 'positive'",
        ),
        (lambda rows: rows[:2], "two labels|too few|needs more rows"),
    ],
)
def test_too_little_to_train_on_is_one_sentence(tmp_path, examples, choose, sentence):
    with pytest.raises(DataError, match=sentence):
        run(tmp_path / "m", choose(examples), NGRAMS)
    assert list(tmp_path.iterdir()) == []


def test_rows_too_few_for_validation(tmp_path, examples):
    rows = [e for e in examples if e in split(examples).train]
    with pytest.raises(DataError, match="too few: none fell into validation"):
        run(tmp_path / "m", rows, NGRAMS)


def test_a_folder_that_is_taken_is_refused_before_anything_is_trained(tmp_path, examples):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    made = settings({"members": [NGRAMS]})
    with pytest.raises(BundleError, match="no model"):
        next(train(examples, made, tmp_path / "photos"))


def test_weights_may_be_left_out(tmp_path, examples):
    list(train(examples, settings({"members": [NGRAMS]}), tmp_path / "m", keep_weights=False, samples=["很好", ""]))
    assert not (tmp_path / "m" / "ngrams" / "model.safetensors").exists()
    model = nlpkit.load(tmp_path / "m")
    assert model.check() == []
    assert [s["text"] for s in json.loads((tmp_path / "m" / "samples.json").read_bytes())] == ["很好", ""]


@pytest.mark.parametrize("pooling", ["sum", "mean", "sqrtn"])
def test_int8_tables_stay_close(tmp_path, examples, pooling):
    member = NGRAMS | {"head": {"pooling": pooling}, "embedding": NGRAMS["embedding"] | {"dim": 3}, "weights": "int8"}
    (exported,) = the(MemberExported, run(tmp_path / "m", examples, member))
    assert exported.runtime == "table"
    assert 0 < exported.difference < 0.05
    arrays = load_arrays((tmp_path / "m" / "ngrams" / "arrays.safetensors").read_bytes())
    assert (arrays["table"].dtype, arrays["levels"].shape, arrays["bias"].shape) == (np.uint8, (256, 1), (1,))


def test_a_user_dictionary_goes_with_the_model(tmp_path, examples):
    words = tmp_path / "words.txt"
    words.write_text("云端小铺\n", encoding="utf-8")
    member = TABLE | {"tokenizer": {"name": "rjieba", "dictionary": str(words)}}
    named = [Example(e.text.replace("手机", "云端小铺"), e.label) for e in examples]
    run(tmp_path / "m", named, member)
    words.unlink()
    bundle = Bundle.open(tmp_path / "m")
    assert bundle.read("table/tokenizer/dictionary.txt") == "云端小铺\n".encode()
    assert "云端小铺" in load_vocabulary(bundle.read("table/vocabulary.json")).tokens
    assert str(words).encode() not in (tmp_path / "m" / "config.json").read_bytes()
    assert nlpkit.load(tmp_path / "m").check() == []


def test_ids_that_a_graph_does_not_know_are_damage(trained):
    """A vocabulary of another model: onnxruntime refuses it when it runs, and says so in words of its own."""
    files = files_of(trained[0])
    entry = Bundle("trained", files).config["members"][2]
    tokens = [chr(code) for code in range(0x4E00, 0x5200)]
    files["bag/vocabulary.json"] = dump_vocabulary(TableVocabulary(tokens))
    member = open_member(Bundle("trained", add_checksums(files)), entry, 2)
    with pytest.raises(BundleError, match=r"trained: bag/model\.onnx is damaged") as caught:
        member.logits([tokens[-1]])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [None, b"", b"junk", "other"])
def test_weights_that_do_not_fit_are_damage(trained, data):
    files = files_of(trained[0])
    bundle = Bundle("trained", files)
    entry = bundle.config["members"][2]
    vocabulary = load_vocabulary(bundle.read("bag/vocabulary.json"))
    if data is None:
        del files["bag/model.safetensors"]
    else:
        files["bag/model.safetensors"] = files["cnn/model.safetensors"] if data == "other" else data
    with pytest.raises(BundleError, match=r"trained is damaged: bag/model\.safetensors") as caught:
        restore(Bundle("trained", add_checksums(files)), entry, vocabulary, 2)
    assert "\n" not in str(caught.value)


# Broken off and gone on with


def members():
    """Two members whose weights hang on random numbers, and that need no graph."""
    embedding = TABLE["embedding"] | {"dropout": 0.3}
    ngrams = NGRAMS | {"embedding": NGRAMS["embedding"] | {"bits": 10, "dropout": 0.2}}
    return [ngrams, TABLE | {"embedding": embedding}]


def test_a_run_that_is_closed_at_any_event_comes_to_the_same_files(tmp_path_factory, examples, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # a picture takes longer than all the rest
    made = settings({"members": members()})
    whole = tmp_path_factory.mktemp("whole") / "m"
    events = list(train(examples, made, whole))
    expected = files_of(whole)

    @hypothesis_settings(max_examples=6)
    @given(st.lists(st.integers(0, len(events) - 2), min_size=1, max_size=2))
    def closed_and_resumed(moments):
        folder = tmp_path_factory.mktemp("closed") / "m"
        for number, moment in enumerate(moments):
            running = train(examples, made, folder, resume=number > 0, every=1e9)
            for _ in zip(range(moment + 1), running, strict=False):
                pass
            running.close()
            if folder.exists():  # it ended before that moment: the first had brought it near its end
                break
        else:
            list(train(examples, made, folder, resume=True))
        assert files_of(folder) == expected
        assert [path.name for path in folder.parent.iterdir()] == ["m"]

    closed_and_resumed()


def test_what_is_done_is_not_done_again(tmp_path, examples):
    made, folder = settings({"members": members()}), tmp_path / "m"
    running = train(examples, made, folder)
    for event in running:
        if isinstance(event, MemberExported):
            break
    running.close()
    events = list(train(iter(()), made, folder, resume=True))  # the examples are stored
    assert [e.name for e in the(MemberExported, events)] == ["ngrams", "table"]
    assert [len(e.history) for e in the(Resumed, events)] == [2]
    assert {e.what for e in the(Working, events)} >= {"table: tokens", "testing"}
    assert not {e.what for e in the(Working, events)} & {"ngrams: tokens", "ngrams: exporting"}
    assert len(the(Step, events)) == 2 * len([s for s in the(Step, events) if s.epoch == 1])
    (saved,) = the(Saved, events)
    assert {name: len(epochs) for name, epochs in saved.history.items()} == {"ngrams": 2, "table": 2}


def test_a_resumed_run_must_be_the_one_that_was_begun(tmp_path, examples):
    folder, begun = tmp_path / "m", settings({"members": [NGRAMS]})
    running = train(examples, begun, folder, origin={"files": {"a.csv": "12"}})
    next(event for event in running if isinstance(event, Step))
    running.close()
    changes = {
        "settings.members.ngrams.embedding.high was 2, is 3": {"embedding": NGRAMS["embedding"] | {"high": 3}},
        "settings.members.ngrams.encoder.name": {"embedding": TABLE["embedding"], "encoder": {"name": "cnn"}},
        "settings.members.ngrams.training.epochs was 2, is 9": {"training": TRAINING | {"epochs": 9}},
        r"settings.members.ngrams was .*, is not there; settings.members.other was not there": {"name": "other"},
    }
    for sentence, change in changes.items():
        other = settings({"members": [NGRAMS | change]})
        with pytest.raises(SettingError, match=sentence):
            next(train(examples, other, folder, resume=True, origin={"files": {"a.csv": "12"}}))
    with pytest.raises(SettingError, match=r"a\.csv has changed or is another"):
        next(train(examples, begun, folder, resume=True, origin={"files": {"a.csv": "13"}}))
    with pytest.raises(BundleError, match="unfinished run"):
        next(train(examples, begun, folder))
    assert the(Saved, train(examples, begun, folder, resume=True, origin={"files": {"a.csv": "12"}}))


def test_a_full_disk_is_told_by_the_sentence_that_says_how_to_go_on(tmp_path, examples):
    running = train(examples, settings({"members": [TABLE]}), tmp_path / "m", every=0)
    next(event for event in running if isinstance(event, Epoch))
    with files_no_larger_than(2000), pytest.raises(NlpkitError, match=r"cannot be written.*--resume"):
        list(running)
    assert the(Saved, train(examples, settings({"members": [TABLE]}), tmp_path / "m", resume=True))


@pytest.mark.parametrize("where", [Working, Prepared, Fitting, Step, Epoch, MemberExported])
def test_what_fails_beside_a_run_breaks_nothing_off_for_good(tmp_path, examples, monkeypatch, where):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    made, folder = settings({"members": members()[1:]}), tmp_path / "m"
    running = train(examples, made, folder)
    next(event for event in running if isinstance(event, where))
    with pytest.raises(KeyboardInterrupt):
        running.throw(KeyboardInterrupt)
    assert the(Saved, train(examples, made, folder, resume=True))
