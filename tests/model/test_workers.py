"""Blocks that several processes do come out in order, though workers be killed."""

import os
import signal
import subprocess
import sys
import time
import warnings
from functools import partial
from pathlib import Path

import pytest

from nlpkit.errors import DataError, NlpkitError, SettingError
from nlpkit.model.workers import MOST_JOBS, WorkerKilled, count_cores, count_jobs, spread
from nlpkit.plugins.surroundings import watch_work

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as Unix has them")


def square(number):
    time.sleep(0.002 * (number % 3))
    return number * number


def make_square():
    return square


def die_at(marker, block):
    """Kill the own process at block 7, once; or always, if there is no marker."""
    if block == 7 and (marker is None or not Path(marker).exists()):
        if marker:
            Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return block * block


def refuse(block):
    if block == 5:
        raise DataError("block {block} is odd", block=block)
    warnings.warn(f"block {block}", stacklevel=1)
    return block


class OddError(Exception):
    """One that cannot be made again of what it says."""

    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")


def fail_oddly(block):
    raise OddError(block, "another")


def exit_at_once(block):
    with watch_work("a stranger"):
        os._exit(block)


def print_it(block):
    print("noise")
    return block


def make(function, *arguments):
    return partial(function, *arguments)


def unmakeable():
    raise SettingError("there is no such thing")


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_results_come_in_the_order_of_the_blocks(jobs):
    assert list(spread(make_square, range(40), jobs)) == [(n, n * n) for n in range(40)]


def test_a_few_blocks_are_read_ahead_and_no_more():
    taken = []

    def blocks():
        for number in range(200):
            taken.append(number)
            yield number

    results = spread(make_square, blocks(), 2)
    next(results)
    assert len(taken) <= 7
    results.close()


def test_what_a_killed_worker_did_is_done_again(tmp_path):
    with pytest.warns(WorkerKilled, match="done again"):
        found = list(spread(partial(make, die_at, str(tmp_path / "died")), range(20), 2))
    assert found == [(n, n * n) for n in range(20)]


def test_a_block_that_always_kills_its_worker_ends_in_one_sentence():
    with pytest.warns(WorkerKilled), pytest.raises(NlpkitError, match="killed 3 times"):
        list(spread(partial(make, die_at, None), range(20), 2))


def test_errors_and_warnings_come_from_workers():
    results = spread(partial(make, refuse), range(8), 2)
    with pytest.warns(UserWarning, match="block 0"):
        assert next(results) == (0, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DataError, match="block 5 is odd"):
            list(results)


def test_what_came_before_a_block_that_cannot_be_brought_is_done():
    def blocks():
        yield from range(5)
        raise DataError("the disk is gone")

    results = spread(make_square, blocks(), 2)
    assert [next(results) for _ in range(5)] == [(n, n * n) for n in range(5)]
    with pytest.raises(DataError, match="disk is gone"):
        next(results)


def test_what_cannot_be_made_is_told():
    with pytest.raises(SettingError, match="no such thing"):
        list(spread(unmakeable, range(3), 2))


PROGRAM = """
import os, sys
from functools import partial
from nlpkit.plugins.surroundings import watch_work
from nlpkit.model.workers import spread
sys.path.insert(0, {folder!r})
import test_workers
if __name__ == "__main__":
    print("begun", flush=True)
    for block, _ in spread(partial(test_workers.make, getattr(test_workers, sys.argv[1])), iter(int, 1), 2):
        print("block", flush=True)
        if sys.argv[2] == "once":
            break
"""


def program(function, how):
    code = PROGRAM.format(folder=str(Path(__file__).parent))
    return subprocess.Popen(
        [sys.executable, "-c", code, function, how], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def children_of(pid):
    lines = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in lines.stdout.split()]


def test_a_worker_never_writes_on_stdout():
    done = program("print_it", "once")
    assert done.communicate(timeout=60)[0] == "begun\nblock\n"


@pytest.mark.skipif(sys.platform != "linux", reason="children are listed by ps")
def test_workers_end_with_whoever_started_them():
    process = program("square", "on")
    try:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == ["begun\n", "block\n", "block\n"]
        workers = children_of(process.pid)
        assert len(workers) >= 2
    finally:
        process.kill()
        process.communicate()
    until = time.monotonic() + 20
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert [worker for worker in workers if Path(f"/proc/{worker}").exists()] == []


def test_none_is_one_a_core():
    assert count_jobs(0) == count_cores() >= 1
    assert count_jobs(3) == 3
    for wrong in (-1, 1.5, True, "2", 1000):
        with pytest.raises(SettingError, match="jobs is a number"):
            count_jobs(wrong)


@pytest.mark.parametrize(
    ("function", "said"), [(fail_oddly, "OddError: 0 and another"), (exit_at_once, "it called os._exit")]
)
def test_what_a_stranger_does_to_a_worker_is_not_taken_for_a_lack_of_memory(function, said):
    with pytest.raises((NlpkitError, SystemExit), match=said):
        list(spread(partial(make, function), range(4), 2))


ODD = """
import nlpkit

class Odd:
    def __call__(self, block):
        return {}[block]

@nlpkit.hookimpl
def nlpkit_register_tokenizers(register):
    register("odd", Odd)
"""
BLAMED = """
from nlpkit.errors import PluginError
from nlpkit.model.workers import spread
from nlpkit.plugins.registry import registry

def make():
    return registry().get("tokenizer", "odd").factory()

if __name__ == "__main__":
    try:
        list(spread(make, range(4), 2))
    except PluginError as error:
        print(error)
"""


def test_whose_code_fails_in_a_worker_is_told(tmp_path):
    (tmp_path / "mine.py").write_text(ODD, "utf-8")
    (tmp_path / "program.py").write_text(BLAMED, "utf-8")
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=os.environ | {"NLPKIT_PLUGIN_FILES": str(tmp_path / "mine.py")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "mine.py" in done.stdout, done.stderr
    assert "KeyError: 0" in done.stdout


def test_one_process_a_core_is_no_more_than_may_be_asked_for(monkeypatch):
    monkeypatch.setattr("nlpkit.model.workers.count_cores", lambda: 1000)
    assert count_jobs(0) == count_jobs(MOST_JOBS) == MOST_JOBS
