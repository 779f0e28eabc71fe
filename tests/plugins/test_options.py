import pytest

from nlpkit.plugins.options import natural, one_of, positive, probability, switch, weight


@pytest.mark.parametrize(
    ("check", "given", "sentence"),
    [
        (positive, {"hidden": 0}, "hidden must be at least 1, was: 0"),
        (positive, {"hidden": 4, "layers": -2}, "layers must be at least 1, was: -2"),
        (positive, {"hidden": 2.5}, "hidden must be a whole number, was: 2.5"),
        (positive, {"hidden": True}, "hidden must be a whole number, was: True"),
        (natural, {"seed": -1}, "seed must not be negative, was: -1"),
        (natural, {"seed": "one"}, "seed must be a whole number, was: 'one'"),
        (weight, {"prior": -0.5}, "prior must be a number that is not negative, was: -0.5"),
        (weight, {"prior": float("inf")}, "prior must be a number that is not negative, was: inf"),
        (weight, {"prior": True}, "prior must be a number that is not negative, was: True"),
        (probability, {"dropout": 1}, r"dropout must be in \[0, 1\), was: 1"),
        (probability, {"dropout": -0.1}, r"dropout must be in \[0, 1\), was: -0.1"),
        (probability, {"dropout": float("nan")}, r"dropout must be in \[0, 1\), was: nan"),
        (probability, {"dropout": "0.1"}, r"dropout must be in \[0, 1\), was: '0.1'"),
        (switch, {"bidirectional": "no"}, "bidirectional must be true or false, was: 'no'"),
    ],
)
def test_what_is_out_of_range_is_named(check, given, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        check(**given)


def test_a_wrong_name_gets_the_nearest_right_one():
    with pytest.raises(ValueError, match=r"there is no norm 'bach'; did you mean 'batch'. There is: none, batch"):
        one_of(("none", "batch"), norm="bach")


def test_what_is_in_range_passes():
    positive(hidden=1, layers=9)
    natural(negatives=0, seed=7)
    weight(prior=0, other=2.5)
    probability(dropout=0, other=0.99)
    switch(bidirectional=False)
    one_of(("none", "batch"), norm="none")
