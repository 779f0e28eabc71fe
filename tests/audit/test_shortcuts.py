import random

import numpy as np
import pytest

from nlpkit.audit.copies import find_copies
from nlpkit.audit.rows import Column
from nlpkit.audit.shortcuts import find_shortcuts, measure_column, wilson_bound
from nlpkit.audit.wrong_labels import cross_validate
from tests.audit.written import write_reviews


def plant(rows, token, count, label="good", seed=0):
    """Put a token somewhere into some texts of a label."""
    rng = random.Random(seed)
    rows = list(rows)
    for row in rng.sample([at for at, (_, own) in enumerate(rows) if own == label], count):
        text, _ = rows[row]
        at = rng.randrange(len(text) + 1)
        rows[row] = (text[:at] + token + text[at:], label)
    return rows


def find(rows, *, validate=True):
    texts = [text for text, _ in rows]
    names = sorted({label for _, label in rows})
    labels = np.array([names.index(label) for _, label in rows])
    clusters = find_copies(texts, seed=0).cluster
    validated = cross_validate(texts, labels, clusters, seed=0) if validate else None
    return find_shortcuts(texts, labels, ("zero", "one"), np.unique(clusters), seed=0, validated=validated)


def noisy(rows, share=0.1):
    """Words that carry the matter err now and then."""
    rng = random.Random(5)
    return [(text, label if rng.random() > share else {"good": "bad", "bad": "good"}[label]) for text, label in rows]


@pytest.mark.parametrize("token", ["蓝桥七号", "#A7", "  "])
def test_a_planted_token_comes_first_and_whole(token):
    shortcut = find(plant(noisy(write_reviews(500)), token, 40))[0]
    assert (shortcut.string, shortcut.label) == (token, "one")
    assert shortcut.rows == shortcut.of_label
    assert shortcut.expected > 1
    assert shortcut.where == "anywhere"


def test_of_strings_in_the_same_texts_one_is_told():
    strings = [shortcut.string for shortcut in find(plant(noisy(write_reviews(500)), "蓝桥七号", 40))]
    assert len([string for string in strings if set(string) & set("蓝桥七号")]) == 1


def test_where_a_token_stands_is_told():
    rows = [(text + ("[售后]" if label == "bad" else ""), label) for text, label in write_reviews(200)]
    shortcut = next(found for found in find(rows, validate=False) if "[售后]" in found.string)
    assert (shortcut.where, shortcut.label, shortcut.rows - shortcut.of_label) == ("end", "zero", 0)
    assert 95 < shortcut.rows <= 100


def test_few_rows_are_no_shortcut():
    assert all("Q9" not in shortcut.string for shortcut in find(plant(write_reviews(300), "Q9", 5)))


def test_of_rare_labels_the_odds_count():
    """A string that is of the frequent label in nineteen of twenty texts tells nothing if that is so of all texts."""
    rows = [
        (f"{text}{'甲' if at % 3 else ''}", "rare" if at % 20 == 0 else "usual")
        for at, (text, _) in enumerate(write_reviews(400))
    ]
    assert all(shortcut.label == "zero" for shortcut in find(rows, validate=False))


def test_wilson():
    assert float(wilson_bound(0, 0)) == pytest.approx(0)
    assert float(wilson_bound(10, 10)) == pytest.approx(0.7225, abs=1e-3)
    assert 0.98 < float(wilson_bound(300, 300)) < 1


LABELS = np.array([0, 1] * 100)


def test_a_column_that_repeats_the_label_tells_all():
    leak = measure_column(Column.of("stars", ["1", "5"] * 100), LABELS)
    assert (leak.values, leak.rows, leak.accuracy, leak.majority) == (2, 200, 1.0, 0.5)
    assert leak.entropy > 0.95


@pytest.mark.parametrize(
    "cells", [[f"id {number}" for number in range(200)], ["x"] * 200, [str(n % 7) for n in range(200)]]
)
def test_names_one_value_and_chance_tell_nothing(cells):
    assert measure_column(Column.of("c", cells), LABELS).entropy < 0.05


def test_numbers_that_all_differ_are_sorted_into_ranges():
    rows = np.argsort(LABELS, kind="stable")  # the file was written label by label, and numbered then
    cells = [""] * 200
    for number, row in enumerate(rows.tolist()):
        cells[row] = str(10_000 + number)
    leak = measure_column(Column.of("id", cells), LABELS)
    assert leak.entropy > 0.8
    assert leak.values <= 32


def test_rows_without_a_value_do_not_count():
    cells = [None if number % 4 == 0 else str(number % 2) for number in range(200)]
    leak = measure_column(Column.of("c", cells), LABELS)
    assert leak.rows == 150
    assert measure_column(Column.of("c", [None] * 200), LABELS) is None
    assert measure_column(Column.of("c", ["a"] * 200), np.zeros(200, np.int64)) is None
