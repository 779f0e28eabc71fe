"""Frames of Dask, and those of any engine that sends a function to its workers."""

import pickle

import nlpkit
import pytest
from dask_tables import TEXTS

pandas = pytest.importorskip("pandas")
pytest.importorskip("narwhals")


@pytest.fixture
def frame():
    return pandas.DataFrame({"review": [TEXTS[n % len(TEXTS)] for n in range(50)], "n": range(50)})


def test_partitions_are_answered_as_the_model_answers_the_whole(frame):
    dataframe = pytest.importorskip("dask.dataframe")
    import nlpkit_dask

    scored = nlpkit_dask.score(dataframe.from_pandas(frame, npartitions=3))
    assert scored.npartitions == 3
    found = scored.compute(scheduler="synchronous")
    assert dict(found.dtypes) == dict(scored._meta.dtypes)
    expected = nlpkit.load("reviews").score_frame(frame, column="review")
    assert list(found["n"]) == list(range(50))
    for name in ("label", "probability", "reason"):
        assert found[name].isna().equals(expected[name].isna())
        assert found[name].dropna().equals(expected[name].dropna())


def test_what_cannot_be_answered_is_refused_before_it_is_computed(frame):
    dataframe = pytest.importorskip("dask.dataframe")
    import nlpkit_dask

    whole = dataframe.from_pandas(frame, npartitions=2)
    with pytest.raises(nlpkit.SettingError, match="no column 'text'"):
        nlpkit_dask.score(whole, column="text")
    with pytest.raises(nlpkit.SettingError, match="no option 'labls'"):
        nlpkit_dask.score(whole, labls="positive")


def test_what_answers_a_frame_is_sent_as_a_name(frame):
    from nlpkit_dask import make_answerer

    answer = make_answerer("review", min_probability=0.9)
    sent = pickle.dumps(answer)
    assert len(sent) < 1000
    found = pickle.loads(sent)(frame)
    assert found.equals(answer(frame))
    assert "unsure" in found["reason"].str.cat(na_rep="")


def test_spans_are_json_in_a_row_each(frame):
    pytest.importorskip("nlpkit_aspects")
    from nlpkit_dask import make_answerer

    found = make_answerer("review", "restaurant-opinions")(frame)
    assert list(found.columns) == ["review", "n", "opinions", "reason"]
    assert len(found) == 50
    assert found["opinions"][0].startswith('[{"target"')
