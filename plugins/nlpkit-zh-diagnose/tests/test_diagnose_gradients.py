"""What is computed by hand is what torch computes; and where it were not, it would be seen."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nlpkit_diagnose import gradients  # noqa: E402
from nlpkit_diagnose.gradients import ROUNDING, compare_all  # noqa: E402

pytestmark = pytest.mark.train


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_by_hand_and_by_torch_differ_by_rounding_alone(seed):
    found = list(compare_all(seed))
    assert [one.what for one in found if not one.is_rounding] == []
    told = " ".join(one.what for one in found)
    for what in ("sigmoid", "SGD, momentum", "Adam", "amsgrad", "Adadelta", "RNN", "LSTM", "GRU", "gradients through"):
        assert what in told


def test_what_differs_by_more_is_no_rounding():
    first = next(compare_all())
    assert not replace(first, greatest=2 * ROUNDING).is_rounding
    assert not replace(first, greatest=float("nan")).is_rounding


@pytest.mark.parametrize(
    ("name", "change", "differ"),
    [
        ("Adam", {"betas": (0.9, 0.998)}, {"Adam: 5 steps"}),
        ("Adadelta", {"eps": 1e-7}, {"Adadelta: 5 steps"}),
        ("SGD, momentum", {"momentum": 0.0}, {"SGD, momentum: 5 steps"}),
    ],
)
def test_another_rule_is_seen(monkeypatch, name, change, differ):
    rule, kind, options = gradients.OPTIMIZERS[name]
    wrong = (lambda **told: rule(**{**told, **change}), kind, options)
    monkeypatch.setattr(gradients, "OPTIMIZERS", {**gradients.OPTIMIZERS, name: wrong})
    assert {one.what for one in compare_all() if not one.is_rounding} == differ


def test_a_wrong_gradient_is_seen(monkeypatch):
    def without_the_state(weights, x, asked):
        states, found = gradients.run_gru(weights, x, asked)
        return states, {**found, "weight_hh_l0": np.zeros_like(found["weight_hh_l0"])}

    monkeypatch.setattr(gradients, "CELLS", {**gradients.CELLS, "GRU": without_the_state})
    assert [one.what for one in compare_all() if not one.is_rounding] == ["GRU: gradients through 6 steps"]


def test_the_command_prints_a_table_or_json(shell):
    told = shell("gradients")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.count("same") == len(list(compare_all()))
    found = json.loads(shell("gradients", "--seed", 3, "-f", "json").stdout)
    assert found["bound"] == ROUNDING
    assert all(row["rounding"] and row["greatest"] <= ROUNDING for row in found["differences"])


def test_the_command_fails_where_something_differs(shell, monkeypatch):
    monkeypatch.setattr(gradients, "ROUNDING", -1.0)
    told = shell("gradients")
    assert told.returncode == 1
    assert "differs" in told.stdout
