"""Recipes side by side: each is trained with several seeds, every time without a fold of the rows, and answers that.

Each training is a folder of its own, which is done once: the same comparison goes on where it was interrupted, and may
have more seeds or other recipes.

folder/
  RECIPE/comparison.json       what its models were trained on and with
  RECIPE/seed-0-fold-1/        a model
  RECIPE/seed-0-fold-1.json    the CPU seconds of its training, unless that was interrupted
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from nlpkit.errors import DataError, SettingError
from nlpkit.files import replace_file
from nlpkit.model.bundle import CONFIG
from nlpkit.tasks.base import Task, resolve
from nlpkit.tasks.comparison import Comparison, Cost, Outcomes, Round, answer_items, measure_speed
from nlpkit.tasks.items import Items
from nlpkit.text.corpus import Example
from nlpkit.text.split import deal_folds, deduplicate
from nlpkit.training.events import Event, Statement, Working
from nlpkit.training.mixture import MixtureRunSettings
from nlpkit.training.run import train
from nlpkit.training.run_folder import is_unfinished, list_differences, run_folder_of
from nlpkit.training.settings import LabelledRunSettings, RunSettings
from nlpkit.version import __version__

RECORD = "comparison.json"


@dataclass(frozen=True)
class TrainingStarted:
    """The training of a recipe begins.

    :param number: from 1, of ``total``.
    """

    recipe: str
    seed: int
    fold: int
    number: int
    total: int


@dataclass(frozen=True)
class TrainingFinished:
    """It is over.

    :param wall: seconds that it took, or what was left of it.
    """

    number: int
    total: int
    wall: float


@dataclass(frozen=True, init=False)
class Dealt(Statement):
    """The rows are read, and dealt out to folds."""


@dataclass(frozen=True)
class Compared:
    """All is trained and answered."""

    comparison: Comparison
    costs: Sequence[Cost]
    remarks: Sequence[str]


def read_labels(recipes: Mapping[str, RunSettings], names: Mapping[str, str]) -> dict[str, str]:
    """Return the names for labels that all recipes agree on.

    :param recipes: their settings by their names.
    :param names: that the caller gives, which go before theirs.
    :raises SettingError: where recipes contradict each other, or bring rows of their own.
    """
    labels: dict[str, str] = {}
    for name, settings in recipes.items():
        if isinstance(settings, MixtureRunSettings) and (
            settings.corpora or settings.unlabelled or settings.validation_corpora or settings.teacher.model
        ):
            raise SettingError(
                "the recipe {name} brings rows or a teacher of its own, which may know the rows that it is tested on: "
                "leave its tables [[corpora]] and [teacher], unlabelled and validation_corpora out",
                name=name,
            )
        own = dict(settings.labels) if isinstance(settings, LabelledRunSettings) else {}
        for old, new in own.items():
            if old not in names and labels.setdefault(old, new) != new:
                raise SettingError(
                    "the recipes call the label {old} {first} and {second}: say --label {old}=NAME",
                    old=old,
                    first=labels[old],
                    second=new,
                )
    return labels | dict(names)


def compare_recipes(
    task: Task,
    examples: Iterable[Example],
    recipes: Mapping[str, RunSettings],
    folder: Path,
    *,
    seeds: int,
    folds: int,
    origin: Mapping[str, Any],
    options: Mapping[str, Any],
    device: str = "cpu",
) -> Generator[Event | Dealt | TrainingStarted | TrainingFinished | Compared, None, None]:
    """Train recipes, and see what each makes of the rows that it was not trained on; the last event is `Compared`.

    :param examples: under the labels that they shall have.
    :param recipes: settings by name, each of which the folder of a recipe may have.
    :param folder: keeps every training.
    :param origin: JSON that says which rows these are.
    :param options: what `Task.items` is told.
    :raises DataError: if there are too few rows.
    :raises SettingError: if the folder holds trainings of another comparison.
    """
    distinct = deduplicate(examples)
    rows = distinct.examples
    yield Dealt(
        "{rows:,} rows; dropped: {copies:,} copies, {conflicts:,} texts under several labels, {empty:,} without "
        "letters",
        rows=len(rows),
        copies=distinct.duplicates,
        conflicts=distinct.conflicts,
        empty=distinct.empty,
    )
    if len(rows) < 2 * folds:
        raise DataError(
            "{rows:,} rows cannot be cut into {folds} folds: give more rows, or fewer --folds",
            rows=len(rows),
            folds=folds,
        )
    for name, settings in recipes.items():
        _claim(folder / name, {"nlpkit": __version__, "folds": folds, "origin": origin, "settings": asdict(settings)})
    ask, rounds, remarks = resolve(task.items or ""), list[Round](), list[str]()
    for seed, fold in itertools.product(range(seeds), range(folds)):
        owners = deal_folds(rows, folds, seed)
        training = [rows[number] for number in np.flatnonzero(owners != fold)]
        before = Turn(folder, seed, fold + 1, (seed * folds + fold) * len(recipes), seeds * folds * len(recipes))
        models = yield from before.train(task, training, recipes, device)
        items = ask(models, [rows[number] for number in np.flatnonzero(owners == fold)], **options)
        remarks += items.remarks
        outcomes = []
        for name, model in models.items():
            outcomes.append((yield from answer_all(name, model, items)))
        if items.examples:
            rounds.append(Round(items.examples, outcomes, seed, fold + 1))
            last = models, items
    if not rounds:
        yield Compared(Comparison(list(recipes), rounds, folds), [], [])
        return
    models, items = last
    speeds = measure_speed(list(models.values()), items)
    costs = [
        Cost(model.bundle.size, speed, _mean_cost(folder / name))
        for (name, model), speed in zip(models.items(), speeds, strict=True)
    ]
    yield Compared(Comparison(list(recipes), rounds, folds), costs, list(dict.fromkeys(remarks)))


@dataclass(frozen=True)
class Turn:
    """The trainings of all recipes with one seed and without one fold.

    :param folder: of all recipes.
    :param before: trainings that come before these, of ``total``.
    """

    folder: Path
    seed: int
    fold: int
    before: int
    total: int

    def train(
        self, task: Task, rows: Sequence[Example], recipes: Mapping[str, RunSettings], device: str
    ) -> Generator[Event | TrainingStarted | TrainingFinished, None, dict[str, Any]]:
        """Train what is not trained yet; return the models by their recipes."""
        models = {}
        for number, (name, settings) in enumerate(recipes.items(), start=self.before + 1):
            place = self.folder / name / f"seed-{self.seed}-fold-{self.fold}"
            if not (place / CONFIG).exists():
                yield TrainingStarted(name, self.seed, self.fold, number, self.total)
                begin = time.monotonic()
                yield from _train(task, rows, _settings_of(settings, self.seed), place, device)
                yield TrainingFinished(number, self.total, time.monotonic() - begin)
            models[name] = resolve(task.model).load(place)
        return models


def answer_all(name: str, model: Any, items: Items) -> Generator[Working, None, Outcomes]:
    """Ask a model about all items, and yield how far it is."""
    outcomes: list[Any] = []
    for part in answer_items(model, items):
        outcomes += part
        yield Working(name, len(outcomes), len(items.examples))
    return outcomes


def _claim(folder: Path, record: Mapping[str, Any]) -> None:
    """Take the folder of a recipe for a comparison, or go on in it.

    :raises SettingError: if it holds something else.
    """
    path, now = folder / RECORD, json.loads(json.dumps(record))
    if not path.exists():
        if folder.exists() and any(folder.iterdir()):
            raise SettingError("{folder} is no folder of a comparison: choose another --work", folder=folder)
        replace_file(path, json.dumps(record, ensure_ascii=False, indent=2).encode("utf-8", "replace"))
        return
    try:
        then = json.loads(path.read_text("utf-8"))
    except ValueError:
        raise DataError("{path} is damaged: choose another --work", path=path) from None
    if differences := list(list_differences(then, now)):
        raise SettingError(
            "{folder} holds trainings of another comparison: {differences}: choose another --work",
            folder=folder,
            differences="; ".join(differences),
        )


def _settings_of(settings: RunSettings, seed: int) -> RunSettings:
    """Return the settings of one training: rows come under their labels, and none is set aside for a test."""
    settings = replace(settings, seed=settings.seed + seed, test=0.0)
    return replace(settings, labels={}) if isinstance(settings, LabelledRunSettings) else settings


def _train(
    task: Task, rows: Sequence[Example], settings: RunSettings, folder: Path, device: str
) -> Generator[Event, None, None]:
    """Train a model, or go on where that was interrupted; leave its CPU seconds beside it."""
    begin, resume = time.process_time(), is_unfinished(run_folder_of(folder))
    yield from train(task, rows, settings, folder, keep_weights=False, resume=resume, device=device)
    if not resume:
        spent = {"cpu_seconds": round(time.process_time() - begin, 2)}
        replace_file(folder.with_name(f"{folder.name}.json"), json.dumps(spent).encode())


def _mean_cost(folder: Path) -> float | None:
    costs = [json.loads(path.read_text("utf-8"))["cpu_seconds"] for path in folder.glob("seed-*-fold-*.json")]
    return mean(costs) if costs else None
