"""Networks that were saved answer as they did when they had just learnt."""

import io
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nlpkit import DataError, NlpkitError  # noqa: E402
from safetensors import safe_open  # noqa: E402
from tiny_diagnoses import quick, task_of  # noqa: E402

from nlpkit_diagnose.diagnosis import Ended, diagnose  # noqa: E402
from nlpkit_diagnose.networks import Restored, choose_network, dump_networks, load_networks  # noqa: E402
from nlpkit_diagnose.settings import settings_of  # noqa: E402
from nlpkit_diagnose.tasks import TASKS  # noqa: E402

pytestmark = pytest.mark.train
NAMES = [task.name for task in TASKS]


def networks_of(task, encoders=("gru",), seeds=(0,)):
    chosen = settings_of(task, ["none"] if task.name == "salary" else list(encoders), quick(task.name), {})
    ended = [event for event in diagnose(task, chosen, seeds) if isinstance(event, Ended)]
    return {event.result.name: event.network for event in ended}


@pytest.fixture(scope="module", params=NAMES)
def saved(request, prices, salaries, tmp_path_factory):
    """The task, its networks as they were, and the file that holds them."""
    task = task_of(request.param, prices, salaries)
    networks = networks_of(task)
    path = tmp_path_factory.mktemp("saved") / "networks.safetensors"
    path.write_bytes(dump_networks(networks))
    return task, networks, path


INPUTS = {
    "digit-sum": "730040",
    "letters": "xxaxb",
    "ball": "1,2,3",
    "sine": "0,0.2,0.4",
    "salary": "30,2,0.1",
}


def test_a_file_holds_what_was_saved(saved):
    _, networks, path = saved
    found = load_networks(path)
    assert list(found) == list(networks)
    for name, network in networks.items():
        assert found[name].record == {"name": name, **network.record}
        assert found[name].weights.keys() == network.weights.keys()
        assert all(torch.equal(found[name].weights[key], tensor) for key, tensor in network.weights.items())


def test_a_network_that_was_read_answers_as_the_one_that_learnt(saved, prices):
    """It is made again from the file alone, with other random weights at first."""
    task, networks, path = saved
    (name, network), *_ = networks.items()
    text = INPUTS.get(task.name, str(prices))
    torch.manual_seed(7)
    again = task.answer(Restored(load_networks(path)[name]), text, 3)
    torch.manual_seed(8)
    assert again == task.answer(Restored(type(network)({"name": name, **network.record}, network.weights)), text, 3)
    assert json.loads(json.dumps(again, allow_nan=False)) == again
    assert text in task.tell_answer(text, again)


def test_other_weights_give_another_answer(saved, prices):
    task, _, path = saved
    (name, network), *_ = load_networks(path).items()
    text = INPUTS.get(task.name, str(prices))
    before = task.answer(Restored(network), text)
    other = type(network)(network.record, {key: tensor + 0.5 for key, tensor in network.weights.items()})
    assert task.answer(Restored(other), text) != before
    assert network.record["name"] == name


def test_the_answer_is_what_the_network_said_of_a_test_row(salaries):
    """What a diagnosis measured is what `predict` says of the same rows."""
    task = task_of("salary", None, salaries)
    chosen = settings_of(task, ["none"], quick("salary", "training.epochs=3"), {})
    (ended,) = (event for event in diagnose(task, chosen, [0]) if isinstance(event, Ended))
    network = Restored(type(ended.network)({"name": "none-0", **ended.network.record}, ended.network.weights))
    table = task.table
    answers = [task.answer(network, ",".join(map(str, row[:-1])))["工资"] for row in table.values]
    for right, found in zip(ended.result.curves["right"], ended.result.curves["found"], strict=True):
        near = [
            answer for answer, row in zip(answers, table.values, strict=True) if row[-1] == pytest.approx(right, 1e-5)
        ]
        assert any(answer == pytest.approx(found, 1e-4) for answer in near)


def test_nothing_in_the_file_says_where_it_was_made(saved, prices, salaries):
    _, _, path = saved
    with safe_open(path, "pt") as file:
        told = json.dumps(file.metadata())
    assert str(prices.parent) not in told
    assert str(salaries.parent) not in told


def test_the_best_by_validation_is_chosen_and_any_by_its_name(prices, salaries):
    networks = networks_of(task_of("ball", prices, salaries), ("gru", "rnn"), (0, 1))
    best = choose_network(networks, None)
    assert best.record["judged"] == min(network.record["judged"] for network in networks.values())
    assert choose_network(networks, "rnn-1") is networks["rnn-1"]
    with pytest.raises(DataError, match="there is no network 'lstm-0'; there is: gru-0, rnn-0, gru-1, rnn-1"):
        choose_network(networks, "lstm-0")


def test_of_networks_for_several_lengths_the_nearest_is_chosen(prices, salaries):
    networks = networks_of(task_of("digit-sum", prices, salaries))
    assert choose_network(networks, None, [4]).record["condition"] == "4"
    assert choose_network(networks, None, [4, 60]).record["condition"] == "6"


@pytest.mark.parametrize("damage", [b"", b"\0" * 40, b"PK\x03\x04", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_damaged_file_is_one_sentence(tmp_path, damage):
    path = tmp_path / "networks.safetensors"
    path.write_bytes(damage)
    with pytest.raises(DataError, match="is damaged"):
        load_networks(path)


def test_a_record_of_something_else_is_one_sentence(saved):
    _, networks, _ = saved
    ((name, network), *_) = networks.items()
    for change in ({"outputs": 77}, {"parts": {}}, {"shape": "images", "dim": 1}):
        record = {"name": name, **network.record, **change}
        with pytest.raises(NlpkitError, match=f"the network {name} cannot be made again"):
            Restored(type(network)(record, network.weights))


@pytest.fixture
def balls(shell, tmp_path):
    """A folder with the networks of two seeds."""
    small = [word for assignment in quick("ball") for word in ("--set", assignment)]
    assert shell("ball", *small, "--seeds", 2, "-o", tmp_path / "ball").returncode == 0
    return tmp_path / "ball"


def test_each_input_has_an_answer_or_a_reason(shell, balls):
    told = shell("predict", balls, "1,2,3", "one", "-1，-4", "--format", "jsonl", "--network", "gru-1")
    assert (told.returncode, told.stderr) == (0, "")
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    assert [row["input"] for row in rows] == ["1,2,3", "one", "-1，-4"]
    assert [row["answer"] is None for row in rows] == [False, True, False]
    assert rows[1]["reason"] == "expected at least 2 positions with commas between, such as 1,2,3, found 'one'"
    assert np.isfinite(rows[0]["answer"]["next"])


def test_answers_are_lines_or_a_table(shell, balls):
    lines = shell("predict", balls, "1,2,3", "x").stdout.splitlines()
    assert lines[0].startswith("1,2,3 → ")
    assert lines[1].startswith("x → no answer: expected at least 2 positions")
    told = shell("predict", balls, "1,2,3", "-f", "table")
    assert "gru-0, gru-1" in told.stderr  # which answers, and which others there are
    assert {"input", "next"} <= set(told.stdout.split())
    assert "reason" not in told.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["one"], 1, "nothing was answered: expected at least 2 positions"),
        (["--stepz", "1,2"], 2, "No such option '--stepz'"),
        (["1,2", "--network", "lstm-0"], 1, "there is no network 'lstm-0'"),
    ],
)
def test_what_cannot_be_answered_at_all_is_an_error(shell, balls, arguments, code, sentence):
    told = shell("predict", balls, *arguments)
    assert told.returncode == code
    assert sentence in told.stderr


def test_a_folder_without_networks_says_how_to_make_some(shell, balls):
    (balls / "networks.safetensors").unlink()
    told = shell("predict", balls, "1,2")
    assert (told.returncode, told.stdout) == (1, "")
    assert "holds no networks: expected networks.safetensors" in told.stderr


def test_lines_of_stdin_are_answered(shell, balls, monkeypatch):
    lines = "1,2,3\n\nx\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"\ufeff{lines}".encode())))
    told = shell("predict", balls, "-f", "jsonl", "--network", "gru-0")
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    assert [row["input"] for row in rows] == lines.splitlines()
    assert [row["reason"] is None for row in rows] == [True, False, False]


def test_a_diagnosis_that_is_replaced_leaves_no_older_network(shell, balls):
    before = (balls / "networks.safetensors").read_bytes()
    small = [word for assignment in quick("ball") for word in ("--set", assignment)]
    assert shell("ball", *small, "-e", "rnn", "--seeds", 1, "-o", balls, "--force").returncode == 0
    assert list(load_networks(balls / "networks.safetensors")) == ["rnn-0"]
    assert before != (balls / "networks.safetensors").read_bytes()
