"""Training that goes on from a model whose embedding is a BERT: its weights are those of the model, not of a folder."""

import itertools
import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import nlpkit  # noqa: E402
from nlpkit import SettingError  # noqa: E402
from nlpkit.tasks.sentiment import SENTIMENT, SentimentRun  # noqa: E402
from nlpkit.text import Example  # noqa: E402
from nlpkit.training import BaseModel, Note, train  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402
from tiny_bert import write_bert  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.slow, pytest.mark.long]
QUICK = ("training.epochs=1", "training.batch_size=16")


def rows(good="good", bad="bad"):
    found = itertools.product(range(20), (("很好", good), ("太差", bad), ("喜欢", good), ("失望", bad)))
    return [Example(f"这家店{manner}{'很' * (i // 2)}{'了' * (i % 2)}", label) for i, (manner, label) in found]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train on a tiny BERT, which is gone by then, tuned or frozen; the folders are not to be changed."""
    folders = {}

    def train_once(*, frozen):
        if frozen not in folders:
            place = tmp_path_factory.mktemp("bert")
            bert = str(write_bert(place / "bert"))
            member = {
                "name": "network",
                "tokenizer": {"name": "wordpiece", "model": bert, "longest": 64},
                "embedding": {"name": "bert", "model": bert, "frozen": frozen},
                "encoder": {"name": "none"},
                "training": {"learning_rate": 0.002},
            }
            shape = SentimentRun.shape()
            settings = shape.make_settings(shape.assign({"members": [member]}, QUICK))
            list(train(SENTIMENT, rows(), settings, place / "mine"))
            shutil.rmtree(bert)
            folders[frozen] = place / "mine"
        return folders[frozen]

    return train_once


def go_on(model, folder, *assignments, **labels):
    """Return what was noted, and the weights at the start and at the end."""
    base, noted = BaseModel.open(model, SENTIMENT), []
    for event in train(SENTIMENT, rows(**labels), base.make_settings([*QUICK, *assignments]), folder, base=base):
        noted += [event.sentence] if isinstance(event, Note) else []
    weights = [load_file(at / "network" / "model.safetensors") for at in (model, folder)]
    assert nlpkit.load(folder).check() == []
    return noted, *weights


def moved(before, after):
    return {name for name in before if before[name].shape != after[name].shape or (before[name] != after[name]).any()}


def test_a_frozen_one_stays_as_it_is(trained, tmp_path):
    noted, before, after = go_on(trained(frozen=True), tmp_path / "m")
    assert noted[0].startswith("from mine: embedding and head of network kept; ")
    assert moved(before, after) == {name for name in before if name.startswith("head.")}


def test_a_frozen_one_can_be_tuned_then(trained, tmp_path):
    noted, before, after = go_on(trained(frozen=True), tmp_path / "m", "embedding.frozen=false", good="x", bad="y")
    assert noted[0].startswith("from mine: embedding of network kept, head new (labels x, y); ")
    assert "embedding.model.encoder.layer.0.attention.self.query.weight" in moved(before, after)
    table = "embedding.model.embeddings.word_embeddings.weight"
    assert np.abs(before[table] - after[table]).max() < 0.05
    config = json.loads((tmp_path / "m" / "config.json").read_text(encoding="utf-8"))
    assert config["members"][0]["embedding"]["config"]["frozen"] is False
    assert config["members"][0]["tokenizer"]["config"] == {"longest": 64}


def test_a_tuned_one_goes_on(trained, tmp_path):
    noted, before, after = go_on(trained(frozen=False), tmp_path / "m")
    assert noted[0].startswith("from mine: embedding and head of network kept; ")
    assert "embedding.model.encoder.layer.0.attention.self.query.weight" in moved(before, after)


@pytest.mark.parametrize("option", ["model=./other", "layer=1"])
def test_it_stays_the_one_that_it_is(trained, option):
    with pytest.raises(SettingError, match=f"embedding.{option.partition('=')[0]} of network was"):
        BaseModel.open(trained(frozen=True), SENTIMENT).make_settings([f"embedding.{option}"])


def test_without_its_weights_those_of_its_graph_go_on(trained, tmp_path):
    whole = trained(frozen=False)
    model = shutil.copytree(whole, tmp_path / "mine")
    (model / "network" / "model.safetensors").unlink()
    base = BaseModel.open(model, SENTIMENT)
    settings = base.make_settings([*QUICK, "training.learning_rate=1e-9"])
    list(train(SENTIMENT, rows(), settings, tmp_path / "m", base=base))
    before, after = (load_file(at / "network" / "model.safetensors") for at in (whole, tmp_path / "m"))
    assert before.keys() == after.keys()
    assert all(np.allclose(before[name], after[name], atol=1e-6) for name in before)
