"""Binary codes beside a softmax as the output of one cloze network, at equal steps on a quarter of the rows.

`codes.py CORPORA FOLDER [--epochs N] [--only NAME...]`. All runs have the same rows, words, network, steps and seed,
and none stops early; the output alone differs. All are measured on the same items, words of test rows of the whole
corpora. A run whose figures lie in FOLDER is not done again. Vectors are fitted to the rows that are trained on, by the
plugin nlpkit-zh-word2vec. The last line has one run under bce with other weights of the prior.
"""

import argparse
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy starts its own

import numpy as np
from processes import cost
from reviews import FILES
from safetensors.numpy import save

from nlpkit.components.codes import count_collisions
from nlpkit.components.decoders import unpack
from nlpkit.model.bundle import ARRAYS, Bundle, add_checksums
from nlpkit.model.members import load_arrays
from nlpkit.tasks.cloze.inference import FillingNetwork
from nlpkit.tasks.cloze.items import make_items
from nlpkit.tasks.cloze.metrics import item_blanks, measure_items
from nlpkit.tasks.cloze.model import ClozeModel
from nlpkit.text.corpus import read_examples
from nlpkit.text.split import deduplicate, split_rows

ROWS = FILES[:2]
BITS = (64, 100, 256)
TIMED = 300  # blanks at most
TEACHER = "softmax"  # the run from whose table codes are learned
NETWORK = {  # the same for all: small, and alone
    "encoder.hidden": 128,
    "encoder.dropout": 0.0,
    "head.hidden": [256],
    "head.dropout": 0.0,
    "training.batch_tokens": 1024,
    "training.exact_epochs": 0,
    "training.monitor": "accuracy",
    "training.precision": "bfloat16",
    "validation": 0.02,
}
EPOCHS_OF_VECTORS = 20  # the default of 5 is for more text
STORED = f"network/{ARRAYS}"
PRIORS = (0, 1, 2, 4, 8, 16)
OF_PRIORS = "word2vec-sign-100-bce"
COLUMNS: tuple[str, ...] = ("codes", "bits", "loss", "top-1", "top-5", "top-10", "MRR@10")
COLUMNS += ("bits right", "by majority", "collisions", "MB", "ms", "CPU s")


class Run(NamedTuple):
    """An output embedding: what the table calls it, and its settings."""

    codes: str
    bits: int
    loss: str
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        parts = [*self.codes.replace(",", "").split(), self.bits, self.loss]
        return "-".join(str(part) for part in parts if part)


def runs(folder: Path) -> list[Run]:
    """All of them, those first that others need."""
    found = [Run("softmax", 0, "", {"output.tied": True}), Run("softmax, untied", 0, "", {"output.tied": False})]
    for bits, loss in itertools.product(BITS, ("softmax", "bce")):
        fitted = {"output.vectors": str(folder / f"word2vec-{bits}.txt")}
        ways = [("word2vec sign", "sign", fitted), ("word2vec ITQ", "itq", fitted), ("random", "random", {})]
        ways += [("PPMI ITQ", "itq", {})] if loss == "softmax" else []
        found += [_coded(codes, bits, loss, source, more) for codes, source, more in ways]
    learned = {"output.vectors": str(folder / f"{TEACHER}.txt")}
    return found + [_coded("softmax ITQ", bits, "softmax", "itq", learned) for bits in BITS[1:]]


def _coded(codes: str, bits: int, loss: str, source: str, more: dict[str, Any]) -> Run:
    return Run(codes, bits, loss, {"output.source": source, "output.bits": bits, **more})


def prepare(corpora: Path, folder: Path, fitted: Sequence[int]) -> list[str]:
    """Write every fourth training row, and fit vectors of some sizes to them; return the texts of the test rows."""
    examples = (example for name in ROWS for example in read_examples(corpora / name))
    found = split_rows(deduplicate(examples).examples, test=0.2, validation=0.0)
    quarter = folder / "quarter.jsonl"
    quarter.write_text("".join(json.dumps({"text": e.text}) + "\n" for e in found.train[::4]), encoding="utf-8")
    for bits in fitted:
        target = folder / f"word2vec-{bits}.txt"
        if not target.exists():
            fit = ["vectors", "train", str(quarter), "-o", str(target), "--dim", str(bits)]
            nlpkit(*fit, "--epochs", str(EPOCHS_OF_VECTORS))
    return [example.text for example in found.test]


def nlpkit(*arguments: str) -> float:
    """CPU seconds of a command."""
    return cost([sys.executable, "-m", "nlpkit", *arguments])[0]


def train(run: Run, folder: Path, epochs: int, assignments: Sequence[str]) -> float:
    """Train a run into its folder; CPU seconds, with everything before and after the loop."""
    assigned = NETWORK | {"training.epochs": epochs, "training.patience": epochs} | run.settings
    sets = [part for name, value in assigned.items() for part in ("--set", f"{name}={toml(value)}")]
    sets += [part for assignment in assignments for part in ("--set", assignment)]
    output = ["--coding", "binary-codes", "--set", f"output.loss={run.loss}"] if run.bits else []
    target = str(folder / run.name)
    return nlpkit(
        "cloze", "train", str(folder / "quarter.jsonl"), "-o", target, "--force", "--no-weights", *output, *sets
    )


def toml(value: Any) -> str:
    """A value as `--set` reads it."""
    return value if isinstance(value, str) else json.dumps(value)


def measure(run: Run, folder: Path, texts: list[str], limit: int) -> dict[str, Any]:
    """Figures of a trained run on the test rows."""
    model = ClozeModel.load(folder / run.name)
    items = make_items(model.normaliser.batch(texts), model.tokenizer, model.words, limit=limit)
    found = measure_items(model, items).to_json()
    member = model.member(0)
    assert isinstance(member, FillingNetwork)
    outputs = member.outputs(item_blanks(model, items[:TIMED]))
    stored = model.bundle.read(STORED)
    if run.bits:
        codes = np.ascontiguousarray(unpack(load_arrays(stored)["codes"], run.bits))
        found["collisions"] = count_collisions(codes)
    milliseconds = statistics.median(time_of(member.decoder, outputs[at : at + 1]) for at in range(len(outputs))) * 1e3
    return found | {"bytes": len(stored), "milliseconds": milliseconds}


def time_of(decoder: Any, outputs: Any) -> float:
    """CPU seconds to find the ten best words at a blank."""
    began = time.process_time()
    decoder.nearest(outputs, 10)
    return time.process_time() - began


def write_table(folder: Path) -> None:
    """Write the vectors of the softmax's words as a text file."""
    model = ClozeModel.load(folder / TEACHER)
    arrays = load_arrays(model.bundle.read(STORED))
    rows = arrays["table"] * arrays["scale"]
    with (folder / f"{TEACHER}.txt").open("w", encoding="utf-8") as file:
        file.write(f"{len(rows)} {rows.shape[1]}\n")
        for word, row in zip(model.words, rows, strict=True):
            file.write(f"{word} {' '.join(f'{number:.5g}' for number in row)}\n")


def row(run: Run, found: dict[str, Any]) -> str:
    """A line of the table."""
    bits = found.get("bits")
    shares = f"{bits['accuracy'] * 100:.1f} | {bits['majority'] * 100:.1f} | {found['collisions']:,}" if bits else "| |"
    cells = [run.codes, str(run.bits or ""), run.loss, *(f"{found[f'top{k}']:.1f}" for k in (1, 5, 10))]
    cells += [f"{found['mrr10']:.3f}", shares, f"{found['bytes'] / 1e6:.2f}", f"{found['milliseconds']:.2f}"]
    return "| " + " | ".join([*cells, f"{found['cpu_s']:.0f}"]) + " |"


def by_prior(folder: Path, texts: list[str], limit: int) -> dict[str, float]:
    """Top-1 under each weight of the prior, by its name."""
    model = ClozeModel.load(folder / OF_PRIORS)
    items = make_items(model.normaliser.batch(texts), model.tokenizer, model.words, limit=limit)
    arrays = load_arrays(model.bundle.read(STORED))
    given = model.bundle.config["members"][0]["output"]["config"]["prior"]
    found = {}
    for prior in PRIORS:
        files = {**model.bundle.files, STORED: save(arrays | {"bias": arrays["bias"] * np.float32(prior / given)})}
        found[str(prior)] = measure_items(ClozeModel(Bundle(OF_PRIORS, add_checksums(files))), items).top1
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is not there yet, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("folder", type=Path, help="keeps the runs, so that it can be broken off")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--only", nargs="+", help="names of runs, such as random-64-bce")
    parser.add_argument("--items", type=int, default=6_000, help="blanks that all are measured on")
    parser.add_argument("--set", dest="assignments", nargs="+", default=[], help="of all networks: encoder.hidden=32")
    arguments = parser.parse_args(argv)
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [run for run in runs(folder) if arguments.only is None or run.name in arguments.only]
    fitted = {run.bits for run in chosen if run.codes.startswith("word2vec")}
    texts = prepare(arguments.corpora, folder, sorted(fitted))
    for run in chosen:
        kept = folder / f"{run.name}.json"
        if not kept.exists():
            spent = train(run, folder, arguments.epochs, arguments.assignments)
            kept.write_text(
                json.dumps(measure(run, folder, texts, arguments.items) | {"cpu_s": spent}), encoding="utf-8"
            )
            print(f"{run.name}: {spent:.0f} CPU s", file=sys.stderr, flush=True)
        if run.name == TEACHER:
            write_table(folder)
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    for run in chosen:
        print(row(run, json.loads((folder / f"{run.name}.json").read_text(encoding="utf-8"))))
    if any(run.name == OF_PRIORS for run in chosen):
        print(f"\ntop-1 of {OF_PRIORS} by the weight of the prior: {by_prior(folder, texts, arguments.items // 2)}")


if __name__ == "__main__":
    main()
