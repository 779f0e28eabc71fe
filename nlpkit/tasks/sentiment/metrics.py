"""Figures of a classifier on labelled rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from math import comb, erfc, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import DataError, Sentence, headings, join
from nlpkit.model.members import Floats
from nlpkit.tasks.metrics import Metrics, Table
from nlpkit.tasks.sentiment.choice import Choice, read_labels, write_labels
from nlpkit.tasks.sentiment.labels import remark_on_neglect
from nlpkit.tasks.sentiment.model import DECIMALS, SentimentModel
from nlpkit.tasks.sentiment.several import SeveralAnswers, SeveralMetrics, measure_several
from nlpkit.text.blocks import blocks_of
from nlpkit.text.corpus import Example
from nlpkit.text.labels import likeness, rename_options
from nlpkit.text.several import Labels, names_of

Ints: TypeAlias = NDArray[np.integer[Any]]

BLOCK = 4096  # rows that are answered together
BINS = 10
CHANCE = 0.05  # of what is told although there is nothing to it
LEAST_PROBABILITIES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)  # at which coverage is shown
GOALS = (0.95, 0.98, 0.99)  # shares of right answers that people ask for
FEWEST = 30  # answers that show that one is reached
EXACT = 1000  # throws of a coin: of more, the normal distribution tells as much


@dataclass(frozen=True)
class LabelMetrics:
    """Figures of one label.

    :param precision: share of its answers that are right, None if it is never the answer.
    :param recall: share of its rows that are answered by it, None if it has none.
    """

    rows: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Bin:
    """Answers about as sure as each other.

    :param probability: their mean, ``accuracy`` the share that is right.
    """

    rows: int
    probability: float
    accuracy: float


@dataclass(frozen=True)
class Coverage:
    """What is left if only answers count that are so sure.

    :param coverage: share of all rows that then have an answer; ``accuracy``: share of these that is right, None if no
        row has one.
    """

    min_probability: float
    coverage: float
    accuracy: float | None


@dataclass(frozen=True)
class ClassMetrics(Metrics):
    """Figures over ``rows`` labelled rows.

    :param accuracy: share of rows with the right label; a row that could not be scored is wrong.
    :param macro_f1: mean over labels of the harmonic mean of precision and recall.
    :param calibration_error: expected calibration error over ten bins of the scored rows (Guo et al. 2017).
    :param unscored: rows without an answer.
    :param confusion: rows by true label, then by answer; the last answer of each is "none".
    :param excluded: labels of the model that could not be the answer, as the choice was forced among the others.
    :param by_label: figures of each label.
    :param bins: scored rows in ten bins by probability, those that hold any.
    :param coverage: by rising probability.
    :param goals: for shares of right answers, the least probability that gives it on these rows, of 30 answers or more;
        None if none does.
    """

    rows: int
    accuracy: float
    macro_f1: float
    calibration_error: float
    unscored: int
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    excluded: tuple[str, ...] = ()
    by_label: Mapping[str, LabelMetrics] = field(default_factory=dict)
    bins: tuple[Bin, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    goals: Mapping[str, Coverage | None] = field(default_factory=dict)

    columns = headings(">rows", ">accuracy", ">macro F1", ">calibration error", ">unscored")

    def nothing(self, options: Mapping[str, Any]) -> str:  # noqa: ARG002
        """Say that there were no labels."""
        return Sentence("no labelled rows")

    @property
    def rows_measured(self) -> int:
        """All of them."""
        return self.rows

    @property
    def settled(self) -> Mapping[str, Any]:
        """The labels that could be the answer, so that groups of the rows are measured by the same."""
        return {"labels": self.labels}

    def cells(self) -> tuple[str, ...]:
        """Return the figures as a row of the table."""
        shares = (self.accuracy, self.macro_f1, self.calibration_error)
        return f"{self.rows:,}", *(f"{share:.4f}" for share in shares), f"{self.unscored:,}"

    def to_json(self) -> dict[str, Any]:
        """Return all figures, rounded to four places."""
        figures: dict[str, Any] = _rounded(asdict(self))
        return figures

    def tables(self) -> Sequence[Table]:
        """Return the confusion, the figures of each label, and coverage beside accuracy."""
        rows = [[label, *(f"{n:,}" for n in row)] for label, row in zip(self.labels, self.confusion, strict=True)]
        tables = [
            Table([*headings("true \\ answer"), *(f">{label}" for label in self.labels), *headings(">none")], rows)
        ]
        if self.by_label:
            shares = [
                [label, f"{one.rows:,}", *map(_share, (one.precision, one.recall, one.f1))]
                for label, one in self.by_label.items()
            ]
            tables.append(Table(headings("label", ">rows", ">precision", ">recall", ">F1"), shares))
        if self.coverage:
            lines = [
                [
                    f"{one.min_probability:.2f}",
                    f"{one.coverage:.1%}",
                    _share(one.accuracy),
                    "█" * round(20 * one.coverage),
                ]
                for one in self.coverage
            ]
            tables.append(Table([*headings(">from a probability of", ">rows answered", ">accuracy"), ""], lines))
        return tables

    def remarks(self, name: str) -> Sequence[str]:
        """Say from which probability on so many answers are right; of all rows together."""
        if name != "all" or not self.goals:
            return ()
        parts = []
        for goal, reached in self.goals.items():
            if reached is None:
                parts.append(Sentence("no bound gives {goal}", goal=goal))
            elif reached.coverage >= self.coverage[0].coverage:
                parts.append(Sentence("{goal} without one", goal=goal))
            else:
                least = f"{reached.min_probability:.6f}".rstrip("0")
                parts.append(
                    Sentence(
                        "{goal} from {least} on ({coverage:.0%} of rows have an answer)",
                        goal=goal,
                        least=least,
                        coverage=reached.coverage,
                    )
                )
        return [
            Sentence("answers that are right, by --min-probability on these rows: {parts}", parts=join(parts, "; "))
        ]

    def draw(self) -> Mapping[str, bytes]:
        """Return the reliability diagram, the confusion, and coverage beside accuracy, as PNG."""
        from nlpkit.tasks.sentiment.pictures import draw_confusion, draw_coverage, draw_reliability

        return {
            "reliability.png": draw_reliability(self),
            "confusion.png": draw_confusion(self),
            "coverage.png": draw_coverage(self),
        }

    def doubts(self, model: Any = None) -> Sequence[str]:
        """Return what figures say of a model that has learnt nothing, or hardly anything of rare labels."""
        of_label = [sum(row) for row in self.confusion]
        answers = [sum(column) for column in zip(*self.confusion, strict=True)]
        common = self.labels[of_label.index(max(of_label))]
        doubts: list[str] = []
        if self.accuracy <= max(of_label) / max(self.rows, 1) and model is None:
            doubts.append(
                Sentence(
                    "always answering {common!r} would be right as often: more rows, or other settings, are needed",
                    common=common,
                )
            )
        if model is None and (never := [label for label, n in zip(self.labels, answers, strict=False) if not n]):
            doubts.append(Sentence("no test row was answered by {labels}", labels=", ".join(map(repr, never))))
        if model is not None and self.excluded:
            doubts.append(
                Sentence(
                    "the choice was forced among {labels}: no row is {excluded}, and --labels {all_labels} "
                    "lets every label be the answer",
                    labels=", ".join(self.labels),
                    excluded=" or ".join(self.excluded),
                    all_labels=write_labels(model.labels),
                )
            )
        if model is not None:
            few = find_neglected([self], model.bundle.config.get("data", {}).get("labels", {}))
            doubts += remark_on_neglect(few, "evaluated", balanced=_balanced(model.bundle.config))
        return doubts


@dataclass(frozen=True)
class Answers:
    """What a model made of labelled rows, as arrays ``(rows,)``.

    :param truth: the position of each row's label.
    :param choice: that of the answer, -1 for none.
    :param probability: that of the answer; anything where there is none.
    """

    truth: NDArray[np.integer[Any]]
    choice: NDArray[np.integer[Any]]
    probability: NDArray[np.floating[Any]]

    @classmethod
    def of(
        cls, truth: Ints, answered: NDArray[np.bool_], probabilities: Floats, labels: Sequence[str], choice: Choice
    ) -> Answers:
        """Make arrays of true labels and what a model says.

        :param truth: positions among all labels ``(rows,)``, of labels that may be the answer.
        :param answered: which rows have an answer ``(rows,)``.
        :param probabilities: those of these rows ``(answered, labels)``.
        """
        place = np.array([choice.labels.index(label) if label in choice.labels else -1 for label in labels], np.int32)
        shares = choice.probabilities(probabilities)
        best, sure = np.full(len(truth), -1, np.int32), np.zeros(len(truth))
        best[answered], sure[answered] = shares.argmax(1), np.round(shares.max(1, initial=0), DECIMALS)
        return cls(place[truth], best, sure)

    @classmethod
    def join(cls, parts: Sequence[Answers]) -> Answers:
        """Return those of all rows, of which these are parts in their order."""
        return cls(*map(np.concatenate, zip(*((p.truth, p.choice, p.probability) for p in parts), strict=True)))

    def take(self, rows: NDArray[np.int64]) -> Answers:
        """Return those of some rows."""
        return Answers(self.truth[rows], self.choice[rows], self.probability[rows])


def answer_rows(model: SentimentModel, rows: Sequence[Example]) -> Answers | SeveralAnswers:
    """Answer labelled rows; each label of the model may be the answer."""
    if model.thresholds is not None:
        return _answer_several(model, rows, thresholds=model.thresholds)
    reasons, shares = model.answer([row.text for row in rows])
    truth = np.array([model.labels.index(row.label) for row in rows], np.int32)
    answered = np.array([reason is None for reason in reasons])
    return Answers.of(truth, answered, shares, model.labels, Choice.among(model.labels, None))


def measure(
    model: SentimentModel, examples: Iterable[Example], *, labels: str | Sequence[str] | None = None
) -> ClassMetrics | SeveralMetrics:
    """Answer labelled rows as they come, and compare.

    :param labels: those that may be the answer: names, or one text with commas between them. None: those that the rows
        have, if they are two or more, so that a model is not blamed for an answer that no row could have; of a model of
        several labels a text, all.
    :raises DataError: if rows have labels that the model does not know, or that may not be the answer.
    :raises SettingError: for labels that the model does not know.
    """
    chosen = read_labels(labels) if isinstance(labels, str) else labels
    choice = model.choose_among(chosen)
    if model.thresholds is not None:
        return _measure_several(model, model.thresholds, examples, choice)
    position = {label: i for i, label in enumerate(model.labels)}
    truths: list[Ints] = [np.zeros(0, np.int32)]
    answered: list[NDArray[np.bool_]] = [np.zeros(0, np.bool_)]
    probabilities: list[Floats] = [np.zeros((0, len(model.labels)))]
    blocks = _checked_blocks(model, choice, examples)
    for (_, truth), (reasons, shares) in model.map(_answer_block, blocks):
        truths.append(np.array([position[label] for label in truth], np.int32))
        answered.append(np.array([reason is None for reason in reasons]))
        probabilities.append(shares)
    truth_of_all = np.concatenate(truths)
    if labels is None and len(seen := np.unique(truth_of_all)) > 1:
        choice = Choice.among(model.labels, [model.labels[i] for i in seen])
    answers = Answers.of(truth_of_all, np.concatenate(answered), np.concatenate(probabilities), model.labels, choice)
    return measure_answers(answers, choice.labels, [label for label in model.labels if label not in choice.labels])


def _checked_blocks(
    model: SentimentModel, choice: Choice, examples: Iterable[Example]
) -> Iterator[tuple[list[str], list[str]]]:
    """Yield texts and their labels, which the model knows and may answer."""
    for block in blocks_of(examples, BLOCK):
        truth = [example.label for example in block]
        check_labels(model, truth)
        check_choice(choice, truth)
        yield [example.text for example in block], truth


def _answer_block(model: SentimentModel, block: tuple[Sequence[str], Sequence[str]]) -> tuple[list[str | None], Floats]:
    return model.answer(block[0])


def _answer_several(model: SentimentModel, rows: Sequence[Example], *, thresholds: Floats) -> SeveralAnswers:
    position = {label: i for i, label in enumerate(model.labels)}
    truth = np.zeros((len(rows), len(position)), np.bool_)
    for row, example in enumerate(rows):
        truth[row, [position[name] for name in names_of(example.label)]] = True
    reasons, shares = model.answer([row.text for row in rows])
    answered = np.array([reason is None for reason in reasons], np.bool_)
    return SeveralAnswers.of(truth, answered, shares, thresholds)


def _measure_several(
    model: SentimentModel, thresholds: Floats, examples: Iterable[Example], choice: Choice
) -> SeveralMetrics:
    none = np.zeros((0, len(model.labels)))
    parts = [SeveralAnswers(none > 0, none > 0, none, np.zeros(0, np.bool_))]
    answer = partial(_answer_several, thresholds=thresholds)
    parts += (answers for _, answers in model.map(answer, _known_blocks(model, examples)))
    excluded = [label for label in model.labels if label not in choice.labels]
    return measure_several(SeveralAnswers.join(parts), choice, thresholds, excluded)


def _known_blocks(model: SentimentModel, examples: Iterable[Example]) -> Iterator[list[Example]]:
    for block in blocks_of(examples, BLOCK):
        check_labels(model, (name for example in block for name in names_of(example.label)))
        yield block


def check_choice(choice: Choice, labels: Iterable[str]) -> None:
    """Refuse labels that may not be the answer.

    :raises DataError: saying which.
    """
    if others := sorted(set(labels) - set(choice.labels)):
        raise DataError(
            "rows have the label {label}, which is none of {chosen}: {without} leaves them out",
            label=others[0],
            chosen=", ".join(choice.labels),
            without=rename_options({others[0]: ""}),
        )


def check_labels(model: SentimentModel, labels: Iterable[str]) -> None:
    """Refuse labels that a model does not know.

    :raises DataError: saying which, and how to say what they mean.
    """
    labels, names = set(labels), model.bundle.config.get("aliases", {})
    if not model.several and (several := [label for label in labels if isinstance(label, Labels)]):
        raise DataError(
            "the rows have several labels each, {example} for one, and the model gives a text but one: leave "
            "--label-separator and --label-columns out, or measure a model of several labels",
            example=several[0],
        )
    if unknown := sorted(set(labels) - set(model.labels)):
        pairs = [*names.items(), *zip(model.labels, model.labels, strict=True)]
        known = {likeness(old): new for old, new in pairs if new in model.labels}
        alike = {label: known[likeness(label)] for label in unknown if likeness(label) in known}
        example = rename_options(alike or {unknown[0]: model.labels[-1]})
        leave_out = rename_options({unknown[0]: ""})
        example = Sentence("{example}, {option} to leave its rows out", example=example, option=leave_out)
        raise DataError(
            "the rows have labels that the model does not know: {unknown}; it knows {names}: say "
            "what each means, such as {example}",
            unknown=", ".join(unknown),
            names=join(
                [*model.labels, *(Sentence("{old} as {new}", old=old, new=new) for old, new in names.items() if new)]
            ),
            example=example,
        )


def measure_answers(answers: Answers, labels: Sequence[str], excluded: Sequence[str] = ()) -> ClassMetrics:
    """Compute the figures over all rows of ``answers``.

    :param labels: those that could be the answer; ``excluded``: those that could not.
    """
    size = len(labels)
    columns = np.where(answers.choice < 0, size, answers.choice)
    places = answers.truth.astype(np.int64) * (size + 1) + columns
    confusion = np.bincount(places, minlength=size * (size + 1)).reshape(size, size + 1)
    rows, hits = int(confusion.sum()), np.diag(confusion)
    present = confusion.sum(1) > 0
    f1 = 2 * hits / np.maximum(confusion.sum(1) + confusion[:, :-1].sum(0), 1)
    return ClassMetrics(
        rows=rows,
        accuracy=float(hits.sum() / max(rows, 1)),
        macro_f1=float(f1[present].mean()) if present.any() else 0.0,
        calibration_error=_calibration_error(answers),
        unscored=int(confusion[:, -1].sum()),
        labels=tuple(labels),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        excluded=tuple(excluded),
        by_label={label: _measure_label(confusion, column) for column, label in enumerate(labels)},
        **_measure_certainty(answers),
    )


def _measure_label(confusion: NDArray[np.int64], column: int) -> LabelMetrics:
    hits, rows, answers = confusion[column, column], confusion[column].sum(), confusion[:, column].sum()
    return LabelMetrics(
        rows=int(rows),
        precision=float(hits / answers) if answers else None,
        recall=float(hits / rows) if rows else None,
        f1=float(2 * hits / (rows + answers)) if rows else None,
    )


def _measure_certainty(answers: Answers) -> dict[str, Any]:
    """Return the figures of `ClassMetrics` that say what probabilities are worth."""
    scored, total = answers.choice >= 0, len(answers.choice)
    sure, right = answers.probability[scored], (answers.choice == answers.truth)[scored]
    order = np.argsort(-sure, kind="stable")
    sure, right = sure[order], right[order].astype(np.int64)
    rows, hits = np.arange(1, len(sure) + 1), np.cumsum(right)
    last = np.flatnonzero(np.append(sure[1:] != sure[:-1], True)) if len(sure) else rows  # of those that are as sure

    def measure_from(least: float) -> Coverage:
        covered = int((sure >= least).sum())
        return Coverage(least, covered / max(total, 1), float(hits[covered - 1] / covered) if covered else None)

    goals: dict[str, Coverage | None] = {}
    for goal in GOALS:
        enough = last[(hits[last] >= goal * rows[last]) & (rows[last] >= FEWEST)]
        goals[f"{goal:.0%}"] = measure_from(float(sure[enough[-1]])) if len(enough) else None
    return {
        "bins": tuple(Bin(*one) for one in _bins(sure, right)),
        "coverage": tuple(measure_from(least) for least in LEAST_PROBABILITIES) if len(sure) else (),
        "goals": goals if len(sure) else {},
    }


def _bins(sure: NDArray[np.floating[Any]], right: NDArray[np.int64]) -> Iterator[tuple[int, float, float]]:
    """Yield rows, mean probability and accuracy of each bin that holds rows."""
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    for number in np.unique(bins).tolist():
        inside = bins == number
        yield int(inside.sum()), float(sure[inside].mean()), float(right[inside].mean())


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.4f}"


def _rounded(value: Any) -> Any:
    """Round the numbers in a value of JSON to four places, but for a probability that is a bound."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {key: item if key == "min_probability" else _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value


@dataclass(frozen=True)
class Neglect:
    """How often a label occurs, and how often it is the answer."""

    rows: int
    answers: int


def find_neglected(figures: Sequence[ClassMetrics], trained: Mapping[str, int]) -> dict[str, Neglect]:
    """Find rare labels that are answered less than half as often as they occur, and not by chance.

    Chance: of two models that are equally often wrong either way, one in twenty would miss so many more rows of the
    label than it gives it to others (McNemar 1947, https://doi.org/10.1007/BF02295996).

    :param found: figures of some rows and of others, of the same labels.
    :param trained: training rows by label; those with less than half as many as the most frequent are rare.
    """
    confusion = np.sum([one.confusion for one in figures], 0)
    most = max(trained.values(), default=0)
    neglect = {}
    for position, label in enumerate(figures[0].labels):
        rows, answers, right = confusion[position].sum(), confusion[:, position].sum(), confusion[position, position]
        missed, gained = int(rows - right - confusion[position, -1]), int(answers - right)
        few = 2 * answers < rows and _chance(missed, gained) < CHANCE
        if few and 2 * trained.get(label, most) < most:
            neglect[label] = Neglect(int(rows), int(answers))
    return neglect


def _balanced(config: Mapping[str, Any]) -> bool:
    """Tell whether a model was trained so that each label counted as much as any other, in every member."""
    members = config.get("settings", {}).get("members", [])
    return all(member.get("training", {}).get("class_weights") == "balanced" for member in members)


def _chance(heads: int, tails: int) -> float:
    """Return the probability of at least so many heads among so many throws of a coin."""
    throws = heads + tails
    if throws < EXACT:
        return float(sum(comb(throws, n) for n in range(heads, throws + 1)) / 2**throws)
    return erfc((heads - tails - 1) / sqrt(2 * (heads + tails))) / 2


def _calibration_error(answers: Answers) -> float:
    scored = answers.choice >= 0
    if not scored.any():
        return 0.0
    sure = answers.probability[scored]
    right = (answers.choice == answers.truth)[scored].astype(float)
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = np.abs(np.bincount(bins, right, BINS) - np.bincount(bins, sure, BINS))
    return float(gaps.sum() / len(sure))
