"""Models side by side: what each made of the same items, how much they differ, and what that is worth."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from nlpkit.errors import Sentence, SettingError, join
from nlpkit.tasks.items import Items, Outcome
from nlpkit.tasks.statistics import Bools, Estimate, estimate, estimate_trained, holm
from nlpkit.text.corpus import Example
from nlpkit.text.groups import groups
from nlpkit.text.split import Key, deduplicate, fingerprint, split_rows

Outcomes: TypeAlias = Sequence[Outcome]
CHANCE = 0.05  # of a difference that is shown although there is none
REPEATS = 5  # of a measurement of time, of which the median counts
ENOUGH = 1.0  # CPU seconds of each
FEWEST, MOST = 20, 2000  # items of each
OF_ITEMS = Sentence(
    "95% intervals of a paired bootstrap cover the chance in the rows: what other rows of the same kind would have "
    "shown; p is McNemar's, mid-p"
)
OF_RECIPES = Sentence(
    "95% intervals of a corrected resampled t-test cover the chance in the rows, those trained on as well as those "
    "answered, and in the seeds; p is that test's"
)


@dataclass(frozen=True)
class Round:
    """Items, and what each model made of them.

    :param outcomes: of each model, one an item.
    :param seed: of recipes: that of the training; ``fold`` is the part of the rows that these models did not see.
    """

    examples: Sequence[Example]
    outcomes: Sequence[Outcomes]
    seed: int = 0
    fold: int = 0

    @cached_property
    def right(self) -> Bools:
        """Which items each model has right ``(models, items)``."""
        return np.array([[outcome.right for outcome in of_model] for of_model in self.outcomes], np.bool_)

    @cached_property
    def answered(self) -> Bools:
        """Which items each model has an answer for ``(models, items)``."""
        return np.array([[outcome.answer is not None for outcome in of_model] for of_model in self.outcomes], np.bool_)

    def take(self, numbers: Sequence[int]) -> Round:
        """Return some of its items."""
        outcomes = [[of_model[number] for number in numbers] for of_model in self.outcomes]
        return replace(self, examples=[self.examples[number] for number in numbers], outcomes=outcomes)


@dataclass(frozen=True)
class Difference:
    """How one model differs from another on some items.

    :param only_first: items that only the first has right, in the mean of the seeds; ``only_second`` likewise.
    :param adjusted: the p value that holds for all comparisons that are made together.
    """

    first: str
    second: str
    only_first: float
    only_second: float
    estimate: Estimate
    adjusted: float

    @property
    def better(self) -> str | None:
        """Which of both is better; None where no difference is shown: the interval holds 0, or p is too great."""
        if self.estimate.low <= 0 <= self.estimate.high or self.adjusted >= CHANCE:
            return None
        return self.first if self.estimate.difference > 0 else self.second


@dataclass(frozen=True)
class Figures:
    """Models on some items.

    :param items: how many, in the mean of the seeds.
    :param accuracy: of each model; an item without an answer is wrong.
    :param unanswered: how many items each model had no answer for, in the mean of the seeds.
    :param by_none: how many none of them had an answer for.
    :param differences: of each pair of models.
    """

    items: float
    accuracy: Mapping[str, float]
    unanswered: Mapping[str, float]
    by_none: float
    differences: Sequence[Difference]


@dataclass(frozen=True)
class Comparison:
    """Several models on the same items.

    :param rounds: one of models; of recipes one for each fold of each seed.
    :param folds: of recipes; None of models.
    """

    names: Sequence[str]
    rounds: Sequence[Round]
    folds: int | None = None

    @property
    def seeds(self) -> int:
        """How many times each item was answered."""
        return len({one.seed for one in self.rounds})

    def parts(self) -> dict[str, list[Round]]:
        """Return all items, those of each corpus if there are several, and those of each group."""
        examples = [example for one in self.rounds for example in one.examples]
        starts = np.cumsum([0, *(len(one.examples) for one in self.rounds)])
        parts = {}
        for name, numbers in groups(examples).items():
            cuts = np.split(np.array(numbers, np.int64), np.searchsorted(numbers, starts[1:-1]))
            takes = zip(self.rounds, cuts, starts[:-1], strict=True)
            parts[name] = [one.take((cut - start).tolist()) for one, cut, start in takes if len(cut)]
        return parts

    def figures(self) -> dict[str, Figures]:
        """Return the figures of `parts`.

        The p values of all items are adjusted together, and so are those of all corpora and groups.
        """
        parts = self.parts()
        estimates = {name: [self._estimate(rounds, *pair) for pair in self._pairs] for name, rounds in parts.items()}
        figures = {}
        for names in (["all"], [name for name in parts if name != "all"]):
            adjusted = iter(holm([one.p for name in names for one in estimates[name]]))
            for name in names:
                figures[name] = self._make_figures(parts[name], estimates[name], adjusted)
        return figures

    def differing(self) -> Iterator[tuple[Round, int]]:
        """Yield the items on which not all models answer alike: a round, and the number of one in it."""
        for one in self.rounds:
            for number, outcomes in enumerate(zip(*one.outcomes, strict=True)):
                if len({outcome.answer for outcome in outcomes}) > 1:
                    yield one, number

    @property
    def _pairs(self) -> list[tuple[int, int]]:
        return list(itertools.combinations(range(len(self.names)), 2))

    def _estimate(self, rounds: Sequence[Round], first: int, second: int) -> Estimate:
        pairs = [(one.right[first], one.right[second]) for one in rounds]
        return estimate(*pairs[0]) if self.folds is None else estimate_trained(pairs, self.folds)

    def _make_figures(
        self, rounds: Sequence[Round], estimates: Sequence[Estimate], adjusted: Iterator[float]
    ) -> Figures:
        right = np.concatenate([one.right for one in rounds], 1)
        answered = np.concatenate([one.answered for one in rounds], 1)
        seeds = len({one.seed for one in rounds})
        differences = [
            Difference(
                self.names[first],
                self.names[second],
                float((right[first] & ~right[second]).sum()) / seeds,
                float((right[second] & ~right[first]).sum()) / seeds,
                found,
                next(adjusted),
            )
            for (first, second), found in zip(self._pairs, estimates, strict=True)
        ]
        return Figures(
            right.shape[1] / seeds,
            dict(zip(self.names, right.mean(1).tolist(), strict=True)),
            dict(zip(self.names, ((~answered).sum(1) / seeds).tolist(), strict=True)),
            float((~answered).all(0).sum()) / seeds,
            differences,
        )


@dataclass(frozen=True)
class Cost:
    """What a model costs.

    :param size: of its files, in bytes.
    :param speed: CPU seconds an item.
    :param training: of a recipe: the mean CPU seconds of a training; None where none went through at once.
    """

    size: int
    speed: float
    training: float | None = None


def answer_items(model: Any, items: Items) -> Iterator[Outcomes]:
    """Ask a model about all items, some at a time."""
    for start in range(0, len(items.examples), items.together):
        yield items.answer(model, items.examples[start : start + items.together])


def measure_speed(models: Sequence[Any], items: Items) -> list[float]:
    """Return how many CPU seconds each model takes for an item, the median of several times.

    The models take turns, so that what else the machine does meets all alike. All
    that the process uses is counted, whatever threads it is in; what is opened at the first answer is not.

    :param items: one or more, which the models have answered before.
    """
    sizes = [_choose_size(model, items) for model in models]
    seconds: list[list[float]] = [[] for _ in models]
    for _ in range(REPEATS):
        for taken, model, size in zip(seconds, models, sizes, strict=True):
            taken.append(_time(model, items, size) / size)
    return [statistics.median(taken) for taken in seconds]


def _choose_size(model: Any, items: Items) -> int:
    """Return how many items to measure by, so that it does not last."""
    few = min(FEWEST, len(items.examples))
    spent = _time(model, items, few)
    return max(few, min(MOST, len(items.examples), int(ENOUGH * few / max(spent, 1e-6))))


def _time(model: Any, items: Items, size: int) -> float:
    begin = time.process_time()
    items.answer(model, items.examples[:size])
    return time.process_time() - begin


def take_test_rows(configs: Mapping[str, Mapping[str, Any]], examples: Iterable[Example]) -> list[Example]:
    """Return the rows that trainings on the same rows leave for the test, without copies, for all of these models.

    A row's place hangs on its letters, whatever corpora it came with: see `nlpkit.text.split`.

    :param configs: config.json of each model by its name.
    :raises SettingError: if a model was trained without test rows, or its rows were dealt otherwise.
    """
    share = 1.0
    for name, config in configs.items():
        test = config.get("settings", {}).get("test", 0)
        if not test:
            raise SettingError("{name} was trained without test rows: leave --test-rows out", name=name)
        if config.get("data", {}).get("dealt"):
            raise SettingError(
                "the rows of {name} were dealt by its seed, so which were left for its test is not known: leave "
                "--test-rows out",
                name=name,
            )
        share = min(share, test)
    return split_rows(deduplicate(examples).examples, test=share, validation=0).test


def remark_on_training(
    configs: Mapping[str, Mapping[str, Any]], examples: Sequence[Example], *, tested: bool
) -> Iterator[str]:
    """Say which models have seen these rows in their training, as far as their files tell.

    :param configs: config.json of each model by its name.
    :param tested: whether only rows are compared that trainings leave for the test.
    """
    files = {Path(example.corpus).name for example in examples}
    remedy = "its accuracy here is too good; --test-rows takes only what all models left for their tests"
    for name, config in configs.items():
        data = config.get("data", {})
        whole = {table["name"] for table in data.get("mixture", ()) if table.get("use") in ("train", "validation")}
        if tested:
            if common := files & whole:
                yield Sentence(
                    "{name} was trained on all rows of {common}: its accuracy here is too good",
                    name=name,
                    common=join(sorted(common), " and "),
                )
        elif seen := _count_seen(config, examples):
            yield Sentence(
                "{name} was trained on {seen:,} of these rows: {remedy}", name=name, seen=seen, remedy=remedy
            )
        elif common := files & set(data.get("corpora", ())):
            yield Sentence(
                "{name} was trained on rows of {common}: if that is the same file, {remedy}",
                name=name,
                common=join(sorted(common), " and "),
                remedy=remedy,
            )


def _count_seen(config: Mapping[str, Any], examples: Sequence[Example]) -> int:
    """Return how many rows are a model's training rows, if these come of them as its own did; else 0."""
    settings, data = config.get("settings", {}), config.get("data", {})
    if data.get("rows") != len(examples) or "fingerprint" not in data:
        return 0
    shares = {name: settings.get(name, 0.2) for name in ("test", "validation")}
    train = split_rows(deduplicate(examples).examples, **shares).train
    return len(train) if fingerprint(train) == data["fingerprint"] else 0


def count_copies(examples: Iterable[Example]) -> int:
    """Return how many items are equal in letters, and in what is right, to one before."""
    keys = [(key, example.label) for example in examples if (key := Key.of(example.text))]
    return len(keys) - len(set(keys))
