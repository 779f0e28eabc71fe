"""From the shell: what the README shows, what is imported when, and that what was trained needs no torch."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nlpkit
import pytest

PLUGIN = Path(__file__).resolve().parent.parent
SAMPLES = PLUGIN.parent.parent / "corpora" / "samples"
HEAVY = ("torch", "tokenizers", "numpy", "safetensors", "onnx")
WITHOUT = "import sys; sys.modules.update(torch=None, onnx=None, onnxscript=None)\n"
RUN = f"{WITHOUT}from nlpkit.commands.main import main\nmain()"
MAKE = "from nlpkit.plugins.registry import registry\nmade = registry().get({!r}, {!r}).create({!r})\n"
FEW = ("--set", "embedding.layers=2", "--set", "training.epochs=3", "--set", "training.batch_size=16")
PARTS = ("--tokenizer", "e5-pieces", "--embedding", "e5", "--encoder", "none", "--set", "head.pooling=mean", *FEW)


@pytest.fixture
def python(environment):
    """Run a program in a process of its own."""

    def run(program, *arguments):
        command = [sys.executable, "-c", program, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=False)

    return run


@pytest.fixture
def train(environment, tmp_path):
    """Train on the labelled samples."""

    def run(name, *arguments):
        command = ["nlpkit", "sentiment", "train", str(SAMPLES / "labelled.csv"), "-o", str(tmp_path / name)]
        command += [*PARTS, *arguments]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return tmp_path / name

    return run


def test_nothing_heavy_is_imported_at_start(python):
    done = python(f"import sys, nlpkit_e5\nprint([m for m in {HEAVY} if m in sys.modules])")
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_tokenizer_needs_no_torch(python):
    made = MAKE.format("tokenizer", "e5-pieces", {"longest": 64})
    done = python(f"{WITHOUT}{made}print(made.tokenize('好'))")
    assert (done.stdout, done.stderr) == ("['<s>', '▁que', 'ry', ':', '▁', '好', '</s>']\n", "")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.train
def test_the_embedding_says_what_to_install(python):
    pytest.importorskip("torch")
    done = python(f"import sys; sys.modules['torch'] = None\n{MAKE.format('embedding', 'e5', {})}")
    assert done.stderr.endswith(
        "the embedding e5 needs torch, which is not installed: pip install 'plugins/nlpkit-zh-e5[train]' in a clone of "
        "nlpkit's repository\n"
    )


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.train
@pytest.mark.parametrize(
    ("settings", "largest"),
    [
        (("weights=int4", "arithmetic=int8"), 7_800_000),
        (("weights=int4", "embedding.tuned=1", "training.learning_rate=0.0003"), 8_700_000),
        (("embedding.tuned=2", "embedding.rounded=true", "weights=int4", "training.learning_rate=0.0003"), 7_800_000),
    ],
)
def test_what_was_trained_scores_without_torch_and_is_the_same_opened_again(train, python, settings, largest):
    pytest.importorskip("torch")
    folder = train("mine", "--no-weights", *(word for setting in settings for word in ("--set", setting)))
    (member,) = json.loads((folder / "config.json").read_text(encoding="utf-8"))["members"]
    assert member["runtime"] == "graph"
    assert not (folder / "network" / "model.safetensors").exists()
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.suffix != ".png") < largest
    assert nlpkit.load(folder).check() == []
    texts = (SAMPLES / "reviews.txt").read_text(encoding="utf-8").splitlines()
    expected = [score.label for score in nlpkit.load(folder).score(texts)]
    done = python(RUN, "sentiment", "score", SAMPLES / "reviews.txt", "--model", folder, "-f", "jsonl")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["label"] for line in done.stdout.splitlines()] == expected
    assert {"positive", "negative"} <= set(expected)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.train
def test_training_goes_on_from_weights_of_four_bits(train, environment, tmp_path):
    """Two layers tuned rounded, saved without the weights as trained: what inference executes holds them."""
    pytest.importorskip("torch")
    tuned = ("embedding.tuned=2", "embedding.rounded=true", "weights=int4", "arithmetic=int8", "encoder.name=none")
    first = train("first", "--no-weights", *(word for setting in tuned for word in ("--set", setting)))
    command = ["nlpkit", "sentiment", "train", str(SAMPLES / "labelled.csv"), "-o", str(tmp_path / "second")]
    command += ["--from", str(first), "--set", "training.epochs=1", "--set", "training.learning_rate=1e-9"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "from first: embedding and head of network kept; its weights are those that inference reads" in done.stderr
    texts = (SAMPLES / "reviews.txt").read_text(encoding="utf-8").splitlines()
    before, now = (nlpkit.load(folder).score(texts) for folder in (first, tmp_path / "second"))
    assert [score.label for score in now] == [score.label for score in before]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.train
def test_a_run_that_is_resumed_comes_to_the_same_weights(train, environment, tmp_path):
    """The run is stopped in its second epoch; states of the lower half are on the disk by then."""
    pytest.importorskip("torch")
    tuned = ("--set", "embedding.tuned=1", "--set", "weights=int4")
    whole = train("whole", *tuned)
    stop = (
        "import nlpkit.training.loop as loop\nfit = loop.fit\n"
        "def stopped(*a, **k):\n"
        "    for event in fit(*a, **k):\n"
        "        yield event\n"
        "        if isinstance(event, loop.Step) and (event.epoch, event.step) == (2, 3): raise KeyboardInterrupt\n"
        "import nlpkit.training.member as member\nmember.fit = stopped\n"
        "from nlpkit.commands.main import main\nmain()"
    )
    arguments = ["sentiment", "train", str(SAMPLES / "labelled.csv"), "-o", str(tmp_path / "again"), *PARTS, *tuned]
    done = subprocess.run(
        [sys.executable, "-c", stop, *arguments], capture_output=True, encoding="utf-8", env=environment, check=False
    )
    assert done.returncode == 130, done.stderr
    again = train("again", *tuned, "--resume")
    for path in ("network/model.safetensors", "network/model.onnx"):
        assert (again / path).read_bytes() == (whole / path).read_bytes()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.train
def test_texts_that_are_cut_are_told(environment, tmp_path):
    pytest.importorskip("torch")
    rows = ["text,label", *(f"{'质量很好，下次还来。' * 9}{n},{('good', 'bad')[n % 2]}" for n in range(60))]
    (tmp_path / "long.csv").write_text("\n".join(rows), encoding="utf-8")
    command = ["nlpkit", "sentiment", "train", str(tmp_path / "long.csv"), "-o", str(tmp_path / "mine"), *PARTS]
    command += ["--set", "tokenizer.longest=32", "--set", "embedding.layers=1"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=False)
    assert re.search(r"rows are longer than what is read, and were cut", done.stderr), done.stderr


@pytest.mark.train
@pytest.mark.skipif(sys.platform == "win32", reason="the commands are written for a Unix shell")
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", ["large", "few", "frozen", "tuned", "recipe"])
def test_what_the_readme_shows_goes(environment, tmp_path, name):
    pytest.importorskip("torch")
    for file in ("labelled.csv", "reviews.txt"):
        shutil.copy(SAMPLES / file, tmp_path)
    page = (PLUGIN / "README.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^```(?:sh|toml) (\S+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    (tmp_path / "mine.toml").write_text(shown["mine.toml"], encoding="utf-8")
    command = ["sh", "-ec", shown[name]]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    expected = ("are unlike the text", "still getting better", "no test row could be used")  # of so few rows
    warnings = [line for line in done.stderr.splitlines() if "Warning" in line]
    assert all(any(part in line for part in expected) for line in warnings), done.stderr
    assert done.stdout.count("\n") >= len((tmp_path / "reviews.txt").read_text(encoding="utf-8").splitlines())
