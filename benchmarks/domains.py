"""Models on nine domains and on our own samples, beside TF-IDF on characters 1-4 with a linear SVC, and snownlp.

Of each domain, test rows that are good or bad, up to a number each, which no system was trained on; the choice is
forced between these two labels, and the figure is the mean of the shares right among good and among bad ones, as some
domains are lopsided. Of samples: minimal pairs, pairs in the manner of reviews, and how many texts without an opinion
are called good or bad with a probability of .8 or more. Of three labels: accuracy and calibration error on the domains
that have neutral rows, up to as many of each label.

The rival is trained on the training rows of all domains. snownlp is the package as it is installed.
"""

import argparse
import csv
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from reviews import MORE
from reviews import examples as examples_of_reviews

from nlpkit.tasks.sentiment.metrics import measure
from nlpkit.tasks.sentiment.model import SentimentModel
from nlpkit.text.corpus import Example, read_examples
from nlpkit.text.split import Split, deduplicate, split_rows

FORCED = ("negative", "positive")
SAMPLES = Path(__file__).parents[1] / "corpora" / "samples"
SURE = 0.8
MOST_RIVAL = 200_000  # rows that the rival is trained on

Scorer = Callable[[Sequence[str]], Sequence[str]]


def examples(folder: Path) -> Iterator[Example]:
    """All rows, the domain as their group; rows without an opinion are neutral."""
    yield from examples_of_reviews(folder)
    for domain, name in MORE.items():
        if (folder / name).exists():
            for e in read_examples(folder / name, kept=("none", "neutral")):
                yield Example(e.text, "neutral" if e.label == "none" else e.label, e.corpus, domain)


def parts(folder: Path) -> Split:
    """Rows for training, for validation and for the figures."""
    return split_rows(deduplicate(examples(folder)).examples, test=0.2, validation=0.05)


def draw(rows: Sequence[Example], most: int, labels: Sequence[str]) -> list[Example]:
    """Up to so many rows of each of these labels, by chance."""
    of_label = defaultdict(list)
    for row in rows:
        of_label[row.label].append(row)
    return [
        row for label in labels for row in random.Random(0).sample(of_label[label], min(most, len(of_label[label])))
    ]


def train_rival(rows: Sequence[Example]) -> Scorer:
    """TF-IDF with a linear SVC, in which both labels count alike."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    kept = [row for row in rows if row.label in FORCED]
    kept = random.Random(0).sample(kept, min(MOST_RIVAL, len(kept)))
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), sublinear_tf=True, min_df=2, dtype=np.float32)
    model = LinearSVC(C=0.3, random_state=0, class_weight="balanced")
    model.fit(vectorizer.fit_transform([row.text for row in kept]), [row.label for row in kept])
    return lambda texts: list(model.predict(vectorizer.transform(texts)))


def snownlp(texts: Sequence[str]) -> list[str]:
    """The package's own model."""
    from snownlp import SnowNLP

    return ["positive" if text.strip() and SnowNLP(text).sentiments > 0.5 else "negative" for text in texts]


def force(model: SentimentModel) -> Scorer:
    """Score by a model that is forced to choose; a row that it refuses is called neither."""
    return lambda texts: [score.label or "" for score in model.score(texts, labels=FORCED)]


def share_right(scorer: Scorer, rows: Sequence[Example]) -> float:
    """Mean of the shares right (%) among the rows of each label."""
    found = np.array(scorer([row.text for row in rows]))
    truth = np.array([row.label for row in rows])
    return 100 * float(np.mean([(found == truth)[truth == label].mean() for label in sorted(set(truth))]))


def read_samples(name: str) -> list[Example]:
    """Rows of a file of samples."""
    with (SAMPLES / name).open(encoding="utf-8", newline="") as file:
        return [
            Example(row["text"], row.get("label", "neutral"), name, row["category"]) for row in csv.DictReader(file)
        ]


def describe_categories(scorer: Scorer, rows: Sequence[Example]) -> str:
    """Accuracy (%) of each category."""
    names = dict.fromkeys(row.group for row in rows)
    shares = {name: share_right(scorer, [row for row in rows if row.group == name]) for name in names}
    return ", ".join(f"{name} {share:.1f}" for name, share in shares.items())


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table, a column a system."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--model", default=["reviews"], nargs="+")
    parser.add_argument("--rows", type=int, default=1000, metavar="N", help="of each label in each domain, at most")
    parser.add_argument("--alone", action="store_true", help="without the rivals, which need scikit-learn and snownlp")
    args = parser.parse_args(argv)
    split = parts(args.corpora)
    domains = {
        name: [row for row in split.test if row.group == name] for name in dict.fromkeys(r.group for r in split.test)
    }
    models = {name: SentimentModel.load(name) for name in args.model}
    systems = {name: force(model) for name, model in models.items()}
    if not args.alone:
        systems |= {"TF-IDF + SVC": train_rival(split.train + split.validation), "snownlp": snownlp}
    lines = {
        f"{name} ({len(some):,})": some for name, rows in domains.items() if (some := draw(rows, args.rows, FORCED))
    }
    pairs = {name: read_samples(f"{name}.csv") for name in ("minimal_pairs", "pairs_in_reviews")}
    print(f"{'forced choice, % right':<28}" + "".join(f"{name[-18:]:>20}" for name in systems))
    for name, rows in (lines | {f"{name} ({len(rows)})": rows for name, rows in pairs.items()}).items():
        print(f"{name:<28}" + "".join(f"{share_right(scorer, rows):>20.1f}" for scorer in systems.values()), flush=True)
    for name, scorer in systems.items():
        for file, rows in pairs.items():
            print(f"{name}, {file}: {describe_categories(scorer, rows)}")
    nothing = [row.text for row in read_samples("no_opinion.csv")]
    for name, model in models.items():
        sure = [s for s in model.score(nothing) if s.label in FORCED and (s.probability or 0) >= SURE]
        print(
            f"{name}: of {len(nothing)} texts without an opinion {len(sure)} are called good or bad with {SURE} or more"
        )
        if "neutral" in model.labels:
            mixed = [rows for rows in domains.values() if any(row.label == "neutral" for row in rows)]
            some = [row for rows in mixed for row in draw(rows, args.rows, model.labels)]
            figures = measure(model, some, labels=model.labels)
            print(
                f"{name}: three labels on {figures.rows:,} rows of {len(mixed)} domains: accuracy "
                f"{100 * figures.accuracy:.1f}, calibration error {100 * figures.calibration_error:.1f}"
            )


if __name__ == "__main__":
    main()
