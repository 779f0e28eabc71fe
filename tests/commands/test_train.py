import csv
import io
import json
import re
import sys

import pytest

from tests.commands.test_score import json_rows, one_sentence

MANNERS = [("很好", "1"), ("太差", "0"), ("喜欢", "1"), ("失望", "0")]


def test_training_without_torch_says_what_to_install(run, tmp_path):
    (tmp_path / "torch.py").write_text('raise ImportError("no torch here")\n')
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("text,label\n好,1\n差,0\n", encoding="utf-8")
    done = run("sentiment", "train", corpus, "-o", tmp_path / "m", environment={"PYTHONPATH": str(tmp_path)})
    assert "pip install 'nlpkit-zh[train]'" in one_sentence(done, 1)


@pytest.fixture(scope="module")
def from_samples(run, samples, tmp_path_factory):
    """The folder that the command of the README leaves, and how the command ended."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("train") / "mine"
    done = run("sentiment", "train", samples / "labelled.csv", "-o", folder, "--set", "embedding.bits=16")
    assert done.returncode == 0, done.stderr.decode()
    return folder, done


@pytest.mark.train
def test_a_run_is_reported(from_samples):
    folder, done = from_samples
    said = done.stderr.decode()
    assert re.search(r"300 rows\b.*\bcopies\b.*\bseveral labels\b", said)
    assert re.search(r"epoch +1 +train [\d.]+ +validation [\d.]+ +accuracy [\d.]+", said)
    assert "greatest difference of a probability from torch" in said
    assert str(folder) in said
    assert "macro F1" in done.stdout.decode()
    assert "Traceback" not in said
    assert "Warning" not in said


@pytest.mark.train
def test_the_model_scores_evaluates_and_checks(run, samples, from_samples):
    folder, _ = from_samples
    done = run("models", "check", folder)
    assert (done.returncode, done.stdout.decode()) == (0, f"{folder}: ok\n")
    scored = run("sentiment", "score", samples / "labelled.csv", "--model", folder)
    rows = list(csv.DictReader(io.StringIO(scored.stdout.decode(), newline="")))
    assert sum(row["label"] == row["predicted_label"] for row in rows) > 240
    found = json.loads(run("sentiment", "evaluate", samples / "labelled.csv", "-m", folder, "-f", "json").stdout)
    assert found["all"]["accuracy"] > 0.8
    assert run("models", "show", folder).stdout.startswith(b"# mine")


@pytest.mark.train
def test_a_model_is_replaced_only_by_force(run, samples, from_samples):
    folder, _ = from_samples
    before = (folder / "config.json").read_bytes()
    done = run("sentiment", "train", samples / "labelled.csv", "-o", folder)
    assert "--force" in one_sentence(done, 1)
    assert (folder / "config.json").read_bytes() == before


@pytest.mark.train
def test_an_lstm_from_lines_with_renamed_labels(run, tmp_path):
    pytest.importorskip("torch")
    corpus, samples = tmp_path / "goods.txt", tmp_path / "samples.txt"
    corpus.write_text(
        "".join(f"第{i}家店{manner}，{i}分,,{label}\n" for i in range(60) for manner, label in MANNERS),
        encoding="utf-8",
    )
    samples.write_text("店很好\n店太差\n\n", encoding="utf-8")
    done = run(
        *("sentiment", "train", corpus, "-o", tmp_path / "m", "--encoder", "lstm", "--tokenizer", "whitespace"),
        *("--tokenizer", "char", "--set", "encoder.hidden=8", "--set", "training.epochs=3", "--set", "seed=3"),
        *("--set", "training.learning_rate=0.02", "--label", "1=positive", "--label", "0=negative"),
        *("--samples", samples, "--no-weights"),
    )
    assert done.returncode == 0, done.stderr.decode()
    assert "lstm" in done.stderr.decode()
    assert not list((tmp_path / "m").rglob("model.safetensors"))
    config = json.loads((tmp_path / "m" / "config.json").read_bytes())
    assert config["members"][0]["encoder"]["config"]["hidden"] == 8
    assert config["settings"]["seed"] == 3
    scored = run("sentiment", "score", samples, "-m", tmp_path / "m")
    assert [row["label"] for row in json_rows(scored.stdout)] == ["positive", "negative", None]
    assert run("models", "check", tmp_path / "m").returncode == 0


FAULTS = [
    (["--recipe", "ngram"], 2, "did you mean 'ngrams'"),
    (["--set", "training.epoch=3"], 2, "did you mean 'epochs'"),
    (["--text-column", "words"], 1, "no column 'words'"),
    (["--set", "head.pooling=median"], 2, "no pooling 'median'"),
]


@pytest.mark.train
@pytest.mark.parametrize(("arguments", "code", "sentence"), FAULTS)
def test_a_wrong_setting_is_one_sentence(run, tmp_path, arguments, code, sentence):
    pytest.importorskip("torch")
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("text,label\n好,1\n差,0\n", encoding="utf-8")
    done = run("sentiment", "train", corpus, "-o", tmp_path / "m", *arguments)
    assert sentence in one_sentence(done, code)
    assert not (tmp_path / "m").exists()


@pytest.mark.train
@pytest.mark.parametrize(
    ("text", "sentence"), [("text,label\n好,1\n棒,1\n", "two labels"), ("text,stars\n好,1\n", "stars")]
)
def test_a_corpus_that_teaches_nothing_is_one_sentence(run, tmp_path, text, sentence):
    pytest.importorskip("torch")
    corpus = tmp_path / "corpus.csv"
    corpus.write_text(text, encoding="utf-8")
    assert sentence in one_sentence(run("sentiment", "train", corpus, "-o", tmp_path / "m"), 1)


STRANGE = """
import torch
from torch import nn
from nlpkit import hookimpl

class Packed(nn.Module):
    causal = True
    config = {}
    def __init__(self, input_dim):
        super().__init__()
        self.output_dim, self.layer = 6, nn.GRU(input_dim, 6, batch_first=True)
    def forward(self, vectors, mask, state=None):
        lengths = mask.sum(1).clamp(min=1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        states, state = self.layer(packed)
        states, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True, total_length=vectors.shape[1])
        return states, state

class Deciding(nn.Module):
    causal = True
    config = {}
    def __init__(self, input_dim):
        super().__init__()
        self.output_dim, self.layer = 6, nn.Linear(input_dim, 6)
    def forward(self, vectors, mask, state=None):
        states = self.layer(vectors)
        if float(states.detach().abs().max()) > 1e6:
            states = states.clamp(-1e6, 1e6)
        return states, state

@hookimpl
def nlpkit_register_encoders(register):
    register("packed", lambda *, input_dim: Packed(input_dim))
    register("deciding", lambda *, input_dim: Deciding(input_dim))
"""


@pytest.mark.train
@pytest.mark.parametrize("encoder", ["packed", "deciding"])
def test_what_torch_cannot_export_runs_through_torch(run, stranger, tmp_path, encoder):
    pytest.importorskip("torch")
    corpus, folder = tmp_path / "goods.txt", tmp_path / "m"
    corpus.write_text(
        "".join(f"第{i}家店{manner}，{i}分,,{label}\n" for i in range(40) for manner, label in MANNERS),
        encoding="utf-8",
    )
    environment = stranger(STRANGE)
    done = run(
        *("sentiment", "train", corpus, "-o", folder, "--encoder", encoder, "--tokenizer", "char", "--no-weights"),
        *(
            "--set",
            "training.epochs=6",
            "--set",
            "training.learning_rate=0.02",
            "--set",
            "embedding.dim=8",
            "--set",
            "head.pooling=mean",
        ),
        *("--label", "1=positive", "--label", "0=negative"),
        environment=environment,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
    (member,) = json.loads((folder / "config.json").read_bytes())["members"]
    assert member["runtime"] == "torch"
    assert (folder / member["name"] / "model.safetensors").is_file()
    assert not (folder / member["name"] / "model.onnx").exists()
    score = ("sentiment", "score", "-t", "第3家店很好，3分", "-t", "第3家店太差，3分", "-m", folder)
    scored = run(*score, environment=environment)
    assert [row["label"] for row in json_rows(scored.stdout)] == ["positive", "negative"]
    assert run("models", "check", folder, environment=environment).returncode == 0
    (tmp_path / "site" / "torch.py").write_text('raise ImportError("no torch here")\n')
    done = run(*score, environment=environment)
    assert (done.returncode, done.stdout) == (1, b"")
    warning, error = done.stderr.decode().splitlines()
    assert "the plugin stranger 1.2 does not work" in warning  # it imports torch too
    assert error.startswith("Error: ")
    assert "pip install 'nlpkit-zh[train]'" in error


@pytest.mark.skipif(sys.platform != "linux", reason="needs a place that nobody may write to")
@pytest.mark.train
def test_a_place_that_refuses_is_told_before_the_corpus_is_read(run, tmp_path):
    pytest.importorskip("torch")
    done = run("sentiment", "train", tmp_path / "missing.csv", "-o", "/proc/x")
    assert "/proc/x cannot be written" in one_sentence(done, 1)


@pytest.mark.train
def test_missing_parents_of_a_model_are_made(run, samples, tmp_path):
    pytest.importorskip("torch")
    folder = tmp_path / "a" / "b" / "mine"
    corpus = samples / "labelled.csv"
    done = run("sentiment", "train", corpus, "-o", folder, "--set", "embedding.bits=12", "--set", "training.epochs=1")
    assert done.returncode == 0, done.stderr.decode()
    assert run("models", "check", folder).returncode == 0
