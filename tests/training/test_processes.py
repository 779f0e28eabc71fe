"""Several processes that train one network: what they come to, what they say, what is left when one of them dies."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from nlpkit.errors import SettingError  # noqa: E402
from nlpkit.training import launch  # noqa: E402
from nlpkit.training.devices import choose_device  # noqa: E402
from nlpkit.training.launch import ALONE, Parted, Place, read_place  # noqa: E402
from nlpkit.training.processes import Processes, join, processes, weigh_mean  # noqa: E402

from .networks import network  # noqa: E402

PARTED = (
    "another process of this run has ended before its time: the state that was saved last is whole, go on by --resume"
)
ROOT = Path(__file__).parents[2]
SECONDS = 600
LOCAL = pytest.mark.skipif(os.name == "nt", reason="torchrun wants gloo, and signals")
pytestmark = pytest.mark.train
SMALL = ("--set", "embedding.dim=8", "--set", "embedding.dropout=0", "--set", "training.epochs=3")
RUNS = {
    "sentiment": ("--encoder", "lstm", "--set", "encoder.hidden=8", "--set", "head.dropout=0", "--set", "min_steps=0"),
    "cloze": ("--recipe", "network", "--encoder", "gru", "--set", "encoder.hidden=8", "--set", "answers.min_count=2"),
    "generate": ("--recipe", "network", "--encoder", "gru", "--set", "encoder.hidden=8", "--set", "training.streams=5"),
}


def start(*arguments, module="nlpkit", count=2):
    """Start torchrun, whose port is whatever is free."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    said = [str(argument) for argument in arguments]
    return subprocess.Popen(
        [*command, "-m", module, *said],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def torchrun(*arguments, **options):
    """What torchrun and its processes come to and say."""
    process = start(*arguments, **options)
    try:
        out, err = process.communicate(timeout=SECONDS)
    finally:
        process.terminate()  # which ends the others
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


# One process


def test_a_process_is_alone_unless_torchrun_says_otherwise(monkeypatch):
    for name, value in (("RANK", "3"), ("WORLD_SIZE", "8"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)  # as others set these too
    monkeypatch.delenv(launch.LAUNCHED, raising=False)
    assert read_place() == ALONE
    monkeypatch.setenv(launch.LAUNCHED, "run")
    assert read_place() == Place(rank=3, count=8, local=1)


def test_alone_all_rows_are_its_own_and_means_stay_as_they_are():
    mean = torch.tensor(3.0)
    assert weigh_mean(mean, 7) is mean
    assert not processes().several
    assert processes().tell("this") == "this"


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("rows", [1, 2, 7, 64])
def test_parts_of_a_batch_are_all_of_it(count, rows):
    bounds = [Processes(Place(rank, count)).bounds(rows) for rank in range(count)]
    assert all(begin < end for begin, end in bounds)  # each keeps the pace
    if rows >= count:
        assert [row for begin, end in bounds for row in range(begin, end)] == list(range(rows))
        assert {end - begin for begin, end in bounds} <= {rows // count, rows // count + 1}


def test_batch_norm_is_refused_in_several_processes():
    with pytest.raises(SettingError, match=r"batch norm .* 2 processes sees a part: set norm=layer"):
        Processes(Place(0, 2)).check_module(network("gru", norm="batch"))
    Processes().check_module(network("gru", norm="batch"))


def test_a_device_of_several_processes_is_each_ones_own():
    with pytest.raises(SettingError, match="cuda:1 is one GPU, and there are 2 processes: say cuda"):
        choose_device("cuda:1", Place(0, 2))
    with pytest.raises(SettingError, match="mps is one GPU, and there are 2 processes"):
        choose_device("mps", Place(0, 2))
    assert choose_device("cpu", Place(1, 2)) == torch.device("cpu")


# Two


@LOCAL
@pytest.mark.slow
def test_the_gradient_is_that_of_one_process(tmp_path):
    done = torchrun(tmp_path / "found.json", module="tests.training.several")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert len(found) > 10
    assert {case: worst for case, worst in found.items() if worst > 1e-6} == {}


def settings_of(task):
    return [word if word != "min_steps=0" else "training.min_steps=0" for word in (*RUNS[task], *SMALL)]


def read_history(folder):
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        return [(row["run"], row["epoch"], float(row["train_loss"])) for row in csv.DictReader(file)]


@LOCAL
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("task", RUNS)
def test_two_processes_train_a_model_and_one_says_so(tmp_path, samples, task):
    rows = samples / ("labelled.csv" if task == "sentiment" else "reviews.txt")
    done = torchrun(task, "train", rows, "-o", tmp_path / "two", *settings_of(task))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("saved ") == 1
    assert "trained by 2 processes" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"two"}  # and no folder of a run
    assert json.loads((tmp_path / "two" / "config.json").read_text("utf-8"))["environment"]["processes"] == 2
    if task == "sentiment":  # in which nothing is drawn at random within a step
        one = subprocess.run(
            [sys.executable, "-m", "nlpkit", task, "train", rows, "-o", tmp_path / "one", *settings_of(task)],
            capture_output=True,
            check=False,
        )
        assert one.returncode == 0, one.stderr
        for (*which, loss), (*other, expected) in zip(
            read_history(tmp_path / "two"), read_history(tmp_path / "one"), strict=True
        ):
            assert which == other
            assert loss == pytest.approx(expected, rel=1e-4)


@LOCAL
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_that_dies_ends_the_run_in_one_sentence_and_any_number_goes_on(tmp_path, samples, victim):
    longer = ("--set", "training.epochs=40", "--set", "training.patience=40", "--save-every", "0.2")
    said = ("sentiment", "train", samples / "labelled.csv", *settings_of("sentiment"), *longer, "-o", tmp_path / "m")
    process = start(*said)
    state, ends = tmp_path / "m.training" / "network.safetensors", time.monotonic() + SECONDS
    while not state.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends
        time.sleep(0.1)
    os.kill(rank_of(process, victim), signal.SIGKILL)
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode
    assert errors(err) == [PARTED]
    again = torchrun(*said, "--resume", count=3)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("resumed at epoch ") == 1
    assert [epoch for _, epoch, _ in read_history(tmp_path / "m")] == [str(epoch) for epoch in range(1, 41)]


def errors(said):
    """The sentences by which a run ends; torchrun has more to say."""
    return [line.removeprefix("Error: ") for line in said.splitlines() if line.startswith("Error: ")]


def rank_of(process, rank):
    """The number of the process that torchrun has given a rank."""
    listed = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True).stdout
    for number in listed.split():
        if f"\0RANK={rank}\0".encode() in Path(f"/proc/{number}/environ").read_bytes():
            return int(number)
    raise AssertionError(listed)


@LOCAL
@pytest.mark.slow
@pytest.mark.long
def test_what_is_wrong_is_said_once(tmp_path):
    corpus = tmp_path / "rows.csv"
    corpus.write_text("text,label\n很好,1\n不错,1\n", encoding="utf-8")
    done = torchrun("sentiment", "train", corpus, "-o", tmp_path / "m", "--encoder", "gru")
    assert done.returncode
    assert len(errors(done.stderr)) == 1
    done = torchrun("sentiment", "train", corpus, "-o", tmp_path / "m", "--encoder", "nonsense")
    assert [sentence for sentence in errors(done.stderr) if "nonsense" in sentence] == errors(done.stderr) != []
    assert not (tmp_path / "m").exists()


def test_whoever_comes_after_torchrun_has_ended_does_not_wait(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"TORCHELASTIC_RUN_ID": "x", "TORCHELASTIC_USE_AGENT_STORE": "True", "RANK": "1", "WORLD_SIZE": "2"}
    for name, value in {**told, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("nlpkit.training.processes.MEETING", timedelta(seconds=1))
    with pytest.raises(Parted, match="torchrun has ended"), join():
        raise AssertionError("nobody was met")
