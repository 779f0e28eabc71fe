"""Files of reviews scored by Dask on several workers beside one, and beside `--jobs`; with kills, if wanted.

`workers.py CORPUS [--rows 5000000] [--files 40] [--workers 2] [--kills 10]`. Killed are workers drawn at random, at
moments drawn at random; what comes of it must be, file by file, what comes of one worker that nobody kills.
"""

import argparse
import csv
import filecmp
import itertools
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from jobs import run

from nlpkit.text.corpus import read_examples


def write_files(corpus: str, folder: Path, rows: int, files: int) -> None:
    """So many rows, the texts of a corpus again and again, in tables of equal length."""
    texts = itertools.cycle([example.text for example in read_examples(corpus, answer=None)])
    folder.mkdir()
    for number in range(files):
        first, last = rows * number // files, rows * (number + 1) // files
        with (folder / f"{number:04}.csv").open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file)
            out.writerow(["id", "review"])
            out.writerows(zip(range(first, last), texts, strict=False))


def nlpkit(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "nlpkit", *arguments]


def score(source: Path, target: Path, workers: int) -> list[str]:
    """The command that scores by Dask."""
    pattern = str(source / "*.csv")
    return nlpkit("dask", "score", pattern, "-c", "review", "-o", str(target), "--force", "--workers", str(workers))


def measure(command: Sequence[str]) -> tuple[float, float, float]:
    """Seconds of the clock, seconds of CPU, and the peak of the memory in MB, of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds, peak = run(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak


def differ(one: Path, other: Path) -> list[str]:
    """Names of files that are not the same, or not in both."""
    names = {path.name for folder in (one, other) for path in folder.iterdir() if path.name != "_nlpkit"}
    return sorted(filecmp.cmpfiles(one, other, names, shallow=False)[1] + filecmp.cmpfiles(one, other, names)[2])


def find_workers(process: subprocess.Popen) -> list[int]:
    """Processes that Dask has started for a command."""
    try:
        tasks = list(Path(f"/proc/{process.pid}/task").iterdir())
        children = {int(pid) for task in tasks for pid in (task / "children").read_text().split()}
        return sorted(pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:  # one has ended meanwhile
        return []


def kill_workers(command: Sequence[str], output: Path, kills: int, pause: float, draw: random.Random) -> int:
    """Kill workers of a command from when they write; how many were killed, some of them before they had begun."""
    process, killed = subprocess.Popen(command, stdout=subprocess.DEVNULL), 0
    while process.poll() is None:
        time.sleep(draw.uniform(0.5, 1.5) * pause)
        if killed < kills and any(output.glob(".*.part")) and (workers := find_workers(process)):
            os.kill(draw.choice(workers), signal.SIGKILL)
            killed += 1
    if process.returncode:
        raise RuntimeError(f"the command ended with {process.returncode}")
    return killed


def main(argv: Sequence[str] | None = None) -> None:
    """Print seconds and memory of each way, the ratio, and what kills have changed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        source, one, several = (Path(scratch, name) for name in ("in", "one", "several"))
        write_files(told.corpus, source, told.rows, told.files)
        size = sum(path.stat().st_size for path in source.iterdir())
        print(f"{told.rows:,} rows, {size / told.rows:.0f} bytes each, in {told.files} files", flush=True)
        plain = nlpkit("sentiment", "score", *map(str, sorted(source.iterdir())), "-c", "review", "--force")
        plain += ["-o", str(Path(scratch, "plain.csv"))]
        ways = {
            "Dask, 1 worker": score(source, one, 1),
            f"Dask, {told.workers} workers": score(source, several, told.workers),
            f"--jobs {told.workers}": [*plain, "--jobs", str(told.workers)],
        }
        found = {}
        for name, command in ways.items():
            found[name] = measure(command)
            print("{}: {:.1f} s, {:.1f} s of CPU, {:.0f} MB".format(name, *found[name]), flush=True)
        (alone, *_), (together, *_), (jobs, *_) = found.values()
        print(f"{alone / together:.2f} times as fast by {told.workers} workers; --jobs: {alone / jobs:.2f} times")
        if odd := differ(one, several):
            sys.exit(f"the bytes differ: {', '.join(odd)}")
        if told.kills:
            command, draw = score(source, several, told.workers), random.Random(told.seed)
            killed = kill_workers(command, several, told.kills, together / (told.kills + 1), draw)
            odd = differ(one, several)
            print(f"{killed} workers killed: {told.files - len(odd)} of {told.files} files are the same, byte for byte")
            if odd:
                sys.exit(f"the bytes differ: {', '.join(odd)}")


if __name__ == "__main__":
    main()
