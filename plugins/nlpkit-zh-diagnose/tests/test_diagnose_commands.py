"""``nlpkit diagnose`` as a shell sees it: what is printed, written, refused, interrupted and gone on with."""

import csv
import json
import re
import shlex
import signal
import subprocess
import sys
import time

import click
import pytest
from tiny_diagnoses import quick

from nlpkit_diagnose.commands import diagnose as group
from nlpkit_diagnose.settings import settings_of
from nlpkit_diagnose.tasks import TASKS

pytestmark = pytest.mark.train
NAMES = [task.name for task in TASKS]
FILES = ["diagnosis.json", "history.csv", "networks.safetensors", "plot.png"]
HEAVY = ("torch", "matplotlib", "onnxruntime", "safetensors")
LIGHT = f"""
import sys
from nlpkit.commands.main import main
try:
    main()
finally:
    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""
SECONDS = 60  # after which something that is waited for will never come


def tiny(name, *assignments, seeds=1):
    """A command that is done at once."""
    chosen = [word for assignment in quick(name, *assignments) for word in ("--set", assignment)]
    return [name, *chosen, "--seeds", seeds]


@pytest.fixture
def learn(shell, prices, salaries):
    """Run a task of which everything is small."""
    pytest.importorskip("torch")
    files = {"stock": [prices], "salary": [salaries]}

    def run(name, *arguments, assignments=(), seeds=1):
        command, *rest = tiny(name, *assignments, seeds=seeds)
        return shell(command, *files.get(name, []), *rest, *arguments)

    return run


@pytest.fixture
def light(environment):
    """Run the command in a process of its own; the last line on stderr says what it imported."""

    def run(*arguments):
        command = [sys.executable, "-c", LIGHT, *arguments]
        return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=False)

    return run


def json_of(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def known(document):
    """All but what the clock and the machine say."""
    found = {name: value for name, value in document.items() if name != "environment"}
    for part in ("summary", "trials"):
        found[part] = [{name: value for name, value in row.items() if name != "seconds"} for row in document[part]]
    return found


@pytest.mark.parametrize("arguments", [["list"], ["list", "--format", "json"], ["--help"], ["ball", "--help"]])
def test_listing_and_help_import_nothing_heavy(light, arguments):
    done = light("diagnose", *arguments)
    assert (done.returncode, done.stderr) == (0, "[]\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ball", "--resume"], "--resume wants the folder, --output, in which the diagnosis was interrupted"),
        (["digit-sum", "--lengths", "ten"], "expected whole numbers such as 10 or 10,20,35, found 'ten'"),
    ],
)
def test_a_wrong_command_line_is_refused_before_torch_is_imported(light, arguments, sentence):
    done = light("diagnose", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert done.stderr.endswith("\n[]\n")


def test_the_tasks_are_listed(shell):
    done = shell("list")
    assert (done.returncode, done.stderr) == (0, "")
    first = [line.split()[0] for line in done.stdout.splitlines() if line.split()]
    assert [name for name in first if name in NAMES] == NAMES
    for figure in ("falls with length", "near 1.0", "0.927", "0.50", "0.944"):
        assert figure in done.stdout


def test_the_tasks_are_listed_as_json(shell):
    found = json.loads(shell("list", "--format", "json").stdout)
    assert [task["name"] for task in found] == NAMES
    assert {frozenset(task) for task in found} == {frozenset(["name", "about", "source", "figure", "tutorial"])}
    assert all(isinstance(value, str) and value for task in found for value in task.values())


def examples(name):
    help_text = group.commands[name].get_help(click.Context(group.commands[name]))
    return [line.strip() for line in help_text.splitlines() if line.strip().startswith("nlpkit ")]


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_of_help_are_commands_that_would_run(name, prices, salaries):
    found = examples(name)
    assert found
    task = next(task for task in TASKS if task.name == name)(*{"stock": [prices], "salary": [salaries]}.get(name, []))
    for example in found:
        program, parent, command, *rest = shlex.split(example)
        assert (program, parent, command) == ("nlpkit", "diagnose", name)
        said = group.commands[name].make_context(name, rest).params
        encoders = [encoder for encoder in said.get("encoders", ["none"]) if encoder != "srn"] or ["gru"]
        assert settings_of(task, encoders, said["assignments"], {})


@pytest.mark.parametrize("name", NAMES)
def test_a_task_prints_a_table_on_stdout_and_its_trials_on_stderr(learn, name):
    encoders = [] if name == "salary" else ["-e", "gru", "-e", "rnn"]
    done = learn(name, *encoders)
    assert done.returncode == 0, done.stderr
    task = next(task for task in TASKS if task.name == name)
    shown = done.stdout.splitlines()
    header = next(line for line in shown if "encoder" in line)
    for column in (task.figure, "seconds", "parameters"):
        assert column in header
    assert ("length" in header) == (name == "digit-sum")
    rows = [line.split() for line in shown if line.split()[:1] in (["gru"], ["rnn"], ["none"]) and "%" not in line]
    lengths = 2 if name == "digit-sum" else 1
    assert [row[0] for row in rows] == (["none"] if name == "salary" else ["gru"] * lengths + ["rnn"] * lengths)
    assert "±" not in done.stdout  # one seed has no spread
    better = "higher" if task.higher else "lower"
    assert f"\n{task.figure}: {better} is better; 1 seed\n" in done.stdout
    assert re.search(rf"^ *tutorial +{re.escape(task.tutorial)} *$", done.stdout, re.MULTILINE)
    trials = [line for line in done.stderr.splitlines() if re.match(r"\S+-0: ", line)]
    assert len(trials) == len(rows)
    assert all("epoch 1 of 1" in line for line in trials)


def test_the_default_encoder_is_gru_and_one_said_twice_is_tried_once(learn):
    assert re.search(r"^ *gru +", learn("ball").stdout, re.MULTILINE)
    done = learn("ball", "-e", "rnn", "-e", "rnn")
    assert done.stderr.count("rnn-0: ") == 1


def test_several_seeds_have_a_spread_and_begin_where_it_is_said(learn):
    done = learn("ball", "--seed", 7, seeds=2)
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["2 trials", "gru-7", "gru-8"]
    assert re.search(r"^ *gru +-?\d+\.\d{3,4} ± \d+\.\d{3,4} ", done.stdout, re.MULTILINE)
    assert "2 seeds" in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_json_is_all_that_is_on_stdout_and_what_the_file_holds(learn, tmp_path, name):
    done = learn(name, "--format", "json", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    found = json_of(done.stdout)
    assert found["task"] == name
    assert known(found) == known(json_of((tmp_path / "out" / "diagnosis.json").read_text(encoding="utf-8")))


def test_a_folder_gets_figures_epochs_and_a_plot_and_nothing_else_stays(learn, tmp_path):
    done = learn("digit-sum", "-o", tmp_path / "out", seeds=2, assignments=["training.epochs=2"])
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES
    with (tmp_path / "out" / "history.csv").open(encoding="utf-8") as file:
        rows = [(row["run"], row["epoch"]) for row in csv.DictReader(file)]
    trials = [f"gru-{length}-{seed}" for seed in (0, 1) for length in (4, 6)]
    assert rows == [(trial, epoch) for trial in trials for epoch in "12"]
    assert (tmp_path / "out" / "plot.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_results_are_replaced_on_request_only(learn, tmp_path):
    folder = tmp_path / "out"
    assert learn("ball", "-o", folder).returncode == 0
    before = (folder / "diagnosis.json").read_bytes()
    done = learn("ball", "-o", folder, "--seed", 1)
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: {folder} holds diagnosis.json and history.csv and plot.png and networks.safetensors already: choose "
        "another folder, or say --force\n"
    )
    assert (folder / "diagnosis.json").read_bytes() == before
    assert learn("ball", "-o", folder, "--seed", 1, "--force").returncode == 0
    assert json_of((folder / "diagnosis.json").read_text())["trials"][0]["seed"] == 1


def test_an_option_chooses_the_lengths(shell):
    pytest.importorskip("torch")
    small = ["--set", "training.epochs=1", "--set", "data.train=1", "--set", "training.batch_size=50", "--seeds", 1]
    found = json_of(shell("digit-sum", "--lengths", "5,7", *small, "-f", "json").stdout)
    assert [trial["condition"] for trial in found["trials"]] == ["5", "7"]
    assert found["settings"]["gru"]["data"]["lengths"] == [5, 7]


def test_the_target_and_the_encoding_are_options(learn, shell, write):
    done = learn("salary", "--target", "年龄", "-f", "json")
    assert done.returncode == 0, done.stderr
    path = write("甲,乙\n".encode("utf-16-le") + "".join(f"{at},{at % 3}\n" for at in range(20)).encode("utf-16-le"))
    command = ["salary", path, "--target", "甲", "--set", "training.epochs=1", "--seeds", 1]
    assert shell(*command, "--encoding", "utf-16").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["ball", "--resume"], 2, "--resume wants the folder, --output"),
        (["digit-sum", "--lengths", "ten"], 2, "expected whole numbers such as 10 or 10,20,35, found 'ten'"),
        (["digit-sum", "--lengths", "2"], 2, "of length 2 there are 0 sequences of a pair"),
        (["ball", "--seeds", "0"], 2, "0 is not in the range"),
        (["ball", "--set", "training.epoch=1"], 2, "did you mean 'epochs'"),
        (["ball", "-e", "grue"], 2, "did you mean 'gru'"),
        (["sine", "-e", "cnn"], 2, "the encoder cnn sees what comes after"),
        (["sine", "-e", "gru", "-e", "none"], 2, "carries no state"),
        (["sine", "--set", "gru.bidirectional=true"], 2, "set encoder.bidirectional=false"),
        (["stock"], 2, "Missing argument 'FILE'"),
        (["salary"], 2, "Missing argument 'FILE'"),
        (["stock", "nowhere.csv"], 1, "nowhere.csv cannot be read: no such file or directory"),
        (["ball", "nowhere.csv"], 1, "nowhere.csv cannot be read: no such file or directory"),
        (["salary", "nowhere.csv"], 1, "nowhere.csv cannot be read: no such file or directory"),
        (["balls"], 2, "No such command 'balls'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_an_exit_code(shell, tmp_path, monkeypatch, arguments, code, sentence):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    done = shell(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["sine", "stock"])
@pytest.mark.parametrize("encoder", ["cnn", "none"])
def test_what_is_refused_leaves_no_folder(learn, tmp_path, name, encoder):
    done = learn(name, "-e", "gru", "-e", encoder, "-o", tmp_path / "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_something_else_is_one_sentence(shell, write):
    pytest.importorskip("torch")
    path = write("日期,开盘\n2020-01-01,5\n")
    done = shell("stock", path)
    assert (done.returncode, done.stdout) == (1, "")
    expected = "has no column 'High' (nor 最高, 最高价, 最高價); there is: 日期, 开盘"
    assert done.stderr == f"Error: {path} {expected}\n"


def test_an_encoder_whose_last_state_has_not_read_all_is_told_what_to_set(learn):
    told = "cnn: its last state has not read the whole sequence: try --set head.pooling=max"
    assert told in learn("letters", "-e", "cnn", "-e", "gru").stdout
    assert "gru: its last" not in learn("letters", "-e", "gru").stdout
    assert told not in learn("letters", "-e", "cnn", assignments=["head.pooling=max"]).stdout
    assert told in json_of(learn("letters", "-e", "cnn", "--format", "json").stdout)["findings"]


def test_there_must_be_something_to_resume(learn, tmp_path):
    done = learn("ball", "-o", tmp_path / "out", "--resume")
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no unfinished run" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_stock_report_says_what_the_figure_is_worth(learn):
    done = learn("stock")
    assert re.search(
        r"gru: 0\.\d{3} on 5 test days, with 95% confidence .*: (no better|better|worse) than chance", done.stdout
    )


def test_what_was_left_out_is_told(shell, write, salaries):
    pytest.importorskip("torch")
    path = write(salaries.read_text(encoding="utf-8") + "30,,1,5\n")
    done = shell("salary", path, "--set", "training.epochs=1", "--seeds", 1)
    assert "1 of 41 rows were left out: a number is missing there" in done.stdout


RISING = ("training.optimizer=sgd", "training.learning_rate=1e6", "training.clip=0", "training.schedule=constant")


def test_a_trial_that_diverged_is_told(learn):
    done = learn("ball", "-e", "none", assignments=[*RISING, "training.epochs=20"])
    assert done.returncode == 0, done.stderr
    assert re.search(r"^none-0: the .* in epoch \d+: ended, and kept epoch \d+$", done.stderr, re.MULTILINE)
    assert re.search(r"^none: training diverged with 1 of 1 seeds$", done.stdout, re.MULTILINE)


def test_a_trial_that_diverged_at_once_keeps_no_other_back(learn, tmp_path):
    diverging = ["rnn.nonlinearity=relu", "training.learning_rate=1e12"]
    done = learn("ball", "-e", "none", "-e", "rnn", "-e", "gru", "-o", tmp_path / "out", assignments=diverging)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"^rnn-0: the .* lower training.learning_rate; it is measured as it began$", done.stderr, re.MULTILINE
    )
    assert "rnn: training diverged with 1 of 1 seeds" in done.stdout
    found = json_of((tmp_path / "out" / "diagnosis.json").read_text(encoding="utf-8"))
    assert {trial["encoder"]: trial["diverged"] for trial in found["trials"]} == {
        "none": False,
        "rnn": True,
        "gru": False,
    }


def test_a_free_run_that_leaves_all_bounds_loses_no_other_figure(learn, tmp_path):
    rising = ["rnn.nonlinearity=relu", "training.learning_rate=0.3", "training.schedule=constant"]
    rising += ["data.points=49", "training.batch_size=20"]
    done = learn("sine", "-e", "rnn", "-e", "gru", "-o", tmp_path / "out", seeds=3, assignments=rising)
    assert done.returncode == 0, done.stderr
    found = json_of((tmp_path / "out" / "diagnosis.json").read_text(encoding="utf-8"))
    assert len(found["trials"]) == 6
    assert (tmp_path / "out" / "plot.png").read_bytes().startswith(b"\x89PNG")


LONG = ("training.epochs=25", "training.batch_size=8")


def interrupted(command, environment, there):
    """What comes of a process that is interrupted once a file is there."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=environment
    ) as process:
        try:
            ends = time.monotonic() + SECONDS
            while not there.exists():
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < ends
                time.sleep(0.005)
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
def test_a_run_that_was_interrupted_is_gone_on_with(shell, write, command, environment, tmp_path):
    pytest.importorskip("torch")
    balls = "".join(f"{at % 7},{at % 7 + at % 5},{at % 7 + 2 * (at % 5)}\n" for at in range(400))
    path, folder, run = write(balls), tmp_path / "out", tmp_path / "out.training"
    told = ["ball", path, "-e", "gru", "-e", "lstm", "--seeds", 1, "-f", "json"]
    told += [word for assignment in LONG for word in ("--set", assignment)]
    whole = json_of(shell(*told).stdout)

    write("old", "out/diagnosis.json")
    started = [command, "diagnose", *map(str, told), "-o", str(folder), "--force", "--save-every", "0.05"]
    done = interrupted(started, environment, run / "lstm-0.safetensors")
    assert (done.returncode, done.stdout) == (130, "")
    assert "Stopping after this step" in done.stderr
    assert done.stderr.endswith("Interrupted; the state is saved: the same command with --resume goes on.\n")
    assert (folder / "diagnosis.json").read_text() == "old"
    kept = json_of((run / "trained" / "gru-0.json").read_text(encoding="utf-8"))["result"]

    (folder / "diagnosis.json").unlink()
    done = shell(*told, "-o", folder)
    assert done.returncode == 1
    assert "holds an unfinished run: go on by --resume, or begin anew by --force" in done.stderr
    write("old", "out/diagnosis.json")
    done = shell(*told, "-o", folder, "--resume", "--set", "training.epochs=9", "--seed", 1)
    assert done.returncode == 2
    assert "training.epochs was 25, is 9" in done.stderr
    assert "seeds.first was 0, is 1" in done.stderr
    path.write_text(balls + "1,2,3\n")
    done = shell(*told, "-o", folder, "--resume")
    assert done.returncode == 2
    assert f"{path} has changed or is another" in done.stderr

    path.write_text(balls)
    done = shell(*told, "-o", folder, "--resume")  # it was allowed to replace what is there
    assert done.returncode == 0, done.stderr
    assert "lstm-0: resumed at epoch" in done.stderr
    found = json_of(done.stdout)
    assert found["trials"][0]["seconds"] == kept["seconds"]  # it was not done again
    assert known(found) == known(whole)
    assert known(json_of((folder / "diagnosis.json").read_text(encoding="utf-8"))) == known(whole)
    assert sorted(name.name for name in tmp_path.iterdir()) == ["out", path.name]


def test_a_strangers_encoder_is_compared_with_ours(learn):
    pytest.importorskip("nlpkit_srn")
    for name in ("digit-sum", "letters", "ball", "sine", "stock"):
        found = json_of(learn(name, "-e", "srn", "-e", "rnn", "-f", "json").stdout)
        assert {row["encoder"] for row in found["summary"]} == {"srn", "rnn"}
