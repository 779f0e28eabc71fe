"""Two tasks of strangers, one folder each: all that ours can, they can, without a line in nlpkit."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.processes import Running

pytestmark = pytest.mark.train
HERE = Path(__file__).parent
SITES = {"ratings": "RATINGS", "spans": "SPANS"}
VERB = {"ratings": ["predict", "--text"], "spans": ["tag"]}
GOOD, BAD, THINGS = ("很好", "不错", "喜欢"), ("很差", "破了", "难用"), ("衣服", "手机", "酒店", "早餐", "快递", "颜色")


def install(name, site):
    """Leave a stranger's package as pip would."""
    shutil.copytree(HERE / name / f"nlpkit_{name}", site / f"nlpkit_{name}")
    information = site / f"zh_{name}-1.2.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: zh-{name}\nVersion: 1.2\n")
    points = f"[nlpkit.tasks]\n{name} = nlpkit_{name}:{SITES[name]}\n"
    (information / "entry_points.txt").write_text(points)


def write_rows(name, path):
    """Write rows that can be learnt from."""
    draw, lines = random.Random(0), []
    for number in range(240):
        thing, good = draw.choice(THINGS), bool(number % 2)
        text = f"{thing}{draw.choice(GOOD if good else BAD)}，{draw.choice(THINGS)}也是{number}"
        spans = [[0, 2, "thing"], [text.index("，") + 1, text.index("，") + 3, "thing"]]
        lines.append(
            {"text": text, "stars": 4.5 if good else 1.5} if name == "ratings" else {"text": text, "spans": spans}
        )
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


@pytest.fixture(scope="module", params=sorted(SITES))
def task(request):
    return request.param


@pytest.fixture(scope="module")
def place(task, tmp_path_factory):
    """A folder with the stranger's package, rows, and a model that was trained on them."""
    folder = tmp_path_factory.mktemp(task)
    (folder / "site").mkdir()
    install(task, folder / "site")
    write_rows(task, folder / "rows.jsonl")
    return folder


@pytest.fixture(scope="module")
def command(place, nlpkit_command, clean_environment):
    environment = clean_environment | {"PYTHONPATH": str(place / "site")}

    def call(*arguments, code=0):
        done = subprocess.run(
            [nlpkit_command, *map(str, arguments)], capture_output=True, env=environment, cwd=place, check=False
        )
        assert done.returncode == code, done.stderr.decode()
        assert b"Traceback" not in done.stderr
        return done.stdout.decode(), done.stderr.decode()

    return call


@pytest.fixture(scope="module")
def model(task, place, command):
    command(task, "train", "rows.jsonl", "-o", "mine")
    return place / "mine"


def test_help_names_it(task, command):
    assert task in command("--help")[0]
    assert "train" in command(task, "--help")[0]


@pytest.mark.slow
def test_it_answers_rows_in_every_format(task, model, command):
    verb = VERB[task]
    found = [
        json.loads(line)
        for line in command(task, *verb, "衣服很好", "--model", model, "--format", "jsonl")[0].splitlines()
    ]
    assert len(found) == 1
    assert found[0]["reason"] is None
    assert command(task, verb[0], "--file", "rows.jsonl", "--model", model, "--format", "csv")[0].count("\n") == 241
    assert command(task, *verb, "衣服很好", "--model", model, "--format", "table")[0].strip()


@pytest.mark.slow
def test_it_learns(task, model, command):
    figures = json.loads(command(task, "evaluate", "rows.jsonl", "--model", model, "--format", "json")[0])["all"]
    assert figures["error"] < 1.5 if task == "ratings" else figures["recall"] > 0.5


@pytest.mark.slow
def test_what_comes_with_a_run_comes_with_it(task, model, command):
    config = json.loads((model / "config.json").read_text())
    assert config["task"] == task
    assert config["members"][0]["history"]
    assert (model / "history.csv").read_text().count("\n") >= 2
    assert f"nlpkit {task}" in (model / "README.md").read_text()
    assert command("models", "check", model)[0] == f"{model}: ok\n"
    assert "SHA-256" in command("models", "show", model)[0]


@pytest.mark.slow
def test_a_dry_run_shows_what_would_be(task, command, place):
    told = command(task, "train", "rows.jsonl", "--dry-run")[0]
    assert "parameters" in told
    assert not (place / "rows").exists()


@pytest.mark.slow
def test_settings_are_checked_before_rows_are_read(task, command):
    _, told = command(task, "train", "no-such-file.jsonl", "-o", "x", "--set", "training.epochs=many", code=2)
    assert "epochs wants a whole number, found 'many'" in told
    _, told = command(task, "train", "no-such-file.jsonl", "-o", "x", "--set", "embedding.dim=1.5", code=2)
    assert "dim wants a whole number, found 1.5" in told


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(task, place, command, model):
    environment = {"PYTHONPATH": str(place / "site")}
    run = Running(
        task,
        "train",
        place / "rows.jsonl",
        "-o",
        place / "killed",
        "--save-every",
        0,
        folder=place,
        environment=environment,
    )
    state = place / "killed.training"
    run.until(lambda: list(state.glob("*.safetensors")))
    run.abandon()
    assert not (place / "killed").exists()
    command(task, "train", "-o", "killed", "--resume")
    for path in sorted(model.rglob("*.safetensors")):
        assert (place / "killed" / path.relative_to(model)).read_bytes() == path.read_bytes()


@pytest.mark.slow
@pytest.mark.long
def test_training_goes_on_from_its_model(task, command, model):
    _, told = command(task, "train", "rows.jsonl", "-o", "further", "--from", model, "--set", "training.epochs=1")
    parts = {
        "ratings": "embedding, hidden layer and head of network",
        "spans": "embedding, encoder and linear of tagger",
    }
    assert f"\nfrom mine: {parts[task]} kept; 0.0% of the tokens to train on are unknown to it\n" in told
    figures = [
        json.loads(command(task, "evaluate", "rows.jsonl", "--model", of, "--format", "json")[0])["all"]
        for of in (model, "further")
    ]
    before, now = (row["error"] if task == "ratings" else -row["recall"] for row in figures)
    assert now < before + 0.1
    assert "Training went on from the model mine" in command("models", "show", "further")[0]
    _, told = command(
        task, "train", "rows.jsonl", "-o", "x", "--from", model, "--set", "embedding.dim=3", "--dry-run", code=2
    )
    assert "embedding.dim of" in told


@pytest.mark.slow
def test_the_library_opens_it(model, place, clean_environment):
    program = "import sys, nlpkit; print(nlpkit.load(sys.argv[1]).check())"
    environment = clean_environment | {"PYTHONPATH": str(place / "site")}
    done = subprocess.run([sys.executable, "-c", program, str(model)], capture_output=True, env=environment, check=True)
    assert done.stdout == b"[]\n"


@pytest.mark.slow
def test_without_the_plugin_its_model_names_what_is_lacking(task, model, run):
    done = run("models", "check", model)
    assert done.returncode == 1
    needs = (
        f"the model needs the task {task!r} from zh-{task} 1.2, which is not installed: pip install 'zh-{task}>=1.2'"
    )
    assert needs in done.stderr.decode()
