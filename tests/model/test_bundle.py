import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.errors import BundleError, MissingPlugin
from nlpkit.files import new_folder
from nlpkit.model import stored_files
from nlpkit.model.bundle import Bundle, add_checksums, check_writable, describe_model, find, save
from nlpkit.model.opening import load
from nlpkit.tasks.sentiment.model import SentimentModel
from tests.tiny import component, model_files, sample, stage, table_member

OLD = model_files(table_member(words={"好": 1.0, "坏": -1.0}), origin="old")
NEW = model_files(table_member(words={"好": 2.0, "坏": -2.0, "的": 0.0}), origin="new")


def contents(folder: Path) -> dict[str, bytes]:
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


@given(
    st.dictionaries(
        st.lists(st.text("abc.-", min_size=1, max_size=6), min_size=1, max_size=3).map(
            lambda parts: "m/" + "_/".join(parts) + "x"
        ),
        st.binary(max_size=50),
        max_size=5,
    )
)
def test_what_is_saved_is_what_is_opened(tmp_path_factory, extra):
    folder = tmp_path_factory.mktemp("bundle") / "model"
    files = {k: v for k, v in extra.items() if not any(o != k and o.startswith(k + "/") for o in extra)} | OLD
    save(folder, files)
    bundle = Bundle.open(folder)
    assert {path: bundle.read(path) for path in bundle.files} == files
    assert [f.name for f in folder.parent.iterdir()] == ["model"]


def test_files_under_a_folder_come_by_their_own_names(tmp_path):
    save(tmp_path / "m", OLD | {"a/tokenizer/words.txt": b"1", "a/tokenizer/deep/x": b"2", "ab/tokenizer/no": b"3"})
    assert Bundle.open(tmp_path / "m").read_folder("a/tokenizer") == {"words.txt": b"1", "deep/x": b"2"}


def test_an_existing_model_is_replaced_only_by_force(tmp_path):
    folder = tmp_path / "model"
    save(folder, OLD | {"left/over": b"1"})
    with pytest.raises(BundleError, match=r"holds a model already.*--force"):
        save(folder, NEW)
    assert contents(folder) == OLD | {"left/over": b"1"}
    with pytest.raises(BundleError, match=r"holds more than a model, which would be lost \(left\)"):
        save(folder, NEW, force=True)
    (folder / "left" / "over").unlink()
    (folder / "left").rmdir()
    save(folder, NEW, force=True)
    assert contents(folder) == NEW
    assert [f.name for f in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_of_other_things_is_never_touched(tmp_path, force):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(BundleError, match="holds files but no model"):
        save(folder, NEW, force=force)
    assert contents(folder) == {"cat.jpg": b"cat"}


@pytest.mark.parametrize("force", [False, True])
def test_a_file_is_never_replaced_by_a_model(tmp_path, force):
    (tmp_path / "notes").write_bytes(b"mine")
    with pytest.raises(BundleError, match="is a file"):
        check_writable(tmp_path / "notes", force=force)
    with pytest.raises(BundleError, match="is a file"):
        save(tmp_path / "notes", NEW, force=force)
    assert (tmp_path / "notes").read_bytes() == b"mine"


def test_an_empty_folder_and_missing_parents_will_do(tmp_path):
    (tmp_path / "empty").mkdir()
    save(tmp_path / "empty", NEW)
    save(tmp_path / "a" / "b" / "c", NEW)
    assert contents(tmp_path / "empty") == contents(tmp_path / "a" / "b" / "c") == NEW


class FullDisk:
    """Lets some calls through, then answers as a full disk does."""

    def __init__(self, real, calls):
        self.real, self.left = real, calls

    def __get__(self, instance, owner):
        return lambda *arguments: self(instance, *arguments)

    def __call__(self, *arguments):
        if self.left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.left -= 1
        return self.real(*arguments)


@pytest.mark.parametrize("calls", range(len(NEW)))
def test_a_disk_that_fills_while_writing_leaves_the_old_model(tmp_path, monkeypatch, calls):
    folder = tmp_path / "model"
    save(folder, OLD)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", FullDisk(os.fsync, calls))
        with pytest.raises(BundleError, match=r"model could not be saved: No space left"):
            save(folder, NEW, force=True)
    assert contents(folder) == OLD
    assert [f.name for f in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("calls", [0, 1])
def test_a_disk_that_fails_while_moving_leaves_the_old_model(tmp_path, monkeypatch, calls):
    folder = tmp_path / "model"
    save(folder, OLD)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", FullDisk(Path.rename, calls))
        with pytest.raises(BundleError, match=r"could not be moved in: No space left.*; the model is in ") as caught:
            save(folder, NEW, force=True)
    assert contents(Path(str(caught.value).rpartition("the model is in ")[2])) == NEW
    found = Bundle.open(folder)
    assert {path: found.read(path) for path in found.files} == OLD
    save(folder, NEW, force=True)
    assert contents(folder) == NEW


DYING = """
import os, pickle, shutil, sys
from pathlib import Path
from nlpkit.model import bundle

steps = int(sys.argv[2])
def dying(real):
    def call(*arguments, **options):
        global steps
        if steps == 0:
            os._exit(9)
        steps -= 1
        return real(*arguments, **options)
    return call
os.fsync, Path.rename, shutil.rmtree = dying(os.fsync), dying(Path.rename), dying(shutil.rmtree)
bundle.save(Path(sys.argv[1]), {path: Path(sys.argv[3], path).read_bytes() for path in %r}, force=True)
"""


@pytest.mark.slow
def test_a_death_before_any_step_of_saving_leaves_one_whole_model(tmp_path):
    save(tmp_path / "new", NEW)
    seen = []
    for steps in range(20):
        folder = tmp_path / str(steps) / "model"
        save(folder, OLD)
        arguments = [str(folder), str(steps), str(tmp_path / "new")]
        done = subprocess.run([sys.executable, "-c", DYING % list(NEW), *arguments], check=False)
        found = Bundle.open(folder)
        origin = found.config["origin"]
        assert {path: found.read(path) for path in found.files} == (OLD if origin == "old" else NEW)
        seen.append(origin)
        if done.returncode == 0:
            break
    assert seen == sorted(seen, reverse=True)
    assert {"old", "new"} == set(seen)
    assert done.returncode == 0


def test_what_is_there_is_described_before_it_is_replaced(tmp_path):
    folder = tmp_path / "m"
    assert describe_model(folder) is None
    save(folder, OLD)
    os.utime(folder / "config.json", (0, 1_700_000_000))
    size = sum(map(len, OLD.values()))
    described = describe_model(folder)
    assert described.startswith(f"a model for sentiment (negative, positive), {size:,} bytes of 2023-11-1")
    for damage in (b"", b"[]", b"{}", b'{"task": 1, "labels": 7}'):
        (folder / "config.json").write_bytes(damage)
        assert re.match("a (damaged )?model", describe_model(folder))


def test_after_a_death_between_the_moves_the_old_model_still_needs_force(tmp_path):
    save(tmp_path / "model", OLD)
    (tmp_path / "model").rename(tmp_path / ".model.old")  # where a death between the two moves leaves it
    with pytest.raises(BundleError, match="--force"):
        save(tmp_path / "model", NEW)
    found = Bundle.open(tmp_path / "model")
    assert {path: found.read(path) for path in found.files} == OLD


def test_a_model_moved_aside_is_read_where_it_is(tmp_path):
    """Reading moves nothing: another process may be between the two moves."""
    save(tmp_path / "model", OLD)
    (tmp_path / "model").rename(tmp_path / ".model.old")
    assert find(tmp_path / "model").config["origin"] == "old"
    assert load(tmp_path / "model").score(["好"])[0].label == "positive"
    assert [f.name for f in tmp_path.iterdir()] == [".model.old"]
    save(tmp_path / "model", NEW, force=True)
    assert [f.name for f in tmp_path.iterdir()] == ["model"]
    assert contents(tmp_path / "model") == NEW


SAVING = """
import sys
from pathlib import Path
from nlpkit.model import bundle
files = [{path: Path(source, path).read_bytes() for path in %r} for source in sys.argv[2:]]
print("ready", flush=True)
while True:
    for each in files:
        bundle.save(Path(sys.argv[1]), each, force=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_kill_at_any_moment_leaves_one_whole_model(tmp_path):
    more = {f"characters/tokenizer/{i}": b"x" * 1000 for i in range(20)}
    versions = [OLD | more, {**NEW, **dict.fromkeys(more, b"y" * 1000)}]
    for name, files in zip(("one", "two"), versions, strict=True):
        save(tmp_path / name, files)
    folder = tmp_path / "at" / "model"
    save(folder, versions[0])
    command = [
        sys.executable,
        "-c",
        SAVING % list(versions[0]),
        str(folder),
        str(tmp_path / "one"),
        str(tmp_path / "two"),
    ]
    for pause in (0.0, 0.003, 0.007, 0.011, 0.016, 0.022):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout.readline().strip() == b"ready"
            time.sleep(pause)
            child.kill()
        found = Bundle.open(folder)
        assert {path: found.read(path) for path in found.files} in versions
        save(folder, versions[0], force=True)
        assert [path.name for path in folder.parent.iterdir()] == ["model"]  # nothing of the killed one


@pytest.mark.skipif(sys.platform == "win32", reason="its folders have no locks")
def test_a_save_removes_what_nobody_is_writing(tmp_path):
    strange = [tmp_path / name for name in (".model.new-0123abcd-89abcdef", ".model.new-89abcdef", ".model.new-mine")]
    for path in (*strange, tmp_path / ".other.new-89abcdef"):
        (path / "characters").mkdir(parents=True)
    (tmp_path / ".model.new-00000000").symlink_to(tmp_path / ".other.new-89abcdef")
    with new_folder(tmp_path / "model") as living:
        save(tmp_path / "model", OLD)
        assert living.is_dir()
    save(tmp_path / "model", NEW, force=True)
    assert not living.exists()  # its writer is no more
    assert all(path.is_dir() for path in strange)  # those of other hosts may be alive
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1), follow_symlinks=False)
    save(tmp_path / "model", OLD, force=True)
    left = {".model.new-00000000", ".model.new-mine", ".other.new-89abcdef", "model"}
    assert {path.name for path in tmp_path.iterdir()} == left
    assert (tmp_path / ".other.new-89abcdef" / "characters").is_dir()


@pytest.mark.parametrize("name", ["missing", "folder"])
def test_a_folder_that_is_no_model(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(BundleError, match=f"{name} is no model"):
        Bundle.open(tmp_path / name)


def test_a_file_in_place_of_a_folder_is_not_called_missing(tmp_path):
    (tmp_path / "reviews.txt").write_text("好", encoding="utf-8")
    with pytest.raises(BundleError, match=r"reviews\.txt is no model") as caught:
        Bundle.open(tmp_path / "reviews.txt")
    assert "does not exist" not in str(caught.value)


@pytest.mark.parametrize("config", [b"", b"{", b"[]", b"null", b'{"format": 1}', b"\xff\xfe\x00"])
def test_a_folder_with_another_config(tmp_path, config):
    (tmp_path / "config.json").write_bytes(config)
    with pytest.raises(BundleError, match=r"is (no model|damaged)"):
        Bundle.open(tmp_path)


def test_a_newer_format_names_who_wrote_it_and_what_to_do(tmp_path):
    save(tmp_path / "m", model_files(format=3, nlpkit="9.1"))
    with pytest.raises(
        BundleError, match=r"format 3, written by nlpkit 9\.1.*formats 1 and 2.*bring nlpkit up to date"
    ):
        Bundle.open(tmp_path / "m")


def test_an_older_format_is_to_be_trained_again(tmp_path):
    save(tmp_path / "m", model_files(format=0, nlpkit="0.0.1"))
    with pytest.raises(
        BundleError, match=r"format 0, written by nlpkit 0\.0\.1.*formats 1 and 2: train it again"
    ) as caught:
        Bundle.open(tmp_path / "m")
    assert "pip install" not in str(caught.value)


def test_a_newer_format_is_told_whatever_else_it_holds(tmp_path):
    (tmp_path / "config.json").write_text('{"format": 7, "nlpkit": "9.1"}')
    with pytest.raises(BundleError, match=r"format 7, written by nlpkit 9\.1"):
        Bundle.open(tmp_path)


@pytest.mark.parametrize("path", ["evidence.json", "characters/vocabulary.json", "characters/arrays.safetensors"])
@pytest.mark.parametrize("data", [None, b"", b"{}", b"\x00\x01", b"[1]"])
def test_a_damaged_file_is_named(tmp_path, path, data):
    save(tmp_path / "m", OLD)
    if data is None:
        (tmp_path / "m" / path).unlink()
    else:
        (tmp_path / "m" / path).write_bytes(data)
    with pytest.raises(BundleError) as caught:
        load(tmp_path / "m").score(["好"])
    assert str(tmp_path / "m") in str(caught.value)
    assert Path(path).stem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_vocabulary_of_another_model_is_noticed(tmp_path):
    save(tmp_path / "m", OLD | {"characters/vocabulary.json": NEW["characters/vocabulary.json"]})
    with pytest.raises(BundleError, match=r"damaged.*arrays\.safetensors"):
        load(tmp_path / "m").score(["好"])


@pytest.mark.parametrize(
    "damage",
    [
        {"members": []},
        {"stages": []},
        {"stages": [stage(1.0, 1.0)]},
        {"labels": ["one", "two", "three"]},
        {"members": [{"name": "characters"}]},
        {"normalisation": {"nfkd": True}},
    ],
)
def test_a_config_that_does_not_hang_together_is_damage(tmp_path, damage):
    save(tmp_path / "m", model_files(**damage))
    with pytest.raises(BundleError, match="damaged"):
        load(tmp_path / "m").score(["好"])


def test_a_missing_plugin_is_named_with_distribution_and_version(tmp_path):
    foreign = component("runs", distribution="nlpkit-zh-runs", version="0.3")
    save(tmp_path / "m", model_files(table_member(tokenizer=foreign)))
    with pytest.raises(MissingPlugin, match=r"tokenizer 'runs' from nlpkit-zh-runs 0\.3"):
        load(tmp_path / "m").score(["好"])


def test_a_model_for_another_task_is_refused(tmp_path):
    save(tmp_path / "m", model_files(task="cloze"))
    with pytest.raises(BundleError, match="for cloze, not for sentiment"):
        SentimentModel.load(tmp_path / "m")


def test_a_name_that_is_nothing_says_what_there_is():
    with pytest.raises(BundleError, match=r"no model 'review'.*did you mean 'reviews'"):
        find("review")


def test_a_folder_here_is_found_by_its_bare_name(tmp_path, monkeypatch):
    save(tmp_path / "mine", OLD)
    monkeypatch.chdir(tmp_path)
    assert find("mine").config["origin"] == "old"


def test_a_moved_folder_still_works(tmp_path):
    save(tmp_path / "here", OLD)
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert load(tmp_path / "there").score(["好"])[0].label == "positive"


def test_no_file_of_the_shipped_model_is_a_pickle():
    bundle = find("reviews")
    for path in bundle.files:
        assert not bundle.read(path).startswith(b"\x80")
    assert json.loads(bundle.read("config.json"))["task"] == "sentiment"


@pytest.mark.parametrize("path", ["../secret.json", "characters/../../secret.json", "/secret.json", "{0}/secret.json"])
def test_files_outside_the_folder_are_refused(tmp_path, path):
    save(tmp_path / "m", OLD)
    (tmp_path / "secret.json").write_bytes(b"{}")
    with pytest.raises(BundleError, match=r"secret\.json is missing"):
        Bundle.open(tmp_path / "m").read(path.format(tmp_path))


@pytest.mark.parametrize("outside", ["../other/characters", "{0}/other/characters"])
def test_a_member_outside_the_folder_is_refused(tmp_path, outside):
    save(tmp_path / "other", OLD)
    entry, _ = table_member()
    save(tmp_path / "m", model_files(members=[entry | {"name": outside.format(tmp_path)}]))
    with pytest.raises(BundleError, match=r"vocabulary\.json is missing"):
        load(tmp_path / "m").score(["好"])


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"null", b"[1]", b"[[]]", b'[{"text": "x"}]', b'[{"probabilities": null}]'),
        '[{"text": "好", "probabilities": [0.5, 0.5]}]'.encode(),
        '[{"text": "好", "probabilities": {"negative": "low", "positive": "high"}}]'.encode(),
    ],
)
def test_damaged_samples_are_damage(tmp_path, data):
    save(tmp_path / "m", OLD | {"samples.json": data})
    with pytest.raises(BundleError, match=r"damaged: samples\.json"):
        load(tmp_path / "m").check()


@pytest.mark.parametrize("data", [b"", b"no graph at all"])
def test_a_damaged_graph_is_damage(tmp_path, data):
    entry, files = table_member()
    made = model_files((entry | {"runtime": "graph"}, files | {"characters/model.onnx": data}))
    save(tmp_path / "m", made)
    with pytest.raises(BundleError, match=r"characters/model\.onnx is damaged") as caught:
        load(tmp_path / "m").score(["好"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("act", [check_writable, lambda folder: save(folder, NEW)])
@pytest.mark.skipif(sys.platform != "linux", reason="needs a place that nobody may write to")
def test_a_place_that_refuses_is_told_before_any_work(act):
    with pytest.raises(BundleError, match=r"/proc/model cannot be written: \w+"):
        act(Path("/proc/model"))


def test_a_probe_leaves_nothing_and_makes_parents(tmp_path):
    check_writable(tmp_path / "a" / "b" / "model")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(BundleError, match="cannot be written"):
        check_writable(tmp_path / "file" / "model")
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_checksums_are_of_what_inference_reads():
    entry, files = table_member()
    more = {"history.csv": b"x", "curve.png": b"x", "characters/model.safetensors": b"x"}
    found = Bundle("m", add_checksums(model_files((entry, files)) | more)).checksums
    assert set(found) == {*files, "evidence.json", "samples.json", "characters/model.safetensors"}


def test_the_weights_as_trained_may_be_left_out(tmp_path):
    save(tmp_path / "m", add_checksums(OLD | {"characters/model.safetensors": b"x"}))
    (tmp_path / "m" / "characters" / "model.safetensors").write_bytes(b"y")
    opened = load(tmp_path / "m")
    assert opened.score(["好"])[0].label == "positive"  # which does not read them
    with pytest.raises(BundleError, match=r"model\.safetensors is not the file"):
        opened.bundle.read("characters/model.safetensors")
    (tmp_path / "m" / "characters" / "model.safetensors").unlink()
    assert load(tmp_path / "m").score(["好"])[0].label == "positive"


@pytest.mark.parametrize("path", ["evidence.json", "samples.json", *(p for p in OLD if p.startswith("characters"))])
def test_a_file_that_is_another_by_one_byte_is_named(tmp_path, path):
    save(tmp_path / "m", add_checksums(OLD))
    (tmp_path / "m" / path).write_bytes(OLD[path][:-1] + b" ")
    with pytest.raises(BundleError, match=rf"damaged: {path} is not the file that was saved .*: get a whole copy"):
        load(tmp_path / "m").check()


def test_a_listed_file_that_is_missing_is_told_when_the_model_is_opened(tmp_path):
    save(tmp_path / "m", add_checksums(OLD))
    (tmp_path / "m" / "samples.json").unlink()
    with pytest.raises(BundleError, match=r"samples\.json is missing: get a whole copy"):
        load(tmp_path / "m")


def test_a_card_may_be_edited_and_pictures_may_go(tmp_path):
    files = add_checksums(model_files(samples=[sample("好货")])) | {"history.csv": b"x", "curve.png": b"x"}
    save(tmp_path / "m", files)
    (tmp_path / "m" / "README.md").write_text("# mine\n")
    (tmp_path / "m" / "history.csv").write_text("mine")
    (tmp_path / "m" / "curve.png").unlink()
    assert load(tmp_path / "m").check() == []
    assert Bundle.open(tmp_path / "m").read("README.md") == b"# mine\n"


def test_files_that_somebody_added_are_not_read(tmp_path):
    entry, files = table_member(tokenizer=component("rjieba", hmm=True, dictionary=None), words={"好货": 1.0})
    made = model_files((entry, files | {"characters/tokenizer/note.txt": b"ours"}), characters="好货")
    save(tmp_path / "m", add_checksums(made))
    (tmp_path / "m" / "characters" / "tokenizer" / "added.txt").write_text("x")
    found = Bundle.open(tmp_path / "m")
    assert found.read_folder("characters/tokenizer") == {"note.txt": b"ours"}
    with pytest.raises(BundleError, match="does not list"):
        found.read("characters/tokenizer/added.txt")


@pytest.mark.parametrize("sums", [None, [], "x", {"evidence.json": None}, {"evidence.json": "ABC"}, 5])
def test_checksums_that_are_none_are_damage(tmp_path, sums):
    save(tmp_path / "m", model_files(files=sums))
    with pytest.raises(BundleError, match="holds no checksums"):
        load(tmp_path / "m")


@pytest.fixture(params=["relative", "by name"])
def way(request, monkeypatch):
    """How files are opened: as on Unix, or as elsewhere."""
    monkeypatch.setattr(stored_files, "_RELATIVE", stored_files._RELATIVE and request.param == "relative")


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("sealed", [False, True])
def test_a_model_that_is_open_stays_the_one_that_was_opened(tmp_path, sealed):
    """Another with all labels inverted takes its place before any member has been read."""
    more = {"characters/tokenizer/large.bin": os.urandom(200_000)}
    words = {"好": 2.0, "坏": -2.0}
    files = model_files(table_member(words=words), samples=[sample("好")]) | more
    other = model_files(table_member(words={k: -v for k, v in words.items()}), labels=("positive", "negative"))
    save(tmp_path / "m", add_checksums(files) if sealed else files)
    opened = load(tmp_path / "m")
    save(tmp_path / "m", other, force=True)
    assert opened.score(["好", "坏"])[0].label == "positive"
    assert opened.check() == []
    assert opened.bundle.read("characters/tokenizer/large.bin") == more["characters/tokenizer/large.bin"]
    assert load(tmp_path / "m").labels == ["positive", "negative"]
    shutil.rmtree(tmp_path / "m")
    assert opened.bundle.read("characters/tokenizer/large.bin") == more["characters/tokenizer/large.bin"]


INVERTING = """
import sys
from pathlib import Path
from nlpkit.model import bundle
both = [{path: Path(source, path).read_bytes() for path in %r} for source in sys.argv[2:]]
print("ready", flush=True)
while True:
    for files in both:
        bundle.save(Path(sys.argv[1]), files, force=True)
"""


@pytest.mark.usefixtures("way")
def test_a_model_that_is_replaced_while_it_is_opened_is_one_of_both(tmp_path):
    words = {"好": 2.0, "坏": -2.0}
    other = model_files(table_member(words={k: -v for k, v in words.items()}), labels=("positive", "negative"))
    files = model_files(table_member(words=words))
    save(tmp_path / "one", files)
    save(tmp_path / "two", other)
    save(tmp_path / "m", files)
    command = [sys.executable, "-c", INVERTING % list(files), *(str(tmp_path / name) for name in ("m", "one", "two"))]
    seen = set()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout.readline().strip() == b"ready"
            opened, enough = 0, time.monotonic() + 60  # where other work keeps the child from its own
            while opened < 300 or (len(seen) < 2 and time.monotonic() < enough):
                model = load(tmp_path / "m")
                seen.add(tuple(model.labels))
                assert model.score(["好"])[0].label == "positive"
                opened += 1
        finally:
            child.kill()
    assert len(seen) == 2


def test_a_file_that_is_changed_in_place_is_told(tmp_path):
    save(tmp_path / "m", OLD | {"characters/tokenizer/large.bin": bytes(200_000)})
    opened = Bundle.open(tmp_path / "m")
    with (tmp_path / "m" / "characters" / "tokenizer" / "large.bin").open("r+b") as file:
        file.write(b"changed")
    with pytest.raises(BundleError, match=r"large\.bin has been changed since the model was opened: open it again"):
        opened.read("characters/tokenizer/large.bin")


def open_files() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(sys.platform != "win32", reason="needs junctions")
def test_a_junction_is_a_link(tmp_path):
    import _winapi

    save(tmp_path / "m", OLD)
    _winapi.CreateJunction(str(tmp_path), str(tmp_path / "m" / "tokenizer"))
    with pytest.raises(BundleError, match="tokenizer is a link"):
        Bundle.open(tmp_path / "m")


@pytest.mark.usefixtures("way")
def test_the_weights_as_trained_may_be_larger_than_what_is_read(tmp_path):
    save(tmp_path / "m", OLD | {"characters/model.safetensors": b"x"})
    os.truncate(tmp_path / "m" / "characters" / "model.safetensors", 1 << 40)
    opened = load(tmp_path / "m")
    assert opened.score(["好"])[0].label == "positive"
    with pytest.raises(
        BundleError, match=r"model\.safetensors has 1,048,576\.0 MB, more than the 512\.0 that are read"
    ):
        opened.bundle.read("characters/model.safetensors")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_files_are_closed_when_a_model_goes(tmp_path):
    save(tmp_path / "m", OLD | {"characters/tokenizer/large.bin": bytes(200_000)})
    before = open_files()
    opened = Bundle.open(tmp_path / "m")
    assert len(open_files()) > len(before)
    del opened
    assert open_files() == before
    (tmp_path / "m" / "evidence.json").unlink()
    (tmp_path / "m" / "evidence.json").symlink_to("samples.json")
    with pytest.raises(BundleError, match="is a link"):
        Bundle.open(tmp_path / "m")
    assert open_files() == before


def test_a_larger_file_is_read_where_the_user_says_so(tmp_path, monkeypatch):
    save(tmp_path / "m", OLD)
    monkeypatch.setenv("NLPKIT_LARGEST_FILE", "1")
    large = json.dumps({"characters": "好坏", "words": ["x" * 100_000]})
    (tmp_path / "m" / "evidence.json").write_text(large, encoding="utf-8")
    with pytest.raises(BundleError, match=r"evidence\.json has 0\.1 MB.* set NLPKIT_LARGEST_FILE"):
        load(tmp_path / "m")
    monkeypatch.setenv("NLPKIT_LARGEST_FILE", "600")
    assert load(tmp_path / "m").score(["好"])[0].label == "positive"


REMEDY = re.compile(r"set NLPKIT_LARGEST_FILE in the environment to (\d+)$")
MB = 1 << 20


@pytest.mark.parametrize("chosen", ["", "3", "600"])
@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("README.md", 9 * MB + 640 * MB // 64),
        ("README.md", 99 * MB + 1),
        ("characters/vocabulary.json", 700 * MB // 16 + 1),
        ("characters/extra.bin", 700 * MB),
        ("characters/extra.bin", 700 * MB + 1),
        ("samples.json", 1 << 62),
    ],
)
def test_what_is_told_to_read_a_larger_file_does_so_and_no_less(tmp_path, monkeypatch, chosen, path, size):
    save(tmp_path / "m", OLD)
    (tmp_path / "m" / path).touch()
    try:
        os.truncate(tmp_path / "m" / path, size)
    except OSError:
        pytest.skip("no file of this size can be made here")
    monkeypatch.setenv("NLPKIT_LARGEST_FILE", chosen)
    with pytest.raises(BundleError, match=REMEDY) as caught:
        Bundle.open(tmp_path / "m")
    enough = int(REMEDY.search(str(caught.value))[1])
    monkeypatch.setenv("NLPKIT_LARGEST_FILE", str(enough - 1))
    with pytest.raises(BundleError, match=REMEDY):
        Bundle.open(tmp_path / "m")
    monkeypatch.setenv("NLPKIT_LARGEST_FILE", str(enough))
    assert path in Bundle.open(tmp_path / "m").files


def test_many_files_of_sane_size_are_too_much_together(tmp_path, monkeypatch):
    save(tmp_path / "m", OLD)
    for number in range(3):
        (tmp_path / "m" / f"large{number}").touch()
        os.truncate(tmp_path / "m" / f"large{number}", 400 * MB)
    with pytest.raises(BundleError, match=r"refused: it holds 1,200\.0 MB, more than the 1,024\.0 .* to 600$"):
        Bundle.open(tmp_path / "m")
    monkeypatch.setenv("NLPKIT_LARGEST_FILE", "600")
    assert len(Bundle.open(tmp_path / "m").files) == len(OLD) + 3


def test_only_what_inference_reads_is_held_open(tmp_path):
    large = os.urandom(200_000)
    unread = {"characters/model.safetensors": large, "curve.png": large}
    save(tmp_path / "m", add_checksums(OLD | unread | {"characters/tokenizer/large.bin": large}))
    (tmp_path / "m" / "added.bin").write_bytes(large)
    opened = Bundle.open(tmp_path / "m")
    assert set(opened.files._open) == {"", "characters/tokenizer/large.bin"}
    assert all(opened.files[path] == large for path in (*unread, "added.bin"))  # as long as they are there
    (tmp_path / "m" / "curve.png").write_bytes(large[::-1])
    (tmp_path / "m" / "added.bin").unlink()
    for path in ("curve.png", "added.bin"):
        with pytest.raises(BundleError, match=f"{path} has been changed since the model was opened"):
            opened.read(path)
    (tmp_path / "m").rename(tmp_path / "moved")
    assert opened.read("characters/model.safetensors") == large


HOLDING = """
import resource, sys
from nlpkit.model.bundle import Bundle
from nlpkit.errors import BundleError
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    for _ in range(100):
        held.append(Bundle.open(sys.argv[1]))
except BundleError as error:
    print(len(held), error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of a process")
@pytest.mark.parametrize(("files", "models"), [(1, range(10, 60)), (100, range(1))])
def test_that_a_process_may_hold_no_more_files_is_no_fault_of_the_folder(tmp_path, files, models):
    more = {f"characters/tokenizer/{i}": bytes(70_000) for i in range(files)}
    save(tmp_path / "m", OLD | more)
    done = subprocess.run([sys.executable, "-c", HOLDING, tmp_path / "m"], capture_output=True, check=True)
    held, said = done.stdout.decode().split(" ", 1)
    assert int(held) in models
    assert said.startswith(f"{tmp_path / 'm'} cannot be opened: this process may not hold more files open: ")


def test_what_version_control_keeps_in_the_folder_is_nobody_s_business(tmp_path):
    save(tmp_path / "m", OLD)
    (tmp_path / "m" / ".git").mkdir()
    (tmp_path / "m" / ".git" / "link").symlink_to("/etc/passwd")
    assert ".git/link" not in Bundle.open(tmp_path / "m").files
    assert load(tmp_path / "m").score(["好"])[0].label == "positive"
