"""Real workers, really killed: every row comes out once, in order, and nothing half-written stays."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dask_tables import core, write_table

pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes as Linux shows them"),
]
FILES, ROWS = 8, 60_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of such a length that workers can be killed while they answer one."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "in").mkdir()
    for number in range(FILES):
        write_table(folder / "in" / f"{number}.csv", ROWS, number * ROWS)
    return folder


def start(folder, *more):
    command = [sys.executable, "-m", "nlpkit", "dask", "score", "in/*.csv", "-c", "review", "-o", "out", *more]
    return subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def find_workers(process):
    """Processes that Dask has started, but the one that keeps account of resources."""
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        every = [*children, *(c for task in Path(f"/proc/{process.pid}/task").iterdir() for c in _children(task))]
        return [int(pid) for pid in dict.fromkeys(every) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    except OSError:
        return []


def _children(task):
    return (task / "children").read_text().split()


def wait_for(what, process, seconds=120):
    """What is true at last, as long as the command runs."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError(process.communicate()[1])


def halves(folder):
    """Files that are being written."""
    return list((folder / "out").glob(".*.part"))


def check(run, folder):
    """See that each file holds what the core writes, and nothing else lies there."""
    names = {path.name for path in (folder / "in").iterdir()}
    assert {path.name for path in (folder / "out").iterdir()} == {*names, "_nlpkit"}
    for name in names:
        (folder / "core").mkdir(exist_ok=True)
        target = folder / "core" / name
        expected = target.read_bytes() if target.exists() else core(run, folder / "in" / name, target)
        assert (folder / "out" / name).read_bytes() == expected


def test_a_worker_killed_three_times_loses_and_doubles_nothing(run, folder):
    process = start(folder, "--workers", "2", "--force")
    killed = []
    for done in (1, 3, 5):  # files that are there; one is being written
        wait_for(lambda done=done: len(list((folder / "out").glob("*.csv"))) >= done and halves(folder), process)
        fresh = wait_for(lambda: [pid for pid in find_workers(process) if pid not in killed], process)
        os.kill(fresh[0], signal.SIGKILL)
        killed.append(fresh[0])
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said
    assert len(set(killed)) == 3
    assert "a worker is gone: what it had not done is done again by another" in said
    assert f"{FILES * ROWS:,} rows" in said
    check(run, folder)


def test_a_run_that_is_killed_goes_on_with_what_is_left(run, folder):
    process = start(folder, "--workers", "2", "--force")
    wait_for(lambda: len(list((folder / "out" / "_nlpkit").glob("*.done.json"))) >= 2 and halves(folder), process)
    workers = find_workers(process)
    process.kill()
    process.communicate()
    until = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)  # they end with whoever has started them
    before = {path: path.stat().st_mtime_ns for path in (folder / "out").glob("*.csv")}
    recorded = {path.name.removesuffix(".done.json") for path in (folder / "out" / "_nlpkit").glob("*.done.json")}
    assert 2 <= len(recorded) < FILES
    said = start(folder, "--workers", "2", "--resume")
    words = said.communicate(timeout=300)[1]
    assert said.returncode == 0, words
    assert int(re.search(r"\((\d+) were done before\)", words)[1]) == len(recorded)
    assert all(path.stat().st_mtime_ns == time_ for path, time_ in before.items() if path.name in recorded)
    check(run, folder)


def test_ctrl_c_ends_it_soon_and_leaves_what_is_whole(run, folder):
    process = start(folder, "--workers", "2", "--force")
    wait_for(lambda: list((folder / "out").glob("*.csv")) and halves(folder), process)
    workers = find_workers(process)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert said.strip().endswith("Interrupted.")
    assert time.monotonic() - began < 20
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    again = start(folder, "--workers", "2", "--resume")
    assert again.wait(timeout=300) == 0
    again.communicate()
    check(run, folder)
