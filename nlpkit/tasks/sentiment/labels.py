"""Sentences on labels that a user should hear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from nlpkit.errors import Sentence, join
from nlpkit.text.labels import Alike, rename_options

if TYPE_CHECKING:
    from nlpkit.tasks.sentiment.metrics import Neglect

BALANCED = "--set training.class_weights=balanced"


def remark_on_alike(groups: Sequence[Alike]) -> Sentence:
    """Say that labels look alike and are classes of their own."""
    template = "{label!r} ({rows:,} rows)"
    alike = [[Sentence(template, label=label, rows=rows) for label, rows in group.rows.items()] for group in groups]
    listed = join((join(group, " and ") for group in alike), "; ")
    options = rename_options({old: new for group in groups for old, new in group.renames.items()})
    remedy = Sentence("say {options}", options=options) if options else Sentence("write them alike in the file")
    return Sentence(
        "labels that look alike are classes of their own: {listed}; to join them, {remedy}",
        listed=listed,
        remedy=remedy,
    )


def remark_on_neglect(labels: Mapping[str, Neglect], place: str, *, balanced: bool) -> Iterator[Sentence]:
    """Say that rare labels are answered too rarely, if there are any.

    :param place: whose rows show it.
    :param balanced: whether the model was trained so that each label counted as much as any other.
    """
    if labels:
        listed = join(
            Sentence("{rows:,} are {label!r}, the answer to {answers:,}", rows=of.rows, label=label, answers=of.answers)
            for label, of in labels.items()
        )
        remedy = Sentence("give more rows of it") if balanced else Sentence("train with {balanced}", balanced=BALANCED)
        yield (
            Sentence(
                "what was rare in training is answered far less often than it occurs: of the {place} "
                "rows, {listed}: {remedy}",
                place=Sentence(place),
                listed=listed,
                remedy=remedy,
            )
        )
