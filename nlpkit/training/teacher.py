"""What a saved model says of the training rows, asked once a run, before its members are trained; kept in its folder.

Probabilities are those that the teacher would give to a user, calibrated: they are what it knows, whereas its logits
are as sure as its own training left them. How soft they are taught is said by a temperature.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import NlpkitError, Sentence, SettingError
from nlpkit.files import replace_file, sync
from nlpkit.model.bundle import Bundle
from nlpkit.tasks.base import Task, resolve
from nlpkit.text.blocks import blocks_of
from nlpkit.training.events import Event, Note, Remark, Working
from nlpkit.training.mixture import TAUGHT
from nlpkit.training.storage import ArrayFile, StoredCorpus, map_array

FOLDER = "teacher"
ASKED, ANSWERED = "asked.json", "answered.json"  # of whom; what came of it
PART, PROBABILITIES = "part", "probabilities"
ROWS = 512  # that are asked together: always the same, and an interrupted run goes on behind the last whole block
DTYPE = np.float32
ENOUGH_SECONDS = 120  # from which on time is told in minutes


class Teacher(Protocol):
    """A model that says how likely each label is."""

    bundle: Bundle
    labels: list[str]

    def answer(self, texts: Sequence[str]) -> tuple[list[str | None], NDArray[np.float64]]:
        """Return why each text has no answer, or None, and probabilities ``(answered, labels)`` of the others."""
        ...


@dataclass(frozen=True)
class Trial:
    """That a run is only tried out: what takes long is broken off.

    :param seconds: that it may take.
    :param scale: how many times as many rows there are as are tried.
    """

    seconds: float
    scale: float


@dataclass(frozen=True)
class Lessons:
    """What a teacher says of training rows.

    :param facts: for config.json.
    :param probabilities: of labelled rows and then of those of the place `TAUGHT` ``(rows, labels)``, nan where it has
        no answer to a labelled one.
    """

    facts: dict[str, Any]
    probabilities: NDArray[np.float32]


def open_teacher(task: Task, name: str) -> Teacher:
    """Open a model as a teacher.

    :raises BundleError: if there is none, or it is of another task.
    """
    teacher: Teacher = resolve(task.model).load(name)
    return teacher


def ask_teacher(
    task: Task, name: str, corpus: StoredCorpus, run: Path, trial: Trial | None = None
) -> Generator[Event, None, Lessons]:
    """Ask a teacher about the labelled training rows, then about those without labels; what is kept is not asked again.

    Rows without labels to which it has no answer go.

    :param run: the folder of the run.
    :raises SettingError: if its labels are not those of the rows.
    :raises NlpkitError: if an interrupted run asked another one.
    """
    folder = run / FOLDER
    if not (folder / ANSWERED).exists():
        folder.mkdir(exist_ok=True)
        teacher = open_teacher(task, name)
        columns = _match_labels(teacher, corpus.labels)
        facts = _identify(teacher)
        _check_same(folder / ASKED, facts)
        yield from _ask(teacher, columns, corpus, folder / PART, trial)
        facts |= _conclude(teacher, corpus, folder)
        replace_file(folder / ANSWERED, json.dumps(facts).encode())
        (folder / PART).unlink()
    facts = json.loads((folder / ANSWERED).read_text("utf-8"))
    yield from _tell(facts)
    return Lessons(facts, map_array(folder / PROBABILITIES, DTYPE).reshape(-1, len(corpus.labels)))


def _match_labels(teacher: Teacher, labels: Sequence[str]) -> list[int]:
    """Return the positions of labels among the teacher's."""
    if set(labels) != set(teacher.labels):
        raise SettingError(
            "the teacher {teacher} has the labels {its}, the rows have {theirs}: a student has its teacher's; rename "
            "those of the rows by --label OLD=NEW, leave some out by --label OLD=, or choose another teacher",
            teacher=_name_of(teacher),
            its=", ".join(teacher.labels),
            theirs=", ".join(labels),
        )
    return [teacher.labels.index(label) for label in labels]


def _identify(teacher: Teacher) -> dict[str, Any]:
    made_by = teacher.bundle.config.get("nlpkit", "")
    return {"model": _name_of(teacher), "nlpkit": made_by, "fingerprint": teacher.bundle.fingerprint}


def _name_of(teacher: Teacher) -> str:
    return Path(teacher.bundle.name).name


def _check_same(path: Path, facts: dict[str, Any]) -> None:
    """Write down who is asked; refuse another one than was asked before."""
    if path.exists() and json.loads(path.read_text("utf-8")) != facts:
        raise NlpkitError(
            "the teacher {model} is not the one that the run asked before: put that back, or begin anew by --force",
            model=facts["model"],
        )
    replace_file(path, json.dumps(facts).encode())


def _texts(corpus: StoredCorpus) -> Iterator[str]:
    places = ["train"] + ["unlabelled"] * (corpus.unlabelled is not None)
    return itertools.chain.from_iterable(block for place in places for block in corpus.texts(place))


def _count(corpus: StoredCorpus) -> tuple[int, int]:
    """How many labelled rows there are to ask about, and how many without labels."""
    return len(corpus.rows("train")), 0 if corpus.unlabelled is None else len(corpus.rows("unlabelled"))


def _ask(
    teacher: Teacher, columns: Sequence[int], corpus: StoredCorpus, path: Path, trial: Trial | None
) -> Iterator[Event]:
    """Append probabilities to a file, a block of rows at a time, each block on the disk before the next is asked.

    In a trial rows for which there was no time are as likely of one label as of another.
    """
    total, width, begun = sum(_count(corpus)), len(columns) * np.dtype(DTYPE).itemsize, time.monotonic()
    path.touch()
    done = min(path.stat().st_size // width, total) // ROWS * ROWS
    with path.open("r+b") as file:
        file.truncate(done * width)
        file.seek(done * width)
        yield Working("teacher", done, total)
        for texts in blocks_of(itertools.islice(_texts(corpus), done, None), ROWS):
            reasons, answers = teacher.answer(texts)
            block = np.full((len(texts), len(columns)), np.nan, dtype=DTYPE)
            block[[reason is None for reason in reasons]] = answers[:, list(columns)]
            file.write(block.data)
            sync(file)
            done += len(texts)
            yield Working("teacher", done, total)
            if trial and time.monotonic() - begun > trial.seconds:
                break
        if trial:
            yield _tell_speed(teacher, done / (time.monotonic() - begun), total * trial.scale)
        file.write(np.full((total - done, len(columns)), 1 / len(columns), dtype=DTYPE).data)


def _conclude(teacher: Teacher, corpus: StoredCorpus, folder: Path) -> dict[str, Any]:
    """Keep the answers, and the rows without labels that have one; return what came of it."""
    probabilities = map_array(folder / PART, DTYPE).reshape(-1, len(corpus.labels))
    answered = ~np.isnan(probabilities[:, 0])
    labelled, free = _count(corpus)
    reasons: Counter[str] = Counter()
    for texts in blocks_of(itertools.compress(_texts(corpus), (~answered).tolist()), ROWS):
        reasons.update(reason for reason in teacher.answer(texts)[0] if reason)
    if free:
        corpus.add_place(TAUGHT, corpus.rows("unlabelled")[answered[labelled:]])
    with ArrayFile(folder / PROBABILITIES, DTYPE) as file:
        for numbers in blocks_of(np.flatnonzero(answered | (np.arange(len(answered)) < labelled)), 1 << 16):
            file.append(probabilities[np.array(numbers)])
    said = probabilities[:labelled][answered[:labelled]].argmax(1)
    right = int((said == corpus.targets("train")[answered[:labelled]]).sum())
    return {
        "labelled": labelled,
        "unlabelled": free,
        "unanswered": {"labelled": int((~answered[:labelled]).sum()), "unlabelled": int((~answered[labelled:]).sum())},
        "reasons": dict(reasons.most_common()),
        "agreement": round(right / max(len(said), 1), 4),
    }


def _tell(facts: dict[str, Any]) -> Iterator[Event]:
    """Say what came of it."""
    kept = facts["unlabelled"] - facts["unanswered"]["unlabelled"]
    free = Sentence(", {kept:,} without labels", kept=kept) if facts["unlabelled"] else ""
    yield Note(
        "taught by {model}: {labelled:,} labelled rows, of which it says the label of {agreement:.1%}{free}",
        model=facts["model"],
        labelled=facts["labelled"],
        agreement=facts["agreement"],
        free=free,
    )
    if any(facts["unanswered"].values()):
        yield Remark(
            "the teacher has no answer to {labelled:,} labelled rows, which train by their labels alone, and to "
            "{free:,} without labels, which were dropped: {reasons}",
            labelled=facts["unanswered"]["labelled"],
            free=facts["unanswered"]["unlabelled"],
            reasons=", ".join(f"{count:,} {reason}" for reason, count in facts["reasons"].items()),
        )


def _tell_speed(teacher: Teacher, speed: float, rows: float) -> Event:
    seconds = rows / max(speed, 1e-9)
    return Note(
        "the teacher {model} answers {speed:,.0f} rows a second: {rows:,.0f} rows take about {duration}",
        model=_name_of(teacher),
        speed=speed,
        rows=rows,
        duration=Sentence("{seconds:,.0f} seconds", seconds=seconds)
        if seconds < ENOUGH_SECONDS
        else Sentence("{seconds:,.0f} minutes", seconds=seconds / 60),
    )
