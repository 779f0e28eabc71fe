import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nlpkit.components import ppmi  # noqa: E402
from nlpkit.components.ppmi import ppmi_vectors  # noqa: E402

pytestmark = pytest.mark.train


def ids(*rows):
    return [np.array(row, dtype=np.int32) for row in rows]


def test_tokens_with_the_same_neighbours_are_alike():
    documents = ids(*[[2, 3, 4], [2, 5, 4], [6, 7, 8], [6, 9, 8]] * 30)  # 3 and 5 stand alike, and so do 7 and 9
    torch.manual_seed(0)
    found = torch.nn.functional.normalize(ppmi_vectors(documents, 10, 4), dim=1)
    assert found[3] @ found[5] > 0.9 > 0.5 > abs(found[3] @ found[7])


@pytest.mark.parametrize(("size", "dim"), [(10, 4), (5, 20), (2000, 64)])
def test_every_id_has_a_vector_of_the_size_asked_for(size, dim):
    torch.manual_seed(0)
    found = ppmi_vectors(ids([2, 3, 4, 2], [3, 4]), size, dim)
    assert found.shape == (size, dim)
    assert found.isfinite().all()
    assert found[[0, 1]].abs().max() < 0.01 * found.abs().max()


@pytest.mark.parametrize("documents", [ids([2], [3]), ids([], [2]), ids([])])
def test_tokens_without_neighbours_are_no_error(documents):
    torch.manual_seed(0)
    assert ppmi_vectors(documents, 5, 3).isfinite().all()


def counted(documents, size):
    """The weighted counts of pairs ``(size, size)``, one after another."""
    found = np.zeros((size, size))
    for document in documents:
        for at, left in enumerate(document):
            for distance, right in enumerate(document[at + 1 : at + 1 + ppmi.WINDOW], start=1):
                found[left, right] += 1 / distance
                found[right, left] += 1 / distance
    return found


def drawn(number=300, size=12):
    random = np.random.default_rng(0)
    return [random.integers(2, size, random.integers(0, 15)).astype(np.int32) for _ in range(number)]


def test_neighbours_count_by_one_over_their_distance():
    rows, columns, counts = ppmi._count_neighbours(drawn(), 12)
    found = np.zeros((12, 12))
    found[rows, columns] = counts
    np.testing.assert_allclose(found, counted(drawn(), 12))
    assert (np.diff(rows * 12 + columns) > 0).all()


def test_the_size_of_a_block_changes_no_bit(monkeypatch):
    whole = ppmi._count_neighbours(drawn(), 12)
    for block in (1, 7, 100):
        monkeypatch.setattr(ppmi, "BLOCK", block)
        for found, expected in zip(ppmi._count_neighbours(drawn(), 12), whole, strict=True):
            np.testing.assert_array_equal(found, expected)
