"""Kills a training run at random moments and resumes it: the weights must be those of a run that nobody killed.

`kills.py CORPUS [--kills 20] [-- OPTIONS OF TRAIN]`. Each kill is SIGKILL to a run of its own, at a moment drawn from
the whole length of an undisturbed run; then one `--resume` goes on to the end.
"""

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

USUAL = (
    "--encoder lstm --set encoder.layers=2 --set encoder.dropout=0.3 --set encoder.hidden=24 --set training.epochs=4"
)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("options", nargs="*", help="of train, after --")
    arguments = parser.parse_args()
    options = arguments.options or USUAL.split()
    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "model"
        began = time.monotonic()
        subprocess.run(command(arguments.corpus, whole, options), check=True, capture_output=True)
        length, expected = time.monotonic() - began, weights(whole)
        print(f"undisturbed: {length:.1f} s, {expected[:16]}")
        same = 0
        for number in range(arguments.kills):
            folder = Path(scratch) / str(number) / "model"
            moment = draw.uniform(0, length)
            run = subprocess.Popen(
                command(arguments.corpus, folder, options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(moment)
            ended = run.poll() is not None
            run.kill()
            run.wait()
            begun = (folder.parent / "model.training" / "run.json").exists()
            if not ended:
                more = ["--resume"] if begun else []
                done = subprocess.run(
                    command(arguments.corpus, folder, options, *more), check=False, capture_output=True, text=True
                )
                if done.returncode:
                    print(done.stderr)
            found = weights(folder) if folder.exists() else "nothing"
            same += found == expected
            state = "had ended" if ended else "resumed" if begun else "had not begun"
            resumed = [line.strip() for line in done.stderr.splitlines() if "resumed" in line] if not ended else []
            print(f"kill {number + 1:>2} at {moment:5.1f} s ({state}; {', '.join(resumed)}): {found[:16]}", flush=True)
        print(f"{same} of {arguments.kills} identical")


if __name__ == "__main__":
    main()
