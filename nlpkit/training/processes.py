"""Several processes that train one network, as torchrun starts them: of every batch each has a part.

The first writes all that is written and says all that is said; the others read what it has prepared, and keep its pace.
Batches are those of one process, cut by rank. So the gradient is that of one process up to rounding, however many there
are, and a run may be gone on with by another number. What is drawn at random inside a step (dropout, words to blank,
wrong answers) each draws for its own rows.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]
from torch.nn.modules.batchnorm import _BatchNorm

from nlpkit.errors import SettingError
from nlpkit.training.batching import RowNumbers
from nlpkit.training.launch import ALONE, Parted, Place, ToldElsewhere, read_place, take_the_word

T = TypeVar("T")
E = TypeVar("E")
PATIENCE = timedelta(days=30)  # one that dies is noticed at once; what the first does alone may take long
MEETING = timedelta(seconds=60)  # torchrun's store is there before it starts anybody
ENDED = "torchrun has ended, and with it the run: go on by --resume"
CLAIM = "nlpkit/told"


@dataclass
class Processes:
    """The processes of a run; one alone sees to all itself.

    :param store: where they agree on who says why a run ends.
    """

    place: Place = ALONE
    store: Any = None
    _parent: int = 0
    _share: float | None = None  # of the rows of the batch at hand, in a step

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.place.count > 1

    @property
    def shares(self) -> bool:
        """Whether a step is going on in which each has a part of the rows."""
        return self._share is not None

    @property
    def leads(self) -> bool:
        """Whether this one writes."""
        return self.place.rank == 0

    def settle(self, device: torch.device) -> None:
        """Let torch use the GPU that is this process's own."""
        if self.several and device.type == "cuda":
            torch.cuda.set_device(device)

    def bounds(self, rows: int) -> tuple[int, int]:
        """Return where the part of so many rows begins and ends that is this one's.

        Of fewer rows than there are processes some stand in twice, once for nothing, as all must keep the pace.
        """
        begin, end = (rows * rank // self.place.count for rank in (self.place.rank, self.place.rank + 1))
        return (begin, end) if begin < end else (min(begin, rows - 1), min(begin, rows - 1) + 1)

    def part(self, rows: RowNumbers) -> RowNumbers:
        """Return the rows of a batch that are this one's."""
        if not self.several:
            return rows
        begin, end = self.bounds(len(rows))
        return rows[begin:end]

    def begin_step(self, seed: int, epoch: int, step: int, rows: int) -> None:
        """Draw other random numbers than the others do, and take note of the rows of the batch.

        :raises Parted: if torchrun has ended.
        """
        if not self.several:
            return
        self.check()
        drawn = np.random.SeedSequence((seed, epoch, step, self.place.rank)).generate_state(1, np.uint64)
        torch.manual_seed(int(drawn[0]) >> 1)
        begin, end = (rows * rank // self.place.count for rank in (self.place.rank, self.place.rank + 1))
        self._share = (end - begin) / rows

    def is_orphan(self) -> bool:
        """Whether torchrun, which ends the others when one dies, has ended itself."""
        return self.several and os.getppid() != self._parent

    def check(self) -> None:
        """Refuse to go on without torchrun."""
        if self.is_orphan():
            raise Parted(ENDED)

    def weigh(self, mean: Tensor, terms: Tensor | float) -> Tensor:
        """Return a mean over other things than rows, so weighted that the mean by rows over all processes is right.

        :param terms: what the mean is over, or the sum of its weights.
        """
        if self._share is None:
            return mean
        own = torch.as_tensor(terms, dtype=torch.float64, device=mean.device).detach() * (self._share > 0)
        total = own.clone()
        self._reduce(total)
        return mean * (own / total.clamp(min=1e-12) / max(self._share, 1e-12)).to(mean.dtype)

    def combine(self, parameters: Sequence[nn.Parameter], loss: Tensor, right: Any) -> tuple[Tensor, Any]:
        """Make the gradients, the loss and the number of right rows those of the whole batch."""
        if self._share is None:
            return loss, right
        share, self._share = self._share, None
        parts = [torch.zeros_like(p) if p.grad is None or not share else p.grad for p in parameters]
        there = torch.tensor([float(p.grad is not None) for p in parameters], device=loss.device)
        told = torch.zeros(2, device=loss.device, dtype=loss.dtype)
        if share:
            told[0] = loss.detach() * share
            told[1] = 0 if right is None else right
        whole = torch.cat([*(part.reshape(-1) * share for part in parts), there, told])
        self._reduce(whole)
        *gradients, there, told = torch.split(whole, [*(part.numel() for part in parts), len(parts), 2])
        for position, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            if parameter.grad is not None or bool(there[position]):
                parameter.grad = gradient.view_as(parameter).to(parameter.dtype)
        return told[0], None if right is None else told[1]

    def gather(self, part: Tensor, rows: int, axis: int) -> Tensor:
        """Return what lies along an axis for all rows of a batch, of the part of it that is this one's."""
        begin, _ = self.bounds(rows)
        shape = [rows if at == axis else size for at, size in enumerate(part.shape)]
        whole, owners = part.new_zeros(shape), part.new_zeros(rows)
        whole.narrow(axis, begin, part.shape[axis]).copy_(part)
        owners.narrow(0, begin, part.shape[axis]).fill_(1)
        for tensor in (whole, owners):
            self._reduce(tensor)
        return whole / owners.view([-1 if at == axis else 1 for at in range(whole.dim())])

    def tell(self, value: T) -> T:
        """Return what the first process says."""
        if not self.several:
            return value
        said: list[Any] = [value]
        with self._explain():
            distributed.broadcast_object_list(said)
        found: T = said[0]
        return found

    def in_turn(self, work: Generator[E, None, T]) -> Generator[E, None, T]:
        """Let the first process do something, then the others, which find it done."""
        if self.leads:
            result = yield from work
            self.tell(None)
            return result
        self.tell(None)
        return (yield from work)

    def claim(self) -> bool:
        """Tell whether this one is the first that wants to say why the run ends."""
        try:
            return self.leads if self.is_orphan() else bool(self.store.add(CLAIM, 1) == 1)
        except RuntimeError:  # torchrun has just ended, which kept count
            return self.leads

    def check_module(self, module: nn.Module) -> None:
        """Refuse a network of which a row's gradient hangs on what other processes see.

        :raises SettingError: if there is such a part.
        """
        if self.several and any(isinstance(part, _BatchNorm) for part in module.modules()):
            raise SettingError(
                "batch norm takes its statistics over a whole batch, of which each of {count} processes sees a part: "
                "set norm=layer, or train in one process",
                count=self.place.count,
            )

    def _reduce(self, tensor: Tensor) -> None:
        with self._explain():
            distributed.all_reduce(tensor)

    @contextmanager
    def _explain(self) -> Iterator[None]:
        self.check()
        try:
            yield
        except RuntimeError as error:
            raise Parted(
                "another process of this run has ended before its time: the state that was saved last is whole, go on "
                "by --resume"
            ) from error


ONE = Processes()
_joined = ONE


def processes() -> Processes:
    """Return the processes of the run that goes on in this one."""
    return _joined


def weigh_mean(mean: Tensor, terms: Tensor | float) -> Tensor:
    """Return a mean over other things than rows as it counts where several processes train, each on some of the rows.

    What a step minimises is the mean over its rows, or is made of means over something else, such as words: of each of
    these the objective says so. In one process it is the mean itself.

    :param terms: what the mean is over, or the sum of its weights.
    """
    return _joined.weigh(mean, terms)


def _meet(place: Place) -> Any:
    """Connect to the store that torchrun has opened, and by it with the others; return it.

    :raises Parted: if torchrun has ended meanwhile, and the store with it.
    """
    own = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True" and place.rank == 0
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = TCPStore(*address, place.count, own, MEETING, wait_for_workers=False)
        store.set_timeout(PATIENCE)
        mates = PrefixStore("nlpkit/group", store)
        distributed.init_process_group(backend, store=mates, rank=place.rank, world_size=place.count, timeout=PATIENCE)
    except RuntimeError as error:
        raise Parted(ENDED) from error
    return store


@contextmanager
def join() -> Iterator[Processes]:
    """Join the others, where torchrun has started several; they part at the end.

    :raises Parted: at any time, if another has ended before its time.
    :raises ToldElsewhere: in place of any error that another process tells of.
    """
    global _joined
    place = read_place()
    if place.count == 1 or _joined.several:
        yield _joined
        return
    parent = os.getppid()  # before torchrun can have ended unseen
    store = _meet(place)
    _joined = Processes(place, store, parent)
    try:
        yield _joined
    except BaseException as error:
        first = _joined.claim()
        if first:
            take_the_word()
        elif isinstance(error, Exception):
            raise ToldElsewhere("the run has ended, and another of its processes says why") from error
        raise
    finally:
        _joined = ONE
        distributed.destroy_process_group()
