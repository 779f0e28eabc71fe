"""Several classifiers on the same labelled rows: each chooses among the same labels."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import DataError, Sentence, SettingError, join
from nlpkit.tasks.items import Items, Outcome
from nlpkit.tasks.sentiment.choice import Choice, read_labels, write_labels
from nlpkit.tasks.sentiment.metrics import check_choice, check_labels
from nlpkit.tasks.sentiment.model import DECIMALS, SentimentModel
from nlpkit.text.corpus import Example
from nlpkit.text.several import Labels, names_of

NO_NAMES: Mapping[str, str] = MappingProxyType({})


def make_items(
    models: Mapping[str, SentimentModel],
    examples: Iterable[Example],
    *,
    names: Mapping[str, str] = NO_NAMES,
    labels: str | Sequence[str] | None = None,
) -> Items:
    """Return labelled rows as items.

    :param models: by name.
    :param names: of labels by what they were called. A model's label that no row has, and that has one of the rows' for
        its name, is taken for that.
    :param labels: those that may be the answer: names, or one text with commas between them. None: those that the rows
        have or, if that is one alone or a text may have several, those that all models know.
    :raises DataError: if rows have labels that one of the models does not know, or that may not be the answer.
    :raises SettingError: for labels that not all models know.
    """
    rows = list(examples)
    labels = read_labels(labels) if isinstance(labels, str) else labels
    if len({model.several for model in models.values()}) > 1:
        raise SettingError("of these models some give a text one label and others several: compare those of one kind")
    seen = {name for row in rows for name in names_of(row.label)}
    known = {name: _rename(model.labels, names, seen) for name, model in models.items()}
    shared = [label for label in next(iter(known.values())) if all(label in of_model for of_model in known.values())]
    if unknown := sorted(seen - set(shared)):
        _refuse(models, known, unknown)
    several = next(iter(models.values())).several
    if several:
        chosen = shared if labels is None else list(labels)
    elif labels is None:
        chosen = [label for label in shared if label in seen] if len(seen) > 1 else shared
    else:
        chosen = list(labels)
    for name, of_model in known.items():
        _check(name, of_model, chosen, shared)
    if not several:
        check_choice(Choice([label for label in shared if label in chosen]), seen)
    remarks = [*_tell_names(models, known), *_tell_choice(known, chosen)]
    return Items(
        rows, partial(answer, labels=chosen, known={id(models[name]): known[name] for name in models}), remarks
    )


def answer(
    model: SentimentModel, rows: Sequence[Example], *, labels: Sequence[str], known: Mapping[int, Sequence[str]]
) -> list[Outcome]:
    """Answer labelled rows by one of some labels of the model.

    :param known: what the labels of models are called here, by the models' ids.
    """
    reasons, probabilities = model.answer([row.text for row in rows])
    if model.thresholds is not None:
        return _answer_several(probabilities >= model.thresholds, reasons, rows, known[id(model)], labels)
    choice = Choice.among(known[id(model)], labels)
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


def _answer_several(
    given: NDArray[np.bool_],
    reasons: Sequence[str | None],
    rows: Sequence[Example],
    known: Sequence[str],
    labels: Container[str],
) -> list[Outcome]:
    """Say which of some labels rows are given; right is an answer with all of a row's, and no others."""
    answers = iter(given.tolist())
    outcomes = []
    for row, reason in zip(rows, reasons, strict=True):
        if reason is not None:
            outcomes.append(Outcome(False, None, None, reason))
            continue
        answer = Labels.of(
            name for name, is_given in zip(known, next(answers), strict=True) if is_given and name in labels
        )
        truth = Labels.of(name for name in names_of(row.label) if name in labels)
        outcomes.append(Outcome(answer == truth, answer))
    return outcomes


def _rename(labels: Sequence[str], names: Mapping[str, str], seen: Container[str]) -> list[str]:
    """Return what a model's labels are called among rows; its own names where two would be called the same."""
    renamed = [names[label] if label not in seen and names.get(label, "") in seen else label for label in labels]
    return renamed if len(set(renamed)) == len(labels) else list(labels)


def _tell_names(models: Mapping[str, SentimentModel], known: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, model in models.items():
        if taken := {old: new for old, new in zip(model.labels, known[name], strict=True) if old != new}:
            listed = join(Sentence("{old} for {new}", old=old, new=new) for old, new in taken.items())
            yield Sentence("of the labels of {name} are taken {listed}", name=name, listed=listed)


def _tell_choice(known: Mapping[str, Sequence[str]], chosen: Sequence[str]) -> Iterator[str]:
    if wider := [name for name, labels in known.items() if len(labels) > len(set(chosen))]:
        yield Sentence(
            "the choice is among {labels}, also for {wider}",
            labels=write_labels(chosen),
            wider=" and ".join(wider),
        )


def _refuse(models: Mapping[str, SentimentModel], known: Mapping[str, Sequence[str]], unknown: Sequence[str]) -> None:
    """Refuse labels of rows that not all models know.

    :raises DataError: naming a model, and how to say what the labels mean.
    """
    for name, model in models.items():
        try:
            check_labels(model, [label for label in unknown if label not in known[name]])
        except DataError as error:
            raise DataError("{name}: {error}", name=name, error=error) from None


def _check(name: str, known: Sequence[str], labels: Sequence[str], shared: Sequence[str]) -> None:
    """Refuse labels among which a model cannot choose.

    :raises SettingError: naming the model, and the labels that all models know.
    """
    try:
        Choice.among(known, labels)
    except SettingError as error:
        raise SettingError(
            "{name}: {error}; all models know {shared}, and --label FOUND=NAME gives a label another name",
            name=name,
            error=error,
            shared=", ".join(shared) or "no label in common",
        ) from None
