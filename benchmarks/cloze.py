"""A cloze model beside each of its members alone: words found in the test rows of goods, and CPU time a blank.

`cloze.py CORPORA [MODEL]`. One word is blanked in each test row, none of the 50 most frequent. Rows are dealt out as in
training, so no model that was trained with the default shares has seen these. Time is that of one blank after the
other, cutting into words included, on one thread. `start.py` has the cold start.
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy starts its own

from reviews import parts

from nlpkit.bundle import CONFIG, Bundle, dump_json
from nlpkit.cloze_evaluation import ClozeMetrics, measure_items
from nlpkit.cloze_items import Item, blanked
from nlpkit.inference.cloze import ClozeModel

TIMED = 500  # blanks


def alone(model: ClozeModel) -> Iterator[tuple[str, ClozeModel]]:
    """The model and, if it has several members, each as a model of its own."""
    yield "the model", model
    entries = model.bundle.config["members"]
    for entry in entries if len(entries) > 1 else []:
        config = {**model.bundle.config, "members": [entry], "stages": [asdict(replace(model.stage, weights=(1.0,)))]}
        yield (
            f"{entry['name']} alone",
            ClozeModel(Bundle(entry["name"], {**model.bundle.files, CONFIG: dump_json(config)})),
        )


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


def main() -> None:
    """Print a line for each, then the whole model's figures over those of each member."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("model", nargs="?", default="reviews-cloze")
    parser.add_argument("--items", type=int, default=3000)
    arguments = parser.parse_args()
    model = ClozeModel.load(arguments.model)
    texts = [example.text for example in parts(arguments.corpora).test if example.group == "goods"]
    items = blanked(model.normaliser.batch(texts), model.tokenizer, model.words, limit=arguments.items)
    print(f"{len(items):,} blanks in test rows of goods, {len(model.words):,} words compete")
    print(f"{'':<16}{'top-1':>8}{'top-5':>8}{'top-10':>8}{'MRR@10':>8}{'CPU ms a blank':>17}")
    found = {}
    for name, part in alone(model):
        found[name] = shares(measure_items(part, items))
        one, five, ten, mrr = found[name]
        print(f"{name:<16}{one:>8.1f}{five:>8.1f}{ten:>8.1f}{mrr:>8.3f}{milliseconds(part, items):>17.2f}", flush=True)
    whole, *others = found
    for name in others:
        ratios = (a / b for a, b in zip(found[whole], found[name], strict=True))
        print(f"{whole} / {name}: " + ", ".join(f"{ratio:.2f}" for ratio in ratios))


if __name__ == "__main__":
    main()
