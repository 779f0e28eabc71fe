import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.text.characters import Characters
from nlpkit.text.familiarity import ENOUGH, Familiarity, FamiliarityCount, is_unlike
from nlpkit.text.normalisation import Normaliser
from tests.text.familiar import CLASSICAL, ENGLISH, LOGS, reviews


def fitted(train, validation):
    count = FamiliarityCount()
    for at in range(0, len(train), 500):
        count.add(Normaliser().batch(train[at : at + 500]))
    return count.familiarity([Normaliser().batch(validation)])


def warnings(familiarity, texts):
    """The warning of each text, or None."""
    found = familiarity.warnings(Characters.of(Normaliser().batch(texts)))
    return [found.get(number) for number in range(len(texts))]


ROWS = reviews(6000, seed=0)
KNOWN = fitted(ROWS[:1500], ROWS[1500:2000])


@pytest.mark.parametrize(("train", "validation"), [(100, 40), (1500, 500)])
def test_texts_like_those_of_training_are_hardly_ever_told(train, validation):
    known = fitted(ROWS[:train], ROWS[train : train + validation])
    told = [warning for warning in warnings(known, ROWS[2000:]) if warning]
    assert len(told) <= 0.01 * 4000


@pytest.mark.parametrize("text", CLASSICAL)
def test_another_chinese_is_told_by_its_pairs(text):
    (warning,) = warnings(KNOWN, [text])
    assert warning.startswith("unlike the training text: ")
    assert "of its pairs of characters are unusual there, " in warning


@pytest.mark.parametrize("text", [*ENGLISH, *LOGS])
def test_other_scripts_are_told(text):
    (warning,) = warnings(KNOWN, [text])
    assert "are other letters and digits, 0% as a rule" in warning


@pytest.mark.parametrize(("text", "told"), [("".join(ROWS[:40]), True), ("".join(ROWS[:1]), False), ("好", True)])
def test_a_length_beyond_all_of_training_is_told(text, told):
    (warning,) = warnings(KNOWN, [text])
    assert bool(warning) == told
    if told:
        lengths = sorted(map(len, ROWS[:1500]))
        assert f"{len(text):,} characters, {lengths[0]} to {lengths[-1]} there" in warning


@given(st.lists(st.sampled_from([*ROWS[:9], *CLASSICAL, *LOGS, ""]) | st.text(max_size=9), max_size=8))
def test_neighbours_never_change_a_warning(texts):
    assert warnings(KNOWN, texts) == [warnings(KNOWN, [text])[0] for text in texts]


def test_it_comes_back_from_json():
    again = Familiarity.from_json(json.loads(json.dumps(KNOWN.to_json())))
    texts = [*CLASSICAL, *ENGLISH, *LOGS, *ROWS[2000:2500]]
    assert warnings(again, texts) == warnings(KNOWN, texts)
    assert len(json.dumps(KNOWN.to_json())) < 12_000


@pytest.mark.parametrize(
    "change",
    [
        {"usual": "AAAA"},
        {"usual": "not base64"},
        {"usual": 7},
        {"pairs": {}},
        {"pairs": [1, 2, 3, 4]},
        {"pairs": {"mean": "x", "within": 1, "between": 1, "most": 1}},
        {"pairs": {"mean": 0.1, "within": -1, "between": 1, "most": 1}},
        {"foreign": {"mean": 0.1, "within": 0, "between": 0, "most": 1}},
        {"foreign": {"mean": float("nan"), "within": 0, "between": 1, "most": 1}},
        {"shortest": 9, "longest": 2},
        {"shortest": 1.5},
        {"longest": None},
    ],
)
def test_json_of_another_kind_is_refused(change):
    with pytest.raises((ValueError, KeyError, TypeError)):
        Familiarity.from_json(KNOWN.to_json() | change)


@pytest.mark.parametrize("missing", ["usual", "pairs", "foreign", "shortest", "longest"])
def test_json_that_lacks_a_part_is_refused(missing):
    with pytest.raises(KeyError):
        Familiarity.from_json({name: value for name, value in KNOWN.to_json().items() if name != missing})


def test_from_few_rows_nothing_follows():
    assert fitted(ROWS[:100], ROWS[100 : 100 + ENOUGH - 1]) is None
    assert fitted(ROWS[:100], ROWS[100 : 100 + ENOUGH]) is not None


def test_rows_of_one_length_and_one_text_are_no_fault():
    same = ["好货"] * ENOUGH
    assert warnings(fitted(same, same), same) == [None] * ENOUGH


@pytest.mark.parametrize(
    ("warned", "rows", "unlike"),
    [
        (0, 0, False),
        (0, 1, False),
        (1, 1, True),
        (1, 2, True),
        (1, 10, False),
        (2, 10, True),
        (6, 300, False),
        (20, 300, True),
        (900, 100_000, False),
        (5_000, 100_000, True),
        (50_000, 1_000_000, True),
    ],
)
def test_a_file_is_unlike_where_many_of_its_rows_are(warned, rows, unlike):
    assert is_unlike(warned, rows) == unlike
