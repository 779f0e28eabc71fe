"""Means and spreads over seeds, and what is left of a diagnosis: JSON, CSV and a picture for each task."""

import csv
import io
import json
import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from nlpkit import DataError  # noqa: E402
from tiny_diagnoses import quick, task_of  # noqa: E402

from nlpkit_diagnose.ball import Ball  # noqa: E402
from nlpkit_diagnose.diagnosis import Ended, diagnose  # noqa: E402
from nlpkit_diagnose.plots import draw  # noqa: E402
from nlpkit_diagnose.report import Diagnosis, check_folder, write_files  # noqa: E402
from nlpkit_diagnose.settings import settings_of  # noqa: E402
from nlpkit_diagnose.summary import average_curves, group_by_encoder, make_dots, spread_of, summarise  # noqa: E402
from nlpkit_diagnose.task import Line, Panel, Result  # noqa: E402
from nlpkit_diagnose.tasks import TASKS  # noqa: E402
from nlpkit_diagnose.view import show_table  # noqa: E402

pytestmark = pytest.mark.train
NAMES = [task.name for task in TASKS]
FILES = ["diagnosis.json", "history.csv", "plot.png"]


def result(encoder="gru", condition="", seed=0, figure=0.5, **more):
    given = {"figures": {"accuracy": figure, "other": 1.0}, "curves": {}, "parameters": 7, "epochs": 4, "best": 2}
    return Result(encoder, condition, seed, **{**given, "seconds": 2.0, "diverged": False, "config": {}, **more})


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_figure_has_a_mean_and_of_several_seeds_a_standard_deviation(values):
    found = spread_of(values)
    mean = sum(values) / len(values)
    assert found.mean == pytest.approx(mean, abs=1e-6)
    if len(values) == 1:
        assert found.spread is None
    else:
        squares = sum((value - mean) ** 2 for value in values)
        assert found.spread == pytest.approx(math.sqrt(squares / (len(values) - 1)), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("values", [[math.inf], [math.inf, 1.0], [-math.inf, -math.inf], [math.nan, 1.0]])
def test_a_figure_that_is_no_number_does_not_lose_the_others(values):
    """A free run may leave all bounds."""
    rows = summarise([result(figure=value, seed=seed) for seed, value in enumerate(values)])
    assert not math.isfinite(rows[0].figures["accuracy"].mean)
    assert rows[0].figures["other"].mean == 1


def test_a_row_is_an_encoder_under_a_condition_with_the_means_of_its_trials():
    rows = summarise(
        [
            result("gru", "10", 0, 0.4, seconds=1.0, epochs=3, best=1),
            result("rnn", "10", 0, 0.1),
            result("gru", "20", 0, 0.9),
            result("gru", "10", 1, 0.6, seconds=4.0, epochs=6, best=4, diverged=True),
        ]
    )
    assert [(row.encoder, row.condition, row.seeds) for row in rows] == [
        ("gru", "10", 2),
        ("rnn", "10", 1),
        ("gru", "20", 1),
    ]
    first, alone = rows[0], rows[1]
    assert (first.figures["accuracy"].mean, first.figures["accuracy"].spread) == pytest.approx((0.5, math.sqrt(0.02)))
    assert (first.figures["other"].mean, first.figures["other"].spread) == (1.0, 0.0)
    assert (first.seconds, first.epochs, first.best, first.diverged, first.parameters) == (2.5, 4.5, 2.5, 1, 7)
    assert (alone.figures["accuracy"].spread, alone.diverged) == (None, 0)
    assert {name: [row.condition for row in found] for name, found in group_by_encoder(rows).items()} == {
        "gru": ["10", "20"],
        "rnn": ["10"],
    }


def test_results_stand_under_their_encoders_in_the_order_of_the_first():
    found = group_by_encoder([result("rnn"), result("gru"), result("rnn", seed=1)])
    assert [(name, [r.seed for r in results]) for name, results in found.items()] == [("rnn", [0, 1]), ("gru", [0])]


def test_curves_are_averaged_where_they_share_a_place():
    one, other = (result(curves=curves) for curves in ({"x": [3.0, 1.0], "y": [4.0, 2.0]}, {"x": [3.0], "y": [6.0]}))
    assert average_curves([one, other], "x", "y") == ([1.0, 3.0], [2.0, 5.0])


def test_a_dot_stands_for_each_encoder_with_its_spread():
    rows = summarise([result("gru", figure=0.4), result("gru", seed=1, figure=0.6), result("rnn", figure=0.3)])
    lines = make_dots("title", "accuracy", rows).lines
    assert [(line.label, line.x, line.y) for line in lines] == [("gru", [0.0], [0.5]), ("rnn", [1.0], [0.3])]
    assert [line.spread for line in lines] == [[pytest.approx(math.sqrt(0.02))], [0.0]]


def made(task, encoders, seeds=(0, 1), *assignments):
    chosen = settings_of(task, encoders, quick(task.name, "training.epochs=2", *assignments), {})
    ended = [event for event in diagnose(task, chosen, seeds) if isinstance(event, Ended)]
    return Diagnosis(task, chosen, [e.result for e in ended], {e.result.name: list(e.history) for e in ended})


@pytest.fixture(scope="module", params=NAMES)
def diagnosis(request, prices, salaries):
    """A diagnosis of each task with two seeds."""
    task = task_of(request.param, prices, salaries)
    return made(task, ["none"] if task.name == "salary" else ["gru", "rnn"])


def test_the_table_has_a_row_for_each_summary_and_says_what_diverged(capsys, prices, salaries):
    results = [result("gru", "10", 0, 0.25, diverged=True), result("gru", "10", 1, 0.75), result("rnn", "10", 0, 1.0)]
    show_table(Diagnosis(task_of("digit-sum", prices, salaries), {}, results, {}))
    shown = capsys.readouterr().out
    rows = [line.split() for line in shown.splitlines() if line.split()[:1] in (["gru"], ["rnn"])]
    assert rows[0][:5] == ["gru", "10", "0.500", "±", "0.354"]
    assert rows[1][:3] == ["rnn", "10", "1.000"]
    assert "gru 10: training diverged with 1 of 2 seeds\n" in shown
    assert "rnn 10: training diverged" not in shown


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def test_the_figures_are_json_that_every_reader_knows(diagnosis):
    found = json.loads(diagnosis.files()["diagnosis.json"].decode(), parse_constant=refuse)
    task = diagnosis.task
    assert found["task"] == task.name
    assert found["figure"] == {
        "name": task.figure,
        "better": "lower" if task.name == "sine" else "higher",
        "tutorial": task.tutorial,
    }
    assert [trial["encoder"] for trial in found["trials"]] == [result.encoder for result in diagnosis.results]
    assert all(trial["figures"].keys() >= {task.figure} for trial in found["trials"])
    for row in found["summary"]:
        figures = [
            trial["figures"][task.figure]
            for trial in found["trials"]
            if (trial["encoder"], trial["condition"]) == (row["encoder"], row["condition"])
        ]
        assert row["seeds"] == len(figures) == 2
        assert row["figures"][task.figure]["mean"] == pytest.approx(sum(figures) / 2)
        assert row["figures"][task.figure]["spread"] == pytest.approx(abs(figures[0] - figures[1]) / math.sqrt(2))
    assert set(found["settings"]) == {result.encoder for result in diagnosis.results}
    assert {made["training"]["epochs"] for made in found["settings"].values()} == {2}
    assert set(found) >= {"nlpkit", "environment", "findings"}


def test_the_history_has_a_row_for_each_epoch_of_each_trial(diagnosis):
    rows = list(csv.DictReader(io.StringIO(diagnosis.files()["history.csv"].decode())))
    expected = [(result.name, str(epoch)) for result in diagnosis.results for epoch in (1, 2)]
    assert [(row["run"], row["epoch"]) for row in rows] == expected
    assert all(float(row["train_loss"]) >= 0 for row in rows)
    assert len({row["run"] for row in rows}) == len(diagnosis.results)


def test_the_plot_is_a_png(diagnosis):
    files = diagnosis.files()
    assert sorted(files) == FILES
    picture = files["plot.png"]
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert picture.endswith(b"IEND\xaeB`\x82")
    assert len(picture) > 5000


def test_panels_show_every_encoder(diagnosis):
    encoders = {result.encoder for result in diagnosis.results}
    for panel in diagnosis.task.panels(diagnosis.results):
        assert {line.label for line in panel.lines} >= encoders
        for line in panel.lines:
            assert len(line.x) == len(line.y) > 0
            assert line.spread is None or len(line.spread) == len(line.y)


def test_one_seed_has_no_spread_and_is_drawn(prices, salaries):
    found = made(task_of("digit-sum", prices, salaries), ["gru"], (3,))
    summary = json.loads(found.files()["diagnosis.json"])["summary"]
    assert [row["figures"]["accuracy"]["spread"] for row in summary] == [None, None]
    assert found.files()["plot.png"].startswith(b"\x89PNG")


def test_a_line_of_one_point_is_drawn(write):
    path = write("".join(f"{at},{at + 1},{at + 2}\n" for at in range(20)))  # of one length
    assert made(Ball(path), ["none"], (0,)).files()["plot.png"].startswith(b"\x89PNG")


def test_the_accuracy_of_digit_sum_is_drawn_by_length(prices, salaries):
    found = made(task_of("digit-sum", prices, salaries), ["gru", "rnn"])
    (panel,) = found.task.panels(found.results)
    names = ("gru", "gru, development", "rnn", "rnn, development")
    assert {line.label: list(line.x) for line in panel.lines} == {name: [4.0, 6.0] for name in names}
    for line in panel.lines:
        encoder, _, name = line.label.partition(", ")
        for length, mean in zip(line.x, line.y, strict=True):
            of_it = [r for r in found.results if (r.encoder, r.condition) == (encoder, f"{length:.0f}")]
            assert mean == pytest.approx(sum(r.figures[name or "accuracy"] for r in of_it) / 2)


def limits_and_labels(lines, **more):
    """What is seen of a panel."""
    from matplotlib.figure import Figure

    axis = Figure().subplots()
    draw(axis, Panel("title", "x", "y", lines, **more))
    return axis.get_ylim(), [text.get_text() for text in axis.get_legend().get_texts()]


AWAY = [0.5, 30.0, 1e30]


@pytest.mark.parametrize("away", [AWAY, [0.5, math.inf, math.nan], [-y for y in AWAY]])
@pytest.mark.parametrize("log", [False, True])
def test_a_line_that_ran_away_does_not_flatten_the_others(away, log):
    (low, high), labels = limits_and_labels(
        [Line("gru", [0, 1, 2], [0.2, 0.9, 0.4], [0.1, 0.1, 0.1]), Line("rnn", [0, 1, 2], away, style="C1-")], log=log
    )
    assert labels == ["gru", "rnn (runs off)"] or labels == ["rnn (runs off)", "gru"]
    assert 0 < low < 0.1 if log else -0.1 < low < 0.1
    assert 1.0 < high < 1.3


def test_lines_of_a_kind_are_all_seen():
    small, great = [0.001, 0.01, 0.002], [0.5, 8.0, 1.0]
    (low, high), labels = limits_and_labels([Line("gru", [0, 1, 2], small), Line("rnn", [0, 1, 2], great)])
    assert low < 0.001 < 8.0 < high
    assert labels == ["gru", "rnn"]
    (low, high), _ = limits_and_labels([Line("right", [0, 1], [3e3, 9e3]), Line("found", [0, 1], [1e3, 2e4])])
    assert low < 1e3 < 2e4 < high  # in whatever unit they are


def test_files_are_written_beside_what_is_there_and_replaced(tmp_path):
    folder = tmp_path / "some" / "where"
    write_files(folder, {"diagnosis.json": b"1", "history.csv": b"2"})
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"holds diagnosis.json and history.csv already: .* say --force"):
        check_folder(folder, force=False)
    check_folder(folder, force=True)
    write_files(folder, {"diagnosis.json": b"3"})
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert found == {"diagnosis.json": b"3", "notes.txt": b"mine"}  # no older history stays beside newer figures


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(DataError, match="is a file: choose a folder"):
        check_folder(path, force=True)
    with pytest.raises(DataError, match="cannot be written"):
        write_files(path, {"diagnosis.json": b"1"})
    assert path.read_text() == "mine"
    check_folder(tmp_path, force=False)
    check_folder(tmp_path / "new", force=False)
