"""Seconds of an epoch by one process and by several that torchrun starts, of the same network and global batch.

`launched.py CORPUS [--recipe lstm] [--set encoder.hidden=256 ...]`. Each process has one thread; the runs take turns,
and what counts is what the history of a run says of its last epoch: beginning and preparing are done once by each.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from processes import ONE_THREAD

CHANGED = ("encoder.hidden=256", "training.pretrain=0", "training.r_drop=0", "training.min_steps=0")


def seconds_of(corpus: str, told: argparse.Namespace, processes: int, folder: Path) -> float:
    """Train, and return the seconds of the last epoch."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    train = ["-m", "nlpkit", "sentiment", "train", corpus, "-o", str(folder / "model"), "--force"]
    more = ["--recipe", told.recipe, *(part for setting in told.set for part in ("--set", setting))]
    done = subprocess.run(
        [sys.executable, *(torchrun if processes > 1 else []), *train, "--epochs", str(told.epochs), *more],
        env=os.environ | ONE_THREAD,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    (history,) = (folder / "model").glob("history*.csv")
    with history.open(encoding="utf-8") as lines:
        return float([row for row in csv.DictReader(lines) if row["seconds"]][-1]["seconds"])


def main(argv: Sequence[str] | None = None) -> None:
    """Print the medians of each number of processes, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus")
    parser.add_argument("--recipe", default="lstm")
    parser.add_argument("--set", nargs="+", default=list(CHANGED), metavar="NAME=VALUE")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    told = parser.parse_args(argv)
    found: dict[int, list[float]] = {1: [], told.processes: []}
    with tempfile.TemporaryDirectory() as scratch:
        for _ in range(told.runs):
            for processes, seconds in found.items():
                seconds.append(seconds_of(told.corpus, told, processes, Path(scratch)))
                print(f"{processes} process{'es' * (processes > 1)}: {seconds[-1]:.1f} s an epoch", flush=True)
    one, several = (statistics.median(seconds) for seconds in found.values())
    print(f"{one / several:.2f} times as fast by {told.processes} processes")


if __name__ == "__main__":
    main()
