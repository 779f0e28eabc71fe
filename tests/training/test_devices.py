"""Where networks are trained. Few machines have a GPU: torch's device ``meta``, which computes shapes, stands in."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import nlpkit  # noqa: E402
from nlpkit.errors import SettingError  # noqa: E402
from nlpkit.tasks.sentiment.objective import Classification, Teaching  # noqa: E402
from nlpkit.tasks.sentiment.settings import ClassifierTraining  # noqa: E402
from nlpkit.training.devices import choose_device, device_of, read_numbers, to_device, work_on  # noqa: E402
from nlpkit.training.loop import fit  # noqa: E402

from .networks import classification, network, rows, weights  # noqa: E402
from .runs import TINY  # noqa: E402

pytestmark = pytest.mark.train
META = torch.device("meta")
GPU = torch.cuda.is_available()
MPS = torch.backends.mps.is_available()
SETTINGS = ClassifierTraining(epochs=2, batch_size=8)


@pytest.mark.skipif(GPU, reason="there is a GPU")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("cuda", r"the device cuda is not there: torch \S+ sees no GPU; choose auto or cpu, or install"),
        ("cuda:3", "the device cuda:3 is not there"),
        ("tpu", "the device 'tpu' is none: choose auto, cpu, cuda, cuda:0 or mps"),
        ("cuda:x", "the device 'cuda:x' is none"),
        ("meta", "nlpkit does not train on meta"),
        *(
            []
            if MPS
            else [("mps", r"the device mps is not there: .* a Mac .* torch \S+ sees none; choose auto or cpu")]
        ),
        ("", "the device '' is none"),
    ],
)
def test_a_device_that_is_not_there_is_refused(name, sentence):
    with pytest.raises(SettingError, match=sentence):
        choose_device(name)


@pytest.mark.skipif(MPS, reason="there is a GPU of a Mac")
def test_the_gpu_of_a_mac_that_is_not_there_is_refused():
    with pytest.raises(SettingError, match=r"the device mps is not there: .* of a Mac .*; choose auto or cpu"):
        choose_device("mps")


@pytest.mark.skipif(GPU, reason="there is a GPU")
def test_without_a_gpu_the_processor_is_taken():
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")


def teaching():
    draw = np.random.default_rng(0)
    probabilities = draw.dirichlet((1, 1), 40).astype(np.float32)
    return Teaching(
        weights=np.ones(40, np.float32), probabilities=probabilities, labelled=30, share=0.5, temperature=2.0
    )


@pytest.mark.parametrize(
    "changes", [{}, {"r_drop": 1.0}, {"class_weights": "balanced"}, {"loss": "bce"}, {"precision": "bfloat16"}], ids=str
)
@pytest.mark.parametrize("encoder", ["none", "cnn", "gru", "lstm", "transformer"])
def test_a_step_of_a_classifier_is_computed_where_its_network_is(monkeypatch, encoder, changes):
    monkeypatch.setattr(torch.Tensor, "__int__", lambda _: 0)  # of what has no numbers
    settings = replace(SETTINGS, **changes)
    made = network(encoder, **({"heads": 2} if encoder == "transformer" else {})).to(META)
    objective = Classification(made, rows(1), rows(2), settings, 2, teaching())
    half = torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bfloat16")
    with work_on(META), half:
        loss, _ = objective.loss(np.arange(8))
    assert loss.device == device_of(made) == META


def test_what_is_made_of_an_array_is_where_torch_works():
    assert to_device(np.zeros(2)).device == torch.device("cpu")
    with work_on(META):
        assert to_device(np.zeros(2)).device == META
    assert to_device(np.zeros(2)).device == torch.device("cpu")


def test_numbers_are_read_as_they_are():
    assert read_numbers(torch.tensor(0.1), torch.tensor(7)) == [torch.tensor(0.1).item(), 7]


@pytest.mark.skipif(not GPU, reason="needs a GPU")
def test_a_gpu_is_given_pinned_arrays_and_its_numbers_are_read_together():
    device = torch.device("cuda")
    with work_on(device):
        found = to_device(np.arange(5))
    assert found.device.type == "cuda"
    assert found.tolist() == [0, 1, 2, 3, 4]
    assert read_numbers(found[1].float(), found[2]) == [1.0, 2.0]


def test_a_network_that_is_elsewhere_than_its_batch_is_refused():
    with pytest.raises((RuntimeError, NotImplementedError)):
        classification(SETTINGS, network("lstm").to(META)).loss(np.arange(8))


@pytest.mark.slow
@pytest.mark.skipif(not GPU, reason="needs a GPU")
@pytest.mark.parametrize("name", sorted(TINY))
def test_a_model_trained_on_a_gpu_answers_without_one(tmp_path, name):
    list(TINY[name].train(tmp_path / "m", device="cuda"))
    assert nlpkit.load(tmp_path / "m").check() == []


@pytest.mark.skipif(not GPU, reason="needs a GPU")
def test_a_gpu_comes_to_what_the_processor_comes_to():
    made = {}
    for device in ("cpu", "cuda"):
        objective = classification(SETTINGS, network("lstm"))
        list(fit(objective, SETTINGS, 0, device=torch.device(device)))
        made[device] = {name: tensor.clone() for name, tensor in objective.module.state_dict().items()}
    assert weights(objective.module)
    for name, tensor in made["cpu"].items():
        torch.testing.assert_close(made["cuda"][name], tensor, atol=1e-3, rtol=1e-3)
