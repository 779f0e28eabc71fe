import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.errors import DataError
from nlpkit.text.labels import alike, check_guessed, is_missing, likeness, rename_options


@pytest.mark.parametrize(
    "label", ["nan", "NaN", "null", "NULL", "None", "none", "N/A", "NA", "#N/A", "<NA>", "ｎａｎ", ""]
)
def test_words_that_say_there_is_no_label(label):
    assert is_missing(label)
    assert is_missing(f" {label}\t")
    assert not is_missing(label, {label})


@pytest.mark.parametrize("label", ["-", "0", "无", "nano", "no", "nonesuch", "未知"])
def test_words_that_are_labels(label):
    assert not is_missing(label)


@pytest.mark.parametrize(
    "spellings",
    [
        ["0", "0.0", "0.00", "-0", "０", "00"],
        ["1", "+1", "１", "1.0", "1.", " 1"],
        ["-1", "−1", "－1", "-1.0"],
        ["Positive", "positive", "POSITIVE", "Ｐositive", "positive ", '"positive"', "posi\u200btive"],
        ["very good", "very  good", "Very_Good", "very\u3000good"],
        ["负面", "負面", " 负面"],
        ["true", "True", "TRUE", "1", "1.0"],
        ["false", "False", "0"],
    ],
)
def test_spellings_look_alike(spellings):
    assert len({likeness(label) for label in spellings}) == 1


@pytest.mark.parametrize(
    "labels", [["1", "-1", "10", "11", "0.1"], ["好", "很好", "不好"], ["+", "-"], ["a", "b", "1a"]]
)
def test_different_labels_do_not(labels):
    assert len({likeness(label) for label in labels}) == len(labels)


def renames(rows, **names):
    return [group.renames for group in alike(rows, names)]


def test_the_most_frequent_spelling_gives_the_name():
    assert renames({"0": 5, "0.0": 3, "1.0": 9, "1": 2, "2": 4}) == [{"0.0": "0"}, {"1": "1.0"}]
    assert renames({"neg": 5, "NEG": 9, "Neg": 1}) == [{"neg": "NEG", "Neg": "NEG"}]
    assert renames({"0": 5, "1": 5}) == []


def test_names_that_were_given_are_heeded():
    assert renames({"0": 5, "0.0": 3}, **{"0": "negative", "0.0": "negative"}) == []
    assert renames({"0": 5, "0.0": 3}, **{"0": "negative"}) == [{"0.0": "negative"}]
    assert renames({"0": 5, "0.0": 3}, **{"0": ""}) == [{"0.0": ""}]
    assert renames({"1": 5, "positive": 3}, **{"1": "Positive"}) == [{"positive": "Positive"}]


@given(st.dictionaries(st.text("01.+ aAＡ_'", min_size=1, max_size=3), st.integers(1, 9), max_size=8), st.booleans())
def test_who_does_as_told_is_told_nothing_more(rows, named):
    names = {"0": "a"} if named else {}
    said = {old: new for group in alike(rows, names) for old, new in group.renames.items()}
    merged = {}
    for label, count in rows.items():
        name = said.get(label, names.get(label, label))
        merged[name] = merged.get(name, 0) + count
    assert all(len(group.rows) > 1 for group in alike(rows, names))
    if not named:
        assert alike(merged, {}) == []
    assert bool(said) == (len({likeness(names.get(label, label)) for label in rows}) < len(rows)) or named


def test_options_are_as_a_shell_wants_them():
    told = rename_options({"0.0": "0", "very good": "good", "it's": "", "a=b": "c", "x\x1b": "y"})
    assert shlex.split(told) == ["--label", "0.0=0", "--label", "very good=good", "--label", "it's="]


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ("'Negative')]", "a list or of markup"),
        ('"1"]', "a list or of markup"),
        ("[('屏幕', '好')]", "a list or of markup"),
        ("[1]", "a list or of markup"),
        ("</sentence>", "a list or of markup"),
        ("好】", "a list or of markup"),
        ('"positive"', "a quotation"),
        ("质量不错。", "a sentence"),
        ("第二天，他走了", "a sentence"),
        ("好" * 41, "41 characters"),
    ],
)
def test_what_can_be_no_label_is_refused_where_it_was_guessed(label, why):
    with pytest.raises(DataError) as caught:
        check_guessed("a.txt", "lines TEXT,,LABEL", [(2, "好"), (7, label)], (), "do this")
    sentence = str(caught.value)
    assert sentence.startswith("a.txt, line 7: read as lines TEXT,,LABEL, its label would be ")
    assert why in sentence
    assert sentence.endswith("; do this")


@pytest.mark.parametrize(
    "label", ["positive", "3.5", ":)", "[微笑]", "手机(安卓)", "C++", "体育-足球", "非常满意", "👍", "-1"]
)
def test_labels_as_people_write_them_are_taken(label):
    check_guessed("a.txt", "lines TEXT,,LABEL", [(1, label)] * 3, (), "do this")


def test_a_label_that_was_said_is_one_whatever_it_looks_like():
    check_guessed("a.txt", "lines", [(1, "[1]"), (2, "<na>")], {"[1]", "<na>"}, "do this")


def test_one_odd_label_among_many_is_no_other_shape():
    check_guessed("a.txt", "lines", [(line, "好") for line in range(40)] + [(41, "不好。")], (), "do this")


@pytest.mark.parametrize(("labels", "rows"), [(100, 1000), (20, 20), (334, 1002), (5, 5)])
def test_many_labels_that_come_again_are_taken(labels, rows):
    check_guessed("a.txt", "lines", [(row, f"类{row % labels}") for row in range(rows)], (), "do this")


@pytest.mark.parametrize(("labels", "rows"), [(21, 21), (400, 1000)])
def test_labels_nearly_as_many_as_rows_are_refused(labels, rows):
    with pytest.raises(DataError, match=rf"one of {labels} in the first {rows} rows: expected a few"):
        check_guessed("a.txt", "lines", [(row, f"类{row % labels}") for row in range(rows)], (), "do this")


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["1,0,0", "0,1,1"] * 20, "1,0,0"),
        (["1 0 0", "0 1 1"] * 20, "1 0 0"),
        (["价格#正|服务#中", "价格#负|服务#正", "价格#正"] * 20, "价格#正|服务#中"),
        (["价格;服务", "物流;服务"] * 20, "价格;服务"),
        ([*["价格", "服务"] * 9, "价格|服务"] * 3, "价格|服务"),
        (['["价格", "服务"]', '["服务"]'] * 20, '["价格", "服务"]'),
    ],
)
def test_several_labels_in_one_are_refused_where_they_were_guessed(labels, told):
    with pytest.raises(DataError) as caught:
        check_guessed("a.csv", "a table", list(enumerate(labels, 2)), (), "say which")
    assert repr(told) in str(caught.value)
    check_guessed("a.csv", "a table", list(enumerate(labels, 2)), labels, "say which")  # who named them is believed


def test_a_sign_in_a_few_labels_makes_them_no_several():
    labels = ["书,影音", "手机", "家电", "电脑|配件"] * 20
    check_guessed("a.csv", "a table", list(enumerate(labels, 2)), (), "say which")
