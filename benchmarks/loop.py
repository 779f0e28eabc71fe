"""What the training loop costs beyond forward, backward and step, by recipe, on one thread.

`loop.py CORPUS [--recipes tutorial lstm stacked]`. The bare loop has its batches ready as tensors, and does nothing but
the loss, its gradient and the optimizer's step. Both go over the same batches in turn; the medians of the ratios.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from nlpkit.tasks.sentiment.member import Classifier
from nlpkit.tasks.sentiment.objective import Classification, row_losses
from nlpkit.tasks.sentiment.run import SentimentRun
from nlpkit.tasks.sentiment.settings import ClassifierSettings
from nlpkit.tasks.sentiment.task import SENTIMENT
from nlpkit.text.corpus import read_examples
from nlpkit.training.batching import Rows
from nlpkit.training.dry_run import drain
from nlpkit.training.loop import Step, fit
from nlpkit.training.member import prepare_member
from nlpkit.training.optimizer import optimizer_of
from nlpkit.training.settings import read_recipe
from nlpkit.training.storage import StoredCorpus, store_corpus


def ours(network: torch.nn.Module, rows: Rows, member: ClassifierSettings, steps: int) -> float:
    """CPU seconds of the first steps of a run."""
    training = replace(member.training, r_drop=0.0)
    began = 0.0
    for event in fit(Classification(network, rows, rows.take(8), training, 2), training, seed=0):
        if isinstance(event, Step) and event.step == 5:
            began = time.process_time()
        if isinstance(event, Step) and event.step == steps + 5:
            break
    return time.process_time() - began


def bare(network: torch.nn.Module, rows: Rows, member: ClassifierSettings, steps: int) -> float:
    """CPU seconds of the same steps without a loop of ours."""
    training = member.training
    order = Classification(network, rows, rows, training, 2).batches(1, np.random.default_rng((0, 1)))
    batches = [rows.batch(chosen) for chosen in order[: steps + 5]]
    optimizer = optimizer_of(network, training)
    network.train()
    began = 0.0
    for number, (ids, mask, labels) in enumerate(batches):
        if number == 5:
            began = time.process_time()
        loss = row_losses(training.loss, network(ids, mask), labels).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return time.process_time() - began


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus")
    parser.add_argument("--recipes", nargs="+", default=["tutorial", "network", "ngrams", "lstm", "stacked"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    for recipe in arguments.recipes:
        settings = SentimentRun.shape().make_settings(read_recipe(SENTIMENT, recipe))
        (member,) = settings.members
        with tempfile.TemporaryDirectory() as folder:
            for _ in store_corpus(read_examples(arguments.corpus), Path(folder) / "corpus", test=0.2, validation=0.2):
                pass
            corpus = StoredCorpus(Path(folder) / "corpus")
            trained = Classifier(member, settings, corpus, 0)
            drain(prepare_member(trained, Path(folder)), [])
            kinds: tuple[Callable[..., float], ...] = (bare, ours)
            todo = (trained.network, trained.rows["train"], member, arguments.steps)
            pairs = [[kind(*todo) for kind in kinds] for _ in range(arguments.rounds)]
            ratio = statistics.median(b / a for a, b in pairs)
            per_step = statistics.median(a for a, _ in pairs) / arguments.steps * 1e3
            print(f"{recipe:<10} {ratio:.3f} of the bare loop, which takes {per_step:.2f} ms a step", flush=True)


if __name__ == "__main__":
    main()
