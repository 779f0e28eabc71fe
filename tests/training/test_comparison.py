"""``compare``, of recipes that are trained for it."""

import json
import os
import re
import shutil
import signal

import pytest

pytest.importorskip("torch")

from nlpkit.errors import SettingError
from nlpkit.tasks.sentiment.task import SENTIMENT
from nlpkit.training.comparison import TrainingStarted, compare_recipes, read_labels
from tests.outcomes import csv_rows
from tests.training.processes import Running
from tests.training.runs import TINY

pytestmark = [pytest.mark.train, pytest.mark.slow]
NGRAMS = """\
[network]
tokenizer = { name = "char" }
embedding = { name = "ngrams", low = 1, high = 2, bits = 10 }
encoder = { name = "none" }
head = { pooling = "sqrtn", projection = false }
training = { epochs = 1, learning_rate = 0.1, batch_size = 16 }
"""
IDLE = """\
[network]
tokenizer = { name = "char" }
embedding = { name = "trainable", dim = 2, min_count = 1 }
encoder = { name = "none" }
training = { epochs = 1, learning_rate = 1e-9 }
"""
RECIPES = {"learning": NGRAMS, "alike": NGRAMS.replace("0.1", "0.09"), "idle": IDLE}


@pytest.fixture
def folder(tmp_path, corpus):  # noqa: ARG001 - which writes the rows
    """A corpus, a recipe that learns, one that does not, and one that is as good as the first."""
    for name, recipe in RECIPES.items():
        (tmp_path / f"{name}.toml").write_text(recipe)
    return tmp_path


@pytest.fixture
def compare(run, folder):
    def compare_recipes(*recipes, seeds=1, more=()):
        options = [word for name in recipes for word in ("--recipe", f"{name}.toml")]
        command = ("sentiment", "compare", "corpus.csv", *options, "--seeds", seeds, "--folds", 3, *more)
        return run(*command, cwd=folder)

    return compare_recipes


@pytest.mark.long
def test_a_recipe_that_learns_is_better(compare, folder):
    done = compare("learning", "idle", seeds=2, more=("--work", "work", "-f", "json", "-o", "differ.csv"))
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    assert (found["seeds"], found["folds"], found["rows"]["all"]["rows"]) == (2, 3, 192)
    (difference,) = found["rows"]["all"]["differences"]
    assert difference["better"] == "learning"
    assert difference["low"] > 0
    assert "those trained on as well as those answered, and in the seeds" in found["notes"][0]
    assert all(model["training_cpu_seconds"] > 0 for model in found["models"].values())
    rows = csv_rows((folder / "differ.csv").read_bytes())
    assert {row["seed"] for row in rows} == {"0", "1"}
    assert {row["fold"] for row in rows} == {"1", "2", "3"}
    said = done.stderr.decode()
    assert "2 recipes, 2 seeds, 3 folds: 12 trainings" in said
    assert "training 12 of 12: idle, seed 1, without fold 3" in said
    assert "10 trainings are left, for 0:0" in said


@pytest.mark.long
def test_no_model_is_asked_about_a_row_that_it_was_trained_on(folder, examples):
    settings = {"table": TINY["sentiment"].settings("training.epochs=1")}
    more = {"seeds": 2, "folds": 2, "origin": {}, "options": {}}
    events = list(compare_recipes(SENTIMENT, examples, settings, folder / "work", **more))
    rounds = events[-1].comparison.rounds
    for seed in range(2):
        texts = [example.text for one in rounds if one.seed == seed for example in one.examples]
        assert sorted(texts) == sorted({example.text for example in examples})
    config = json.loads((folder / "work" / "table" / "seed-0-fold-1" / "config.json").read_text())
    assert config["data"]["rows"] == len(examples) - len(rounds[0].examples)
    assert config["data"]["test"] == 0
    assert sum(isinstance(event, TrainingStarted) for event in events) == 4


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_the_same_command_goes_on_where_it_was_interrupted(compare, folder, monkeypatch):
    monkeypatch.chdir(folder)
    recipes = [word for name in ("learning", "alike") for word in ("--recipe", folder / f"{name}.toml")]
    command = ("sentiment", "compare", folder / "corpus.csv", *recipes, "--folds", 3, "--seeds", 1, "--work")
    running = Running(*command, folder / "work", folder=folder)
    running.until(lambda: (folder / "work" / "alike" / "seed-0-fold-1" / "config.json").exists())
    ended = running.send(signal.SIGINT, signal.SIGCONT).end()
    assert ended.returncode == 130
    assert "the same command goes on" in ended.stderr.decode()
    kept = (folder / "work" / "learning" / "seed-0-fold-1" / "config.json").stat().st_mtime_ns
    done = Running(*command, folder / "work", folder=folder).end()
    assert done.returncode == 0, done.stderr.decode()
    assert "training 1 of 6" not in done.stderr.decode()
    assert (folder / "work" / "learning" / "seed-0-fold-1" / "config.json").stat().st_mtime_ns == kept
    whole = Running(*command, folder / "whole", folder=folder).end()
    verdicts = [re.findall("^learning and alike: no difference.*$", of.stdout.decode(), re.M) for of in (done, whole)]
    assert verdicts[0]
    assert verdicts[0] == verdicts[1]
    more = compare("learning", "alike", more=("--work", "work", "--set", "training.epochs=2"))
    assert more.returncode == 2
    assert "holds trainings of another comparison" in more.stderr.decode()
    assert "epochs was 1, is 2" in more.stderr.decode()


def test_what_cannot_be_trained_is_told(compare, folder):
    done = compare("learning", "none")
    assert done.returncode == 1
    assert "none.toml cannot be read" in done.stderr.decode()
    (folder / "other").mkdir()
    shutil.copy(folder / "idle.toml", folder / "other" / "learning.toml")
    done = compare("learning", "other/learning")
    assert "two recipes are called learning" in done.stderr.decode()
    (folder / "teacher.toml").write_text("[teacher]\nmodel = 'reviews'\n" + (folder / "idle.toml").read_text())
    assert "the recipe teacher brings rows or a teacher" in compare("learning", "teacher").stderr.decode()
    (folder / "few.csv").write_text("text,label\n好,1\n差,0\n")
    (folder / "work" / "learning").mkdir(parents=True)
    (folder / "work" / "learning" / "mine.txt").write_text("mine")
    assert "is no folder of a comparison" in compare("learning", "idle", more=("--work", "work")).stderr.decode()
    assert (folder / "work" / "learning" / "mine.txt").read_text() == "mine"


def test_recipes_agree_on_what_labels_are_called():
    one, two = (TINY["sentiment"].settings(f"labels.1={name}") for name in ("good", "fine"))
    assert read_labels({"one": one}, {"0": "bad"}) == {"1": "good", "0": "bad"}
    assert read_labels({"one": one, "two": two}, {"1": "yes"}) == {"1": "yes"}
    with pytest.raises(SettingError, match="call the label 1 good and fine: say --label 1=NAME"):
        read_labels({"one": one, "two": two}, {})
