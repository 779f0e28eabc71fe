"""A recipe for few rows, beside TF-IDF on characters 1-3 with logistic regression: accuracy, and how sure it is.

Drawn from a file of labelled texts: so many rows to train on, as they come, several times, and others to measure by,
which are the same for all draws. Or, with `--messages`, the messages to a shop of our samples: trained on 300 in four
classes, and measured on 40 in other words. Each run is the command that a user gives.
"""

import argparse
import csv
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from processes import cost

from nlpkit.tasks.sentiment.metrics import Answers, measure_answers
from nlpkit.tasks.sentiment.model import SentimentModel
from nlpkit.text.corpus import Example, read_examples
from nlpkit.text.split import deduplicate

SAMPLES = Path(__file__).parents[1] / "corpora" / "samples"
COLUMNS = ("text", "label")


class Figures(NamedTuple):
    """What came of a run; shares in percent."""

    accuracy: float
    probability: float
    calibration_error: float
    seconds: float


def write_rows(path: Path, rows: Sequence[Example]) -> Path:
    """Write a table with the columns `COLUMNS`."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *((row.text, row.label) for row in rows)])
    return path


def read_messages() -> tuple[list[Example], list[Example]]:
    """Rows of our own to train on, and to measure by."""
    with (SAMPLES / "customer_messages.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["split"], Example(row["text"], row["label"])) for row in csv.DictReader(file)]
    train, other = ([row for split, row in rows if split == name] for name in ("train", "other"))
    return train, other


def measure_recipe(recipe: str, more: Sequence[str], train: Path, test: Sequence[Example], folder: Path) -> Figures:
    """Train by the command line, without test rows, and score."""
    columns = ("--column", COLUMNS[0], "--label-column", COLUMNS[1])
    model = folder / "model"
    settings = [part for assignment in ("test=0", *more) for part in ("--set", assignment)]
    command = ["sentiment", "train", train, *columns, "-o", model, "--recipe", recipe, "--no-weights", *settings]
    seconds = cost([sys.executable, "-m", "nlpkit", *map(str, command), "--force"])[0]
    scores = SentimentModel.load(model).score([row.text for row in test])
    return figures_of([score.label for score in scores], [score.probability or 0.0 for score in scores], test, seconds)


def measure_rival(train: Sequence[Example], test: Sequence[Example]) -> Figures:
    """Train the rival on all rows, and score."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    begun = time.process_time()
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    model = LogisticRegression(C=10, max_iter=1000)
    model.fit(vectorizer.fit_transform([row.text for row in train]), [row.label for row in train])
    seconds = time.process_time() - begun
    probabilities = model.predict_proba(vectorizer.transform([row.text for row in test]))
    found = [model.classes_[answer] for answer in probabilities.argmax(1)]
    return figures_of(found, probabilities.max(1).tolist(), test, seconds)


def figures_of(
    found: Sequence[str | None], probabilities: Sequence[float], rows: Sequence[Example], seconds: float
) -> Figures:
    """Compare answers with labels; a row without an answer is wrong, with a probability of 0."""
    labels = sorted({row.label for row in rows})
    truth = np.array([labels.index(row.label) for row in rows])
    answers = np.array([labels.index(label) if label in labels else -1 for label in found])
    metrics = measure_answers(Answers(truth, answers, np.array(probabilities)), labels)
    shares = (metrics.accuracy, float(np.mean(probabilities)), metrics.calibration_error)
    return Figures(*(100 * share for share in shares), seconds)


def main(argv: Sequence[str] | None = None) -> None:
    """Print a line a draw and system, and the means."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path, nargs="?", help="labelled texts, a file that nlpkit reads")
    parser.add_argument("--messages", action="store_true", help="our samples, and not a corpus")
    parser.add_argument("--recipe", default=["few"], nargs="+")
    parser.add_argument("--set", dest="assignments", nargs="+", default=[], help="of all recipes: folds=5")
    parser.add_argument("--rows", type=int, default=200, help="to train on")
    parser.add_argument("--test", type=int, default=1500, help="others, to measure by")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the number of the first draw")
    parser.add_argument("--alone", action="store_true", help="without the rival, which needs scikit-learn")
    args = parser.parse_args(argv)
    if args.messages == bool(args.corpus):
        parser.error("give either a corpus or --messages")
    if args.messages:
        draws = [read_messages()]
    else:
        rows = deduplicate(read_examples(args.corpus)).examples
        random.Random(0).shuffle(rows)
        test, pool = rows[: args.test], rows[args.test :]
        numbers = range(args.first, args.first + args.draws)
        draws = [(random.Random(number).sample(pool, args.rows), test) for number in numbers]
    found: dict[str, list[Figures]] = {}
    print("draw  system                    accuracy  probability  calibration error  CPU s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, (train, test) in enumerate(draws, start=args.first):
            path = write_rows(folder / "train.csv", train)
            for system in (*(() if args.alone else ("TF-IDF + LR",)), *args.recipe):
                if system in args.recipe:
                    figures = measure_recipe(system, args.assignments, path, test, folder)
                else:
                    figures = measure_rival(train, test)
                found.setdefault(system, []).append(figures)
                print(line(str(number), system, figures), flush=True)
    for system, all_figures in found.items():
        print(line("mean", system, Figures(*map(statistics.mean, zip(*all_figures, strict=True)))))


def line(draw: str, system: str, figures: Figures) -> str:
    """A line of the table."""
    return f"{draw:<5} {system:<24}" + "".join(
        f"{value:>{width}.1f}" for value, width in zip(figures, (10, 13, 19, 7), strict=True)
    )


if __name__ == "__main__":
    main()
