"""What a run yields besides the steps and epochs of its loops; whoever calls it draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from nlpkit.errors import Sentence
from nlpkit.model.mixing import Stage
from nlpkit.tasks.base import Task
from nlpkit.tasks.metrics import Metrics
from nlpkit.training.loop import Diverged, Epoch, Resumed, Step


@dataclass(frozen=True)
class Working:
    """Something long without a loss goes on: ``done`` of ``total`` rows, of which None is not known."""

    what: str
    done: int
    total: int | None


@dataclass(frozen=True, init=False)
class Statement:
    """A sentence to a user."""

    sentence: Sentence

    def __init__(self, template: str, /, **values: object) -> None:
        object.__setattr__(self, "sentence", Sentence(template, **values))


@dataclass(frozen=True, init=False)
class Note(Statement):
    """A sentence that is no doubt: what was done with what a user gave."""


@dataclass(frozen=True, init=False)
class Remark(Statement):
    """A doubt, in a sentence: what is odd about the files or the rows that a user gave, or about what came of them."""


@dataclass(frozen=True)
class Prepared:
    """The corpora are read. Counts of rows; ``labels`` maps each label to its training rows.

    ``ordered`` rows follow each other: all are kept, and are split by blocks. Of ``several`` labels a row may have more
    than one, or none.
    """

    rows: int
    duplicates: int
    conflicts: int
    empty: int
    train: int
    validation: int
    test: int
    labels: Mapping[str, int]
    ordered: int = 0
    several: bool = False


@dataclass(frozen=True)
class MemberStarted:
    """A member is composed and about to train.

    :param remarks: what else is to be known of it, a clause each.
    """

    name: str
    composition: str
    parameters: int
    vocabulary: int
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Fitting:
    """A loop begins. ``name`` is that of its rows in the history: the member's, or "member: language model"."""

    name: str


@dataclass(frozen=True)
class MemberExported:
    """A member is trained and exported.

    ``difference`` is the greatest from torch's calibrated probabilities over ``checked`` validation rows, or whatever
    ``unit`` says.
    """

    name: str
    runtime: str
    size: int
    difference: float
    checked: int
    unit: str = Sentence("rows")


@dataclass(frozen=True)
class Saved:
    """The model is saved. ``metrics`` are its task's, on the test rows, by corpus, "all" among them.

    ``history`` holds the epochs of every loop by its name; ``curve`` is false where matplotlib is missing.
    """

    folder: Path
    task: Task
    size: int
    stages: Sequence[Stage]
    metrics: Mapping[str, Metrics]
    history: Mapping[str, Sequence[Epoch]]
    curve: bool


Event: TypeAlias = (
    Working
    | Remark
    | Note
    | Prepared
    | MemberStarted
    | Fitting
    | Resumed
    | Step
    | Epoch
    | Diverged
    | MemberExported
    | Saved
)
