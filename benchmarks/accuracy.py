"""The shipped model beside TF-IDF on characters 1-4 with a linear SVC, on the same test rows, by domain.

The rival is trained twice: on the 60% of rows on which rivals are usually trained, and on the very rows of the shipped
model (with its validation rows, as it has no use for them otherwise). Differences with a 95% interval of a paired
bootstrap.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from reviews import DOMAINS, examples, parts

from nlpkit.tasks.sentiment.model import SentimentModel
from nlpkit.text.corpus import Example
from nlpkit.text.split import deduplicate, split_rows

ROUNDS = 2000


def rival(train: list[Example], test: list[Example]) -> np.ndarray:
    """Whether each test row comes out right."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), sublinear_tf=True, min_df=2, dtype=np.float32)
    model = LinearSVC(C=0.3, random_state=0)
    model.fit(vectorizer.fit_transform([e.text for e in train]), [e.label for e in train])
    found = np.concatenate(
        [model.predict(vectorizer.transform([e.text for e in test[i : i + 256]])) for i in range(0, len(test), 256)]
    )
    return np.asarray(found == np.array([e.label for e in test]))


def interval(difference: np.ndarray) -> str:
    """Mean of paired differences in points, and where 95% of resampled means lie."""
    draw = np.random.default_rng(0)
    means = [difference[draw.integers(0, len(difference), len(difference))].mean() for _ in range(ROUNDS)]
    low, high = np.quantile(means, [0.025, 0.975]) * 100
    return f"{difference.mean() * 100:+.2f} [{low:+.2f}, {high:+.2f}]"


def main(argv: Sequence[str] | None = None) -> None:
    """Print a row a system: accuracy by domain and their mean."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--model", default=["reviews"], nargs="+")
    parser.add_argument("--alone", action="store_true", help="without the rivals, which need scikit-learn")
    args = parser.parse_args(argv)
    found = parts(args.corpora)
    sixty = split_rows(deduplicate(examples(args.corpora)).examples, test=0.2, validation=0.2).train
    domain = np.array([e.group for e in found.test])
    right = {}
    for name in args.model:
        scores = SentimentModel.load(name).score(e.text for e in found.test)
        right[name] = np.array([s.label == e.label for s, e in zip(scores, found.test, strict=True)])
    for rows in () if args.alone else (sixty, found.train + found.validation):
        right[f"SVC, {len(rows):,} rows"] = rival(rows, found.test)
    print(f"{len(found.test):,} test rows: " + ", ".join(f"{d} {(domain == d).sum():,}" for d in DOMAINS))
    print(f"{'accuracy':<24}" + "".join(f"{d:>10}" for d in DOMAINS) + f"{'mean':>10}")
    for name, hits in right.items():
        by = [hits[domain == d].mean() * 100 for d in DOMAINS]
        print(f"{name:<24}" + "".join(f"{a:>10.2f}" for a in by) + f"{np.mean(by):>10.2f}")
    first, *others = right
    for name in others:
        by = ", ".join(f"{d} {interval(right[first][domain == d] * 1.0 - right[name][domain == d])}" for d in DOMAINS)
        print(f"{first} over {name}: {by}")


if __name__ == "__main__":
    main()
