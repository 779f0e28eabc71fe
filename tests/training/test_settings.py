import json
from dataclasses import asdict
from importlib.metadata import EntryPoint
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from nlpkit.errors import DataError, PluginError, SettingError
from nlpkit.model.head_settings import HeadSettings
from nlpkit.plugins.component import Component
from nlpkit.plugins.installed import InstalledPlugin
from nlpkit.plugins.registry import Registry, registry
from nlpkit.tasks.base import resolve
from nlpkit.tasks.sentiment.settings import ClassifierSettings, ClassifierTraining, SentimentSettings
from nlpkit.tasks.sentiment.task import SENTIMENT
from nlpkit.training.settings import Shape, list_recipes, read_recipe


def member(**changes):
    return {
        "name": "one",
        "tokenizer": {"name": "char"},
        "embedding": {"name": "trainable", "dim": 4},
        "encoder": {"name": "none"},
        **changes,
    }


def task_of(name):
    return registry().get("task", name).factory


ONE = {"members": [member()]}
TWO = {"members": [member(), member(name="two")]}
SHAPE = Shape(SentimentSettings, {"network": ClassifierSettings})  # without torch
settings, assign, choose = SHAPE.make_settings, SHAPE.assign, SHAPE.choose
RECIPES = [(task, name) for task in ("sentiment", "cloze", "generate") for name in list_recipes(task_of(task))]


def installed(recipe):
    """The name of a recipe whose plugin is there."""
    if recipe == "word2vec":
        pytest.importorskip("nlpkit_word2vec")
    if recipe in ("few", "reviews", "reviews-large"):
        pytest.importorskip("nlpkit_e5")
    return recipe


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.parametrize(("task", "name"), RECIPES)
def test_every_recipe_is_right_and_its_parts_go_together(task, name):
    pytest.importorskip("torch")
    task = task_of(task)
    run = resolve(task.run)
    made = run.shape().make_settings(read_recipe(task, installed(name)))
    assert made.members
    run(task, made).rehearse()


@pytest.mark.train
@pytest.mark.parametrize(("task", "name"), [("sentiment", "network"), ("cloze", "network"), ("generate", "network")])
def test_a_recipe_is_spelt_out_by_what_its_settings_say(task, name):
    """A run keeps its settings as JSON, and is resumed from them, each member as the kind that it is."""
    pytest.importorskip("torch")
    shape = resolve(task_of(task).run).shape()
    tables = shape.assign(read_recipe(task_of(task), name), ["ngrams.order=3"] if task == "generate" else [])
    made = shape.make_settings(tables)
    assert shape.make_settings(json.loads(json.dumps(asdict(made)))) == made


def test_the_promised_recipes_are_there():
    assert {"lstm", "network", "ngrams", "reviews", "stacked", "tutorial"} <= set(list_recipes(SENTIMENT))


def test_a_plugin_brings_recipes_of_its_own(monkeypatch, tmp_path):
    path = tmp_path / "quick.toml"
    path.write_text("seed = 7\n")
    plugins = Registry()
    plugins.take(InstalledPlugin((EntryPoint("sentiment.quick", "a:b", "nlpkit.recipes"),), "zh-quick", "1"))
    monkeypatch.setattr("nlpkit.training.settings.registry", lambda: plugins)
    assert "quick" in list_recipes(SENTIMENT)
    with pytest.raises(PluginError, match=r"the recipe 'sentiment\.quick' of zh-quick 1 does not work"):
        read_recipe(SENTIMENT, "quick")
    plugins.points.clear()
    plugins.components["recipe", "sentiment.quick"] = Component.of(
        "recipe", "sentiment.quick", path, distribution="zh-quick", version="1", plugin="zh-quick"
    )
    assert read_recipe(SENTIMENT, "quick") == {"seed": 7}
    with pytest.raises(SettingError, match=r"the recipe 'sentiment\.few' is in nlpkit-zh-e5, which is not installed"):
        read_recipe(SENTIMENT, "few")


@pytest.mark.parametrize("name", ["few", "sentiment.", ".few", "sentiment.a.b"])
def test_a_recipe_is_called_by_its_task_and_its_name(name):
    with pytest.raises(PluginError, match=r"called TASK\.NAME"):
        Component.of("recipe", name, "x.toml", distribution="d", version="1", plugin="p")


def test_a_recipe_may_be_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'seed = 7\n[[members]]\ntokenizer={name="char"}\nembedding={name="trainable"}\nencoder={name="none"}\n'
    )
    made = settings(read_recipe(SENTIMENT, path))
    assert made.seed == 7
    assert [m.name for m in made.members] == ["member-0"]


def test_a_recipe_that_is_none():
    with pytest.raises(SettingError, match="no recipe 'ngram' for sentiment; did you mean 'ngrams'"):
        read_recipe(SENTIMENT, "ngram")
    with pytest.raises(DataError, match=r"nowhere\.toml cannot be read"):
        read_recipe(SENTIMENT, "nowhere.toml")


def test_a_recipe_that_is_no_toml(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("seed = \n")
    with pytest.raises(SettingError, match=r"mine\.toml is no TOML"):
        read_recipe(SENTIMENT, path)


def test_epochs_that_are_assigned_set_the_steps_of_a_recipe_aside():
    tables = read_recipe(SENTIMENT, "network")

    def training(*assignments):
        made = SHAPE.make_settings(SHAPE.assign(tables, assignments)).members[0].training
        return made.epochs, made.min_steps

    assert training() == training("seed=3") == (10, 600)
    assert training("training.epochs=3") == training("network.training.epochs=3") == (3, 0)
    assert training("training.min_steps=50", "training.epochs=3") == (3, 50)
    assert training("training.min_steps=50") == (10, 50)


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
        ("training.epochs=0", "one.training: epochs must be at least 1, was: 0"),
        ("training.schedule=cosin", r"one\.training: schedule cannot be 'cosin'; did you mean 'cosine'"),
        ("training.optimizer=adamx", r"one\.training: optimizer cannot be 'adamx'; did you mean 'adam"),
        ("training.loss=msee", r"one\.training: loss cannot be 'msee'; did you mean 'mse'"),
        ("training.class_weights=even", r"one\.training: class_weights cannot be 'even'; there is: none, balanced"),
        ("training.monitor=f1", r"one\.training: monitor cannot be 'f1'; there is: loss, accuracy"),
        ("training.momentum=1", r"one\.training: momentum must be in \[0, 1\), was: 1"),
        ("training.label_smoothing=1.5", r"one\.training: label_smoothing must be in \[0, 1\)"),
        ("training.clip=-1", r"one\.training: clip must not be negative, was: -1"),
        ("training.pretrain=-1", r"one\.training: pretrain must not be negative, was: -1"),
        ("training.pretrain_rate=0", r"one\.training: pretrain_rate must be above 0, was: 0"),
        ("training.patience=0", r"one\.training: patience must be at least 1, was: 0"),
        ("training.batch_size=1.5", "batch_size wants a whole number, found 1.5"),
        ("training.learning_rate=nan", "learning_rate.*nan"),
        ("training.learning_rate=inf", "learning_rate.*inf"),
        ("training.weight_decay=nan", "weight_decay.*nan"),
        ("training.clip=nan", "clip.*nan"),
        ("training.r_drop=inf", "r_drop.*inf"),
        ("test=0.155", r"whole percentages.* was: 0\.155"),
        ("max_length=-1", "one: max_length must not be negative, was: -1"),
        ("weights=int2", r"one: weights cannot be 'int2'; did you mean 'int8'\? There is: float32, int8, int4"),
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
        ("head.dropout=1", r"one\.head: dropout must be in"),
        ("head.norm=layr", r"one\.head: norm cannot be 'layr'; did you mean 'layer'"),
        ("head.norm=layer", r"head\.norm=layer normalises hidden units.*: set head\.hidden"),
        ("head.norm=batch", r"head\.norm=batch normalises hidden units.*: set head\.hidden"),
        ("seed=-1", r"the recipe: seed must be in \[0, .*\), was: -1"),
        ("seed=4294967296", r"the recipe: seed must be in \[0, .*\), was: 4294967296"),
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
    made = settings(choose(ONE, {"tokenizer": None, "embedding": None, "encoder": "lstm"}))
    assert made.members[0].encoder == {"name": "lstm"}
    assert made.members[0].embedding == {"name": "trainable", "dim": 4}
    with pytest.raises(SettingError, match="one member"):
        choose(TWO, {"encoder": "lstm"})


def test_a_task_is_no_setting():
    with pytest.raises(SettingError, match="no setting 'task'"):
        settings(ONE | {"task": "sentiment"})


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_the_least_and_the_greatest_seed(seed):
    assert settings(assign(ONE, [f"seed={seed}"])).seed == seed


def choices(kind):
    """What may be chosen for settings that are one of a few names."""
    known = get_type_hints(kind)
    return [(name, v) for name, hint in known.items() if get_origin(hint) is Literal for v in get_args(hint)]


@pytest.mark.parametrize(("name", "value"), choices(ClassifierTraining))
def test_every_name_that_may_be_chosen_is_taken(name, value):
    (made,) = settings(assign(ONE, [f"training.{name}={value}"])).members
    assert getattr(made.training, name) == value


@pytest.mark.parametrize(("name", "norm"), choices(HeadSettings))
def test_hidden_units_may_be_normalised(name, norm):
    (made,) = settings(assign(ONE, [f"head.{name}={norm}", "head.hidden=8"])).members
    assert (made.head.norm, made.head.hidden) == (norm, 8)


# Members of whatever kind


@pytest.fixture(scope="module")
def shapes():
    pytest.importorskip("torch")
    return {name: resolve(task_of(name).run).shape() for name in ("cloze", "generate")}


NETWORK = {
    "embedding": {"name": "trainable"},
    "encoder": {"name": "lstm", "hidden": 8, "bidirectional": False},
    "output": {"name": "softmax"},
}


@pytest.mark.train
def test_a_table_of_a_kind_is_a_member_of_that_name(shapes):
    made = shapes["generate"].make_settings({"network": NETWORK, "ngrams": {"order": 3}})
    assert [(member.name, type(member).__name__) for member in made.members] == [
        ("network", "LanguageModelSettings"),
        ("ngrams", "NgramSettings"),
    ]
    spelt = {
        "members": [{"kind": "network", "name": "network", **NETWORK}, {"kind": "ngrams", "name": "ngrams", "order": 3}]
    }
    assert shapes["generate"].make_settings(spelt) == made


@pytest.mark.train
def test_an_assignment_reaches_the_member_that_has_the_setting(shapes):
    tables = {"network": NETWORK, "ngrams": {"order": 3}}
    made = shapes["generate"].make_settings(
        shapes["generate"].assign(tables, ["order=4", "training.epochs=2", "ngrams.min_count=1", "encoder.hidden=4"])
    )
    network, ngrams = made.members
    assert (ngrams.order, ngrams.min_count, network.training.epochs, network.encoder["hidden"]) == (4, 1, 2, 4)


@pytest.mark.train
def test_a_member_that_is_set_to_nothing_is_none(shapes):
    made = shapes["generate"].make_settings({"network": NETWORK, "ngrams": {"order": 0}})
    assert [member.name for member in made.members] == ["network"]


@pytest.mark.train
@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ([{"kind": "netwrk", **NETWORK}], "there is no kind of member 'netwrk'; did you mean 'network'"),
        ([5], "a member wants a table of settings, found 5"),
        (5, r"the recipe wants tables \[\[members\]\], found: 5"),
        ([], r"at least one table \[\[members\]\], or \[network\] or \[ngrams\], found none"),
        ([{"name": "m", "encoder": {"name": "gru"}}], "m lacks embedding and output: a recipe says all of it"),
    ],
)
def test_members_that_are_none_are_one_sentence(shapes, members, sentence):
    with pytest.raises(SettingError, match=sentence) as caught:
        shapes["generate"].make_settings({"members": members})
    assert "\n" not in str(caught.value)


@pytest.mark.train
@pytest.mark.parametrize("task", ["cloze", "generate"])
def test_an_encoder_that_is_chosen_reads_one_way_where_it_must(shapes, task):
    tables = {"network": NETWORK} | ({"tokenizer": {"name": "char"}} if task == "cloze" else {})
    chosen = {name: shapes[task].choose(tables, {"encoder": name}) for name in ("gru", "transformer", "none", "lstm")}
    encoders = {name: shapes[task].make_settings(found).members[0].encoder for name, found in chosen.items()}
    assert encoders["gru"] == {"name": "gru", "bidirectional": False}
    assert encoders["transformer"] == {"name": "transformer", "causal": True}
    assert encoders["none"] == {"name": "none"}
    assert encoders["lstm"] == NETWORK["encoder"]  # the same, with its options
