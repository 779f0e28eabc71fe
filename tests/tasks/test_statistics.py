"""What a difference is worth."""

from math import comb, isclose

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.tasks.statistics import Pairs, bootstrap, estimate, estimate_trained, holm, mcnemar, t_quantile, t_share

counts = st.integers(0, 40)


def outcomes(both, first, second, neither):
    """Outcomes of two models that have so many items right."""
    numbers = (both, first, second, neither)
    return (np.repeat(np.array(row), numbers) for row in ([True, True, False, False], [True, False, True, False]))


@given(counts, counts)
def test_the_mid_p_value_counts_half_of_what_was_observed(first, second):
    throws, least = first + second, min(first, second)
    chances = [comb(throws, heads) / 2**throws for heads in range(least + 1)]
    assert isclose(mcnemar(first, second), 2 * sum(chances[:-1]) + chances[-1], abs_tol=1e-12)
    assert mcnemar(first, second) == mcnemar(second, first)


def test_the_mid_p_value_of_a_published_table_and_of_many_items():
    assert mcnemar(1, 7) == pytest.approx(0.0391, abs=5e-5)  # Fagerland et al. 2013, the first example
    assert mcnemar(0, 0) == 1
    assert 0.0105 < mcnemar(30_000, 30_630) < 0.0106  # the normal approximation says 0.0105
    assert mcnemar(9_000, 0) == pytest.approx(0, abs=1e-300)


@given(counts, counts, counts, counts)
def test_an_interval_holds_its_difference_and_turns_with_it(both, first, second, neither):
    if not both + first + second + neither:
        return
    a, b = outcomes(both, first, second, neither)
    found, turned = estimate(a, b), estimate(b, a)
    assert found.low <= found.difference <= found.high
    assert found.low < found.high
    assert turned.difference == -found.difference
    assert turned.low == pytest.approx(-found.high, abs=3 / len(a))  # drawn, not computed
    assert found.p == turned.p
    assert 0 <= found.p <= 1


def test_models_that_never_differ_may_differ_on_rows_not_seen():
    few, many = (bootstrap(Pairs(items, 0, 0)) for items in (20, 2000))
    assert few[0] < 0 < few[1]
    assert 0 < many[1] < few[1] / 20


def test_an_interval_covers_the_truth_where_models_hardly_differ_and_the_plain_one_does_not():
    draw, truth, items = np.random.default_rng(3), 0.01, 150
    covered = plain = 0
    for _ in range(200):
        first, second, _ = draw.multinomial(items, [0.01, 0.0, 0.99])
        low, high = bootstrap(Pairs(items, int(first), int(second)))
        covered += low <= truth <= high
        low, high = np.quantile(draw.binomial(items, first / items, 2000) / items, [0.025, 0.975])
        plain += low <= truth <= high
    assert covered >= 0.92 * 200
    assert plain < 0.9 * 200


def test_intervals_cover_the_truth_in_95_of_100_pairs():
    draw, truth = np.random.default_rng(5), 0.02
    covered = 0
    for _ in range(200):
        easy = draw.beta(0.4, 0.1, 800)
        found = estimate(draw.random(800) < easy, draw.random(800) < easy * (1 - truth / 0.8))
        covered += found.low <= truth <= found.high
    assert 0.92 * 200 <= covered <= 0.98 * 200


@pytest.mark.parametrize(
    ("freedom", "expected"), [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (14, 2.1448), (101, 1.9837)]
)
def test_quantiles_of_students_distribution(freedom, expected):
    assert t_quantile(0.975, freedom) == pytest.approx(expected, abs=5e-5)
    assert t_share(expected, freedom) == pytest.approx(0.95, abs=1e-4)


def test_the_resampled_test_is_corrected_for_what_folds_share():
    draw = np.random.default_rng(0)
    rounds = [(draw.random(400) < 0.9, draw.random(400) < 0.8) for _ in range(10)]
    differences = [first.mean() - second.mean() for first, second in rounds]
    found = estimate_trained(rounds, 5)
    variance = (1 / 10 + 1 / 4) * np.var(differences, ddof=1)
    assert found.difference == pytest.approx(np.mean(differences))
    assert found.high - found.difference == pytest.approx(2.2622 * np.sqrt(variance), rel=1e-4)
    assert found.p == pytest.approx(1 - t_share(found.difference / np.sqrt(variance), 9))


def test_folds_that_are_alike_by_chance_are_no_certainty():
    alike = [tuple(outcomes(8, 1, 0, 1)) for _ in range(5)]
    found = estimate_trained(alike, 5)
    assert found.difference == pytest.approx(0.1)
    assert found.high - found.low > 0.2
    one = estimate_trained(alike[:1], 5)
    assert (one.low, one.high, one.p) == (-1, 1, 1)


def test_p_values_of_several_tests_are_adjusted_together():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []
