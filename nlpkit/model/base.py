"""What models of all tasks have in common: a bundle whose parts are opened when they are first needed, once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from threading import RLock
from typing import Any, ClassVar, Self, TypeVar

from nlpkit.errors import BundleError
from nlpkit.log import get_logger
from nlpkit.model.bundle import CONFIG, SAMPLES, Bundle, find
from nlpkit.model.mixing import Stage
from nlpkit.model.workers import count_jobs, spread
from nlpkit.text.normalisation import Normaliser

Part = TypeVar("Part")
Block = TypeVar("Block")
Result = TypeVar("Result")
LOG = get_logger(__name__)
MOST_REOPENED = 4  # unpickled models that a process keeps: a pool sends the same one with every task
NO_SAMPLES = "it has no samples to test itself by: samples.json is empty"


class SavedModel(ABC):
    """A model read from a bundle.

    Threads may share it. It is pickled as its name or folder and a fingerprint, and opened again where it is unpickled.

    :raises BundleError: if the bundle is damaged or was made for another task.
    """

    task: ClassVar[str]
    default: ClassVar[str | None] = None  # the model that is opened where none is named
    jobs = 1  # processes that `map` works in, unless told

    def __init__(self, bundle: Bundle) -> None:
        bundle.require_task(self.task)
        self.bundle = bundle
        self._parts: dict[int, Any] = {}
        self._lock = RLock()
        with bundle.report_damage(CONFIG):
            self.normaliser = Normaliser.of(bundle.config["normalisation"])
            self.entries = _check_entries(bundle.config["members"])
            self.stages = [Stage.from_json(stage) for stage in bundle.config["stages"]]
        LOG.info("opened %s, a model for %s", bundle.name, self.task)

    @property
    def reading(self) -> Mapping[str, Any]:
        """What `read_rows` is told for its evaluation: ``kept``, its labels, and whether ``blank_lines`` are rows."""
        return {}

    @classmethod
    def load(cls, model: str | Path | None = None, *, warm: bool = False) -> Self:
        """Open a model by its name (`nlpkit models list`) or its folder.

        :param model: None: the shipped one.
        :param warm: open all of its parts now, and not when they are first needed.
        :raises BundleError: if there is none, or it is damaged, of a newer format, or made for another task.
        :raises MissingPlugin: if a plugin that it needs is not installed.
        """
        name = model if model is not None else cls.default
        if name is None:
            raise BundleError("no model for {task} is shipped: name one, or its folder", task=cls.task)
        saved = cls(find(name))
        if warm:
            saved.warm()
        return saved

    @abstractmethod
    def warm(self) -> None:
        """Open every part and answer once, so that no later answer has to wait for a part to be opened."""

    @abstractmethod
    def sample(self, text: str) -> dict[str, Any]:
        """Answer a text as samples.json holds it, for `check`."""

    @abstractmethod
    def compare(self, sample: Mapping[str, Any]) -> str | None:
        """Answer one of the bundle's samples again; return a sentence if it comes out otherwise than recorded."""

    def check(self) -> list[str]:
        """Open every part and answer the bundle's own samples again.

        :returns: a sentence for each sample that comes out otherwise than recorded.
        :raises BundleError: if a file is damaged.
        """
        self.warm()
        with self.bundle.report_damage(SAMPLES):
            faults = [self.compare(sample) for sample in self.bundle.read_json(SAMPLES)]
        return [fault for fault in faults if fault] if faults else [NO_SAMPLES]

    def __reduce__(self) -> tuple[Any, ...]:
        if self.bundle.source is None:
            raise BundleError(
                "{name} is in memory and cannot be pickled: save it, and load the folder", name=self.bundle.name
            )
        return _reopen, (type(self), self.bundle.source, self.bundle.fingerprint)

    def map(
        self, function: Callable[[Self, Block], Result], blocks: Iterable[Block], *, jobs: int | None = None
    ) -> Iterator[tuple[Block, Result]]:
        """Yield each block with what a function makes of this model and the block, in order.

        :param function: can be imported by its name, where several processes work.
        :param jobs: so many processes, each of which opens the model; 0: one a core. None: as `jobs` of the model says.
        :raises BundleError: where several are to work and the model is in memory alone.
        """
        return spread(partial(partial, function, self), blocks, count_jobs(self.jobs if jobs is None else jobs))

    def open_part(self, position: int, make: Callable[[], Part]) -> Part:
        """Return a member, made by whoever asks first while the others wait."""
        with self._lock:
            if position not in self._parts:
                self._parts[position] = make()
            part: Part = self._parts[position]
            return part


Model = TypeVar("Model", bound=SavedModel)


@lru_cache(maxsize=MOST_REOPENED)
def _reopen(kind: type[Model], source: str, fingerprint: str) -> Model:
    """Unpickle a model.

    :raises BundleError: if there is another by now where it was.
    """
    bundle = find(source)
    if bundle.fingerprint != fingerprint:
        raise BundleError(
            "{source} is not the model that was pickled: it has been replaced since; load it anew", source=source
        )
    return kind(bundle)


def _check_entries(members: Any) -> list[dict[str, Any]]:
    """Return the members that config.json describes.

    :raises ValueError: if these are none.
    """
    if not isinstance(members, list) or not all(isinstance(entry, dict) for entry in members):
        raise ValueError("members are a list of entries")
    if odd := [entry.get("name") for entry in members if not isinstance(entry.get("name"), str)]:
        raise ValueError(f"the name of a member is a text, was: {odd[0]!r:.60}")
    return members


def is_text_list(values: object) -> bool:
    """Return whether something is a list of texts."""
    return isinstance(values, list) and all(isinstance(text, str) for text in values)
