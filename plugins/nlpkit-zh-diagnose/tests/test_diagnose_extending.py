"""A finished diagnosis takes more trials, and does none of its own again."""

import json

import pytest

pytest.importorskip("torch")

from tiny_diagnoses import quick

from nlpkit_diagnose.networks import load_networks

pytestmark = pytest.mark.train


@pytest.fixture
def learn(shell, tmp_path):
    """Diagnose by a tiny task into one folder; what it says, and what stands there then."""

    def run(name, *arguments, code=0, assignments=()):
        small = [word for assignment in quick(name, *assignments) for word in ("--set", assignment)]
        told = shell(name, *small, "-o", tmp_path / "out", *arguments)
        assert told.returncode == code, told.stderr
        return told, json.loads((tmp_path / "out" / "diagnosis.json").read_text(encoding="utf-8"))

    return run


def by_name(found):
    return {(trial["encoder"], trial["condition"], trial["seed"]): trial for trial in found["trials"]}


def without_seconds(trial):
    return {name: value for name, value in trial.items() if name != "seconds"}


def test_seeds_and_encoders_are_added_and_what_was_there_is_taken(learn, tmp_path):
    _, first = learn("ball", "-e", "rnn", "--seeds", 1)
    _, more = learn("ball", "-e", "rnn", "--seeds", 2, "--extend")
    _, all_of_them = learn("ball", "-e", "gru", "--seeds", 1, "--extend")
    names = [("rnn", "", 0), ("rnn", "", 1), ("gru", "", 0)]
    assert list(by_name(all_of_them)) == names
    assert by_name(more)[names[0]] == by_name(first)[names[0]]  # to the second: it was not done again
    assert by_name(all_of_them)[names[1]] == by_name(more)[names[1]]
    assert all_of_them["settings"].keys() == {"rnn", "gru"}
    out = tmp_path / "out"
    assert list(load_networks(out / "networks.safetensors")) == ["rnn-0", "rnn-1", "gru-0"]
    rows = (out / "history.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["rnn-0", "rnn-1", "gru-0"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    _, whole = learn("ball", "-e", "rnn", "-e", "gru", "--seeds", 2, "--force")
    for name in names:
        assert without_seconds(by_name(whole)[name]) == without_seconds(by_name(all_of_them)[name])


def test_lengths_are_added(learn):
    _, first = learn("digit-sum", "--lengths", "4", "--seeds", 1)
    _, more = learn("digit-sum", "--lengths", "6", "--seeds", 1, "--extend")
    assert [trial["condition"] for trial in more["trials"]] == ["4", "6"]
    assert more["trials"][0] == first["trials"][0]


def test_other_settings_are_refused_by_name_and_change_nothing(learn, tmp_path):
    _, first = learn("ball", "-e", "rnn", "--seeds", 1)
    told, after = learn("ball", "-e", "rnn", "--extend", code=2, assignments=["training.epochs=2"])
    assert "rnn: training.epochs was 1, is 2: choose another folder, or --force" in told.stderr
    assert after == first
    told, after = learn("sine", "-e", "rnn", "--extend", code=2)
    assert "task was ball, is sine" in told.stderr
    assert after == first
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_another_target_or_file_is_refused(shell, salaries, write):
    small = [word for assignment in quick("salary") for word in ("--set", assignment)]
    out = salaries.parent / "extended"
    assert shell("salary", salaries, *small, "--seeds", 1, "-o", out).returncode == 0
    assert "年龄" in shell("salary", salaries, *small, "--target", "年龄", "-o", out, "--extend").stderr
    other = write(salaries.read_text(encoding="utf-8") + "30,1,0.1,5000\n")
    assert "the file has changed or is another" in shell("salary", other, *small, "-o", out, "--extend").stderr


def test_a_new_folder_begins_and_wrong_words_are_refused(learn, shell):
    _, found = learn("ball", "-e", "rnn", "--seeds", 1, "--extend")
    assert len(found["trials"]) == 1
    for wrong in (["--extend"], ["-o", "x", "--extend", "--force"]):
        told = shell("ball", *wrong)
        assert told.returncode == 2
        assert "--extend wants the folder, --output, of a diagnosis" in told.stderr


def test_a_damaged_diagnosis_is_one_sentence(learn, shell, tmp_path):
    learn("ball", "-e", "rnn", "--seeds", 1)
    (tmp_path / "out" / "diagnosis.json").write_text("{}")
    told = shell("ball", "-o", tmp_path / "out", "--extend")
    assert told.returncode == 1
    assert "is damaged" in told.stderr


@pytest.mark.slow
def test_several_processes_come_to_the_same(learn, tmp_path):
    command = ("ball", "-e", "rnn", "-e", "gru", "--seeds", 2)
    _, alone = learn(*command)
    weights = (tmp_path / "out" / "networks.safetensors").read_bytes()
    told, several = learn(*command, "--jobs", 2, "--force")
    assert "4 trials" in told.stderr
    assert list(map(without_seconds, several["trials"])) == list(map(without_seconds, alone["trials"]))
    assert (tmp_path / "out" / "networks.safetensors").read_bytes() == weights
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_number_of_processes_that_is_none_is_refused(shell):
    told = shell("ball", "--jobs", -1)
    assert told.returncode == 2
    assert "jobs is a number from 0" in told.stderr
