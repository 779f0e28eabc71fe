"""Several classifiers on the same labelled rows: each chooses among the same labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import numpy as np

from nlpkit.errors import DataError, SettingError
from nlpkit.tasks.items import Items, Outcome
from nlpkit.tasks.sentiment.choice import Choice, read_labels, write_labels
from nlpkit.tasks.sentiment.metrics import check_choice, check_labels
from nlpkit.tasks.sentiment.model import DECIMALS, SentimentModel
from nlpkit.text.corpus import Example
from nlpkit.text.labels import rename_options


def make_items(
    models: Mapping[str, SentimentModel], examples: Iterable[Example], *, labels: str | None = None
) -> Items:
    """Return labelled rows as items.

    :param models: by name.
    :param labels: those that may be the answer, with commas between them. None: those that the rows have or, if that is
        one alone, those that all models know.
    :raises DataError: if rows have labels that one of the models does not know, or that may not be the answer.
    :raises SettingError: for labels that not all models know.
    """
    rows = list(examples)
    seen = {row.label for row in rows}
    shared = [label for label in next(iter(models.values())).labels if all(label in m.labels for m in models.values())]
    if unknown := sorted(seen - set(shared)):
        _refuse(models, unknown)
    if labels is None:
        chosen = [label for label in shared if label in seen] if len(seen) > 1 else shared
    else:
        chosen = read_labels(labels)
    for name, model in models.items():
        _check(name, model, chosen, shared)
    check_choice(Choice([label for label in shared if label in chosen]), seen)
    wider = [name for name, model in models.items() if len(model.labels) > len(set(chosen))]
    remarks = [f"the choice is among {write_labels(chosen)}, for {' and '.join(wider)} too"] if wider else []
    return Items(rows, partial(answer, labels=chosen), remarks)


def answer(model: SentimentModel, rows: Sequence[Example], *, labels: Sequence[str]) -> list[Outcome]:
    """Answer labelled rows by one of some labels of the model."""
    choice = Choice.among(model.labels, labels)
    reasons, probabilities = model.answer([row.text for row in rows])
    shares = choice.probabilities(probabilities)
    answers = zip(shares.argmax(1).tolist(), np.round(shares.max(1, initial=0), DECIMALS).tolist(), strict=True)
    outcomes = []
    for row, reason in zip(rows, reasons, strict=True):
        if reason is not None:
            outcomes.append(Outcome(False, None, None, reason))
        else:
            best, probability = next(answers)
            outcomes.append(Outcome(choice.labels[best] == row.label, choice.labels[best], probability))
    return outcomes


def _refuse(models: Mapping[str, SentimentModel], unknown: Sequence[str]) -> None:
    """Refuse labels of rows that not all models know.

    :raises DataError: naming a model, and how to say what the labels mean.
    """
    for name, model in models.items():
        lacking = [label for label in unknown if label not in model.labels]
        try:
            check_labels(model, lacking)
        except DataError as error:
            raise DataError("{name}: {error}", name=name, error=error) from None


def _check(name: str, model: SentimentModel, labels: Sequence[str], shared: Sequence[str]) -> None:
    """Refuse labels among which a model cannot choose.

    :raises SettingError: naming the model, and the labels that all models know.
    """
    try:
        Choice.among(model.labels, labels)
    except SettingError as error:
        known = f"all models know {', '.join(shared)}" if shared else "the models have no label in common"
        raise SettingError(
            "{name}: {error}; {known}, and {option} gives a label of the rows another name",
            name=name,
            error=error,
            known=known,
            option=rename_options({"FOUND": "NAME"}),
        ) from None
