import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.components.codes import choose_codes, count_collisions
from nlpkit.errors import SettingError

SOURCES = ("sign", "median", "itq", "random")


def vectors(words=400, dim=16, seed=0):
    """Vectors whose coordinates differ in spread and are off centre, as those of words do."""
    random = np.random.default_rng(seed)
    return random.normal(size=(words, 6)) @ random.normal(size=(6, dim)) + random.normal(0, 0.3, (words, dim)) + 0.5


def made(source, bits=16, seed=0, words=400, **shape):
    return choose_codes(vectors(words, **shape), source=source, bits=bits, seed=seed)


def principal(found, bits):
    centred = found - found.mean(0)
    return centred @ np.linalg.svd(centred, full_matrices=False)[2][:bits].T


def error(rotated, bits):
    """Distance of vectors to codes as -1 and 1, squared."""
    return ((np.where(bits, 1, -1) - rotated) ** 2).sum()


@pytest.mark.parametrize("source", SOURCES)
def test_a_seed_makes_the_same_codes(source):
    found = made(source, seed=3)
    assert found.shape == (400, 16)
    assert found.dtype == np.bool_
    assert (found == made(source, seed=3)).all()


@pytest.mark.parametrize("source", ["itq", "random"])
def test_another_seed_makes_others(source):
    assert (made(source, seed=3) != made(source, seed=4)).any()


def test_signs():
    found = choose_codes(np.array([[1.0, -1.0], [-2.0, 0.0]]), source="sign", bits=2, seed=0)
    assert found.tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize("words", [400, 401])
def test_half_of_the_words_are_above_the_median(words):
    assert (abs(2 * made("median", words=words).sum(0) - words) <= 1).all()


@pytest.mark.parametrize("bits", [4, 6, 16])
def test_iterative_quantisation_errs_less_than_the_signs_of_components(bits):
    components, found = principal(vectors(), bits), made("itq", bits)
    left, _, right = np.linalg.svd(components.T @ np.where(found, 1, -1))  # the rotation that suits the codes best
    assert error(components @ left @ right, found) < error(components, components > 0)


def test_codes_longer_than_the_vectors_tell_more_words_apart():
    short, long = made("itq", 16), made("itq", 40)
    assert long.shape == (400, 40)
    assert count_collisions(long) < count_collisions(short)
    assert (long[:, :16] != long[:, 16:32]).any()


@given(st.integers(1, 300), st.integers(1, 70), st.integers(0, 99))
def test_random_codes_repeat_only_if_they_must(words, bits, seed):
    found = choose_codes(np.zeros((words, 0)), source="random", bits=bits, seed=seed)
    assert found.shape == (words, bits)
    assert count_collisions(found) == max(0, words - 2**bits)


def test_collisions_are_words_with_the_code_of_an_earlier_one():
    assert count_collisions(np.array([[1, 0], [0, 1], [1, 0], [1, 0], [1, 1]], dtype=np.bool_)) == 2


@pytest.mark.parametrize("source", ["sign", "median"])
def test_one_bit_a_number_wants_as_many_bits(source):
    with pytest.raises(SettingError, match="have 16, but bits is 20: set bits=16 or source=itq"):
        made(source, 20)


def test_other_sources_are_named():
    with pytest.raises(SettingError, match="did you mean 'median'"):
        made("medien")
