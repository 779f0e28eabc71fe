import pytest

pytest.importorskip("torch")

from nlpkit.training.doubts import find_overfitting, find_unfinished
from nlpkit.training.loop import Epoch
from nlpkit.training.settings import LoopSettings

pytestmark = pytest.mark.train
SETTINGS = LoopSettings(epochs=4, patience=2)


def epochs(losses, train, every=1):
    """Epochs with these validation and training losses."""
    best, made = float("inf"), []
    for at, (loss, own) in enumerate(zip(losses, train, strict=True), start=1):
        figures = {"train_accuracy": 0.5, "validation_accuracy": None if loss is None else 0.5}
        rates = {"learning_rate": 0.1, "norm": 1.0, "greatest_norm": 1.0, "clipped": 0.0, "rows": 9, "seconds": 0.1}
        is_best = loss is not None and loss < best
        best = loss if is_best else best
        made.append(Epoch(epoch=at * every, train_loss=own, validation_loss=loss, best=is_best, **figures, **rates))
    return made


def test_a_loop_that_was_cut_off_says_which_setting_to_raise():
    (said,) = find_unfinished("words", epochs([0.68, 0.66, 0.62, 0.60], [0.7, 0.67, 0.64, 0.61]), SETTINGS)
    assert said == (
        "words was still getting better when its 4 epochs were over: after half of them the loss on the validation "
        "rows was 0.660, in the end 0.600; --set words.training.epochs=8 lets it go on"
    )


def test_where_the_steps_decided_these_are_to_be_raised():
    settings = LoopSettings(epochs=4, patience=2, min_steps=120)
    (said,) = find_unfinished("words", epochs([0.68, 0.66, 0.62, 0.60], [0.7, 0.67, 0.64, 0.61], every=10), settings)
    assert "when its 40 epochs were over" in said
    assert "--set words.training.min_steps=240 lets it go on" in said


@pytest.mark.parametrize(
    ("losses", "train"),
    [
        ([0.68, 0.60, 0.595, 0.594], [0.7, 0.65, 0.62, 0.6]),  # it hardly moves
        ([0.68, 0.60, 0.50, 0.51, 0.52], [0.7, 0.65, 0.5, 0.45, 0.42]),  # its patience ended it
        ([0.68, 0.60, 0.50, 0.40], [0.7, 0.3, 0.2, 0.1]),  # what it learns it learns by heart
        ([0.68], [0.7]),
        ([None] * 4, [0.7, 0.6, 0.5, 0.4]),
        ([], []),
    ],
)
def test_of_a_loop_that_had_its_time_nothing_is_said(losses, train):
    assert find_unfinished("words", epochs(losses, train), SETTINGS) == []


def test_a_validation_loss_that_rises_is_overfitting():
    (said,) = find_overfitting("words", epochs([0.68, 0.60, 0.65, 0.70], [0.7, 0.6, 0.5, 0.4]))
    assert said == (
        "words overfits: at epoch 4 the loss is 0.400 on the training rows and 0.700 on the validation rows, where it "
        "was 0.600 at epoch 2; more rows would help, or more dropout"
    )


def test_rows_that_are_known_by_heart_are_overfitting():
    (said,) = find_overfitting("words", epochs([0.68, 0.60, 0.55, 0.52], [0.7, 0.3, 0.1, 0.05]))
    assert said.startswith(
        "words overfits: at epoch 4 the loss is 0.050 on the training rows and 0.520 on the validation"
    )


@pytest.mark.parametrize(
    ("losses", "train"),
    [
        ([0.68, 0.60, 0.62, 0.63], [0.7, 0.6, 0.5, 0.4]),
        ([0.68, 0.60, 0.70, 0.80], [0.7, 0.6, 0.8, 0.9]),  # both rise: it runs away
        ([0.19, 0.187, 0.188], [0.205, 0.099, 0.073]),
        ([None] * 4, [0.7, 0.6, 0.5, 0.001]),
        ([], []),
    ],
)
def test_what_is_usual_is_none(losses, train):
    assert find_overfitting("words", epochs(losses, train)) == []
