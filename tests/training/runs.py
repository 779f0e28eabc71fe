"""Tiny runs of every task, and what is looked at of them; imported after torch is known to be there."""

import csv
import io
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nlpkit.plugins.registry import registry
from nlpkit.tasks.base import Task, resolve
from nlpkit.text.corpus import Example
from nlpkit.training.run import train

TRAINING = {"epochs": 2, "learning_rate": 0.02, "batch_size": 16}
NGRAMS = {
    "name": "ngrams",
    "tokenizer": {"name": "char"},
    "embedding": {"name": "ngrams", "low": 1, "high": 2, "bits": 14},
    "encoder": {"name": "none"},
    "head": {"pooling": "sqrtn", "projection": False},
    "training": TRAINING | {"schedule": "linear"},
}
TABLE = NGRAMS | {
    "name": "table",
    "embedding": {"name": "trainable", "dim": 8, "min_count": 1},
    "head": {"pooling": "mean"},
}


class Deciding(torch.nn.Module):
    """A stranger's encoder that goes on from a state; torch cannot export it, so that a run takes little time."""

    causal = True

    def __init__(self, input_dim: int, dropout: float) -> None:
        super().__init__()
        self.config, self.output_dim = {"dropout": dropout}, 6
        self.layer, self.dropout = torch.nn.Linear(input_dim, 6), torch.nn.Dropout(dropout)

    def forward(self, vectors: Any, mask: Any, state: Any = None) -> tuple[Any, Any]:  # noqa: ARG002
        states = self.dropout(self.layer(vectors)).cumsum(1)
        states = states if state is None else states + state[0][:, None]
        return (states / 2 if float(states.detach().abs().max()) > 1e6 else states), (states[:, -1],)


def deciding(*, input_dim: int, dropout: float = 0.2) -> Deciding:
    return Deciding(input_dim, dropout)


@dataclass(frozen=True)
class Tiny:
    """Rows and settings of a task with which a run takes a moment.

    :param part: of the settings, which a test may change: its place, and another value.
    :param member: the first of the settings, which is a network.
    """

    tables: dict[str, Any]
    rows: Callable[[], list[Example]]
    samples: Sequence[str]
    part: tuple[str, str, str]
    task_name: str

    @property
    def task(self) -> Task:
        found: Task = registry().get("task", self.task_name).factory
        return found

    def settings(self, *assignments: str) -> Any:
        shape = resolve(self.task.run).shape()
        return shape.make_settings(shape.assign(self.tables, assignments))

    def train(self, folder: Path, *assignments: str, rows: Any = None, **options: Any) -> Any:
        """The events of a run, as it goes."""
        rows = self.rows() if rows is None else rows
        return train(self.task, rows, self.settings(*assignments), folder, **options)


def reviews() -> list[Example]:
    manners = [("很好", "1"), ("太差", "0"), ("喜欢", "1"), ("失望", "0")]
    rows = itertools.product(range(40), manners)
    return [Example(f"第{i}家店{manner}", label, "one.csv" if i % 3 else "two.csv") for i, (manner, label) in rows]


def texts(between: str = "") -> Callable[[], list[Example]]:
    def make() -> list[Example]:
        found = itertools.product("我你他她", ("看见", "听说", "记得"), "天地日月星", "山水火风")
        lines = (between.join((a, b, x, y, y)) for a, b, x, y in found)
        return [Example(line, "", "one.txt" if i % 3 else "two.txt") for i, line in enumerate(lines)]

    return make


def _network(training: dict[str, Any]) -> dict[str, Any]:
    return {
        "embedding": {"name": "trainable", "dim": 8, "min_count": 1, "dropout": 0.1},
        "encoder": {"name": "deciding"},
        "output": {"name": "softmax", "dim": 8, "negatives": 0},
        "training": {"epochs": 2, "learning_rate": 0.02, **training},
    }


DROPPED = {"embedding": NGRAMS["embedding"] | {"bits": 10, "dropout": 0.2}}
TINY = {
    "sentiment": Tiny(
        {"members": [TABLE | {"embedding": TABLE["embedding"] | {"dropout": 0.3}}, NGRAMS | DROPPED]},
        reviews,
        ["很好", ""],
        ("members.table.embedding.dim", "8", "4"),
        "sentiment",
    ),
    "cloze": Tiny(
        {
            "tokenizer": {"name": "whitespace"},
            "answers": {"min_count": 1},
            "validation": 0.2,
            "network": _network({"batch_tokens": 200}) | {"head": {"hidden": [8]}},
        },
        texts(" "),
        ["我 看见 __ 山", "没有空"],
        ("members.network.embedding.dim", "8", "4"),
        "cloze",
    ),
    "generate": Tiny(
        {"validation": 0.2, "ngrams": {"order": 3}, "network": _network({"streams": 4, "span": 16})},
        texts(),
        ["我看", ""],
        ("members.network.embedding.dim", "8", "4"),
        "generate",
    ),
}


def the(kind: type, events: Any) -> list[Any]:
    """Events of a kind."""
    return [event for event in events if isinstance(event, kind)]


def files_of(folder: Path) -> dict[str, Any]:
    """All files but the picture, the history without what differs between two runs that are otherwise the same."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != "curve.png")
    found: dict[str, Any] = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    table = csv.DictReader(io.StringIO(found["history.csv"].decode(), newline=""))
    return found | {"history.csv": [{**row, "seconds": ""} for row in table]}
