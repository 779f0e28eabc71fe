"""A language model: no position sees the future, a step at a time is one pass, and so is its export."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from nlpkit.errors import SettingError  # noqa: E402
from nlpkit.plugins.registry import registry  # noqa: E402
from nlpkit.tasks.generate.network import LanguageModel  # noqa: E402
from nlpkit.text.vocabulary import TableVocabulary  # noqa: E402

pytestmark = pytest.mark.train
VOCABULARY = TableVocabulary(list("甲乙丙丁戊，\n"))
SIZE = len(VOCABULARY)
OPTIONS = [{}, {"layers": 2}, {"layers": 2, "norm": "layer", "dropout": 0.3}]
ENCODERS = [(name, options) for name in ("rnn", "lstm", "gru") for options in OPTIONS]
ids = st.lists(st.integers(1, SIZE - 1), min_size=2, max_size=9)


def language_model(encoder="lstm", *, output="softmax", tied=True, **options):
    torch.manual_seed(1)
    embedding = registry().get("embedding", "trainable").create({"dim": 6})
    embedding.build(VOCABULARY)
    chosen = {"hidden": 5, "bidirectional": False, **options}
    layer = registry().get("encoder", encoder).create(chosen, input_dim=6)
    coding = registry().get("output", output).create({"dim": 6, "tied": tied, "negatives": 0})
    return LanguageModel(embedding, layer, coding, dropout=0.1, size=SIZE).eval()


NETWORKS = {f"{name} {options}": language_model(name, **options) for name, options in ENCODERS}


@pytest.mark.parametrize("name", NETWORKS)
@given(ids, st.data())
@settings(max_examples=20)
def test_no_position_sees_the_future(name, tokens, data):
    network = NETWORKS[name]
    at = data.draw(st.integers(1, len(tokens) - 1))
    other = [*tokens[:at], *(data.draw(st.integers(1, SIZE - 1)) for _ in tokens[at:])]
    with torch.inference_mode():
        outputs = [network(torch.tensor([row]), *network.begin(1))[0][0, :at] for row in (tokens, other)]
    assert torch.equal(*outputs)


@pytest.mark.parametrize("name", NETWORKS)
@given(st.lists(ids, min_size=1, max_size=3), st.data())
@settings(max_examples=20)
def test_one_token_at_a_time_is_one_pass_over_all(name, rows, data):
    network = NETWORKS[name]
    shortest = min(map(len, rows))
    whole = torch.tensor([row[:shortest] for row in rows])
    cuts = sorted(data.draw(st.sets(st.integers(1, shortest - 1))))
    with torch.inference_mode():
        expected, *last = network(whole, *network.begin(len(rows)))
        parts, state = [], network.begin(len(rows))
        for begin, end in zip([0, *cuts], [*cuts, shortest], strict=True):
            outputs, *state = network(whole[:, begin:end], *state)
            parts.append(outputs)
    assert torch.allclose(torch.cat(parts, 1), expected, atol=1e-6)
    for one, other in zip(state, last, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_zeros_are_the_beginning(name):
    network = NETWORKS[name]
    tokens = torch.tensor([[2, 3, 4], [5, 2, 2]])
    with torch.inference_mode():
        told, _ = network.features(tokens, network.begin(2))
        untold, _ = network.features(tokens, None)
    assert torch.equal(told, untold)


def test_an_encoder_without_a_state_is_refused():
    network = language_model("lstm")
    network.encoder = registry().get("encoder", "none").create({}, input_dim=6)
    with pytest.raises(
        SettingError, match="carries no state from one step to the next: choose lstm, gru, rnn or transformer"
    ):
        network.begin(1)


def test_gradients_reach_the_table_from_both_ends():
    gradients = []
    for cut in (False, True):
        network = language_model().train()
        tokens = torch.tensor([[2, 3]])
        features, _ = network.features(tokens, None)
        features = features.detach() if cut else features
        network.output.loss(features.flatten(0, 1), torch.tensor([4, 5]), exact=True).backward()
        gradients.append(network.embedding.table.weight.grad.clone())
    both, as_outputs = gradients
    assert (as_outputs[2:].abs().sum(1) > 0).all()
    differ = (both - as_outputs).abs().sum(1) > 1e-9
    assert differ.nonzero()[:, 0].tolist() == [2, 3]  # the tokens that went in
