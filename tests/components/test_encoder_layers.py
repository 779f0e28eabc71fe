"""What holds of every built-in encoder, and what holds of convolutions."""

import pytest

torch = pytest.importorskip("torch")

from nlpkit.errors import SettingError  # noqa: E402
from tests.components.ragged import LENGTHS, encoder, masked  # noqa: E402

pytestmark = pytest.mark.train
ENCODERS = [
    ("none", {}),
    ("cnn", {"widths": (1, 2, 3, 5), "filters": 3}),
    ("cnn", {"widths": (4, 50), "filters": 3}),
    ("lstm", {"hidden": 4, "bidirectional": False}),
    ("lstm", {"hidden": 4, "layers": 2}),
    ("gru", {"hidden": 4, "bidirectional": False, "norm": "layer"}),
    ("gru", {"hidden": 4, "layers": 2, "norm": "batch"}),
    ("rnn", {"hidden": 4, "bidirectional": False, "norm": "batch"}),
    ("rnn", {"hidden": 4, "layers": 2, "nonlinearity": "relu", "norm": "layer"}),
]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(1)


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
def test_what_stands_under_padding_teaches_nothing(name, options):
    made = encoder(name, options).train()
    vectors, mask = masked()
    found = []
    for scale in (1, 100):
        noisy = torch.where(mask[:, :, None], vectors, torch.randn_like(vectors) * scale).requires_grad_()
        made.zero_grad()
        (made(noisy, mask)[0] * mask[:, :, None]).square().sum().backward()
        found.append([noisy.grad[mask], *(parameter.grad for parameter in made.parameters())])
        assert not noisy.grad[~mask].any()
    torch.testing.assert_close(*found)


@pytest.mark.parametrize(("name", "options"), ENCODERS)
def test_causal_means_blind_to_what_comes(name, options):
    made = encoder(name, options)
    vectors, mask = torch.randn(1, 5, 6), torch.ones(1, 5, dtype=torch.bool)
    changed = vectors.clone()
    changed[0, 4] += 1
    with torch.no_grad():
        same = torch.equal(made(vectors, mask)[0][0, :4], made(changed, mask)[0][0, :4])
    assert same == made.causal


@pytest.mark.parametrize(("name", "options"), ENCODERS)
def test_an_encoder_is_rebuilt_from_its_config(name, options):
    first = encoder(name, options)
    again = encoder(name, first.config)
    again.load_state_dict(first.state_dict())
    assert again.config == first.config
    assert torch.equal(again(*(batch := masked()))[0], first(*batch)[0])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"widths": []}, r"widths must be a list of at least one width, was: \[\]"),
        ({"widths": 3}, "widths wants a list of numbers, found 3"),
        ({"widths": [2, 0]}, "widths must be at least 1, was: 0"),
        ({"widths": ["2"]}, r"widths wants a list of numbers, found \['2'\]"),
        ({"filters": 0}, "filters must be at least 1, was: 0"),
        ({"dropout": 1.5}, r"dropout must be in \[0, 1\), was: 1.5"),
    ],
)
def test_convolutions_out_of_range_are_refused(options, sentence):
    with pytest.raises(SettingError, match=f"the encoder 'cnn'( refuses its options)?: {sentence}"):
        encoder("cnn", options)


@pytest.mark.parametrize("width", [1, 2, 3, 8])
def test_a_convolution_looks_as_far_to_either_side_as_its_width_says(width):
    made = encoder("cnn", {"widths": [width], "filters": 2})
    vectors, mask = torch.randn(1, 20, 6), torch.ones(1, 20, dtype=torch.bool)
    changed = vectors.clone()
    changed[0, 10] += 1
    with torch.no_grad():
        made.convolutions[0].bias.fill_(100)  # no state is cut off by the ReLU
        differs = (made(vectors, mask)[0] != made(changed, mask)[0]).any(2)[0]
    assert differs.nonzero()[:, 0].tolist() == list(range(10 - width // 2, 10 + (width - 1) // 2 + 1))
