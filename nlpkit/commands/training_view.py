"""Draws a training run: a live bar on a terminal, a row an epoch; on stdout nothing but the figures at its end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from nlpkit.commands import console, say, table, warn
from nlpkit.commands.labelled import BALANCED, told_alike, told_neglect
from nlpkit.commands.progress import accuracy_of, clock, follow, live
from nlpkit.commands.screen import shown
from nlpkit.text.labels import rename_options

if TYPE_CHECKING:
    from nlpkit.commands.progress import Bar
    from nlpkit.tasks.cloze.metrics import ClozeMetrics
    from nlpkit.tasks.generate.metrics import GenerationMetrics
    from nlpkit.tasks.sentiment.metrics import Metrics
    from nlpkit.training.events import (
        CutTexts,
        Event,
        FewRows,
        MemberExported,
        MemberStarted,
        OwnLabels,
        Prepared,
        RareLabels,
        Saved,
        UnknownLabels,
    )
    from nlpkit.training.loop import Diverged, Epoch, Resumed
    from nlpkit.training.plan import MemberPlan, Plan


def show(events: Generator[Event, None, None]) -> None:
    """Draw events until the run ends, or is interrupted: then its state is saved, and how to go on is said."""
    with live() as (tell, bar):
        draw = _Drawing(tell, bar)
        stopped = follow(events, draw)
    if draw.saved is None:
        say("Interrupted; the state is saved: the same command with --resume goes on.")
        raise click.exceptions.Exit(stopped)
    _saved(draw.saved)


class _Drawing:
    """Says what happened, an event at a time."""

    saved: Saved | None = None
    _member = ""

    def __init__(self, say: Callable[[str], None], bar: Bar) -> None:
        self._say, self._bar = say, bar

    def __call__(self, event: Event) -> None:
        from nlpkit.training import events, loop

        match event:
            case loop.Step():
                self._bar.step(event)
            case events.Working():
                self._bar.work(event.what, event.done, event.total)
            case events.Fitting():
                self._bar.fitting(event.name)
                if event.name != self._member:
                    self._say(event.name)
            case loop.Epoch():
                self._say(_epoch(event))
            case loop.Resumed():
                self._say(_resumed(event))
            case loop.Diverged():
                warn(_diverged(event))
            case events.Remark():
                warn(event.sentence)
            case events.Prepared():
                self._say(_prepared(event))
            case events.CutTexts():
                self._say(_cut(event))
            case events.UnknownLabels():
                warn(_unknown(event))
            case events.AlikeLabels():
                for sentence in told_alike(event.groups):
                    warn(sentence)
            case events.FewRows():
                warn(_few(event))
            case events.RareLabels():
                warn(_rare(event))
            case events.RareAnswers():
                for sentence in told_neglect(event.labels, event.place, balanced=event.balanced):
                    warn(sentence)
            case events.OwnLabels():
                warn(_own(event))
            case events.MemberStarted():
                self._member = event.name
                self._say(_started(event))
            case events.Sampled():
                self._say(f"           {shown(event.text)}")
            case events.MemberExported():
                self._say(_exported(event))
            case events.Saved():
                self.saved = event


def _epoch(event: Epoch) -> str:
    """One row that fits eighty columns; norms and rates are in history.csv."""
    parts = [f"train loss {event.train_loss:.4f}{accuracy_of(event.train_accuracy)}"]
    if event.validation_loss is not None:
        parts.append(f"val loss {event.validation_loss:.4f}{accuracy_of(event.validation_accuracy)}")
    parts.append(f"{event.seconds:.1f} s")
    if event.best and event.validation_loss is not None:
        parts.append("best")
    return f"epoch {event.epoch:>3}  {'  '.join(parts)}"


def _resumed(event: Resumed) -> str:
    best = [epoch for epoch in event.history if epoch.best][-1:]
    lines = [f"resumed at epoch {event.epoch}, behind step {event.step}" + ("; the best so far:" if best else "")]
    return "\n".join([*lines, *map(_epoch, best)])


def _diverged(event: Diverged) -> str:
    return f"{event.what} at epoch {event.epoch}, step {event.step}: ended there, and kept epoch {event.best}"


def _prepared(event: Prepared) -> str:
    if event.ordered and event.ordered == event.rows:
        blocks = "each file's beginning, what lies between, and its end"
        return (
            f"{event.rows:,} lines in order, of which none was dropped: repeated and empty ones stay\n"
            f"train {event.train:,}, validation {event.validation:,}, test {event.test:,}: {blocks}"
        )
    ordered = f", {event.ordered:,} of them lines in order, which all stay" if event.ordered else ""
    conflicts = f"{event.conflicts:,} texts under several labels, " if event.labels else ""
    labels = f" ({_by_label(event.labels)})" if event.labels else ""
    return (
        f"{event.rows:,} rows{ordered}; dropped: {event.duplicates:,} copies, {conflicts}{event.empty:,} without "
        f"letters\n"
        f"train {event.train:,}{labels}, validation {event.validation:,}, test {event.test:,}"
    )


def _cut(event: CutTexts) -> str:
    found = "; ".join(f"{corpus} in {pieces:,}" for corpus, pieces in event.pieces.items())
    return f"text without line ends was cut into pieces at the ends of sentences: {found}"


def _unknown(event: UnknownLabels) -> str:
    from nlpkit.errors import nearest

    return f"no row has the label {', '.join(map(repr, event.unknown))}{nearest(event.unknown[0], event.found)}"


def _few(event: FewRows) -> str:
    found = ", ".join(f"{label!r} has {rows} rows" for label, rows in event.labels.items())
    first = next(iter(event.labels))
    leave_out = f", or leave them out by {rename_options({first: ''})}" if event.others > 1 and "=" not in first else ""
    return f"{found}: too few to learn a label by, or to measure it: give more{leave_out}"


def _rare(event: RareLabels) -> str:
    found = ", ".join(f"{label!r} has {rows:,}" for label, rows in event.labels.items())
    label, rows = event.most
    return (
        f"{found} rows where {label!r} has {rows:,}, and may hardly ever be the answer: {BALANCED} lets each label "
        "count as much as any other"
    )


def _own(event: OwnLabels) -> str:
    found = ", ".join(event.labels[:4])
    return f"{event.corpus} shares no label ({found}) with the others: if they mean the same, say --label OLD=NEW"


def _by_label(labels: Mapping[str, int]) -> str:
    return ", ".join(f"{label} {n:,}" for label, n in sorted(labels.items()))


def _started(event: MemberStarted) -> str:
    said = f"{event.name}: {event.composition}; {event.parameters:,} parameters, {event.vocabulary:,} ids"
    if event.vectors is not None:
        said += f"; {event.vectors['found']:,} of {event.vectors['of']:,} tokens start from the file of vectors"
        if repeated := event.vectors.get("repeated"):
            said += f", the first of each: {repeated:,} more lines are of the same tokens, in this or another spelling"
    if event.cut is not None:
        said += f"; {event.cut['rows']:,} of {event.cut['of']:,} rows are longer than what is read, and were cut"
    return said


def _exported(event: MemberExported) -> str:
    return (
        f"{event.name}: exported as a {event.runtime}, {event.size / 1e6:.2f} MB; "
        f"greatest difference of a probability from torch on {event.checked} {event.unit}: {event.difference:.2g}"
    )


def _saved(event: Saved) -> None:
    screen = console(stderr=True)
    for stage in event.stages:
        leave = "" if stage.exit is None else f", leaves at {stage.exit}"
        temperature = "" if event.task == "generate" else f", temperature {stage.temperature}"
        screen.print(f"mixture {list(stage.weights)}{temperature}{leave}")
    screen.print(_summary(event))
    if event.metrics:
        FIGURES[event.task](event.metrics)
    else:
        measure = f"nlpkit {event.task} evaluate FILE --model {event.folder}"
        warn(f"no test row could be used, so there are no figures: {measure} measures it on rows of yours")
    if not event.curve:
        warn("there is no curve.png, as matplotlib is not installed: pip install matplotlib")
    screen.print(f"saved {event.folder} ({event.size / 1e6:.1f} MB): {USE[event.task]} --model {event.folder}")


def _sentiment_figures(metrics: Mapping[str, Metrics]) -> None:
    from nlpkit.tasks.sentiment.commands import show_metrics

    show_metrics(dict(metrics))
    for sentence in _doubts(metrics["all"]):
        warn(sentence)


def _cloze_figures(metrics: Mapping[str, ClozeMetrics]) -> None:
    from nlpkit.tasks.cloze.commands import show_metrics

    show_metrics(metrics)


def _generation_figures(metrics: Mapping[str, GenerationMetrics]) -> None:
    from nlpkit.tasks.generate.commands import show_metrics

    show_metrics(metrics)


USE = {
    "sentiment": "nlpkit sentiment score FILE",
    "cloze": 'nlpkit cloze "衣服质量__哦"',
    "generate": "nlpkit generate --prompt 衣服",
}
FIGURES: dict[str, Callable[[Any], None]] = {
    "sentiment": _sentiment_figures,
    "cloze": _cloze_figures,
    "generate": _generation_figures,
}


def _doubts(found: Metrics) -> Iterator[str]:
    """What figures say of a model that has learnt nothing."""
    of_label = [sum(row) for row in found.confusion]
    answers = [sum(column) for column in zip(*found.confusion, strict=True)]
    common = found.labels[of_label.index(max(of_label))]
    if found.accuracy <= max(of_label) / max(found.rows, 1):
        yield f"always answering {common!r} would be right as often: more rows, or other settings, are needed"
    if never := [label for label, count in zip(found.labels, answers, strict=False) if not count]:
        yield f"no test row was answered by {', '.join(map(repr, never))}"


def _summary(event: Saved) -> Any:
    """A row for each loop: how long it went on, and its best epoch."""
    shown = table("run", ">epochs", ">best", ">train loss", ">validation loss", ">accuracy", ">norm", ">seconds")
    for name, epochs in event.history.items():
        best = [epoch for epoch in epochs if epoch.best][-1:] or epochs[-1:]
        seconds = sum(epoch.seconds for epoch in epochs)
        for e in best:
            figures = (e.train_loss, e.validation_loss, e.validation_accuracy)
            shown.add_row(
                *(name, f"{len(epochs)}", f"{e.epoch}"),
                *("-" if figure is None else f"{figure:.4f}" for figure in figures),
                *(f"{e.norm:.2f}", f"{seconds:.1f}"),
            )
    return shown


def show_plan(plan: Plan) -> None:
    """Print what a run would be."""
    for remark in plan.remarks:
        warn(remark)
    screen = console()
    read = f"all {plan.rows:,} rows" if plan.whole else f"the first {plan.rows:,} rows"
    screen.print(f"judged by {plan.sample:,} of {read}: {plan.train:,} to train on ({_by_label(plan.labels)})")
    for member in plan.members:
        screen.print(_plan_table(member))
        screen.print(
            f"{member.name}: {member.vocabulary:,} ids, {member.parameters:,} parameters; saved as a {member.runtime} "
            f"{member.size / 1e6:.1f} MB, and the weights as trained {member.weights / 1e6:.1f} MB (--no-weights)"
        )
        screen.print(_duration(member, plan))


def _duration(member: MemberPlan, plan: Plan) -> str:
    """How long the epochs take, if the rest of the corpus is as what was read; pretraining has an own speed."""
    if not member.speed:
        return "too few rows to tell the speed"
    rows = plan.train * plan.rows / plan.sample
    epochs = f"at most {member.epochs} epochs" + (", after pretraining" if member.pretrain else "")
    more = "" if plan.whole else " of the rows that were read"
    return f"{member.speed:,.0f} training rows a second: an epoch{more} takes {clock(rows / member.speed)}, {epochs}"


def _plan_table(member: MemberPlan) -> Any:
    shown = table(member.name, "", "options", "returns", ">parameters")
    for part in member.parts:
        options = ", ".join(f"{name}={value}" for name, value in part.options.items())
        shown.add_row(part.kind, part.name, options, str(part.shape), f"{part.parameters:,}")
    shown.add_row("training", "", ", ".join(f"{name}={value}" for name, value in member.training.items()), "", "")
    return shown
