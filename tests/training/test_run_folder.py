import json
import os
from pathlib import Path

import pytest

pytest.importorskip("torch")

from nlpkit.errors import BundleError, DataError, NlpkitError, SettingError
from nlpkit.training.run_folder import finish_run, open_run, read_request, run_folder_of

pytestmark = pytest.mark.train
REQUEST = {
    "task": "sentiment",
    "settings": {"seed": 0, "members": [{"name": "a", "encoder": {"hidden": 64}}]},
    "origin": ["好.csv", "\udcff"],
}


STATE = "a.safetensors"


def enter(model, request=REQUEST, *, resume=False, force=False, finish=False):
    """Open a run, leave a file in it, and leave."""
    with open_run(model, request, resume=resume, force=force) as run:
        before = {path.name for path in run.iterdir()}
        (run / STATE).write_bytes(b"1")
        if finish:
            finish_run(run)
    return before


@pytest.fixture
def model(tmp_path):
    return tmp_path / "deep" / "m"


def test_a_run_that_broke_off_stays_and_is_resumed(model):
    enter(model)
    assert read_request(model).items() >= REQUEST.items()
    assert run_folder_of(model) == model.parent / "m.training"
    assert STATE in enter(model, resume=True)


def test_a_run_that_has_ended_leaves_nothing(model):
    enter(model, finish=True)
    assert list(model.parent.iterdir()) == []
    with pytest.raises(BundleError, match="no unfinished run"):
        read_request(model)


def test_a_finished_run_says_so(model):
    enter(model, finish=True)
    model.mkdir()
    (model / "config.json").write_text("{}")
    with pytest.raises(BundleError, match=r"m is finished, its model saved: begin anew by --force"):
        read_request(model)


def test_an_unfinished_run_is_in_the_way_unless_forced_away(model):
    enter(model)
    with pytest.raises(BundleError, match=r"unfinished run: go on by --resume, or begin anew by --force"):
        enter(model)
    assert STATE not in enter(model, {"task": "sentiment", "settings": {}}, force=True)
    assert read_request(model)["settings"] == {}


def test_an_unfinished_run_of_an_older_version_is_refused_and_may_be_forced_away(model):
    enter(model)
    request = run_folder_of(model) / "run.json"
    request.write_text(json.dumps({name: value for name, value in REQUEST.items() if name != "task"}))
    before = {path.name: path.read_bytes() for path in request.parent.iterdir()}
    for resume in (True, False):
        with pytest.raises(BundleError) as caught:
            enter(model, resume=resume)
        found = f"{request.parent} holds an unfinished run of an older nlpkit: begin anew by --force"
        assert str(caught.value) == found
    assert {path.name: path.read_bytes() for path in request.parent.iterdir()} == before
    assert STATE not in enter(model, force=True, finish=True)


def test_a_run_that_has_learnt_nothing_is_begun_anew_without_more_words(model):
    with open_run(model, REQUEST, resume=False, force=False) as run:
        (run / "corpus").mkdir()
    with open_run(model, REQUEST, resume=True, force=False) as run:
        assert (run / "corpus").exists()
    with open_run(model, {"settings": {}}, resume=False, force=False) as run:
        assert not (run / "corpus").exists()


FULL = OSError(28, "No space left on device")
FAULTS = [  # and whether a run stays that has learnt something, or has but read its corpus, or neither
    (RuntimeError("broken"), {"learnt": True, "corpus": True, "nothing": False}),
    (FULL, {"learnt": True, "corpus": True, "nothing": False}),
    (DataError("no row"), {"learnt": True, "corpus": False, "nothing": False}),
    (SettingError("too high a rate"), {"learnt": False, "corpus": False, "nothing": False}),
]


@pytest.mark.parametrize("there", ["learnt", "corpus", "nothing"])
@pytest.mark.parametrize(("fault", "kept"), FAULTS, ids=lambda value: type(value).__name__)
def test_a_fault_leaves_what_can_be_gone_on_with(model, fault, kept, there):
    def break_off():
        with open_run(model, REQUEST, resume=False, force=False) as run:
            if there == "learnt":
                (run / STATE).write_bytes(b"1")  # no corpus, as where a run has none
            elif there == "corpus":
                (run / "corpus").mkdir()
            raise fault

    with pytest.raises(NlpkitError if fault is FULL else type(fault)) as caught:
        break_off()
    if fault is FULL:
        assert str(caught.value).endswith("mend that, and " + ("go on by --resume" if kept[there] else "begin again"))
    if kept[there]:
        assert enter(model, resume=True) & {STATE, "corpus"}
    else:
        assert list(model.parent.iterdir()) == []


def test_there_may_be_nothing_to_resume(model):
    with pytest.raises(BundleError, match="begin one without --resume"):
        enter(model, resume=True)
    assert list(model.parent.iterdir()) == []


def test_what_differs_is_named(model):
    enter(model)
    other = {"settings": {"seed": 1, "members": [{"name": "a", "encoder": {"hidden": 32, "norm": "好"}}]}, "origin": []}
    with pytest.raises(SettingError) as caught:
        enter(model, other, resume=True)
    for expected in (
        "settings.seed was 0, is 1",
        "settings.members.a.encoder.hidden was 64, is 32",
        'settings.members.a.encoder.norm was not there, is "好"',
        "origin was [",
    ):
        assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    assert STATE in enter(model, resume=True)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[]", b"null", b"{}"])
def test_a_damaged_request_is_one_sentence(model, data):
    enter(model)
    (run_folder_of(model) / "run.json").write_bytes(data)
    with pytest.raises((BundleError, SettingError)) as caught:
        enter(model, resume=True)
    assert "\n" not in str(caught.value)
    enter(model, force=True, finish=True)


def _hold(model, entered, leave):
    with open_run(model, REQUEST, resume=False, force=False):
        entered.set()
        leave.wait(60)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="processes are forked")
def test_one_process_at_a_time(model):
    from tests.training.processes import context

    entered, leave = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(model, entered, leave))
    holder.start()
    assert entered.wait(60)
    for options in ({}, {"force": True}, {"resume": True}):
        with pytest.raises(BundleError, match="another run is training"):
            enter(model, **options)
    holder.kill()
    holder.join()
    enter(model, resume=True, finish=True)  # who was killed holds nothing


def test_a_place_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BundleError, match="cannot be written"):
        enter(tmp_path / "file" / "m")


@pytest.mark.skipif(os.name == "nt", reason="names are not bytes there")
def test_a_model_whose_name_is_no_utf8(tmp_path):
    model = tmp_path / os.fsdecode(b"m\xff")
    enter(model)
    assert STATE in enter(model, resume=True, finish=True)


def test_the_root_of_a_disk_is_no_folder_of_a_model():
    with pytest.raises(BundleError, match="is no folder of its own: name one inside it"):
        run_folder_of(Path(Path.cwd().anchor))
