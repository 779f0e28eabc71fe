import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.inference.mixing import Stage, log_sum, softmax


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


def test_softmax_bears_great_numbers():
    assert softmax(np.array([[1000.0, 0.0], [-1000.0, -1000.0]])).tolist() == [[1.0, 0.0], [0.5, 0.5]]
    assert log_sum(np.array([[1000.0, 1000.0]])).tolist() == [[1000.0 + np.log(2)]]
