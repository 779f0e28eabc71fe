from typing import get_args, get_type_hints

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from nlpkit.errors import SettingError  # noqa: E402
from nlpkit.model.head_settings import POOLINGS, HeadSettings  # noqa: E402
from nlpkit.model.network import Head  # noqa: E402

pytestmark = pytest.mark.train
LENGTHS = [4, 1, 0, 6]
NORMS = get_args(get_type_hints(HeadSettings)["norm"])


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(1)


def states():
    mask = torch.arange(6)[None, :] < torch.tensor(LENGTHS)[:, None]
    return torch.randn(len(LENGTHS), 6, 3), mask


def head(pooling="max", labels=2, **options):
    return Head(HeadSettings(pooling=pooling, **options), input_dim=3, labels=labels).eval()


def expected(made, pooling, row):
    """What a pooling makes of the vectors ``(length, dim)`` of one row."""
    if not len(row):
        return torch.zeros(3)
    match pooling:
        case "last":
            return row[-1]
        case "max":
            return row.max(0).values
        case "mean":
            return row.mean(0)
        case "sum":
            return row.sum(0)
        case "sqrtn":
            return row.sum(0) / len(row) ** 0.5
        case "attention":
            return torch.softmax(made.attention(torch.tanh(row)), 0).T[0] @ row
    raise AssertionError(pooling)


@pytest.mark.parametrize("pooling", [*POOLINGS, "max+attention", "last+mean+sum"])
def test_each_pooling_is_what_it_says_of_each_row(pooling):
    made = head(pooling)
    vectors, mask = states()
    with torch.no_grad():
        found = made.pool(torch.where(mask[:, :, None], vectors, torch.full_like(vectors, 99.0)), mask)
        rows = [vectors[i, :length] for i, length in enumerate(LENGTHS)]
        wanted = torch.stack([torch.cat([expected(made, p, row) for p in pooling.split("+")]) for row in rows])
    torch.testing.assert_close(found, wanted)


def test_of_two_directions_the_last_is_the_end_of_each():
    made = Head(HeadSettings(pooling="last+mean"), input_dim=4, labels=2, directions=2).eval()
    mask = torch.tensor([[True, True, True], [True, False, False], [False, False, False]])
    vectors = torch.arange(36.0).view(3, 3, 4)
    found = made.pool(vectors, mask)[:, :4]
    assert found.tolist() == [[8, 9, 2, 3], [12, 13, 14, 15], [0, 0, 0, 0]]


def test_a_model_without_the_key_takes_both_halves_at_the_last_token():
    """So it was trained, before heads knew of directions; one that records them is made again as it was."""
    settings = HeadSettings(pooling="last")
    made = Head(settings, input_dim=4, labels=2, directions=2)
    config = made.config
    assert config["directions"] == 2
    assert "directions" not in Head(settings, input_dim=4, labels=2).config
    assert "directions" not in Head(HeadSettings(pooling="max"), input_dim=4, labels=2, directions=2).config
    vectors, mask = torch.arange(12.0).view(1, 3, 4), torch.ones(1, 3, dtype=torch.bool)
    again = Head.again(config, input_dim=4, labels=2)
    assert again.config == config
    assert again.pool(vectors, mask).tolist() == made.pool(vectors, mask).tolist() == [[8, 9, 2, 3]]
    old = Head.again({k: v for k, v in config.items() if k != "directions"}, input_dim=4, labels=2)
    assert old.pool(vectors, mask).tolist() == [[8, 9, 10, 11]]


@pytest.mark.parametrize("directions", [0, 3, "2", None])
def test_directions_that_no_head_records_are_refused(directions):
    config = Head(HeadSettings(pooling="last"), input_dim=6, labels=2).config
    with pytest.raises(ValueError, match="no directions"):
        Head.again({**config, "directions": directions}, input_dim=6, labels=2)
    with pytest.raises(ValueError, match="no directions"):
        Head.again({**config, "directions": 2}, input_dim=5, labels=2)


@pytest.mark.parametrize("options", [{}, {"hidden": 5}, {"hidden": 5, "dropout": 0.5, "norm": "batch"}])
@pytest.mark.parametrize("labels", [2, 5])
def test_logits_for_each_label(options, labels):
    vectors, mask = states()
    assert head(labels=labels, **options)(vectors, mask).shape == (4, labels)


@pytest.mark.parametrize("norm", NORMS)
def test_hidden_units_are_normalised_as_torch_does_before_the_relu(norm):
    made = head(hidden=5, norm=norm)
    pooled = torch.randn(8, 3) + 2
    hidden = made.layers[1](pooled)
    kind = {"none": nn.Identity(), "layer": nn.LayerNorm(5), "batch": nn.BatchNorm1d(5)}[norm]
    for mode in (True, True, False):  # what batch norm remembers of two batches, it uses outside training
        expected = made.layers[-1](kind.train(mode)(hidden).relu())
        torch.testing.assert_close(made.layers.train(mode)(pooled), expected)


@pytest.mark.parametrize("norm", NORMS)
def test_a_batch_of_one_row_is_normalised_as_outside_training(norm):
    made = head(hidden=5, norm=norm)
    made.train()(*states())  # which batch norm remembers
    vectors, mask = states()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    found = made(vectors[:1], mask[:1])
    found.sum().backward()
    assert all(p.grad is not None for p in made.parameters())
    torch.testing.assert_close(dict(made.state_dict()), before)
    torch.testing.assert_close(found, made.eval()(vectors[:1], mask[:1]))


def test_weights_that_were_saved_before_there_were_norms_still_load():
    """Theirs are the names and settings that bundles of every version hold."""
    names = ["layers.1.weight", "layers.1.bias", "layers.4.weight", "layers.4.bias"]
    saved = dict(zip(names, (torch.randn(5, 3), torch.randn(5), torch.randn(2, 5), torch.randn(2)), strict=True))
    settings = {"pooling": "sum", "hidden": 5, "dropout": 0.1, "projection": True}
    made = Head(HeadSettings(**settings), input_dim=3, labels=2).eval()
    made.load_state_dict(saved)
    vectors, mask = states()
    hidden = torch.relu(made.pool(vectors, mask) @ saved["layers.1.weight"].T + saved["layers.1.bias"])
    expected = hidden @ saved["layers.4.weight"].T + saved["layers.4.bias"]
    torch.testing.assert_close(made(vectors, mask), expected)


def test_without_a_projection_states_are_logits():
    made = head("sum", labels=3, projection=False)
    vectors, mask = states()
    torch.testing.assert_close(made(vectors, mask), made.pool(vectors, mask))
    with pytest.raises(SettingError, match="projection=false"):
        head("sum", labels=2, projection=False)
