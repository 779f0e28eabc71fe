"""What is asked of blocks of rows, in this process or in several: answers, counted, and the lines that are written."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from operator import attrgetter
from typing import Any, NamedTuple

from nlpkit.commands.answers import Look, make_writer
from nlpkit.commands.spared_rows import SparingAnswer
from nlpkit.commands.tally import Tally
from nlpkit.model.workers import spread
from nlpkit.tasks.base import Reference, resolve
from nlpkit.text.cells import TypedRow
from nlpkit.text.rows import Row, Source


class Block(NamedTuple):
    """Some rows of a file, of which the first has a number, from 1."""

    source: Source
    first: int
    rows: Sequence[Row]


class Answered(NamedTuple):
    """What has become of a block.

    :param answers: one a row; only the first where the lines are all that is wanted.
    :param lines: of the block; None where whoever gets the answers makes them.
    """

    answers: Sequence[Any]
    tally: Tally
    lines: bytes | None


@dataclass(frozen=True)
class Question:
    """What is asked, and how it is written: all of it can be sent to another process.

    :param model: that is asked; it is sent as its name.
    :param method: of the model, with its options.
    :param form: of the answers; ``kind`` is the format, and ``look`` what is drawn on.
    :param by: columns by whose values rows are counted.
    :param lines: whether lines are wanted, or the answers.
    :param owner: of the task, where that is a stranger's, who is named if it fails.
    """

    model: Any
    method: str
    options: Mapping[str, Any]
    form: Reference
    kind: str
    look: Look
    probabilities: bool = False
    by: Sequence[str] = ()
    lines: bool = True
    owner: str | None = None

    def open(self) -> BlockAnswerer:
        """Return what answers blocks."""
        return BlockAnswerer(self)


class BlockAnswerer:
    """Answers blocks of rows.

    :raises SettingError: for options that the model refuses.
    """

    def __init__(self, question: Question) -> None:
        self._by = question.by
        self.form = resolve(question.form)(
            question.model, question.look, {**question.options, "probabilities": question.probabilities}
        )
        self.ask = SparingAnswer(question.owner, getattr(question.model, question.method)(**question.options))
        self.write = make_writer(question.kind, self.form)
        self._lines = question.lines and self.write.apart

    def __call__(self, block: Block) -> Answered:
        """Answer a block; a header stands before the lines of the first."""
        answers = self.ask(block.rows)
        header = self.write.begin(block.source, answers) if self._lines else b""
        return self._write(block, answers, header)

    def answer_apart(self, block: Block, first: Source) -> Answered:
        """Answer a block whose header somebody else writes.

        :param first: the file of the first block of all.
        """
        answers = self.ask(block.rows)
        if self._lines:
            self.write.begin(first, answers)
        return self._write(block, answers, b"")

    def put_together(self, block: Block, apart: Answered) -> Answered:
        """Return what `answer_apart` has made elsewhere of a block, with what stands before it."""
        if apart.lines is None:
            return apart
        return apart._replace(lines=self.write.begin(block.source, apart.answers) + apart.lines)

    def _write(self, block: Block, answers: Sequence[Any], header: bytes) -> Answered:
        tally = Tally(self._by)
        tally.add(block.source, block.rows, answers)
        if not self._lines:
            return Answered(answers, tally, None)
        return Answered(answers[:1], tally, header + self.write.lines(*block, answers))


def answer_blocks(
    question: Question, answerer: BlockAnswerer, blocks: Iterable[Block], jobs: int, done: int = 0
) -> Iterator[tuple[Block, Answered]]:
    """Answer blocks, in order.

    :param answerer: that of this process.
    :param jobs: processes that answer; with one it is this.
    :param done: the first blocks, which an earlier run has answered, and written.
    """
    if jobs == 1:
        yield from ((block, answerer(block)) for block in _skip(blocks, answerer, done))
        return
    sent: deque[Block] = deque()
    for _, answered in spread(partial(_Worker, question), _send(blocks, sent, answerer, done), jobs):
        block = sent.popleft()
        yield block, answerer.put_together(block, answered)


def _skip(blocks: Iterable[Block], answerer: BlockAnswerer, done: int) -> Iterator[Block]:
    """Yield the blocks that are not done; of the others the first is asked again, to know what stands before it."""
    known: Sequence[Any] = ()
    for number, block in enumerate(blocks):
        if number >= done:
            yield block
            continue
        known = known or answerer.ask(block.rows)[:1]
        answerer.write.begin(block.source, known)


class _Sent(NamedTuple):
    """A block on its way to another process: files without their rows, rows by columns, which is half the work."""

    first_source: Source
    source: Source
    first: int
    rows: Sequence[Row] | _Columns
    opening: bool  # whether no row stands before it: if none of its rows can be answered, the run ends


class _Columns(NamedTuple):
    """Rows that are no objects and have no types: their parts, None where no row has any."""

    texts: list[str]
    faults: list[str | None] | None
    cells: list[Sequence[str]] | None
    lines: list[int] | None


class _Worker:
    """Answers what `_send` makes of blocks."""

    def __init__(self, question: Question) -> None:
        self._answerer = question.open()

    def __call__(self, sent: _Sent) -> Answered:
        if not sent.opening:
            self._answerer.ask.trust()
        rows = _unpack(sent.rows) if isinstance(sent.rows, _Columns) else sent.rows
        return self._answerer.answer_apart(Block(sent.source, sent.first, rows), sent.first_source)


def _send(blocks: Iterable[Block], sent: deque[Block], answerer: BlockAnswerer, done: int) -> Iterator[_Sent]:
    """Make of blocks what is sent to workers, and keep them until these have answered."""
    blocks = iter(blocks)
    opening = next(blocks, None)
    if opening is None:
        return
    first, is_opening = opening.source.head(), not done
    for block in _skip(itertools.chain([opening], blocks), answerer, done):
        sent.append(block)
        yield _Sent(first, block.source.head(), block.first, _pack(block.rows), is_opening)
        is_opening = is_opening and not block.rows


def _pack(rows: Sequence[Row]) -> Sequence[Row] | _Columns:
    if {*map(type, rows)} - {Row} or any(_list_parts(rows, "record")):  # fields have a record, which is never empty
        return [replace(row, batch=None) if isinstance(row, TypedRow) else row for row in rows]
    faults, cells, lines = (_list_parts(rows, name) for name in ("fault", "cells", "line"))
    return _Columns(
        _list_parts(rows, "text"),
        faults if any(faults) else None,
        cells if any(cells) else None,
        lines if any(lines) else None,
    )


def _list_parts(rows: Sequence[Row], name: str) -> list[Any]:
    return list(map(attrgetter(name), rows))


def _unpack(columns: _Columns) -> list[Row]:
    texts, *others = columns
    if others == [None, None, None]:
        return [Row(text) for text in texts]
    faults, cells, lines = columns.faults or repeat(None), columns.cells or repeat(()), columns.lines or repeat(0)
    return list(map(Row, texts, faults, cells, lines))
