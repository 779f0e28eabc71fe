"""The built-in embeddings: what they learn of documents, and how little of these they hold."""

from collections import Counter

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nlpkit.components import ppmi  # noqa: E402
from nlpkit.components.embedding_layers import NgramEmbedding, TokenDropout  # noqa: E402
from nlpkit.components.ppmi import draw_evenly  # noqa: E402
from nlpkit.errors import DataError, SettingError  # noqa: E402
from nlpkit.plugins.registry import registry  # noqa: E402
from nlpkit.text.normalisation import Normaliser  # noqa: E402
from nlpkit.text.vocabulary import PAD, TableVocabulary, Tokens, dump_vocabulary, load_vocabulary  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(1)


class Streamed:
    """Documents that can be gone through again and again, and tell how many of them were held at a time."""

    def __init__(self, documents):
        self.documents, self.passes, self.held, self.most = documents, 0, 0, 0

    def __iter__(self):
        self.passes += 1
        for document in self.documents:
            yield _Document(document, self)


class _Document(list):
    def __init__(self, tokens, stream):
        super().__init__(tokens)
        self.stream = stream
        stream.held += 1
        stream.most = max(stream.most, stream.held)

    def __del__(self):
        self.stream.held -= 1


class Counted(Streamed):
    """Documents whose tokens were counted when they were written."""

    def counts(self):
        return Counter(token for document in self.documents for token in document)


def embedding(name="trainable", **options):
    return registry().get("embedding", name).create(options)


def documents(number, seed=0):
    """Documents of one to five of thirty tokens."""
    draw = np.random.default_rng(seed)
    return [[chr(0x4E00 + c) for c in draw.integers(0, 30, draw.integers(1, 6))] for _ in range(number)]


def test_a_trainable_embedding_learns_its_vocabulary():
    made = embedding(dim=3, min_count=2)
    vocabulary = made.fit([["好", "好"], ["差", "好"]], [1, 0])
    assert isinstance(vocabulary, TableVocabulary)
    assert vocabulary.tokens == ["好"]
    ids = torch.tensor([[2, PAD]])
    assert made(ids, ids != PAD).shape == (1, 2, 3)
    assert made.vectors()[PAD].eq(0).all()
    assert made.found is None


def test_tokens_of_a_file_are_met_in_the_spelling_of_texts_of_which_the_first_counts(write):
    path = write("Ｔ恤 1 2\nT恤 3 4\n很\u200b好 5 6\n".encode())
    made = (
        registry()
        .get("embedding", "trainable")
        .create({"dim": 2, "min_count": 1, "vectors": str(path)}, normaliser=Normaliser())
    )
    vocabulary = made.fit([["t恤", "很好", "手机"]], [0])
    table = dict(zip(vocabulary.tokens, made.vectors()[2:].tolist(), strict=True))
    assert (table["t恤"], table["很好"]) == ([1, 2], [5, 6])
    assert (made.found, made.repeated) == ((2, 3), 1)


@pytest.mark.parametrize("name", ["trainable", "spelled", "ngrams"])
def test_vectors_can_be_others(name):
    made = embedding(name, **({"dim": 3, "bits": 6} if name == "ngrams" else {"dim": 3, "min_count": 1}))
    vocabulary = made.fit(documents(40), [0, 1] * 20)
    vectors = torch.randn(len(vocabulary), 3)
    vectors[PAD] = 0
    assert made.take(vectors)
    assert torch.allclose(made.vectors(), vectors, atol=1e-6)
    assert all(parameter.requires_grad for parameter in made.parameters())


@pytest.mark.parametrize("start", ["normal", "ppmi"])
@pytest.mark.parametrize("kind", [Streamed, Counted])
def test_documents_are_streamed(monkeypatch, start, kind):
    monkeypatch.setattr(ppmi, "DOCUMENTS", 16)
    source = documents(500)
    stream = kind(source)
    made, again = embedding(dim=4, start=start), embedding(dim=4, start=start)
    torch.manual_seed(1)
    vocabulary = made.fit(stream, [0] * 500)
    torch.manual_seed(1)
    assert again.fit(source, [0] * 500).tokens == vocabulary.tokens
    assert torch.equal(made.vectors(), again.vectors())
    assert stream.passes == (kind is Streamed) + (start == "ppmi")
    assert stream.most <= 33


def test_ngrams_are_counted_in_blocks(monkeypatch):
    source, labels = documents(500), [row % 3 for row in range(500)]
    whole, streamed = (embedding("ngrams", bits=10, high=2) for _ in range(2))
    whole.fit(source, labels)
    monkeypatch.setattr(ppmi, "DOCUMENTS", 16)
    stream = Streamed(source)
    streamed.fit(stream, labels)
    assert torch.equal(streamed.scale, whole.scale)
    assert (stream.passes, stream.most <= 33) == (1, True)


def test_the_scale_of_an_ngram_is_the_log_count_ratio_and_a_floor():
    source, labels = documents(200), [row % 3 for row in range(200)]
    made = embedding("ngrams", bits=8, high=2, floor=0.3)
    vocabulary = made.fit(source, labels)
    rows = vocabulary.encode(Tokens.of(source)).rows()
    for bucket in (1, 17, 99):
        present = [sum(bucket in ids for ids, label in zip(rows, labels, strict=True) if label == k) for k in range(3)]
        sizes = np.bincount(labels)
        ratios = [
            np.log((present[k] + 1) / (sizes[k] + 2) / ((sum(present) - present[k] + 1) / (200 - sizes[k] + 2)))
            for k in range(3)
        ]
        assert made.scale[bucket].item() == pytest.approx(np.abs(ratios).max() + 0.3, abs=1e-6)


def test_an_ngram_embedding_heeds_what_tells_labels_apart():
    made = embedding("ngrams", low=1, high=1, bits=12, marks=False)
    assert isinstance(made, NgramEmbedding)
    vocabulary = made.fit([["好", "的"], ["差", "的"]] * 20, [1, 0] * 20)
    assert made.dim == made.config["dim"] == 2
    good, of = (int(row[0]) for row in vocabulary.encode(Tokens.of([["好"], ["的"]])).rows())
    assert made.scale[good] > 3 * made.scale[of]


@pytest.mark.parametrize("limit", [10_000, 700, 100, 1])
def test_documents_are_drawn_evenly(limit):
    source = documents(500)
    vocabulary = TableVocabulary.count(source, min_count=1, max_size=100)
    everything = vocabulary.encode(Tokens.of(source)).rows()
    found = draw_evenly(source, vocabulary, limit)
    assert sum(map(len, found)) <= limit or len(found) == 1
    stride = next(s for s in (2**n for n in range(12)) if len(everything[::s]) == len(found))
    assert all(map(np.array_equal, found, everything[::stride]))
    assert stride == 1 or sum(map(len, everything[:: stride // 2])) > limit


def test_nothing_is_drawn_of_nothing():
    assert draw_evenly([], TableVocabulary([]), 5) == []
    started = embedding(start="ppmi", dim=2)
    assert len(started.fit([], [])) == 2
    assert started.vectors()[1].abs().sum() > 0  # what is unknown keeps its random vector


@pytest.mark.parametrize("packed", [False, True])
def test_tokens_of_a_file_start_with_its_vectors(write, packed):
    import gzip

    data = "好 1 2 3\n差 4 5 6\n外 7 8 9\n".encode()
    path = write(gzip.compress(data) if packed else data)
    made = embedding(dim=3, min_count=1, vectors=str(path))
    vocabulary = made.fit([["好", "慢", "差"]], [0])
    table = dict(zip(vocabulary.tokens, made.vectors()[2:].tolist(), strict=True))
    assert (table["好"], table["差"]) == ([1, 2, 3], [4, 5, 6])
    assert made.found == (2, 3)
    assert made.vectors()[PAD].eq(0).all()


def test_other_tokens_start_as_they_would_without_the_file(write):
    source = documents(50)
    path = write(f"{source[0][0]} 1 2 3\n".encode())
    plain, started = (embedding(dim=3, min_count=1, start="ppmi", vectors=v) for v in (None, str(path)))
    for made in (plain, started):
        torch.manual_seed(1)
        vocabulary = made.fit(source, [0] * 50)
    changed = (plain.vectors() != started.vectors()).any(1).nonzero()[:, 0].tolist()
    assert [vocabulary.tokens[i - 2] for i in changed] == [source[0][0]]


def test_a_saved_embedding_never_names_a_path(write):
    path = write("好 1 2\n".encode())
    made = embedding(dim=2, min_count=1, vectors=str(path), frozen=True)
    vocabulary = made.fit([["好"]], [0])
    path.unlink()
    assert str(path) not in repr(made.config)
    again = registry().get("embedding", "trainable").create(made.config)
    again.build(vocabulary)
    again.load_state_dict(made.state_dict())
    assert torch.equal(again.vectors(), made.vectors())
    assert not again.vectors().requires_grad


@pytest.mark.parametrize("frozen", [False, True])
def test_frozen_vectors_stay(frozen):
    made = embedding(dim=2, min_count=1, frozen=frozen)
    made.fit([["好"]], [0])
    before = made.vectors().detach().clone()
    weight = torch.nn.Parameter(torch.ones(2))
    optimiser = torch.optim.AdamW([*made.parameters(), weight], lr=0.1)
    (made(torch.tensor([[2]]), torch.ones(1, 1, dtype=torch.bool)) * weight).sum().backward()
    optimiser.step()
    assert torch.equal(made.vectors(), before) is frozen


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"dim": 0}, SettingError, "dim must be at least 1"),
        ({"start": "pmi"}, SettingError, "start cannot be 'pmi'; did you mean 'ppmi'"),
        ({"dropout": 1}, SettingError, "dropout must be in"),
        ({"frozen": "no"}, SettingError, "frozen wants true or false, found 'no'"),
        ({"vectors": "nowhere.txt"}, DataError, "nowhere.txt cannot be read: No such file"),
    ],
)
def test_options_out_of_range_are_refused(options, error, sentence):
    with pytest.raises(error, match=sentence):
        embedding(**options)


def test_models_saved_before_an_option_was_there_load():
    made = embedding(dim=3, min_count=1, max_size=5, start="ppmi", dropout=0.1)
    assert {"vectors", "frozen"} - set(made.config) == {"vectors"}
    made.build(TableVocabulary(["好"]))
    assert made.vectors().requires_grad


def test_token_dropout_blanks_whole_vectors_and_keeps_the_mean():
    dropout = TokenDropout(0.25).train()
    found = dropout(torch.ones(200, 50, 2), torch.ones(200, 50, dtype=torch.bool))
    assert torch.equal(found[:, :, 0], found[:, :, 1])
    assert found.unique().tolist() == pytest.approx([0, 4 / 3])
    assert found.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(dropout.eval()(torch.ones(2, 2, 2), torch.ones(2, 2)), torch.ones(2, 2, 2))


# Words spelled by their characters

SPELLED = [["苹果", "好吃", "水果", "果", "好"], ["苹果", "非常非常好", "好吃"]]


def spelled(**options):
    made = embedding("spelled", **{"dim": 4, "min_count": 1} | options)
    return made, made.fit(SPELLED, [0, 0])


def test_a_word_has_the_vector_of_its_row_and_its_characters():
    made, vocabulary = spelled()
    rows = {c: at for at, c in enumerate(sorted(set("".join(vocabulary.tokens))), start=1)}
    characters, ends = made.characters.weight, made.ends.weight
    for at, token in enumerate(vocabulary.tokens, start=2):
        read = torch.stack([characters[rows[c]] for c in token[:4]]).mean(0)
        outside = ends[rows[token[0]]] + ends[rows[token[-1]] + len(rows)]
        torch.testing.assert_close(made.vectors()[at], made.table.weight[at] + read + outside / 2)
    assert made.vectors()[PAD].eq(0).all()
    assert made.vectors()[1].ne(0).any()  # an unknown word has a row, though no characters that anyone knows


def test_a_spelled_vector_is_the_same_however_it_is_asked_for():
    made, vocabulary = spelled(dropout=0.5)
    ids = torch.tensor([[2, 5, 1, 2], [PAD, 3, 3, PAD]])
    expected = made.vectors()[ids]
    torch.testing.assert_close(made.eval()(ids, ids != PAD), expected)
    torch.testing.assert_close(made.train().lookup(ids.ravel()), expected.view(8, 4))  # no token is blanked there
    assert len(made.vectors()) == len(vocabulary)
    found = made(ids.repeat(20, 1), (ids != PAD).repeat(20, 1))
    assert found.eq(0).all(2).float().mean().item() == pytest.approx(0.5 + 0.5 * 0.25, abs=0.15)


def test_an_unknown_word_has_the_vector_of_what_it_ends_in():
    made, vocabulary = spelled()
    assert vocabulary.suffixes
    tokens = Tokens.of([["红苹果", "坏果", "吃好", "差"]])
    red, bad, eat, poor = made.vectors()[torch.from_numpy(vocabulary.encode(tokens).grid[0]).long()]
    known = dict(zip(vocabulary.tokens, made.vectors()[2:], strict=True))
    assert torch.equal(red, known["苹果"])
    assert torch.equal(bad, known["果"])
    assert torch.equal(eat, known["好"])
    assert torch.equal(poor, made.vectors()[1])


def test_all_that_makes_a_spelled_vector_is_learnt():
    made, _ = spelled()
    ids = torch.tensor([[2, 3, 1, 0]])
    made(ids, ids != PAD).sum().backward()
    for rows in (made.table, made.characters, made.ends):
        assert rows.weight.grad.abs().sum() > 0
        assert rows.weight.grad[PAD].eq(0).all()


def test_a_spelled_embedding_is_saved_and_made_again():
    made, vocabulary = spelled(dropout=0.2)
    again = registry().get("embedding", "spelled").create(made.config)
    again.build(load_vocabulary(dump_vocabulary(vocabulary)))
    again.load_state_dict(made.state_dict())
    assert torch.equal(again.vectors(), made.vectors())
    assert not {"spelling", "sides", "shares"} & made.state_dict().keys()  # these are told by the vocabulary


@pytest.mark.parametrize("options", [{"min_count": 2}, {"max_size": 2}])
def test_a_spelled_embedding_keeps_the_frequent_words(options):
    assert spelled(**options)[1].tokens == ["好吃", "苹果"]


@pytest.mark.parametrize("options", [{"dim": 0}, {"min_count": 0}, {"max_size": 0.5}, {"dropout": 1}])
def test_a_spelled_embedding_refuses_what_makes_no_sense(options):
    with pytest.raises(SettingError, match=f"{next(iter(options))} (must be|wants)"):
        embedding("spelled", **options)
