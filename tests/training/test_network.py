import pytest

torch = pytest.importorskip("torch")

from nlpkit.errors import SettingError  # noqa: E402
from nlpkit.training.network import Head  # noqa: E402
from nlpkit.training.settings import POOLINGS, HeadSettings  # noqa: E402

pytestmark = pytest.mark.train
LENGTHS = [4, 1, 0, 6]


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


@pytest.mark.parametrize("options", [{}, {"hidden": 5}, {"hidden": 5, "dropout": 0.5}])
@pytest.mark.parametrize("labels", [2, 5])
def test_logits_for_each_label(options, labels):
    vectors, mask = states()
    assert head(labels=labels, **options)(vectors, mask).shape == (4, labels)


def test_without_a_projection_states_are_logits():
    made = head("sum", labels=3, projection=False)
    vectors, mask = states()
    torch.testing.assert_close(made(vectors, mask), made.pool(vectors, mask))
    with pytest.raises(SettingError, match="projection=false"):
        head("sum", labels=2, projection=False)
