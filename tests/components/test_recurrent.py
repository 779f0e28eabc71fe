"""The recurrent encoders beside torch's own over packed sequences, and beside what onnxruntime makes of them."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nlpkit.components.recurrent import MaskedBatchNorm, reverse  # noqa: E402
from nlpkit.errors import SettingError  # noqa: E402
from nlpkit.model.head_settings import HeadSettings  # noqa: E402
from nlpkit.model.network import Head, Network  # noqa: E402
from nlpkit.plugins.registry import registry  # noqa: E402
from nlpkit.training.export import export_network  # noqa: E402
from tests.components.ragged import encoder, masked  # noqa: E402

pytestmark = pytest.mark.train
CELLS = ["rnn", "lstm", "gru"]
PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(1)


def torchs(made, cell, layers, bidirectional, **options):
    """torch's module of the same kind with the same weights."""
    kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
    theirs = kind(6, 4, num_layers=layers, bidirectional=bidirectional, batch_first=True, **options)
    for depth in range(layers):
        for ours, suffix in ((made.forwards, ""), (made.backwards, "_reverse")):
            for part in PARTS if depth < len(ours) else ():
                getattr(theirs, f"{part}_l{depth}{suffix}").data = getattr(ours[depth], f"{part}_l0").data.clone()
    return theirs


@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (1, True), (2, True), (3, False)])
@pytest.mark.parametrize(("cell", "own"), [("rnn", {}), ("rnn", {"nonlinearity": "relu"}), ("lstm", {}), ("gru", {})])
def test_states_and_gradients_equal_torchs_over_packed_sequences(cell, own, layers, bidirectional):
    made = encoder(cell, {"hidden": 4, "layers": layers, "bidirectional": bidirectional, **own})
    theirs = torchs(made, cell, layers, bidirectional, **own)
    lengths = [5, 1, 3]
    vectors, mask = masked(5, lengths=lengths)
    packed = torch.nn.utils.rnn.pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
    found, _ = made(vectors, mask)
    torch.testing.assert_close(found[mask], expected[mask])
    found[mask].square().sum().backward()
    expected[mask].square().sum().backward()
    for depth in range(layers):
        for part in PARTS:
            wanted = getattr(theirs, f"{part}_l{depth}").grad
            torch.testing.assert_close(getattr(made.forwards[depth], f"{part}_l0").grad, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_the_last_of_a_text_is_what_each_direction_ends_with(cell, bidirectional, layers):
    """Over packed sequences torch returns just that beside its states, (layers * directions, batch, hidden)."""
    made = encoder(cell, {"hidden": 4, "layers": layers, "bidirectional": bidirectional})
    theirs = torchs(made, cell, layers, bidirectional)
    lengths = [5, 1, 3]
    vectors, mask = masked(5, lengths=lengths)
    packed = torch.nn.utils.rnn.pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
    with torch.no_grad():
        ends = theirs(packed)[1]
        ends = ends[0] if isinstance(ends, tuple) else ends
        expected = torch.cat(list(ends[-2:] if bidirectional else ends[-1:]), 1)
        head = Head.of_encoder(made, HeadSettings(pooling="last"), labels=2)
        for more in (0, 1, 7):  # padding, whatever stands there
            padded = torch.cat([torch.where(mask[:, :, None], vectors, 9.0), torch.full((3, more, 6), 9.0)], 1)
            there = torch.nn.functional.pad(mask, (0, more))
            torch.testing.assert_close(head.pool(made(padded, there)[0], there), expected)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_recurrent_weights_are_dropped_in_training_alone(cell, bidirectional):
    made = encoder(cell, {"hidden": 16, "weight_dropout": 0.5, "bidirectional": bidirectional})
    plain = encoder(cell, {"hidden": 16, "bidirectional": bidirectional})
    plain.load_state_dict(made.state_dict())
    vectors, mask = masked(5, lengths=[5, 1, 3])
    expected = plain(vectors, mask)[0]
    torch.testing.assert_close(made.eval()(vectors, mask)[0], expected)
    first, second = (made.train()(vectors, mask)[0][mask] for _ in range(2))
    assert not torch.allclose(first, second)
    second.square().sum().backward()
    for layer in (*made.forwards, *made.backwards):
        assert 0.3 < (layer.weight_hh_l0.grad == 0).float().mean() < 0.7
        assert (layer.weight_ih_l0.grad != 0).all()


@pytest.mark.parametrize("cell", CELLS)
def test_weights_may_start_orthogonal(cell):
    made = encoder(cell, {"hidden": 5, "layers": 2, "start": "orthogonal"})
    for layer in (*made.forwards, *made.backwards):
        for gate in layer.weight_hh_l0.split(5):
            torch.testing.assert_close(gate @ gate.T, torch.eye(5))
        biases = layer.bias_ih_l0 + layer.bias_hh_l0
        open_gates = [1.0 if cell == "lstm" and number // 5 == 1 else 0.0 for number in range(len(biases))]
        assert biases.tolist() == open_gates
    assert made.config["start"] == "orthogonal"
    assert "start" not in encoder(cell, {"hidden": 5}).config


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_row_cut_in_two_is_one_row_where_the_state_is_carried(cell, norm):
    made = encoder(cell, {"hidden": 4, "layers": 2, "bidirectional": False, "norm": norm})
    vectors, mask = torch.randn(2, 6, 6), torch.ones(2, 6, dtype=torch.bool)
    with torch.no_grad():
        whole, end = made(vectors, mask)
        first, state = made(vectors[:, :4], mask[:, :4])
        second, same_end = made(vectors[:, 4:], mask[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(same_end, end)


@pytest.mark.parametrize("cell", CELLS)
def test_two_directions_carry_no_state(cell):
    made, (vectors, mask) = encoder(cell, {"hidden": 4}), masked()
    assert made(vectors, mask)[1] is None
    _, state = encoder(cell, {"hidden": 4, "bidirectional": False})(vectors, mask)
    with pytest.raises(ValueError, match="cannot carry a state"):
        made(vectors, mask, state)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, True),
        ({"norm": "layer"}, True),
        ({"norm": "batch"}, False),
        ({"layers": 2}, False),
        ({"bidirectional": False}, False),
    ],
)
def test_halves_are_one_way_where_that_is_said(options, expected):
    made = encoder("gru", {"hidden": 4, **options}).train()
    assert made.one_way_halves is expected
    vectors, mask = masked()
    changed = vectors.clone()
    changed[0, 2] += 1
    with torch.no_grad():
        states, others = (made(v, mask)[0][0] for v in (vectors, changed))
    half = states.shape[1] // 2
    if expected:
        assert torch.equal(states[:2, :half], others[:2, :half])
        assert torch.equal(states[3:5, half:], others[3:5, half:])


def test_names_of_weights_are_those_of_saved_models():
    made = encoder("lstm", {"hidden": 4, "layers": 2})
    assert set(made.state_dict()) == {
        f"{way}.{depth}.{part}_l0" for way in ("forwards", "backwards") for depth in (0, 1) for part in PARTS
    }
    saved_before_norms = {"hidden": 4, "layers": 2, "bidirectional": True, "dropout": 0.0}
    encoder("lstm", saved_before_norms).load_state_dict(made.state_dict())


@pytest.mark.parametrize("cell", CELLS)
def test_layer_norm_is_torchs_over_each_direction(cell):
    made = encoder(cell, {"hidden": 4, "norm": "layer"})
    states, _ = made(*masked())
    for half in states.chunk(2, 2):
        torch.testing.assert_close(half.mean(2), torch.zeros(half.shape[:2]), atol=1e-5, rtol=0)
        assert half.std(2, correction=0).max() <= 1


def test_batch_norm_learns_from_what_is_under_the_mask():
    norm, theirs = MaskedBatchNorm(6), torch.nn.BatchNorm1d(6)
    vectors, mask = masked()
    noisy = torch.where(mask[:, :, None], vectors, 1e6)
    torch.testing.assert_close(norm(noisy, mask)[mask], theirs(vectors[mask]))
    torch.testing.assert_close(norm.norm.state_dict(), theirs.state_dict())
    norm.eval(), theirs.eval()
    torch.testing.assert_close(norm(noisy, mask)[mask], theirs(vectors[mask]))


@pytest.mark.parametrize("lengths", [[0], [1], [0, 0, 1]])
def test_batch_norm_of_less_than_two_tokens_goes_by_what_it_knows(lengths):
    norm = MaskedBatchNorm(6)
    vectors, mask = masked(3, lengths=lengths)
    torch.testing.assert_close(norm(vectors, mask), vectors, atol=1e-4, rtol=1e-4)
    assert norm.norm.num_batches_tracked == 0


def test_dropout_is_on_what_goes_into_each_layer():
    vectors, mask = torch.randn(1, 4, 6), torch.ones(1, 4, dtype=torch.bool)
    dry, wet = (encoder("gru", {"hidden": 4, "layers": 2, "dropout": p}).train() for p in (0.0, 0.9))
    wet.load_state_dict(dry.state_dict())
    assert not torch.equal(wet(vectors, mask)[0], wet(vectors, mask)[0])
    assert torch.equal(wet.eval()(vectors, mask)[0], dry(vectors, mask)[0])


def test_reversal_is_within_each_length():
    _, mask = masked()
    vectors = torch.arange(7.0).expand(4, 7)[:, :, None]
    found = reverse(vectors, mask)[:, :, 0].tolist()
    assert found[0] == [4, 3, 2, 1, 0, 5, 6]
    assert found[2] == [0, 1, 2, 3, 4, 5, 6]
    assert torch.equal(reverse(reverse(vectors, mask), mask), vectors)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hidden": 0}, "hidden must be at least 1, was: 0"),
        ({"layers": 0}, "layers must be at least 1, was: 0"),
        ({"dropout": 1.5}, r"dropout must be in \[0, 1\), was: 1.5"),
        ({"bidirectional": "no"}, "bidirectional wants true or false, found 'no'"),
        ({"norm": "bach"}, r"norm cannot be 'bach'; did you mean 'batch'\? There is: none, layer, batch"),
    ],
)
def test_options_out_of_range_are_refused(cell, options, sentence):
    with pytest.raises(SettingError, match=f"the encoder '{cell}'( refuses its options)?: {sentence}"):
        encoder(cell, options)


def test_only_a_plain_unit_has_a_nonlinearity():
    with pytest.raises(SettingError, match="nonlinearity cannot be 'relo'; did you mean 'relu'"):
        encoder("rnn", {"nonlinearity": "relo"})
    with pytest.raises(SettingError, match="the encoder 'gru' has no option 'nonlinearity'"):
        encoder("gru", {"nonlinearity": "relu"})


def network(cell, options):
    """A composition whose batch norms have seen something."""
    embedding = registry().get("embedding", "trainable").create({"dim": 6, "min_count": 1})
    embedding.fit([list("好差快慢新旧大小")], [0])
    made = encoder(cell, options)
    found = Network(embedding, made, Head.of_encoder(made, HeadSettings(pooling="max+last"), labels=3))
    for _ in range(3):
        found.train()(*batch([7, 3, 2]))
    return found.eval()


def batch(lengths):
    mask = torch.arange(max(lengths) + 1)[None, :] < torch.tensor(lengths)[:, None]
    return torch.randint(2, 10, mask.shape) * mask, mask


@pytest.mark.parametrize(
    "shape",
    [
        {"layers": 1, "bidirectional": False},
        pytest.param({"layers": 1, "bidirectional": True, "norm": "layer"}, marks=pytest.mark.slow),
        pytest.param({"layers": 2, "bidirectional": False, "norm": "batch"}, marks=pytest.mark.slow),
        pytest.param({"layers": 2, "bidirectional": True, "norm": "batch"}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(
    ("cell", "own"),
    [
        ("gru", {}),
        pytest.param("lstm", {}, marks=pytest.mark.slow),
        pytest.param("rnn", {}, marks=pytest.mark.slow),
        pytest.param("rnn", {"nonlinearity": "relu"}, marks=pytest.mark.slow),
    ],
)
def test_the_exported_graph_is_onnxs_own_operator_and_equals_torch(cell, own, shape):
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    made = network(cell, {"hidden": 5, "dropout": 0.5, **shape, **own})
    kind, files = export_network(made, "float32")
    assert kind == "graph"
    operators = [node.op_type for node in onnx.load_from_string(files["model.onnx"]).graph.node]
    assert operators.count(cell.upper()) == shape["layers"]
    session = runtime.InferenceSession(files["model.onnx"], providers=["CPUExecutionProvider"])
    for lengths in ([6, 1, 0, 3], [40, 2], [1], [0, 0]):  # the exporter saw two rows of 7 columns
        ids, mask = batch(lengths)
        found = session.run(["logits"], {"ids": ids.numpy(), "mask": mask.numpy()})[0]
        with torch.no_grad():
            np.testing.assert_allclose(found, made(ids, mask).numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_convolutions_are_exported_whatever_their_width():
    runtime = pytest.importorskip("onnxruntime")
    made = network("cnn", {"widths": [1, 4, 30], "filters": 5})
    _, files = export_network(made, "float32")
    session = runtime.InferenceSession(files["model.onnx"], providers=["CPUExecutionProvider"])
    for lengths in ([6, 1, 0, 3], [40, 2], [1]):
        ids, mask = batch(lengths)
        found = session.run(["logits"], {"ids": ids.numpy(), "mask": mask.numpy()})[0]
        with torch.no_grad():
            np.testing.assert_allclose(found, made(ids, mask).numpy(), rtol=1e-5, atol=1e-5)
