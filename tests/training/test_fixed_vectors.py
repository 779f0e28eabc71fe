"""Vectors that never change: computed once, kept whole however the run is broken off, and trained on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import nlpkit  # noqa: E402
from nlpkit.errors import DataError, PluginError, SettingError  # noqa: E402
from nlpkit.plugins.component import Component  # noqa: E402
from nlpkit.plugins.registry import registry  # noqa: E402
from nlpkit.tasks.sentiment.run import SentimentRun  # noqa: E402
from nlpkit.tasks.sentiment.task import SENTIMENT  # noqa: E402
from nlpkit.text.vocabulary import TableVocabulary  # noqa: E402
from nlpkit.training import fixed_vectors, text_network  # noqa: E402
from nlpkit.training.batching import Rows  # noqa: E402
from nlpkit.training.components import check_encoder, make_component  # noqa: E402
from nlpkit.training.events import MemberStarted, Saved, Working  # noqa: E402
from nlpkit.training.fixed_vectors import map_vectors, store_vectors  # noqa: E402
from nlpkit.training.loop import Step  # noqa: E402
from nlpkit.training.run import train  # noqa: E402
from tests.training.runs import files_of, the  # noqa: E402

pytestmark = pytest.mark.train
SIZE = 40
MADE_FROM = {"name": "average", "distribution": "tests", "version": "1", "config": {}}


class Averages(nn.Module):
    """The mean of random vectors of a row up to each token; as it never learns, it counts how often it is asked."""

    fixed = True
    asked = 0

    def __init__(self, dim=8, said=None):
        super().__init__()
        self.config = {"dim": dim}
        self.dim = said or dim
        self.drawn = dim

    def fit(self, documents, labels):  # noqa: ARG002
        vocabulary = TableVocabulary.count(documents, min_count=1, max_size=1000)
        self.build(vocabulary)
        return vocabulary

    def build(self, vocabulary):
        table = torch.randn(len(vocabulary), self.drawn, generator=torch.Generator().manual_seed(0))
        self.register_buffer("table", table)

    def forward(self, ids, mask):
        type(self).asked += int(mask.sum())
        sums = (self.table[ids] * mask[:, :, None]).cumsum(1)
        return sums / mask.cumsum(1).clamp(min=1)[:, :, None]


def averages(*, dim: int = 8):
    return Averages(dim)


class Scaled(nn.Module):
    """What learns of `Halved`."""

    def __init__(self, dim):
        super().__init__()
        self.layer = nn.Linear(dim, dim)

    def forward(self, vectors, mask):
        return torch.tanh(self.layer(vectors)) * mask[:, :, None]


class Halved(Averages):
    """`Averages`, and what learns above them."""

    fixed = False

    def build(self, vocabulary):
        self.lower, self.upper = Averages(self.dim), Scaled(self.dim)
        self.lower.build(vocabulary)

    def forward(self, ids, mask):
        return self.upper(self.lower(ids, mask), mask)

    def halves(self):
        return self.lower, self.upper


def halved(*, dim: int = 8):
    return Halved(dim)


@pytest.fixture
def register(monkeypatch):
    def add(factory, kind="embedding", name="averages"):
        monkeypatch.setitem(registry().components, (kind, name), Component(kind, name, factory, "theirs", "1.2", "x"))

    return add


def embedding():
    made = Averages()
    made.build(TableVocabulary([str(i) for i in range(SIZE - 2)]))
    return made


def rows_of(lengths, seed=0):
    draw = np.random.default_rng(seed)
    return Rows.of([draw.integers(1, SIZE, length) for length in lengths], draw.integers(0, 2, len(lengths)))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_rows_are_those_that_the_embedding_gives(tmp_path_factory, lengths, seed):
    rows, made = rows_of(lengths, seed), embedding()
    path = tmp_path_factory.mktemp("x") / "train.vectors"
    said = list(store_vectors(path, made, rows, "x", MADE_FROM))
    assert said[-1:] == [Working("x", len(lengths), len(lengths))] * bool(sum(lengths))
    found = map_vectors(path, made.dim, rows)
    chosen = np.random.default_rng(seed).permutation(len(lengths))[:7]
    ids, mask, labels = rows.batch(chosen)
    vectors, same_mask, same_labels = found.batch(chosen)
    assert torch.equal(mask, same_mask)
    assert torch.equal(labels, same_labels)
    torch.testing.assert_close(vectors, made(ids, mask) * mask[:, :, None], atol=2e-3, rtol=2e-3)
    assert (len(found), found.targets.tolist()) == (len(lengths), rows.targets.tolist())


@pytest.mark.parametrize("kept", [0, 1, 700, 10**9])
def test_what_was_computed_is_not_computed_again(tmp_path, monkeypatch, kept):
    monkeypatch.setattr(fixed_vectors, "CHUNK", 16)
    rows, made, path = rows_of([5] * 100), embedding(), tmp_path / "train.vectors"
    list(store_vectors(path, made, rows, "x", MADE_FROM))
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])  # as a killed run leaves it
    before = Averages.asked
    list(store_vectors(path, made, rows, "x", MADE_FROM))
    assert path.read_bytes() == whole
    chunks = min(kept, len(whole)) // (16 * 5 * 8 * 2)
    assert Averages.asked - before == (0 if kept > len(whole) else 500 - chunks * 80)


def test_a_disk_that_is_too_small_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(fixed_vectors.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100}))
    with pytest.raises(DataError, match=r"the vectors of 3 rows take .* GB left: make room"):
        list(store_vectors(tmp_path / "x", embedding(), rows_of([5, 5, 5]), "x", MADE_FROM))


MEMBER = {
    "name": "fixed",
    "tokenizer": {"name": "char"},
    "embedding": {"name": "averages"},
    "encoder": {"name": "gru", "hidden": 8},
    "training": {"epochs": 2, "learning_rate": 0.02, "batch_size": 16},
}


def made(**changes):
    return SentimentRun.shape().make_settings({"members": [MEMBER | changes]})


@pytest.mark.slow
def test_a_member_is_trained_on_them_and_scores_texts(tmp_path, examples, register):
    register(averages)
    events = list(train(SENTIMENT, examples, made(), tmp_path / "m"))
    (saved,) = the(Saved, events)
    assert [e.what for e in the(Working, events) if "vectors" in e.what] == [
        "fixed: train vectors",
        "fixed: validation vectors",
    ]
    model = nlpkit.load(tmp_path / "m")
    assert model.check() == []
    assert saved.metrics["all"].rows > 0


@pytest.mark.slow
def test_a_run_that_is_closed_again_and_again_comes_to_the_same_files(tmp_path, examples, register):
    register(averages)
    whole = list(train(SENTIMENT, examples, made(), tmp_path / "whole" / "m"))
    steps, attempts, done = len(the(Step, whole)), 0, False
    folder = tmp_path / "closed" / "m"
    while not done:
        going, seen = (
            train(SENTIMENT, examples if not attempts else iter(()), made(), folder, resume=attempts > 0, every=0),
            0,
        )
        for event in going:
            done = done or isinstance(event, Saved)
            seen += isinstance(event, Step) or "vectors" in getattr(event, "what", "")
            if seen >= steps // 2 + 1:
                going.close()
                break
        attempts += 1
    assert attempts > 1
    expected, found = files_of(tmp_path / "whole" / "m"), files_of(folder)
    assert [path for path in expected if expected[path] != found.get(path)] == []


@pytest.mark.long
@pytest.mark.slow
def test_of_two_halves_the_first_is_computed_once_and_the_second_is_trained(tmp_path, examples, register, monkeypatch):
    register(halved, name="halved")
    settings, folders = made(embedding={"name": "halved"}), {}
    for most in (1 << 30, 0):
        monkeypatch.setattr(text_network, "MOST", most)
        Averages.asked = 0
        events = list(train(SENTIMENT, examples, settings, tmp_path / str(most)))
        told = [e.what for e in the(Working, events) if "vectors" in e.what]
        folders[most] = told, Averages.asked, nlpkit.load(tmp_path / str(most))
    assert [told for told, _, _ in folders.values()] == [["fixed: train vectors", "fixed: validation vectors"], []]
    assert folders[1 << 30][1] < folders[0][1]
    texts = [example.text for example in examples[:40]]
    once, each = (model.score(texts) for _, _, model in folders.values())
    assert max(abs(a.probability - b.probability) for a, b in zip(once, each, strict=True) if a.label) < 0.05
    assert folders[1 << 30][2].check() == []


def test_what_does_not_go_together_is_refused_before_anything_is_read(tmp_path, register):
    def choosy(*, dim: int = 8):
        found = Averages(dim)
        found.tokenizers = ("jieba", "rjieba")
        return found

    register(choosy)
    with pytest.raises(
        SettingError, match="the embedding averages goes with the tokenizer jieba or rjieba, not with char"
    ):
        list(train(SENTIMENT, iter([None]), made(), tmp_path / "m"))


def test_a_tokenizer_may_be_choosy_too(tmp_path, register):
    class Pieces:
        def __init__(self):
            self.config, self.files, self.embeddings, self.cut = {}, {}, ("trainable",), 0

        def tokenize(self, text):
            self.cut += len(text) > 8
            return list(text[:8])

    register(averages)
    register(Pieces, "tokenizer", "pieces")
    with pytest.raises(SettingError, match="the tokenizer pieces goes with the embedding trainable, not with averages"):
        list(train(SENTIMENT, iter([None]), made(tokenizer={"name": "pieces"}), tmp_path / "m"))


@pytest.mark.slow
def test_rows_that_a_tokenizer_cuts_are_counted(tmp_path, examples, register):
    class Pieces:
        def __init__(self):
            self.config, self.files, self.cut = {}, {}, 0

        def tokenize(self, text):
            self.cut += len(text) > 8
            return list(text[:8])

    register(averages)
    register(Pieces, "tokenizer", "pieces")
    events = list(train(SENTIMENT, examples, made(tokenizer={"name": "pieces"}), tmp_path / "m"))
    (started,) = the(MemberStarted, events)
    (entry,) = nlpkit.load(tmp_path / "m").bundle.config["members"]
    cut = entry["cut"]
    assert 0 < cut["rows"] < cut["of"]
    assert started.remarks == [f"{cut['rows']} of {cut['of']} rows are longer than what is read, and were cut"]


@pytest.mark.long
@pytest.mark.slow
def test_rows_longer_than_the_greatest_length_are_counted_too(tmp_path, examples, register):
    register(averages)
    counts = []
    for longest in (4, 8, 1000):
        list(train(SENTIMENT, examples, made(max_length=longest), tmp_path / f"m{longest}"))
        (entry,) = nlpkit.load(tmp_path / f"m{longest}").bundle.config["members"]
        counts.append(entry.get("cut", {"rows": 0})["rows"])
    assert counts[0] > counts[1] > counts[2] == 0


def test_numbers_that_cannot_be_kept_are_refused(tmp_path):
    made, rows = embedding(), rows_of([3, 4])
    made.table *= 1e6
    with pytest.raises(PluginError, match="the embedding Averages says fixed = True, but gives"):
        list(store_vectors(tmp_path / "x", made, rows, "x", MADE_FROM))


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        (lambda: Averages(8, said=9), "says dim 9, but for 2 rows of 3 tokens it returns (2, 3, 8), not (2, 3, 9)"),
        (lambda: Failing(), "fails on 2 rows of 3 tokens: RuntimeError: out of order"),
        (lambda: Forgetful(), "returns NoneType from fit, not a vocabulary"),
        (lambda: Unfit(), "cannot be fitted: IndexError: list index out of range"),
        (lambda: Bare(), "lacks config and dim and build and fit: see the protocol in docs/plugins.md"),
    ],
)
def test_an_embedding_that_lies_is_named(tmp_path, examples, register, factory, sentence):
    register(factory)
    with pytest.raises(PluginError) as caught:
        list(train(SENTIMENT, examples, made(), tmp_path / "m"))
    assert str(caught.value) == f"the embedding 'averages' of theirs 1.2 {sentence}"


class Failing(Averages):
    def forward(self, ids, mask):  # noqa: ARG002
        raise RuntimeError("out of order")


class Forgetful(Averages):
    def fit(self, documents, labels):
        super().fit(documents, labels)


class Unfit(Averages):
    def fit(self, documents, labels):  # noqa: ARG002
        return next(iter(documents))[10**6]


class Bare(nn.Module):
    def forward(self, ids, mask):
        return ids, mask


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        (lambda states: states, "returns Tensor, not states and a state to carry on"),
        (lambda states: (states, None, None), "returns tuple, not states and a state to carry on"),
        (lambda states: (states[:, :2], None), "says output_dim 8, but for 2 rows of 3 tokens it returns (2, 2, 8)"),
        (lambda states: (states.double(), None), "returns states of torch.float64, not of torch.float32"),
    ],
)
def test_an_encoder_that_lies_is_named(tmp_path, examples, register, returned, sentence):
    class Lying(nn.Module):
        causal = False

        def __init__(self, input_dim):
            super().__init__()
            self.config, self.output_dim = {}, input_dim

        def forward(self, vectors, mask, state=None):  # noqa: ARG002
            return returned(vectors)

    def lying(*, input_dim: int):
        return Lying(input_dim)

    register(averages)
    register(lying, "encoder", "lying")
    with pytest.raises(PluginError) as caught:
        list(train(SENTIMENT, examples, made(encoder={"name": "lying"}), tmp_path / "m"))
    assert str(caught.value).startswith(f"the encoder 'lying' of theirs 1.2 {sentence}")


def test_an_encoder_whose_config_cannot_be_written_down_is_named():
    encoder = make_component("encoder", {"name": "none"}, input_dim=2)
    encoder.instance.config = {"kind": nn.ReLU}
    with pytest.raises(PluginError, match=r"the encoder 'none' of nlpkit-zh .* has a config that is no JSON"):
        check_encoder(encoder, torch.zeros(2, 3, 2))


@pytest.mark.parametrize("said", [0, 3, "both"])
def test_an_encoder_of_no_such_directions_is_named(said):
    encoder = make_component("encoder", {"name": "none"}, input_dim=4)
    encoder.instance.directions = said
    with pytest.raises(PluginError, match=rf"says directions {said!r}: expected 1, or 2 where a state has two halves"):
        check_encoder(encoder, torch.zeros(2, 3, 4))
