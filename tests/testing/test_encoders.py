"""An encoder that is broken in one way is caught by the check for it."""
# ruff: noqa: ARG002 - a protocol has arguments for which what is tiny has no use

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from torch import nn  # noqa: E402

from nlpkit.plugins.registry import registry  # noqa: E402
from tests.testing.sound_layers import Forwards  # noqa: E402
from tests.testing.trying import failures, only, outcomes, subject  # noqa: E402

pytestmark = pytest.mark.train


def tried(kind, **options):
    def factory(*, input_dim: int, hidden: int = 8):
        return kind(input_dim=input_dim, hidden=hidden)

    return subject("encoder", factory, **options)


class Both(Forwards):
    """Mixes each state with those of the whole row, under the mask."""

    causal = False

    def forward(self, vectors, mask, state=None):
        states, _ = super().forward(vectors, mask)
        return states + self.row(states, mask)[:, None], None

    def row(self, states, mask):
        return (states * mask[:, :, None]).sum(1)


def test_sound_ones_pass():
    assert failures(tried(Forwards)) == {}
    assert {"causal", "state"} <= set(outcomes(tried(Forwards)))
    assert failures(tried(Both)) == {}
    assert not {"causal", "state"} & set(outcomes(tried(Both)))


@pytest.mark.parametrize(("name", "value"), [("causal", None), ("causal", 1), ("output_dim", "8"), ("config", [])])
def test_what_lacks_a_part(name, value):
    class Partless(Forwards):
        def __init__(self, **config):
            super().__init__(**config)
            setattr(self, name, value)

    assert name in failures(tried(Partless))["made"]


def test_what_cannot_be_made():
    sentence = only(tried(Forwards, hidden=0), "made")
    assert "hidden" in sentence
    assert "--set tried.OPTION=VALUE" in sentence


def test_an_option_that_takes_anything():
    def factory(*, input_dim: int, hidden: int = 8, twice=False):
        made = Forwards(input_dim=input_dim, hidden=hidden)
        made.config["twice"] = bool(twice)
        return made

    assert "twice='perhaps' is taken" in only(subject("encoder", factory), "options")


def test_a_config_of_something_else():
    class Twice(Forwards):
        def __init__(self, *, input_dim, hidden):
            super().__init__(input_dim=input_dim, hidden=hidden)
            self.config = {"hidden": 2 * hidden}

    assert "it has hidden=32" in only(tried(Twice), "config", without=("export", "save and load"))


class Lying(Forwards):
    def __init__(self, **config):
        super().__init__(**config)
        self.output_dim += 1


class StatesAlone(Forwards):
    def forward(self, vectors, mask, state=None):
        return super().forward(vectors, mask, state)[0]


class Short(Both):
    def __init__(self, **config):
        super().__init__(**config)
        self.places = nn.Parameter(torch.randn(100, 8))

    def forward(self, vectors, mask, state=None):
        states, _ = super().forward(vectors, mask)
        return states + self.places[: states.shape[1]], None


class Sized(Forwards):
    def __init__(self, *, input_dim, hidden):
        super().__init__(input_dim=64, hidden=hidden)


class Empty(Both):
    def row(self, states, mask):
        return super().row(states, mask) / mask.sum(1, keepdim=True)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (Lying, "where (4, 7, 9) was expected"),
        (StatesAlone, "returns a Tensor"),
        (Short, "RuntimeError"),
        (Sized, "RuntimeError"),
        (Empty, "NaN"),
    ],
)
def test_states_of_another_shape(kind, sentence):
    found = failures(tried(kind))
    assert sentence in found["shapes"]
    if kind in (Lying, Sized):
        assert list(found) == ["shapes"]


def test_padding_that_counts():
    class Unmasked(Both):
        def row(self, states, mask):
            return states.sum(1)

    assert "use the mask" in only(tried(Unmasked), "padding")


def test_rows_that_count():
    class Compared(Both):
        def row(self, states, mask):
            return states[:1, 0].expand(len(states), -1)

    assert "rows beside it" in only(tried(Compared), "batch-mates")


def test_a_state_that_has_seen_what_comes():
    class Seeing(Both):
        causal = True

    assert "say causal = False" in only(tried(Seeing), "causal")


def test_a_state_that_is_not_carried_on():
    class Stopping(Forwards):
        def forward(self, vectors, mask, state=None):
            return super().forward(vectors, mask, None)

    assert "the state carried on" in only(tried(Stopping), "state")


class Noisy(Forwards):
    def __init__(self, **config):
        super().__init__(**config)
        with torch.no_grad():
            self.layer.bias_ih_l0 += np.random.default_rng().random()


class NoisyInTraining(Forwards):
    def forward(self, vectors, mask, state=None):
        noise = np.random.default_rng().random() if self.training else 0
        return super().forward(vectors + noise, mask, state)


@pytest.mark.parametrize(("kind", "sentence"), [(Noisy, "made anew"), (NoisyInTraining, "in training")])
def test_what_is_drawn_from_elsewhere(kind, sentence):
    assert sentence in only(tried(kind), "determinism")


def test_what_is_not_saved():
    class Forgetful(Forwards):
        def __init__(self, **config):
            super().__init__(**config)
            self.shift = torch.randn(config["input_dim"])

        def forward(self, vectors, mask, state=None):
            return super().forward(vectors + self.shift, mask, state)

    assert "keep all in state_dict" in only(tried(Forgetful), "save and load")


class Detached(Forwards):
    def forward(self, vectors, mask, state=None):
        return super().forward(vectors.detach(), mask, state)


class Unused(Forwards):
    def __init__(self, **config):
        super().__init__(**config)
        self.more = nn.Linear(2, 2)


class NoGradients(Forwards):
    @torch.no_grad()
    def forward(self, vectors, mask, state=None):
        return super().forward(vectors, mask, state)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (Detached, "no gradient reaches the vectors"),
        (Unused, "no gradient reaches more.weight"),
        (NoGradients, "no gradient can reach layer.weight_ih_l0"),
    ],
)
def test_gradients_that_go_astray(kind, sentence):
    assert sentence in only(tried(kind), "gradients")


class OtherExported(Forwards):
    def forward(self, vectors, mask, state=None):
        return super().forward(vectors * 2 if torch.onnx.is_in_onnx_export() else vectors, mask, state)


class Packed(Forwards):
    def forward(self, vectors, mask, state=None):
        packed = nn.utils.rnn.pack_padded_sequence(
            vectors, mask.sum(1).clamp(min=1), batch_first=True, enforce_sorted=False
        )
        states, last = self.layer(packed, state)
        return nn.utils.rnn.pad_packed_sequence(states, batch_first=True, total_length=vectors.shape[1])[0], last


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "sentence"), [(OtherExported, "the exported graph, given"), (Packed, "no packed sequences")]
)
def test_an_export_that_says_something_else(kind, sentence):
    assert sentence in only(tried(kind), "export", ())


def test_what_goes_with_some_lengths_of_vectors_only_may_say_so():
    class Even(Forwards):
        def __init__(self, *, input_dim, hidden):
            if input_dim % 64:
                raise ValueError(f"vectors must have a multiple of 64 numbers, was: {input_dim}")
            super().__init__(input_dim=input_dim, hidden=hidden)

    assert failures(tried(Even)) == {}


def test_one_way_encoders_of_ours_carry_a_state():
    for name in ("rnn", "lstm", "gru"):
        made = registry().get("encoder", name).factory

        def factory(*, input_dim: int, hidden: int = 8, make=made):
            found = make(input_dim=input_dim, hidden=hidden, bidirectional=False)
            found.config = {"hidden": hidden}
            return found

        found = outcomes(subject("encoder", factory), without=("export", "options", "config", "save and load"))
        assert found["state"] is None
        assert found["causal"] is None
