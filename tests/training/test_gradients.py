"""Gradients are forgotten, measured and shortened bit for bit as torch does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch.nn import utils  # noqa: E402

from nlpkit.training.gradients import Gradients  # noqa: E402

pytestmark = pytest.mark.train


def parameters(sizes, scale, dtype):
    """Parameters with gradients; the last one has none."""
    torch.manual_seed(sum(sizes))
    made = [torch.nn.Parameter(torch.zeros(size, dtype=dtype)) for size in [*sizes, 1]]
    for parameter in made[:-1]:
        parameter.grad = torch.randn_like(parameter) * scale
    return made


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=5),
    st.floats(1e-4, 1e4),
    st.sampled_from([1.0, 0.25, 0.1, 3.3, 1e-3]),
)
def test_norms_and_what_is_clipped_are_those_of_torch(dtype, sizes, scale, longest):
    ours, theirs = (parameters(sizes, scale, dtype) for _ in range(2))
    gradients = Gradients(ours)
    norm = gradients.norm()
    expected = utils.get_total_norm([p.grad for p in theirs if p.grad is not None])
    assert norm.item() == expected.item()
    gradients.clip(norm.item(), longest)
    utils.clip_grads_with_norm_(theirs, longest, torch.tensor(expected.item()))
    for own, other in zip(ours[:-1], theirs[:-1], strict=True):
        assert torch.equal(own.grad, other.grad)
    gradients.forget()
    assert [p.grad for p in ours] == [None] * len(ours)
    assert gradients.norm().item() == 0
