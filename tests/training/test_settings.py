import pytest

from nlpkit.errors import DataError, SettingError
from nlpkit.training.settings import (
    CHOICES,
    NORMS,
    TrainingSettings,
    assign,
    compose,
    list_recipes,
    read_recipe,
    settings,
)


def member(**changes):
    return {
        "name": "one",
        "tokenizer": {"name": "char"},
        "embedding": {"name": "trainable", "dim": 4},
        "encoder": {"name": "none"},
        **changes,
    }


ONE = {"members": [member()]}
TWO = {"members": [member(), member(name="two")]}


def installed(recipe):
    """The name of a recipe whose plugin is there."""
    if recipe == "word2vec":
        pytest.importorskip("nlpkit_word2vec")
    return recipe


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_parses(name):
    made = settings(read_recipe(installed(name)))
    assert made.members
    assert len(made.exits) < len(made.members)


@pytest.mark.train
@pytest.mark.parametrize("name", list_recipes())
def test_the_parts_of_every_recipe_go_together(name):
    pytest.importorskip("torch")
    from nlpkit.training.composition import rehearse  # torch

    rehearse(settings(read_recipe(installed(name))))


def test_the_promised_recipes_are_there():
    assert {"lstm", "network", "ngrams", "reviews", "stacked", "tutorial"} <= set(list_recipes())


def test_a_recipe_may_be_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'seed = 7\n[[members]]\ntokenizer={name="char"}\nembedding={name="trainable"}\nencoder={name="none"}\n'
    )
    made = settings(read_recipe(path))
    assert made.seed == 7
    assert [m.name for m in made.members] == ["member-0"]


def test_a_recipe_that_is_none():
    with pytest.raises(SettingError, match="no recipe 'ngram' for sentiment; did you mean 'ngrams'"):
        read_recipe("ngram")
    with pytest.raises(DataError, match=r"nowhere\.toml cannot be read"):
        read_recipe("nowhere.toml")


def test_a_recipe_that_is_no_toml(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("seed = \n")
    with pytest.raises(SettingError, match=r"mine\.toml is no TOML"):
        read_recipe(path)


def test_assignments_reach_their_places():
    made = settings(
        assign(
            ONE, ["embedding.dim=8", "training.epochs=3", "seed=5", "max_length=9", "head.pooling=max+mean", "test=0.1"]
        )
    )
    (one,) = made.members
    assert (one.embedding["dim"], one.training.epochs, one.max_length) == (8, 3, 9)
    assert one.head.pooling == "max+mean"
    assert (made.seed, made.test) == (5, 0.1)
    assert ONE["members"][0]["embedding"] == {"name": "trainable", "dim": 4}  # the tables given stay as they were


def test_an_assignment_names_its_member_or_reaches_all():
    made = settings(assign(TWO, ["two.embedding.dim=8", "training.epochs=3"]))
    assert [m.embedding["dim"] for m in made.members] == [4, 8]
    assert [m.training.epochs for m in made.members] == [3, 3]


def test_an_assignment_without_a_value():
    with pytest.raises(SettingError, match=r"NAME=VALUE such as encoder\.hidden=64, found 'encoder\.hidden'"):
        assign(ONE, ["encoder.hidden"])


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("encoder.hiden=64", "encoder 'none' has no option 'hiden'"),
        ("embedding.dims=8", "no option 'dims'; did you mean 'dim'"),
        ("embedding.name=trainble", "no embedding 'trainble'; did you mean 'trainable'"),
        ("training.epoch=3", "no setting 'epoch'; did you mean 'epochs'"),
        ("training.epochs=0", "training.epochs must be above 0, was: 0"),
        ("training.schedule=cosin", r"training\.schedule cannot be 'cosin'; did you mean 'cosine'"),
        ("training.optimizer=adamx", r"training\.optimizer cannot be 'adamx'; did you mean 'adam"),
        ("training.loss=msee", r"training\.loss cannot be 'msee'; did you mean 'mse'"),
        ("training.class_weights=even", r"training\.class_weights cannot be 'even'; there is: none, balanced"),
        ("training.monitor=f1", r"training\.monitor cannot be 'f1'; there is: loss, accuracy"),
        ("training.momentum=1", r"training\.momentum must be in \[0, 1\), was: 1"),
        ("training.label_smoothing=1.5", r"training\.label_smoothing must be in \[0, 1\)"),
        ("training.clip=-1", r"training\.clip must not be negative"),
        ("training.pretrain=-1", r"training\.pretrain must not be negative"),
        ("training.pretrain_rate=0", r"training\.pretrain_rate must be above 0"),
        ("training.patience=0", r"training\.patience must be above 0"),
        ("training.batch_size=1.5", "batch_size wants a whole number, found 1.5"),
        ("training.learning_rate=nan", "learning_rate.*nan"),
        ("training.learning_rate=inf", "learning_rate.*inf"),
        ("training.weight_decay=nan", "weight_decay.*nan"),
        ("training.clip=nan", "clip.*nan"),
        ("training.r_drop=inf", "r_drop.*inf"),
        ("test=0.155", r"whole percentages.* was: 0\.155"),
        ("max_length=-1", "max_length must not be negative"),
        ("weights=int4", "float32, int8.*int4"),
        ("sed=1", "no setting 'sed'"),
        ("name=a/b", "letters, digits"),
        ("validation=0", "validation must not be 0"),
        ("test=0.9", "must leave rows to train on"),
        ("exits=[0.9]", "exits has 1 values, more than members - 1: 0"),
        ("encoder=lstm", "encoder"),
        ("training=5", "training"),
        ("training.epochs=many", "epochs"),
        ("training.epochs.deep=1", "epochs"),
        ("test=some", "test"),
        ("exits=0.9", "exits"),
        ("normalisation.nfkd=true", "nfkd"),
        ("head.poling=max", "poling"),
        ("head.pooling=median", "median"),
        ("head.dropout=1", "head.dropout"),
        ("head.norm=layr", r"no head\.norm 'layr'; did you mean 'layer'"),
        ("head.norm=layer", r"head\.norm=layer normalises hidden units.*: set head\.hidden"),
        ("head.norm=batch", r"head\.norm=batch normalises hidden units.*: set head\.hidden"),
        ("seed=-1", r"seed must be at least 0 and below 2\*\*32, was: -1"),
        ("seed=4294967296", r"seed must be at least 0 and below 2\*\*32, was: 4294967296"),
        ("seed=0.5", "seed wants a whole number, found 0.5"),
        ("exits=[0]", "exits"),
    ],
)
def test_a_wrong_setting_is_one_sentence(assignment, sentence):
    with pytest.raises(SettingError, match=sentence) as caught:
        settings(assign(ONE, [assignment]))
    assert "\n" not in str(caught.value)


def test_two_members_of_one_name():
    with pytest.raises(SettingError, match="one name"):
        settings({"members": [member(), member()]})


def test_no_members():
    with pytest.raises(SettingError, match="members"):
        settings({"seed": 1})


def test_a_member_without_a_part():
    with pytest.raises(SettingError, match=r"encoder has no name; there is: .*lstm"):
        settings({"members": [member(encoder={})]})
    whole = member()
    del whole["encoder"]
    with pytest.raises(SettingError, match="encoder"):
        settings({"members": [whole]})


def test_components_are_exchanged_with_their_options():
    made = settings(compose(ONE, {"tokenizer": None, "embedding": None, "encoder": "lstm"}))
    assert made.members[0].encoder == {"name": "lstm"}
    assert made.members[0].embedding == {"name": "trainable", "dim": 4}
    with pytest.raises(SettingError, match="one member"):
        compose(TWO, {"encoder": "lstm"})


def test_a_task_is_no_setting():
    with pytest.raises(SettingError, match="no setting 'task'"):
        settings(ONE | {"task": "sentiment"})


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_the_least_and_the_greatest_seed(seed):
    assert settings(assign(ONE, [f"seed={seed}"])).seed == seed


OF_A_CLASSIFIER = {name: known for name, known in CHOICES.items() if hasattr(TrainingSettings(), name)}


@pytest.mark.parametrize(("name", "value"), [(n, value) for n, known in OF_A_CLASSIFIER.items() for value in known])
def test_every_name_that_may_be_chosen_is_taken(name, value):
    (made,) = settings(assign(ONE, [f"training.{name}={value}"])).members
    assert getattr(made.training, name) == value


@pytest.mark.parametrize("norm", NORMS)
def test_hidden_units_may_be_normalised(norm):
    (made,) = settings(assign(ONE, [f"head.norm={norm}", "head.hidden=8"])).members
    assert (made.head.norm, made.head.hidden) == (norm, 8)
