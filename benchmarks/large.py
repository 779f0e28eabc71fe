"""Memory and time per row of training on 100,000 and 5,000,000 rows: prepare, and one epoch of a small model.

`large.py CORPUS... [--rows 100000 5000000]`. The rows of the corpora are repeated, each time with a number behind the
text, so that no two are copies of each other. Each size runs in a process of its own.
"""

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from nlpkit.text.corpus import Example, read_examples

MODEL = {
    "name": "small",
    "tokenizer": {"name": "char"},
    "embedding": {"name": "trainable", "dim": 16},
    "encoder": {"name": "none"},
    "head": {"pooling": "max+mean"},
    "training": {"epochs": 1, "batch_size": 256, "learning_rate": 0.01},
    "max_length": 128,
}


def repeated(corpora: list[str], rows: int) -> Iterator[Example]:
    """So many rows, read from the files as often as it takes."""
    whole = (e for number in itertools.count() for path in corpora for e in _numbered(path, number))
    return itertools.islice(whole, rows)


def _numbered(path: str, number: int) -> Iterator[Example]:
    for example in read_examples(path):
        yield Example(f"{example.text} {number}号", example.label, example.corpus)


def train(corpora: list[str], rows: int, folder: Path) -> dict[str, float]:
    import torch  # after the parent's own run

    from nlpkit.tasks.sentiment.run import SentimentRun
    from nlpkit.tasks.sentiment.task import SENTIMENT
    from nlpkit.training import run
    from nlpkit.training.events import Fitting, Prepared, Saved
    from nlpkit.training.loop import Epoch

    torch.set_num_threads(1)
    found = {}
    began = time.process_time()
    settings = SentimentRun.shape().make_settings({"members": [MODEL]})
    for event in run.train(SENTIMENT, repeated(corpora, rows), settings, folder / "model"):
        now = time.process_time() - began
        match event:
            case Prepared():
                found["read"] = now
            case Fitting():
                found["prepared"] = now
            case Epoch():
                found["epoch"] = now
            case Saved():
                found["saved"] = now
                found["accuracy"] = event.metrics["all"].accuracy
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 5_000_000])
    parser.add_argument("--folder", type=Path, default=None, help="where the runs write; a few GB")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.child:
        print(json.dumps(train(arguments.corpora, arguments.rows[0], arguments.folder)))
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    print(f"{'rows':>10}  {'read':>7}  {'prepared':>8}  {'epoch':>7}  {'saved':>7}  µs a row (CPU), then peak MB")
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            command = [sys.executable, __file__, *arguments.corpora, "--rows", str(rows), "--folder", folder, "--child"]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        steps = [found[name] / rows * 1e6 for name in ("read", "prepared", "epoch", "saved")]
        shown = "  ".join(f"{step:>7.1f}" for step in steps)
        print(f"{rows:>10,}  {shown}  {found['peak_mb']:.0f} MB, accuracy {found['accuracy']:.4f}", flush=True)


if __name__ == "__main__":
    main()
