"""What a thousand million reviews cost, and what slow and dying workers add: a simulation, by file size.

Workers take files one after the other. Some are slow throughout; each dies now and then, and its file begins anew,
first in the queue, while another worker is started. The figures of one worker are options: measure them first.
"""

import argparse
import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass

HOUR = 3600.0
NOISE = 0.1  # of a file's seconds, as the deviation of their logarithm
HEADER = ("rows a file", "files", "hours", "of the ideal", "done in vain", "at the end", "requests")


@dataclass(frozen=True)
class Cluster:
    """What is known of workers.

    :param rate: rows a second that one answers.
    :param overhead: seconds of one that a file costs beside its rows.
    :param dispatch: seconds of the scheduler that a file costs; there is one scheduler.
    :param slow: share of those that are ``slower`` times as slow.
    :param life: hours between two deaths of one, on average.
    :param start: seconds until another takes its place.
    """

    workers: int
    rate: float
    overhead: float
    dispatch: float
    slow: float
    slower: float
    life: float
    start: float


@dataclass
class Outcome:
    """What came of a run, in seconds: its length, what workers did in vain, and what they waited for at its end."""

    length: float = 0.0
    vain: float = 0.0
    waited: float = 0.0
    deaths: int = 0


def simulate(cluster: Cluster, files: int, rows: float, draw: random.Random) -> Outcome:
    """Let workers answer so many files of so many rows."""
    outcome, left, scheduled = Outcome(), files, 0.0
    slow = round(cluster.workers * cluster.slow)
    pace = [cluster.slower] * slow + [1.0] * (cluster.workers - slow)
    free = [(0.0, worker) for worker in range(cluster.workers)]  # when each can take a file
    lost: list[float] = []  # when files have come back of workers that died
    while left or lost:
        now, worker = heapq.heappop(free)
        if lost and (not left or lost[0] <= now):
            now = max(now, heapq.heappop(lost))
        else:
            left -= 1
        now = scheduled = max(now, scheduled) + cluster.dispatch
        needed = (cluster.overhead + rows / cluster.rate) * pace[worker] * draw.lognormvariate(0, NOISE)
        life = draw.expovariate(1 / (cluster.life * HOUR))
        if life < needed:
            outcome.deaths += 1
            outcome.vain += life
            heapq.heappush(lost, now + life)
            heapq.heappush(free, (now + life + cluster.start, worker))
        else:
            heapq.heappush(free, (now + needed, worker))
            outcome.length = max(outcome.length, now + needed)
    outcome.waited = sum(max(0.0, outcome.length - at) for at, _ in free)
    return outcome


def describe(cluster: Cluster, total: float, rows: float, told: argparse.Namespace) -> tuple[str, ...]:
    """A line of the table."""
    files = max(1, round(total / rows))
    runs = [simulate(cluster, files, total / files, random.Random(told.seed + at)) for at in range(told.runs)]
    length, vain, waited = (sum(getattr(run, of) for run in runs) / told.runs for of in ("length", "vain", "waited"))
    ideal = total / cluster.rate / cluster.workers
    requests = files * told.requests + files * rows * told.bytes / 1e6 / told.part
    shares = (share / length / cluster.workers for share in (vain, waited))
    return (
        f"{rows:,.0f}",
        f"{files:,}",
        f"{length / HOUR:.2f}",
        f"{length / ideal:.2f}",
        *(f"{share:.1%}" for share in shares),
        f"{requests:,.0f}",
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Print what the rows cost whoever scores them, then a table by rows a file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=float, default=1e9)
    parser.add_argument("--files-of", type=float, nargs="+", default=[1e4, 1e5, 1e6, 1e7], metavar="ROWS")
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--rate", type=float, default=79_000, help="rows a second of one worker")
    parser.add_argument("--overhead", type=float, default=0.01, help="seconds of a worker that a file costs")
    parser.add_argument("--dispatch", type=float, default=0.003, help="seconds of the scheduler that a file costs")
    parser.add_argument("--slow", type=float, default=0.05, help="share of workers that are slow")
    parser.add_argument("--slower", type=float, default=3, help="so many times")
    parser.add_argument("--life", type=float, default=24, help="hours between two deaths of a worker")
    parser.add_argument("--start", type=float, default=60, help="seconds until another takes its place")
    parser.add_argument("--memory", type=float, default=0.2, help="GB a worker")
    parser.add_argument("--bytes", type=float, default=200, help="that are read and written of a row")
    parser.add_argument("--requests", type=float, default=12, help="to an object store, a file")
    parser.add_argument("--part", type=float, default=50, help="MB of a part of a large file: one more request each")
    parser.add_argument("--runs", type=int, default=5, help="that are averaged")
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args(argv)
    names = ("workers", "rate", "overhead", "dispatch", "slow", "slower", "life", "start")
    cluster = Cluster(**{name: getattr(told, name) for name in names})
    hours = told.rows / told.rate / HOUR
    print(f"{told.rows:,.0f} rows at {told.rate:,.0f} rows a second: {hours:.2f} hours of one worker")
    memory, moved = told.workers * told.memory, told.rows * told.bytes / 1e9
    print(f"{told.workers} workers: {memory:.0f} GB of memory, {moved:,.0f} GB moved")
    lines = [HEADER, *(describe(cluster, told.rows, rows, told) for rows in told.files_of)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


if __name__ == "__main__":
    main()
