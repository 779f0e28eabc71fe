"""``train``, whatever the task."""

import csv
import re

import pytest

from nlpkit.commands import training
from nlpkit.errors import SettingError
from nlpkit.plugins.registry import registry
from tests.outcomes import one_sentence

TASKS = ("sentiment", "cloze", "generate")
SETTINGS = {
    "sentiment": ("training.epochs=1",),
    "cloze": ("answers.min_count=1", "encoder.hidden=8", "embedding.dim=8", "output.dim=8", "head.hidden=[8]"),
    "generate": ("encoder.hidden=8", "embedding.dim=8", "output.dim=8", "training.streams=2"),
}
PARTS = {
    "sentiment": ("embedding", "encoder", "head"),
    "cloze": ("embedding", "encoder", "head", "output"),
    "generate": ("embedding", "encoder", "output"),
}
pytestmark = [pytest.mark.train, pytest.mark.parametrize("task", TASKS)]


@pytest.fixture
def corpus(tmp_path):
    """Texts in a column that is called as no text is, with labels."""
    path = tmp_path / "goods.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["甲", "乙", "label"])
        for number in range(120):
            good = number % 2
            rows.writerow([f"第{number}件", f"衣服质量{'很好' if good else '太差'}，第{number}次", good])
    return path


@pytest.fixture
def train(run, task, corpus):
    pytest.importorskip("torch")
    chosen = [word for setting in SETTINGS[task] for word in ("--set", setting)]

    def train_a_tiny_one(*arguments):
        return run(task, "train", corpus, *chosen, *arguments)

    return train_a_tiny_one


@pytest.mark.slow
def test_a_dry_run_shows_what_would_be_trained_and_leaves_nothing(task, train, tmp_path):
    done = train("--dry-run", "--column", "乙")
    assert done.returncode == 0, done.stderr.decode()
    shown = done.stdout.decode()
    assert "judged by 120 of all 120 rows" in shown
    assert [part for part in PARTS[task] if re.search(rf"^ {part} ", shown, re.MULTILINE)] == list(PARTS[task])
    assert re.search(r"[\d,]+ ids, [\d,]+ parameters; saved as a (graph|table) [\d.]+ MB", shown)
    assert ("ngrams: no network" in shown) is (task == "generate")
    assert [path.name for path in tmp_path.iterdir()] == ["goods.csv"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["-o", "{}", "--column", "丙"], 1, "丙"),
        (["-o", "{}", "--recipe", "nowhere"], 2, "there is no recipe 'nowhere' for {task}"),
        (["-o", "{}", "--config", "nowhere.toml"], 1, "nowhere.toml cannot be read"),
        (["-o", "{}", "--encoder", "lsmt"], 2, "no encoder 'lsmt'; did you mean 'lstm'"),
        (["-o", "{}", "--set", "seed=-1"], 2, "seed must be"),
        (["-o", "{}", "--samples", "nowhere.txt"], 1, "nowhere.txt"),
        (["-o", "{}", "--seed", "-1"], 2, "seed must be"),
        (["-o", "{}", "--learning-rate", "nan"], 2, "learning_rate wants a number, found nan"),
        (["-o", "{}", "--encoding", "utf-9"], 2, "utf-9"),
        (["-o", "{}", "--resume"], 1, "no unfinished run"),
        (["-o", "{}", "--from", "nowhere"], 1, "there is no model 'nowhere'"),
        (["-o", "{}", "--set", "training.learning_rate=nan"], 2, "learning_rate wants a number, found nan"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_one_sentence_and_leaves_nothing(task, train, tmp_path, arguments, code, sentence):
    done = train(*(str(tmp_path / "m") if word == "{}" else word for word in arguments))
    assert sentence.format(task=task) in one_sentence(done, code)
    assert [path.name for path in tmp_path.iterdir()] == ["goods.csv"]


def test_the_end_of_a_run_is_told_to_who_would_resume_it(run, task, models):
    assert "is finished" in one_sentence(run(task, "train", "-o", models[task], "--resume"), 1)


def read_settings(task, assignments=(), *, recipe=None, **short):
    task = registry().get("task", task).factory
    more = {"labels": {}, "more": {}}
    return training._read_settings(task, {}, {}, None, recipe=recipe, assignments=assignments, short=short, **more)


def test_the_short_ways_are_those_of_set(task):
    short = read_settings(task, seed=7, epochs=3, learning_rate=0.5)
    assert short == read_settings(task, ["seed=7", "training.epochs=3", "training.learning_rate=0.5"])
    assert short != read_settings(task)
    assert {member.training.epochs for member in short.members if hasattr(member, "training")} == {3}
    with pytest.raises(SettingError, match="epochs must be"):
        read_settings(task, epochs=0)


@pytest.mark.parametrize("option", ["--epochs", "--learning-rate"])
def test_what_is_of_networks_is_refused_where_there_is_none(run, task, corpus, write, tmp_path, option):
    if task != "generate":
        pytest.skip("all members of the others are networks")
    words = ["train", corpus, "-o", tmp_path / "m", "--config", write(b"[ngrams]\n", "counted.toml"), option, "1"]
    assert f"{option} is of networks, and there is none: leave it out" in one_sentence(run(task, *words), 2)


@pytest.mark.parametrize(
    ("option", "value", "setting"),
    [
        ("--seed", "1", "seed=2"),
        ("--epochs", "2", "training.epochs=2"),
        ("--epochs", "2", "network.training.epochs=3"),
        ("--learning-rate", "0.1", "training.learning_rate=1"),
    ],
)
def test_a_setting_is_said_once(run, task, corpus, tmp_path, option, value, setting):
    done = run(task, "train", corpus, "-o", tmp_path / "m", option, value, "--set", setting)
    assert done.returncode == 2
    assert f"give {option} or --set {setting}, not both" in done.stderr.decode()


@pytest.mark.parametrize("recipe", [["--recipe", "network"], ["--config", "mine.toml"]])
def test_a_model_to_go_on_from_is_the_recipe(train, tmp_path, recipe):
    done = train("-o", tmp_path / "m", "--from", "reviews", *recipe)
    assert done.returncode == 2
    assert b"give --from or a recipe, not both: the model says how it is composed" in done.stderr


@pytest.mark.long
@pytest.mark.slow
def test_training_goes_on_from_a_model_and_says_so(task, train, run, tmp_path):
    columns = ["--column", "乙"]
    assert train("-o", tmp_path / "first", *columns, "--set", "training.epochs=1").returncode == 0
    further = [task, "train", tmp_path / "goods.csv", *columns, "--from", "first", "--set", "training.epochs=1"]
    shown = run(*further, "--dry-run", cwd=tmp_path).stdout.decode()
    assert "\nfrom first: " in shown
    done = run(*further, "-o", "whole", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert "\nfrom first: " in done.stderr.decode()
    assert "Training went on from the model first" in run("models", "show", tmp_path / "whole").stdout.decode()
    done = run(*further, "-o", "other", "--encoder", "gru", cwd=tmp_path)
    told = one_sentence(done, 2)
    assert "training that goes on from first cannot change how it is composed: encoder." in told
    assert 'is "gru"' in told
