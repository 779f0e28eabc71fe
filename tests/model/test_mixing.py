from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.model.mixing import SigmoidStage, Stage, log_sum, sigmoid, softmax


@given(
    st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1, max_size=4),
    st.floats(0.05, 20),
    st.floats(-1000, 1000),
)
def test_probabilities_ignore_a_shift_and_sum_to_one(logits, temperature, shift):
    member = np.array(logits)
    found = Stage((1.0,), temperature).probabilities([member])
    assert np.allclose(found.sum(1), 1)
    assert np.allclose(found, Stage((1.0,), temperature).probabilities([member + shift]), atol=1e-6)


@given(st.lists(st.tuples(*[st.floats(-1e300, 1e300)] * 2), min_size=1, max_size=4))
def test_probabilities_of_labels_that_do_not_exclude_each_other(logits):
    stage = SigmoidStage((1.0,), exit=None, scales=(1.0, 2.0), shifts=(0.0, -1.0), thresholds=(0.5, 0.9))
    member = np.array(logits)
    found = stage.probabilities([member])
    assert ((found >= 0) & (found <= 1)).all()
    assert np.allclose(found[:, 0] + sigmoid(-member[:, 0]), 1)
    assert (stage.sureness(found) >= 0.5).all()
    assert (stage.choose(found) == (found >= [0.5, 0.9])).all()
    assert Stage.from_json(asdict(stage)) == stage


STAGE = {"weights": [1.0], "temperature": 1.0, "exit": None}
numbers = st.floats(0.01, 100)


@given(st.builds(Stage, st.lists(numbers, min_size=1, max_size=3).map(tuple), numbers, st.none() | st.floats(0, 1)))
def test_a_stage_comes_back_from_a_file(stage):
    assert Stage.from_json(asdict(stage)) == stage


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("weights", [None, 1.0, [], {}, "x", [None], ["x"], [[]], [True], [float("nan")], [float("inf")], [10**400]]),
        ("temperature", [None, 0, -1, "x", [], {}, True, float("nan"), float("inf"), 10**400, 1e-320]),
        ("exit", ["x", [], {}, False, -1, float("nan"), float("inf")]),
    ],
)
def test_a_stage_that_is_none_is_refused(name, values):
    for value in values:
        with pytest.raises((ValueError, TypeError)):
            Stage.from_json(STAGE | {name: value})
    with pytest.raises(KeyError, match=name):
        Stage.from_json({key: value for key, value in STAGE.items() if key != name})


def test_softmax_bears_great_numbers():
    assert softmax(np.array([[1000.0, 0.0], [-1000.0, -1000.0]])).tolist() == [[1.0, 0.0], [0.5, 0.5]]
    assert log_sum(np.array([[1000.0, 1000.0]])).tolist() == [[1000.0 + np.log(2)]]
