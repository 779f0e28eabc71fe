"""Tasks so small that they are learnt at once, their tables, and a look at what a network is shown and asked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from nlpkit_diagnose.settings import settings_of

TINY = {  # what makes each task small
    "digit-sum": ("data.lengths=[4,6]", "data.train=1", "training.batch_size=25"),
    "letters": ("data.train=30", "data.validation=9", "data.test=9", "training.batch_size=10"),
    "ball": ("data.rows=40",),
    "sine": ("data.train=4", "data.validation=2", "data.test=2", "data.points=6", "training.batch_size=2"),
    "stock": ("data.train=12", "data.validation=5", "data.test=5", "data.span=4"),
    "salary": ("training.batch_size=8",),
}
DAYS = 40  # of the table of prices


def quick(name: str, *assignments: str) -> list[str]:
    """Settings for one short epoch."""
    return ["training.epochs=1", *TINY[name], *assignments]


def task_of(name: str, prices: Path, salaries: Path):
    """A task by its name."""
    from nlpkit_diagnose.tasks import TASKS

    made = {task.name: task for task in TASKS}[name]
    return made(*{"stock": [prices], "salary": [salaries]}.get(name, []))


def price_rows(days: int = DAYS) -> list[list[float]]:
    """Open, high, low, close and volume of each day."""
    draw = np.random.default_rng(5)
    closes = 100 * np.exp(np.cumsum(draw.normal(size=days) / 40))
    opens = closes * np.exp(draw.normal(size=days) / 80)
    return [
        [round(float(price), 4) for price in (begin, max(begin, end) + 1, min(begin, end) - 1, end)]
        + [1000 + 7 * day % 50]
        for day, (begin, end) in enumerate(zip(opens, closes, strict=True))
    ]


def price_table(rows: list[list[float]] | None = None, header: str = "Date,Open,High,Low,Close,Volume") -> str:
    """As Yahoo writes it, a row a day."""
    begin = date(2020, 1, 30)
    lines = [f"{begin + timedelta(day)},{','.join(map(str, row))}" for day, row in enumerate(rows or price_rows())]
    return "\n".join([header, *lines, ""])


def salary_table(rows: int = 40, header: str = "年龄,级别,工龄,工资") -> str:
    """Three features, the last of which never changes, and what they come to."""
    lines = [f"{20 + at % 30},{at % 4},0.1,{3000 + 50 * (at % 30) + 400 * (at % 4)}" for at in range(rows)]
    return "\n".join([header, *lines, ""])


def trial_of(task, *assignments: str, encoder: str = "gru", seed: int = 0, condition: int = 0):
    """A trial that has yet to be learnt, with steps of one row."""
    small = [*TINY[task.name], "training.batch_size=1", *assignments]
    settings = settings_of(task, ["none" if task.name == "salary" else encoder], small, {})
    (chosen,) = settings.values()
    return task.trial(task.conditions(chosen.data)[condition], chosen, seed)


@contextmanager
def listening(trial) -> Iterator[list]:
    """What the network reads meanwhile: of each row its ids ``(time,)``, or its numbers ``(time, dim)``."""
    network = getattr(trial.objective.module, "network", trial.objective.module)
    heard: list = []

    def hear(_, inputs):
        shown, mask = inputs[:2]
        heard.extend(row[there].numpy().copy() for row, there in zip(shown, mask, strict=True))

    handle = getattr(network, "embedding", network.encoder).register_forward_pre_hook(hear)
    try:
        yield heard
    finally:
        handle.remove()


def answer(trial, *numbers: float) -> None:
    """From now on the network answers these numbers, whatever it reads."""
    import torch

    last = [module for module in trial.objective.module.modules() if isinstance(module, torch.nn.Linear)][-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor(numbers))


def losses(trial) -> list[float]:
    """The loss of each step of the first epoch."""
    steps = trial.objective.batches(1, np.random.default_rng(0))
    return [trial.objective.loss(rows)[0].item() for rows in steps]


def asked_labels(trial, labels: int) -> list[int]:
    """The label of each row, in the order of `losses`: that of several certainties which its loss tells."""
    logits = [float(label) for label in range(labels)]
    answer(trial, *logits)
    total = math.log(sum(map(math.exp, logits)))
    return [round(total - loss) for loss in losses(trial)]


def asked_numbers(trial) -> list[float]:
    """The number asked for in each row, in the order of `losses`: from how far off 0 is, and how far 1."""
    answer(trial, 0.0)
    from_zero = losses(trial)
    answer(trial, 1.0)
    return [(1 + zero - one) / 2 for zero, one in zip(from_zero, losses(trial), strict=True)]
