"""What one run has prepared, the next takes: and only what is the same."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nlpkit.errors import SettingError
from nlpkit.training import prepared
from nlpkit.training.prepared import digest_of, entries, keep, key_of, take, trim
from tests.tasks.sentiment.test_train import write_goods

pytestmark = pytest.mark.train
np = pytest.importorskip("numpy")


@pytest.fixture(autouse=True)
def shelf(tmp_path, monkeypatch):
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NLPKIT_CACHE_SIZE", "1")
    return tmp_path / "cache" / "prepared"


def put(tmp_path, key, content=b"tokens", what="tokens"):
    (tmp_path / "made").write_bytes(content)
    keep(key, {"tokens": tmp_path / "made"}, what)


def test_what_is_kept_is_taken_as_it_was(tmp_path, shelf):
    put(tmp_path, "a")
    (tmp_path / "made").unlink()
    assert take("a", tmp_path / "run")
    assert [(p.name, p.read_bytes()) for p in (tmp_path / "run").iterdir()] == [("tokens", b"tokens")]
    assert not take("b", tmp_path / "run")
    assert [(entry.key, entry.what, entry.size > 6) for entry in entries()] == [("a", "tokens", True)]
    assert shelf.stat().st_mode & 0o777 == 0o700 or sys.platform == "win32"


def test_a_run_that_has_taken_something_has_it_though_it_be_removed(tmp_path):
    put(tmp_path, "a")
    take("a", tmp_path / "run")
    trim(0)
    assert entries() == []
    assert (tmp_path / "run" / "tokens").read_bytes() == b"tokens"


def test_what_was_not_used_for_longest_goes_first(tmp_path, shelf):
    for age, key in enumerate("abc"):
        put(tmp_path, key, b"x" * 1000)
        os.utime(shelf / key, (1000 + age, 1000 + age))
    take("a", tmp_path / "run")
    trim(2 * 1100)
    assert [entry.key for entry in entries()] == ["a", "c"]


@pytest.mark.parametrize(("size", "kept"), [("0", 0), ("0.000001", 0), ("1", 1)])
def test_no_more_is_kept_than_was_said(tmp_path, monkeypatch, size, kept):
    monkeypatch.setenv("NLPKIT_CACHE_SIZE", size)
    put(tmp_path, "a", b"x" * 2000)
    assert len(entries()) == kept
    assert take("a", tmp_path / "run") == bool(kept)


@pytest.mark.parametrize("size", ["much", "-1", "nan"])
def test_a_size_that_is_none_is_refused(tmp_path, monkeypatch, size):
    monkeypatch.setenv("NLPKIT_CACHE_SIZE", size)
    with pytest.raises(SettingError, match="NLPKIT_CACHE_SIZE is"):
        put(tmp_path, "a")


def test_what_is_not_whole_is_taken_by_nobody_and_kept_anew(tmp_path, shelf):
    put(tmp_path, "a")
    (shelf / "a" / "tokens").write_bytes(b"tok")
    assert not take("a", tmp_path / "run")
    (shelf / "a" / "about.json").unlink()
    put(tmp_path, "a", b"other")
    assert take("a", tmp_path / "run")
    assert (tmp_path / "run" / "tokens").read_bytes() == b"other"


def test_many_keep_the_same_at_once(tmp_path):
    sources = [tmp_path / str(n) for n in range(8)]
    for source in sources:
        source.write_bytes(b"the same" * 1000)
    threads = [threading.Thread(target=keep, args=("a", {"tokens": source}, "tokens")) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.key for entry in entries()] == ["a"]
    assert take("a", tmp_path / "run")
    assert (tmp_path / "run" / "tokens").read_bytes() == b"the same" * 1000
    assert [path.name for path in prepared.shelf().iterdir()] == ["a"]


def test_a_key_tells_what_differs():
    keys = [
        key_of("a", 1),
        key_of("a", "1"),
        key_of("a1"),
        key_of(np.arange(3)),
        key_of(np.arange(3.0)),
        key_of({"x": 1}),
        key_of({"x": 2}),
    ]
    assert len(set(keys)) == len(keys)
    assert digest_of([["ab", "c"]]) != digest_of([["a", "bc"]])
    assert digest_of([["ab"], ["c"]]) == digest_of([["ab", "c"]])


def test_a_key_is_another_where_something_else_is_installed_or_lies_beside_the_code(tmp_path, monkeypatch):
    package = tmp_path / "odd_cutter"
    package.mkdir()
    (package / "__init__.py").write_text("class Cutter: pass\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    cutter = __import__("odd_cutter").Cutter()
    keys, codes = [key_of("a")], [prepared.code_of(cutter)]
    (tmp_path / "jieba_of_tomorrow-9.0.dist-info").mkdir()
    keys.append(key_of("a"))
    (package / "words.txt").write_text("好\n", "utf-8")
    codes.append(prepared.code_of(cutter))
    (package / "words.txt").write_text("好评\n", "utf-8")
    codes.append(prepared.code_of(cutter))
    assert len(set(keys)) == 2
    assert len(set(codes)) == 3


def test_what_killed_runs_left_is_removed(shelf):
    left = shelf / ".scratch.new-00000000-11111111"
    left.mkdir(parents=True)
    os.utime(left, (1, 1))
    with prepared.scratch() as folder:
        assert folder.is_dir()
        assert not left.exists()
    assert not folder.exists()


def test_nobody_else_reads_what_is_not_kept(monkeypatch):
    monkeypatch.setenv("NLPKIT_CACHE_SIZE", "0")
    with prepared.scratch() as folder:
        assert folder.stat().st_mode & 0o77 == 0
    assert not folder.exists()


def nlpkit(*arguments, cwd):
    done = subprocess.run(
        [sys.executable, "-m", "nlpkit", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


PATIENT = """
import sys
import nlpkit.training.prepared as prepared
prepared.LEAST = 0.0
from nlpkit.commands.main import main
main()
"""


def patient(*arguments, cwd):
    done = subprocess.run(
        [sys.executable, "-c", PATIENT, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
def test_two_runs_that_differ_in_the_encoder_cut_a_corpus_once(tmp_path):
    write_goods(tmp_path)
    train = ["sentiment", "train", "goods.csv", "--encoder", "rnn", "--epochs", "1", "--set", "embedding.dim=8"]
    assert "earlier run" not in patient(*train, "--set", "encoder.hidden=8", "-o", "one", cwd=tmp_path)
    assert "tokens: those of an earlier run" in patient(*train, "--set", "encoder.hidden=6", "-o", "two", cwd=tmp_path)
    assert "earlier run" not in patient(*train, "--set", "normalisation.lower=false", "-o", "three", cwd=tmp_path)
    patient(*train, "--set", "encoder.hidden=8", "-o", "again", cwd=tmp_path)
    weights = [(tmp_path / name / "network" / "model.safetensors").read_bytes() for name in ("one", "again")]
    assert weights[0] == weights[1]
    listed = nlpkit("cache", "list", "--format", "json", cwd=tmp_path)[0]
    assert listed.count('"key"') == 4
    assert "4 removed" in nlpkit("cache", "clear", cwd=tmp_path)[1]
    assert nlpkit("cache", "list", "--format", "json", cwd=tmp_path)[0].strip() == "[]"


@pytest.mark.slow
def test_a_corpus_is_prepared_before_any_run(tmp_path):
    write_goods(tmp_path)
    options = ["--recipe", "network", "--set", "embedding.dim=8"]
    assert "kept: " in patient("corpus", "prepare", "goods.csv", *options, cwd=tmp_path)
    train = ["sentiment", "train", "goods.csv", *options, "--epochs", "1", "-o", "m"]
    assert "tokens: those of an earlier run" in patient(*train, cwd=tmp_path)
    assert [path.name for path in Path(tmp_path).iterdir() if path.name.endswith(".training")] == []


def test_a_key_that_is_not_kept_is_told(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "nlpkit", "cache", "clear", "abc"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"nothing is kept as abc" in done.stderr
