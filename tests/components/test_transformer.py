"""The transformer beside attention written out position by position, and beside what onnxruntime makes of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from nlpkit.errors import SettingError  # noqa: E402
from nlpkit.model.head_settings import HeadSettings  # noqa: E402
from nlpkit.model.network import Head, Network  # noqa: E402
from nlpkit.plugins.registry import registry  # noqa: E402
from nlpkit.tasks.generate.network import LanguageModel  # noqa: E402
from nlpkit.text.vocabulary import TableVocabulary  # noqa: E402
from nlpkit.training.export import export_graph, export_network  # noqa: E402
from tests.components.ragged import encoder, masked  # noqa: E402
from tests.tasks.cloze.test_network import (  # noqa: E402
    batch,
    blind_to,
    network,
    random_rows,
    sees_itself,
)

pytestmark = pytest.mark.train
SMALL = {"dim": 8, "heads": 2, "feedforward": 10}
WINDOW = 3
CAUSAL = SMALL | {"causal": True, "window": WINDOW}
KINDS = {"causal": CAUSAL, "all ways": SMALL}
VOCABULARY = TableVocabulary(list("甲乙丙丁戊，\n"))
IDS = st.integers(1, len(VOCABULARY) - 1)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(1)


def transformer(options=CAUSAL, **more):
    torch.manual_seed(1)
    return encoder("transformer", options | more)


def plain(made, vectors, mask):
    """States of one row ``(time, input_dim)``, each position and head on its own; turned as complex numbers."""
    heads, size = made.config["heads"], made.output_dim // made.config["heads"]

    def turned(vector, position):
        pairs = torch.complex(*vector.reshape(heads, 2, size // 2).unbind(1))
        pairs = pairs * torch.exp(1j * position * made.rates[: size // 2])
        return torch.cat([pairs.real, pairs.imag], 1)  # (heads, size)

    def attended(layer, states, at):
        parts = [layer.inward(layer.norm(state)).chunk(3) for state in states]
        seen = [
            k for k in range(len(states)) if k == at or (mask[k] and (not made.causal or at - made.window <= k <= at))
        ]
        query = turned(parts[at][0], at)
        found = []
        for head in range(heads):
            scores = torch.stack([query[head] @ turned(parts[k][1], k)[head] for k in seen]) / size**0.5
            shares = functional.softmax(scores, 0)
            found.append(sum(w * parts[k][2].reshape(heads, size)[head] for w, k in zip(shares, seen, strict=True)))
        return layer.outward(torch.cat(found))

    states = [made.front(vector * there) for vector, there in zip(vectors, mask, strict=True)]
    for layer in made.layers:
        states = [state + attended(layer, states, at) for at, state in enumerate(states)]
        states = [state + layer.feedforward(state) for state in states]
    return made.norm(torch.stack(states))


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("input_dim", [6, 8])
def test_states_and_gradients_are_those_of_attention_written_out(options, input_dim):
    made = encoder("transformer", options, input_dim)
    vectors, mask = masked(dim=input_dim)
    wanted, found = vectors.clone().requires_grad_(), vectors.clone().requires_grad_()
    expected = torch.stack([plain(made, *row) for row in zip(wanted, mask, strict=True)])
    states, _ = made(found, mask)
    torch.testing.assert_close(states, expected, atol=1e-5, rtol=1e-4)
    gradients = []
    for outputs in (expected, states):
        made.zero_grad()
        outputs[mask].pow(3).sum().backward()
        gradients.append([parameter.grad for parameter in made.parameters()])
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(found.grad, wanted.grad, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.sampled_from([0.0, 1e30, float("nan")]))
@settings(max_examples=30)
def test_padding_and_batch_mates_change_nothing(options, lengths, junk):
    made = transformer(options)
    vectors, mask = masked(max(lengths) + 1, lengths=lengths)
    with torch.no_grad():
        states, _ = made(vectors.masked_fill(~mask[:, :, None], junk), mask)
        assert torch.isfinite(states).all()
        for row, length in enumerate(lengths):
            alone, _ = made(vectors[row : row + 1, : length or 1], mask[row : row + 1, : length or 1])
            torch.testing.assert_close(alone[0, :length], states[row, :length])


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_what_stands_under_padding_teaches_nothing(options):
    made = transformer(options).train()
    vectors, mask = masked()
    found = []
    for scale in (1, 100):
        torch.manual_seed(2)  # of the dropout
        noisy = torch.where(mask[:, :, None], vectors, scale).requires_grad_()
        made.zero_grad()
        (made(noisy, mask)[0] * mask[:, :, None]).pow(3).sum().backward()
        found.append([noisy.grad, *(parameter.grad for parameter in made.parameters())])
        assert not noisy.grad[~mask].any()
    torch.testing.assert_close(*found)


@given(st.integers(2, 9), st.data())
@settings(max_examples=30)
def test_no_position_sees_the_future(time, data):
    made, at = transformer(), data.draw(st.integers(1, time - 1))
    vectors, mask = torch.randn(2, time, 6), torch.ones(2, time, dtype=torch.bool)
    other = torch.cat([vectors[:, :at], torch.randn(2, time - at, 6)], 1)
    with torch.no_grad():
        first, second = (made(v, mask)[0][:, :at] for v in (vectors, other))
    assert torch.equal(first, second)


def reach(made, time=12):
    """How far before itself the last position sees, and whether the first one sees what is behind it."""
    vectors, mask = torch.randn(1, time, 6), torch.ones(1, time, dtype=torch.bool)
    vectors.requires_grad_()
    made(vectors, mask)[0][0, -1].pow(3).sum().backward()
    touched = vectors.grad[0].abs().sum(1).nonzero()[:, 0]
    vectors.grad = None
    made(vectors, mask)[0][0, 0].pow(3).sum().backward()
    return time - 1 - int(touched.min()), bool(vectors.grad[0, 1:].any())


def test_a_layer_sees_as_far_back_as_its_window():
    assert reach(transformer(layers=1)) == (WINDOW, False)
    assert reach(transformer(layers=2)) == (2 * WINDOW, False)
    assert reach(transformer(SMALL)) == (11, True)


def test_only_how_far_apart_two_are_counts_so_there_is_no_greatest_length():
    made = transformer(layers=1)
    row = torch.randn(1, 4, 6)
    vectors = torch.cat([torch.randn(1, 3000, 6), row], 1)
    with torch.no_grad():
        late = made(vectors, torch.ones(1, 3004, dtype=torch.bool))[0][0, -1]
        early = made(row, torch.ones(1, 4, dtype=torch.bool))[0][0, -1]
    torch.testing.assert_close(late, early, atol=1e-4, rtol=1e-3)


def in_parts(made, vectors, mask, cuts):
    """States and the last state where what comes before each cut is read first."""
    parts, state = [], None
    for begin, end in zip([0, *cuts], [*cuts, vectors.shape[1]], strict=True):
        states, state = made(vectors[:, begin:end], mask[:, begin:end], state)
        parts.append(states)
    return torch.cat(parts, 1), state


@given(st.lists(st.integers(0, 9), min_size=1, max_size=3), st.data())
@settings(max_examples=40)
def test_a_row_read_in_parts_is_one_row(lengths, data):
    made, time = transformer(), 10
    vectors, mask = masked(time, lengths=lengths)
    cuts = sorted(data.draw(st.sets(st.integers(1, time - 1))))
    with torch.no_grad():
        whole, end = made(vectors, mask)
        states, same_end = in_parts(made, vectors, mask, cuts)
    torch.testing.assert_close(states[mask], whole[mask], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(same_end, end, atol=1e-5, rtol=1e-4)


def test_the_shapes_of_a_state_do_not_depend_on_time():
    made = transformer()
    for time in (1, 2, 20):
        there, layers = made(torch.randn(3, time, 6), torch.ones(3, time, dtype=torch.bool))[1]
        assert there.tolist() == [[0.0] * max(0, WINDOW - time) + [1.0] * min(time, WINDOW)] * 3
        assert [part.shape for layer in layers for part in layer] == [(3, 2, WINDOW, 4)] * 4


def test_zeros_say_that_nothing_was_read():
    made, (vectors, mask) = transformer(), masked()
    zeros = torch.utils._pytree.tree_map(torch.zeros_like, made(vectors, mask)[1])
    torch.testing.assert_close(made(vectors, mask, zeros), made(vectors, mask))


def test_who_sees_all_carries_nothing():
    made, (vectors, mask) = transformer(SMALL), masked()
    assert made(vectors, mask)[1] is None
    with pytest.raises(ValueError, match="cannot carry a state"):
        made(vectors, mask, transformer()(vectors, mask)[1])


def test_dropout_is_in_training_alone():
    made, (vectors, mask) = transformer(dropout=0.5), masked()
    assert torch.equal(made(vectors, mask)[0], made(vectors, mask)[0])
    made.train()
    assert not torch.equal(made(vectors, mask)[0], made(vectors, mask)[0])


def test_vectors_of_its_own_length_need_no_layer_in_front():
    names = set(encoder("transformer", SMALL, input_dim=6).state_dict())
    assert names - set(encoder("transformer", SMALL, input_dim=8).state_dict()) == {"front.weight", "front.bias"}


def test_an_encoder_is_rebuilt_from_its_config():
    first = transformer(feedforward=None)
    assert first.config["feedforward"] == 32
    again = encoder("transformer", first.config)
    again.load_state_dict(first.state_dict())
    assert again.config == first.config
    assert torch.equal(again(*(found := masked()))[0], first(*found)[0])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"dim": 10, "heads": 4}, "dim must be a multiple of twice the heads, here 8, was: 10"),
        ({"dim": 12, "heads": 4}, "dim must be a multiple of twice the heads, here 8, was: 12"),
        ({"heads": 0}, "heads must be at least 1, was: 0"),
        ({"layers": 0}, "layers must be at least 1, was: 0"),
        ({"dim": 0}, "dim must be at least 1, was: 0"),
        ({"dim": "8"}, "dim wants a whole number, found '8'"),
        ({"feedforward": 0}, "feedforward must be at least 1, was: 0"),
        ({"feedforward": 0.5}, "feedforward wants a whole number, found 0.5"),
        ({"window": 0}, "window must be at least 1, was: 0"),
        ({"dropout": 1}, r"dropout must be in \[0, 1\), was: 1"),
        ({"causal": "yes"}, "causal wants true or false, found 'yes'"),
    ],
)
def test_options_out_of_range_are_refused(options, sentence):
    with pytest.raises(SettingError, match=f"the encoder 'transformer'( refuses its options)?: {sentence}"):
        encoder("transformer", options)


@pytest.mark.slow
@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_the_exported_graph_equals_torch_whatever_the_batch_and_the_length(options):
    runtime = pytest.importorskip("onnxruntime")
    embedding = registry().get("embedding", "trainable").create({"dim": 6, "min_count": 1})
    embedding.fit([list("好差快慢新旧大小")], [0])
    made = Network(embedding, transformer(options, layers=1), Head(HeadSettings(), input_dim=8, labels=3)).eval()
    kind, files = export_network(made, "float32")
    assert kind == "graph"
    session = runtime.InferenceSession(files["model.onnx"], providers=["CPUExecutionProvider"])
    for lengths in ([6, 1, 0, 3], [40, 2], [1], [0, 0]):  # the exporter saw two rows of 7 columns
        mask = torch.arange(max(lengths) + 1)[None, :] < torch.tensor(lengths)[:, None]
        ids = torch.randint(2, 10, mask.shape) * mask
        found = session.run(["logits"], {"ids": ids.numpy(), "mask": mask.numpy()})[0]
        with torch.no_grad():
            np.testing.assert_allclose(found, made(ids, mask).numpy(), rtol=1e-5, atol=1e-5)


def language_model(**more):
    torch.manual_seed(1)
    embedding = registry().get("embedding", "trainable").create({"dim": 6})
    embedding.build(VOCABULARY)
    coding = registry().get("output", "softmax").create({"dim": 6, "tied": True, "negatives": 0})
    return LanguageModel(embedding, transformer(**more), coding, dropout=0.1, size=len(VOCABULARY)).eval()


@given(st.lists(st.lists(IDS, min_size=8, max_size=8), min_size=1, max_size=3))
@settings(max_examples=20)
def test_a_language_model_reads_a_token_at_a_time(rows):
    model, tokens = language_model(), torch.tensor(rows)
    with torch.inference_mode():
        expected, *last = model(tokens, *model.begin(len(rows)))
        parts, state = [], model.begin(len(rows))
        for at in range(tokens.shape[1]):
            outputs, *state = model(tokens[:, at : at + 1], *state)
            parts.append(outputs)
    torch.testing.assert_close(torch.cat(parts, 1), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(state, last, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_the_exported_step_of_a_language_model_goes_on_from_step_to_step():
    runtime = pytest.importorskip("onnxruntime")
    model = language_model(layers=1)
    state = model.begin(2)
    assert model.axes() == [0] * 3
    names = [f"state{i}" for i in range(len(state))]
    inputs = {"ids": torch.ones(2, 7, dtype=torch.int64), **dict(zip(names, state, strict=True))}
    free = {"ids": [0, 1], **{name: [0] for name in names}}
    kind, files = export_graph(model, inputs, ["outputs", *(f"{name}_after" for name in names)], "float32", free)
    assert kind == "graph"
    session = runtime.InferenceSession(files["model.onnx"], providers=["CPUExecutionProvider"])
    tokens, carried = torch.randint(1, len(VOCABULARY), (3, 12)), [part.numpy() for part in model.begin(3)]
    with torch.no_grad():
        expected = model(tokens, *model.begin(3))[0].numpy()
    parts = []
    for columns in (tokens[:, :5], *tokens[:, 5:].split(1, 1)):
        outputs, *carried = session.run(None, {"ids": columns.numpy(), **dict(zip(names, carried, strict=True))})
        parts.append(outputs)
    np.testing.assert_allclose(np.concatenate(parts, 1), expected, rtol=1e-5, atol=1e-5)


def test_a_language_model_learns_in_bfloat16():
    model = language_model().train()
    tokens, state = torch.randint(1, len(VOCABULARY), (2, 6)), [part.bfloat16() for part in model.begin(2)]
    with torch.autocast("cpu", torch.bfloat16):
        for _ in range(2):
            features, state = model.features(tokens, [part.detach() for part in state])
        loss = model.output.loss(features.flatten(0, 1), tokens.flatten() - 1, exact=True)
    assert {part.dtype for part in state} == {torch.bfloat16}
    loss.backward()
    for parameter in model.encoder.parameters():
        assert parameter.dtype == torch.float32
        assert torch.isfinite(parameter.grad).all()
    model.eval()
    with torch.no_grad():
        whole = model.features(tokens, None)[0]
        with torch.autocast("cpu", torch.bfloat16):
            half = model.features(tokens, None)[0]
    torch.testing.assert_close(half.float(), whole, atol=0.1, rtol=0.1)


@pytest.mark.parametrize(("options", "encoders"), [(CAUSAL, 2), (SMALL, 1)], ids=KINDS)
def test_in_a_cloze_network_no_position_sees_itself_and_all_see_their_neighbours(options, encoders):
    made = network("transformer", options)
    assert len(made.encoders) == encoders
    found = batch(random_rows(3, [5, 1, 3]))
    assert not sees_itself(made.features, *found)
    assert not sees_itself(network("transformer", options | {"dropout": 0.0}).train().features, *found)
    assert not blind_to(made.features, *found, 1)
    assert not blind_to(made.features, *found, -1)
