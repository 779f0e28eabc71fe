"""A network that goes on reading: spans with what is carried between them are one reading of the whole."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from nlpkit.errors import PluginError, SettingError  # noqa: E402
from nlpkit.model.stateful import StatefulNetwork  # noqa: E402
from nlpkit.plugins.registry import registry  # noqa: E402
from nlpkit.training.carrying import Carrying  # noqa: E402

pytestmark = pytest.mark.train
DIM, OUTPUTS, TIME = 2, 3, 7
ONE_WAY = {
    "rnn": {"hidden": 4, "bidirectional": False},
    "lstm": {"hidden": 4, "bidirectional": False, "layers": 2, "norm": "layer"},
    "gru": {"hidden": 4, "bidirectional": False, "norm": "batch"},
    "transformer": {"dim": 4, "heads": 1, "layers": 2, "causal": True, "window": 3},
}
STATELESS = {"none": {}, "cnn": {"filters": 2}, "gru": {"hidden": 4}, "transformer": {"dim": 4, "heads": 1}}


class SeriesNetwork(StatefulNetwork):
    """Numbers to outputs at each step."""

    def __init__(self, encoder, *, dim, outputs):
        super().__init__(encoder)
        self.linear, self._dim = torch.nn.Linear(encoder.output_dim, outputs), dim

    def vectors(self, inputs):
        return inputs

    def example(self, batch):
        return torch.ones(batch, 1, self._dim)

    def forward(self, inputs, state=None):
        states, carried = self.read(inputs, state)
        return self.linear(states), carried


def series_network(encoder, *, outputs=OUTPUTS, **options):
    """One over rows of `DIM` numbers a step, its weights always the same."""
    torch.manual_seed(1)
    layer = registry().get("encoder", encoder).create(ONE_WAY.get(encoder, {}) | options, input_dim=DIM)
    return SeriesNetwork(layer, dim=DIM, outputs=outputs)


NETWORKS = {name: series_network(name).eval() for name in ONE_WAY}
each = pytest.mark.parametrize("name", NETWORKS)


def numbers(rows, time=TIME, seed=0):
    return torch.randn(rows, time, DIM, generator=torch.Generator().manual_seed(seed))


@each
@given(st.integers(1, 3), st.sets(st.integers(1, TIME - 1)), st.booleans())
@settings(max_examples=20)
def test_spans_are_one_reading_of_the_whole(name, rows, cuts, told):
    network, whole = NETWORKS[name], numbers(rows)
    with torch.inference_mode():
        expected, last = network(whole)
        parts, state = [], network.begin(rows) if told else None
        for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), TIME], strict=True):
            outputs, state = network(whole[:, begin:end], state)
            parts.append(outputs)
    torch.testing.assert_close(torch.cat(parts, 1), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(state, last, atol=1e-5, rtol=1e-4)


@each
def test_what_was_carried_matters(name):
    network, whole = NETWORKS[name], numbers(2)
    with torch.inference_mode():
        _, state = network(whole[:, :3])
        assert not torch.allclose(network(whole[:, 3:], state)[0], network(whole[:, 3:])[0], atol=1e-4)


@each
def test_rows_lie_along_the_axes_that_a_state_names(name):
    network, whole = NETWORKS[name], numbers(3)
    with torch.inference_mode():
        _, state = network(whole)
        chosen = [part.index_select(axis, torch.tensor([2])) for part, axis in zip(state, network.axes(), strict=True)]
        torch.testing.assert_close(chosen, network(whole[2:])[1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_looking_for_the_state_leaves_a_network_as_it_was(training):
    network = series_network("gru").train(training)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.begin(2)
    assert all(module.training is training for module in network.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("name", STATELESS)
def test_an_encoder_that_carries_nothing_is_refused(name):
    layer = registry().get("encoder", name).create(STATELESS[name], input_dim=DIM)
    network = SeriesNetwork(layer, dim=DIM, outputs=1)
    for begin in (lambda: network.begin(2), lambda: Carrying(network, 2)):
        with pytest.raises(SettingError, match=r"carries no state .*: choose lstm, gru, rnn or transformer") as caught:
            begin()
        assert "\n" not in str(caught.value)


@each
def test_a_state_is_kept_without_its_history_until_it_is_forgotten(name):
    carrying = Carrying(series_network(name), 2)
    _, after = carrying.network(numbers(2))
    assert any(tensor.requires_grad for tensor in after)
    carrying.carry(after)
    saved = {name for name in carrying.state_dict() if not name.startswith("network.")}
    assert len(saved) == len(carrying.state) == len(after)
    for kept, tensor in zip(carrying.state, after, strict=True):
        assert torch.equal(kept, tensor)
        assert not kept.requires_grad
        assert kept.data_ptr() != tensor.data_ptr()
    carrying.carry(None)
    assert not any(kept.any() for kept in carrying.state)


class Stranger(torch.nn.Module):
    """A running sum, which carries what it is told to."""

    causal, output_dim = True, DIM

    def __init__(self, carried):
        super().__init__()
        self._carried = carried

    def forward(self, vectors, mask, state=None):  # noqa: ARG002
        states = vectors.cumsum(1) + (0.0 if state is None else state[0][:, None])
        return states, self._carried(vectors, states[:, -1])


@pytest.mark.parametrize(
    ("carried", "sentence"),
    [
        (lambda _, total: (total, 3), "the state of Stranger holds what is no tensor"),
        (lambda _, total: (total, None), "the state of Stranger holds what is no tensor"),
        (lambda _, total: (total, total.mean()), "the state of Stranger has no axis along which the rows lie"),
        (lambda vectors, total: (total, vectors), "the state of Stranger grows with what was read"),
        (lambda _, total: (total * 0,), "the state of Stranger is not gone on from"),
        (lambda _, total: {"sum": total}, "Stranger fails when it is given the state that it carried: KeyError: 0"),
    ],
    ids=["int", "none", "no axis", "grows", "forgets", "cannot be handed back"],
)
def test_a_state_that_cannot_be_kept_is_refused(carried, sentence):
    network = SeriesNetwork(Stranger(carried), dim=DIM, outputs=1)
    with pytest.raises(PluginError, match=sentence):
        network.begin(2)


def test_a_state_keeps_its_kind_of_number():
    network = SeriesNetwork(Stranger(lambda _, total: (total, total.long())), dim=DIM, outputs=1)
    assert [tensor.dtype for tensor in network.begin(4)] == [torch.float32, torch.int64]
    assert [tensor.dtype for tensor in Carrying(network, 4).state] == [torch.float32, torch.int64]
