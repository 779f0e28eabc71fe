"""Label Studio's protocol of a backend that predicts, so that a team begins with answers in place of blanks.

https://labelstud.io/guide/ml_create
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from nlpkit_serve.faults import RequestFault

MOST_CONFIG = 200_000  # characters of a labelling configuration


@dataclass(frozen=True)
class Choices:
    """A choice of a labelling configuration: ``<Choices name="sentiment" toName="text"> <Choice value="Positive"/> …``.

    :param key: of a task's data, that of the text.
    :param values: what may be chosen, by what it is called in lower case, its aliases too.
    """

    name: str
    text: str
    key: str
    values: Mapping[str, str]

    def result_of(self, labels: Sequence[str]) -> list[dict[str, Any]]:
        """Return what Label Studio takes for a choice; nothing, if no label is among what may be chosen."""
        chosen = [self.values[label.lower()] for label in labels if label.lower() in self.values]
        value = {"choices": chosen}
        return [{"from_name": self.name, "to_name": self.text, "type": "choices", "value": value}] if chosen else []


def read_config(config: Any, labels: Sequence[str]) -> Choices:
    """Find the choice of a text whose values are a model's labels.

    :raises RequestFault: if there is none.
    """
    root = _parse(config)
    keys = {text.get("name"): text.get("value", "").removeprefix("$") for text in root.iter("Text")}
    known = {label.lower() for label in labels}
    for choices in root.iter("Choices"):
        values = {called.lower(): value for choice in choices.iter("Choice") for called, value in _names_of(choice)}
        text, name = choices.get("toName", ""), choices.get("name", "")
        if name and keys.get(text) and known & values.keys():
            return Choices(name, text, keys[text], values)
    raise RequestFault(
        422,
        'the labelling configuration has no <Choices> of a <Text value="$…"> with a <Choice> that is a label of the '
        f"model: {', '.join(labels)}",
    )


def read_texts(tasks: Any, key: str, most: int) -> list[Any]:
    """Return the texts of tasks.

    :raises RequestFault: if these are none, or too many.
    """
    well = isinstance(tasks, list) and all(isinstance(task, dict) for task in tasks)
    if not well or not all(isinstance(task.get("data", {}), dict) for task in tasks):
        raise RequestFault(422, 'tasks are a list of objects: {"data": {"text": "…"}}')
    if len(tasks) > most:
        raise RequestFault(413, f"{len(tasks):,} tasks are too many, {most:,} are the most at once")
    return [task.get("data", {}).get(key) for task in tasks]


def make_prediction(answer: Mapping[str, Any], choices: Choices, version: str) -> dict[str, Any]:
    """Return what Label Studio takes for the prediction of a task; an empty one where there is no answer."""
    said = answer["labels"] if "labels" in answer else [answer.get("label")]
    labels: list[str] = [label for label in said or () if label is not None]
    shares = answer.get("probabilities") or {}
    score = min((shares[label] for label in labels if label in shares), default=0.0)
    return {"result": choices.result_of(labels), "score": score, "model_version": version}


def _names_of(choice: ElementTree.Element) -> list[tuple[str, str]]:
    """Return what a choice may be called, with its value."""
    value = choice.get("value", "")
    return [(name, value) for name in (choice.get("alias"), value) if name and value]


def _parse(config: Any) -> ElementTree.Element:
    if not isinstance(config, str) or len(config) > MOST_CONFIG or "<!" in config.replace("<!--", ""):
        raise RequestFault(
            422, f"label_config is the labelling configuration, a text of XML of up to {MOST_CONFIG:,} characters"
        )
    try:
        return ElementTree.fromstring(config)
    except (ElementTree.ParseError, ValueError) as error:
        raise RequestFault(422, f"label_config is no XML: {error}") from None
