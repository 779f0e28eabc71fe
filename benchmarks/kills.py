"""Kills a training run at random moments and resumes it: the weights must be those of a run that nobody killed.

`kills.py CORPUS [--kills 20] [-- OPTIONS OF TRAIN]`. Each kill is SIGKILL to a run of its own, at a moment drawn from
the whole length of an undisturbed run; then one `--resume` goes on to the end.
"""

import argparse
import hashlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SET = ["encoder.layers=2", "encoder.dropout=0.3", "encoder.hidden=24", "training.epochs=4"]
USUAL = ["--encoder", "lstm", *(f"--set={setting}" for setting in SET)]


def command(corpus: str, folder: Path, options: list[str], *more: str) -> list[str]:
    train = [sys.executable, "-m", "nlpkit", "sentiment", "train", corpus, "-o", str(folder), "--save-every", "0.3"]
    return [*train, *options, *more]


def weights(folder: Path) -> str:
    """A digest of everything in the model that is no time and no picture."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in ("history.csv", "curve.png", "README.md"):
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def kill(run: list[str], moment: float, folder: Path) -> bool:
    """Start a run and kill it at a moment; whether it had begun by then, and had not ended."""
    process = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(moment)
    process.kill()
    process.wait()
    return (folder.parent / "model.training" / "run.json").exists()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    arguments, options = parser.parse_args(sys.argv[1:end]), sys.argv[end + 1 :] or USUAL
    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "model"
        began = time.monotonic()
        subprocess.run(command(arguments.corpus, whole, options), check=True, capture_output=True)
        length, expected = time.monotonic() - began, weights(whole)
        print(f"undisturbed: {length:.1f} s, {expected[:16]}")
        same = killed = 0
        while killed < arguments.kills:
            folder = Path(scratch) / str(killed) / "model"
            moment = draw.uniform(0, length)
            if not kill(command(arguments.corpus, folder, options), moment, folder):
                shutil.rmtree(folder.parent, ignore_errors=True)
                continue
            killed += 1
            resume = command(arguments.corpus, folder, options, "--resume")
            done = subprocess.run(resume, check=True, capture_output=True, text=True)
            found = weights(folder)
            same += found == expected
            where = [line.strip().rstrip(":") for line in done.stderr.splitlines() if "resumed" in line]
            print(f"kill {killed:>2} at {moment:5.1f} s: {', '.join(where) or 'begun anew'}: {found[:16]}", flush=True)
        print(f"{same} of {arguments.kills} identical")


if __name__ == "__main__":
    main()
