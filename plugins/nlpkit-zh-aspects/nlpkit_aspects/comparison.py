"""Several opinion models on the same rows: which finds all opinions of a row, and no other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from nlpkit.tasks import Items, Outcome
from nlpkit.text import Example

from nlpkit_aspects.model import AspectsModel
from nlpkit_aspects.opinions import Opinion, read_opinions


def make_items(models: Mapping[str, AspectsModel], examples: Iterable[Example]) -> Items:  # noqa: ARG001
    """Return rows as items."""
    return Items(list(examples), answer)


def answer(model: AspectsModel, items: Sequence[Example]) -> list[Outcome]:
    """Find the opinions of rows; a row is right where they are those that stand beside it, and as sure as the least."""
    outcomes = []
    for item, (found, reason) in zip(items, model.find([item.text for item in items]), strict=True):
        right = {one.key for one in found} == {one.key for one in read_opinions(item.text, item.label)}
        sure = min((one.probability or 0.0 for one in found), default=None)
        outcomes.append(Outcome(right, _spell(item.text, found) if found else None, sure, reason))
    return outcomes


def _spell(text: str, opinions: Iterable[Opinion]) -> str:
    """Return opinions as JSON, in words and not in spans."""
    told = [
        {"target": one.target and text[slice(*one.target)], "opinion": text[slice(*one.opinion)], "label": one.polarity}
        for one in opinions
    ]
    return json.dumps(told, ensure_ascii=False)
