import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from nlpkit.components.decoders import GROUPS, CodeDecoder, Codes, SoftmaxDecoder, find_lowest, pack, unpack

shapes = st.tuples(st.integers(1, 40), st.integers(1, 300))  # words, bits
seeds = st.integers(0, 1 << 16)


def drawn(words, bits, seed, repeated=False):
    random = np.random.default_rng(seed)
    table = random.integers(0, 2, (words, bits), dtype=np.bool_)
    return table[random.integers(0, words, words)] if repeated else table


def first_of_equals(values, k):
    return sorted(range(len(values)), key=lambda i: (values[i], i))[:k]


def sigmoid_sum(table, logits):
    """The log-likelihood ``(words,)`` bit by bit, in double precision."""
    signed = np.where(table, logits, -logits.astype(np.float64))
    return -np.log1p(np.exp(-signed)).sum(1)


def code_arrays(table, bias=None, scale=0.5):
    bias = np.zeros(len(table)) if bias is None else bias
    return {"codes": pack(table), "bias": bias.astype(np.float32), "scale": np.array(scale, dtype=np.float32)}


@given(shapes, seeds)
def test_bits_come_back_from_a_file_of_an_eighth(shape, seed):
    table = drawn(*shape, seed)
    packed = pack(table)
    assert packed.shape == (-(-shape[1] // 8), shape[0])
    stored = load(save({"codes": packed}))["codes"]
    assert (unpack(stored, shape[1]) == table).all()


def test_the_layout_that_is_stored_is_fixed():
    table = np.zeros((2, 10), dtype=np.bool_)
    table[0, [0, 9]] = table[1, 7] = True
    assert pack(table).tolist() == [[1, 128], [2, 0]]


@given(st.lists(st.integers(0, 5), max_size=50), st.integers(0, 60))
def test_the_lowest_are_in_order_and_of_equals_the_first(values, k):
    assert find_lowest(np.array(values, dtype=np.uint8), k).tolist() == first_of_equals(values, k)


@given(st.integers(0, 4 * GROUPS), st.sampled_from([1, 10, GROUPS // 8 + 1, 3 * GROUPS]), st.integers(1, 1000), seeds)
def test_the_lowest_of_many(n, k, kinds, seed):
    values = np.random.default_rng(seed).integers(0, kinds, n).astype(np.float32)
    assert find_lowest(values, k).tolist() == first_of_equals(values.tolist(), k)


def test_the_lowest_may_be_infinite():
    values = np.full(5 * GROUPS, np.inf)
    values[77] = 0
    assert find_lowest(values, 3).tolist() == [77, 0, 1]


@pytest.mark.parametrize("n", [5, 5 * GROUPS])
def test_what_is_no_number_comes_last(n):
    values = np.full(n, np.nan)
    assert find_lowest(values, 2).tolist() == [0, 1]
    values[[2, 4]] = 1, 0
    assert find_lowest(values, 3).tolist() == [4, 2, 0]


@given(shapes, seeds, st.integers(0, 45), st.booleans())
def test_nearest_is_what_counting_bits_says(shape, seed, k, repeated):
    table, code = drawn(*shape, seed, repeated), drawn(1, shape[1], seed + 1)[0]
    expected = (table != code).sum(1)
    codes = Codes(pack(table), shape[1])
    for query in (code, pack(code[None])[:, 0]):
        found, distances = codes.nearest(query, k)
        assert found.tolist() == first_of_equals(expected.tolist(), k)
        assert distances.tolist() == expected[found].tolist()


def test_all_bits_may_differ():
    codes = Codes(pack(np.ones((3, 300), dtype=np.bool_)), 300)
    assert codes.nearest(np.zeros(300, dtype=np.bool_), 1)[1].tolist() == [300]


def test_a_prior_brings_words_nearer_but_is_no_distance():
    table = drawn(5, 16, 0)
    prior = np.array([0, 0, 0, 20, 0])
    found, distances = Codes(pack(table), 16).nearest(table[1], 2, prior)
    assert found.tolist() == [3, 1]
    assert distances.tolist() == [(table[3] != table[1]).sum(), 0]


@pytest.mark.parametrize("bits", [16, 300])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint64, np.int8, np.float32, np.bool_])
def test_a_prior_may_be_of_any_kind_and_be_greater_than_the_distance(bits, kind):
    table, prior = drawn(50, bits, 0), drawn(1, 50, 1)[0].astype(kind) * (1 if kind is np.bool_ else kind(100))
    expected = (table != table[7]).sum(1) - prior.astype(float)
    found, _ = Codes(pack(table), bits).nearest(table[7], 50, prior)
    assert found.tolist() == first_of_equals(expected.tolist(), 50)


def test_a_code_of_another_length_is_refused():
    codes = Codes(pack(drawn(5, 16, 0)), 16)
    with pytest.raises(ValueError, match="none of 16 bits"):
        codes.nearest(np.zeros(17, dtype=np.bool_), 1)


def likelihoods(logits):
    """The log-probabilities of 0 and of 1 for each bit."""
    return -np.logaddexp(0, logits), -np.logaddexp(0, -logits)


@given(shapes, seeds, st.sampled_from([0.1, 3.0, 50.0]))
def test_log_likelihood_is_the_sum_over_bits(shape, seed, spread):
    table = drawn(*shape, seed)
    logits = np.random.default_rng(seed).normal(0, spread, (3, shape[1])).astype(np.float32)
    found = Codes(pack(table), shape[1]).sums(*likelihoods(logits))
    expected = np.stack([sigmoid_sum(table, row) for row in logits])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_log_likelihoods_of_all_codes_are_a_distribution():
    every = unpack(np.arange(256, dtype=np.uint8)[None], 8)
    found = Codes(pack(every), 8).sums(*likelihoods(np.random.default_rng(0).normal(0, 3, (4, 8))))
    np.testing.assert_allclose(np.exp(found).sum(1), 1, rtol=1e-5)


@given(shapes, seeds, st.floats(0.1, 4))
def test_logits_are_agreement_times_scale_and_bias(shape, seed, scale):
    table, random = drawn(*shape, seed), np.random.default_rng(seed)
    bias, outputs = random.normal(size=shape[0]), random.normal(0, 3, (3, shape[1])).astype(np.float32)
    found = CodeDecoder(code_arrays(table, bias, scale), bits=shape[1]).logits(outputs)
    expected = scale * outputs @ np.where(table, 1.0, -1.0).T + bias
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_half_the_agreement_is_the_likelihood_but_for_a_constant():
    table, outputs = drawn(30, 20, 0), np.random.default_rng(0).normal(0, 3, (4, 20))
    found = CodeDecoder(code_arrays(table), bits=20).logits(outputs)
    rest = found - Codes(pack(table), 20).sums(*likelihoods(outputs))
    assert np.ptp(rest, axis=1).max() < 1e-4


def test_a_row_does_not_depend_on_the_others():
    decoder = CodeDecoder(code_arrays(drawn(50, 100, 0)), bits=100)
    outputs = np.random.default_rng(0).normal(size=(7, 100)).astype(np.float32)
    alone = np.concatenate([decoder.logits(row[None]) for row in outputs])
    assert (decoder.logits(outputs) == alone).all()


@given(shapes, seeds, st.integers(0, 45), st.booleans())
def test_the_best_words_are_those_of_the_highest_logits(shape, seed, k, repeated):
    decoder = CodeDecoder(code_arrays(drawn(*shape, seed, repeated)), bits=shape[1])
    outputs = np.random.default_rng(seed).normal(size=(2, shape[1])).astype(np.float32)
    logits = decoder.logits(outputs)
    found, values = decoder.nearest(outputs, k)
    assert found.tolist() == [first_of_equals((-row).tolist(), k) for row in logits]
    assert (values == np.take_along_axis(logits, found, 1)).all()


def test_no_outputs_have_no_words():
    found, values = CodeDecoder(code_arrays(drawn(5, 9, 0)), bits=9).nearest(np.zeros((0, 9)), 3)
    assert found.shape == values.shape == (0, 3)


def test_outputs_of_another_width_are_refused():
    decoder = CodeDecoder(code_arrays(drawn(5, 9, 0)), bits=9)
    with pytest.raises(ValueError, match="width 10, the codes 9 bits"):
        decoder.logits(np.zeros((1, 10)))


def soft_arrays(**changes):
    random = np.random.default_rng(0)
    arrays = {"table": random.normal(size=(6, 4)).astype(np.float32), "bias": np.arange(6, dtype=np.float32)}
    return arrays | changes


def test_softmax_is_a_product_and_a_bias():
    arrays, outputs = soft_arrays(), np.eye(4)
    decoder = SoftmaxDecoder(arrays)
    np.testing.assert_allclose(decoder.logits(outputs), arrays["table"].T + arrays["bias"], rtol=1e-6)
    assert decoder.nearest(outputs, 1)[0][:, 0].tolist() == decoder.logits(outputs).argmax(1).tolist()


def test_a_table_of_bytes_is_times_its_scale():
    table, scale = np.arange(-12, 12, dtype=np.int8).reshape(6, 4), np.linspace(0.1, 1, 6)[:, None]
    found = SoftmaxDecoder(soft_arrays(table=table, scale=scale)).logits(np.eye(4))
    np.testing.assert_allclose(found, (table * scale).T + np.arange(6), rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"codes": np.zeros((2, 5), dtype=np.int8)}, r"bytes of shape \(2, words\), found int8 of shape \(2, 5\)"),
        ({"codes": np.zeros((3, 5), dtype=np.uint8)}, r"found uint8 of shape \(3, 5\)"),
        ({"codes": np.full((2, 5), 2, dtype=np.uint8)}, "bits set beyond the 9"),
        ({"bias": np.zeros(4)}, r"bias should be floats of shape \(5,\)"),
        ({"bias": np.zeros(5, dtype=np.int64)}, "found int64"),
        ({"bias": np.full(5, np.nan)}, "bias has numbers that are not finite"),
        ({"scale": np.zeros(1)}, r"scale should be floats of shape \(\)"),
    ],
)
def test_arrays_that_are_no_codes_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        CodeDecoder(code_arrays(drawn(5, 9, 0)) | changes, bits=9)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"table": np.zeros(6)}, r"table should have shape \(words, dim\)"),
        ({"table": np.zeros((6, 4), dtype=np.uint8)}, "found uint8"),
        ({"table": np.full((6, 4), np.inf)}, "table has numbers that are not finite"),
        ({"table": np.zeros((6, 4), dtype=np.int8)}, "scale is missing; there is: bias, table"),
        ({"table": np.zeros((6, 4), dtype=np.int8), "scale": np.ones(6)}, r"scale should be floats of shape \(6, 1\)"),
        ({"bias": np.zeros(5)}, r"bias should be floats of shape \(6,\)"),
    ],
)
def test_arrays_that_are_no_table_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        SoftmaxDecoder(soft_arrays(**changes))
