"""What a training run yields besides the steps and epochs of its loop; whoever calls it draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from nlpkit.inference.mixing import Stage
from nlpkit.training.loop import Diverged, Epoch, Resumed, Step


@dataclass(frozen=True)
class Working:
    """Something long without a loss goes on: ``done`` of ``total`` rows, of which None is not known."""

    what: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Prepared:
    """The corpora are read. Counts of rows; ``labels`` maps each label to its training rows."""

    rows: int
    duplicates: int
    conflicts: int
    empty: int
    train: int
    validation: int
    test: int
    labels: Mapping[str, int]


@dataclass(frozen=True)
class UnknownLabels:
    """Labels that are renamed and that no row has; ``found`` are those that rows do have, before they are renamed."""

    unknown: Sequence[str]
    found: Sequence[str]


@dataclass(frozen=True)
class OwnLabels:
    """A corpus shares none of its labels with the others."""

    corpus: str
    labels: Sequence[str]


@dataclass(frozen=True)
class MemberStarted:
    """A member is composed and about to train.

    :param vectors: how many tokens ("found", "of") start from a file.
    :param cut: how many rows ("rows", "of") were cut, by its tokenizer or to ``max_length``.
    """

    name: str
    composition: str
    parameters: int
    vocabulary: int
    vectors: Mapping[str, int] | None = None
    cut: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Fitting:
    """A loop begins. ``name`` is that of its rows in the history: the member's, or "member: language model"."""

    name: str


@dataclass(frozen=True)
class Sampled:
    """A text as a member that generates would write it after an epoch."""

    name: str
    epoch: int
    text: str


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
    unit: str = "rows"


@dataclass(frozen=True)
class Saved:
    """The model is saved. ``metrics`` are its task's, on the test rows, by corpus, "all" among them.

    ``history`` holds the epochs of every loop by its name; ``curve`` is false where matplotlib is missing.
    """

    folder: Path
    task: str
    size: int
    stages: Sequence[Stage]
    metrics: Mapping[str, Any]
    history: Mapping[str, Sequence[Epoch]]
    curve: bool


Event: TypeAlias = (
    Working
    | Prepared
    | UnknownLabels
    | OwnLabels
    | MemberStarted
    | Fitting
    | Resumed
    | Step
    | Epoch
    | Diverged
    | Sampled
    | MemberExported
    | Saved
)
