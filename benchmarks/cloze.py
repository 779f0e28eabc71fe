"""A cloze model beside n-gram counts of its own training rows: words found in the test rows of goods, and time a blank.

`cloze.py CORPORA [MODEL]`. One word is blanked in each test row, none of the 50 most frequent. Rows are dealt out as in
training, so no model that was trained with the default shares has seen these. The counts are those of `counts.py`. Time
is that of one blank after the other, cutting into words included, on one thread. `start.py` has the cold start.
"""

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy starts its own

from counts import CountModel, Counts
from reviews import FILES, parts, training_texts

from nlpkit.tasks.cloze.items import Item, make_items
from nlpkit.tasks.cloze.metrics import ClozeMetrics, measure_items
from nlpkit.tasks.cloze.model import ClozeModel
from nlpkit.text.corpus import Example

TIMED = 500  # blanks
WEIGHTS = dict(zip(FILES, (1.0, 0.3, 0.15), strict=True))  # of the corpora in the counts
OTHERS = 0.15


def counts(model: ClozeModel, rows: Sequence[Example]) -> ClozeModel:
    """Counts in the place of a model, with its tokenizer and its words."""
    documents = model.tokenizer.batch(model.normaliser.batch([row.text for row in rows])).lists()
    weights = [WEIGHTS.get(Path(row.corpus).name, OTHERS) for row in rows]
    return CountModel(model, Counts(documents, weights, model.words))


def milliseconds(model: ClozeModel, items: Sequence[Item]) -> float:
    """Median CPU time of one text filled, after one that is not counted."""
    found = []
    for item in (items[0], *items[:TIMED]):
        began = time.process_time()
        model.fill([item.text])
        found.append(time.process_time() - began)
    return statistics.median(found[1:]) * 1e3


def shares(metrics: ClozeMetrics) -> tuple[float, ...]:
    """Top-1, top-5, top-10 in per cent, MRR@10."""
    return metrics.top1, metrics.top5, metrics.top10, metrics.mrr10


def main(argv: Sequence[str] | None = None) -> None:
    """Print a line for each, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("model", nargs="?", default="reviews-cloze")
    parser.add_argument("--items", type=int, default=3000)
    arguments = parser.parse_args(argv)
    model = ClozeModel.load(arguments.model)
    texts = [example.text for example in parts(arguments.corpora).test if example.group == "goods"]
    items = make_items(model.normaliser.batch(texts), model.tokenizer, model.words, limit=arguments.items)
    print(f"{len(items):,} blanks in test rows of goods, {len(model.words):,} words compete")
    print(f"{'':<16}{'top-1':>8}{'top-5':>8}{'top-10':>8}{'MRR@10':>8}{'CPU ms a blank':>17}")
    found = []
    for name, measured in (("the model", model), ("counts alone", counts(model, training_texts(arguments.corpora)))):
        found.append(shares(measure_items(measured, items)))
        one, five, ten, mrr = found[-1]
        print(
            f"{name:<16}{one:>8.1f}{five:>8.1f}{ten:>8.1f}{mrr:>8.3f}{milliseconds(measured, items):>17.2f}", flush=True
        )
    print("the model / counts alone: " + ", ".join(f"{a / b:.2f}" for a, b in zip(*found, strict=True)))


if __name__ == "__main__":
    main()
