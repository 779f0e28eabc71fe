"""``nlpkit serve`` as people start it: real processes, real signals."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Client

from nlpkit_serve.running import listen
from nlpkit_serve.settings import Settings

SCORE, WRITE = "/v1/models/reviews/score", "/v1/models/reviews-chars/text"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals as Unix has them")


@contextmanager
def started(*arguments, folder, **environment):
    """Start a server, and kill it if it is still there in the end."""
    log = folder / "stderr.txt"
    with log.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "nlpkit", "serve", "--port", "0", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=err,
            env={**os.environ, **environment},
        )
    try:
        yield process, log
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


def find_port(process, log):
    """The port that it says it listens at."""
    found = wait_for(lambda: process.poll() is not None or re.search(r":(\d+); Ctrl-C", log.read_text("utf-8")))
    assert process.poll() is None, log.read_text("utf-8")
    return Client(int(found[1]))


def wait_until_ready(client, workers=1):
    """Wait until all workers are ready, by their own figures."""
    wait_for(lambda: _is_ready(client) and f"nlpkit_ready {workers}.0" in client.ask("/metrics").body.decode())
    return client


def _is_ready(client):
    try:
        return client.ask("/readyz").status == 200
    except OSError:
        return False


def wait_for(what, seconds=120):
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


def events(log, name):
    lines = [line for line in log.read_text("utf-8").splitlines() if line.startswith("{")]
    return [event for event in map(json.loads, lines) if event["event"] == name]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.long)]
)
def test_a_signal_lets_it_answer_what_it_has_begun(tmp_path, number, code):
    with started("-m", "reviews-chars", folder=tmp_path) as (process, log):
        client = wait_until_ready(find_port(process, log))
        found = {}
        question = {"texts": ["衣服"] * 8, "length": 400, "through": True, "seed": 1}
        thread = threading.Thread(target=lambda: found.update(answer=client.ask(WRITE, question)))
        thread.start()
        wait_for(lambda: "nlpkit_queue 1.0" in client.ask("/metrics").body.decode())
        process.send_signal(number)
        thread.join()
        assert found["answer"].status == 200
        assert process.wait(30) == code
        assert "Traceback" not in log.read_text("utf-8")


@pytest.mark.slow
def test_drains_no_longer_than_is_said(tmp_path):
    with started("-m", "reviews-chars", "--drain-seconds", "1", folder=tmp_path) as (process, log):
        client = wait_until_ready(find_port(process, log))
        question = {"texts": ["衣服"] * 8, "length": 10_000, "through": True}
        connection = socket.create_connection(("127.0.0.1", client.port))
        body = json.dumps(question).encode()
        head = f"POST {WRITE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        wait_for(lambda: "nlpkit_queue 1.0" in client.ask("/metrics").body.decode())
        process.terminate()
        began = time.monotonic()
        assert process.wait(30) == 143
        assert time.monotonic() - began < 15
        connection.close()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes as Linux shows them")
def test_a_worker_that_is_killed_comes_back_and_others_answer(tmp_path):
    with started("--workers", "2", folder=tmp_path) as (process, log):
        client = wait_until_ready(find_port(process, log), workers=2)
        done, found, lost = threading.Event(), [], []

        def ask():
            while not done.is_set():
                try:
                    found.append(client.score("质量很好", "太差了").status)
                    time.sleep(0.02)
                except OSError as error:  # what the killed one had begun
                    lost.append(error)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        os.kill(events(log, "worker begun")[0]["worker"], signal.SIGKILL)
        wait_for(lambda: len(events(log, "ready")) == 3)
        wait_until_ready(client, workers=2)
        done.set()
        for thread in threads:
            thread.join()
        assert set(found) == {200}
        assert len(lost) <= 3
        assert len(events(log, "worker died")) == 1
        figures = client.ask("/metrics").body.decode()
        counted = float(re.search(r'nlpkit_rows_total{model="reviews",verb="score"} ([\d.e+]+)', figures)[1])
        assert 2 * len(found) <= counted <= 2 * (len(found) + len(lost))
        process.terminate()
        assert process.wait(60) == 143
        for event in events(log, "worker begun"):
            assert not Path(f"/proc/{event['worker']}").exists()


@pytest.mark.slow
@pytest.mark.long
def test_workers_end_with_whoever_began_them(tmp_path):
    with started("--workers", "2", folder=tmp_path) as (process, log):
        wait_until_ready(find_port(process, log), workers=2)
        workers = [event["worker"] for event in events(log, "worker begun")]
        process.kill()
        process.wait()
        wait_for(lambda: not any(map(_lives, workers)))


def _lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--host", "0.0.0.0"], 2, "put a token into NLPKIT_SERVE_TOKEN, or say --no-token"),
        (["-m", "revews"], 1, "did you mean 'reviews'"),
        (["-m", "reviews", "-m", "reviews"], 2, "two models would be called 'reviews'"),
        pytest.param(["-m", "revews", "--workers", "2"], 1, "did you mean 'reviews'", marks=pytest.mark.slow),
        (["--host", "192.0.2.1", "--no-token"], 1, "nobody can listen at 192.0.2.1"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_sentence(tmp_path, arguments, code, said):
    with started(*arguments, folder=tmp_path, NLPKIT_SERVE_TOKEN="") as (process, log):
        assert process.wait(120) == code
    assert said in log.read_text("utf-8")
    assert "Traceback" not in log.read_text("utf-8")


def test_small_answers_are_sent_at_once():
    """Were its protocol not said, asyncio would leave Nagle's algorithm on: 40 ms an answer, for nothing."""
    with listen(Settings(port=0)) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_help_costs_nothing():
    code = (
        "import sys, nlpkit_serve.commands; from click.testing import CliRunner;"
        "done = CliRunner().invoke(nlpkit_serve.commands.serve, ['--help']); print(done.output);"
        "print(sorted({'fastapi', 'uvicorn', 'numpy', 'prometheus_client'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "nlpkit serve -m mine=runs/2026-03 --port 9000" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
