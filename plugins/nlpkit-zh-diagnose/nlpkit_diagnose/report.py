"""What is left of a diagnosis: figures as JSON, epochs as CSV, a plot as PNG, networks as safetensors."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import DataError
from nlpkit.files import replace_file

from nlpkit_diagnose.summary import group_by_encoder, summarise
from nlpkit_diagnose.task import FIGURES, HISTORY, NETWORKS, PLOT, Result, Settings, Task

if TYPE_CHECKING:
    from nlpkit.training import Epoch

    from nlpkit_diagnose.dealing import Strings
    from nlpkit_diagnose.networks import SavedNetwork

FILES = (FIGURES, HISTORY, PLOT, NETWORKS)


@dataclass(frozen=True)
class Diagnosis:
    """All results of a task.

    :param settings: for each encoder by its name.
    :param histories: the epochs of each trial by its name.
    :param files_read: the SHA-256 of each file that the sequences are from, by its name.
    :param networks: what each trial has learnt, by its name.
    :param facts: what else the sequences depend on.
    :param others: settings of encoders that were tried before, as JSON.
    """

    task: Task
    settings: Mapping[str, Settings]
    results: Sequence[Result]
    histories: Mapping[str, Sequence[Epoch]]
    files_read: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, SavedNetwork] = field(default_factory=dict)
    facts: Mapping[str, str | None] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the epochs."""
        from nlpkit import __version__
        from nlpkit.training import read_environment

        task = self.task
        return {
            "task": task.name,
            "figure": {"name": task.figure, "better": "higher" if task.higher else "lower", "tutorial": task.tutorial},
            "findings": self.findings(),
            "summary": [asdict(row) for row in summarise(self.results)],
            "trials": [asdict(result) for result in self.results],
            "settings": {**self.others, **{name: asdict(settings) for name, settings in self.settings.items()}},
            "files": dict(self.files_read),
            "facts": dict(self.facts),
            "nlpkit": __version__,
            "nlpkit-zh-diagnose": version("nlpkit-zh-diagnose"),
            "environment": read_environment(),
        }

    def findings(self) -> list[str]:
        """List all that must be read with the figures, a sentence each."""
        found = list(self.task.findings(self.results))
        for encoder, results in group_by_encoder(self.results).items():
            if not all(result.reads for result in results):
                found.append(f"{encoder}: its last state has not read the whole sequence: try --set head.pooling=max")
        for row in summarise(self.results):
            if row.diverged:
                name = " ".join([row.encoder, row.condition]).strip()
                found.append(f"{name}: training diverged with {row.diverged} of {row.seeds} seeds")
        return found

    def document(self) -> str:
        """Return the same as text; what is no number is null there."""
        return json.dumps(drop_infinite(self.to_json()), ensure_ascii=False, indent=2, allow_nan=False) + "\n"

    def files(self) -> dict[str, bytes]:
        """Return all files by their names; no plot where matplotlib is missing, no networks where none are kept."""
        from nlpkit import MissingExtra
        from nlpkit.training import table_of

        from nlpkit_diagnose.plots import plot

        found = {FIGURES: self.document().encode()}
        found[HISTORY] = table_of(self.histories).encode()
        with suppress(MissingExtra):
            found[PLOT] = plot(self.task, self.results, self.histories)
        if self.networks:
            from nlpkit_diagnose.networks import dump_networks

            found[NETWORKS] = dump_networks(self.networks)
        return found


def drop_infinite(value: Any) -> Any:
    """Put None into JSON for what is no finite number."""
    if isinstance(value, Mapping):
        return {name: drop_infinite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [drop_infinite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check_folder(folder: Path, *, force: bool) -> None:
    """Make sure, before long work begins, that a diagnosis may be written there.

    :raises DataError: if one is there and not ``force``, or it is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError("{folder} is a file: choose a folder", folder=folder)
    if there := [name for name in FILES if (folder / name).exists() and not force]:
        raise DataError(
            "{folder} holds {there} already: choose another folder, or say --force",
            folder=folder,
            there=" and ".join(there),
        )


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder, each whole or not at all; of what else is there, only an older diagnosis goes.

    :raises DataError: if the disk refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            replace_file(folder / name, data)
        for name in {*FILES} - files.keys():
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            "{folder} cannot be written: {reason}", folder=folder, reason=(error.strerror or str(error)).lower()
        ) from error


def write_sequences(folder: Path, conditions: Mapping[str, Mapping[str, Strings]], *, force: bool) -> int:
    """Write sequences and their labels as CSV, a file a part, in a folder for each condition; return how many files.

    :raises DataError: before anything is written, if one is there and not ``force``; or if the disk refuses.
    """
    files = {
        folder / condition / f"{place}.csv": "sequence,label\n"
        + "".join(f"{text},{label}\n" for text, label in zip(strings.texts, strings.labels, strict=True))
        for condition, parts in conditions.items()
        for place, strings in parts.items()
    }
    if not force and (there := [path for path in files if path.exists()]):
        raise DataError("{path} exists: choose another folder, or say --force to replace it", path=there[0])
    try:
        for path, text in files.items():
            replace_file(path, text.encode())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError("{folder} cannot be written: {reason}", folder=folder, reason=reason) from error
    return len(files)
