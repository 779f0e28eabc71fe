"""Files that are written whole or not at all, whoever else writes, and whatever lies in the folder."""

import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from nlpkit.files import LONGEST, PART, remove_dead_parts, replace_file, replacing

posix = pytest.mark.skipif(os.name == "nt", reason="locks, links and modes of POSIX")
WRITER = """
import sys, time
from pathlib import Path
from nlpkit.files import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("written", flush=True)
    time.sleep(60)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(path, data, then=lambda: None, **options):
    """Write, and do something else before it is done."""
    with replacing(path, **options) as file:
        file.write(data)
        then()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def writer(tmp_path):
    """A process that has half written ``out.csv``; its part, and how to kill it."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "out.csv")], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"written\n"
        (part,) = tmp_path.iterdir()
        yield process, part
        process.kill()


def killed(writer):
    process, part = writer
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert part.read_bytes() == b"half"
    return part


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "a"
    with replacing(path) as file:
        file.write(b"new")
        (part,) = tmp_path.iterdir()
        assert PART.fullmatch(part.name)
        assert part.name.startswith(".a.nlpkit-")
    assert (names(tmp_path), path.read_bytes()) == (["a"], b"new")
    with pytest.raises(ZeroDivisionError):
        write(path, b"half", lambda: 1 / 0)
    assert (names(tmp_path), path.read_bytes()) == (["a"], b"new")


def test_many_writers_of_one_file_do_not_meet(tmp_path):
    def write_often(number):
        for _ in range(20):
            replace_file(tmp_path / "a", b"%d" % number * 10_000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write_often, range(8)))
    found = (tmp_path / "a").read_bytes()
    assert (names(tmp_path), len(found), len(set(found))) == (["a"], 10_000, 1)


def test_what_appeared_meanwhile_is_replaced_only_by_force(tmp_path):
    path = tmp_path / "a"
    with pytest.raises(FileExistsError):
        write(path, b"mine", lambda: path.write_bytes(b"theirs"), force=False)
    assert (names(tmp_path), path.read_bytes()) == (["a"], b"theirs")
    write(tmp_path / "b", b"mine", force=False)
    assert (names(tmp_path), (tmp_path / "b").read_bytes()) == (["a", "b"], b"mine")


@pytest.mark.parametrize("name", ["x" * LONGEST, "好" * 84, "a b\nc", "-rf"])
def test_any_name_that_a_file_may_have(tmp_path, name):
    replace_file(tmp_path / name, b"data")
    assert names(tmp_path) == [name]
    part = tmp_path / f".{'y' * LONGEST}.nlpkit-{'0' * 8}-{'0' * 16}.part"
    part.write_bytes(b"")  # the longest fits a file system


@posix
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_mode_of_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        with replacing(tmp_path / "a") as file:
            (part,) = tmp_path.iterdir()
            assert mode(part) == 0o600
            file.write(b"data")
    finally:
        os.umask(before)
    assert mode(tmp_path / "a") == 0o666 & ~umask


@posix
@pytest.mark.parametrize("kept", [0o600, 0o640, 0o664, 0o444, 0o755])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path, kept):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(kept)
    replace_file(path, b"new")
    assert (mode(path), path.read_bytes()) == (kept, b"new")


@posix
def test_a_link_that_lies_there_is_not_followed(tmp_path):
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    (tmp_path / "a").symlink_to(precious)
    replace_file(tmp_path / "a", b"new")
    assert not (tmp_path / "a").is_symlink()
    assert precious.read_bytes() == b"precious"


@posix
def test_the_next_writer_clears_away_what_a_killed_one_left(tmp_path, writer):
    part = killed(writer)
    replace_file(tmp_path / "another", b"data")
    assert (names(tmp_path), part.exists()) == (["another"], False)


@posix
def test_nobody_clears_away_what_is_being_written(tmp_path, writer):
    _, part = writer
    os.utime(part, (0, 0))  # however long it has waited for its rows
    replace_file(tmp_path / "out.csv", b"data")
    assert part.read_bytes() == b"half"


@posix
@pytest.mark.parametrize(("days", "gone"), [(0.9, False), (1.1, True)])
def test_another_hosts_is_left_for_a_day(tmp_path, days, gone):
    part = tmp_path / f".out.csv.nlpkit-{'0' * 8}-{'0' * 16}.part"
    part.write_bytes(b"half")
    os.utime(part, (time.time() - days * 86_400,) * 2)
    remove_dead_parts(tmp_path)
    assert part.exists() is not gone


@posix
def test_only_what_is_ours_is_cleared_away(tmp_path, writer):
    ours = killed(writer)
    others = [".out.csv.part", "out.csv.nlpkit-1.part", f"{ours.name}.txt", ours.name[1:], ".nlpkit-1.part"]
    for name in others:
        (tmp_path / name).write_bytes(b"theirs")
    digits = [digit for digit in "0123" if digit != ours.name[-6]]
    folder, link, pipe = (ours.with_name(f"{ours.name[:-6]}{digit}.part") for digit in digits[:3])
    folder.mkdir()
    link.symlink_to(tmp_path / others[0])
    os.mkfifo(pipe)
    remove_dead_parts(tmp_path)
    assert names(tmp_path) == sorted([*others, folder.name, link.name, pipe.name])
    remove_dead_parts(tmp_path / "nowhere")
