"""What models of all tasks have in common: a bundle whose parts are opened when they are first needed, once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import Any, ClassVar, TypeVar

from nlpkit.errors import BundleError
from nlpkit.model.bundle import CONFIG, Bundle, find
from nlpkit.text.normalisation import Normaliser

Part = TypeVar("Part")
REOPENED = 4  # unpickled models that a process keeps: a pool sends the same one with every task
NO_SAMPLES = "it has no samples to test itself by: samples.json is empty"


class SavedModel(ABC):
    """A model read from a bundle.

    Threads may share it. It is pickled as its name or folder and a fingerprint, and opened again where it is unpickled.

    :raises BundleError: if the bundle is damaged or was made for another task.
    """

    task: ClassVar[str]

    def __init__(self, bundle: Bundle) -> None:
        bundle.require_task(self.task)
        self.bundle = bundle
        self._opened: dict[int, Any] = {}
        self._lock = RLock()
        with bundle.reading(CONFIG):
            self.normaliser = Normaliser.of(bundle.config["normalisation"])
            self._entries = entries(bundle.config["members"])

    @abstractmethod
    def warm(self) -> None:
        """Open every part and answer once, so that no later answer has to wait for a part to be opened."""

    @abstractmethod
    def check(self) -> list[str]:
        """Open every part and answer the bundle's own samples again.

        :returns: a sentence for each sample that comes out otherwise than recorded.
        :raises BundleError: if a file is damaged.
        """

    def __reduce__(self) -> tuple[Any, ...]:
        if self.bundle.source is None:
            raise BundleError(f"{self.bundle.name} is in memory and cannot be pickled: save it, and load the folder")
        return _reopen, (type(self), self.bundle.source, self.bundle.fingerprint)

    def _part(self, position: int, make: Callable[[], Part]) -> Part:
        """A member, made by whoever asks first while the others wait."""
        with self._lock:
            if position not in self._opened:
                self._opened[position] = make()
            found: Part = self._opened[position]
            return found


Model = TypeVar("Model", bound=SavedModel)


def open_model(kind: type[Model], model: str | Path | Bundle, *, warm: bool) -> Model:
    """A model of a class, of a registered name or a folder, or of a bundle."""
    opened = kind(model if isinstance(model, Bundle) else find(model))
    if warm:
        opened.warm()
    return opened


@lru_cache(maxsize=REOPENED)
def _reopen(kind: type[Model], source: str, fingerprint: str) -> Model:
    """Unpickle a model.

    :raises BundleError: if there is another by now where it was.
    """
    bundle = find(source)
    if bundle.fingerprint != fingerprint:
        raise BundleError(f"{source} is not the model that was pickled: it has been replaced since; load it anew")
    return kind(bundle)


def entries(members: Any) -> list[dict[str, Any]]:
    """The members that config.json describes.

    :raises ValueError: if these are none.
    """
    if not isinstance(members, list) or not all(isinstance(entry, dict) for entry in members):
        raise ValueError("members are a list of entries")
    if odd := [entry.get("name") for entry in members if not isinstance(entry.get("name"), str)]:
        raise ValueError(f"the name of a member is a text, was: {odd[0]!r:.60}")
    return members


def texts_only(found: object) -> bool:
    """Whether something is a list of texts."""
    return isinstance(found, list) and all(isinstance(text, str) for text in found)
