"""Files of rows, each answered into a file of its own: what a process does, here or on another machine, of many."""

from __future__ import annotations

import dataclasses
import gc
import itertools
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nlpkit.commands.answers import FORMATS, Look
from nlpkit.commands.questions import Block, BlockAnswerer, Question
from nlpkit.commands.spared_rows import find_owner
from nlpkit.commands.tally import Tally
from nlpkit.errors import SettingError, nearest
from nlpkit.files import replacing
from nlpkit.model.base import SavedModel
from nlpkit.model.opening import find_task
from nlpkit.plugins.options import check, options_of
from nlpkit.tasks.base import Task, Verb
from nlpkit.text.rows import Row, open_rows
from nlpkit.version import __version__

KINDS = tuple(kind for kind in FORMATS if kind != "table")  # of files


@dataclass(frozen=True)
class FileAnswerer:
    """Answers files as a command of the model's task does. It can be sent to another process.

    The model is sent as its name or folder: a process that is sent it often opens it once.

    :param kind: the format that is written: csv, tsv, jsonl, xlsx, parquet, html.
    :param verb: of the task; None: the first that answers files.
    :param options: of the verb; the rest is as it is by default.
    :param probabilities: whether tables get a column for each label's probability.
    :param column: of the text; ``encoding`` and ``sheet`` likewise are those of the files.
    :raises SettingError: if the task has no such verb, or that no such option or value, saying what there is.
    """

    model: SavedModel
    kind: str
    verb: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    probabilities: bool = False
    column: str | None = None
    encoding: str | None = None
    sheet: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SettingError("no format {kind!r}{there_is}", kind=self.kind, there_is=nearest(self.kind, KINDS))
        verb = self.find_verb()
        if self.probabilities and not verb.labelled:
            raise SettingError("the answers of {verb} have no probabilities by label", verb=verb.name)
        check(f"{self._task.name} {verb.name}", options_of(verb.options) if verb.options else {}, self.options)

    @property
    def asked(self) -> dict[str, Any]:
        """All by which what is written of a file may differ, as JSON."""
        return {
            "model": self.model.bundle.fingerprint,
            "options": [self.find_verb().method, *(f"{k}={v!r}" for k, v in sorted(self._all_options().items()))],
            "format": [self.kind, self.probabilities],
            "columns": [self.column, self.encoding, self.sheet],
            "version of nlpkit": __version__,
        }

    def check(self, source: Path) -> None:
        """Refuse a file that cannot be read, or has no such column, and options that the model has no use for.

        :raises NlpkitError: saying why.
        """
        self.open()
        with open_rows(source, column=self.column, encoding=self.encoding, sheet=self.sheet):
            pass

    def answer(
        self, source: Path, target: Path, *, name: str | None = None, follow: Callable[[Tally], None] | None = None
    ) -> Tally:
        """Answer the rows of a file in order, a block at a time; the target is written whole, or not at all.

        :param name: what the source is called where rows have no columns of their own.
        :param follow: is told what was counted so far, after each block; what it raises ends the work.
        :returns: what was counted.
        :raises NlpkitError: if the file cannot be read.
        """
        answerer, tally = self.open(), Tally()
        with replacing(target) as out, _no_collection():
            for block in self._read(source, name):
                answered = answerer(block)
                lines = answered.lines
                out.write(answerer.write(*block, answered.answers) if lines is None else lines)
                tally.join(answered.tally)
                if follow:
                    follow(tally)
            out.write(answerer.write.end())
        return tally

    def open(self) -> BlockAnswerer:
        """Return what answers rows in this process: ``ask`` does, and ``form`` says how that is written."""
        verb, task = self.find_verb(), self._task
        return Question(
            self.model,
            verb.method,
            self._all_options(),
            verb.form,
            self.kind,
            Look(),
            self.probabilities,
            owner=find_owner(task),
        ).open()

    def open_stream(self) -> Callable[[Row], Generator[str, None, Any]] | None:
        """Return what answers a row piece by piece, as `nlpkit.tasks.base.Verb` says; None where nothing does."""
        if not (stream := self.find_verb().stream):
            return None
        method: Callable[..., Callable[[Row], Generator[str, None, Any]]] = getattr(self.model, stream)
        return method(**self._all_options())

    def describe(self, tally: Tally) -> str:
        """Return ``100 rows: 60 positive, 36 negative, 4 without an answer``."""
        return tally.rows.describe(self.open().form.labels)

    def tell(self, tally: Tally) -> None:
        """Say on stderr how many rows are unlike the training text, or have no answer, if any are."""
        tally.tell(self._task, self.open().form)

    @property
    def _task(self) -> Task:
        return find_task(self.model.bundle)

    def find_verb(self) -> Verb:
        """Return the verb that answers.

        :raises SettingError: if the task has none of that name, saying what there is.
        """
        verbs = {verb.name: verb for verb in self._task.verbs if verb.method}
        if self.verb is None:
            return next(iter(verbs.values()))
        if self.verb not in verbs:
            there_is = nearest(self.verb, verbs)
            raise SettingError(
                "{task} has no verb {verb!r}{there_is}", task=self._task.name, verb=self.verb, there_is=there_is
            )
        return verbs[self.verb]

    def _all_options(self) -> dict[str, Any]:
        options = self.find_verb().options
        defaults = {option.name: option.default for option in options_of(options).values()} if options else {}
        return {**defaults, **self.options}

    def _read(self, path: Path, name: str | None) -> Iterator[Block]:
        with open_rows(path, column=self.column, encoding=self.encoding, sheet=self.sheet) as opened:
            source = dataclasses.replace(opened, name=name or opened.name)
            first = 1
            for rows in itertools.chain([[]], source.blocks):  # a table without rows still has a header
                yield Block(source, first, rows)
                first += len(rows)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let no rows be looked through for cycles, which none of them makes: a fifth of the time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
