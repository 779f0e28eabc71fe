"""Runs in folds: no rows are set aside for validation, and nothing is judged by rows that it was trained on."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

import nlpkit  # noqa: E402
from nlpkit.errors import DataError, SettingError  # noqa: E402
from nlpkit.tasks.sentiment.member import cut_folds  # noqa: E402
from nlpkit.text.corpus import Example  # noqa: E402
from nlpkit.training.events import MemberExported, Note, Prepared  # noqa: E402
from nlpkit.training.loop import Step  # noqa: E402
from tests.training.runs import TINY, files_of, the  # noqa: E402

pytestmark = pytest.mark.train
SENTIMENT = TINY["sentiment"]
FOLDS = ("folds=3", "validation=0")


@given(st.lists(st.integers(0, 4), min_size=4, max_size=80), st.integers(2, 4), st.integers(0, 9))
def test_folds_are_even_and_so_is_every_label_in_them(labels, folds, seed):
    targets = np.array(labels)
    found = cut_folds(targets, folds, seed)
    for some in (found, *(found[targets == label] for label in set(labels))):
        sizes = np.bincount(some, minlength=folds)
        assert len(sizes) == folds
        assert sizes.max() - sizes.min() <= 1
    assert (found == cut_folds(targets, folds, seed)).all()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds") / "m"
    return folder, list(SENTIMENT.train(folder, *FOLDS))


def test_all_rows_but_those_of_the_test_are_trained_on(trained):
    folder, events = trained
    (counts,) = the(Prepared, events)
    assert counts.validation == 0
    assert counts.train + counts.test == 160
    assert any("3 folds" in note.sentence for note in the(Note, events))
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert config["data"]["train"] == counts.train
    assert all("history" not in member for member in config["members"])
    card = (folder / "README.md").read_text("utf-8")
    assert "trained 3 times" in card
    assert "the mean weights of 3 folds" in card
    runs = {row["run"] for row in files_of(folder)["history.csv"]}
    assert runs == {f"{member}: fold {fold}" for member in ("table", "ngrams") for fold in (1, 2, 3)}
    assert nlpkit.load(folder).score(["这家店很好"])[0].label == "1"


def test_every_fold_is_trained_on_the_rows_of_the_others(trained):
    counts = the(Prepared, trained[1])[0]
    rows = sum(step.rows for step in the(Step, trained[1]))
    assert rows == 2 * 2 * 2 * counts.train  # members, epochs, and two of three folds, three times


def test_the_weights_are_the_means_of_those_of_the_folds(tmp_path):
    folder, states = tmp_path / "m", []
    for event in SENTIMENT.train(folder, *FOLDS):
        if isinstance(event, MemberExported) and not states:
            states = [load_file(path) for path in folder.parent.glob("**/table.fold-*.safetensors")]
    assert len(states) == 3
    for name, tensor in load_file(folder / "table" / "model.safetensors").items():
        mean = torch.stack([state[f"module.{name}"].double() for state in states]).mean(0)
        assert torch.allclose(tensor.double(), mean, atol=1e-6)


def test_a_member_that_learns_by_heart_is_not_believed(tmp_path):
    draw = np.random.default_rng(0)
    rows = [
        Example("".join(draw.choice(list("天地玄黄宇宙洪荒日月盈昃"), 8)), str(n % 2), "one.csv") for n in range(200)
    ]
    list(SENTIMENT.train(tmp_path / "m", *FOLDS, "training.epochs=30", rows=rows))
    model = nlpkit.load(tmp_path / "m")
    scores = model.score([row.text for row in rows])
    assert sum(score.label == row.label for score, row in zip(scores, rows, strict=True)) > 150  # it knows most by now
    assert np.mean([score.probability for score in scores]) < 0.7  # and that it cannot tell


@pytest.mark.slow
def test_a_run_that_is_closed_in_any_fold_comes_to_the_same_files(trained, tmp_path):
    folder, events = trained
    steps = len(the(Step, events))
    for number, after in enumerate((steps // 5, steps // 3, steps // 2)):
        running = SENTIMENT.train(tmp_path / "m", *FOLDS, resume=number > 0, every=1e9)
        for _ in range(after // (number + 1)):
            next(event for event in running if isinstance(event, Step))
        running.close()
    list(SENTIMENT.train(tmp_path / "m", *FOLDS, resume=True))
    assert files_of(tmp_path / "m") == files_of(folder)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (("folds=1", "validation=0"), "two or more"),
        (("folds=3",), "validation must be 0"),
        (("folds=0", "validation=0"), "validation must not be 0"),
        ((*FOLDS, "validation_corpora=['a.csv']"), "do not go with validation_corpora"),
        ((*FOLDS, "teacher.model=reviews"), "do not go with a teacher"),
        ((*FOLDS, "exits=agree"), "do not go with exits"),
    ],
)
def test_what_does_not_go_together_is_refused(settings, sentence):
    with pytest.raises(SettingError, match=sentence):
        SENTIMENT.settings(*settings)


def test_fewer_rows_than_folds_are_refused(tmp_path):
    rows = [
        Example(text, label, "one.csv") for text, label in (("好用", "1"), ("太差", "0"), ("很好", "1"), ("失望", "0"))
    ]
    with pytest.raises(DataError, match="4 rows to train on cannot be cut into 9 folds"):
        list(SENTIMENT.train(tmp_path / "m", "folds=9", "validation=0", "test=0", rows=rows))
    assert not list(tmp_path.iterdir())


def test_standardised_states_have_mean_0_and_variance_1_over_the_training_rows(tmp_path):
    still = ("table.head.standardised=true", "table.training.learning_rate=1e-9", "table.training.epochs=1")
    list(SENTIMENT.train(tmp_path / "m", *still))
    weights = load_file(tmp_path / "m" / "table" / "model.safetensors")
    assert weights["head.standardisation.scale"].min() > 1
    assert weights["head.layers.1.weight"].abs().max() < 1e-6  # it began at zero
