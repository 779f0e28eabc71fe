"""50,000 reviews from file to file beside fastText's character model, splitting included, one thread each.

Two accounts: inside the process, from opening the input to closing the output, models loaded; and the whole process,
with start and loading. The reviews are test rows, which neither has seen; the two run in turn.
"""

import argparse
import gc
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from processes import cost
from reviews import parts, write_reviews


def characters(text: str) -> str:
    """Characters apart, as fastText wants them."""
    return " ".join(c for c in text if not c.isspace())


def train_fasttext(corpora: Path, folder: Path) -> None:
    """Dimension 64, n-grams to 3, a million buckets, 10 epochs."""
    import fasttext

    with (folder / "train").open("w", encoding="utf-8") as file:
        file.writelines(f"__label__{e.label} {characters(e.text)}\n" for e in parts(corpora).train)
    options = {"dim": 64, "lr": 0.1, "epoch": 10, "minCount": 2, "wordNgrams": 3, "bucket": 1_000_000}
    model = fasttext.train_supervised(str(folder / "train"), thread=1, verbose=0, **options)
    model.save_model(str(folder / "fasttext.bin"))


def run_fasttext(folder: Path) -> None:
    """Read, split, predict, write; 1,000 lines at a time."""
    import fasttext

    model = fasttext.load_model(str(folder / "fasttext.bin"))
    started = time.process_time()
    with (folder / "reviews.txt").open(encoding="utf-8") as source, (folder / "fasttext.out").open("w") as target:
        while lines := source.readlines(1 << 17):
            split = [characters(line) + "\n" for line in lines]
            labels, probabilities = model.f.multilinePredict(split, 1, 0.0, "strict")
            target.writelines(f"{a[0]} {p[0]}\n" for a, p in zip(labels, probabilities, strict=True))
    print(time.process_time() - started)


def run_nlpkit(folder: Path) -> None:
    """The command's own way, with both members loaded before the clock starts."""
    from nlpkit.commands.answers import Look, make_writer
    from nlpkit.commands.streams import open_output
    from nlpkit.tasks.sentiment.form import ScoreForm
    from nlpkit.tasks.sentiment.model import SentimentModel
    from nlpkit.text.rows import open_rows

    model = SentimentModel.load()
    model.check()
    gc.disable()
    started, first = time.process_time(), 1
    write = make_writer("jsonl", ScoreForm(model, Look(), {}))
    with open_output(folder / "inside.jsonl", force=True) as out, open_rows(folder / "reviews.txt") as source:
        for rows in source.blocks:
            out.write(write(source, first, rows, model.score_rows(rows)))
            first += len(rows)
    print(time.process_time() - started)


def main(argv: Sequence[str] | None = None) -> None:
    """Train the rival, run both in turn, print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--inside", choices=["fasttext", "nlpkit"], help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.inside:
        {"fasttext": run_fasttext, "nlpkit": run_nlpkit}[args.inside](args.corpora)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_reviews(args.corpora, folder / "reviews.txt", args.rows)
        train_fasttext(args.corpora, folder)
        compare(folder, args.runs, args.rows)


def compare(folder: Path, runs: int, rows: int) -> None:
    """Medians of both accounts."""
    this = [sys.executable, __file__, str(folder), "--inside"]
    shell = [sys.executable, "-m", "nlpkit", "sentiment", "score", str(folder / "reviews.txt"), "--force", "-o"]
    whole = {"fasttext": [*this, "fasttext"], "nlpkit": [*shell, str(folder / "whole.jsonl")]}
    inside: dict[str, list[float]] = {"fasttext": [], "nlpkit": []}
    outside: dict[str, list[float]] = {"fasttext": [], "nlpkit": []}
    for _ in range(runs):
        for system in inside:
            done = subprocess.run([*this, system], capture_output=True, text=True, check=True)
            inside[system].append(float(done.stdout))
            outside[system].append(cost(whole[system])[0])
    for what, found in (("file to file, models loaded", inside), ("whole process", outside)):
        a, b = statistics.median(found["nlpkit"]), statistics.median(found["fasttext"])
        print(f"{what}: ratio {a / b:.2f}")
        print(f"  nlpkit {a:.2f} CPU s ({rows / a:,.0f} reviews/s), fastText {b:.2f} CPU s ({rows / b:,.0f} reviews/s)")


if __name__ == "__main__":
    main()
