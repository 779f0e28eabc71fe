"""Draws a training run: a live bar on a terminal, a row an epoch; on stdout nothing but the figures at its end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

import click

from nlpkit.commands.evaluating import show_metrics
from nlpkit.commands.printing import make_console, make_table, say, warn
from nlpkit.commands.progress import accuracy_of, draw_live, follow, format_duration

if TYPE_CHECKING:
    from nlpkit.commands.progress import Bar
    from nlpkit.training.dry_run import LoopPlan, MemberPlan, Plan
    from nlpkit.training.events import Event, MemberExported, MemberStarted, Prepared, Saved
    from nlpkit.training.loop import Diverged, Epoch, Resumed


def show(events: Generator[Event, None, None]) -> None:
    """Draw events until the run ends, or is interrupted: then its state is saved, and how to go on is said."""
    with draw_live() as (tell, bar):
        draw = _Drawing(tell, bar)
        stopped = follow(events, draw)
    if draw.saved is None:
        say("Interrupted; the state is saved: the same command with --resume goes on.")
        raise click.exceptions.Exit(stopped)
    _show_saved(draw.saved)


def show_preparing(events: Generator[Event, None, None]) -> None:
    """Draw events until all is prepared, and say what is kept of it."""
    from nlpkit.training.prepared import entries

    before = {entry.key for entry in entries()}
    with draw_live() as (tell, bar):
        if stopped := follow(events, _Drawing(tell, bar), resumable=False):
            raise click.exceptions.Exit(stopped)
    kept = [entry for entry in entries() if entry.key not in before]
    for entry in kept:
        say(f"kept: {entry.what}, {entry.size / 1e6:,.1f} MB")
    if not kept:
        say("nothing new is kept: it was there already, or takes less than a second")


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
                self._say(_describe_epoch(event))
            case loop.Resumed():
                self._say(_describe_resumption(event))
            case loop.Diverged():
                warn(_describe_divergence(event))
            case events.Remark():
                warn(event.sentence)
            case events.Prepared():
                self._say(_describe_rows(event))
            case events.Note():
                self._say(event.sentence)
            case events.MemberStarted():
                self._member = event.name
                self._say(_describe_member(event))
            case events.MemberExported():
                self._say(_describe_export(event))
            case events.Saved():
                self.saved = event


def _describe_epoch(event: Epoch) -> str:
    """Say one row that fits eighty columns; norms and rates are in history.csv."""
    parts = [f"train loss {event.train_loss:.4f}{accuracy_of(event.train_accuracy)}"]
    if event.validation_loss is not None:
        parts.append(f"val loss {event.validation_loss:.4f}{accuracy_of(event.validation_accuracy)}")
    parts.append(f"{event.seconds:.1f} s")
    if event.best and event.validation_loss is not None:
        parts.append("best")
    return f"epoch {event.epoch:>3}  {'  '.join(parts)}"


def _describe_resumption(event: Resumed) -> str:
    best = [epoch for epoch in event.history if epoch.best][-1:]
    lines = [f"resumed at epoch {event.epoch}, behind step {event.step}" + ("; the best so far:" if best else "")]
    return "\n".join([*lines, *map(_describe_epoch, best)])


def _describe_divergence(event: Diverged) -> str:
    return f"{event.what} at epoch {event.epoch}, step {event.step}: ended there, and kept epoch {event.best}"


def _describe_rows(event: Prepared) -> str:
    if event.ordered and event.ordered == event.rows:
        blocks = "each file's beginning, what lies between, and its end"
        return (
            f"{event.rows:,} lines in order, of which none was dropped: repeated and empty ones stay\n"
            f"train {event.train:,}, validation {event.validation:,}, test {event.test:,}: {blocks}"
        )
    ordered = f", {event.ordered:,} of them lines in order, which all stay" if event.ordered else ""
    several = "under several labels" if event.labels else "with several answers"
    several = "under different labels" if event.several else several
    conflicts = f"{event.conflicts:,} texts {several}, " if event.labels or event.conflicts else ""
    labels = f" ({_list_labels(event.labels)})" if event.labels else ""
    return (
        f"{event.rows:,} rows{ordered}; dropped: {event.duplicates:,} copies, {conflicts}{event.empty:,} without "
        f"letters\n"
        f"train {event.train:,}{labels}, validation {event.validation:,}, test {event.test:,}"
    )


def _list_labels(labels: Mapping[str, int]) -> str:
    return ", ".join(f"{label} {n:,}" for label, n in sorted(labels.items()))


def _describe_member(event: MemberStarted) -> str:
    composition = f"{event.name}: {event.composition}; {event.parameters:,} parameters, {event.vocabulary:,} ids"
    return "; ".join([composition, *event.remarks])


def _describe_export(event: MemberExported) -> str:
    return (
        f"{event.name}: exported as a {event.runtime}, {event.size / 1e6:.2f} MB; "
        f"greatest difference of a probability from torch on {event.checked} {event.unit}: {event.difference:.2g}"
    )


def _show_saved(event: Saved) -> None:
    screen = make_console(stderr=True)
    for stage in event.stages:
        leave = "" if stage.exit is None else f", leaves at {stage.exit}"
        temperature = "" if stage.temperature == 1 else f", temperature {stage.temperature}"
        screen.print(f"mixture {list(stage.weights)}{temperature}{leave}")
    screen.print(_make_summary(event))
    task = event.task
    if event.metrics:
        show_metrics(event.metrics)
        for sentence in event.metrics["all"].doubts():
            warn(sentence)
    else:
        measure = f"nlpkit {task.name} evaluate FILE --model {event.folder}"
        warn(f"no test row could be used, so there are no figures: {measure} measures it on rows of yours")
    if not event.curve:
        warn("there is no curve.png, as matplotlib is not installed: pip install matplotlib")
    screen.print(f"saved {event.folder} ({event.size / 1e6:.1f} MB): {task.use} --model {event.folder}")


def _make_summary(event: Saved) -> Any:
    """Make a row for each loop: how long it went on, and its best epoch."""
    drawing = make_table("run", ">epochs", ">best", ">train loss", ">validation loss", ">accuracy", ">norm", ">seconds")
    for name, epochs in event.history.items():
        best = [epoch for epoch in epochs if epoch.best][-1:] or epochs[-1:]
        seconds = sum(epoch.seconds for epoch in epochs)
        for e in best:
            figures = (e.train_loss, e.validation_loss, e.validation_accuracy)
            drawing.add_row(
                *(name, f"{epochs[-1].epoch}", f"{e.epoch}"),
                *("-" if figure is None else f"{figure:.4f}" for figure in figures),
                *(f"{e.norm:.2f}", f"{seconds:.1f}"),
            )
    return drawing


def show_plan(plan: Plan) -> None:
    """Print what a run would be."""
    for remark in plan.remarks:
        warn(remark)
    for note in plan.notes:
        say(note)
    screen = make_console()
    read = f"all {plan.rows:,} rows" if plan.whole else f"the first {plan.rows:,} rows"
    labels = f" ({_list_labels(plan.labels)})" if plan.labels else ""
    free = f", and {plan.unlabelled:,} without labels" if plan.unlabelled else ""
    screen.print(f"judged by {plan.sample:,} of {read}: {plan.train:,} to train on{labels}{free}")
    for member in plan.members:
        if member.base:
            screen.print(member.base)
        if not member.parameters:
            screen.print(f"{member.name}: no network; of the rows that were read {member.size / 1e6:.1f} MB")
            continue
        if member.layers:
            screen.print(_make_plan_table(member))
        screen.print(
            f"{member.name}: {member.vocabulary:,} ids, {member.parameters:,} parameters; saved as a {member.runtime} "
            f"{member.size / 1e6:.1f} MB, and the weights as trained {member.weights / 1e6:.1f} MB (--no-weights)"
        )
        for loop in member.loops:
            screen.print(_describe_duration(loop, plan))


def _describe_duration(loop: LoopPlan, plan: Plan) -> str:
    """Say how long the epochs take, if the rest of the corpus is as what was read."""
    what = f"{loop.what}: " if loop.what else ""
    if not loop.epoch:
        return f"{what}too few rows to tell the speed"
    seconds = loop.epoch * plan.rows / plan.sample
    rows = (plan.train + plan.unlabelled) * plan.rows / plan.sample
    more = "" if plan.whole else " of the rows that were read"
    return (
        f"{what}{rows / seconds:,.0f} training rows a second: an epoch{more} takes {format_duration(seconds)}, at most "
        f"{loop.epochs} epochs"
    )


def _make_plan_table(member: MemberPlan) -> Any:
    drawing = make_table(member.name, "", "options", "returns", ">parameters")
    for layer in member.layers:
        options = ", ".join(f"{name}={value}" for name, value in layer.options.items())
        drawing.add_row(layer.kind, layer.name, options, str(layer.shape), f"{layer.parameters:,}")
    if member.training:
        drawing.add_row("training", "", ", ".join(f"{name}={value}" for name, value in member.training.items()), "", "")
    return drawing
