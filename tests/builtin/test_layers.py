"""The built-in embeddings and encoders beside torch's own, and beside themselves under padding."""

import pytest

torch = pytest.importorskip("torch")

from nlpkit.builtin.layers import NgramEmbedding, TokenDropout, reverse  # noqa: E402
from nlpkit.registry import registry  # noqa: E402
from nlpkit.vocabulary import PAD, TableVocabulary, Tokens  # noqa: E402

pytestmark = pytest.mark.train
LENGTHS = [5, 1, 0, 3]
ENCODERS = [
    ("none", {}),
    ("cnn", {"widths": (1, 2, 3, 5), "filters": 3}),
    ("lstm", {"hidden": 4, "bidirectional": False}),
    ("lstm", {"hidden": 4, "layers": 2}),
]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(1)


def encoder(name, options, input_dim=6):
    return registry().get("encoder", name).create(options, input_dim=input_dim).eval()


def masked(time=7, dim=6):
    mask = torch.arange(time)[None, :] < torch.tensor(LENGTHS)[:, None]
    return torch.randn(len(LENGTHS), time, dim), mask


@pytest.mark.parametrize(("name", "options"), ENCODERS)
def test_what_stands_under_padding_changes_nothing(name, options):
    made = encoder(name, options)
    vectors, mask = masked()
    with torch.no_grad():
        states, _ = made(vectors, mask)
        assert states.shape == (*mask.shape, made.output_dim)
        noisy, _ = made(torch.where(mask[:, :, None], vectors, torch.randn_like(vectors) * 100), mask)
        torch.testing.assert_close(noisy[mask], states[mask])
        for row, length in enumerate(LENGTHS):
            if length:
                alone, _ = made(vectors[row : row + 1, :length], mask[row : row + 1, :length])
                torch.testing.assert_close(alone[0], states[row, :length])


@pytest.mark.parametrize(("name", "options"), ENCODERS)
def test_causal_means_blind_to_what_comes(name, options):
    made = encoder(name, options)
    vectors, mask = torch.randn(1, 5, 6), torch.ones(1, 5, dtype=torch.bool)
    changed = vectors.clone()
    changed[0, 4] += 1
    with torch.no_grad():
        same = torch.equal(made(vectors, mask)[0][0, :4], made(changed, mask)[0][0, :4])
    assert same == made.causal


@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (1, True), (2, True)])
def test_an_lstm_equals_torchs_over_packed_sequences(layers, bidirectional):
    made = encoder("lstm", {"hidden": 4, "layers": layers, "bidirectional": bidirectional})
    theirs = torch.nn.LSTM(6, 4, num_layers=layers, bidirectional=bidirectional, batch_first=True)
    for depth in range(layers):
        for ours, suffix in ((made.forwards, ""), (made.backwards, "_reverse")):
            if depth < len(ours):
                for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    getattr(theirs, f"{part}_l{depth}{suffix}").data = getattr(ours[depth], f"{part}_l0").data
    lengths = [5, 1, 3]
    vectors = torch.randn(3, 5, 6)
    mask = torch.arange(5)[None, :] < torch.tensor(lengths)[:, None]
    packed = torch.nn.utils.rnn.pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
    with torch.no_grad():
        expected, _ = torch.nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
        found, _ = made(vectors, mask)
    torch.testing.assert_close(found[mask], expected[mask])


def test_an_lstm_carries_its_state():
    made = encoder("lstm", {"hidden": 4, "layers": 2, "bidirectional": False})
    vectors, mask = torch.randn(2, 6, 6), torch.ones(2, 6, dtype=torch.bool)
    with torch.no_grad():
        whole, _ = made(vectors, mask)
        first, state = made(vectors[:, :4], mask[:, :4])
        second, _ = made(vectors[:, 4:], mask[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)


def test_reversal_is_within_each_length():
    _, mask = masked()
    vectors = torch.arange(7.0).expand(4, 7)[:, :, None]
    found = reverse(vectors, mask)[:, :, 0].tolist()
    assert found[0] == [4, 3, 2, 1, 0, 5, 6]
    assert found[2] == [0, 1, 2, 3, 4, 5, 6]
    assert torch.equal(reverse(reverse(vectors, mask), mask), vectors)


@pytest.mark.parametrize(
    ("kind", "name", "options"),
    [("encoder", "lstm", {"hidden": 0}), ("encoder", "cnn", {"filters": -1}), ("embedding", "trainable", {"dim": 0})],
)
def test_sizes_must_be_positive(kind, name, options):
    from nlpkit.errors import SettingError

    fixed = {"input_dim": 3} if kind == "encoder" else {}
    with pytest.raises(SettingError, match="must be at least 1"):
        registry().get(kind, name).create(options, **fixed)


def test_a_trainable_embedding_learns_its_vocabulary():
    made = registry().get("embedding", "trainable").create({"dim": 3, "min_count": 2})
    vocabulary = made.fit([["好", "好"], ["差", "好"]], [1, 0])
    assert isinstance(vocabulary, TableVocabulary)
    assert vocabulary.tokens == ["好"]
    ids = torch.tensor([[2, PAD]])
    assert made(ids, ids != PAD).shape == (1, 2, 3)
    assert made.vectors()[PAD].eq(0).all()


def test_an_ngram_embedding_heeds_what_tells_labels_apart():
    made = registry().get("embedding", "ngrams").create({"low": 1, "high": 1, "bits": 12, "marks": False})
    assert isinstance(made, NgramEmbedding)
    vocabulary = made.fit([["好", "的"], ["差", "的"]] * 20, [1, 0] * 20)
    assert made.dim == made.config["dim"] == 2
    good, of = (int(row[0]) for row in vocabulary.encode(Tokens.of([["好"], ["的"]])).rows())
    assert made.scale[good] > 3 * made.scale[of]


def test_components_are_rebuilt_from_their_config():
    for kind, name, fixed in [("encoder", "lstm", {"input_dim": 6}), ("encoder", "cnn", {"input_dim": 6})]:
        first = registry().get(kind, name).create({}, **fixed)
        again = registry().get(kind, name).create(first.config, **fixed)
        again.load_state_dict(first.state_dict())
        assert again.config == first.config


def test_token_dropout_blanks_whole_vectors_and_keeps_the_mean():
    dropout = TokenDropout(0.25).train()
    found = dropout(torch.ones(200, 50, 2), torch.ones(200, 50, dtype=torch.bool))
    assert torch.equal(found[:, :, 0], found[:, :, 1])
    assert found.unique().tolist() == pytest.approx([0, 4 / 3])
    assert found.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(dropout.eval()(torch.ones(2, 2, 2), torch.ones(2, 2)), torch.ones(2, 2, 2))
