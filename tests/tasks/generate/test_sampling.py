"""How the next token is drawn from logits."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.errors import SettingError
from nlpkit.tasks.generate.sampling import Sampling

NONE = np.full((1, 4), -1)
rows = st.lists(st.floats(-20, 20), min_size=1, max_size=12)


def draws(logits, sampling, count=2000, recent=NONE):
    """How often each column comes."""
    numbers = (np.arange(count) + 0.5) / count
    many = np.repeat(np.array([logits], dtype=np.float32), count, 0)
    found = sampling.draw(many, numbers, np.repeat(recent, count, 0))
    return np.bincount(found, minlength=len(logits)) / count


@given(rows, st.floats(0.3, 3))
def test_tokens_come_as_often_as_they_are_likely(logits, temperature):
    expected = np.exp(np.array(logits) / temperature - max(logits) / temperature)
    found = draws(logits, Sampling(temperature))
    assert np.abs(found - expected / expected.sum()).max() < 0.002


@given(rows)
def test_without_temperature_the_likeliest_comes(logits):
    assert draws(logits, Sampling(0), 5)[int(np.argmax(np.array(logits, dtype=np.float32)))] == 1


@given(rows, st.integers(1, 12))
def test_top_k_are_the_only_ones(logits, k):
    found = draws(logits, Sampling(top_k=k), 200)
    bound = sorted(np.array(logits, dtype=np.float32))[-min(k, len(logits))]
    assert all(logit >= bound for logit, share in zip(np.float32(logits), found, strict=True) if share)


@given(rows, st.floats(0.05, 1))
def test_top_p_are_as_few_as_have_that_probability(logits, p):
    chances = np.exp(np.array(logits) - max(logits))
    chances /= chances.sum()
    order = np.argsort(-chances, kind="stable")
    needed = int(np.searchsorted(np.cumsum(chances[order]), p - 1e-6)) + 1
    found = draws(logits, Sampling(top_p=p), 200)
    bound = chances[order[min(needed, len(logits)) - 1]]
    assert all(chance >= bound * 0.999 for chance, share in zip(chances, found, strict=True) if share)
    assert found.sum() == pytest.approx(1)


def test_what_is_repeated_comes_less_often():
    recent = np.array([[1, 1, -1, -1]])
    plain, penalised = draws([0.0, 0.0], Sampling()), draws([0.0, 0.0], Sampling(penalty=1.0), recent=recent)
    assert plain[1] == pytest.approx(0.5, abs=0.01)
    assert penalised[1] == pytest.approx(math.exp(-2) / (1 + math.exp(-2)), abs=0.01)


def test_what_cannot_come_never_does():
    for sampling in (Sampling(), Sampling(0), Sampling(top_k=2), Sampling(top_p=0.5), Sampling(penalty=5.0)):
        assert draws([-np.inf, 0.0, -3.0], sampling, recent=np.array([[1, 1, 2, 2]]))[0] == 0


@given(
    st.sampled_from([0, 0.01, 1.0, 100]),
    st.integers(0, 5),
    st.sampled_from([1e-300, 1e-9, 0.5, 1.0]),
    st.sampled_from([0.0, 100]),
    st.lists(st.floats(-80, 80, width=32), min_size=1, max_size=6),
    st.floats(0, 1, exclude_max=True),
)
def test_whatever_the_options_what_cannot_come_never_does(temperature, top_k, top_p, penalty, likely, number):
    logits = np.array([[-np.inf, *likely]], dtype=np.float32)
    sampling = Sampling(temperature, top_k, top_p, penalty)
    (column,) = sampling.draw(logits, np.array([number]), np.array([[1, 1, -1]]))
    assert 1 <= column <= len(likely)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"temperature": -1}, "temperature must be from 0 to 100, was: -1"),
        ({"temperature": 1e39}, "temperature must be from 0 to 100"),
        ({"temperature": math.nan}, "temperature must be from 0"),
        ({"temperature": "hot"}, "temperature must be from 0"),
        ({"top_k": 1.5}, "top_k must be a whole number that is not negative, was: 1.5"),
        ({"top_k": -1}, "top_k must be a whole number"),
        ({"top_p": 0}, "top_p must be above 0 and at most 1, was: 0"),
        ({"top_p": 1.1}, "top_p must be above 0"),
        ({"penalty": math.inf}, "penalty must be from 0 to 100"),
    ],
)
def test_a_wrong_option_is_one_sentence(options, sentence):
    with pytest.raises(SettingError, match=sentence):
        Sampling(**options)
