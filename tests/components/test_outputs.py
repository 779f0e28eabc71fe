"""The built-in output embeddings: what they learn, and that their decoders say the same without torch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.numpy import load, save  # noqa: E402
from torch.nn import functional  # noqa: E402

from nlpkit.components.decoders import unpack  # noqa: E402
from nlpkit.components.output_layers import log_share  # noqa: E402
from nlpkit.errors import DataError, SettingError  # noqa: E402
from nlpkit.plugins.registry import registry  # noqa: E402

pytestmark = pytest.mark.train
WORDS = [chr(0x4E00 + i) for i in range(30)]
COUNTS = np.arange(300, 0, -10)
WHOLE = np.ones(30)
KEPT = np.linspace(0.1, 1, 30)
KINDS = {
    "softmax": ("softmax", {"dim": 6}),
    "codes": ("binary-codes", {"bits": 12, "loss": "softmax"}),
    "bce": ("binary-codes", {"bits": 12, "loss": "bce"}),
}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(1)


def fitted(kind="softmax", *, kept=WHOLE, inputs=None, vectors=None, file=None, **options):
    """The two halves of an output embedding, fitted."""
    name, chosen = KINDS[kind]
    made = registry().get("output", name).create(chosen | options | ({"vectors": file} if file else {}))
    layer = made.layer(input_dim=5, words=30, inputs=inputs)
    layer.fit(WORDS, COUNTS, kept, torch.randn(30, 12) if vectors is None else vectors)
    return made, layer


def decoded(made, layer, features):
    """Logits of the numpy half, whose arrays went through a file."""
    with torch.no_grad():
        return torch.from_numpy(made.decoder(load(save(layer.arrays()))).logits(layer(features).numpy()))


def asked(count=40):
    return torch.randn(count, 5), torch.randint(30, (count,))


# What a decoder reads is what the layer minimised


@pytest.mark.parametrize("kept", [WHOLE, KEPT], ids=["whole", "kept"])
@pytest.mark.parametrize("kind", ["softmax", "codes"])
def test_the_loss_is_that_of_the_decoder_but_for_what_is_kept(kind, kept):
    made, layer = fitted(kind, kept=kept)
    features, targets = asked()
    found = decoded(made, layer, features) + torch.from_numpy(np.log(kept))
    expected = layer.loss(features, targets, exact=True).item()
    assert functional.cross_entropy(found, targets).item() == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("kind", ["softmax", "codes"])
def test_what_is_asked_for_less_often_is_made_up_for(kind):
    made, whole = fitted(kind, vectors=torch.ones(30, 12), **({"source": "random"} if kind == "codes" else {}))
    _, kept = fitted(kind, kept=KEPT, vectors=torch.ones(30, 12), **({"source": "random"} if kind == "codes" else {}))
    whole.load_state_dict(kept.state_dict() | {"made_up": torch.zeros(30)})
    features, _ = asked()
    difference = decoded(made, kept, features) - decoded(made, whole, features)
    torch.testing.assert_close(difference, torch.from_numpy(-np.log(KEPT)).float().expand(40, 30))


@pytest.mark.parametrize("kept", [WHOLE, KEPT], ids=["whole", "kept"])
@pytest.mark.parametrize("kind", ["softmax", "codes"])
def test_a_few_negatives_teach_the_shares_of_all_words(kind, kept):
    made, layer = fitted(kind, kept=kept, negatives=8)
    features, shares = torch.ones(1, 5), COUNTS / COUNTS.sum()
    drawn = torch.from_numpy(np.random.default_rng(0).choice(30, 200 * 256, p=shares * kept / (shares * kept).sum()))
    with torch.no_grad():
        layer.bias.zero_()
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
    for step, targets in enumerate(drawn.split(256)):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * (1 - step / 200)
        optimizer.zero_grad()
        layer.loss(features.expand(256, 5), targets, exact=False).backward()
        optimizer.step()
    found = torch.softmax(decoded(made, layer, features)[0], 0).numpy()
    assert np.abs(found - shares).sum() / 2 < 0.06  # the share of texts in which they disagree


@pytest.mark.parametrize("kind", ["softmax", "codes"])
def test_negatives_that_cover_all_words_give_the_loss_over_all(kind):
    features, targets = asked()
    for negatives, tolerance in ((0, 1e-6), (20_000, 1e-3)):
        _, layer = fitted(kind, negatives=negatives)
        sampled, exact = (layer.loss(features, targets, exact=exact).item() for exact in (False, True))
        assert sampled == pytest.approx(exact, abs=tolerance)
    _, layer = fitted(kind, negatives=2)
    assert abs(layer.loss(features, targets, exact=False).item() - exact) > 1e-3


def test_without_any_context_a_word_is_as_likely_as_it_is_frequent():
    made, layer = fitted("softmax")
    with torch.no_grad():
        layer.projection.weight.zero_()
        layer.projection.bias.zero_()
    found = torch.softmax(decoded(made, layer, torch.ones(1, 5))[0], 0)
    assert found.numpy() == pytest.approx((COUNTS + 1) / (COUNTS + 1).sum(), abs=1e-5)


# Softmax


def test_a_tied_table_is_that_of_the_input():
    inputs = torch.nn.Embedding(30, 6)
    made, layer = fitted("softmax", tied=True, inputs=inputs, vectors=inputs.weight)
    arrays = layer.arrays()
    assert arrays["table"].dtype == np.int8
    table = arrays["table"] * arrays["scale"]
    expected = inputs.weight.detach().numpy()
    np.testing.assert_allclose(table, expected, atol=np.abs(expected).max() / 254 + 1e-6)
    assert not any("table" in name for name, _ in layer.named_parameters())
    features, targets = asked()
    layer.loss(features, targets, exact=True).backward()
    assert inputs.weight.grad.abs().sum() > 0
    expected = layer(features) @ inputs.weight.T + layer.bias
    torch.testing.assert_close(decoded(made, layer, features), expected.detach(), atol=0.05, rtol=0)


def test_a_tie_needs_something_to_tie_to():
    with pytest.raises(SettingError, match=r"output\.tied=true wants an embedding that can be shared, such as"):
        fitted("softmax", tied=True)


def test_a_tied_table_is_as_wide_as_the_embedding():
    inputs = torch.nn.Embedding(30, 9)
    _, layer = fitted("softmax", tied=True, inputs=inputs, vectors=inputs.weight)
    features, _ = asked()
    assert layer(features).shape[1] == 9


# Codes


def test_under_bce_a_word_is_as_likely_as_its_code_and_its_prior():
    made, layer = fitted("bce", prior=2.5, kept=KEPT)
    features, targets = asked()
    with torch.no_grad():
        bits = layer(features)
    likelihood = functional.logsigmoid(bits) @ layer.codes.T.float() + functional.logsigmoid(-bits) @ (
        1 - layer.codes.T.float()
    )
    expected = likelihood + 2.5 * log_share(COUNTS)
    found = decoded(made, layer, features)
    torch.testing.assert_close(found - found[:, :1], expected - expected[:, :1], atol=1e-4, rtol=1e-4)
    of_bits = functional.binary_cross_entropy_with_logits(bits, layer.codes[targets].float())
    assert layer.loss(features, targets, exact=False).item() == pytest.approx(of_bits.item())
    assert not layer.bias.requires_grad


def test_codes_come_of_the_vectors_of_the_input_or_of_a_file(write):
    vectors = torch.randn(30, 12)
    _, layer = fitted("codes", vectors=vectors, source="sign")
    assert torch.equal(layer.codes, vectors > 0)
    assert np.array_equal(unpack(layer.arrays()["codes"], 12), (vectors > 0).numpy())
    lines = [f"{word} {' '.join(map(str, row))}" for word, row in zip(WORDS[:20], vectors.tolist(), strict=False)]
    path = write(("\n".join(lines) + "\n外 " + "1 " * 12 + "\n").encode(), "vectors.txt")
    made, layer = fitted("codes", source="sign", file=str(path))
    assert torch.equal(layer.codes[:20], vectors[:20] > 0)
    assert layer.codes[20:].eq(vectors[:20].mean(0) > 0).all()  # words that the file does not have
    assert str(path) not in repr(made.config)


def fit_from(path, **options):
    made = registry().get("output", "binary-codes").create({"vectors": str(path), **options})
    made.layer(input_dim=5, words=30, inputs=None).fit(WORDS, COUNTS, WHOLE, None)


def test_vectors_that_cannot_make_codes_are_one_sentence(write):
    path = write(f"{WORDS[0]} 1 2 3\n".encode(), "three.txt")
    with pytest.raises(SettingError, match="makes one bit of each number, and the vectors have 3, but bits is 8"):
        fit_from(path, source="sign", bits=8)
    with pytest.raises(DataError, match="has none of the 30 tokens"):
        fit_from(write("外 1 2\n".encode(), "other.txt"))
    with pytest.raises(DataError, match=r"nowhere\.txt cannot be read"):
        fit_from("nowhere.txt")
    made = registry().get("output", "binary-codes").create({"source": "median"})
    with pytest.raises(SettingError, match=r"codes by median need vectors.* output\.vectors=FILE or output\.source="):
        made.layer(input_dim=5, words=30, inputs=None).fit(WORDS, COUNTS, WHOLE, None)


def test_a_seed_draws_the_codes():
    def drawn(seed):
        return fitted("codes", source="random", seed=seed)[1].codes

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    assert len({tuple(code) for code in drawn(1).tolist()}) == 30


# Both


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_saved_and_made_again(kind):
    made, layer = fitted(kind, kept=KEPT)
    again = registry().get("output", KINDS[kind][0]).create(made.config).layer(input_dim=5, words=30, inputs=None)
    again.load_state_dict(layer.state_dict())
    features, targets = asked()
    torch.manual_seed(3)
    expected = layer.loss(features, targets, exact=False)
    torch.manual_seed(3)
    assert torch.equal(again.loss(features, targets, exact=False), expected)
    for name, array in layer.arrays().items():
        assert np.array_equal(again.arrays()[name], array)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_can_be_as_that_of_which_the_arrays_are(kind):
    made, layer = fitted(kind, kept=KEPT)
    _, other = fitted(kind, kept=KEPT, vectors=torch.randn(30, 12))
    with torch.no_grad():
        layer.bias.copy_(torch.randn(30))
    assert other.take(load(save(layer.arrays())))
    other.projection.load_state_dict(layer.projection.state_dict())
    features, targets = asked()
    losses = [one.loss(features, targets, exact=True).item() for one in (layer, other)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)  # a number of a table is a byte
    assert torch.allclose(decoded(made, other, features), decoded(made, layer, features), atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_that_are_not_its_own_are_refused(kind):
    made, layer = fitted(kind)
    with pytest.raises((ValueError, KeyError)):
        made.decoder({"other": np.zeros(3)})
    with pytest.raises((ValueError, KeyError)):
        made.decoder(layer.arrays() | {"bias": np.zeros(7, np.float32)})


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("softmax", {"dim": 0}, "dim must be at least 1, was: 0"),
        ("softmax", {"tied": "yes"}, "tied wants true or false, found 'yes'"),
        ("softmax", {"negatives": -1}, "negatives must not be negative, was: -1"),
        ("softmax", {"bits": 8}, "no option 'bits'"),
        ("binary-codes", {"bits": 1025}, "bits must be at most 1024, was: 1025"),
        ("binary-codes", {"bits": 1.5}, "bits wants a whole number, found 1.5"),
        ("binary-codes", {"source": "itp"}, "source cannot be 'itp'; did you mean 'itq'"),
        ("binary-codes", {"loss": "bse"}, "loss cannot be 'bse'; did you mean 'bce'"),
        ("binary-codes", {"negatives": "many"}, "negatives wants a whole number, found 'many'"),
        ("binary-codes", {"seed": -1}, "seed must not be negative, was: -1"),
        ("binary-codes", {"prior": "much"}, "prior wants a number, found 'much'"),
        ("binary-codes", {"prior": float("nan")}, "prior wants a number, found nan"),
    ],
)
def test_options_out_of_range_are_refused(name, options, sentence):
    with pytest.raises(SettingError, match=sentence):
        registry().get("output", name).create(options)
