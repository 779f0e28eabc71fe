"""How weights are stored in a graph, and that what runs it says the same as torch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from nlpkit.errors import NlpkitError  # noqa: E402
from nlpkit.model.graphs import Graph  # noqa: E402
from nlpkit.training.export import check_agreement, export_graph  # noqa: E402
from nlpkit.training.graph_weights import find_blocks  # noqa: E402

pytestmark = pytest.mark.train
FREE = {"numbers": (0, 1)}


def blocks(draw, rows, columns):
    """A matrix in blocks of 4 bits, its scales as float16 holds them."""
    whole = draw.integers(-8, 8, (rows, columns // 32, 32))
    whole[..., 5] = -8
    scales = draw.normal(0, 0.1, (rows, columns // 32, 1)).astype(np.float16).astype(np.float32)
    return (whole * scales).astype(np.float32).reshape(rows, columns)


class Pair(torch.nn.Module):
    """A matrix in blocks, one that is none, and the first once more."""

    def __init__(self):
        super().__init__()
        draw = np.random.default_rng(0)
        torch.manual_seed(0)
        self.stored, self.learnt = torch.nn.Linear(64, 96), torch.nn.Linear(96, 64)
        self.stored.weight.data = torch.from_numpy(blocks(draw, 96, 64))

    def forward(self, numbers):
        return self.stored(self.learnt(self.stored(numbers)))


@pytest.fixture(scope="module")
def exported():
    module = Pair().eval()

    def export(weights, arithmetic="float32"):
        example = {"numbers": torch.ones(2, 3, 64)}
        return export_graph(module, example, ["out"], weights, FREE, arithmetic)[1]["model.onnx"]

    files = {weights: export(weights) for weights in ("float32", "int8", "int4")}
    return module, files | {f"{weights}, int8": export(weights, "int8") for weights in ("float32", "int8", "int4")}


@pytest.mark.slow
def test_a_graph_with_no_large_matrix_can_be_told_to_multiply_by_int8():
    module, numbers = torch.nn.Linear(4, 3).eval(), torch.ones(2, 3, 4)
    samples = [{"numbers": numbers.numpy()}]
    runtime, files = export_graph(module, {"numbers": numbers}, ["out"], "int8", FREE, "int8", samples)
    assert runtime == "graph"
    found = Graph(files["model.onnx"], "m").run("out", numbers=numbers.numpy())
    np.testing.assert_allclose(found, module(numbers).detach().numpy(), atol=1e-6)


@pytest.mark.slow
@pytest.mark.long
def test_what_is_in_blocks_stays_so_and_the_rest_is_rounded_to_bytes(exported):
    graph = onnx.load_from_string(exported[1]["int4"]).graph
    kinds = {np.prod(each.dims): each.data_type for each in graph.initializer if np.prod(each.dims) > 1024}
    assert kinds == {96 * 64 // 2: onnx.TensorProto.UINT8, 96 * 64: onnx.TensorProto.INT8}
    assert [node.op_type for node in graph.node if "MatMul" in node.op_type] == ["MatMulNBits", "MatMul", "MatMulNBits"]
    assert len(exported[1]["int4"]) < len(exported[1]["int8"]) < len(exported[1]["float32"])


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    ("weights", "off"),
    [("float32", 1e-5), ("int8", 0.02), ("int4", 0.02)] + [(f"{w}, int8", 0.04) for w in ("float32", "int8", "int4")],
)
def test_a_graph_says_what_torch_says_however_it_is_stored(exported, weights, off):
    module, files = exported
    numbers = torch.randn(4, 5, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = module(numbers).numpy()
    found = Graph(files[weights], "m").run("out", numbers=numbers.numpy())
    np.testing.assert_allclose(found, expected, atol=off * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.long
def test_products_of_int8_are_one_operator_and_hang_on_their_own_token_alone(exported, tmp_path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "made.onnx"), 4
    onnxruntime.InferenceSession(exported[1]["int4, int8"], options)
    made = [node.op_type for node in onnx.load(tmp_path / "made.onnx").graph.node]
    assert made.count("MatMulIntegerToFloat") == 3
    assert not {"MatMul", "Div", "Round"} & set(made)
    graph = Graph(exported[1]["int4, int8"], "m")
    numbers = np.random.default_rng(0).normal(size=(3, 4, 64)).astype(np.float32)
    numbers[1] *= 1000
    numbers[2] = 0
    together = graph.run("out", numbers=numbers)
    for row in range(3):
        np.testing.assert_array_equal(graph.run("out", numbers=numbers[row : row + 1, :2])[0], together[row, :2])


@pytest.mark.parametrize(
    ("difference", "settings", "remedy"),
    [
        (0.001, ("float32",), "not saved$"),
        (0.06, ("int8",), r"more than 0\.05: not saved, train with --set weights=float32"),
        (0.06, ("int4",), "train with --set weights=float32"),
        (0.3, ("int4", "int8"), r"more than 0\.25: not saved, train with --set arithmetic=float32"),
    ],
)
def test_what_differs_by_more_than_rounding_explains_is_not_saved(difference, settings, remedy):
    check_agreement("m", difference / 10, *settings)
    with pytest.raises(NlpkitError, match=f"the export of m differs from torch by {difference} .*{remedy}"):
        check_agreement("m", difference, *settings)


@pytest.mark.slow
@pytest.mark.long
def test_blocks_alone_lose_nothing():
    stored = Pair().stored.eval()
    _, files = export_graph(stored, {"numbers": torch.ones(2, 3, 64)}, ["out"], "int4", FREE)
    assert b"MatMulNBits" in files["model.onnx"]
    numbers = torch.randn(2, 3, 64, generator=torch.Generator().manual_seed(2))
    found = Graph(files["model.onnx"], "m").run("out", numbers=numbers.numpy())
    np.testing.assert_allclose(found, stored(numbers).detach().numpy(), atol=1e-5)


@given(seed=st.integers(0, 1 << 30), columns=st.sampled_from([32, 64, 96]))
def test_blocks_are_found_again_and_are_the_matrix(seed, columns):
    matrix = blocks(np.random.default_rng(seed), 5, columns)
    codes, scales = find_blocks(matrix)
    whole = np.stack([codes & 15, codes >> 4], -1).reshape(5, -1, 32).astype(np.float32) - 8
    assert (scales.dtype, codes.shape) == (np.float16, (5, columns // 32, 16))
    assert np.array_equal((whole * scales[..., None].astype(np.float32)).reshape(matrix.shape), matrix)


@pytest.mark.parametrize(
    "change",
    [
        lambda matrix: matrix + np.float32(1e-4),
        lambda matrix: matrix * np.float32(1.0001),  # scales that float16 does not hold
        lambda matrix: matrix[:, :48],
        lambda matrix: matrix.astype(np.float64),
        lambda matrix: np.random.default_rng(1).normal(size=matrix.shape).astype(np.float32),
    ],
)
def test_what_is_not_in_blocks_is_not_taken_for_it(change):
    matrix = blocks(np.random.default_rng(0), 4, 64)
    assert find_blocks(matrix) is not None
    assert find_blocks(change(matrix)) is None
