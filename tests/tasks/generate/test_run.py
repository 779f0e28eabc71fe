"""Whole trainings of models that generate, tiny but real: trained, counted, mixed, tested, saved and opened."""

import itertools
import json
import re
import tomllib
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import nlpkit  # noqa: E402
from nlpkit.errors import DataError, NlpkitError, SettingError  # noqa: E402
from nlpkit.model.bundle import Bundle  # noqa: E402
from nlpkit.tasks.generate import member  # noqa: E402
from nlpkit.tasks.generate.run import GenerationRun  # noqa: E402
from nlpkit.tasks.generate.task import GENERATE  # noqa: E402
from nlpkit.text import continuous  # noqa: E402
from nlpkit.text.corpus import Example  # noqa: E402
from nlpkit.text.split import fingerprint  # noqa: E402
from nlpkit.training.dry_run import plan  # noqa: E402
from nlpkit.training.events import Fitting, MemberExported, Note, Prepared, Saved  # noqa: E402
from nlpkit.training.loop import Epoch, Resumed, Step  # noqa: E402
from nlpkit.training.run import train  # noqa: E402
from nlpkit.training.settings import list_recipes, read_recipe  # noqa: E402
from tests.tasks.sentiment.test_run import files_of, the  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.slow]
SHAPE = GenerationRun.shape()
TABLES = {
    "validation": 0.2,
    "ngrams": {"order": 3},
    "network": {
        "embedding": {"name": "trainable", "dim": 12, "min_count": 1},
        "encoder": {"name": "lstm", "hidden": 16, "bidirectional": False},
        "output": {"name": "softmax", "dim": 12, "tied": True, "negatives": 0},
        "training": {"epochs": 3, "streams": 4, "span": 16, "learning_rate": 0.02},
    },
}


@pytest.fixture(scope="module")
def texts():
    """240 texts of few characters."""
    found = itertools.product("我你他她", ("看见", "听说", "记得"), "天地日月星", "山水火风")
    lines = (f"{a}{b}{x}{y}，{y}{x}" for a, b, x, y in found)
    return [Example(line, "", "one.txt" if i % 3 else "two.txt") for i, line in enumerate(lines)]


def made(*assignments, **components):
    return SHAPE.make_settings(SHAPE.assign(SHAPE.choose(TABLES, components), assignments))


def run(folder, texts, *assignments, **components):
    return list(train(GENERATE, texts, made(*assignments, **components), folder))


def test_a_model_is_trained_tested_saved_and_opened(tmp_path, texts):
    events = run(tmp_path / "m", texts)
    (prepared,) = the(Prepared, events)
    assert prepared.train + prepared.validation + prepared.test == len(texts)
    assert [event.name for event in the(Fitting, events)] == ["network"]
    assert len(the(Note, events)) == 3  # what the network would write after each epoch
    (exported,) = the(MemberExported, events)
    assert exported.runtime == "graph"
    assert exported.difference < 1e-4
    (saved,) = the(Saved, events)
    assert set(saved.metrics) == {"all", "one.txt", "two.txt"}
    assert saved.metrics["all"].characters == saved.metrics["one.txt"].characters + saved.metrics["two.txt"].characters
    assert sum(saved.stages[0].weights) == pytest.approx(1, abs=1e-3)
    model = nlpkit.load(tmp_path / "m")
    assert isinstance(model, nlpkit.GenerationModel)
    assert model.check() == []
    (text,) = model.generate(["我看见"], length=6, seed=1)
    assert set(text.text) <= set(model.characters)
    card = (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    assert "Not to be used" in card
    assert f"{saved.metrics['all'].bits:.3f}" in card


def test_a_mixture_is_hardly_worse_than_its_better_member(tmp_path, texts):
    (both,) = the(Saved, run(tmp_path / "both", texts))
    (alone,) = the(Saved, run(tmp_path / "alone", texts, "ngrams.order=0"))
    assert [member["name"] for member in Bundle.open(tmp_path / "alone").config["members"]] == ["network"]
    assert both.metrics["all"].bits < alone.metrics["all"].bits + 0.1


@pytest.mark.parametrize("encoder", ["gru", "rnn"])
@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_other_encoders_and_weights(tmp_path, texts, encoder, weights):
    more = ("training.epochs=1", "encoder.hidden=12", f"weights={weights}")
    run(tmp_path / "m", texts, *more, encoder=encoder)
    assert nlpkit.GenerationModel.load(tmp_path / "m").check() == []


@pytest.mark.slow
@pytest.mark.long
def test_a_run_that_is_closed_again_and_again_comes_to_the_same_files(tmp_path, texts, monkeypatch):
    """Of texts that are shuffled and focused, and of a book whose pieces stay together."""
    focused = made("training.focus=[0.3, 0.8]")
    monkeypatch.setattr(continuous, "LONG_LINE", 300)
    texts = [*texts, Example("他听说天地日月，山水火风。" * 50, "", "book.txt")]
    events = list(train(GENERATE, texts, focused, tmp_path / "whole" / "m"))
    steps, attempts = len(the(Step, events)), 0
    folder = tmp_path / "closed" / "m"
    while True:
        rows = iter(()) if attempts else texts
        going = train(GENERATE, rows, focused, folder, resume=attempts > 0, every=0)
        seen, done = 0, False
        for event in going:
            done = done or isinstance(event, Saved)
            seen += isinstance(event, Step)
            if seen >= steps // 2 + 1:
                going.close()
                break
        attempts += 1
        if done:
            break
    assert attempts > 1
    whole, closed = files_of(tmp_path / "whole" / "m"), files_of(folder)
    assert [path for path in whole if whole[path] != closed.get(path)] == []


def test_lines_of_a_novel_are_read_and_split_in_their_order(tmp_path):
    """Repeated and empty ones among them."""
    lines = [["他走了。", "", f"第{i}回，天地{'日月星'[i % 3]}"][i % 3] for i in range(150)]
    texts = [Example(line, "", "novel.txt") for line in lines]
    events = run(tmp_path / "m", texts, "training.shuffle=false", "training.epochs=1")
    (prepared,), (saved,) = the(Prepared, events), the(Saved, events)
    assert (prepared.rows, prepared.ordered, prepared.duplicates, prepared.empty) == (150, 150, 0, 0)
    assert (prepared.train, prepared.validation, prepared.test) == (90, 30, 30)
    assert Bundle.open(tmp_path / "m").config["data"]["fingerprint"] == fingerprint(texts[:90])
    assert saved.metrics["all"].texts == 30
    assert saved.metrics["all"].characters == sum(len(line) + 1 for line in lines[120:])
    assert "follow each other, and none was dropped" in (tmp_path / "m" / "README.md").read_text("utf-8")


def test_a_book_in_one_line_is_cut_and_stays_in_order(tmp_path):
    book = "".join(f"第{i % 10}回，他看见天地日月。她说：“好。”" for i in range(300))
    events = run(tmp_path / "m", [Example(book, "", "book.txt")], "training.epochs=1")
    (prepared,), (cut, *_) = the(Prepared, events), the(Note, events)
    assert cut.sentence.endswith(f"cut into pieces at the ends of sentences: book.txt in {prepared.rows}")
    assert prepared.ordered == prepared.rows == prepared.train + prepared.validation + prepared.test > 20
    assert Bundle.open(tmp_path / "m").config["data"]["ordered"] == prepared.rows


def test_an_interrupted_run_says_where_it_goes_on(tmp_path, texts):
    going = train(GENERATE, texts, made(), tmp_path / "m")
    for event in going:
        if isinstance(event, Epoch):
            going.close()
            break
    events = list(train(GENERATE, iter(()), made(), tmp_path / "m", resume=True))
    (resumed,) = the(Resumed, events)
    assert resumed.epoch == 2


def test_what_fails_as_a_run_is_closed_is_heard(tmp_path, texts):
    going = train(GENERATE, texts, made(), tmp_path / "m")
    for event in going:
        if isinstance(event, Step):
            (tmp_path / "m.training" / "network.safetensors").mkdir()  # so the state cannot be saved
            with pytest.raises(NlpkitError, match="cannot be written"):
                going.close()
            break


@pytest.mark.parametrize(
    ("components", "assignments", "sentence"),
    [
        ({"embedding": "ngrams"}, [], "has no vector that depends on its token alone"),
        (
            {"encoder": "lstm"},
            ["encoder.bidirectional=true"],
            "sees what comes after.*: set encoder.bidirectional=false",
        ),
        ({"encoder": "cnn"}, [], "sees what comes after"),
        ({"encoder": "none"}, [], "carries no state"),
        ({}, ["normalisation=true"], "normalisation wants a table of settings"),
        ({}, ["training.streams=0"], "streams must be at least 1, was: 0"),
        ({}, ["training.focus=[2, 3]"], "training.focus wants two shares"),
        ({}, ["dropout=1"], r"dropout must be in \[0, 1\)"),
        ({}, ["weights=int2"], "weights cannot be 'int2'; did you mean 'int8'"),
        ({}, ["ngrams.order=1"], "ngrams: order "),
        ({}, ["ngrams.order=9"], "ngrams: order "),
        ({}, ["ngrams.min_count=0"], "ngrams: min_count must be at least 1, was: 0"),
        ({}, ["ngrams.most=0"], "ngrams: most must be at least 1, was: 0"),
        ({}, ["network.nothing=1"], "nothing"),
    ],
)
def test_what_is_wrong_is_told_before_any_text_is_read(tmp_path, components, assignments, sentence):
    def texts():
        raise AssertionError
        yield

    with pytest.raises(SettingError, match=sentence):
        list(train(GENERATE, texts(), made(*assignments, **components), tmp_path / "m"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("assignments", "sentence"),
    [
        (["training.streams=2000"], "too few for 2000 streams of at least two tokens: give more, or set"),
        (["embedding.min_count=1000"], "the end of a text is too rare for the vocabulary"),
        (["training.focus=[0.3, 0.6]"], "no validation row of the first corpus, which training.focus makes the judge"),
    ],
)
def test_what_only_the_texts_can_tell_is_one_sentence(tmp_path, texts, assignments, sentence):
    other = [Example(f"只有这{number}行", "", "zero.txt") for number in range(2)]
    with pytest.raises((SettingError, DataError), match=sentence):
        run(tmp_path / "m", [*other, *texts], *assignments)


def test_more_tokens_than_ngrams_can_hold_are_refused(tmp_path, texts, monkeypatch):
    monkeypatch.setattr(member, "MOST_IDS", 8)
    with pytest.raises(SettingError, match="more than the 8 that n-grams can hold"):
        run(tmp_path / "m", texts)


def test_few_texts_are_enough(tmp_path):
    few = [Example(text, "", "few.txt") for text in "天地日月星山水火风土木云雨"]
    run(tmp_path / "m", few, "training.streams=2", "training.epochs=1", "validation=0.1")
    assert nlpkit.GenerationModel.load(tmp_path / "m").check() == []


def test_focus_wants_several_corpora(tmp_path, texts):
    with pytest.raises(SettingError, match="there is but one"):
        run(tmp_path / "m", [e for e in texts if e.corpus == "one.txt"], "training.focus=[0.3, 0.6]")


def test_the_recipe_in_the_docs_is_one():
    docs = (Path(__file__).parents[3] / "docs" / "generation.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"```toml\n(.*?)```", docs, re.DOTALL)
    network, *_ = SHAPE.make_settings(tomllib.loads(recipe)).members
    assert network.training.epochs == 5


def test_what_a_recipe_lacks_is_told():
    with pytest.raises(SettingError, match="network lacks embedding and output: a recipe says all of it"):
        SHAPE.make_settings({"network": {"encoder": {"name": "gru"}}})


@pytest.mark.parametrize("name", list_recipes(GENERATE))
def test_recipes_are_right(name):
    run_of = GenerationRun(GENERATE, SHAPE.make_settings(read_recipe(GENERATE, name)))
    assert run_of.rehearse() == []
    assert json.dumps(read_recipe(GENERATE, name))


def test_ngrams_stand_behind_a_network(tmp_path, texts):
    tables = {**TABLES, "members": [{"name": "first", "kind": "ngrams"}, TABLES["network"]]}
    del tables["network"], tables["ngrams"]
    with pytest.raises(SettingError, match="n-grams stand behind a network, which chooses the characters"):
        list(train(GENERATE, texts, SHAPE.make_settings(tables), tmp_path / "m"))


def test_a_dry_run_tells_what_a_run_would_be(texts):
    found = plan(GENERATE, texts, made())
    network, ngrams = found.members
    assert [layer.kind for layer in network.layers] == ["embedding", "encoder", "output"]
    assert [layer.shape for layer in network.layers][:2] == [(2, 7, 12), (2, 7, 16)]
    assert network.parameters == sum(layer.parameters for layer in network.layers)
    assert (network.loops[0].epochs, ngrams.runtime, ngrams.layers) == (3, "ngrams", [])
    assert (found.rows, found.whole, found.labels) == (len(texts), True, {})
