"""What is put back behind a stranger's code."""

import json
import os
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from nlpkit.errors import DataWarning
from nlpkit.plugins.surroundings import keep, list_endless, watch, watch_work


def test_nothing_is_told_of_who_does_nothing():
    with keep("it", ours=True) as visit:
        pass
    assert (visit.changes, visit.printed, visit.threads) == ([], "", [])


def test_what_is_printed_is_kept_in_order_and_cut(capfd):
    with keep("it", ours=True) as visit:
        print("one\ntwo")
        sys.stdout.buffer.write("三".encode())
        os.write(1, b"from C " * 100)
    print("after")
    assert visit.printed.startswith("one two 三 from C from C")
    assert len(visit.printed) == 201
    with keep("it") as visit:
        print("one\ntwo")
        sys.stdout.writelines(["三"])
    assert visit.printed == "one two 三"
    assert capfd.readouterr().out == "after\n"


def test_who_keeps_stdout_prints_on_stderr_later(capfd):
    with keep("it"):
        kept = sys.stdout
    kept.write("later")
    assert capfd.readouterr() == ("", "later")


def test_an_error_passes_and_all_is_put_back(tmp_path):
    before = os.getcwd(), json.dumps, sys.stdout  # noqa: PTH109
    with pytest.raises(TypeError), keep("it") as visit:  # noqa: PT012 - a stranger's code
        os.chdir(tmp_path)
        json.dumps, sys.stdout = None, None
        json.dumps()
    assert (os.getcwd(), json.dumps, sys.stdout) == before  # noqa: PTH109
    assert set(visit.changes) == {"the working folder", "json.dumps", "sys.stdout"}


def test_a_change_is_told_once():
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for _ in range(3):
            with watch("the tokenizer 'told once'"):
                print("hello")
    assert [(w.category, str(w.message)) for w in found] == [
        (DataWarning, "the tokenizer 'told once' printed 'hello', which is kept from the results")
    ]


def test_in_a_process_that_is_not_ours_work_is_not_watched(capsys):
    with watch_work("it"):
        print("hello")
    assert capsys.readouterr().out == "hello\n"


def test_leaving_raises_but_not_in_a_process_that_was_forked():
    with pytest.raises(SystemExit, match=r"it called os\._exit\(3\)"), keep("it"):
        os._exit(3)
    if not hasattr(os, "fork"):
        return
    with warnings.catch_warnings(), keep("it"):
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads
        child = os.fork()
        if not child:
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_visit_in_a_visit_is_one():
    with keep("outer") as outer:
        with keep("inner") as inner:
            print("hello")
        print("you")
    assert (outer.printed, inner.printed) == ("hello you", "")


def test_threads_that_end_and_pools_are_no_fault():
    done = threading.Event()
    with keep("it") as visit:
        threading.Thread(target=time.sleep, args=[0.01]).start()
        threading.Thread(target=done.wait, name="waits").start()
        threading.Thread(target=done.wait, daemon=True).start()
        pool = ThreadPoolExecutor(1)
        pool.submit(int)
    assert [thread.name for thread in list_endless(visit.threads)] == ["waits"]
    done.set()
    pool.shutdown()


def test_torch_is_asked_where_it_is_there():
    torch = pytest.importorskip("torch")
    with keep("it") as visit:
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
    assert (torch.get_default_dtype(), torch.is_grad_enabled()) == (torch.float32, True)
    assert visit.changes == ["torch's default dtype", "whether torch computes gradients"]
