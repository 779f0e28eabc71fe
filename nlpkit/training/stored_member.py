"""A member of a model as files: those of the model, and how a run keeps them until the model is saved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlpkit.files import write_synced
from nlpkit.model import bundle

FACTS = "trained.json"


@dataclass(frozen=True)
class StoredMember:
    """A member's entry in config.json, and its files by their paths in its folder."""

    entry: dict[str, Any]
    files: dict[str, bytes]

    def stored(self, *, keep_weights: bool) -> dict[str, bytes]:
        """The files by their paths in the model, without the weights as trained where nothing needs them."""
        keep = keep_weights or self.entry["runtime"] == "torch"
        kept = {path: data for path, data in self.files.items() if keep or path != bundle.WEIGHTS}
        return {f"{self.entry['name']}/{path}": data for path, data in kept.items()}


def write_member(folder: Path, member: StoredMember, **facts: Any) -> None:
    """Write a member for `read_member`, and what else is to be known of it."""
    for path, data in member.files.items():
        write_synced(folder / path, data)
    write_synced(folder / FACTS, bundle.dump_json({"entry": member.entry, **facts}))


def read_member(folder: Path) -> tuple[StoredMember, Mapping[str, Any]]:
    """A member as `write_member` left it, and what else was noted."""
    facts = json.loads((folder / FACTS).read_text("utf-8"))
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != FACTS]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return StoredMember(facts.pop("entry"), files), facts
