"""User dictionaries through the command that trains: told, kept, and read alike from then on."""

import json

import pytest

from nlpkit.model.members import open_tokenizer
from nlpkit.tasks.sentiment.model import SentimentModel
from tests.outcomes import one_sentence
from tests.tasks.sentiment.test_train import RECIPE, write_goods

SHORT = RECIPE.partition("\n\n[[members]]")[0].replace('"char"', '"rjieba"').replace("epochs = 4", "epochs = 1")


@pytest.fixture
def train(run, tmp_path):
    corpus, recipe = write_goods(tmp_path), tmp_path / "short.toml"
    recipe.write_text(SHORT, encoding="utf-8")

    def run_training(dictionary: bytes, *arguments):
        (tmp_path / "ud.txt").write_bytes(dictionary)
        setting = f"tokenizer.dictionary={tmp_path / 'ud.txt'}"
        return run("sentiment", "train", corpus, "-o", tmp_path / "m", "--config", recipe, "--set", setting, *arguments)

    return run_training


@pytest.mark.train
@pytest.mark.slow
def test_a_dictionary_is_told_and_kept_and_read_alike_by_the_model(train, tmp_path):
    done = train("小店 Plus分\n,5\n家店 3 pro\n".encode("gb18030"))
    assert done.returncode == 0, done.stderr
    first, second, *_ = done.stderr.decode().splitlines()
    assert first.endswith("ud.txt: line 2 (no word) cannot be used")
    assert second.startswith("Warning: ")
    assert "line 3 (the word '家店' and the tag 'pro')" in second
    model = SentimentModel.load(tmp_path / "m")
    assert model.bundle.read("bag/tokenizer/dictionary.txt").decode() == "小店 Plus分\n,5\n家店 3 pro\n"
    config = json.loads((tmp_path / "m/config.json").read_bytes())
    assert config["normalisation"]["words"] is config["normalisation"]["visible"] is True
    tokenizer = open_tokenizer(model.bundle, config["members"][0]["tokenizer"], "bag/tokenizer")
    assert tokenizer.tokenize(model.normaliser("去小店 PLUS分买T恤")) == ["去", "小店 plus分", "买", "t恤"]


@pytest.mark.train
def test_a_frequency_that_is_too_large_is_one_sentence(train):
    done = train("一拍即合 99999999999999999999\n".encode())
    assert "ud.txt, line 1: the frequency is too large" in one_sentence(done, 1)
