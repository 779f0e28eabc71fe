"""A model is trained by nlpkit's own run: char or word tokens, resumed, measured, compared."""

import json
from pathlib import Path

import pytest
from nlpkit import SettingError
from nlpkit.tasks import resolve
from nlpkit.text import Faults, examples_of
from tiny_opinions import read_lines

from nlpkit_aspects.task import ASPECTS

pytestmark = [pytest.mark.train, pytest.mark.slow]
torch = pytest.importorskip("torch")

from nlpkit.training import Epoch, read_recipe, train  # noqa: E402

SMALL = ("embedding.dim=24", "encoder.hidden=24", "encoder.layers=1", "embedding.min_count=1", "training.epochs=10")
MORE = ("training.learning_rate=0.02", "pair_dim=16", "weights=float32", "dropout=0.1", "training.replaced=0.1")


def sets(*more):
    return [part for one in (*SMALL, *MORE, *more) for part in ("--set", one)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, corpus):
    from click.testing import CliRunner
    from nlpkit.commands import cli

    folder = tmp_path_factory.mktemp("trained") / "mine"
    done = CliRunner().invoke(cli, ["aspects", "train", str(corpus), "-o", str(folder), "--threads", "1", *sets()])
    assert done.exit_code == 0, done.output
    return folder


def test_it_learns_is_measured_and_tells_in_its_card(trained, corpus, run):
    config = json.loads((trained / "config.json").read_text("utf-8"))
    assert config["metrics"]["all"]["exact"]["f1"] > 80
    assert config["members"][0]["runtime"] == "graph"
    assert "opinions are read" in (trained / "README.md").read_text("utf-8").lower()
    done = run("aspects", "evaluate", corpus, "--model", trained, "--format", "json")
    told = json.loads(done.stdout)["all"]
    assert told["exact"]["f1"] > 80
    assert told["overlapping"]["f1"] >= told["exact"]["f1"]
    assert run("models", "check", trained).exit_code == 0


def test_wrong_rows_are_written(trained, corpus, run, tmp_path):
    wrong = tmp_path / "wrong.jsonl"
    strange = tmp_path / "strange.jsonl"
    rows = [{"text": "菜很好", "opinions": []}, *read_lines(corpus.read_text("utf-8"))[:60]]
    strange.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    assert run("aspects", "evaluate", strange, "--model", trained, "--errors", wrong).exit_code == 0
    told = read_lines(wrong.read_text("utf-8"))
    assert "菜很好" in [row["text"] for row in told]
    assert json.loads(next(row for row in told if row["text"] == "菜很好")["answer"])[0]["opinion"] == "很好"


@pytest.mark.long
def test_a_run_that_was_interrupted_comes_to_the_same(trained, corpus, tmp_path):
    shape = resolve(ASPECTS.run).shape()
    settings = shape.make_settings(shape.assign(read_recipe(ASPECTS, "network"), (*SMALL, *MORE)))

    def rows():
        return examples_of(str(corpus), answer="json", answer_columns=("opinions",), faults=Faults())

    torch.set_num_threads(1)
    for event in (events := train(ASPECTS, rows(), settings, tmp_path / "mine")):
        if isinstance(event, Epoch) and event.epoch == 2:
            events.close()
    list(train(ASPECTS, rows(), settings, tmp_path / "mine", resume=True))
    assert (tmp_path / "mine/network/model.safetensors").read_bytes() == (
        trained / "network/model.safetensors"
    ).read_bytes()


@pytest.mark.long
@pytest.mark.parametrize("composition", [("--tokenizer", "char"), ("--embedding", "trainable", "--encoder", "cnn")])
def test_other_tokens_and_encoders_learn_too_and_are_compared(trained, composition, corpus, run, tmp_path):
    some = [f"--set={one}" for one in ("training.epochs=2", "training.learning_rate=0.02", "embedding.dim=16")]
    done = run("aspects", "train", corpus, "-o", tmp_path / "mine", "--threads", 1, *composition, *some)
    assert done.exit_code == 0, done.output
    answer = run("aspects", "score", "--text", "菜很好", "--model", tmp_path / "mine", "--format", "jsonl")
    assert "opinions" in read_lines(answer.stdout)[0]
    done = run("aspects", "compare", corpus, "--model", trained, "--model", tmp_path / "mine", "--format", "json")
    assert done.exit_code == 0, done.output


@pytest.mark.long
def test_another_corpus_may_be_for_training_alone(corpus, run, tmp_path):
    marked = tmp_path / "marked.jsonl"
    rows = [{"text": f"{n}号房间很大", "opinions": []} for n in range(30)]
    marked.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    recipe = tmp_path / "recipe.toml"
    own = (Path(__file__).parents[1] / "nlpkit_aspects/recipes/network.toml").read_text("utf-8")
    recipe.write_text(f'{own}\n[[corpora]]\nfile = "marked.jsonl"\nsplit = false\nweight = 0.5\n', "utf-8")
    few = ("--set", "training.epochs=1", "--set", "embedding.dim=8", "--set", "encoder.hidden=8")
    done = run("aspects", "train", corpus, marked, "-o", tmp_path / "mine", "--threads", 1, "--recipe", recipe, *few)
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "mine/config.json").read_text("utf-8"))["data"]
    assert [part["rows"]["train"] for part in told["mixture"] if part["name"] == "marked.jsonl"] == [30]


def test_an_embedding_without_order_and_several_members_are_refused():
    shape = resolve(ASPECTS.run).shape()
    tables = read_recipe(ASPECTS, "network")
    disordered = shape.make_settings(shape.choose(tables, {"embedding": "ngrams"}))
    with pytest.raises(SettingError, match="keeps no order"):
        resolve(ASPECTS.run)(ASPECTS, disordered).rehearse()
    member = {"name": "other", **tables["network"]}
    with pytest.raises(SettingError, match="has one member, the recipe has 2"):
        resolve(ASPECTS.run)(ASPECTS, shape.make_settings({**tables, "members": [member]})).rehearse()
