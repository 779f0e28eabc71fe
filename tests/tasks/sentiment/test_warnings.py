"""Texts that are unlike those of the training are told: by row, and for a file as a whole."""

import csv
import io
import json

import pytest

import nlpkit
from nlpkit.errors import BundleError
from nlpkit.model.bundle import Bundle, add_checksums, save
from nlpkit.tasks.sentiment.model import SentimentModel
from nlpkit.text.familiarity import FamiliarityCount
from nlpkit.text.normalisation import Normaliser
from tests.text.familiar import CLASSICAL, ENGLISH, LOGS, reviews
from tests.tiny import model_files

ROWS = reviews(1400, seed=1)
LIKE = ROWS[1300:]


def statistics():
    count = FamiliarityCount()
    count.add(Normaliser().batch(ROWS[:1000]))
    return {"familiarity": count.familiarity([Normaliser().batch(ROWS[1000:1300])]).to_json()}


@pytest.fixture(scope="module")
def familiar(tmp_path_factory):
    """The folder of a model that knows what its training texts were like."""
    folder = tmp_path_factory.mktemp("models") / "familiar"
    characters = "".join({*"".join(ROWS), *"".join(CLASSICAL)})
    save(folder, add_checksums(model_files(characters=characters, statistics=statistics())))
    return folder


@pytest.fixture
def score(run, familiar):
    def score_familiar(*arguments, model=familiar, **options):
        return run("sentiment", "score", "--model", model, *arguments, **options)

    return score_familiar


def lines(*parts):
    return "".join(f"{text}\n" for part in parts for text in part).encode()


def test_a_text_unlike_the_training_text_keeps_its_label_and_is_told(familiar):
    model = nlpkit.load(familiar)
    scores = model.score([*LIKE, *CLASSICAL])
    like, unlike = scores[: len(LIKE)], scores[len(LIKE) :]
    assert [score.warning for score in like if score.warning] == []
    for score in unlike:
        assert score.label in model.labels
        assert score.reason is None
        assert score.warning.startswith("unlike the training text: ")
    assert [score._replace(warning=None) for score in scores] == SentimentModel(
        Bundle("old", {**model.bundle.files, "config.json": model_files()["config.json"]})
    ).score([*LIKE, *CLASSICAL])  # a model without the statistics says the same but for the warnings


def test_a_text_without_a_label_has_a_reason_and_no_warning(familiar):
    for score in nlpkit.load(familiar).score([*ENGLISH[:2], LOGS[2], "", "12", None]):
        assert score.label is None
        assert score.reason
        assert score.warning is None


def test_neighbours_change_no_warning(familiar):
    model = nlpkit.load(familiar)
    texts = [LIKE[0], CLASSICAL[0], "", CLASSICAL[1], None, LOGS[0], LIKE[1]]
    assert model.score(texts) == [model.score([text])[0] for text in texts]


def test_a_model_that_was_made_before_says_nothing(tiny_model):
    assert [score.warning for score in nlpkit.load(tiny_model).score([*CLASSICAL, *LOGS])] == [None] * 8


@pytest.mark.parametrize("broken", [7, {}, {"usual": "x"}])
def test_broken_statistics_are_damage(broken):
    files = add_checksums(model_files(statistics={"familiarity": broken}))
    with pytest.raises(BundleError, match=r"broken is damaged: config\.json"):
        SentimentModel(Bundle("broken", files)).check()


def test_json_and_tables_say_it_by_row(score, write):
    path = write(lines([*LIKE[:2], CLASSICAL[0]]))
    rows = [json.loads(line) for line in score(path, "-f", "jsonl").stdout.splitlines()]
    cells = list(csv.DictReader(io.StringIO(score(path, "-f", "csv").stdout.decode(), newline="")))
    assert [row["warning"] for row in rows][:2] == [None, None]
    assert [row["warning"] or "" for row in rows] == [row["warning"] for row in cells]
    assert rows[2]["warning"].startswith("unlike the training text: ")
    assert rows[2]["label"] == cells[2]["label"]
    table = score(path, "-f", "table").stdout.decode().splitlines()
    assert ["(unlike the training text)" in line for line in table] == [False, False, True]


def test_a_file_that_is_unlike_as_a_whole_is_told_in_one_sentence(score, write):
    done = score(write(lines(LIKE[:20], CLASSICAL, LIKE[20:40]), "mixed.txt"))
    (sentence,) = done.stderr.decode().splitlines()
    assert sentence.startswith("Warning: 5 of 45 rows of ")
    assert "mixed.txt are unlike the text that the model was made from, where answers may mean little: " in sentence
    assert "`nlpkit sentiment evaluate`" in sentence
    assert done.returncode == 0
    assert score(write(lines(LIKE[:20], CLASSICAL), "strict.txt"), "--strict").returncode == 0


def test_of_several_files_those_are_named_that_are_unlike(score, write):
    first, second = write(lines(LIKE), "goods.txt"), write(lines(CLASSICAL), "poems.txt")
    (sentence,) = score(first, second).stderr.decode().splitlines()
    assert f"5 of 5 rows of {second} are unlike " in sentence
    assert str(first) not in sentence


def test_of_a_file_with_one_odd_row_nothing_is_said(score, write):
    done = score(write(lines(LIKE, CLASSICAL[:1])))
    assert done.stderr == b""
    assert sum(bool(json.loads(line)["warning"]) for line in done.stdout.splitlines()) == 1
