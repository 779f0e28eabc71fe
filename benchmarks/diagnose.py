"""All tasks of `nlpkit diagnose`, with encoders side by side: the tables and plots of `docs/diagnose.md`.

`diagnose.py CORPORA [--only TASK...] [--encoders NAME...] [--seeds 3] [--jobs 2] [--folder FOLDER] [--output docs]`.
CORPORA is a folder with ball.csv, 601988.SS.csv and salary.csv. Every trial is what a user gets by the command that the
page names, on one thread. FOLDER keeps trials: those that are done are not done again, and one that was interrupted
goes on. What stands between two marks in OUTPUT/diagnose.md is replaced, and OUTPUT/diagnose/TASK.png is drawn.
"""

import argparse
import hashlib
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import torch
from nlpkit_diagnose.diagnosis import Ended, diagnose
from nlpkit_diagnose.report import PLOT, Diagnosis
from nlpkit_diagnose.settings import settings_of
from nlpkit_diagnose.summary import Spread, group_by_encoder, summarise
from nlpkit_diagnose.task import Settings, Task
from nlpkit_diagnose.tasks import TASKS

from nlpkit.text.fetching import sha256_of

ENCODERS = ("srn", "rnn", "lstm", "gru", "transformer")
FILES = {"ball": "ball.csv", "stock": "601988.SS.csv", "salary": "salary.csv"}
KINDS: dict[str, Any] = {kind.name: kind for kind in TASKS}


class Job(NamedTuple):
    """The trials of one encoder on one task, in a process of their own."""

    task: str
    corpora: Path
    encoder: str
    seeds: int
    folder: Path


def task_of(name: str, corpora: Path) -> Task:
    made: Task = KINDS[name](corpora / FILES[name]) if name in FILES else KINDS[name]()
    return made


def digest(job: Job, settings: Settings) -> str:
    """Of all that a trial depends on but its seed, so that what was done otherwise is not taken over."""
    file = sha256_of(job.corpora / FILES[job.task]) if job.task in FILES else ""
    told = json.dumps([asdict(settings), file, version("nlpkit-zh-diagnose")], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def trials(job: Job) -> list[Ended]:
    """All trials of a job."""
    torch.set_num_threads(1)
    task = task_of(job.task, job.corpora)
    settings = settings_of(task, [job.encoder], [], {})
    run = job.folder / f"{job.task}-{job.encoder}-{digest(job, settings[job.encoder])}"
    run.mkdir(parents=True, exist_ok=True)
    found = []
    for event in diagnose(task, settings, range(job.seeds), run):
        if isinstance(event, Ended):
            found.append(event)
            figure = event.result.figures[task.figure]
            print(
                f"{job.task} {event.result.name}: {figure:.4f}, {event.result.seconds:.1f} s",
                file=sys.stderr,
                flush=True,
            )
    return found


def jobs(told: argparse.Namespace) -> Iterator[Job]:
    for task in told.only or KINDS:
        for encoder in ("none",) if task == "salary" else told.encoders:
            yield Job(task, told.corpora, encoder, told.seeds, told.folder)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(KINDS), metavar="TASK")
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="encoders that are tried beside each other")
    parser.add_argument("--folder", type=Path, default=Path("runs/diagnose"), help="keeps what is done")
    parser.add_argument("--output", type=Path, help="write diagnose.md and its plots into this folder")
    return parser.parse_args(argv)


def diagnosis(task: Task, done: list[tuple[Job, list[Ended]]]) -> Diagnosis:
    """All that was found for one task."""
    ended = [event for _, events in done for event in events]
    settings = {job.encoder: settings_of(task, [job.encoder], [], {})[job.encoder] for job, _ in done}
    return Diagnosis(task, settings, [e.result for e in ended], {e.result.name: e.history for e in ended})


def figure(spread: Spread, digits: int = 3) -> str:
    """``0.912 ± 0.004``."""
    return f"{spread.mean:.{digits}f}" + ("" if spread.spread is None else f" ± {spread.spread:.{digits}f}")


def by_length(found: Diagnosis) -> list[list[str]]:
    """A row an encoder, a column a length."""
    groups = group_by_encoder(summarise(found.results))
    lengths = [row.condition for row in next(iter(groups.values()))]
    rows = [["encoder", *lengths, "parameters", "seconds a trial"]]
    for name, group in groups.items():
        figures = [figure(row.figures[found.task.figure], 2) for row in group]
        seconds = fmean(row.seconds for row in group)
        rows.append([name, *figures, f"{group[0].parameters:,}", f"{seconds:.0f}"])
    return rows


def by_figure(found: Diagnosis) -> list[list[str]]:
    """A row an encoder, a column a figure."""
    groups = summarise(found.results)
    rows = [["encoder", *groups[0].figures, "parameters", "seconds a trial"]]
    for row in groups:
        figures = [figure(spread) if spread.spread else f"{spread.mean:.4g}" for spread in row.figures.values()]
        rows.append([row.encoder, *figures, f"{row.parameters:,}", f"{row.seconds:.0f}"])
    return rows


def markdown(found: Diagnosis) -> str:
    """A table, and the sentences that must be read with it."""
    head, *rows = by_length(found) if found.results[0].condition else by_figure(found)
    ruler = ["---", *["---:"] * (len(head) - 1)]
    lines = ["| " + " | ".join(row) + " |" for row in (head, ruler, *rows)]
    sentences = [f"- {sentence}" for sentence in found.task.findings(found.results)]
    tutorial = (
        f"The tutorial's figure: {found.task.tutorial}. Seeds: {max(row.seeds for row in summarise(found.results))}."
    )
    return "\n".join([*lines, "", *sentences, *([""] if sentences else []), tutorial])


def put_in(page: Path, name: str, text: str) -> None:
    """Replace what stands between the marks of a name."""
    begin, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        sys.exit(f"{page} has no marks {begin.strip()} and {end.strip()}")
    page.write_text(before + begin + text + end + after, encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Try what was not tried yet, and write the page."""
    told = arguments(argv)
    todo = list(jobs(told))
    with ProcessPoolExecutor(told.jobs) as pool:
        done = list(zip(todo, pool.map(trials, todo), strict=True))
    for name, group in itertools.groupby(done, lambda pair: pair[0].task):
        found = diagnosis(task_of(name, told.corpora), list(group))
        if told.output is None:
            print(f"{name}\n\n{markdown(found)}\n")
        else:
            put_in(told.output / "diagnose.md", name, markdown(found))
            (told.output / "diagnose").mkdir(exist_ok=True)
            (told.output / "diagnose" / f"{name}.png").write_bytes(found.files()[PLOT])


if __name__ == "__main__":
    main()
