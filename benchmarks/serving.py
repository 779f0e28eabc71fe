"""`nlpkit serve` on loopback: latency, texts a second, beside a route that does nothing and beside one of snownlp.

Needs `nlpkit-zh-serve`. Client and server share the cores of one machine. Where other work disturbs, as root:
`chrt -r 1 python benchmarks/serving.py`. `--endurance 100000` asks so many good and bad requests of a server instead,
looks at its memory, and kills one of two workers under load.
"""

import argparse
import importlib.util
import itertools
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from load import Load, Outcome, ask, make_request
from mixed_requests import MODELS, Batch, ask_mixed, find_faults

from nlpkit.text.corpus import read_examples

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "corpora" / "samples" / "labelled.csv"
SCORE = "/v1/models/reviews/score"
SHORT = "质量很好，物流也快"
SLICES = 25  # of the requests of an endurance run: after each the memory is looked at
WARM = 5  # of these, after which it must be flat
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True)
class Running:
    """A server that answers.

    :param seconds: from its start until it was ready.
    """

    process: subprocess.Popen[bytes]
    port: int
    seconds: float
    path: str = SCORE

    def cpu(self) -> float:
        """CPU seconds of it, and of its workers."""
        return sum(_cpu_of(pid) for pid in (self.process.pid, *self.workers()))

    def memory(self) -> float:
        """MB of it, and of its workers, that are in memory."""
        return sum(_memory_of(pid) for pid in (self.process.pid, *self.workers()))

    def workers(self) -> list[int]:
        """Processes that it has begun."""
        children = [path.read_text() for path in Path(f"/proc/{self.process.pid}/task").glob("*/children")]
        return [int(child) for child in " ".join(children).split()]

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return str(answer.read().decode())


def nlpkit(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "nlpkit", "serve", "--port", "0", *arguments]


@contextmanager
def serving(command: Sequence[str], path: str = SCORE) -> Iterator[Running]:
    """Begin a server, and end it; what it says goes to a file."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            port = _wait(lambda: re.search(r"http://127\.0\.0\.1:(\d+)", _read(said)), process)[1]
            ready = "/readyz" if path == SCORE else "/openapi.json"
            _wait(lambda: _answers(int(port), ready), process)
            yield Running(process, int(port), time.perf_counter() - began, path)
        finally:
            process.terminate()
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait until a server has ended; snownlp's may have much to do that nobody waits for."""
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(find, process: subprocess.Popen[bytes]):
    """Return what is found, as soon as it is; a server that ends before has said why."""
    until = time.monotonic() + 60
    while not (found := find()):
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError("the server does not answer")
        time.sleep(0.005)
    return found


def _read(file) -> str:
    """What a file holds by now, whoever writes into it."""
    return os.pread(file.fileno(), 1 << 16, 0).decode(errors="replace")


def _answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _cpu_of(pid: int) -> float:
    try:
        return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])) / TICKS
    except OSError:
        return 0.0


def _memory_of(pid: int) -> float:
    try:
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1000
    except (OSError, TypeError):
        return 0.0


def make_bodies(size: int) -> list[bytes]:
    """Bodies of so many texts each, which together hold all sentences."""
    texts = [example.text for example in read_examples(SAMPLES)]
    endless, bodies = itertools.cycle(texts), max(3, len(texts) // size)
    batches = [list(itertools.islice(endless, size)) for _ in range(bodies)]
    return [json.dumps({"texts": batch}, ensure_ascii=False).encode() for batch in batches]


def measure(server: Running, bodies: Sequence[bytes], connections: int, seconds: float) -> tuple[Outcome, float]:
    """What came back, and the CPU seconds of the server."""
    requests = [make_request(server.path, body) for body in bodies]
    before = server.cpu()
    outcome = ask(Load(server.port, requests, connections, seconds))
    return outcome, server.cpu() - before


def show_latency(server: Running, name: str, seconds: float) -> None:
    """Print how long one short text takes, one at a time."""
    body = json.dumps({"texts": [SHORT]}, ensure_ascii=False).encode()
    measure(server, [body], 1, seconds / 5)  # warms it up
    outcome, _ = measure(server, [body], 1, seconds)
    p50, p99 = (outcome.percentile(share) for share in (0.5, 0.99))
    print(f"{name}, one short text at a time: {p50:.2f} ms (p50), {p99:.2f} ms (p99)", flush=True)


def show_rates(server: Running, name: str, told: argparse.Namespace) -> None:
    """Print texts a second, a row for each number of texts and of connections."""
    for size, connections in itertools.product(told.sizes, told.connections):
        outcome, cpu = measure(server, make_bodies(size), connections, told.seconds)
        texts = size * outcome.statuses[200]
        rate, a_cpu_second = texts / outcome.seconds, texts / cpu if cpu else float("nan")
        times = "".join(f"{outcome.percentile(share):>9.2f}" for share in (0.5, 0.99))
        others = {status: count for status, count in outcome.statuses.items() if status != 200}
        others |= {"not answered": outcome.unanswered} if outcome.unanswered else {}
        others |= {"lost": outcome.lost} if outcome.lost else {}
        share = outcome.cpu / outcome.seconds
        row = f"{name:<10}{size:>6}{connections:>13}{rate:>12,.0f}{times}{a_cpu_second:>14,.0f}{share:>8.0%}"
        print(row, *([str(others)] if others else []), flush=True)


def show_starts(runs: int) -> None:
    """Print how long a start takes."""
    seconds = []
    for _ in range(runs):
        with serving(nlpkit()) as server:
            seconds.append(server.seconds)
    print(f"start to ready: {statistics.median(seconds):.2f} s (median of {runs}), {max(seconds):.2f} s at most")


def show_speed(told: argparse.Namespace) -> None:
    """Print all figures of speed, of all servers."""
    bare = [sys.executable, str(HERE / "bare_servers.py")]
    servers = {"nlpkit": (nlpkit("--workers", str(told.workers)), SCORE), "nothing": ([*bare, "nothing"], "/")}
    if importlib.util.find_spec("snownlp"):
        servers["snownlp"] = ([*bare, "snownlp"], "/")
    else:
        print("snownlp is not installed, and not compared with")
    head = f"{'':<10}{'texts':>6}{'connections':>13}{'texts/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'texts/CPU s':>14}"
    for name in told.servers or servers:
        command, path = servers[name]
        with serving(command, path) as server:
            show_latency(server, name, told.seconds)
            print(f"{head}{'client':>8}")
            show_rates(server, name, told)


def endure(requests: int, seed: int, growth: float) -> list[str]:
    """Ask so many good and bad requests; print what came back, and return what should not have."""
    counted, memory, faults = Counter(), [], []
    began = time.perf_counter()
    with serving(nlpkit(*(word for model in MODELS for word in ("-m", model)))) as server:
        for slice_ in range(SLICES):
            amount = requests * (slice_ + 1) // SLICES - requests * slice_ // SLICES
            counted += ask_mixed(Batch(server.port, amount, seed + slice_))
            memory.append(server.memory())
        faults += find_faults(counted)
        server.get("/readyz")
    for (kind, outcome), count in sorted(counted.items()):
        print(f"{kind:<36}{outcome:>12}{count:>9,}")
    first, last = statistics.mean(memory[WARM : WARM + 5]), statistics.mean(memory[-5:])
    seconds = time.perf_counter() - began
    print(
        f"{sum(counted.values()):,} requests in {seconds:.0f} s; memory {first:.0f} MB when warm, {last:.0f} MB in the"
    )
    print(f"end: {last / first - 1:+.1%}; after each of {SLICES} parts: {' '.join(f'{mb:.0f}' for mb in memory)} MB")
    if last / first - 1 > growth / 100:
        faults.append("the memory is not flat")
    return faults


def kill_under_load(seconds: float, connections: int) -> list[str]:
    """Kill one of two workers under load; print what was lost, and return what should not have happened."""
    with serving(nlpkit("--workers", "2")) as server:
        _wait(lambda: "nlpkit_ready 2.0" in server.get("/metrics"), server.process)
        before, times = set(server.workers()), {}
        killer = threading.Thread(target=_kill, args=(server, seconds / 3, times))
        killer.start()
        outcome, _ = measure(server, make_bodies(1), connections, seconds)
        killer.join()
        after = set(server.workers())
    answered = outcome.statuses[200]
    print(
        f"a worker killed under load of {connections} connections: {answered:,} requests answered, {outcome.lost} lost;"
    )
    print(f"two workers were ready after {times['back']:.1f} s; the slowest answer took {outcome.percentile(1):.0f} ms")
    faults = [f"{count:,} answers of status {status}" for status, count in outcome.statuses.items() if status != 200]
    faults += ["more was lost than the killed one had"] if outcome.lost > connections else []
    faults += [] if len(after) == 2 and len(after & before) == 1 else ["the worker did not come back"]
    return faults


def _kill(server: Running, after: float, times: dict[str, float]) -> None:
    time.sleep(after)
    began = time.perf_counter()
    os.kill(server.workers()[0], signal.SIGKILL)
    time.sleep(0.1)  # until it is noticed
    _wait(lambda: "nlpkit_ready 2.0" in server.get("/metrics"), server.process)
    times["back"] = time.perf_counter() - began


def main(argv: Sequence[str] | None = None) -> None:
    """Print the figures; fail if a server did what it should not."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 32, 1000], help="texts of a request")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each figure")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--servers", nargs="+", choices=["nlpkit", "nothing", "snownlp"])
    parser.add_argument("--workers", type=int, default=1, help="of nlpkit")
    parser.add_argument("--endurance", type=int, metavar="REQUESTS", help="ask so many good and bad requests instead")
    parser.add_argument("--memory", type=float, default=5.0, help="per cent by which memory may grow when warm")
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args(argv)
    if told.endurance:
        faults = endure(told.endurance, told.seed, told.memory) + kill_under_load(told.seconds * 3, 16)
        if faults:
            sys.exit("; ".join(faults))
        return
    show_starts(told.starts)
    show_speed(told)


if __name__ == "__main__":
    main()
