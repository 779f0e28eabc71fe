"""The training loop: one flat generator that yields steps and epochs; whoever calls it draws them."""

from __future__ import annotations

import copy
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nlpkit.errors import NlpkitError
from nlpkit.training.settings import TrainingSettings
from nlpkit.vocabulary import Ids

POOL = 64  # batches drawn together and sorted by length before they are cut


@dataclass(frozen=True)
class Rows:
    """Encoded rows: ids of each, and the index of its label."""

    ids: Sequence[NDArray[np.int32]]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, rows: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Ids ``(batch, time)``, mask ``(batch, time)`` and labels ``(batch,)`` of some rows."""
        ids, mask = Ids.of([self.ids[row] for row in rows]).padded()
        return torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(self.labels[list(rows)])


@dataclass(frozen=True)
class Step:
    """One update. ``loss`` is the batch's, ``norm`` that of its gradient before clipping."""

    epoch: int
    step: int
    steps: int
    rows: int
    loss: float
    norm: float


@dataclass(frozen=True)
class Epoch:
    """One pass over the training rows; losses in nats a row, ``seconds`` of wall time."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    seconds: float
    best: bool


def fit(
    network: nn.Module, train: Rows, validation: Rows, settings: TrainingSettings, seed: int
) -> Iterator[Step | Epoch]:
    """Train in place; when the generator ends, the network has the weights of its best epoch.

    :raises NlpkitError: if the loss is no longer a number; the best weights so far are in place then.
    """
    torch.manual_seed(seed)
    shuffle = random.Random(seed)
    optimiser = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, betas=(0.9, settings.beta2), weight_decay=settings.weight_decay
    )
    per_epoch = math.ceil(len(train) / settings.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate(settings, per_epoch * settings.epochs))
    loss_of = nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)
    best, best_loss, since = copy.deepcopy(network.state_dict()), math.inf, 0
    for epoch in range(1, settings.epochs + 1):
        started, total = time.monotonic(), 0.0
        network.train()
        for step, rows in enumerate(batches(train.ids, settings.batch_size, shuffle), start=1):
            ids, mask, labels = train.batch(rows)  # (batch, time), (batch, time), (batch,)
            logits = network(ids, mask)  # (batch, labels)
            loss = loss_of(logits, labels)
            if settings.r_drop:
                again = network(ids, mask)  # the same rows under another dropout
                loss = (loss + loss_of(again, labels)) / 2 + settings.r_drop * divergence(logits, again)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
            optimiser.step()
            schedule.step()
            total += (value := loss.item()) * len(rows)
            if not math.isfinite(value):
                network.load_state_dict(best)
                raise NlpkitError(f"the loss is {value} at epoch {epoch}, step {step}: lower training.learning_rate")
            yield Step(epoch, step, per_epoch, len(rows), value, float(norm))
        found_loss, accuracy = evaluate(network, validation, settings.batch_size)
        is_best = found_loss < best_loss
        if is_best:
            best, best_loss, since = copy.deepcopy(network.state_dict()), found_loss, 0
        yield Epoch(epoch, total / len(train), found_loss, accuracy, time.monotonic() - started, is_best)
        since += not is_best
        if since >= settings.patience:
            break
    network.load_state_dict(best)


def divergence(logits: Tensor, others: Tensor) -> Tensor:
    """Mean symmetric Kullback-Leibler divergence between two sets of logits ``(batch, labels)``, in nats."""
    a, b = logits.log_softmax(1), others.log_softmax(1)
    return ((a.exp() - b.exp()) * (a - b)).sum(1).mean() / 2


def batches(ids: Sequence[NDArray[np.int32]], size: int, shuffle: random.Random) -> Iterator[list[int]]:
    """Rows of similar length together, in random order: shuffled, cut into pools, each pool sorted and cut."""
    order = list(range(len(ids)))
    shuffle.shuffle(order)
    found = []
    for start in range(0, len(order), size * POOL):
        pool = sorted(order[start : start + size * POOL], key=lambda row: len(ids[row]))
        found += [pool[at : at + size] for at in range(0, len(pool), size)]
    shuffle.shuffle(found)
    yield from found


def logits_of(network: nn.Module, rows: Rows, size: int = 64) -> Tensor:
    """Logits ``(rows, labels)`` of all rows in their order, without gradients or dropout."""
    network.eval()
    order = sorted(range(len(rows)), key=lambda row: len(rows.ids[row]))
    found = []
    with torch.no_grad():
        for start in range(0, len(order), size):
            ids, mask, _ = rows.batch(order[start : start + size])
            found.append(network(ids, mask))
    return torch.cat(found)[torch.argsort(torch.tensor(order))]


def evaluate(network: nn.Module, rows: Rows, size: int) -> tuple[float, float]:
    """Mean cross entropy in nats, and accuracy."""
    logits, labels = logits_of(network, rows, size), torch.from_numpy(rows.labels)
    return nn.functional.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).float().mean().item()


def rate(settings: TrainingSettings, steps: int) -> Any:
    """Step to factor of the learning rate: a linear rise, then the schedule."""
    warmup = int(settings.warmup * steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        done = min(1.0, (step - warmup) / max(1, steps - warmup))
        match settings.schedule:
            case "linear":
                return 1 - done
            case "cosine":
                return (1 + math.cos(math.pi * done)) / 2
            case _:
                return 1.0

    return factor
