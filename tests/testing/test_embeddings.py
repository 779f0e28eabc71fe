"""An embedding that is broken in one way is caught by the check for it."""
# ruff: noqa: ARG002 - a protocol has arguments for which what is tiny has no use

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from nlpkit import hookimpl  # noqa: E402
from nlpkit.testing import list_subjects, of_module  # noqa: E402
from nlpkit.text.vocabulary import HashVocabulary, SubwordVocabulary, TableVocabulary  # noqa: E402
from tests.testing.sound_layers import Table  # noqa: E402
from tests.testing.trying import failures, module, only, outcomes, subject  # noqa: E402

pytestmark = pytest.mark.train
ALL = ()


def tried(kind, **options):
    def factory(*, dim: int = 8, frozen: bool = False):
        return kind(dim=dim, frozen=frozen)

    return subject("embedding", factory, **options)


def test_a_sound_one_passes():
    assert failures(tried(Table)) == {}
    assert "fixed" not in outcomes(tried(Table))


class Subwords(Table):
    """A table over pieces, a token's vector being the mean of theirs."""

    subwords = True

    def fit(self, documents, labels):
        vocabulary = SubwordVocabulary.count(documents, min_count=2, max_size=1000, bits=8)
        self.build(vocabulary)
        return vocabulary

    def forward(self, ids, mask):
        return self.table(ids).sum(2) / (ids != 0).sum(2, keepdim=True).clamp(min=1)


@pytest.mark.slow
def test_a_sound_one_of_pieces_passes():
    assert failures(tried(Subwords), without=ALL) == {}


class Adding(Subwords):
    def forward(self, ids, mask):
        return self.table(ids).sum(2)


class Filled(Subwords):
    def forward(self, ids, mask):
        return self.table(ids).mean(2)


class Silent(Subwords):
    subwords = False


class Boasting(Table):
    subwords = True


@pytest.mark.parametrize("kind", [Silent, Boasting])
def test_what_does_not_say_that_a_token_has_several_ids_or_says_so_in_vain(kind):
    assert "say subwords = True with a SubwordVocabulary" in failures(tried(kind))["fit"]


def test_pieces_that_are_added_up_or_counted_though_they_are_padding():
    assert "the mean of what vectors() has" in only(tried(Adding), "vectors")
    found = failures(tried(Filled))
    assert set(found) == {"padding", "batch-mates", "vectors"}


def test_what_is_no_module():
    class Plain:
        def __init__(self, **config):
            self.config, self.dim = config, 8
            self.fit = self.build = self.forward = self.eval = print

    assert "no torch.nn.Module" in failures(tried(Plain))["made"]


@pytest.mark.parametrize(("name", "value"), [("dim", 8.0), ("dim", None), ("config", None), ("build", 7)])
def test_what_lacks_a_part(name, value):
    class Partless(Table):
        def __init__(self, **config):
            super().__init__(**config)
            setattr(self, name, value)

    assert name in failures(tried(Partless))["made"]


def test_a_config_that_fit_spoils():
    class Spoilt(Table):
        def fit(self, documents, labels):
            self.config["size"] = 3
            return super().fit(documents, labels)

    assert "'size', which is no option" in only(tried(Spoilt), "fit", without=("export", "save and load"))


def test_a_fit_that_wants_a_list():
    class Greedy(Table):
        def fit(self, documents, labels):
            assert len(documents) == len(labels)
            return super().fit(documents, labels)

    sentence = only(tried(Greedy), "fit")
    assert "TypeError" in sentence
    assert "larger than memory" in sentence


def test_a_fit_that_fails():
    class Failing(Table):
        def fit(self, documents, labels):
            raise KeyError("质")

    assert "KeyError: '质': it was given 60 short texts" in failures(tried(Failing))["fit"]
    assert set(outcomes(tried(Failing))) == {"made", "options", "config", "fit", "odd text"}


def test_a_fit_that_returns_no_vocabulary():
    class Listing(Table):
        def fit(self, documents, labels):
            return super().fit(documents, labels).tokens

    assert "returns a list" in only(tried(Listing), "fit", without=("export", "odd text"))


def test_a_vocabulary_that_cannot_be_saved():
    class Doubled(Table):
        def fit(self, documents, labels):
            found = super().fit(documents, labels)
            found.tokens.reverse()
            return found

    assert "written and read" in only(tried(Doubled), "fit", without=("export", "save and load"))


class Lying(Table):
    def forward(self, ids, mask):
        return super().forward(ids, mask)[:, :, 1:]


class Doubles(Table):
    def forward(self, ids, mask):
        return super().forward(ids, mask).double()


class Meaning(Table):
    def forward(self, ids, mask):
        found = super().forward(ids, mask)
        return found * (mask.sum(1) / mask.sum(1))[:, None, None]


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [(Lying, "7) was found"), (Lying, "8) was expected"), (Doubles, "torch.float64"), (Meaning, "NaN")],
)
def test_vectors_of_another_shape(kind, sentence):
    found = failures(tried(kind), without=("export", "vectors", "odd text"))["shapes"]
    assert sentence.replace(" was found", "") in found


def test_odd_documents():
    class Dividing(Table):
        def fit(self, documents, labels):
            documents = [[token for token in document if token.isprintable()] for document in documents]
            self.share = sum(1 / len(document) for document in documents if len(document) != 0 or len(documents) > 60)
            return super().fit(documents, labels)

    assert "ZeroDivisionError" in only(tried(Dividing), "odd text")


def test_padding_that_counts():
    class Centred(Table):
        def forward(self, ids, mask):
            found = super().forward(ids, mask)
            return found - found.mean(1, keepdim=True)

    assert "padding must not" in only(tried(Centred), "padding", without=("export", "vectors"))


def test_rows_that_count():
    class Compared(Table):
        def forward(self, ids, mask):
            found = super().forward(ids, mask)
            return found - found[:1, :1].detach()

    assert "rows beside it" in only(tried(Compared), "batch-mates", without=("export", "vectors"))


class Noisy(Table):
    def forward(self, ids, mask):
        return super().forward(ids, mask) * (1 + np.random.default_rng().random())


class NoisyInTraining(Table):
    def forward(self, ids, mask):
        found = super().forward(ids, mask)
        return found * (1 + np.random.default_rng().random()) if self.training else found


class NoisyFit(Table):
    def fit(self, documents, labels):
        found = super().fit(documents, labels)
        self.table.weight.data += np.random.default_rng().random()
        return found


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [(Noisy, "outside training"), (NoisyInTraining, "in training"), (NoisyFit, "fitted to the same documents")],
)
def test_what_is_drawn_from_elsewhere(kind, sentence):
    disturbed = ("padding", "batch-mates", "save and load", "vectors", "export") if kind is Noisy else ("export",)
    assert sentence in only(tried(kind), "determinism", disturbed)


def test_what_is_not_saved():
    class Forgetful(Table):
        def fit(self, documents, labels):
            found = super().fit(documents, labels)
            self.scale = torch.linspace(1, 2, self.dim)
            return found

        def build(self, vocabulary):
            super().build(vocabulary)
            self.scale = torch.ones(self.dim)

        def vectors(self):
            return self.table.weight * self.scale

        def lookup(self, ids):
            return self.table(ids) * self.scale

        def forward(self, ids, mask):
            return super().forward(ids, mask) * self.scale

    assert "keep all in state_dict" in only(tried(Forgetful), "save and load")


def test_what_is_built_of_another_shape():
    class Bigger(Table):
        def build(self, vocabulary):
            self.table = nn.Embedding(len(vocabulary) + 1, self.dim)

        def fit(self, documents, labels):
            vocabulary = super().fit(documents, labels)
            self.table = nn.Embedding(len(vocabulary), self.dim)
            return vocabulary

    assert "do not fit" in only(tried(Bigger), "save and load", without=("export", "gradients"))


def test_what_cannot_be_built():
    class Unbuilt(Table):
        def build(self, vocabulary):
            if not hasattr(self, "fitted"):
                raise RuntimeError("not fitted")
            super().build(vocabulary)

        def fit(self, documents, labels):
            self.fitted = True
            return super().fit(documents, labels)

    assert "RuntimeError: not fitted" in only(tried(Unbuilt), "save and load")


class Detached(Table):
    def forward(self, ids, mask):
        return super().forward(ids, mask).detach()


class Unused(Table):
    def __init__(self, **config):
        super().__init__(**config)
        self.more = nn.Parameter(torch.ones(3))


class Thawed(Table):
    def build(self, vocabulary):
        super().build(vocabulary)
        self.table.weight.requires_grad_(True)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [(Detached, "no gradient can reach table.weight"), (Unused, "more requires"), (Thawed, "though all is frozen")],
)
def test_gradients_that_go_astray(kind, sentence):
    assert sentence in only(tried(kind), "gradients")


def test_a_parameter_that_nothing_reaches_where_nothing_is_frozen():
    class More(Learning):
        def __init__(self, **config):
            super().__init__(**config)
            self.more = nn.Parameter(torch.ones(3))

    def factory(*, dim: int = 8):
        return More(dim=dim)

    assert "no gradient reaches more" in only(subject("embedding", factory), "gradients")


class Learning(Table):
    """Without an option to freeze it."""

    def __init__(self, **config):
        super().__init__(**config, frozen=False)
        del self.config["frozen"]

    def build(self, vocabulary):
        self.table = nn.Embedding(len(vocabulary), self.dim)


class OtherTable(Table):
    def vectors(self):
        return self.table.weight + 1


class ShortTable(Table):
    def vectors(self):
        return self.table.weight[1:]


class DroppedLookup(Table):
    def lookup(self, ids):
        return nn.functional.dropout(self.table(ids), 0.5, self.training)


class Buckets(Table):
    def fit(self, documents, labels):
        vocabulary = HashVocabulary(bits=8, low=1, high=2)
        self.build(vocabulary)
        nn.init.ones_(self.table.weight)
        return vocabulary


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (OtherTable, "forward must look up"),
        (ShortTable, "vectors() of all ids have shape"),
        (DroppedLookup, "in training too"),
        (Buckets, "id 0, padding, is not zero"),
    ],
)
def test_a_table_that_says_something_else(kind, sentence):
    assert sentence in only(tried(kind), "vectors")


class FixedButLearnt(Table):
    fixed = True

    def build(self, vocabulary):
        super().build(vocabulary)
        self.table.weight.requires_grad_(True)


class FixedButDropped(Table):
    fixed = True

    def build(self, vocabulary):
        super().build(vocabulary)
        self.table.weight.requires_grad_(False)

    def forward(self, ids, mask):
        return nn.functional.dropout(super().forward(ids, mask), 0.5, self.training)


@pytest.mark.parametrize(
    ("kind", "sentence"), [(FixedButLearnt, "requires a gradient"), (FixedButDropped, "no dropout")]
)
def test_what_is_not_as_fixed_as_it_says(kind, sentence):
    assert sentence in only(tried(kind), "fixed", without=("export", "gradients"))


class Lookup(nn.Module):
    """A half that looks vectors up and leaves them as they are."""

    def __init__(self, rows, *, learns=False, drops=False, dim=8):
        super().__init__()
        self.table = nn.Embedding(rows, 8).requires_grad_(learns)
        self.drops, self.dim = drops, dim

    def forward(self, ids, mask):
        return nn.functional.dropout(self.table(ids), 0.5, self.training and self.drops)


class Scaled(nn.Module):
    """A half that learns to scale what it is given."""

    def __init__(self):
        super().__init__()
        self.factors = nn.Parameter(torch.linspace(0.5, 2, 8))

    def forward(self, vectors, mask):
        return vectors * self.factors


class Halved(nn.Module):
    lower = ()

    def __init__(self):
        super().__init__()
        self.config, self.dim = {}, 8

    def fit(self, documents, labels):
        vocabulary = TableVocabulary.count(documents, min_count=2, max_size=1000)
        self.build(vocabulary)
        return vocabulary

    def build(self, vocabulary):
        self.first, self.second = Lookup(len(vocabulary), **dict(self.lower)), Scaled()

    def forward(self, ids, mask):
        return self.second(self.first(ids, mask), mask)

    def halves(self):
        return self.first, self.second


def test_an_embedding_of_two_halves_passes():
    assert failures(subject("embedding", Halved)) == {}
    assert outcomes(subject("embedding", Halved))["fixed"] is None


@pytest.mark.parametrize(
    ("lower", "sentence"),
    [
        ({"learns": True}, "the first of its halves should be fixed, but table.weight requires a gradient"),
        ({"drops": True}, "the first of its halves should be fixed, so training must not change its vectors"),
        ({"dim": 9}, "what the first of its halves returns (batch, time, dim)"),
    ],
)
def test_a_half_that_is_not_as_it_says(lower, sentence):
    kind = type("Odd", (Halved,), {"lower": tuple(lower.items())})
    assert sentence in failures(subject("embedding", kind))["fixed"]


def test_halves_that_are_not_the_whole():
    class Doubled(Halved):
        def forward(self, ids, mask):
            return 2 * super().forward(ids, mask)

    assert "its halves, one after the other, are the whole" in failures(subject("embedding", Doubled))["fixed"]


class OtherExported(Table):
    def forward(self, ids, mask):
        found = super().forward(ids, mask)
        return found * 2 if torch.onnx.is_in_onnx_export() else found


class Branching(Table):
    def forward(self, ids, mask):
        found = super().forward(ids, mask)
        return found * 2 if float(ids.sum()) < 0 else found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "sentence"), [(OtherExported, "the exported graph, given"), (Branching, "torch.onnx.export refuses")]
)
def test_an_export_that_says_something_else(kind, sentence):
    assert sentence in only(tried(kind), "export", ALL)


def test_one_that_goes_with_a_tokenizer_is_given_its_tokens():
    class Marked(Learning):
        tokenizers = ("marking",)

        def fit(self, documents, labels):
            assert all(document[:1] in ([], ["[mark]"]) for document in documents)
            return super().fit(documents, labels)

    class Marking:
        def __init__(self, mark):
            self.config, self.files = {"mark": mark}, {}

        def tokenize(self, text):
            return [self.config["mark"], *text]

    def marking(*, mark: str = "[other]"):
        return Marking(mark)

    def marked(*, dim: int = 8):
        return Marked(dim=dim)

    made = module("embedding", marked)
    made.nlpkit_register_tokenizers = hookimpl(lambda register: register("marking", marking))
    given = {"marking": {"mark": "[mark]"}}
    found = {s.kind: s for s in list_subjects([of_module(made)], given)}
    assert failures(found["embedding"]) == {}
    without = {s.kind: s for s in list_subjects([of_module(made)])}
    assert list(failures(without["embedding"])) == ["fit", "odd text"]


def test_one_whose_tokenizer_is_not_there_is_not_tried():
    class Lost(Table):
        tokenizers = ("not-there",)

    assert set(outcomes(tried(Lost))) == {"made", "options", "config"}
