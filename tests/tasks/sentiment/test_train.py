import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from tests.tasks.sentiment.test_score import json_rows, one_sentence

MANNERS = [("很好", "1"), ("太差", "0"), ("喜欢", "1"), ("失望", "0")]
# One member of each kind of loop: a bag, and an LSTM that begins as a language model.
RECIPE = """
[[members]]
name = "bag"
tokenizer = { name = "char" }
embedding = { name = "trainable", dim = 16, min_count = 1, dropout = 0.2 }
encoder = { name = "none" }
head = { pooling = "mean" }
training = { epochs = 4, batch_size = 8, learning_rate = 0.02 }

[[members]]
name = "words"
tokenizer = { name = "rjieba" }
embedding = { name = "trainable", dim = 8, min_count = 1 }
encoder = { name = "lstm", hidden = 4, dropout = 0.2 }
head = { pooling = "max", dropout = 0.2 }
training = { epochs = 4, batch_size = 8, learning_rate = 0.02, pretrain = 2 }
"""


def write_goods(folder: Path) -> Path:
    """A table of 240 invented reviews."""
    path = folder / "goods.csv"
    rows = "".join(f"第{i}家店{manner}，{i}分,{label}\n" for i in range(60) for manner, label in MANNERS)
    path.write_text("text,label\n" + rows, encoding="utf-8")
    return path


@pytest.fixture
def corpus(tmp_path):
    return write_goods(tmp_path)


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def can_be_killed() -> type:
    """The class of runs in processes of their own."""
    pytest.importorskip("torch")
    if os.name == "nt":
        pytest.skip("processes are forked")
    from tests.training.processes import Running

    return Running


@pytest.fixture
def begin(tmp_path):
    """Begin a training run in a process that can be killed."""
    kind, begun = can_be_killed(), []

    def begin_training(*arguments: object, **options: object):
        begun.append(kind("sentiment", "train", *arguments, folder=tmp_path, **options))
        return begun[-1]

    yield begin_training
    for running in begun:
        running.abandon()


@pytest.fixture
def train(run):
    """Train in a process to its end."""
    pytest.importorskip("torch")

    def train_to_end(*arguments: object, **options: object) -> subprocess.CompletedProcess:
        return run("sentiment", "train", *arguments, **options)

    return train_to_end


def files(folder: Path) -> dict[str, bytes]:
    """A model but for what two runs that are otherwise the same differ in: their time, and the picture."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != "curve.png")
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    table = csv.DictReader(io.StringIO(found["history.csv"].decode(), newline=""))
    rows = [{name: cell for name, cell in row.items() if name != "seconds"} for row in table]
    return found | {"history.csv": json.dumps(rows).encode()}


def check_same(folder: Path, other: Path) -> None:
    """Two models are the same, byte for byte."""
    one, two = files(folder), files(other)
    assert one.keys() == two.keys()
    assert [path for path in one if one[path] != two[path]] == []


def check_finished(done: subprocess.CompletedProcess, folder: Path) -> None:
    """A run came to its end and left nothing but its model."""
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert (folder / "config.json").is_file()
    assert [path.name for path in folder.parent.iterdir() if path.name.endswith((".training", ".new", ".old"))] == []
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(f".{folder.name}")] == []


def test_training_without_torch_says_what_to_install(run, tmp_path):
    (tmp_path / "torch.py").write_text('raise ImportError("no torch here")\n')
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("text,label\n好,1\n差,0\n", encoding="utf-8")
    done = run("sentiment", "train", corpus, "-o", tmp_path / "m", environment={"PYTHONPATH": str(tmp_path)})
    assert "pip install '.[train]' in a clone" in one_sentence(done, 1)


@pytest.fixture(scope="module")
def from_samples(run, samples, tmp_path_factory):
    """The folder that the command of the README leaves, and how the command ended."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("train") / "mine"
    done = run("sentiment", "train", samples / "labelled.csv", "-o", folder, "--set", "embedding.bits=16")
    assert done.returncode == 0, done.stderr.decode()
    return folder, done


@pytest.mark.slow
@pytest.mark.train
def test_a_run_is_reported(from_samples):
    folder, done = from_samples
    said = done.stderr.decode()
    assert re.search(r"300 rows\b.*\bcopies\b.*\bseveral labels\b", said)
    assert re.search(r"epoch +3 +train loss [\d.]+ acc [\d.]+ +val loss [\d.]+ acc [\d.]+ +[\d.]+ s +best", said)
    assert "greatest difference of a probability from torch" in said
    assert str(folder) in said
    assert "macro F1" in done.stdout.decode()
    assert "Traceback" not in said
    assert "Warning" not in said


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.train
def test_a_model_is_replaced_only_by_force(train, samples, from_samples):
    folder, _ = from_samples
    before = (folder / "config.json").read_bytes()
    done = train(samples / "labelled.csv", "-o", folder)
    assert "--force" in one_sentence(done, 1)
    assert (folder / "config.json").read_bytes() == before


@pytest.mark.slow
@pytest.mark.train
def test_an_lstm_from_lines_with_renamed_labels(run, train, tmp_path):
    corpus, samples = tmp_path / "goods.txt", tmp_path / "samples.txt"
    corpus.write_text(
        "".join(f"第{i}家店{manner}，{i}分,,{label}\n" for i in range(60) for manner, label in MANNERS),
        encoding="utf-8",
    )
    samples.write_text("店很好\n店太差\n\n", encoding="utf-8")
    done = train(
        *(corpus, "-o", tmp_path / "m", "--encoder", "lstm", "--tokenizer", "whitespace"),
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
    (["--config", "nowhere.toml"], 1, "nowhere.toml cannot be read"),
    (["--encoder", "lsmt"], 2, "no encoder 'lsmt'; did you mean 'lstm'"),
    (["--embedding", "trainble"], 2, "did you mean 'trainable'"),
    (["--tokenizer", "jeiba"], 2, "did you mean 'jieba'"),
    (["--set", "training.epoch=3"], 2, "did you mean 'epochs'"),
    (["--set", "training.optimizer=adm"], 2, "characters.training: optimizer cannot be 'adm'; did you mean 'adam'"),
    (["--set", "training.loss=cross_entrpy"], 2, "did you mean 'cross_entropy'"),
    (["--set", "training.class_weights=balance"], 2, "did you mean 'balanced'"),
    (["--set", "training.monitor=acc"], 2, "training: monitor cannot be 'acc'"),
    (["--set", "training.learning_rate=-1"], 2, "training: learning_rate must be above 0, was: -1"),
    (["--set", "head.pooling=median"], 2, "no pooling 'median'"),
    (["--set", "training.pretrain=1"], 2, "training.pretrain"),
    (["--encoder", "gru", "--set", "encoder.hidden=0"], 2, "hidden must be at least 1, was: 0"),
    (["--encoder", "gru", "--set", "encoder.hidden=many"], 2, "hidden wants a whole number, found 'many'"),
    (["--set", "embedding.dim=1.5"], 2, "the embedding 'ngrams': dim wants a whole number, found 1.5"),
    (["--set", "embedding.dim=true"], 2, "the embedding 'ngrams': dim wants a whole number, found True"),
    (["--set", "embedding.dim=abc"], 2, "the embedding 'ngrams': dim wants a whole number, found 'abc'"),
    (["--encoder", "gru", "--set", "encoder.dropout=2"], 2, "dropout must be in [0, 1), was: 2"),
    (["--encoder", "gru", "--set", "encoder.hiden=8"], 2, "no option 'hiden'; did you mean 'hidden'"),
    (["--encoder", "gru", "--set", "encoder.norm=lyer"], 2, "did you mean 'layer'"),
    (["--encoder", "gru", "--embedding", "ngrams"], 2, "keeps no order"),
    (["--recipe", "reviews", "--encoder", "gru"], 2, "needs a recipe with one member"),
    (["--label", "1"], 2, "--label expects FOUND=NAME"),
    (["--encoding", "utf-9"], 2, "utf-9"),
    (["--samples", "nowhere.txt"], 1, "nowhere.txt"),
    (["--column", "words"], 1, "no column 'words'"),
    (["--label-column", "stars"], 1, "no column 'stars'"),
    (["--label", "1=", "--label", "0="], 1, "at least two labels, found: no labelled rows"),
    (["--label", "1=0"], 1, "at least two labels, found: only the label '0'"),
    (["missing.csv"], 1, "missing.csv"),
]


@pytest.mark.train
@pytest.mark.parametrize(("arguments", "code", "sentence"), FAULTS)
def test_a_wrong_setting_is_one_sentence(train, corpus, tmp_path, arguments, code, sentence):
    assert sentence in one_sentence(train(corpus, "-o", tmp_path / "m", *arguments), code)
    assert [path.name for path in tmp_path.iterdir()] == ["goods.csv"]  # nor is a run begun that would be in the way


@pytest.mark.train
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "say by --output"),
        (["-o", "m"], "give a CORPUS"),
        (["goods.csv", "-o", "m", "--recipe", "ngrams", "--config", "mine.toml"], "--recipe or --config, not both"),
        (["goods.csv"], "say by --output"),
        (["--resume"], "say by --output"),
        (["--dry-run"], "give a CORPUS"),
        (["--dry-run", "--resume"], "--output"),
        (["goods.csv", "-o", "m", "--threads", "0"], "--threads"),
        (["goods.csv", "-o", "m", "--save-every", "-1"], "--save-every"),
    ],
)
def test_what_is_asked_for_by_halves_is_a_usage_error(train, tmp_path, arguments, sentence):
    done = train(*arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    *_, last = done.stderr.decode().splitlines()
    assert last.startswith("Error: ")
    assert sentence in last
    assert b"Usage: " in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("text,label\n好,1\n棒,1\n", "only the label '1'"),
        ("text,stars\n好,1\n", "stars"),
        ("text,label\n", "no labelled rows"),
        ("text,label\n好,1\n差,0\n", "1 rows to train on"),
        ("text,label\n" + "好。,1\n好！,0\n" * 9, "1 texts stood under several labels"),
        ("", "goods.csv"),
    ],
)
def test_a_corpus_that_teaches_nothing_is_one_sentence(train, corpus, tmp_path, text, sentence):
    whole = corpus.read_text("utf-8")
    corpus.write_text(text, encoding="utf-8")
    assert sentence in one_sentence(train(corpus, "-o", tmp_path / "m"), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["goods.csv"]
    corpus.write_text(whole, encoding="utf-8")  # once it is mended, the same command trains
    check_finished(train(corpus, "-o", tmp_path / "m", "--set", "embedding.bits=10"), tmp_path / "m")


@pytest.mark.slow
@pytest.mark.train
def test_a_label_that_no_row_has_is_warned_of(train, corpus, tmp_path):
    named = ("--label", "1=positive", "--label", "9=negative")
    done = train(corpus, "-o", tmp_path / "m", "--set", "embedding.bits=10", *named)
    check_finished(done, tmp_path / "m")
    warning, *_ = [line for line in done.stderr.decode().splitlines() if line.startswith("Warning: ")]
    assert "no row has the label '9'" in warning


@pytest.mark.slow
@pytest.mark.train
def test_copies_conflicts_and_rows_left_out_are_counted(train, corpus, tmp_path):
    with corpus.open("a", encoding="utf-8") as file:
        file.write("第0家店很好 0分,1\n第1家店很好 1分！,0\n！！,1\n没有标签,\n")
    done = train(corpus, "-o", tmp_path / "m", "--set", "embedding.bits=10")
    said = done.stderr.decode()
    assert "243 rows; dropped: 2 copies, 1 texts under several labels, 1 without letters" in said
    assert "1 rows were left out: 1 no label" in said


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
        states, _ = self.layer(packed)
        states, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True, total_length=vectors.shape[1])
        return states, None

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


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.parametrize("encoder", ["packed", "deciding"])
def test_what_torch_cannot_export_runs_through_torch(run, train, stranger, corpus, tmp_path, encoder):
    folder, environment = tmp_path / "m", stranger(STRANGE)
    settings = ("training.epochs=12", "training.learning_rate=0.02", "embedding.dim=8", "head.pooling=mean")
    done = train(
        *(corpus, "-o", folder, "--encoder", encoder, "--tokenizer", "char", "--no-weights"),
        *(part for setting in settings for part in ("--set", setting)),
        *("--label", "1=positive", "--label", "0=negative"),
        environment=environment,
    )
    check_finished(done, folder)
    (member,) = json.loads((folder / "config.json").read_bytes())["members"]
    assert member["runtime"] == "torch"
    assert (folder / member["name"] / "model.safetensors").is_file()
    assert not (folder / member["name"] / "model.onnx").exists()
    score = ("sentiment", "score", "-t", "第3家店很好，3分", "-t", "第3家店太差，3分", "-m", folder)
    scored = can_be_killed()(*score, folder=tmp_path, environment=environment).end()
    assert [row["label"] for row in json_rows(scored.stdout)] == ["positive", "negative"]
    (tmp_path / "site" / "torch.py").write_text('raise ImportError("no torch here")\n')
    done = run(*score, environment=environment)
    assert (done.returncode, done.stdout) == (1, b"")
    (error,) = done.stderr.decode().splitlines()
    assert error.startswith("Error: ")
    assert "pip install '.[train]' in a clone" in error


BREAKING = """
import torch
from torch import nn
from nlpkit import hookimpl

class Breaking(nn.Module):
    causal = identity = True

    def __init__(self, input_dim, steps):
        super().__init__()
        self.config, self.output_dim, self.left = {"steps": steps}, input_dim, steps

    def forward(self, vectors, mask, state=None):
        learns = self.training and len(vectors) > 8  # which nobody tries before
        self.left -= learns
        return (vectors * float("nan") if learns and self.left < 0 else vectors), state

@hookimpl
def nlpkit_register_encoders(register):
    def breaking(*, input_dim: int, steps: int = 5):
        return Breaking(input_dim, steps)
    register("breaking", breaking)
"""


@pytest.mark.slow
@pytest.mark.train
def test_a_run_that_diverges_keeps_its_best_epoch_and_says_so(train, stranger, corpus, tmp_path):
    folder = tmp_path / "m"
    arguments = (*BAG, "--set", "training.epochs=5", "--set", "training.batch_size=16", "--encoder", "breaking")
    done = train(corpus, "-o", folder, *arguments, "--set", "encoder.steps=25", environment=stranger(BREAKING))
    check_finished(done, folder)  # of about ten steps an epoch the sixth of the third broke
    warning, *_ = [line for line in done.stderr.decode().splitlines() if line.startswith("Warning: ")]
    assert re.search(r"loss is nan.*epoch 3, step \d+.*kept epoch 2", warning)
    (member,) = json.loads((folder / "config.json").read_bytes())["members"]
    assert member["diverged"]["epoch"] == 3
    assert [epoch["epoch"] for epoch in member["history"]] == [1, 2]
    assert re.search(r"epoch 3, step \d+", (folder / "README.md").read_text("utf-8"))
    assert rows_in(folder / "history.csv") == 3


@pytest.mark.slow
@pytest.mark.train
def test_a_run_that_diverges_before_any_epoch_is_one_sentence(train, stranger, corpus, tmp_path):
    arguments = (*BAG, "--encoder", "breaking", "--set", "encoder.steps=1")
    done = train(corpus, "-o", tmp_path / "m", *arguments, environment=stranger(BREAKING))
    *_, last = done.stderr.decode().splitlines()
    assert done.returncode == 2
    assert re.search(r"^Error: .*loss is nan.*epoch 1, step 2: lower training\.learning_rate", last)
    assert not {"m", "m.training"} & {path.name for path in tmp_path.iterdir()}  # other settings cannot resume it


@pytest.mark.skipif(sys.platform != "linux", reason="needs a place that nobody may write to")
@pytest.mark.train
def test_a_place_that_refuses_is_told_before_the_corpus_is_read(train, tmp_path):
    assert "/proc/x cannot be written" in one_sentence(train(tmp_path / "missing.csv", "-o", "/proc/x"), 1)


@pytest.mark.slow
@pytest.mark.train
def test_missing_parents_of_a_model_are_made(run, train, corpus, tmp_path):
    folder = tmp_path / "a" / "b" / "mine"
    check_finished(train(corpus, "-o", folder, "--set", "embedding.bits=12", "--set", "training.epochs=1"), folder)
    assert run("models", "check", folder).returncode == 0


# What is written of a run


@pytest.mark.slow
@pytest.mark.train
def test_the_history_holds_a_row_an_epoch(undisturbed):
    table = list(csv.DictReader(io.StringIO((undisturbed / "history.csv").read_text("utf-8"), newline="")))
    assert [(row["run"], row["epoch"]) for row in table] == [("network", "1"), ("network", "2"), ("network", "3")]
    told = json.loads((undisturbed / "config.json").read_bytes())["members"][0]["history"]
    for row, epoch in zip(table, told, strict=True):
        assert row.keys() == {"run", "seconds"} | epoch.keys()
        known = {name: value for name, value in epoch.items() if value is not None}
        assert all(float(row[name]) == pytest.approx(float(value), rel=1e-5) for name, value in known.items())
        assert [name for name, cell in row.items() if not cell] == [name for name in epoch if name not in known]
    assert (undisturbed / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.train
def test_without_matplotlib_there_is_no_picture_and_one_warning(run, corpus, tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "site" / "matplotlib").mkdir(parents=True)
    (tmp_path / "site" / "matplotlib" / "__init__.py").write_text('raise ImportError("no pictures here")\n')
    done = run(
        *("sentiment", "train", corpus, "-o", tmp_path / "m", *QUICK),
        environment={"PYTHONPATH": str(tmp_path / "site")},
    )
    check_finished(done, tmp_path / "m")
    (warning,) = [line for line in done.stderr.decode().splitlines() if "curve.png" in line]
    assert warning.startswith("Warning: ")
    assert "pip install matplotlib" in warning
    assert not (tmp_path / "m" / "curve.png").exists()
    assert rows_in(tmp_path / "m" / "history.csv") == 4


@pytest.mark.slow
@pytest.mark.train
def test_a_dry_run_says_what_would_be_and_writes_nothing(train, corpus, recipe, tmp_path):
    before = sorted(tmp_path.iterdir())
    tables = (
        "--set",
        'words.encoder={name="none"}',
        "--set",
        "words.head.pooling=sum",
        "--set",
        "words.training.pretrain=0",
    )
    arguments = (corpus, "--config", recipe, *tables)  # which need no graph: those take long to export
    done = train(*arguments, "-o", tmp_path / "deep" / "m", "--dry-run")
    assert (done.returncode, done.stderr) == (0, b"")
    said = done.stdout.decode()
    assert sorted(tmp_path.iterdir()) == before
    assert "judged by 240 of all 240 rows: 145 to train on" in said
    for expected in ("tokenizer", "rjieba", "trainable", "dim=16", "dim=8", "mean", "sum", "rows a second"):
        assert expected in said
    check_finished(train(*arguments, "-o", tmp_path / "m"), tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_bytes())
    for member in config["members"]:
        name = member["name"]
        arrays = load_file(tmp_path / "m" / name / "model.safetensors")
        assert f"{sum(array.size for array in arrays.values()):,} parameters; saved as a {member['runtime']}" in said
        assert re.search(rf"{name}: [\d,]+ ids, ", said)
    assert not (tmp_path / "deep").exists()


@pytest.mark.train
def test_a_dry_run_refuses_what_a_run_would(train, corpus):
    wrong = (corpus, "--dry-run", "--encoder", "gru", "--set", "encoder.hidden=0")
    assert "hidden must be at least 1" in one_sentence(train(*wrong), 2)
    assert "only the label '0'" in one_sentence(train(corpus, "--dry-run", "--label", "1=0"), 1)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.train
def test_a_dry_run_leaves_a_model_and_an_unfinished_run_alone(begin, train, corpus, undisturbed, tmp_path):
    folder, run = tmp_path / "m", tmp_path / "m.training"
    begin(corpus, "-o", folder, *QUICK).until((run / "network.safetensors").exists).send(signal.SIGKILL).end()
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for more in ((corpus, *QUICK), (corpus, *QUICK, "--resume"), ("--resume",)):
        done = train("-o", folder, *more, "--dry-run")
        assert (done.returncode, done.stderr.decode()) == (0, "")
        assert "judged by 240 of all 240 rows" in done.stdout.decode()
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert train(corpus, "-o", undisturbed, "--dry-run").returncode == 0


# Interrupted runs

BAG = (
    "--recipe",
    "network",
    "--set",
    "embedding.dim=16",
    "--set",
    "embedding.min_count=1",
    "--set",
    "head.pooling=mean",
)
QUICK = (*BAG, "--set", "training.epochs=3", "--set", "training.batch_size=8", "--save-every", "0")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The model of the quick run that nobody disturbs."""
    place = tmp_path_factory.mktemp("undisturbed")
    done = can_be_killed()("sentiment", "train", write_goods(place), "-o", place / "m", *QUICK, folder=place).end()
    check_finished(done, place / "m")
    return place / "m"


def rows_in(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines()) if path.exists() else 0


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.train
def test_a_run_that_is_killed_again_and_again_comes_to_the_same_model(begin, corpus, recipe, tmp_path):
    whole, folder = tmp_path / "whole" / "m", tmp_path / "killed" / "m"
    arguments = ("--config", recipe, "--save-every", "0")
    check_finished(begin(corpus, "-o", whole, *arguments).end(), whole)
    run = folder.parent / "m.training"
    moments = [
        lambda: (run / "run.json").exists(),  # reading
        lambda: (run / "members" / ".bag.new" / "tokens").exists(),
        lambda: (run / "bag.safetensors").exists(),
        lambda: rows_in(run / "history.csv") > 3,  # the header, and two epochs
        lambda: (run / "trained" / "bag").exists(),
        lambda: (run / "words.language-model.safetensors").exists(),
        lambda: rows_in(run / "history.csv") > 9,
        lambda: (run / "trained" / ".words.new").exists() or (run / "trained" / "words").exists(),
    ]
    for number, moment in enumerate(moments):
        more = (corpus, *arguments) if number % 2 == 0 else ("--save-every", "0")
        running = begin("-o", folder, *more, *(["--resume"] if number else []))
        done = running.until(moment).send(signal.SIGKILL).end()
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        assert not folder.exists()
    done = begin("-o", folder, "--resume").end()
    check_finished(done, folder)
    assert done.stderr.decode().count("resumed at epoch") == 3  # of each loop
    check_same(folder, whole)


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on_and_does(begin, corpus, undisturbed, tmp_path, number):
    folder, run = tmp_path / "m", tmp_path / "m.training"
    running = begin(corpus, "-o", folder, *QUICK, "--save-every", "1000")
    done = running.until(lambda: rows_in(run / "history.csv") > 1).send(number).end()
    assert done.returncode == 128 + number
    said = done.stderr.decode()
    assert "Stopping after this step" in said
    assert said.endswith("Interrupted; the state is saved: the same command with --resume goes on.\n")
    assert done.stdout == b""
    assert not folder.exists()
    assert rows_in(run / "history.csv") > 1
    assert (run / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert (run / "network.safetensors").is_file()  # saved now: a thousand seconds have not gone by
    check_finished(begin("-o", folder, "--resume").end(), folder)
    check_same(folder, undisturbed)


@pytest.mark.slow
@pytest.mark.train
def test_the_second_signal_ends_a_run_at_once_and_it_can_still_be_resumed(begin, corpus, undisturbed, tmp_path):
    folder, run = tmp_path / "m", tmp_path / "m.training"
    running = begin(corpus, "-o", folder, *QUICK)
    done = running.until((run / "network.safetensors").exists).send(signal.SIGINT, signal.SIGTERM).end()
    assert done.returncode in (130, 143)  # both wait when it goes on, and either is heard first
    said = done.stderr.decode()
    assert re.search(r"Interrupted at once.*--resume goes on from the state that was saved last\.\n$", said)
    assert "Traceback" not in said
    assert not folder.exists()
    check_finished(begin("-o", folder, "--resume").end(), folder)
    check_same(folder, undisturbed)


@pytest.mark.slow
@pytest.mark.train
def test_an_unfinished_run_is_gone_on_with_or_begun_anew(begin, train, corpus, undisturbed, tmp_path):
    folder, run = tmp_path / "m", tmp_path / "m.training"
    first = (corpus, "-o", folder, *QUICK, "--set", "embedding.dim=8")
    begin(*first).until((run / "network.safetensors").exists).send(signal.SIGKILL).end()
    assert re.search(r"unfinished run.*--resume.*--force", one_sentence(train(*first), 1))
    refused = [
        ((corpus, *QUICK, "--resume"), 2, "embedding.dim was 8, is 16"),
        ((*QUICK, "--resume"), 2, "embedding.dim was 8, is 16"),
        ((corpus, *QUICK[:-2], "--set", "seed=3", "--set", "head.hidden=4", "--resume"), 2, "head.hidden was 0, is 4"),
        ((corpus, *QUICK[:-2], "--set", "seed=3", "--resume"), 2, "seed was 0, is 3"),
        ((corpus, *first[3:], "--resume", "--no-weights"), 2, "keep_weights was true, is false"),
        ((corpus, *first[3:], "--resume", "--threads", "2"), 2, "threads was 1, is 2"),
        ((corpus, *first[3:], "--resume", "--column", "text"), 2, 'columns.column was null, is "text"'),
    ]
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for arguments, code, sentence in refused:
        assert sentence in one_sentence(train("-o", folder, *arguments), code)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    check_finished(train(corpus, "-o", folder, *QUICK, "--force"), folder)
    check_same(folder, undisturbed)


@pytest.mark.slow
@pytest.mark.train
def test_a_corpus_that_has_changed_is_not_resumed(begin, train, corpus, tmp_path):
    folder, run = tmp_path / "m", tmp_path / "m.training"
    begin(corpus, "-o", folder, *QUICK).until((run / "network.safetensors").exists).send(signal.SIGKILL).end()
    whole = corpus.read_bytes()
    corpus.write_bytes(whole.replace("很好".encode(), "还好".encode()))
    assert re.search("goods.csv has changed", one_sentence(train("-o", folder, "--resume"), 1))
    assert "goods.csv has changed or is another" in one_sentence(train(corpus, "-o", folder, *QUICK, "--resume"), 2)
    corpus.unlink()  # its rows are stored: it is no longer needed
    check_finished(train("-o", folder, "--resume"), folder)


@pytest.mark.train
def test_there_may_be_nothing_to_resume(train, corpus, tmp_path):
    folder = tmp_path / "new" / "m"
    for arguments in ((), (corpus,)):
        assert "no unfinished run" in one_sentence(train(*arguments, "-o", folder, "--resume"), 1)
    assert not (tmp_path / "new" / "m.training").exists()


@pytest.mark.train
def test_a_folder_that_is_nobodys_run_is_left_alone(train, corpus, tmp_path):
    (tmp_path / "m.training").mkdir()
    (tmp_path / "m.training" / "notes.txt").write_text("mine")
    for more in ((), ("--force",), ("--resume",)):
        assert one_sentence(train(corpus, "-o", tmp_path / "m", *QUICK, *more), 1)
    assert [path.name for path in (tmp_path / "m.training").iterdir()] == ["notes.txt"]


@pytest.mark.slow
@pytest.mark.train
def test_a_run_that_is_killed_once_its_model_is_there_only_clears_up(begin, train, corpus, undisturbed, tmp_path):
    folder, run = tmp_path / "m", tmp_path / "m.training"
    running = begin(corpus, "-o", folder, *QUICK).until((run / "trained" / "network").exists)
    shutil.copytree(run, tmp_path / "kept")
    check_finished(running.end(), folder)
    (tmp_path / "kept").rename(run)  # as if killed behind the model's move into its place
    request = json.loads((run / "run.json").read_bytes())
    (run / "run.json").write_text(json.dumps(request | {"force": True}))
    check_finished(train("-o", folder, "--resume"), folder)
    check_same(folder, undisturbed)


@pytest.mark.slow
@pytest.mark.train
def test_two_runs_never_share_a_folder(begin, train, corpus, undisturbed, tmp_path):
    folder, run = tmp_path / "m", tmp_path / "m.training"
    first = begin(corpus, "-o", folder, *QUICK).until((run / "network.safetensors").exists)
    for more in ((), ("--force",), ("--resume",)):
        assert "another run is training" in one_sentence(train(corpus, "-o", folder, *QUICK, *more), 1)
    check_finished(first.end(), folder)
    check_same(folder, undisturbed)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.train
def test_a_run_that_replaces_a_model_is_resumed_without_more_words(begin, train, corpus, undisturbed, tmp_path):
    folder, run = tmp_path / "m", tmp_path / "m.training"
    check_finished(train(corpus, "-o", folder, *QUICK, "--set", "seed=5"), folder)
    before = files(folder)
    running = begin(corpus, "-o", folder, *QUICK, "--force").until((run / "network.safetensors").exists)
    running.send(signal.SIGKILL).end()
    assert files(folder) == before
    check_finished(train("-o", folder, "--resume"), folder)
    check_same(folder, undisturbed)


FULL = {  # what is written when the disk is full, and how large a file may become from then on
    "request": (lambda run: run.exists(), 100),
    "corpus": (lambda run: (run / "run.json").exists(), 1_000),
    "ids": (lambda run: (run / "corpus").exists(), 500),
    "state": (lambda run: rows_in(run / "history.csv") > 1, 2_000),
    "trained": (lambda run: rows_in(run / "history.csv") > 3, 200),
    "model": (lambda run: (run / "trained" / "network").exists(), 1_000),
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
@pytest.mark.train
@pytest.mark.parametrize("what", FULL)
def test_a_full_disk_is_one_sentence_and_loses_nothing(begin, train, corpus, undisturbed, tmp_path, what):
    folder, run = tmp_path / "m", tmp_path / "m.training"
    shutil.copytree(undisturbed, folder)
    (folder / "README.md").write_text("the old one")
    before = files(folder)
    moment, largest = FULL[what]
    done = begin(corpus, "-o", folder, *QUICK, "--force").until(lambda: moment(run)).limit(largest).end()
    assert done.returncode == 1, done.stderr.decode()
    *_, last = done.stderr.decode().splitlines()
    assert last.startswith("Error: ")
    assert str(tmp_path) in last
    assert "too large" in last
    assert done.stderr.count(b"Error") == 1
    assert files(folder) == before
    more = ("--resume",) if (run / "run.json").exists() else ()
    assert ("--resume" in last) == bool(more)
    check_finished(train(corpus, "-o", folder, *QUICK, "--force", *more), folder)
    check_same(folder, undisturbed)


@pytest.mark.slow
@pytest.mark.train
def test_a_model_that_has_learnt_nothing_is_doubted(train, corpus, tmp_path):
    settings = ("--set", "training.learning_rate=1e-9", "--set", "training.epochs=1")
    done = train(corpus, "-o", tmp_path / "m", *QUICK, *settings)
    check_finished(done, tmp_path / "m")
    assert re.search(r"Warning: always answering '.*' would be right as often", done.stderr.decode())


@pytest.mark.slow
@pytest.mark.train
def test_labels_that_do_not_agree_are_told(train, tmp_path):
    for name, labels in (("a.csv", ("好评", "差评")), ("b.csv", ("1", "0"))):
        rows = [f"{name}第{i}家店{manner},{labels[i % 2]}\n" for i in range(60) for manner in ("很好", "太差")]
        (tmp_path / name).write_text("text,label\n" + "".join(rows), encoding="utf-8")
    corpora = (tmp_path / "a.csv", tmp_path / "b.csv")
    done = train(*corpora, "-o", tmp_path / "m", *QUICK)
    assert re.search(r"b.csv shares no label \(0, 1\) with the others", done.stderr.decode())
    done = train(*corpora, "-o", tmp_path / "n", *QUICK, "--label", "1.0=好评", "--label", "0.0=bad")
    assert "shares no label" in done.stderr.decode()
    refused = train(corpora[1], "-o", tmp_path / "o", *QUICK, "--label", "1.0=good", "--label", "0.0=bad")
    assert "no row has any of the labels 1.0, 0.0" in one_sentence(refused, 1)


@pytest.mark.slow
@pytest.mark.train
def test_force_spares_what_is_no_model(train, corpus, tmp_path):
    check_finished(train(corpus, "-o", tmp_path / "m", *QUICK), tmp_path / "m")
    (tmp_path / "m" / "notes.txt").write_text("mine")
    refused = train(corpus, "-o", tmp_path / "m", *QUICK, "--force")
    assert "holds more than a model, which would be lost (notes.txt)" in one_sentence(refused, 1)
    assert (tmp_path / "m" / "notes.txt").read_text() == "mine"


@pytest.mark.slow
def test_odd_labels_are_told_with_the_options_that_help(run, tmp_path):
    pytest.importorskip("torch")
    corpus = tmp_path / "odd.csv"
    labels = ["1"] * 7 + ["1.0"] * 2 + ["0"] + ["nan"]
    rows = "".join(f"第{i}家店{'好' * (i % 4)},{labels[i % 11]}\n" for i in range(220))
    corpus.write_text(f"text,label\n{rows}text,label\n第999家店,other\n第998家店,other\n", encoding="utf-8")
    arguments = ("sentiment", "train", corpus, *QUICK)
    done = run(*arguments, "-o", tmp_path / "m", "--label", "other=1.0")
    said = done.stderr.decode()
    assert done.returncode == 0, said
    assert "20 no label" in said
    assert "1 repeated header" in said
    assert "taken for no label: 'nan' (20); --label nan=nan keeps it as a class" in said
    advice = re.search(r"'1' \(140 rows\) and '1.0' \(40 rows\) and .*; to join them, say (.*)", said)[1].split()
    assert advice == ["--label", "1.0=1", "--label", "other=1"]
    assert re.search(r"Warning: '0' has 20.* rows where '1' has 140", said)
    told = said.index("lets each label count as much as any other")
    assert told < said.index("epoch   1")
    again = (*advice, "--label", "nan=unknown", "--set", "training.class_weights=balanced")
    said = run(*arguments, "-o", tmp_path / "n", *again).stderr.decode()
    assert "look alike" not in said
    assert "no label" not in said
    assert "lets each label" not in said
