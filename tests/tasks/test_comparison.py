"""Models side by side."""

import numpy as np
import pytest

from nlpkit.errors import SettingError
from nlpkit.tasks.comparison import (
    Comparison,
    Round,
    count_copies,
    measure_speed,
    remark_on_training,
    take_test_rows,
)
from nlpkit.tasks.items import Items, Outcome
from nlpkit.text.corpus import Example
from nlpkit.text.split import deduplicate, fingerprint, split_rows

SHARES = {"test": 0.2, "validation": 0.2}


def made(rights, *, group=lambda _: "", **more):
    """A round in which each model has some items right, None where it has no answer."""
    items = [Example(f"第{n}家店", "yes", "one.csv", group(n)) for n in range(len(rights[0]))]
    outcomes = [
        [Outcome(bool(right), None if right is None else "yes" if right else "no") for right in of_model]
        for of_model in rights
    ]
    return Round(items, outcomes, **more)


def test_figures_are_of_all_items_and_of_groups():
    rights = [[1] * 40 + [0] * 20, [1] * 20 + [0] * 40, [None] * 60]
    comparison = Comparison(["a", "b", "c"], [made(rights, group=lambda n: "first" if n < 20 else "rest")])
    figures = comparison.figures()
    assert list(figures) == ["all", "first", "rest"]
    assert figures["all"].items == 60
    assert figures["all"].accuracy == {"a": pytest.approx(2 / 3), "b": pytest.approx(1 / 3), "c": 0}
    assert figures["all"].unanswered == {"a": 0, "b": 0, "c": 60}
    assert figures["all"].by_none == 0
    first = figures["all"].differences[0]
    assert (first.first, first.second, first.only_first, first.only_second) == ("a", "b", 20, 0)
    assert first.better == "a"
    assert figures["first"].differences[0].better is None
    assert figures["rest"].differences[0].estimate.difference == pytest.approx(0.5)


def test_p_values_are_adjusted_among_pairs_and_then_among_groups():
    draw = np.random.default_rng(0)
    rights = (draw.random((3, 200)) < [[0.8], [0.75], [0.7]]).tolist()
    figures = Comparison(["a", "b", "c"], [made(rights, group=lambda n: str(n % 4))]).figures()
    for names in (["all"], ["0", "1", "2", "3"]):
        tests = [one for name in names for one in figures[name].differences]
        least = min(tests, key=lambda one: one.estimate.p)
        assert least.adjusted == pytest.approx(min(1, least.estimate.p * len(tests)))
        assert all(one.adjusted >= one.estimate.p for one in tests)


def test_a_difference_needs_an_interval_without_0_and_an_adjusted_p_below_5_per_cent():
    rights = [[1] * 100, [1] * 94 + [0] * 6]
    two = Comparison(["a", "b"], [made(rights)]).figures()["all"].differences[0]
    assert two.better == "a"
    many = Comparison(list("abcdefgh"), [made(rights[:1] * 7 + rights[1:])]).figures()["all"].differences[6]
    assert many.estimate == two.estimate
    assert many.better is None


def test_of_recipes_figures_are_means_over_seeds():
    rights = [[1, 1, 1, 0], [1, 0, 0, 0]]
    rounds = [made(rights, seed=seed, fold=fold) for seed in range(2) for fold in (1, 2)]
    figures = Comparison(["a", "b"], rounds, 2).figures()["all"]
    assert figures.items == 8
    assert figures.accuracy == {"a": 0.75, "b": 0.25}
    assert (figures.differences[0].only_first, figures.differences[0].only_second) == (4, 0)


def test_items_differ_where_answers_do():
    comparison = Comparison(["a", "b"], [made([[1, 0, None, 0], [1, 1, None, None]])])
    assert [number for _, number in comparison.differing()] == [1, 3]


def test_speed_is_measured_of_each_model():
    asked = []

    def answer(model, items):
        asked.append(model)
        sum(range(200 * model * len(items)))
        return [Outcome(True, "yes")] * len(items)

    items = Items([Example("好", "yes")] * 50, answer)
    slow, fast = measure_speed([100, 1], items)
    assert slow > 5 * fast > 0
    assert asked[2:] == [100, 1] * 5


def test_rows_that_a_model_was_trained_on_are_told(examples):
    train = split_rows(deduplicate(examples).examples, **SHARES).train
    data = {"rows": len(examples), "fingerprint": fingerprint(train), "corpora": {"other.csv": 192}}
    configs = {"mine": {"data": data, "settings": SHARES}}
    (told,) = remark_on_training(configs, examples, tested=False)
    assert told.startswith(f"mine was trained on {len(train)} of these rows")
    assert list(remark_on_training(configs, examples[1:], tested=False)) == []
    data["corpora"] = {"shop.csv": 192}
    (told,) = remark_on_training(configs, examples[1:], tested=False)
    assert told.startswith("mine was trained on rows of shop.csv: if that is the same file")
    assert list(remark_on_training(configs, examples, tested=True)) == []
    data["mixture"] = [{"name": "shop.csv", "use": "train"}]
    (told,) = remark_on_training(configs, examples, tested=True)
    assert told.startswith("mine was trained on all rows of shop.csv")


def test_test_rows_are_those_that_all_trainings_left(examples):
    settings = {"a": {"test": 0.2, "validation": 0.1}, "b": {"test": 0.1, "validation": 0.3}}
    rows = take_test_rows({name: {"settings": one} for name, one in settings.items()}, [*examples, *examples])
    for shares in settings.values():
        split = split_rows(deduplicate(examples).examples, **shares)
        assert rows
        assert {row.text for row in rows} <= {row.text for row in split.test}


def test_models_without_test_rows_are_refused():
    for settings in ({"test": 0.0}, {}):
        with pytest.raises(SettingError, match="odd was trained without test rows"):
            take_test_rows({"odd": {"settings": settings}}, [])
    with pytest.raises(SettingError, match="dealt by its seed"):
        take_test_rows({"odd": {"settings": SHARES, "data": {"dealt": "seed"}}}, [])


def test_copies_are_counted():
    rows = [Example("很好！", "1"), Example("很好", "1"), Example("很好", "0"), Example("👍", "1"), Example("👍", "1")]
    assert count_copies(rows) == 1
