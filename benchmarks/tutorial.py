"""The recipe `tutorial` beside the same network trained the tutorial's way: CPU seconds to its best accuracy.

`tutorial.py CORPUS [--epochs N]`. The tutorial's way: blocks of 2,000 rows padded together, batches of 100 in random
order as packed sequences. Both have the same split, words, sizes, loss, optimizer and patience, on one thread.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from nlpkit.tasks.sentiment.member import Classifier
from nlpkit.tasks.sentiment.objective import Classification
from nlpkit.tasks.sentiment.run import SentimentRun
from nlpkit.tasks.sentiment.task import SENTIMENT
from nlpkit.text.corpus import read_examples
from nlpkit.training.batching import Rows
from nlpkit.training.dry_run import drain
from nlpkit.training.loop import Epoch, fit
from nlpkit.training.member import prepare_member
from nlpkit.training.settings import read_recipe
from nlpkit.training.storage import StoredCorpus, store_corpus

Block = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Tutorial(nn.Module):
    """Embedding 16, LSTM 32 over packed sequences, linear 16, ReLU, dropout, linear 1, sigmoid."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 16, padding_idx=0)
        self.lstm = nn.LSTM(16, 32, batch_first=True)
        self.head = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1), nn.Sigmoid())

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(self.embedding(ids), lengths, batch_first=True, enforce_sorted=False)
        return self.head(self.lstm(packed)[1][0][0])


def blocks(rows: Rows, seed: int) -> list[Block]:
    """Ids ``(rows, time)``, lengths and labels of 2,000 rows each, shuffled within."""
    found, draw = [], random.Random(seed)
    kept = np.flatnonzero(rows.lengths > 0)
    for at in range(0, len(kept), 2000):
        chosen = kept[at : at + 2000]
        draw.shuffle(chosen)
        ids, mask, labels = rows.batch(chosen)
        found.append((ids, mask.sum(1), labels[:, None].float()))
    return found


def tutorial(train: Rows, validation: Rows, words: int, epochs: int, patience: int) -> Iterator[tuple[float, float]]:
    """CPU seconds so far and validation accuracy, after each epoch."""
    torch.manual_seed(0)
    network = Tutorial(words)
    optimizer = torch.optim.Adadelta(network.parameters())
    best, since, spent = 0.0, 0, 0.0
    shown, judged = blocks(train, 0), blocks(validation, 0)
    for _ in range(epochs):
        began = time.process_time()
        network.train()
        for ids, lengths, labels in shown:
            for at in range(0, len(ids), 100):
                part = slice(at, at + 100)
                loss = nn.functional.mse_loss(network(ids[part], lengths[part]), labels[part])
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
        network.eval()
        with torch.no_grad():
            right = sum(((network(i, n) >= 0.5) == (y >= 0.5)).sum().item() for i, n, y in judged)
        spent += time.process_time() - began
        accuracy = right / len(validation)
        best, since = (accuracy, 0) if accuracy > best else (best, since + 1)
        yield spent, accuracy
        if since > patience:
            return


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus")
    parser.add_argument("--epochs", type=int, default=1000, help="at most; patience ends both before")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    settings = SentimentRun.shape().make_settings(read_recipe(SENTIMENT, "tutorial"))
    (member,) = settings.members
    training = replace(member.training, epochs=arguments.epochs)
    with tempfile.TemporaryDirectory() as folder:
        for _ in store_corpus(read_examples(arguments.corpus), Path(folder) / "corpus", test=0.2, validation=0.2):
            pass
        corpus = StoredCorpus(Path(folder) / "corpus")
        trained = Classifier(member, settings, corpus, 0)
        drain(prepare_member(trained, Path(folder)), [])
        train, validation, words = trained.rows["train"], trained.rows["validation"], len(trained.vocabulary)
        theirs = list(tutorial(train, validation, words, arguments.epochs, training.patience))
        ours, began = [], time.process_time()
        for event in fit(Classification(trained.network, train, validation, training, 2), training, seed=0):
            if isinstance(event, Epoch):
                ours.append((time.process_time() - began, event.validation_accuracy or 0.0))  # noqa: PERF401 - a clock runs
        target = max(accuracy for _, accuracy in theirs)
        for name, found in (("the tutorial's way", theirs), ("nlpkit", ours)):
            spent, accuracy = max(found, key=lambda pair: pair[1])
            print(f"{name:<20} best validation accuracy {accuracy:.4f} after {spent:.1f} CPU s, {len(found)} epochs")
        reached = [spent for spent, accuracy in ours if accuracy >= target]
        needed = max(theirs, key=lambda pair: pair[1])[0]
        print(f"nlpkit reaches {target:.4f} in {reached[0] / needed:.2f} of the time" if reached else "not reached")


if __name__ == "__main__":
    main()
