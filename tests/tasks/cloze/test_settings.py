"""What training a cloze model is told, and what it refuses to be told."""

import json
from dataclasses import asdict

import pytest

pytest.importorskip("torch")

from nlpkit.errors import NlpkitError, SettingError
from nlpkit.tasks.cloze.run import ClozeRun
from nlpkit.tasks.cloze.task import CLOZE
from nlpkit.training.settings import list_recipes, read_recipe

pytestmark = pytest.mark.train
SHAPE = ClozeRun.shape()

TINY = {
    "tokenizer": {"name": "char"},
    "network": {
        "embedding": {"name": "trainable", "dim": 4},
        "encoder": {"name": "lstm", "bidirectional": False},
        "output": {"name": "softmax", "dim": 4},
    },
}


def made(*assignments, **components):
    return SHAPE.make_settings(SHAPE.assign(SHAPE.choose(TINY, components), assignments))


@pytest.mark.parametrize("name", list_recipes(CLOZE))
def test_the_parts_of_every_recipe_go_together(name):
    tables = read_recipe(CLOZE, name)
    if tables["network"]["embedding"]["name"] == "word2vec":
        pytest.importorskip("gensim")
    chosen = SHAPE.make_settings(tables)
    assert chosen.members[0].training.epochs > 0
    ClozeRun(CLOZE, chosen).rehearse()


def test_the_promised_recipes_are_there():
    assert {"network", "tutorial", "reviews-cloze"} <= set(list_recipes(CLOZE))
    with pytest.raises(SettingError, match="no recipe 'reviews-clos' for cloze; did you mean 'reviews-cloze'"):
        read_recipe(CLOZE, "reviews-clos")


def test_assignments_reach_their_places():
    found = made(
        *("encoder.hidden=64", "network.embedding.dim=8", "training.focus=[0.35, 1]", "head.hidden=[8, 4]"),
        *("answers.min_count=2", "seed=3", "max_length=9"),
        *("normalisation.zero=true", "tokenizer.name=whitespace", "validation=0.1"),
    )
    (network,) = found.members
    assert (network.encoder["hidden"], network.embedding["dim"], network.max_length) == (64, 8, 9)
    assert (network.training.focus, network.head.hidden) == ((0.35, 1), (8, 4))
    assert found.answers.min_count == 2
    assert (found.seed, found.tokenizer, found.validation) == (3, {"name": "whitespace"}, 0.1)
    assert found.normalisation == {"zero": True}
    assert TINY["network"]["embedding"] == {"name": "trainable", "dim": 4}  # the tables given stay as they were


def test_components_are_exchanged_with_their_options():
    found = made("output.loss=bce", "output.source=random", output="binary-codes", tokenizer="jieba", encoder="cnn")
    (network,) = found.members
    assert network.output == {"name": "binary-codes", "loss": "bce", "source": "random"}
    assert (found.tokenizer, network.encoder) == ({"name": "jieba"}, {"name": "cnn"})
    (same,) = made(encoder="lstm", embedding=None).members  # of one that is there already they stay
    assert same.encoder == {"name": "lstm", "bidirectional": False}
    assert same.embedding == {"name": "trainable", "dim": 4}


def test_what_was_asked_for_can_be_asked_for_again():
    found = made("training.focus=[0.5, 1.0]", "head.hidden=[]")
    told = json.loads(json.dumps(asdict(found)))
    assert SHAPE.make_settings(told) == found


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("encoder.hiden=64", "encoder 'lstm' has no option 'hiden'; did you mean 'hidden'"),
        ("embedding.name=speled", "no embedding 'speled'; did you mean 'spelled'"),
        ("output.name=softmaks", "no output 'softmaks'; did you mean 'softmax'"),
        ("output.bits=8", "the output 'softmax' has no option 'bits'"),
        ("tokenizer.name=jeiba", "no tokenizer 'jeiba'; did you mean 'jieba'"),
        ("tokenizer.size=2", "the tokenizer 'char' has no option 'size'"),
        ("training.epoch=3", r"network\.training has no setting 'epoch'; did you mean 'epochs'"),
        ("training.batch_size=3", "no setting 'batch_size'; did you mean 'batch_tokens'"),
        ("training.batch_tokens=0", r"network\.training: batch_tokens must be at least 1, was: 0"),
        ("training.blanked=1", r"training: blanked must be in \[0, 1\), was: 1"),
        ("training.subsample=-0.1", r"training: subsample must not be negative, was: -0\.1"),
        ("training.exact_epochs=-1", r"training: exact_epochs must not be negative, was: -1"),
        ("training.exact_epochs=0.5", "exact_epochs wants a whole number, found 0.5"),
        ("training.precision=float16", r"training: precision cannot be 'float16'; did you mean 'bfloat16'|'float32'"),
        ("training.monitor=top1", r"training: monitor cannot be 'top1'.*loss, accuracy"),
        ("training.focus=0.5", "focus wants a list of numbers, found 0.5"),
        ("training.focus=[0.5]", r"training\.focus wants two shares of at most 1, such as \[0\.35, 0\.6\], was: \[0"),
        ("training.focus=[0.5, 1.5]", r"two shares of at most 1.* was: \[0\.5, 1\.5\]"),
        ("training.focus=[0.5, nan]", "focus wants a list of numbers"),
        ('training.focus=["all", 1]', "focus wants a list of numbers"),
        ("training=5", r"network: training wants a table of settings, found 5"),
        ("head.hidden=512", "hidden wants a list of numbers, found 512"),
        ("head.hidden=[0]", "hidden "),
        ("head.hidden=[8.5]", "hidden wants a list of numbers"),
        ("head.dropout=1", r"head: dropout must be in \[0, 1\)"),
        ("head.pooling=max", r"network\.head has no setting 'pooling'"),
        ("head.neighbours=1", "neighbours wants true or false, found 1"),
        ("max_length=1", "max_length must be at least 2, was: 1"),
        ("weights=int2", "weights cannot be 'int2'; did you mean 'int8'"),
        ("answers.min_count=0", r"answers: min_count must be at least 1, was: 0"),
        ("answers.max_size=1", r"answers: max_size must be at least 2, was: 1"),
        ("answers.most=9", "answers has no setting 'most'"),
        ("normalisation.nfkd=true", "normalisation has no setting 'nfkd'; did you mean 'nfkc'"),
        ("validation=0", "validation must not be 0"),
        ("test=0.155", "whole percentages"),
        ("seed=-1", r"seed must be in \[0, .*, was: -1"),
        ("seed=4294967296", "seed must be in "),
        ("network=5", "network"),
        ("encoder=lstm", r"encoder wants a table.* found 'lstm'"),
        ("epochs=3", "network has no setting 'epochs'"),
        ("embedding", "NAME=VALUE"),
    ],
)
def test_a_wrong_setting_is_one_sentence(assignment, sentence):
    with pytest.raises(SettingError, match=sentence) as caught:
        made(assignment)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ({"tokenizer": {"name": "char"}}, r"wants at least one table \[\[members\]\], or \[network\], found none"),
        ({"network": TINY["network"]}, "tokenizer"),
        (TINY | {"network": {**TINY["network"], "encoder": {}}}, r"network\.encoder has no name; there is: .*lstm"),
        ({"tokenizer": {"name": "char"}, "network": {"embedding": {"name": "trainable"}}}, "encoder"),
        (TINY | {"members": {}}, r"wants tables \[\[members\]\]"),
        (TINY | {"members": [{**TINY["network"], "name": "Network"}]}, "two members have one name: Network, network"),
        (TINY | {"counts": {"order": 2}}, "no setting 'counts'"),
        (TINY | {"task": "cloze"}, "no setting 'task'"),
    ],
)
def test_a_recipe_that_is_none_is_one_sentence(tables, sentence):
    with pytest.raises(SettingError, match=sentence):
        SHAPE.make_settings(tables)


@pytest.mark.parametrize("components", [{"tokenizer": "jieba"}, {"encoder": "cnn"}])
def test_a_recipe_that_names_a_part_in_one_word_is_mended_by_an_option_or_refused(components):
    (kind,) = components
    tables = TINY | ({"tokenizer": "char"} if kind == "tokenizer" else {"network": TINY["network"] | {kind: "lstm"}})
    with pytest.raises(SettingError, match=f"{kind} wants a table"):
        SHAPE.make_settings(tables)
    assert SHAPE.make_settings(SHAPE.choose(tables, components))


# What does not go together is told before any text is read

EMBEDDINGS = [
    ({"embedding": "ngrams"}, [], "the embedding ngrams has no vector that depends on its word alone.*spelled"),
    ({"output": "binary-codes"}, ["output.vectors=no.txt"], r"no\.txt cannot be read"),
    ({}, ["encoder.hidden=0"], "hidden must be at least 1"),
    ({}, ["embedding.vectors=no.txt"], r"no\.txt cannot be read"),
]


@pytest.mark.parametrize(("components", "assignments", "sentence"), EMBEDDINGS)
def test_parts_that_do_not_go_together_are_refused(components, assignments, sentence):
    with pytest.raises(NlpkitError, match=sentence):
        ClozeRun(CLOZE, made(*assignments, **components)).rehearse()
