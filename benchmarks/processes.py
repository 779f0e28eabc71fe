"""Runs a command and reads the operating system's own account of it."""

import os
import statistics
import subprocess
import sys
from collections.abc import Sequence

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def cost(command: Sequence[str]) -> tuple[float, float]:
    """CPU seconds, user and system, and peak memory in MB of one finished run.

    :raises RuntimeError: if it fails.
    """
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ | ONE_THREAD)
    assert process.stderr is not None
    with process.stderr:
        errors = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # or it would be waited for again
    if status:
        raise RuntimeError(f"{' '.join(command)}: {errors}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def in_turn(commands: dict[str, Sequence[str]], runs: int) -> dict[str, float]:
    """Median CPU seconds of each command, run in turn, after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for counted in range(runs + 1):
        for name, command in commands.items():
            used, _ = cost(command)
            if counted:
                seconds[name].append(used)
    return {name: statistics.median(found) for name, found in seconds.items()}
