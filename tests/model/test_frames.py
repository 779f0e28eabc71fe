import sys

import pandas
import polars
import pyarrow
import pytest

from nlpkit.errors import MissingExtra, SettingError
from nlpkit.tasks.sentiment.model import SentimentModel

TEXTS = ["好货", None, "", "差"]
COLUMNS = ["label", "probability", "reason", "warning"]


@pytest.fixture(scope="module")
def model(tiny_model):
    return SentimentModel.load(tiny_model)


@pytest.fixture(scope="module")
def labels(model):
    return [score.label for score in model.score(["好货", "差"])]


def _plain(value):
    return value.as_py() if isinstance(value, pyarrow.Scalar) else value


@pytest.mark.parametrize("make", [pandas.DataFrame, polars.DataFrame, pyarrow.table])
def test_a_frame_comes_back_as_what_it_was_with_the_answers_behind(model, labels, make):
    frame = make({"n": [1, 2, 3, 4], "评价": TEXTS})
    found = model.score_frame(frame, column="评价")
    assert type(found) is type(frame)
    names = found.column_names if isinstance(found, pyarrow.Table) else list(found.columns)
    assert names == ["n", "评价", *COLUMNS]
    assert list(frame.columns if not isinstance(frame, pyarrow.Table) else frame.column_names) == ["n", "评价"]
    columns = {name: list(map(_plain, found[name])) for name in names}
    assert [columns["label"][0], columns["label"][3]] == labels
    assert columns["reason"][1:3] == ["missing", "empty"]
    assert isinstance(columns["probability"][0], float)
    assert columns["n"] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "texts",
    [
        pandas.Series(TEXTS, dtype="string"),
        pandas.Series(TEXTS, dtype="object"),
        pandas.Series(TEXTS, dtype="category"),
        pandas.Series(TEXTS, dtype=pandas.ArrowDtype(pyarrow.string())),
        pandas.Series(["好货", float("nan"), "", "差"], dtype="object"),
        pandas.Series(["好货", pandas.NA, "", "差"], dtype="object"),
        pandas.Series(["好货", pandas.NaT, "", "差"], dtype="object"),
        polars.Series(TEXTS, dtype=polars.Categorical),
    ],
    ids=lambda series: f"{type(series).__module__.split('.')[0]}-{series.dtype}",
)
def test_a_null_of_any_kind_is_missing(model, labels, texts):
    frame = (polars if isinstance(texts, polars.Series) else pandas).DataFrame({"text": texts})
    found = model.score_frame(frame, column="text")
    assert list(found["reason"])[1:3] == ["missing", "empty"]
    assert [list(found["label"])[row] for row in (0, 3)] == labels


def test_the_index_is_kept_and_taken_names_are_not_used(model):
    frame = pandas.DataFrame({"text": ["好货", 3, "差"], "label": [1, 2, 3]}, index=["a", "a", None])
    found = model.score_frame(frame, column="text")
    assert list(found.index) == list(frame.index)
    assert list(found["label"]) == [1, 2, 3]
    assert list(found["reason"])[1] == "not a text but int"
    again = model.score_frame(found, column="text")
    assert list(again.columns)[-4:] == ["predicted_label_2", *(f"predicted_{name}" for name in COLUMNS[1:])]


@pytest.mark.parametrize("values", [[], [None, None]])
def test_columns_have_their_types_where_nothing_is_answered(model, values):
    found = model.score_frame(polars.DataFrame({"text": values}), column="text")
    assert found.schema["label"] == polars.String
    assert found.schema["probability"] == polars.Float64
    assert len(found) == len(values)


def test_the_choice_may_be_among_some_labels(model):
    frame = polars.DataFrame({"text": ["好货", "差"]})
    assert len(model.score_frame(frame, column="text", labels=["negative", "positive"])) == 2
    with pytest.raises(SettingError, match="the model has no label 'neutral'"):
        model.score_frame(frame, column="text", labels=["neutral", "positive"])


@pytest.mark.parametrize(
    ("frame", "column", "sentence"),
    [
        (pandas.DataFrame({"评价": ["好"]}), "评介", "the frame has no column '评介'; there is: 评价"),
        (pandas.DataFrame({"n": [1.5]}), "n", "the column 'n' holds Float64, no text"),
        (polars.DataFrame({"n": [[1]]}), "n", "the column 'n' holds List"),
        (pandas.DataFrame([["好", 1]], columns=["a", "a"]), "a", "unique column names"),
        (polars.LazyFrame({"a": ["好"]}), "a", r"found polars\.LazyFrame: collect one that is lazy"),
        ([1], "a", r"expected a data frame .*, found builtins\.list"),
    ],
)
def test_what_is_no_frame_of_texts_is_refused(model, frame, column, sentence):
    with pytest.raises(SettingError, match=sentence):
        model.score_frame(frame, column=column)


def test_what_reads_frames_may_be_missing(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "narwhals", None)
    with pytest.raises(MissingExtra, match=r"needs narwhals, .* '.\[frames\]'"):
        model.score_frame(pandas.DataFrame({"a": ["好"]}), column="a")
