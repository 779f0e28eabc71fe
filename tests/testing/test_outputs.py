"""An output embedding that is broken in one way is caught by the check for it."""
# ruff: noqa: ARG002 - a protocol has arguments for which what is tiny has no use

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from nlpkit.errors import SettingError  # noqa: E402
from nlpkit.plugins.registry import registry  # noqa: E402
from nlpkit.testing import list_subjects, of_module  # noqa: E402
from tests.testing.sound import Decoder, Output  # noqa: E402
from tests.testing.sound_layers import Layer  # noqa: E402
from tests.testing.trying import failures, only, outcomes, subject  # noqa: E402

pytestmark = pytest.mark.train


def tried(layer=Layer, decoder=Decoder, **attributes):
    class Tried(Output):
        def layer(self, *, input_dim, words, inputs):
            return layer(input_dim=input_dim, words=words, inputs=inputs, **self.config)

        def decoder(self, arrays):
            return decoder(arrays)

    for name, value in attributes.items():
        setattr(Tried, name, value)

    def factory(*, size: int = 16):
        return Tried(size)

    return subject("output", factory)


def test_a_sound_one_passes():
    assert failures(tried()) == {}
    assert {"agreement", "kept"} <= set(outcomes(tried()))


def test_what_is_not_calibrated_need_not_agree():
    assert not {"agreement", "kept"} & set(outcomes(tried(calibrated=False)))


def test_what_lacks_a_part():
    class Partless(Output):
        decoder = None

    assert "lacks decoder" in failures(subject("output", lambda *, size=16: Partless(size)))["made"]


def test_an_option_that_takes_anything():
    class Careless(Output):
        def __init__(self, size):
            self.config = {"size": size}

    assert "size='many' is taken" in only(subject("output", lambda *, size=16: Careless(size)), "options")


def test_a_config_of_something_else():
    def factory(*, size: int = 16):
        made = Output(size)
        made.config = {"size": 2 * size}
        return made

    assert "it has size=64" in failures(subject("output", factory))["config"]


class LossOfEach(Layer):
    def loss(self, features, targets, *, exact):
        return functional.cross_entropy(self(features) @ self.table.T + self.bias, targets, reduction="none")


class Flat(Layer):
    def forward(self, features):
        return super().forward(features).double()


class Many(Layer):
    def __init__(self, *, words, **config):
        if words < 10:
            raise RuntimeError("too few words")
        super().__init__(words=words, **config)


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (LossOfEach, "the loss (exact=True) have shape (72,)"),
        (Flat, "torch.float64"),
        (Many, "RuntimeError: too few words"),
    ],
)
def test_numbers_of_another_shape(layer, sentence):
    found = failures(tried(layer))["shapes"]
    assert sentence.split(" (72")[0] in found


class OfFewer(Decoder):
    def logits(self, outputs):
        return super().logits(outputs)[:, 1:]


class OfTorch(Decoder):
    def logits(self, outputs):
        return torch.from_numpy(super().logits(outputs))


@pytest.mark.parametrize(
    ("decoder", "sentence"), [(OfFewer, "the logits (n, words)"), (OfTorch, "numpy array was expected")]
)
def test_logits_of_another_shape(decoder, sentence):
    assert sentence in failures(tried(decoder=decoder))["shapes"]


class ComparedOutputs(Layer):
    def forward(self, features):
        found = super().forward(features)
        return found - found[:1].detach()


class ComparedLogits(Decoder):
    def logits(self, outputs):
        found = super().logits(outputs)
        return found - found[0]


def test_rows_that_count():
    assert "outputs must not depend" in failures(tried(ComparedOutputs))["batch-mates"]
    assert "logits must not depend" in failures(tried(decoder=ComparedLogits))["batch-mates"]


class WithoutBias(Decoder):
    def logits(self, outputs):
        return outputs @ self.table.T + (self.bias - self.bias) * 0


class Doubled(Decoder):
    def logits(self, outputs):
        return 2 * super().logits(outputs)


@pytest.mark.parametrize("decoder", [WithoutBias, Doubled])
def test_logits_that_the_loss_is_not_of(decoder):
    found = failures(tried(decoder=decoder))
    assert "let arrays() hold all" in found["agreement"]
    assert set(found) == {"agreement", "kept"}


def test_what_is_kept_and_not_made_up_for():
    class Careless(Layer):
        def arrays(self):
            return {"table": self.table.detach().numpy(), "bias": self.bias.detach().numpy()}

    assert "logarithm of its kept" in only(tried(Careless), "kept")


def test_arrays_that_cannot_be_saved():
    class Lists(Layer):
        def arrays(self):
            return {name: array.tolist() for name, array in super().arrays().items()}

    assert "cannot be saved" in failures(tried(Lists))["shapes"]


class NoisyFit(Layer):
    def fit(self, words, counts, kept, vectors):
        super().fit(words, counts, kept, vectors)
        self.bias.data += np.random.default_rng().random()


class NoisyLoss(Layer):
    def loss(self, features, targets, *, exact):
        found = super().loss(features, targets, exact=exact)
        return found if exact else found * (1 + np.random.default_rng().random())


@pytest.mark.parametrize(("layer", "sentence"), [(NoisyFit, "the arrays"), (NoisyLoss, "the loss")])
def test_what_is_drawn_from_elsewhere(layer, sentence):
    assert sentence in only(tried(layer), "determinism")


def test_what_is_not_saved():
    class Forgetful(Layer):
        def __init__(self, **config):
            super().__init__(**config)
            self.scale = 1

        def fit(self, words, counts, kept, vectors):
            super().fit(words, counts, kept, vectors)
            self.scale = 2

        def forward(self, features):
            return super().forward(features) * self.scale

    assert "keep all in state_dict" in only(tried(Forgetful), "save and load")


class Unused(Layer):
    def __init__(self, **config):
        super().__init__(**config)
        self.more = nn.Linear(2, 2)


class Detached(Layer):
    def forward(self, features):
        return super().forward(features.detach())


@pytest.mark.parametrize(
    ("layer", "sentence"), [(Unused, "no gradient reaches more.weight"), (Detached, "no gradient reaches the features")]
)
def test_gradients_that_go_astray(layer, sentence):
    assert sentence in only(tried(layer), "gradients")


class Indulgent(Decoder):
    def __init__(self, arrays):
        self.table, self.bias = arrays.get("table"), arrays.get("bias")


class Asserting(Decoder):
    def __init__(self, arrays):
        assert len(arrays) == 2, "two arrays"
        super().__init__(arrays)


@pytest.mark.parametrize(
    ("decoder", "sentence"), [(Indulgent, "decoder takes arrays"), (Asserting, "AssertionError: two")]
)
def test_arrays_of_another_layer(decoder, sentence):
    assert sentence in only(tried(decoder=decoder), "foreign arrays")


INFERENCE = """
from nlpkit import hookimpl
from tests.testing import sound

class Decoder(sound.Decoder):
    def logits(self, outputs):
        {body}

class Tried(sound.Output):
    def decoder(self, arrays):
        return Decoder(arrays)

def tried(*, size: int = 16):
    return Tried(size)

@hookimpl
def nlpkit_register_outputs(register):
    register("tried", tried)
"""


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        pytest.param("import torch; return super().logits(outputs)", "imports torch", marks=pytest.mark.slow),
        ("import sys; return super().logits(outputs) + ('pytest' in sys.modules)", "in another process"),
        ("return super().logits(outputs)", None),
    ],
)
def test_logits_elsewhere(body, sentence, tmp_path, monkeypatch):
    import sys
    from importlib import import_module

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tried_output", raising=False)
    (tmp_path / "tried_output.py").write_text(INFERENCE.format(body=body))
    (found,) = [s for s in list_subjects([of_module(import_module("tried_output"))]) if s.kind == "output"]
    without = ("export", "agreement", "kept")
    if sentence:
        assert sentence in only(found, "inference", without)
    else:
        assert failures(found, without) == {}


class OtherExported(Layer):
    def forward(self, features):
        found = super().forward(features)
        return found * 2 if torch.onnx.is_in_onnx_export() else found


@pytest.mark.slow
def test_an_export_that_says_something_else():
    assert "the exported graph, given" in only(tried(OtherExported), "export", ())


def test_codes_of_vectors_are_given_some_of_a_length_that_they_take():
    class Sized(Output):
        needs_vectors = True

        def check_dim(self, dim):
            if dim != self.config["size"]:
                raise SettingError(f"the vectors have {dim} numbers")

        def layer(self, *, input_dim, words, inputs):
            size = self.config["size"]

            class Reading(Layer):
                def fit(self, words, counts, kept, vectors):
                    assert vectors.shape == (len(words), size)
                    super().fit(words, counts, kept, vectors)

            return Reading(input_dim=input_dim, words=words, inputs=inputs, **self.config)

    assert failures(subject("output", lambda *, size=16: Sized(size)), without=("export", "options")) == {}


@pytest.mark.parametrize("options", [{"tied": True}, {"negatives": 4}, {"dim": 5, "negatives": 0}])
def test_ours_pass_with_other_options(options):
    made = registry().get("output", "softmax").factory
    tried = subject("output", made, **options)
    assert failures(tried, without=("export", "inference")) == {}


@pytest.mark.parametrize(
    "options", [{"loss": "bce"}, {"source": "median", "bits": 12}, {"source": "random", "bits": 9}]
)
def test_our_codes_pass_with_other_options(options):
    made = registry().get("output", "binary-codes").factory
    assert failures(subject("output", made, **options), without=("export", "inference")) == {}
