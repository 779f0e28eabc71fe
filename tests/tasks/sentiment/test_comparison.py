"""Classifiers on the same rows."""

import pytest

from nlpkit.errors import DataError, SettingError
from nlpkit.model.bundle import Bundle
from nlpkit.tasks.sentiment.comparison import make_items
from nlpkit.tasks.sentiment.metrics import measure
from nlpkit.tasks.sentiment.model import SentimentModel
from nlpkit.text.corpus import Example
from tests.tiny import model_files, table_member

THREE = {"好": [0.0, 2.0], "差": [0.0, -2.0], "货": [3.0, 0.0], "快": [0.5, 0.5]}  # neutral and positive over negative


def model(labels=("negative", "positive"), words=None):
    member = table_member(words=words) if words else table_member()
    return SentimentModel(Bundle("tiny", model_files(member, labels=labels)))


def three():
    return model(("negative", "neutral", "positive"), THREE)


def rows(*pairs):
    return [Example(text, label, "a.csv") for text, label in pairs]


ROWS = rows(("好货", "positive"), ("差货", "negative"), ("快", "negative"), ("?", "positive"))


def test_accuracy_is_that_of_evaluate_and_the_choice_is_among_the_labels_of_the_rows():
    models = {"two": model(), "three": three()}
    items = make_items(models, ROWS)
    assert items.remarks == ["the choice is among negative,positive, also for three"]
    for one in models.values():
        outcomes = items.answer(one, items.examples)
        assert sum(outcome.right for outcome in outcomes) / 4 == measure(one, ROWS).accuracy
        assert {outcome.answer for outcome in outcomes} <= {"negative", "positive", None}
        assert outcomes[3].reason == "no evidence: no letters"
    shares = items.answer(models["two"], items.examples)
    assert shares[0].probability == models["two"].score(["好货"])[0].probability


def test_rows_of_one_label_are_answered_by_all_that_models_share():
    models = {"two": model(), "three": three()}
    items = make_items(models, rows(("差货", "positive")))
    assert items.remarks == ["the choice is among negative,positive, also for three"]
    assert [items.answer(one, items.examples)[0].answer for one in models.values()] == ["negative", "negative"]


def test_labels_that_a_model_lacks_are_refused_and_it_is_said_what_helps():
    with pytest.raises(DataError, match=r"two: the rows have labels .* neutral; .*--label neutral=positive"):
        make_items({"three": three(), "two": model()}, [*ROWS, *rows(("货", "neutral"))])
    with pytest.raises(SettingError, match=r"two: .* no label 'neutral'.*all models know negative, positive"):
        make_items({"three": three(), "two": model()}, ROWS, labels="neutral,positive")
    with pytest.raises(DataError, match="have the label negative"):
        make_items({"one": three(), "two": three()}, ROWS, labels="neutral,positive")


def test_models_that_call_labels_otherwise_answer_by_the_names_of_the_rows():
    numbers = model(("0", "1"))
    items = make_items({"two": model(), "numbers": numbers}, ROWS, names={"0": "negative", "1": "positive"})
    assert items.remarks == ["of the labels of numbers are taken 0 for negative, 1 for positive"]
    assert [outcome.answer for outcome in items.answer(numbers, ROWS[:2])] == ["positive", "negative"]


def test_names_that_swap_labels_of_rows_leave_those_of_models_alone():
    numbers = model(("0", "1"))
    items = make_items({"numbers": numbers}, rows(("好", "1"), ("差", "0")), names={"0": "1", "1": "0"})
    assert items.remarks == []
    assert [outcome.right for outcome in items.answer(numbers, items.examples)] == [True, True]


def test_names_that_make_one_label_of_two_leave_those_of_a_model_alone():
    names = {"neutral": "negative", "0": "negative"}
    items = make_items({"three": three(), "two": model()}, ROWS, names=names)
    assert items.remarks == ["the choice is among negative,positive, also for three"]
