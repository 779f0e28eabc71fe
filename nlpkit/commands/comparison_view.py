"""Draws a comparison: its trainings as they go, its figures, and the rows on which models differ."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from nlpkit.commands.printing import make_console, make_table, tell_json, warn
from nlpkit.commands.progress import format_duration
from nlpkit.errors import DataError, DataWarning, Sentence, headings
from nlpkit.language import phrase, translate

if TYPE_CHECKING:
    from nlpkit.commands.progress import Bar
    from nlpkit.tasks.comparison import Comparison, Cost, Difference, Figures
    from nlpkit.training.comparison import Compared

# of a comparison, the name of its groups, its corpora and their encoding
Write: TypeAlias = Callable[["Comparison", str | None, Sequence[str], str | None], object]


class Drawing:
    """Says what happens while recipes are trained, an event at a time."""

    compared: Compared | None = None
    _recipe = ""  # that is being trained

    def __init__(self, say: Callable[[str], None], bar: Bar, recipes: int) -> None:
        self._say, self._bar, self._recipes = say, bar, recipes
        self._warned: set[tuple[str, str]] = set()
        self._seconds: list[float] = []

    def __call__(self, event: Any) -> None:
        """Draw one of `nlpkit.training.comparison.compare_recipes`."""
        from nlpkit.training import comparison, events, loop

        match event:
            case loop.Step():
                self._bar.step(event)
            case events.Fitting():
                self._bar.fitting(event.name)
            case events.Working():
                self._bar.work(event.what, event.done, event.total)
            case events.Remark():
                self._warn(event.sentence)
            case comparison.TrainingStarted():
                self._recipe = event.recipe
                where = Sentence("seed {seed}, without fold {fold}", seed=event.seed, fold=event.fold)
                self._say(
                    phrase(
                        "training {number} of {total}: {recipe}, {where}",
                        number=event.number,
                        total=event.total,
                        recipe=event.recipe,
                        where=where,
                    )
                )
            case comparison.TrainingFinished():
                self._tell_time(event.total - event.number, event.wall)
            case comparison.Dealt():
                self._say(translate(event.sentence))
            case comparison.Compared():
                self.compared = event

    def _warn(self, sentence: Sentence) -> None:
        """Say what is odd about a recipe, and not again with each of its trainings."""
        kind = self._recipe, sentence.template
        if kind not in self._warned:
            self._warned.add(kind)
            warn("{recipe}: {sentence}", recipe=self._recipe, sentence=sentence)

    def _tell_time(self, left: int, seconds: float) -> None:
        """Say, when every recipe was trained once, and again later, how long the rest takes."""
        self._seconds.append(seconds)
        count = len(self._seconds)
        if left and count in (self._recipes, 10 * self._recipes):
            duration = format_duration(left * sum(self._seconds) / count)
            self._say(
                phrase(
                    "{left} trainings are left, for {duration} if they are like these {count}",
                    left=left,
                    duration=duration,
                    count=count,
                )
            )


@contextmanager
def open_differing(output: Path | None, *, force: bool) -> Iterator[Write]:
    """Yield what writes the rows on which models differ, if they are wanted.

    :raises DataError: if there is such a file and not ``force``, or it cannot be written.
    """
    if output is None:
        yield lambda *_: None
        return
    from nlpkit.commands.row_lists import choose_shape
    from nlpkit.commands.streams import open_output

    kind = choose_shape(output, None, force=force)
    with open_output(output, force=force) as stream:
        yield lambda *of: stream.write(_format_differing(kind, *of))


def _format_differing(
    kind: str, comparison: Comparison, group: str | None, corpora: Sequence[str], encoding: str | None
) -> bytes:
    from nlpkit.commands.row_lists import format_rows
    from nlpkit.text.names import make_unique

    rounds = ["seed", "fold"] if comparison.folds else []
    answers = [f"{name}{what}" for name in comparison.names for what in ("", " probability", " reason")]
    header = make_unique([*rounds, "file", *([group] if group else []), "text", "truth", *answers])
    rows = _list_differing(comparison, with_group=group is not None)
    return format_rows(kind, header, rows, windows=_is_from_excel(corpora, encoding))


def _list_differing(comparison: Comparison, *, with_group: bool) -> Iterator[list[Any]]:
    for one, number in comparison.differing():
        example = one.examples[number]
        row: list[Any] = [one.seed, one.fold] if comparison.folds else []
        row += [example.corpus, *([example.group] if with_group else []), example.text, example.label]
        for outcomes in one.outcomes:
            outcome = outcomes[number]
            row += [outcome.answer, outcome.probability, outcome.reason]
        yield row


def _is_from_excel(corpora: Sequence[str], encoding: str | None) -> bool:
    """Tell whether the first file is encoded as Excel writes it, which reads UTF-8 only behind a byte order mark."""
    from nlpkit.text.catalogue import files_of
    from nlpkit.text.decoding import WINDOWS, Decoded
    from nlpkit.text.rows import open_file
    from nlpkit.text.table import Choice

    path = next(iter(files_of(corpora[0])), None)
    if path is None or not path.is_file():
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # said when the rows were read
        with suppress(DataError), open_file(path, Choice(), encoding=encoding) as opened:
            return isinstance(opened, Decoded) and opened.encoding in WINDOWS
    return False  # a workbook of several sheets, one of which was named


def show(comparison: Comparison, costs: Sequence[Cost], kind: str) -> None:
    """Print a comparison on stdout, as tables or as JSON."""
    figures = comparison.figures()
    if kind == "json":
        tell_json(make_json(comparison, costs, figures))
        return
    screen = make_console()
    screen.print(_make_models_table(figures, dict(zip(comparison.names, costs, strict=True))))
    screen.print(_make_differences_table(figures))
    for sentence in (*map(_tell_verdict, figures["all"].differences), *describe(comparison, figures)):
        screen.print(translate(sentence))


def make_json(comparison: Comparison, costs: Sequence[Cost], figures: Mapping[str, Figures]) -> dict[str, Any]:
    """Return all figures as JSON; shares are rounded to four places."""
    models = {
        name: {
            "bytes": cost.size,
            "cpu_ms_a_row": round(cost.speed * 1000, 4),
            **({"training_cpu_seconds": _round(cost.training, 1)} if comparison.folds else {}),
        }
        for name, cost in zip(comparison.names, costs, strict=True)
    }
    trained = {"seeds": comparison.seeds, "folds": comparison.folds} if comparison.folds else {}
    rows = {name: _figures_to_json(one) for name, one in figures.items()}
    return {"models": models, **trained, "rows": rows, "notes": describe(comparison, figures)}


def describe(comparison: Comparison, figures: Mapping[str, Figures]) -> list[Sentence]:
    """Return sentences on what the figures mean."""
    from nlpkit.tasks.comparison import OF_ITEMS, OF_RECIPES

    sentences = [Sentence("{what}.", what=OF_RECIPES if comparison.folds else OF_ITEMS)]
    count, pairs = len(figures) - 1, len(figures["all"].differences)
    if pairs > 1:
        sentences.append(
            Sentence(
                "p values of all rows are adjusted for {pairs} comparisons (Holm 1979), intervals are not.", pairs=pairs
            )
        )
    if pairs * count > 1:
        sentences.append(
            Sentence("Those of parts of the rows are adjusted for {pairs} comparisons.", pairs=pairs * count)
        )
    if nothing := figures["all"].by_none:
        sentences.append(
            Sentence("Rows that none could answer, and that are wrong for all: {count}.", count=_count(nothing))
        )
    return sentences


def _figures_to_json(figures: Figures) -> dict[str, Any]:
    return {
        "rows": _plain(figures.items),
        "accuracy": {name: round(share, 4) for name, share in figures.accuracy.items()},
        "unanswered": {name: _plain(rows) for name, rows in figures.unanswered.items()},
        "unanswered_by_all": _plain(figures.by_none),
        "differences": [
            {
                "first": one.first,
                "second": one.second,
                "difference": round(one.estimate.difference, 4),
                "low": round(one.estimate.low, 4),
                "high": round(one.estimate.high, 4),
                "only_first_right": _plain(one.only_first),
                "only_second_right": _plain(one.only_second),
                "p": _significant(one.estimate.p),
                "p_adjusted": _significant(one.adjusted),
                "better": one.better,
            }
            for one in figures.differences
        ],
    }


def _make_models_table(figures: Mapping[str, Figures], costs: Mapping[str, Cost]) -> Any:
    trained = any(cost.training is not None for cost in costs.values())
    more = headings(">training, CPU s") if trained else ()
    figures_of = headings(">rows", ">accuracy", ">unanswered", ">MB", ">CPU ms a row")
    drawing = make_table(*headings("rows of", "model"), *figures_of, *more)
    for name, one in figures.items():
        for model, cost in costs.items():
            row = [name, model, _count(one.items), f"{one.accuracy[model]:.4f}", _count(one.unanswered[model])]
            if name == "all":
                row += [f"{cost.size / 1e6:.2f}", f"{cost.speed * 1000:.3g}"]
                row += ["-" if cost.training is None else f"{cost.training:,.1f}"] * trained
            drawing.add_row(*row)
    return drawing


def _make_differences_table(figures: Mapping[str, Figures]) -> Any:
    drawing = make_table(
        *headings("rows of", "first", "second", ">points", ">95% interval", ">only 1st", ">only 2nd", ">p", "better"),
    )
    for name, one in figures.items():
        for d in one.differences:
            low, high = d.estimate.low * 100, d.estimate.high * 100
            drawing.add_row(
                *(name, d.first, d.second, f"{d.estimate.difference * 100:+.2f}", f"[{low:+.2f}, {high:+.2f}]"),
                *(_count(d.only_first), _count(d.only_second), f"{d.adjusted:.2g}", d.better or phrase("none shown")),
            )
    return drawing


def _tell_verdict(difference: Difference) -> Sentence:
    """Say what was shown of two models, with the interval of what it may be."""
    found = difference.estimate
    if difference.better is None:
        return Sentence(
            "{first} and {second}: no difference shown; it may be anything from {low:+.2f} to {high:+.2f} points.",
            first=difference.first,
            second=difference.second,
            low=found.low * 100,
            high=found.high * 100,
        )
    low, high = sorted((abs(found.low), abs(found.high)))
    other = difference.second if difference.better == difference.first else difference.first
    return Sentence(
        "{better} is better than {other}, by {low:.2f} to {high:.2f} points.",
        better=difference.better,
        other=other,
        low=low * 100,
        high=high * 100,
    )


def _plain(number: float) -> float:
    """Return a mean of counts, which is a whole number as a rule."""
    return int(number) if number == int(number) else round(number, 1)


def _count(number: float) -> str:
    return f"{_plain(number):,}"


def _round(number: float | None, digits: int) -> float | None:
    return None if number is None else round(number, digits)


def _significant(number: float) -> float:
    """Round to three digits, lest a small p value become 0."""
    return float(f"{number:.3g}")
