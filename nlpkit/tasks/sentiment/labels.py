"""Sentences on labels that a user should hear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from nlpkit.text.labels import Alike, rename_options

if TYPE_CHECKING:
    from nlpkit.tasks.sentiment.metrics import Neglect

BALANCED = "--set training.class_weights=balanced"


def remark_on_alike(groups: Sequence[Alike]) -> str:
    """Say that labels look alike and are classes of their own."""
    listed = "; ".join(
        " and ".join(f"{label!r} ({rows:,} rows)" for label, rows in group.rows.items()) for group in groups
    )
    options = rename_options({old: new for group in groups for old, new in group.renames.items()})
    remedy = f"say {options}" if options else "write them alike in the file"
    return f"labels that look alike are classes of their own: {listed}; to join them, {remedy}"


def remark_on_neglect(labels: Mapping[str, Neglect], place: str, *, balanced: bool) -> Iterator[str]:
    """Say that rare labels are answered too rarely, if there are any.

    :param place: whose rows show it.
    :param balanced: whether the model was trained so that each label counted as much as any other.
    """
    if labels:
        listed = ", ".join(f"{of.rows:,} are {label!r}, the answer to {of.answers:,}" for label, of in labels.items())
        remedy = "give more rows of it" if balanced else f"train with {BALANCED}"
        yield (
            f"what was rare in training is answered far less often than it occurs: of the {place} rows, {listed}: "
            f"{remedy}"
        )
