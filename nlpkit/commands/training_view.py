"""Draws a training run: a live bar on a terminal, a row an epoch; on stdout nothing but the figures at its end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

import click

from nlpkit.commands.evaluating import show_metrics
from nlpkit.commands.printing import make_console, make_table, say, warn
from nlpkit.commands.progress import accuracy_of, draw_live, follow, format_duration
from nlpkit.errors import Sentence, headings, join
from nlpkit.language import phrase, translate

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
        say("kept: {what}, {size:,.1f} MB", what=entry.what, size=entry.size / 1000000.0)
    if not kept:
        say("nothing new is kept: it was there already, or takes less than a second")


class _Drawing:
    """Says what happened, an event at a time."""

    saved: Saved | None = None
    _member = ""

    def __init__(self, say: Callable[[str], None], bar: Bar) -> None:
        self._print, self._bar = say, bar

    def _say(self, sentence: str) -> None:
        self._print(translate(sentence))

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


def _describe_epoch(event: Epoch) -> Sentence:
    """Say one row that fits eighty columns; norms and rates are in history.csv."""
    parts: list[str] = [
        Sentence(
            "train loss {train_loss:.4f}{accuracy}",
            train_loss=event.train_loss,
            accuracy=accuracy_of(event.train_accuracy),
        )
    ]
    if event.validation_loss is not None:
        parts.append(
            Sentence(
                "val loss {validation_loss:.4f}{accuracy}",
                validation_loss=event.validation_loss,
                accuracy=accuracy_of(event.validation_accuracy),
            )
        )
    parts.append(Sentence("{seconds:.1f} s", seconds=event.seconds))
    if event.best and event.validation_loss is not None:
        parts.append(Sentence("best"))
    return Sentence("epoch {epoch:>3}  {parts}", epoch=event.epoch, parts=join(parts, "  "))


def _describe_resumption(event: Resumed) -> str:
    best = [epoch for epoch in event.history if epoch.best][-1:]
    template = "resumed at epoch {epoch}, behind step {step}"
    if best:
        template = "resumed at epoch {epoch}, behind step {step}; the best so far:"
    return join([Sentence(template, epoch=event.epoch, step=event.step), *map(_describe_epoch, best)], "\n")


def _describe_divergence(event: Diverged) -> str:
    return Sentence(
        "{what} at epoch {epoch}, step {step}: ended there, and kept epoch {best}",
        what=event.what,
        epoch=event.epoch,
        step=event.step,
        best=event.best,
    )


def _describe_rows(event: Prepared) -> str:
    if event.ordered and event.ordered == event.rows:
        blocks = Sentence("each file's beginning, what lies between, and its end")
        return Sentence(
            "{rows:,} lines in order, of which none was dropped: repeated and empty ones stay\ntrain "
            "{train:,}, validation {validation:,}, test {test:,}: {blocks}",
            rows=event.rows,
            train=event.train,
            validation=event.validation,
            test=event.test,
            blocks=blocks,
        )
    ordered = (
        Sentence(", {ordered:,} of them lines in order, which all stay", ordered=event.ordered) if event.ordered else ""
    )
    several = Sentence("under several labels") if event.labels else Sentence("with several answers")
    several = Sentence("under different labels") if event.several else several
    conflicts = (
        Sentence("{conflicts:,} texts {several}, ", conflicts=event.conflicts, several=several)
        if event.labels or event.conflicts
        else ""
    )
    labels = f" ({_list_labels(event.labels)})" if event.labels else ""
    return Sentence(
        "{rows:,} rows{ordered}; dropped: {duplicates:,} copies, {conflicts}{empty:,} without "
        "letters\ntrain {train:,}{labels}, validation {validation:,}, test {test:,}",
        rows=event.rows,
        ordered=ordered,
        duplicates=event.duplicates,
        conflicts=conflicts,
        empty=event.empty,
        train=event.train,
        labels=labels,
        validation=event.validation,
        test=event.test,
    )


def _list_labels(labels: Mapping[str, int]) -> str:
    return ", ".join(f"{label} {n:,}" for label, n in sorted(labels.items()))


def _describe_member(event: MemberStarted) -> str:
    composition = Sentence(
        "{name}: {composition}; {parameters:,} parameters, {vocabulary:,} ids",
        name=event.name,
        composition=event.composition,
        parameters=event.parameters,
        vocabulary=event.vocabulary,
    )
    return join([composition, *event.remarks], "; ")


def _describe_export(event: MemberExported) -> str:
    return Sentence(
        "{name}: exported as a {runtime}, {size:.2f} MB; greatest difference of a probability "
        "from torch on {checked} {unit}: {difference:.2g}",
        name=event.name,
        runtime=event.runtime,
        size=event.size / 1000000.0,
        checked=event.checked,
        unit=Sentence(event.unit),
        difference=event.difference,
    )


def _show_saved(event: Saved) -> None:
    screen = make_console(stderr=True)
    for stage in event.stages:
        leave = "" if stage.exit is None else Sentence(", leaves at {exit}", exit=stage.exit)
        temperature = (
            "" if stage.temperature == 1 else Sentence(", temperature {temperature}", temperature=stage.temperature)
        )
        screen.print(
            phrase(
                "mixture {weights}{temperature}{leave}",
                weights=list(stage.weights),
                temperature=temperature,
                leave=leave,
            )
        )
    screen.print(_make_summary(event))
    task = event.task
    if event.metrics:
        show_metrics(event.metrics)
        for sentence in event.metrics["all"].doubts():
            warn(sentence)
    else:
        measure = f"nlpkit {task.name} evaluate FILE --model {event.folder}"
        warn(
            "no test row could be used, so there are no figures: {measure} measures it on rows of yours",
            measure=measure,
        )
    if not event.curve:
        warn("there is no curve.png, as matplotlib is not installed: pip install matplotlib")
    screen.print(
        phrase(
            "saved {folder} ({size:.1f} MB): {use} --model {folder}",
            folder=event.folder,
            size=event.size / 1000000.0,
            use=task.use,
        )
    )


def _make_summary(event: Saved) -> Any:
    """Make a row for each loop: how long it went on, and its best epoch."""
    losses = headings(">train loss", ">validation loss", ">accuracy", ">norm", ">seconds")
    drawing = make_table(*headings("run", ">epochs", ">best"), *losses)
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
    read = (
        Sentence("all {rows:,} rows", rows=plan.rows)
        if plan.whole
        else Sentence("the first {rows:,} rows", rows=plan.rows)
    )
    labels = f" ({_list_labels(plan.labels)})" if plan.labels else ""
    free = Sentence(", and {unlabelled:,} without labels", unlabelled=plan.unlabelled) if plan.unlabelled else ""
    screen.print(
        phrase(
            "judged by {sample:,} of {read}: {train:,} to train on{labels}{free}",
            sample=plan.sample,
            read=read,
            train=plan.train,
            labels=labels,
            free=free,
        )
    )
    for member in plan.members:
        if member.base:
            screen.print(translate(member.base))
        if not member.parameters:
            screen.print(
                phrase(
                    "{name}: no network; of the rows that were read {size:.1f} MB",
                    name=member.name,
                    size=member.size / 1000000.0,
                )
            )
            continue
        if member.layers:
            screen.print(_make_plan_table(member))
        screen.print(
            phrase(
                "{name}: {vocabulary:,} ids, {parameters:,} parameters; saved as a {runtime} {size:.1f} "
                "MB, and the weights as trained {weights:.1f} MB (--no-weights)",
                name=member.name,
                vocabulary=member.vocabulary,
                parameters=member.parameters,
                runtime=member.runtime,
                size=member.size / 1000000.0,
                weights=member.weights / 1000000.0,
            )
        )
        for loop in member.loops:
            screen.print(translate(_describe_duration(loop, plan)))


def _describe_duration(loop: LoopPlan, plan: Plan) -> str:
    """Say how long the epochs take, if the rest of the corpus is as what was read."""
    what = Sentence("{what}: ", what=loop.what) if loop.what else ""
    if not loop.epoch:
        return Sentence("{what}too few rows to tell the speed", what=what)
    seconds = loop.epoch * plan.rows / plan.sample
    rows = (plan.train + plan.unlabelled) * plan.rows / plan.sample
    more = "" if plan.whole else Sentence(" of the rows that were read")
    return Sentence(
        "{what}{rows:,.0f} training rows a second: an epoch{more} takes {duration}, at most {epochs} epochs",
        what=what,
        rows=rows / seconds,
        more=more,
        duration=format_duration(seconds),
        epochs=loop.epochs,
    )


def _make_plan_table(member: MemberPlan) -> Any:
    drawing = make_table(member.name, "", *headings("options", "returns", ">parameters"))
    for layer in member.layers:
        options = ", ".join(f"{name}={value}" for name, value in layer.options.items())
        drawing.add_row(layer.kind, layer.name, options, str(layer.shape), f"{layer.parameters:,}")
    if member.training:
        drawing.add_row(
            phrase("training"), "", ", ".join(f"{name}={value}" for name, value in member.training.items()), "", ""
        )
    return drawing
