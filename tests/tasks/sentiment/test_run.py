"""Whole runs of classifiers, tiny but real: of all kinds of members, of odd labels, compared with torch."""

import json
import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.numpy import load as load_arrays  # noqa: E402

import nlpkit  # noqa: E402
from nlpkit.errors import BundleError, DataError  # noqa: E402
from nlpkit.model.bundle import Bundle, add_checksums  # noqa: E402
from nlpkit.model.members import TextIds, open_member  # noqa: E402
from nlpkit.model.network import Network, restore  # noqa: E402
from nlpkit.plugins.registry import registry  # noqa: E402
from nlpkit.tasks.sentiment.run import SentimentRun  # noqa: E402
from nlpkit.tasks.sentiment.task import SENTIMENT  # noqa: E402
from nlpkit.text.corpus import Example  # noqa: E402
from nlpkit.text.split import split_rows  # noqa: E402
from nlpkit.text.vocabulary import TableVocabulary, dump_vocabulary, load_vocabulary  # noqa: E402
from nlpkit.training.events import Fitting, MemberExported, MemberStarted, Note, Prepared, Remark, Saved, Working  # noqa: E402
from nlpkit.training.loop import Epoch  # noqa: E402
from nlpkit.training.run import train  # noqa: E402
from tests.text.familiar import CLASSICAL, reviews  # noqa: E402
from tests.training.runs import NGRAMS, TABLE, TRAINING, files_of, the  # noqa: E402

pytestmark = pytest.mark.train
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
    made = SentimentRun.shape().make_settings({"members": list(members), **changes})
    return list(train(SENTIMENT, examples, made, folder))


def remarks(events, *parts):
    """What was doubted, in sentences that hold all parts."""
    found = [event.sentence for event in the(Remark, events)]
    return [sentence for sentence in found if all(part in sentence for part in parts)]


ALIKE, FEW, RARE = "labels that look alike", "too few to learn a label by", "may hardly ever be the answer"
RARE_ANSWERS = "is answered far less often than it occurs"


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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("position", range(5))
def test_padding_and_batch_mates_change_nothing(trained, examples, position):
    bundle = Bundle.open(trained[0])
    member = open_member(bundle, bundle.config["members"][position], 2)
    texts = [e.text for e in examples[:100]] + ODD
    together = member.logits(texts)
    np.testing.assert_allclose(together[::-1], member.logits(texts[::-1]), atol=1e-5)
    np.testing.assert_allclose(together, np.concatenate([member.logits([text]) for text in texts]), atol=1e-5)


@pytest.mark.slow
def test_what_needs_no_graph_is_a_table(trained):
    runtimes = {event.name: event.runtime for event in the(MemberExported, trained[1])}
    assert runtimes == {"ngrams": "table", "table": "table", "bag": "graph", "cnn": "graph", "lstm": "graph"}
    assert not (trained[0] / "ngrams" / "model.onnx").exists()
    assert (trained[0] / "lstm" / "model.onnx").is_file()


@pytest.mark.slow
def test_a_run_tells_what_it_does(trained, examples):
    events = trained[1]
    (prepared,) = the(Prepared, events)
    parts = split_rows(examples, test=0.2, validation=0.3)
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


@pytest.mark.slow
def test_the_config_says_where_all_came_from(trained, examples):
    config = Bundle.open(trained[0]).config
    assert (config["format"], config["task"], config["labels"]) == (1, "sentiment", ["negative", "positive"])
    assert config["data"]["corpora"] == {"shop.csv": len(examples)}
    assert config["settings"]["seed"] == 0
    assert all("seconds" not in epoch for member in config["members"] for epoch in member["history"])
    for member in config["members"]:
        for kind in ("tokenizer", "embedding", "encoder"):
            assert member[kind]["distribution"] == "nlpkit-zh"
            assert member[kind]["version"]
    assert config["statistics"]["length"]["q05"] <= config["statistics"]["length"]["q99"]


@pytest.mark.slow
def test_the_folder_tests_itself_and_carries_its_card(trained):
    model = nlpkit.load(trained[0])
    samples = json.loads((trained[0] / "samples.json").read_bytes())
    assert len(samples) > 5
    assert model.check() == []
    card = (trained[0] / "README.md").read_text(encoding="utf-8")
    for expected in ("## Data", "shop.csv", "macro F1", "## Limits", "lstm"):
        assert expected in card


@pytest.mark.slow
def test_the_model_scores_what_it_never_saw(trained):
    found = nlpkit.load(trained[0]).score(["这台灯真不错", "这台灯非常失望", "👍"])
    assert [score.label for score in found] == ["positive", "negative", None]


@pytest.mark.slow
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
    (told,) = remarks(run(tmp_path / "m", rows, NGRAMS), ALIKE)
    assert told.endswith("'1' (64 rows) and '1.0' (32 rows); to join them, say --label 1.0=1")
    joined = run(tmp_path / "n", rows, NGRAMS, labels={"1.0": "1"})
    assert remarks(joined, ALIKE) == []
    assert nlpkit.load(tmp_path / "n").labels == ["0", "1"]


@pytest.mark.slow
def test_they_are_told_too_where_they_are_why_nothing_can_be_trained(tmp_path, examples):
    odd = next(e for e in examples if split_rows([e]).test)
    rows = [Example(e.text, "POSITIVE" if e is odd else e.label) for e in examples]
    events = []
    with pytest.raises(DataError, match="'POSITIVE' stands in the test rows only"):
        events.extend(train(SENTIMENT, rows, SentimentRun.shape().make_settings({"members": [NGRAMS]}), tmp_path / "m"))
    (told,) = remarks(events, ALIKE)
    assert told.endswith("to join them, say --label POSITIVE=positive")


def rows_of(counts):
    """So many rows of each label; which words stand in them says little of it."""
    return [Example(f"第{i}家{label}店，{'好' * (i % 5)}", label) for label, n in counts.items() for i in range(n)]


@pytest.mark.slow
def test_labels_of_few_rows_and_rare_ones_are_told_before_training(tmp_path):
    balanced = {**NGRAMS, "training": {**NGRAMS.get("training", {}), "class_weights": "balanced"}}
    counts = {"多": 120, "少": 39, "三": 41, "四": 4}
    found = run(tmp_path / "m", rows_of(counts), NGRAMS)
    (few,), (rare,) = remarks(found, FEW), remarks(found, RARE)
    assert few.startswith("'四' has 4 rows: ")
    assert few.endswith(": give more, or leave them out by --label '四='")
    assert rare.startswith("'少' has 39 rows where '多' has 120, and ")
    assert found.index(Remark(rare)) < next(i for i, e in enumerate(found) if isinstance(e, Fitting))
    assert remarks(run(tmp_path / "n", rows_of(counts), balanced), RARE) == []
    assert remarks(run(tmp_path / "o", rows_of(counts), balanced, {**NGRAMS, "name": "other"}), RARE) == [rare]


@pytest.mark.slow
def test_nothing_of_the_kind_is_told_of_balanced_rows(trained):
    ended = "was still getting better"  # after two epochs; which is told of no label
    assert [event for event in the(Remark, trained[1]) if ended not in event.sentence] == []


@pytest.mark.parametrize("test", [0.2, 0.0])
def test_a_rare_label_that_is_not_answered_is_told_after_training(tmp_path, test):
    """Nothing tells its rows from the others', so that the frequent label is always likelier."""
    rows = [Example(f"第{i}家店", "少" if i % 5 == 0 else "多") for i in range(300)]
    (told,) = remarks(run(tmp_path / "m", rows, NGRAMS, test=test), RARE_ANSWERS)
    place = "validation and test" if test else "validation"
    found = re.search(rf"of the {place} rows, (\d+) are '少', the answer to (\d+): train with --set", told)
    assert 2 * int(found[2]) < int(found[1])
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def card_of(folder):
    return " ".join((folder / "README.md").read_text("utf-8").split())


@pytest.mark.slow
def test_rows_that_a_hash_has_chosen_are_trained_on_and_told(tmp_path, examples):
    chosen = split_rows(examples, test=0.2, validation=0.2).train
    folder = tmp_path / "m"
    events = run(folder, chosen, NGRAMS)
    (told,) = remarks(events, "the hash of their letters")
    count = len(chosen)
    assert f"puts {count} of {count} rows into train, where {round(0.6 * count)} were expected" in told
    (prepared,) = the(Prepared, events)
    assert min(prepared.train, prepared.validation, prepared.test) > 0.08 * count
    config = Bundle.open(folder).config
    assert (config["data"]["dealt"], config["doubts"]) == ("seed", [told])
    assert "The rest was split by the seed:" in card_of(folder)
    assert told in card_of(folder)


@pytest.mark.slow
def test_a_run_is_made_longer_where_rows_are_few_and_says_so(tmp_path, examples):
    member = NGRAMS | {"training": TRAINING | {"min_steps": 70}}
    events = run(tmp_path / "m", examples, member)
    (note, *_) = [event.sentence for event in the(Note, events)]
    steps = -(-the(Prepared, events)[0].train // TRAINING["batch_size"])
    assert note.startswith(f"ngrams: an epoch has {steps} steps, so there are {-(-70 // steps)} at most and not 2: ")
    assert [e.epoch for e in the(Epoch, events)] == list(range(1, -(-70 // steps) + 1))
    assert f"best of {-(-70 // steps)} epochs" in card_of(tmp_path / "m")
    assert not [e for e in the(Note, run(tmp_path / "n", examples, NGRAMS)) if "an epoch has" in e.sentence]


@pytest.mark.slow
def test_how_training_ended_is_told_and_stands_in_the_card(tmp_path, examples):
    slow = TABLE | {"training": TRAINING | {"epochs": 8, "learning_rate": 0.01, "schedule": "constant"}}
    long = TABLE | {"name": "long", "training": TRAINING | {"epochs": 60, "patience": 60}}
    noise = [Example(e.text, str(i * i % 7 % 2)) for i, e in enumerate(examples)]  # which no text tells
    for name, rows, member, words in (
        ("slow", examples, slow, "table was still getting better when its 8 epochs were over"),
        ("long", noise, long, "long overfits: at epoch 60 the loss is"),
    ):
        events = run(tmp_path / name, rows, member)
        said = [event.sentence for event in the((Note, Remark), events) if words in event.sentence]
        assert len(said) == 1
        assert isinstance(next(e for e in the((Note, Remark), events) if e.sentence == said[0]), Remark) == (
            name == "slow"
        )
        assert Bundle.open(tmp_path / name).config["members"][0]["doubts"] == said
        assert said[0] in card_of(tmp_path / name)
    assert said[0].endswith("; more rows would help, or more dropout")


@pytest.mark.slow
def test_a_run_records_what_its_texts_are_like(tmp_path):
    rows = [Example(text, str(len(text) % 2)) for text in reviews(1500, seed=3)]
    run(tmp_path / "m", rows[:600], NGRAMS)
    model = nlpkit.load(tmp_path / "m")
    told = [score.warning for score in model.score(e.text for e in rows[600:]) if score.warning]
    assert len(told) <= 9
    assert all(score.warning for score in model.score(CLASSICAL) if score.label)
    assert "familiarity" in model.bundle.config["statistics"]
    run(tmp_path / "n", rows[:60], NGRAMS)  # of which too few are for validation
    assert "familiarity" not in Bundle.open(tmp_path / "n").config["statistics"]
    assert [score.warning for score in nlpkit.load(tmp_path / "n").score(CLASSICAL)] == [None] * len(CLASSICAL)


@pytest.mark.slow
def test_a_temperature_at_its_bound_is_told(tmp_path, examples):
    """Squared error and a rate beyond measure: logits of thousands, some of them wrong."""
    wild = TABLE | {"head": {"pooling": "sum"}, "training": TRAINING | {"learning_rate": 300.0, "optimizer": "sgd"}}
    wild["training"] |= {"clip": 0.0, "schedule": "constant", "epochs": 1, "loss": "mse"}
    rows = [Example(e.text, "bad" if i % 5 == 0 else e.label) for i, e in enumerate(examples)]
    (told,) = remarks(run(tmp_path / "m", rows, wild), "the temperature ended at its bound, 100")
    assert Bundle.open(tmp_path / "m").config["doubts"] == [told]
    assert told in card_of(tmp_path / "m")


def test_corpora_that_share_no_label_are_told(tmp_path, examples):
    stars = {"positive": "5", "negative": "1"}
    rows = [e if i % 3 else Example(e.text, stars[e.label], "stars.csv") for i, e in enumerate(examples)]
    told = remarks(run(tmp_path / "m", rows, NGRAMS), "if they mean the same, say --label OLD=NEW")
    assert [sentence.partition(":")[0] for sentence in told] == [
        "stars.csv shares no label (1, 5) with the others",
        "shop.csv shares no label (negative, positive) with the others",
    ]


def test_a_label_that_no_row_has_is_told(tmp_path, examples):
    (told,) = remarks(
        run(tmp_path / "m", examples, NGRAMS, labels={"positiv": "good", "negative": "bad"}), "no row has"
    )
    assert told == "no row has the label 'positiv'; did you mean 'positive'? There is: negative, positive"


def test_labels_of_which_none_is_there_are_refused(tmp_path, examples):
    with pytest.raises(DataError, match=r"no row has any of the labels 1, 0; there is: negative, positive"):
        run(tmp_path / "m", examples, NGRAMS, labels={"1": "good", "0": "bad"})
