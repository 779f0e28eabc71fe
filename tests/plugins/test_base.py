import copy
import warnings

import pytest

from nlpkit.errors import DataWarning, PluginError
from nlpkit.plugins.base import (
    Embedding,
    Encoder,
    OutputEmbedding,
    SharedEmbedding,
    StaticEmbedding,
    Tokenizer,
    adopt,
    find_misspelt,
)
from nlpkit.plugins.component import Component


class Pairs:
    """A stranger's tokenizer, of no class of ours."""

    def __init__(self):
        self.config, self.files = {}, {}

    def tokenize(self, text):
        return [text[i : i + 2] for i in range(0, len(text), 2)]


class Own(Tokenizer):
    longest = 7

    def __init__(self):
        self.config, self.files = {}, {}

    def tokenize(self, text):
        return list(text)


def test_what_a_tokenizer_does_not_say_is_as_the_class_says():
    made = adopt(Tokenizer, Pairs())
    assert isinstance(made, Tokenizer)
    assert isinstance(made, Pairs)
    assert (made.embeddings, made.longest, made.cut, made.remarks) == (None, None, 0, ())
    assert made.batch(["好用吗", ""]).lists() == [["好用", "吗"], []]
    assert type(made).__name__ == "Pairs"
    assert copy.deepcopy(made).tokenize("好用吗") == ["好用", "吗"]


def test_what_inherits_stays_what_it_is():
    made = Own()
    assert adopt(Tokenizer, made) is made
    assert type(made) is Own
    assert made.longest == 7


@pytest.mark.parametrize(
    ("base", "name", "missing"),
    [
        (Tokenizer, "tokenize", "config and files and tokenize"),
        (OutputEmbedding, "layer", "config and decoder and layer"),
    ],
)
def test_what_must_be_there_is_missed(base, name, missing):
    for part in (object(), type("Empty", (base,), {})()):
        with pytest.raises(PluginError, match=f"^lacks {missing}: see the protocol"):
            adopt(base, part)
    assert name in missing


def test_what_cannot_be_adopted_says_what_to_do():
    class Slotted:
        __slots__ = ("config", "files")
        tokenize = Pairs.tokenize

        def __init__(self):
            self.config, self.files = {}, {}

    with pytest.raises(PluginError, match=r"^is a Slotted, which should inherit from Tokenizer$"):
        adopt(Tokenizer, Slotted())


def test_a_misspelt_name_is_told_where_it_is_made():
    class Careless(Own):
        longets = 5
        embedings = ("bert",)
        lengths = 3

    assert sorted(find_misspelt(Careless())) == [("embedings", "embeddings"), ("longets", "longest")]
    component = Component("tokenizer", "careless", lambda: Careless(), "zh-careless", "1.2", "x")
    with pytest.warns(DataWarning) as told:
        component.create({})
    assert sorted(str(one.message) for one in told) == [
        "the tokenizer 'careless' of zh-careless 1.2 has 'embedings': did you mean 'embeddings'?",
        "the tokenizer 'careless' of zh-careless 1.2 has 'longets': did you mean 'longest'?",
    ]


def test_a_factory_that_makes_something_else_is_told():
    component = Component("encoder", "empty", lambda: object(), "zh-empty", "1", "x")
    sentence = "^the encoder 'empty' of zh-empty 1 lacks config and output_dim and causal and forward: see"
    with pytest.raises(PluginError, match=sentence):
        component.create({})


@pytest.mark.train
def test_torch_modules_are_adopted_and_inherit():
    torch = pytest.importorskip("torch")

    class Foreign(torch.nn.Module):
        ordred = False

        def __init__(self):
            super().__init__()
            self.config, self.dim = {}, 3
            self.table = torch.nn.Embedding(4, 3)

        def fit(self, documents, labels):
            raise NotImplementedError

        def build(self, vocabulary):
            raise NotImplementedError

        def forward(self, ids, mask):  # noqa: ARG002
            return self.table(ids)

    class Static(Foreign):
        def vectors(self):
            return self.table.weight

    class Shared(Static, Embedding):
        def lookup(self, ids):
            return self.table(ids)

    ids = torch.tensor([[1, 2]])
    for cls, base in ((Foreign, Embedding), (Static, StaticEmbedding), (Shared, SharedEmbedding)):
        made = adopt(Embedding, cls())
        assert isinstance(made, base)
        assert isinstance(made, SharedEmbedding) is (base is SharedEmbedding)
        assert (made.ordered, made.fixed, made.found) == (True, False, None)
        assert made.check_tokenizer(None) is None
        assert list(find_misspelt(made)) == [("ordred", "ordered")]
        assert made(ids, ids > 0).shape == (1, 2, 3)
        assert list(made.state_dict()) == ["table.weight"]
        assert torch.equal(copy.deepcopy(made)(ids, ids > 0), made(ids, ids > 0))


@pytest.mark.train
def test_no_component_of_ours_is_taken_for_misspelt():
    pytest.importorskip("torch")
    from nlpkit.plugins.registry import registry

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("none", "cnn", "lstm", "transformer"):
            assert isinstance(registry().get("encoder", name).create({}, input_dim=8), Encoder)
        for name in ("trainable", "spelled", "ngrams"):
            assert isinstance(registry().get("embedding", name).create({}), StaticEmbedding)
