"""1,000,000 reviews scored by one process and by two: seconds, memory, and whether the bytes are the same.

Memory is the greatest sum of what the processes have for themselves, with their share of what they have in common: PSS.
"""

import argparse
import filecmp
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from reviews import write_reviews

EVERY = 0.5  # seconds between two looks at the memory, each of which costs some milliseconds a process


def pss(pid: int) -> float:
    """MB of a process and all that it has started."""
    total, tasks = 0, [pid]
    while tasks:
        own = Path(f"/proc/{tasks.pop()}")
        try:
            lines = (own / "smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            children = [(thread / "children").read_text() for thread in (own / "task").iterdir()]
            tasks += [int(child) for child in " ".join(children).split()]
        except (OSError, StopIteration):  # it has ended meanwhile
            continue
    return total / 1000


def run(command: Sequence[str]) -> tuple[float, float]:
    """Seconds of the clock, and the peak of the memory in MB, of one run."""
    began, peak = time.monotonic(), 0.0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors: list[bytes] = []
    reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()))
    reader.start()
    while process.poll() is None:
        peak = max(peak, pss(process.pid))
        time.sleep(EVERY)
    seconds = time.monotonic() - began
    reader.join()
    process.communicate()  # which closes what was read from
    if process.returncode:
        raise RuntimeError(b"".join(errors).decode(errors="replace"))
    return seconds, peak


def main(argv: Sequence[str] | None = None) -> None:
    """Print seconds and memory of each number of processes, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    told = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "reviews.txt")
        write_reviews(told.corpora, source, told.rows)
        measured: dict[int, list[tuple[float, float]]] = {1: [], told.jobs: []}
        for _ in range(told.runs):
            for jobs, found in measured.items():
                target = str(Path(folder, f"{jobs}.jsonl"))
                score = ["sentiment", "score", str(source), "-o", target, "--force", "--jobs", str(jobs)]
                found.append(run([sys.executable, "-m", "nlpkit", *score]))
        seconds, peaks = (_medians(measured, column) for column in (0, 1))
        for jobs in measured:
            print(f"{told.rows:,} rows, {jobs} process{'es' * (jobs > 1)}: {seconds[jobs]:.1f} s, {peaks[jobs]:.0f} MB")
        if not filecmp.cmp(Path(folder, "1.jsonl"), Path(folder, f"{told.jobs}.jsonl"), shallow=False):
            sys.exit("the bytes differ")
    print(f"{seconds[1] / seconds[told.jobs]:.2f} times as fast, {peaks[told.jobs] / peaks[1]:.2f} times the memory")


def _medians(measured: dict[int, list[tuple[float, float]]], column: int) -> dict[int, float]:
    return {jobs: statistics.median(run[column] for run in runs) for jobs, runs in measured.items()}


if __name__ == "__main__":
    main()
