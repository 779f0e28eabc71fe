import contextlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from nlpkit.errors import NlpkitError  # noqa: E402
from nlpkit.training.checkpoint import Checkpoint, State, replace_file  # noqa: E402

pytestmark = pytest.mark.train
TENSORS = {"module.a": torch.arange(6.0).reshape(2, 3), "module.b": torch.tensor(3), "best.a": torch.ones(2, 3)}
VALUES = {"epoch": 3, "best": float("inf"), "right": None, "history": [{"train_loss": 0.5}], "名": "好"}


@contextlib.contextmanager
def files_no_larger_than(size):
    """A disk that takes no more than so many bytes a file."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "state.safetensors"


def test_a_state_comes_back_as_it_was(path):
    Checkpoint(path).save(State(TENSORS, VALUES))
    found = Checkpoint(path).load()
    assert found.values == VALUES
    assert found.tensors.keys() == TENSORS.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in TENSORS.items())
    assert found.select("module.").keys() == {"a", "b"}


def test_tensors_that_share_memory_or_lie_across_it_are_saved(path):
    whole = torch.arange(12.0).reshape(3, 4)
    Checkpoint(path).save(State({"one": whole, "same": whole, "turned": whole.T, "part": whole[1:, ::2]}, {}))
    found = Checkpoint(path).load().tensors
    assert torch.equal(found["turned"], whole.T)
    assert torch.equal(found["part"], whole[1:, ::2])


def test_what_was_loaded_does_not_change_with_the_file(path):
    checkpoint = Checkpoint(path)
    checkpoint.save(State(TENSORS, VALUES))
    found = checkpoint.load()
    checkpoint.save(State({"module.a": torch.zeros(2, 3)}, {}))
    assert torch.equal(found.tensors["module.a"], TENSORS["module.a"])


def test_there_may_be_nothing():
    checkpoint = Checkpoint()
    checkpoint.save(State(TENSORS, VALUES))
    assert checkpoint.load() is None
    assert not checkpoint.is_due()


def test_a_file_that_is_not_there_is_no_state(path):
    assert Checkpoint(path).load() is None


def test_saves_are_due_after_every_step_or_hardly_ever(path):
    often, seldom = Checkpoint(path, every=0), Checkpoint(path, every=1e9)
    for _ in range(2):
        assert often.is_due()
        assert not seldom.is_due()
        often.save(State(TENSORS, VALUES))
        seldom.save(State(TENSORS, VALUES))


def test_a_folder_holds_nothing_but_the_state(path):
    for _ in range(2):
        Checkpoint(path).save(State(TENSORS, VALUES))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def check_one_sentence(path):
    """A damaged file is told in one sentence that names it; what is read nonetheless is a whole state."""
    found, sentence = None, f"{path} --force"
    try:
        found = Checkpoint(path).load()
    except NlpkitError as error:
        sentence = str(error)
    assert str(path) in sentence
    assert "--force" in sentence
    assert "\n" not in sentence
    return found


@given(st.floats(0, 0.999))
def test_a_truncated_state_is_one_sentence(tmp_path_factory, share):
    path = tmp_path_factory.mktemp("state") / "state.safetensors"
    Checkpoint(path).save(State(TENSORS, VALUES))
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert check_one_sentence(path) is None


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_state_is_one_sentence_or_still_a_state(tmp_path_factory, place, change):
    path = tmp_path_factory.mktemp("state") / "state.safetensors"
    Checkpoint(path).save(State(TENSORS, VALUES))
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= change
    path.write_bytes(data)
    found = check_one_sentence(path)
    assert found is None or isinstance(found.values, dict)


@pytest.mark.parametrize("data", [b"", b"junk", b"\0" * 100, b"{}" * 50])
def test_what_is_no_state_is_one_sentence(path, data):
    path.parent.mkdir()
    path.write_bytes(data)
    assert check_one_sentence(path) is None


def test_a_folder_in_its_place_is_one_sentence(path):
    path.mkdir(parents=True)
    assert check_one_sentence(path) is None


def test_a_full_disk_leaves_the_state_before(path):
    checkpoint = Checkpoint(path)
    checkpoint.save(State(TENSORS, VALUES))
    larger = State({"module.a": torch.zeros(5000)}, {"epoch": 4})
    with files_no_larger_than(4096), pytest.raises(NlpkitError, match=r"cannot be written: .*--resume") as caught:
        checkpoint.save(larger)
    assert "\n" not in str(caught.value)
    assert checkpoint.load().values == VALUES
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    checkpoint.save(larger)
    assert checkpoint.load().values == {"epoch": 4}


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a" / "file"
    replace_file(path, b"old")
    with files_no_larger_than(100), pytest.raises(OSError):
        replace_file(path, b"new" * 100)
    assert path.read_bytes() == b"old"
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="a folder that refuses is made by its mode")
def test_a_place_that_is_a_file_refuses(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NlpkitError, match="cannot be written"):
        Checkpoint(tmp_path / "file" / "state").save(State(TENSORS, VALUES))
