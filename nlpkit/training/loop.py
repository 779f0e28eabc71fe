"""The training loop: one flat generator that yields steps and epochs; whoever calls it draws them."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from nlpkit.errors import NlpkitError, Sentence, SettingError
from nlpkit.training.ahead import Coming
from nlpkit.training.batching import RowNumbers
from nlpkit.training.checkpoint import Checkpoint, State
from nlpkit.training.devices import CPU, read_numbers, work_on
from nlpkit.training.gradients import Gradients
from nlpkit.training.optimizer import optimizer_of, schedule_of
from nlpkit.training.pace import Pace
from nlpkit.training.processes import processes
from nlpkit.training.settings import LoopSettings


class Objective(Protocol):
    """What a run minimises over its training rows, and by what an epoch is judged."""

    module: nn.Module  # holds all that is trained
    rate_setting: str  # the setting to lower where the loss turns into no number

    def batches(self, epoch: int, draw: np.random.Generator) -> Sequence[RowNumbers]:
        """Return the rows of each step of an epoch; the first is 1."""
        ...

    def loss(self, rows: RowNumbers) -> tuple[Tensor, Tensor | int | None]:
        """Return the mean loss of some rows, and how many of them the module got right, if it can be said."""
        ...

    def validate(self) -> Validation | None:
        """Judge the module as it is; None where there is nothing to judge by."""
        ...


@dataclass(frozen=True)
class Validation:
    """Figures on the validation rows: mean loss in nats (or squared error) a row, share of rows that are right.

    Of numbers none is simply right, and ``accuracy`` is None; then loss is what an epoch is judged by.

    :param calibrated: computes the loss once a temperature is tuned on these rows, if that can be said. By it an epoch
        is judged in a loop that is made longer for few rows: a network soon knows them by heart and becomes too sure,
        which calibration mends in the end, while it still learns to tell others apart.
    """

    loss: float
    accuracy: float | None
    calibrated: Callable[[], float] | None = None


@dataclass(frozen=True)
class Step:
    """One update: the batch's loss, the norm of its gradient before clipping, the learning rate."""

    epoch: int
    epochs: int
    step: int
    steps: int
    rows: int
    right: int | None
    loss: float
    norm: float
    rate: float


@dataclass(frozen=True)
class Epoch:
    """One pass over the training rows; or several, of which this is the last, where so few rows are judged more seldom.

    ``norm`` is the mean and ``greatest_norm`` the greatest norm of a gradient before clipping, ``clipped`` the share of
    steps in which it was shortened, ``seconds`` wall time, validation included; ``calibrated_loss`` is that of the
    validation where the epoch was judged by it.
    """

    epoch: int
    train_loss: float
    train_accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float
    norm: float
    greatest_norm: float
    clipped: float
    rows: int
    seconds: float
    best: bool
    calibrated_loss: float | None = None


@dataclass(frozen=True)
class Resumed:
    """A saved state was found; the run goes on behind this step of this epoch."""

    epoch: int
    step: int
    history: Sequence[Epoch]


@dataclass(frozen=True)
class Diverged:
    """The loss, its gradient or a weight is no number; the run ends with the weights of its best epoch."""

    epoch: int
    step: int
    what: str
    best: int


@dataclass
class _Progress:
    """Where a run is; all of it JSON."""

    epoch: int = 1
    step: int = 0
    steps: int = 0
    rows: int = 0
    loss: float = 0.0
    right: int | None = 0
    norm: float = 0.0
    greatest_norm: float = 0.0
    clipped: int = 0
    rate: float = 0.0
    seconds: float = 0.0
    best: float = math.inf
    since: int = 0
    finished: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)
    diverged: dict[str, Any] | None = None

    def add(self, step: Step, *, clipped: bool, seconds: float) -> None:
        """Count one step."""
        self.step = step.step
        self.steps += 1
        self.rows += step.rows
        self.loss += step.loss * step.rows
        self.right = None if self.right is None or step.right is None else self.right + step.right
        self.norm += step.norm
        self.greatest_norm = max(self.greatest_norm, step.norm)
        self.clipped += clipped
        self.rate = step.rate
        self.seconds += seconds

    def go_on(self) -> None:
        """End the epoch at hand, which nobody judges."""
        self.epoch, self.step = self.epoch + 1, 0

    def close(self, validation: Validation | None, settings: LoopSettings, pace: Pace) -> Epoch:
        """End the epoch at hand, and judge all since the last that was judged."""
        calibrated = None
        if validation is None:
            value = -1.0 * self.epoch
        elif validation.accuracy is not None and settings.monitor == "accuracy":
            value = -validation.accuracy
        elif validation.calibrated and pace.epochs > settings.epochs:
            value = calibrated = validation.calibrated()
        else:
            value = validation.loss
        best = value < self.best
        self.best, self.since = (value, 0) if best else (self.best, self.since + 1)
        epoch = Epoch(
            epoch=self.epoch,
            train_loss=self.loss / self.rows,
            train_accuracy=None if self.right is None else self.right / self.rows,
            validation_loss=validation.loss if validation else None,
            validation_accuracy=validation.accuracy if validation else None,
            learning_rate=self.rate,
            norm=self.norm / self.steps,
            greatest_norm=self.greatest_norm,
            clipped=self.clipped / self.steps,
            rows=self.rows,
            seconds=self.seconds,
            best=best,
            calibrated_loss=calibrated,
        )
        self.history.append(asdict(epoch))
        self.go_on()
        self.steps, self.rows, self.loss, self.right = 0, 0, 0.0, 0
        self.norm, self.greatest_norm, self.clipped, self.seconds = 0.0, 0.0, 0, 0.0
        self.finished = self.epoch > pace.epochs or self.since >= pace.patience or epoch.train_loss < settings.stop_loss
        return epoch

    def diverge(self, what: str, objective: Objective) -> Diverged:
        """End the run; there must be an epoch to keep."""
        best = [epoch["epoch"] for epoch in self.history if epoch["best"]]
        if not best:
            raise SettingError(
                "{what} at epoch {epoch}, step {step}: lower {rate_setting}",
                what=what,
                epoch=self.epoch,
                step=self.step,
                rate_setting=objective.rate_setting,
            )
        event = Diverged(self.epoch, self.step, what, best[-1])
        self.finished, self.diverged = True, asdict(event)
        return event


def fit(
    objective: Objective,
    settings: LoopSettings,
    seed: int,
    checkpoint: Checkpoint | None = None,
    device: torch.device = CPU,
) -> Generator[Step | Epoch | Resumed | Diverged, None, None]:
    """Train in place; when the generator ends, the module has the weights of its best epoch.

    A generator that is closed before saves its state, and so does a running one every now and then: another, called
    with the same arguments, goes on from there and comes to the same weights, bit for bit on the same machine with the
    same number of threads.

    Of several processes all call it, and come to the same weights; the first one judges and saves.

    :param device: where the module is meanwhile; when the generator ends, it is on the processor again.
    :raises NlpkitError: if the loss is no number before any epoch has ended, or the state cannot be saved.
    """
    mates = processes()
    mates.check_module(objective.module)
    torch.manual_seed(seed)
    checkpoint = checkpoint or Checkpoint()
    module = objective.module.to(device)
    gradients = Gradients(p for p in module.parameters() if p.requires_grad)
    half: AbstractContextManager[object] = nullcontext()
    if settings.precision == "bfloat16":
        half = torch.autocast(device.type, torch.bfloat16)
    optimizer = optimizer_of(module, settings)
    best, progress = copy.deepcopy(module.state_dict()), _Progress()
    if state := checkpoint.load():
        progress = _restore(state, module, optimizer, best, device)
        yield Resumed(progress.epoch, progress.step, [Epoch(**epoch) for epoch in progress.history])
        if progress.diverged:
            yield Diverged(**progress.diverged)

    def keep() -> None:
        if mates.leads:
            checkpoint.save(_state_of(module, optimizer, best, progress, device))

    try:
        while not progress.finished:
            order = objective.batches(progress.epoch, np.random.default_rng((seed, progress.epoch)))
            pace = Pace.of(settings, len(order))
            rate_at = schedule_of(settings, len(order) * pace.epochs)
            coming = Coming(objective, order, mates.part)
            module.train()
            while progress.step < len(order):
                start = time.monotonic()
                steps_before = (progress.epoch - 1) * len(order) + progress.step
                factor, size = rate_at(steps_before), len(order[progress.step])
                if mates.is_orphan():
                    keep()
                mates.begin_step(seed, progress.epoch, progress.step, size)
                for group in optimizer.param_groups:
                    group["lr"] = group["highest"] * factor
                with work_on(device):
                    rows = coming.take(progress.step)
                    with half:
                        loss, right = objective.loss(rows)
                    gradients.forget()
                    loss.backward()  # type: ignore[no-untyped-call]
                    coming.foresee(progress.step + 1)
                    loss, right = mates.combine(gradients.parameters, loss, right)
                value, norm, right = _read(loss, gradients.norm(), right)
                step = Step(
                    *(progress.epoch, pace.epochs, progress.step + 1, len(order), size, right),
                    *(value, norm, settings.learning_rate * factor),
                )
                if not math.isfinite(value + norm):
                    progress.step += 1
                    yield progress.diverge(
                        Sentence("the loss is {value}, the norm of its gradient {norm}", value=value, norm=norm),
                        objective,
                    )
                    break
                if clipped := 0 < settings.clip < norm:
                    gradients.clip(norm, settings.clip)
                optimizer.step()
                progress.add(step, clipped=clipped, seconds=time.monotonic() - start)
                if checkpoint.is_due():
                    keep()
                yield step
            else:
                if progress.epoch % pace.every:
                    progress.go_on()
                    continue
                what, epoch = None, None
                if mates.leads:
                    start = time.monotonic()
                    with work_on(device):
                        validation = objective.validate()
                    progress.seconds += time.monotonic() - start
                    what = _find_fault(module, validation)
                    epoch = None if what else progress.close(validation, settings, pace)
                what, epoch, progress = mates.tell((what, epoch, progress))
                if what or epoch is None:
                    yield progress.diverge(what or "", objective)
                    break
                if epoch.best:
                    best = copy.deepcopy(module.state_dict())
                if checkpoint.is_cheap():
                    keep()
                yield epoch
    except GeneratorExit:
        keep()
        raise
    finally:
        module.to(CPU)
    module.load_state_dict(best)
    keep()


def _read(loss: Tensor, norm: Tensor, right: Tensor | int | None) -> tuple[float, float, int | None]:
    """Return what a step came to as numbers, for which a GPU is waited for once."""
    if isinstance(right, Tensor):
        value, length, count = read_numbers(loss, norm, right)
        return value, length, int(count)
    value, length = read_numbers(loss, norm)
    return value, length, right


def _find_fault(module: nn.Module, validation: Validation | None) -> str | None:
    """Say what is no number at the end of an epoch: no loss follows its last step."""
    if validation and not math.isfinite(validation.loss):
        return Sentence("the validation loss is {loss}", loss=validation.loss)
    names = [name for name, p in module.named_parameters() if not bool(p.detach().isfinite().all())]
    return Sentence("the weights {names} hold what is no number", names=names[0]) if names else None


def _state_of(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    best: dict[str, Tensor],
    progress: _Progress,
    device: torch.device,
) -> State:
    """Weights, the best so far, what the optimizer remembers, torch's random numbers, and where the run is."""
    tensors = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for position, memory in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{position}.{name}": value for name, value in memory.items() if value is not None}
    if device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        tensors["random.mps"] = torch.mps.get_rng_state()
    return State({**tensors, "random": torch.get_rng_state()}, asdict(progress))


def _restore(
    state: State,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    best: dict[str, Tensor],
    device: torch.device,
) -> _Progress:
    try:
        module.load_state_dict(state.select("module."))
        best.update(state.select("best."))
        memory: dict[int, dict[str, Tensor]] = {}
        for name, tensor in state.select("optimizer.").items():
            position, key = name.split(".", 1)
            memory.setdefault(int(position), {})[key] = tensor
        optimizer.load_state_dict({"state": memory, "param_groups": optimizer.state_dict()["param_groups"]})
        torch.set_rng_state(state.tensors["random"])
        if device.type == "cuda" and "random.cuda" in state.tensors:
            torch.cuda.set_rng_state(state.tensors["random.cuda"], device)
        elif device.type == "mps" and "random.mps" in state.tensors:
            torch.mps.set_rng_state(state.tensors["random.mps"])
        return _Progress(**{"steps": state.values["step"], **state.values})  # which older states do not hold
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        why = " ".join(str(error).split())
        raise NlpkitError(
            "the saved state does not fit this network ({why}): begin anew by --force", why=why
        ) from error
