import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nlpkit.builtin.ppmi import ppmi_vectors  # noqa: E402

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
