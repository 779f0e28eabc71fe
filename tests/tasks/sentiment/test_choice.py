"""A choice that is forced among some of a model's labels."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit import SettingError
from nlpkit.model.bundle import Bundle, save
from nlpkit.tasks.sentiment.choice import read_labels, write_labels
from nlpkit.tasks.sentiment.metrics import measure
from nlpkit.tasks.sentiment.model import SentimentModel
from nlpkit.text.corpus import Example
from tests.outcomes import one_sentence
from tests.tiny import model_files, table_member

LABELS = ["negative", "neutral", "positive"]
FILES = model_files(
    table_member(words={"好": (1.0, 4.0), "差": (-3.0, -4.0), "行": (4.0, 1.0)}),
    labels=LABELS,
    characters="好差行",
)
TWO = ("negative", "positive")


@pytest.fixture(scope="module")
def model():
    return SentimentModel(Bundle("tiny", FILES))


@pytest.fixture
def folder(tmp_path):
    save(tmp_path / "three", FILES)
    return tmp_path / "three"


def test_probabilities_of_the_chosen_add_up_to_one(model):
    free, forced = model.score(["行"])[0], model.score(["行"], labels=TWO)[0]
    assert (free.label, forced.label) == ("neutral", "positive")
    assert forced.probabilities == pytest.approx(
        {"negative": 1 / (1 + math.e), "positive": math.e / (1 + math.e)}, abs=1e-6
    )


@given(st.lists(st.text("好差行", min_size=1, max_size=300), min_size=1, max_size=5))
def test_chosen_probabilities_keep_their_proportion(model, texts):
    for free, forced in zip(model.score(texts), model.score(texts, labels=TWO), strict=True):
        assert forced.label in TWO
        assert sum(forced.probabilities.values()) == pytest.approx(1, abs=2e-6)
        both = sum(free.probabilities[label] for label in TWO)
        if both > 0.01:
            assert forced.probabilities["positive"] == pytest.approx(free.probabilities["positive"] / both, abs=2e-4)


def test_all_labels_are_no_choice(model):
    texts = ["好行", "差", "👍"]
    assert model.score(texts, labels=LABELS) == model.score(texts)
    assert list(model.score(texts, labels=["positive", "negative"])[0].probabilities) == list(TWO)  # the model's order


def test_what_has_no_answer_has_none(model):
    assert model.score(["👍"], labels=TWO) == model.score(["👍"])


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["negative"], "a choice is among two labels or more, found negative"),
        ([], "found none"),
        (["negative", "positiv"], "no label 'positiv'; did you mean 'positive'?"),
        ("negative,positive", "labels are a list of names, found one text"),
    ],
)
def test_what_is_no_choice(model, labels, said):
    with pytest.raises(SettingError, match=said):
        model.score(["好"], labels=labels)


@given(st.lists(st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters='"'), min_size=1), min_size=1))
def test_names_are_read_as_they_are_written(labels):
    assert read_labels(write_labels(labels)) == labels


def test_the_shell_chooses(run, folder):
    done = run("sentiment", "score", "-t", "行", "-m", folder, "--labels", "positive, negative")
    assert (done.returncode, json.loads(done.stdout)["label"]) == (0, "positive")
    assert "no label 'good'" in one_sentence(
        run("sentiment", "score", "-t", "行", "-m", folder, "--labels", "good,bad"), 2
    )


def rows(*pairs):
    return [Example(text, label) for text, label in pairs]


def test_rows_that_lack_a_label_are_measured_without_it(model):
    figures = measure(model, rows(("行", "positive"), ("差", "negative")))
    assert (figures.accuracy, figures.labels, figures.excluded) == (1.0, TWO, ("neutral",))
    assert figures.confusion == ((1, 0, 0), (0, 1, 0))
    assert any("forced among negative, positive" in doubt for doubt in figures.doubts(model))
    free = measure(model, rows(("行", "positive"), ("差", "negative")), labels=LABELS)
    assert (free.accuracy, free.excluded) == (0.5, ())
    assert not any("forced" in doubt for doubt in free.doubts(model))


def test_rows_of_one_label_force_nothing(model):
    assert measure(model, rows(("行", "positive"), ("差", "positive"))).accuracy == 0.0


def test_evaluate_says_that_the_choice_was_forced_and_groups_share_it(run, folder, tmp_path):
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("text,label,kind\n行,positive,a\n差,negative,b\n好,positive,b\n", encoding="utf-8")
    done = run("sentiment", "evaluate", corpus, "-m", folder, "--by", "kind", "-f", "json")
    assert done.stderr.decode().count("the choice was forced among negative, positive: no row is neutral") == 1
    found = json.loads(done.stdout)
    assert {name: (one["accuracy"], one["excluded"]) for name, one in found.items()} == {
        name: (1.0, ["neutral"]) for name in ("all", "a", "b")
    }
    done = run("sentiment", "evaluate", corpus, "-m", folder, "--labels", "negative,neutral,positive", "-f", "json")
    assert (done.stderr, round(json.loads(done.stdout)["all"]["accuracy"], 2)) == (b"", 0.67)


def test_rows_of_a_label_that_is_not_chosen_are_refused(run, folder, tmp_path):
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("text,label\n行,neutral\n差,negative\n好,positive\n", encoding="utf-8")
    arguments = ("sentiment", "evaluate", corpus, "-m", folder, "--labels", "negative,positive")
    assert "rows have the label neutral, which is none of negative, positive: --label neutral=" in one_sentence(
        run(*arguments), 1
    )
    assert run(*arguments, "--label", "neutral=").returncode == 0


def test_names_of_several_lines_are_refused():
    with pytest.raises(SettingError, match="names stand on one line, with commas between them, found"):
        read_labels("good\rbad")
