"""What a task starts from, what ``--set`` changes of it, and what is refused with the names that there are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nlpkit import NlpkitError, SettingError, registry

from nlpkit_diagnose.digit_sum import DigitSum
from nlpkit_diagnose.letters import Letters
from nlpkit_diagnose.settings import settings_of
from nlpkit_diagnose.sine import Sine
from nlpkit_diagnose.tasks import TASKS

ALL = ("none", "cnn", "rnn", "lstm", "gru", "transformer")


def chosen(*assignments, task=DigitSum, encoders=("gru",), data=None):
    return settings_of(task(), encoders, assignments, data or {})


def one(*assignments, **more):
    (found,) = chosen(*assignments, **more).values()
    return found


def test_encoders_start_equal_as_far_as_they_have_the_options():
    found = {name: dict(made.encoder) for name, made in chosen(encoders=ALL).items()}
    recurrent = {"hidden": 32, "dropout": 0.0, "bidirectional": False}
    assert found == {
        "none": {"name": "none"},
        "cnn": {"name": "cnn", "dropout": 0.0},
        **{name: {"name": name} | recurrent for name in ("rnn", "lstm", "gru")},
        "transformer": {"name": "transformer", "dim": 32, "dropout": 0.0, "causal": True},
    }
    for name, made in found.items():
        assert set(made) - {"name"} <= set(registry().get("encoder", name).options())


def test_a_strangers_encoder_starts_so_too():
    pytest.importorskip("nlpkit_srn")
    assert one(encoders=["srn"]).encoder == {"name": "srn", "hidden": 32}


def test_digit_sum_starts_from_the_tutorial():
    made = one()
    training = made.training
    assert (training.optimizer, training.learning_rate, training.batch_size, training.epochs) == ("adam", 1e-3, 8, 500)
    assert (training.schedule, training.weight_decay, training.patience) == ("constant", 0.0, 500)
    assert (made.embedding["dim"], made.encoder["hidden"]) == (32, 32)
    assert made.data.lengths == (10, 15, 20, 25, 30, 35)
    assert [100 * count for count in (made.data.train, made.data.validation, made.data.test)] == [300, 100, 100]


@pytest.mark.parametrize("task", TASKS)
def test_what_a_task_starts_from_is_right_as_it_stands(task, prices, salaries):
    made = task(*{"stock": [prices], "salary": [salaries]}.get(task.name, []))
    found = settings_of(made, ["gru"], [], {})["gru"]
    assert (found.head is None, found.embedding is None) == ("head" not in task.tables, "embedding" not in task.tables)
    if task.name != "stock":  # the table is too short for 1,500 days
        assert len(made.conditions(found.data)) >= 1


def test_encoder_reaches_all_that_have_the_option_and_a_name_one_alone():
    found = chosen("encoder.hidden=8", "lstm.hidden=4", "encoder.layers=2", encoders=ALL)
    assert [found[name].encoder.get("hidden") for name in ALL] == [None, None, 8, 4, 8, None]
    assert [found[name].encoder.get("layers") for name in ALL] == [None, None, 2, 2, 2, 2]


def test_of_two_assignments_the_later_counts():
    assert one("gru.hidden=8", "encoder.hidden=4").encoder["hidden"] == 4
    assert one("encoder.hidden=4", "gru.hidden=8").encoder["hidden"] == 8


def test_each_table_can_be_set_for_all_encoders_at_once():
    found = chosen(
        "training.epochs=7", "training.learning_rate=1", "head.pooling=mean", "embedding.dim=3", "data.train=2",
        "data.lengths=[5, 6]", encoders=["gru", "rnn"],
    )  # fmt: skip
    for made in found.values():
        assert (made.training.epochs, made.training.learning_rate, made.head.pooling) == (7, 1, "mean")
        assert (made.embedding["dim"], made.data.train, made.data.lengths) == (3, 2, (5, 6))


def test_what_is_set_for_one_diagnosis_is_not_for_the_next():
    one("training.epochs=7", "gru.hidden=3", "embedding.dim=3")
    assert (one().training.epochs, one().encoder["hidden"], one().embedding["dim"]) == (500, 32, 32)


def test_options_say_data_and_an_assignment_more_of_it():
    made = one("data.test=2", data={"lengths": [7]})
    assert (made.data.lengths, made.data.test) == ((7,), 2)


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("training.epoch=3", r"training has no setting 'epoch'; did you mean 'epochs'\? There is: .*batch_size"),
        ("training.epochs=many", "training: epochs wants a whole number, found 'many'"),
        ("training.epochs=0", "training: epochs must be at least 1, was: 0"),
        ("training.monitor=acuracy", "training: monitor cannot be 'acuracy'; did you mean 'accuracy'"),
        ("gru.hiden=3", "the encoder 'gru' has no option 'hiden'; did you mean 'hidden'"),
        ("encoder.hiden=3", "none of the encoders has an option 'hiden'; did you mean 'hidden'"),
        ("encoder.window=3", "none of the encoders has an option 'window'"),
        ("encoder.name=lstm", "an encoder is named by --encoder, not by encoder.name"),
        ("head.poling=last", "head has no setting 'poling'; did you mean 'pooling'"),
        ("head.pooling=first", "there is no pooling 'first'"),
        ("embedding.dims=3", "the embedding 'trainable' has no option 'dims'; did you mean 'dim'"),
        ("embedding.name=trainabel", "'trainabel'"),
        ("data.length=[5]", "data has no setting 'length'; did you mean 'lengths'"),
        ("data.lengths=10", "data: lengths wants a list of numbers, found 10"),
        ("data.lengths=[10.5]", "data: lengths wants a list of numbers"),
        ("trainig.epochs=3", "there is nothing to set in 'trainig'; did you mean 'training'.* encoder, .*data, gru"),
        ("lstm.hidden=3", "lstm is not tried: say --encoder lstm"),
        ("hidden=3", "expected PART.NAME=VALUE such as training.epochs=50, found hidden=…; a PART is one of encoder"),
        ("training.epochs", "expected NAME=VALUE .* found 'training.epochs'"),
        ("training.epochs.more=3", "is not a table of settings: epochs is 500"),
        ("gru.hidden.more=3", "gru.hidden.more is no option of an encoder, which is said as gru.hidden=64"),
        ("data=3", "expected PART.NAME=VALUE"),
    ],
)
def test_what_cannot_be_set_is_one_sentence_with_what_there_is(assignment, sentence):
    with pytest.raises(SettingError, match=sentence):
        chosen(assignment)


@pytest.mark.parametrize("assignment", ["encoder.gru.hidden=3", "encoder.typo.hidden=3", "encoder.lstm.gru.hidden=3"])
def test_a_name_between_encoder_and_its_option_is_not_passed_over(assignment):
    """Else ``encoder.gru.hidden`` would change every encoder."""
    name, _ = assignment.split("=")
    with pytest.raises(SettingError, match=f"^{name} is no option of an encoder, which is said as "):
        chosen(assignment, encoders=["gru", "lstm"])


def test_an_encoder_is_not_made_another_under_its_name():
    with pytest.raises(SettingError, match=r"named by --encoder, not by gru\.name"):
        chosen("gru.name=lstm")


@pytest.mark.parametrize("assignment", ["training.r_drop=1", "training.label_smoothing=0.1", "training.loss=bce"])
def test_what_only_a_classifier_has_is_refused_where_numbers_are_learnt(assignment):
    assert one(assignment, task=Letters).training != one(task=Letters).training
    with pytest.raises(SettingError, match=f"training has no setting '{assignment[9:].split('=')[0]}'"):
        one(assignment, task=Sine)


def test_there_is_nothing_to_pretrain_on():
    with pytest.raises(SettingError, match=r"training\.pretrain makes a language model of texts, and here are none"):
        one("training.pretrain=1", task=Letters)


@pytest.mark.parametrize("part", ["head", "embedding"])
def test_a_part_that_the_task_has_not_cannot_be_set(part):
    with pytest.raises(SettingError, match=f"there is nothing to set in '{part}'.*: encoder, training, data, gru"):
        chosen(f"{part}.dim=3", task=Sine)


@pytest.mark.parametrize("encoders", [["grue"], ["lstm", "grue"]])
def test_an_encoder_that_nobody_registers_is_refused_with_the_nearest_name(encoders):
    with pytest.raises(SettingError, match=r"'grue'.*did you mean 'gru'\?.*lstm"):
        chosen(encoders=encoders)


PARTS = st.sampled_from(
    ["training", "gru", "encoder", "head", "embedding", "data", "name", "", "hidden", "epochs", "x"]
)


@given(st.lists(PARTS, min_size=1, max_size=4).map(".".join), st.sampled_from(["3", "x", "[1]", "", "{}", "true", "="]))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_whatever_is_set_it_is_taken_or_refused_in_words(place, value):
    try:
        settings_of(Letters(), ["gru"], [f"{place}={value}"], {})
    except NlpkitError as error:
        assert isinstance(error, SettingError)  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
