"""What a task is, and what comes of trying an encoder on it. Nothing here needs torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from nlpkit.training import RowTraining

if TYPE_CHECKING:
    from nlpkit.model import HeadSettings
    from nlpkit.training import Objective

    from nlpkit_diagnose.networks import Restored

FIGURES, HISTORY, PLOT, NETWORKS = "diagnosis.json", "history.csv", "plot.png", "networks.safetensors"
DEVELOPMENT = "development"  # the figure on the rows by which the epoch was chosen
Tables: TypeAlias = Mapping[str, Mapping[str, Any]]
ADAM: Mapping[str, Any] = {  # as torch has it, with one learning rate from the first step on
    "optimizer": "adam",
    "beta2": 0.999,
    "weight_decay": 0.0,
    "schedule": "constant",
    "warmup": 0.0,
}
SYMBOLS: Tables = {  # of a task whose sequences are symbols, and have one answer each
    "embedding": {"name": "trainable", "dim": 32, "min_count": 1},
    "head": {"pooling": "last"},
}


@dataclass(frozen=True)
class Settings:
    """What one encoder's trials are told.

    :param encoder: ``{"name": …, option: …}``, as are all components.
    :param embedding: of tasks whose sequences are symbols.
    :param head: of tasks that ask for one answer a sequence.
    :param data: the task's own: how much there is of what.
    """

    encoder: Mapping[str, Any]
    training: RowTraining
    data: Any
    embedding: Mapping[str, Any] | None = None
    head: HeadSettings | None = None


@dataclass(frozen=True)
class Measurement:
    """What a trained network did on the test rows.

    :param figures: numbers by name, that by which encoders are compared among them.
    :param curves: lists of numbers by name, for the plot.
    """

    figures: Mapping[str, float]
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """A network that is yet to learn a task: what it minimises, and how it is measured afterwards.

    :param encoder: its full configuration.
    :param reads: whether the state that answers for a sequence has read all of it.
    :param network: that is to be saved; None: none is.
    :param plan: what the network is made of, and how an input is put to it, as `nlpkit_diagnose.networks` makes it
        again: JSON.
    """

    objective: Objective
    encoder: Mapping[str, Any]
    measure: Callable[[], Measurement]
    reads: bool = True
    network: Any = None
    plan: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(p.numel() for p in self.objective.module.parameters() if p.requires_grad)


@dataclass(frozen=True)
class Result:
    """One trial that was made.

    :param condition: which of the task's variants: the length, for ``digit-sum``; empty where there is but one.
    :param seconds: of its epochs, by the clock.
    :param best: the epoch whose weights were measured; 0 for those that the trial began with.
    :param reads: whether the state that answers for a sequence has read all of it.
    :param diverged: whether training ended in what is no number; then the best epoch before that was measured, if any.
    """

    encoder: str
    condition: str
    seed: int
    figures: Mapping[str, float]
    curves: Mapping[str, Sequence[float]]
    parameters: int
    epochs: int
    best: int
    seconds: float
    diverged: bool
    config: Mapping[str, Any]
    reads: bool = True

    @property
    def name(self) -> str:
        """``gru-35-0``: what its files and its rows in the history are called."""
        return name_trial(self.encoder, self.condition, self.seed)


def name_trial(encoder: str, condition: str, seed: int) -> str:
    """Name a trial: encoder, condition if there are several, seed."""
    return "-".join([encoder, *([condition] if condition else []), str(seed)])


@dataclass(frozen=True)
class Line:
    """What a panel shows: points, or a line through them.

    :param label: stands in the legend, unless it begins with an underscore.
    :param spread: half the height of the bar at each point.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    spread: Sequence[float] | None = None
    style: str = "-o"


@dataclass(frozen=True)
class Panel:
    """One part of a plot."""

    title: str
    x: str
    y: str
    lines: Sequence[Line]
    log: bool = False
    ticks: Sequence[str] = ()  # names of x = 0, 1, …


def format_settings(data: Any) -> str:
    """Say settings as a user does: ``train=0, test=500``."""
    return ", ".join(f"{name}={value}" for name, value in asdict(data).items())


class Task(ABC):
    """Sequences of which the answers are known."""

    name: ClassVar[str]
    about: ClassVar[str]  # one line
    source: ClassVar[str]  # of its sequences: generated, or which table
    figure: ClassVar[str]  # the name of the figure by which encoders are compared
    higher: ClassVar[bool]  # whether more of it is better
    tutorial: ClassVar[str]  # that figure in the tutorial which the task is from
    training: ClassVar[type[RowTraining]] = RowTraining  # of the settings in the table ``training``
    data: ClassVar[type[Any]]  # a dataclass of the settings in the table ``data``
    tables: ClassVar[Tables]  # the other settings, and their values unless told otherwise
    asks: ClassVar[str] = ""  # an input of `predict`, in words that end a sentence; empty: a task that takes none

    @abstractmethod
    def conditions(self, data: Any) -> Sequence[str]:
        """Return the variants that are tried one after the other; ``[""]`` if there is but one.

        :raises SettingError: for settings that make no task.
        """

    @abstractmethod
    def trial(self, condition: str, settings: Settings, seed: int) -> Trial:
        """Draw the sequences by a seed, and compose the network.

        :raises SettingError: if the encoder does not go with the task.
        """

    @abstractmethod
    def panels(self, results: Sequence[Result]) -> Sequence[Panel]:
        """Draw what the plot shows besides the losses."""

    def findings(self, results: Sequence[Result]) -> Sequence[str]:  # noqa: ARG002
        """Return sentences that must be read with the figures."""
        return []

    @classmethod
    def answer(cls, network: Restored, text: str, steps: int | None = None) -> dict[str, Any]:
        """Return what a saved network says of an input, by the names of its fields: JSON.

        :param steps: how far a series is told, for a task of series.
        :raises DataError: if the input is another than the task asks for.
        """
        raise NotImplementedError

    @classmethod
    def tell_answer(cls, text: str, answer: Mapping[str, Any]) -> str:
        """Say an answer in a line."""
        return f"{text} → {next(iter(answer.values()))}"
