"""What a training run yields besides the steps and epochs of its loop; whoever calls it draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from nlpkit.model.mixing import Stage
from nlpkit.tasks.sentiment.metrics import Neglect
from nlpkit.text.labels import Alike
from nlpkit.training.loop import Diverged, Epoch, Resumed, Step


@dataclass(frozen=True)
class Working:
    """Something long without a loss goes on: ``done`` of ``total`` rows, of which None is not known."""

    what: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Remark:
    """A sentence on what a user gave: lines of a dictionary that cannot be used, say."""

    sentence: str


@dataclass(frozen=True)
class Prepared:
    """The corpora are read. Counts of rows; ``labels`` maps each label to its training rows.

    ``ordered`` rows follow each other: all are kept, and are split by blocks.
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


@dataclass(frozen=True)
class CutTexts:
    """Texts without line ends were cut at the ends of sentences; pieces by corpus."""

    pieces: Mapping[str, int]


@dataclass(frozen=True)
class UnknownLabels:
    """Labels that are renamed and that no row has; ``found`` are those that rows do have, before they are renamed."""

    unknown: Sequence[str]
    found: Sequence[str]


@dataclass(frozen=True)
class AlikeLabels:
    """Labels that look alike and are classes of their own."""

    groups: Sequence[Alike]


@dataclass(frozen=True)
class FewRows:
    """Labels that hardly any row has, by their rows; ``others`` counts those that have more."""

    labels: Mapping[str, int]
    others: int


@dataclass(frozen=True)
class RareLabels:
    """Labels much rarer than the most frequent, by their rows, where all rows weigh the same."""

    labels: Mapping[str, int]
    most: tuple[str, int]


@dataclass(frozen=True)
class RareAnswers:
    """Rare labels that are answered far less often than they occur.

    :param place: whose rows show it: "validation", or "validation and test".
    """

    labels: Mapping[str, Neglect]
    place: str
    balanced: bool


@dataclass(frozen=True)
class OwnLabels:
    """A corpus shares none of its labels with the others."""

    corpus: str
    labels: Sequence[str]


@dataclass(frozen=True)
class MemberStarted:
    """A member is composed and about to train.

    :param vectors: how many tokens ("found", "of") start from a file, and how many more of its lines ("repeated") are
        of one of these.
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
    | Remark
    | Prepared
    | CutTexts
    | UnknownLabels
    | AlikeLabels
    | FewRows
    | RareLabels
    | RareAnswers
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
