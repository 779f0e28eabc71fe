import csv
import io
import itertools
import json
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.outcomes import one_sentence
from tests.tasks.sentiment.test_train import can_be_killed, check_finished, check_same, rows_in

pytestmark = [pytest.mark.train, pytest.mark.slow]
PAIRS = {f"{x}{y}": f"{y}{x}" for x in "天地日月星" for y in "山水火风土木云雨"}
TINY = """
tokenizer = { name = "whitespace" }
answers = { min_count = 2 }
validation = 0.2

[network]
embedding = { name = "spelled", dim = 16, min_count = 1, dropout = 0.1 }
encoder = { name = "averaging" }
output = { name = "characters", size = 64 }
head = { hidden = [32], dropout = 0.1 }
training = { epochs = 4, batch_tokens = 96, learning_rate = 0.02, exact_epochs = 1 }
"""
STRANGE = """
from nlpkit import hookimpl

def make_parts():
    import torch
    from torch import nn
    from torch.nn import functional

    class Averaging(nn.Module):
        causal = True
        config = {}
        def __init__(self, input_dim):
            super().__init__()
            self.output_dim, self.layer = 6, nn.Linear(input_dim, 6)
        def forward(self, vectors, mask, state=None):
            states = [self.layer(vectors[:, at]) for at in range(int(mask.sum(1).max()) or 1)]  # no export
            states += [torch.zeros_like(states[0])] * (vectors.shape[1] - len(states))
            return torch.stack(states, 1).cumsum(1) / 8, state

    class Layer(nn.Module):
        def __init__(self, input_dim, words, size):
            super().__init__()
            self.projection = nn.Linear(input_dim, size)
            self.register_buffer("spelling", torch.zeros(words, size))
            self.register_buffer("kept", torch.ones(words))
        def fit(self, words, counts, kept, vectors):
            self.kept.copy_(torch.from_numpy(kept))
            for row, word in zip(self.spelling, words):
                for place, character in enumerate(word):
                    row[(2 * ord(character) + place) % len(row)] += 1
        def forward(self, features):
            return self.projection(features)
        def loss(self, features, targets, *, exact):
            return functional.cross_entropy(self(features) @ self.spelling.T, targets)
        def arrays(self):
            return {"spelling": self.spelling.to(torch.uint8).numpy(), "bias": -torch.log(self.kept).numpy()}

    return Averaging, Layer

class Decoder:
    def __init__(self, arrays):
        self.spelling, self.bias = arrays["spelling"].astype("float32"), arrays["bias"]
    def logits(self, outputs):
        return outputs @ self.spelling.T + self.bias

class Characters:
    def __init__(self, size):
        self.config = {"size": size}
    def layer(self, *, input_dim, words, inputs):
        return make_parts()[1](input_dim, words, self.config["size"])
    def decoder(self, arrays):
        return Decoder(arrays)

def characters(*, size: int = 64):
    return Characters(size)

@hookimpl
def nlpkit_register_encoders(register):
    register("averaging", lambda *, input_dim: make_parts()[0](input_dim))

@hookimpl
def nlpkit_register_outputs(register):
    register("characters", characters)
"""


def write_texts(folder: Path) -> Path:
    """A file of 320 texts without labels, in which a word tells the one beside it."""
    path = folder / "texts.txt"
    found = itertools.product(("我们", "他们", "你们", "大家"), PAIRS.items(), ("呢", "啊"))
    path.write_text("".join(f"{a} 看见 {x} {y} {b}\n" for a, (x, y), b in found), encoding="utf-8")
    return path


def write_recipe(folder: Path, text: str = TINY) -> Path:
    path = folder / "tiny.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def texts(tmp_path):
    return write_texts(tmp_path)


@pytest.fixture
def begin(tmp_path):
    """Begin a training run in a process that can be killed."""
    kind, begun = can_be_killed(), []

    def begin_training(*arguments: object, **options: object):
        begun.append(kind("cloze", "train", *arguments, folder=tmp_path, **options))
        return begun[-1]

    yield begin_training
    for running in begun:
        running.abandon()


@pytest.fixture
def train(begin):
    """Train in a process to its end."""

    def train_to_end(*arguments: object, **options: object) -> subprocess.CompletedProcess:
        return begin(*arguments, **options).end()

    return train_to_end


# The recipe that there is, with a network small enough for a test

SMALL = ("answers.min_count=2", "embedding.dim=16", "embedding.min_count=1", "encoder.hidden=8", "output.dim=16")
SMALL += ("head.hidden=[32]", "training.epochs=4", "training.batch_tokens=96", "training.learning_rate=0.02")
SMALL += ("validation=0.2", "training.subsample=0", "seed=2")


@pytest.fixture(scope="module")
def from_texts(tmp_path_factory):
    """The folder of a model that is trained by the recipe ``network``, and how the command ended."""
    place = tmp_path_factory.mktemp("network")
    chosen = (part for setting in SMALL for part in ("--set", setting))
    arguments = (write_texts(place), "-o", place / "m", "--tokenizer", "whitespace", *chosen)
    done = can_be_killed()("cloze", "train", *arguments, folder=place).end()
    check_finished(done, place / "m")
    return place / "m", done


def test_a_run_is_reported(from_texts):
    folder, done = from_texts
    said = done.stderr.decode()
    assert re.search(r"320 rows\b", said)
    assert "several labels" not in said
    assert "spelled → lstm → softmax (both ways)" in said
    assert re.search(r"epoch +1 +train loss [\d.]+ +val loss [\d.]+ acc [\d.]+ +[\d.]+ s +best", said)
    assert "greatest difference of a probability from torch" in said
    assert str(folder) in said
    assert [line for line in said.splitlines() if "Warning" in line and "still getting better" not in line] == []
    printed = done.stdout.decode()
    assert "top-1" in printed
    assert "texts.txt" not in printed.splitlines()[0]
    table = csv.DictReader(io.StringIO((folder / "history.csv").read_text("utf-8"), newline=""))
    assert [row["epoch"] for row in table] == ["1", "2", "3", "4"]
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_model_fills_and_checks(run, from_texts):
    folder, _ = from_texts
    done = run("models", "check", folder)
    assert (done.returncode, done.stdout.decode()) == (0, f"{folder}: ok\n")
    filled = run("cloze", "-m", folder, "大家 看见 天山 __ 呢")
    assert filled.returncode == 0
    assert "山天" in filled.stdout.decode()
    assert run("models", "show", folder).stdout.startswith(b"# m\n\nA cloze model")


# A stranger's encoder and output


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    """The model of a quick run that nobody disturbs, the environment of its plugin, and how the run ended."""
    place = tmp_path_factory.mktemp("strange")
    site = place / "site"
    information = site / "stranger-1.2.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.2\n")
    (information / "entry_points.txt").write_text("[nlpkit]\nstranger = stranger_plugin\n")
    (site / "stranger_plugin.py").write_text(STRANGE, encoding="utf-8")
    environment = {"PYTHONPATH": str(site)}
    arguments = (write_texts(place), "-o", place / "m", "--config", write_recipe(place))
    done = can_be_killed()("cloze", "train", *arguments, folder=place, environment=environment).end()
    check_finished(done, place / "m")
    return place / "m", environment, done


def test_what_torch_cannot_export_runs_through_torch(run, strange, tmp_path):
    folder, environment, _ = strange
    (network,) = json.loads((folder / "config.json").read_bytes())["members"]
    assert network["runtime"] == "torch"
    assert network["output"] == {
        "name": "characters",
        "distribution": "stranger",
        "version": "1.2",
        "config": {"size": 64},
    }
    assert (folder / "network" / "model.safetensors").is_file()
    assert not (folder / "network" / "model.onnx").exists()
    fill = ("cloze", "-m", folder, "大家 看见 天山 __ 呢")
    filled = can_be_killed()(*fill, folder=tmp_path, environment=environment).end()
    assert "山天" in filled.stdout.decode()
    done = run(*fill)
    assert "pip install 'stranger>=1.2'" in one_sentence(done, 1)


@pytest.mark.slow
@pytest.mark.long
def test_a_run_that_is_killed_again_and_again_comes_to_the_same_model(begin, texts, strange, tmp_path):
    whole, environment, _ = strange
    folder, run = tmp_path / "killed" / "m", tmp_path / "killed" / "m.training"
    arguments = ("--config", write_recipe(tmp_path), "--save-every", "0")
    moments = [
        lambda: (run / "run.json").exists(),  # reading
        lambda: (run / "words").exists() or (run / ".words.new").exists(),
        lambda: (run / "members" / ".network.new").exists() or (run / "members" / "network").exists(),
        lambda: (run / "network.safetensors").exists(),
        lambda: rows_in(run / "history.csv") > 3,  # the header, and two epochs
        lambda: (run / "trained" / ".network.new").exists() or (run / "trained" / "network").exists(),
    ]
    for number, moment in enumerate(moments):
        more = (texts, *arguments) if number % 2 == 0 else ("--save-every", "0")
        running = begin("-o", folder, *more, *(["--resume"] if number else []), environment=environment)
        done = running.until(moment).send(signal.SIGKILL).end()
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        assert not folder.exists()
    done = begin("-o", folder, "--resume", environment=environment).end()
    check_finished(done, folder)
    assert "resumed at epoch" in done.stderr.decode()
    check_same(folder, whole)


# What is wrong

FAULTS = [
    (["--recipe", "netwrk"], 2, "no recipe 'netwrk' for cloze; did you mean 'network'"),
    (["--embedding", "ngrams"], 2, "the embedding ngrams has no vector that depends on its word alone"),
    (["--coding", "binary-code"], 2, "no output 'binary-code'; did you mean 'binary-codes'"),
    (["--set", "output.loss=bce"], 2, "the output 'softmax' has no option 'loss'"),
    (["--coding", "binary-codes", "--set", "output.loss=mse"], 2, "'mse'"),
    (["--coding", "binary-codes", "--set", "output.bits=0"], 2, "bits must be at least 1, was: 0"),
    (["--coding", "binary-codes", "--set", "output.vectors=no.txt"], 1, "no.txt cannot be read"),
    (["--set", "training.focus=[2, 3]"], 2, "training.focus wants two shares"),
    (["--set", "training.loss=bce"], 2, "no setting 'loss'"),
]


@pytest.mark.parametrize(("arguments", "code", "sentence"), FAULTS)
def test_a_wrong_setting_is_one_sentence(train, texts, tmp_path, arguments, code, sentence):
    assert sentence in one_sentence(train(texts, "-o", tmp_path / "m", *arguments), code)
    assert [path.name for path in tmp_path.iterdir()] == ["texts.txt"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("我们 看见 山 水\n", "1 rows are too few: none fell into"),
        ("！！\n。。\n好\n", "1 rows are too few"),
        ("1,2\n3,4\n", "holds numbers or signs, no text"),
        ("", "texts.txt is empty"),
    ],
)
def test_texts_that_teach_nothing_are_one_sentence(train, texts, tmp_path, text, sentence):
    texts.write_text(text, encoding="utf-8")
    assert sentence in one_sentence(train(texts, "-o", tmp_path / "m"), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["texts.txt"]


def test_texts_without_frequent_chinese_words_are_told_once_they_are_counted(train, texts, tmp_path):
    whole = texts.read_bytes()
    for text, times in (("".join(f"nothing but latin {i}\n" for i in range(60)).encode(), 5), (whole, 1000)):
        texts.write_bytes(text)
        done = train(texts, "-o", tmp_path / "m", "--set", f"answers.min_count={times}")
        assert (done.returncode, done.stdout) == (1, b"")
        *told, error = done.stderr.decode().splitlines()
        assert re.match(r"\d+ rows; dropped", told[0])
        assert len(told) == 2
        assert error.startswith(f"Error: 0 words of Chinese characters stand {times} times in the training rows")
        assert [path.name for path in tmp_path.iterdir()] == ["texts.txt"]
