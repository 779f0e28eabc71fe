"""The encoder beside torch's own recurrence, and whole runs with it."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from nlpkit import SettingError, registry  # noqa: E402
from nlpkit.model import Head, HeadSettings, Network  # noqa: E402
from nlpkit.testing import FAILED, find_targets, list_subjects, run  # noqa: E402
from nlpkit.training import export_network  # noqa: E402

pytestmark = pytest.mark.train
SAMPLE = Path(__file__).resolve().parents[3] / "corpora" / "samples" / "labelled.csv"
LENGTHS = [5, 1, 0, 3]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(1)


def srn(**options):
    return registry().get("encoder", "srn").create({"hidden": 4} | options, input_dim=6)


def masked(time=7, lengths=LENGTHS):
    """Vectors ``(batch, time, 6)`` and their mask ``(batch, time)``."""
    return torch.randn(len(lengths), time, 6), torch.arange(time) < torch.tensor(lengths)[:, None]


def torchs(made, nonlinearity):
    """torch's module with the same weights; its second bias is zero."""
    theirs = torch.nn.RNN(6, 4, nonlinearity=nonlinearity, batch_first=True)
    weights = (made.inward.weight, made.across.weight, made.inward.bias, torch.zeros(4))
    for parameter, weight in zip(theirs.parameters(), weights, strict=True):
        parameter.data = weight.data.clone()
    return theirs


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_states_and_gradients_are_torchs(nonlinearity):
    made = srn(nonlinearity=nonlinearity)
    theirs = torchs(made, nonlinearity)
    vectors, mask = masked()
    wanted, found = vectors.clone().requires_grad_(), vectors.clone().requires_grad_()
    before = torch.randn(4, 4)
    expected, expected_last = theirs(wanted, before[None])
    states, last = made(found, mask, before)
    torch.testing.assert_close(states, expected)
    torch.testing.assert_close(last, expected_last[0])
    expected[mask].square().sum().backward()
    states[mask].square().sum().backward()
    torch.testing.assert_close(found.grad, wanted.grad)
    torch.testing.assert_close(made.inward.weight.grad, theirs.weight_ih_l0.grad)
    torch.testing.assert_close(made.across.weight.grad, theirs.weight_hh_l0.grad)
    torch.testing.assert_close(made.inward.bias.grad, theirs.bias_ih_l0.grad)


def test_padding_and_batch_mates_change_nothing():
    made, (vectors, mask) = srn(), masked()
    with torch.no_grad():
        states, _ = made(vectors, mask)
        noisy, _ = made(vectors.masked_fill(~mask[:, :, None], 100), mask)
        assert torch.equal(noisy[mask], states[mask])
        for row, length in enumerate(LENGTHS):
            if length:
                alone, _ = made(vectors[row : row + 1, :length], mask[row : row + 1, :length])
                torch.testing.assert_close(alone[0], states[row, :length])


@given(st.integers(2, 9), st.data())
@settings(max_examples=20, deadline=None, derandomize=True)
def test_a_row_read_in_parts_is_one_row(time, data):
    made, (vectors, mask), at = srn(), masked(time, [time, time]), data.draw(st.integers(1, time - 1))
    with torch.no_grad():
        whole, end = made(vectors, mask)
        first, state = made(vectors[:, :at], mask[:, :at])
        second, same_end = made(vectors[:, at:], mask[:, at:], state)
        from_zero, _ = made(vectors, mask, torch.zeros(2, 4))
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(same_end, end)
    assert torch.equal(from_zero, whole)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hidden": 0}, "hidden must be at least 1, was: 0"),
        ({"hidden": "many"}, "hidden wants a whole number, found 'many'"),
        ({"nonlinearity": "cosine"}, "nonlinearity cannot be 'cosine'; there is: tanh, relu"),
        ({"layers": 2}, "has no option 'layers'"),
    ],
)
def test_wrong_options_are_refused(options, sentence):
    with pytest.raises(SettingError, match=sentence):
        srn(**options)


@pytest.mark.slow
def test_it_keeps_what_every_encoder_must():
    results = list(run(list_subjects(find_targets("nlpkit-zh-srn"))))
    assert {"padding", "state", "gradients", "export"} <= {result.check.name for result in results}
    assert [f"{found.check.name}: {found.sentence}" for found in results if found.outcome == FAILED] == []


@pytest.mark.slow
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_the_exported_graph_equals_torch_whatever_the_batch_and_the_length(nonlinearity):
    runtime = pytest.importorskip("onnxruntime")
    embedding = registry().get("embedding", "trainable").create({"dim": 6, "min_count": 1})
    embedding.fit([list("好差快慢新旧大小")], [0])
    made = Network(embedding, srn(nonlinearity=nonlinearity), Head(HeadSettings(), input_dim=4, labels=3)).eval()
    kind, files = export_network(made, "float32")
    assert kind == "graph"
    session = runtime.InferenceSession(files["model.onnx"], providers=["CPUExecutionProvider"])
    for lengths in ([6, 1, 0, 3], [40, 2], [1], [0, 0]):  # the exporter saw two rows of 7 columns
        mask = torch.arange(max(lengths) + 1)[None, :] < torch.tensor(lengths)[:, None]
        ids = torch.randint(2, 10, mask.shape) * mask
        found = session.run(["logits"], {"ids": ids.numpy(), "mask": mask.numpy()})[0]
        with torch.no_grad():
            np.testing.assert_allclose(found, made(ids, mask).numpy(), rtol=1e-5, atol=1e-5)


def nlpkit(*arguments):
    """What the command prints."""
    command = shutil.which("nlpkit", path=str(Path(sys.executable).parent))
    assert command, "nlpkit is not installed beside this Python"
    done = subprocess.run([command, *map(str, arguments)], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_a_model_is_trained_and_scores(tmp_path):
    quick = ("--set", "training.epochs=1", "--set", "encoder.hidden=8")
    told = nlpkit("sentiment", "train", SAMPLE, "-o", tmp_path / "m", "--encoder", "srn", *quick)
    assert "char → trainable → srn → max+mean" in told
    assert (tmp_path / "m" / "network" / "model.onnx").is_file()
    assert "质量很好" in nlpkit("sentiment", "score", "--model", tmp_path / "m", "--text", "质量很好")


@pytest.mark.long
@pytest.mark.slow
def test_a_model_that_writes_is_trained(tmp_path):
    quick = ("--set", "training.epochs=1", "--set", "encoder.hidden=8", "--set", "ngrams.order=2")
    small = ("--set", "training.streams=4", "--set", "training.span=8", "--set", "training.precision=bfloat16")
    nlpkit("generate", "train", SAMPLE, "-o", tmp_path / "m", "--encoder", "srn", *quick, *small)
    assert nlpkit("generate", "--prompt", "质量", "--model", tmp_path / "m", "--length", "5").strip()
