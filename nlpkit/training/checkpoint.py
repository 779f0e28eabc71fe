"""The state of a run on disk: one file, replaced whole, of tensors and JSON; never pickle."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from nlpkit.errors import NlpkitError, reason_of
from nlpkit.files import replace_file

SHARE = 20  # a save may take one part in so many of the time


@dataclass(frozen=True)
class State:
    """What a run needs to go on as if nothing had happened."""

    tensors: Mapping[str, Tensor]
    values: dict[str, Any]

    def select(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose names begin so, without that beginning."""
        return {name.removeprefix(prefix): t for name, t in self.tensors.items() if name.startswith(prefix)}


class Checkpoint:
    """Where a state is saved, and when.

    :param path: the file; None saves nothing.
    :param every: seconds between saves; 0 saves after every step.
    """

    def __init__(self, path: Path | None = None, every: float = 30.0) -> None:
        self._path, self._every = path, every
        self._last, self._took = time.monotonic(), 0.0
        self._next = self._last + every

    def is_due(self) -> bool:
        """Whether it is time to save."""
        return self._path is not None and time.monotonic() >= self._next

    def is_cheap(self) -> bool:
        """Whether a save would take little of the time since the last, however short that is."""
        return self._path is not None and time.monotonic() - self._last > max(1.0, SHARE * self._took)

    def save(self, state: State) -> None:
        """Replace the file by a new state; whatever fails, the old or the new one is whole.

        :raises NlpkitError: if the disk refuses.
        """
        if self._path is None:
            return
        start = time.monotonic()
        data = save(
            {name: tensor.detach().contiguous().clone() for name, tensor in state.tensors.items()},
            {"state": json.dumps(state.values)},
        )
        try:
            replace_file(self._path, data)
        except OSError as error:
            why = reason_of(error)
            raise NlpkitError(
                "{path} cannot be written: {why}; the state saved before it is whole: make room, and go on by --resume",
                path=self._path,
                why=why,
            ) from error
        self._last = time.monotonic()
        self._took = self._last - start
        self._next = self._last + (max(self._every, SHARE * self._took) if self._every else 0)

    def load(self) -> State | None:
        """Return the saved state; None if there is none.

        :raises NlpkitError: if the file is damaged.
        """
        if self._path is None or not self._path.exists():
            return None
        try:
            with safe_open(self._path, "pt") as file:
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - no mapping
                return State(tensors, json.loads(file.metadata()["state"]))
        except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
            raise NlpkitError(
                "{path} is damaged ({error}): begin anew by --force", path=self._path, error=error
            ) from error
