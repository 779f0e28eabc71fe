"""Texts that came by no file, answered and written as lines of JSON: what a server needs of a verb."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nlpkit.commands.answers import Form, dump
from nlpkit.commands.tally import Tally
from nlpkit.errors import SettingError
from nlpkit.tasks.base import Verb
from nlpkit.text.json_rows import NESTED, Object, row_of
from nlpkit.text.rows import Row, Source

if TYPE_CHECKING:
    from nlpkit.commands.whole_files import FileAnswerer

NO_FAULTS: Mapping[int, str] = MappingProxyType({})


class TextAnswerer:
    """Answers texts as a command of a task answers lines ``{"text": "…"}``. Threads may share it.

    What is no text is taken as such a line takes it: a number as it is written, null as an empty text. Whatever holds
    other values has no answer but a reason, and is not repeated.

    :param answerer: whose model, verb and options these are; its kind is ``jsonl``.
    :raises SettingError: for options that the model has no use for, and another kind.
    """

    def __init__(self, answerer: FileAnswerer) -> None:
        if answerer.kind != "jsonl":
            raise SettingError("texts are answered as jsonl, not as {kind}", kind=answerer.kind)
        self.verb: Verb = answerer.find_verb()
        self._opened = answerer.open()
        self._opened.ask.trust()  # that a model can answer was seen when it was opened: a row that fails harms no other
        self._stream = answerer.open_stream()
        name = self.form.text
        self._source = Source("texts", None, iter(()), fields=[name], field=name)

    @property
    def form(self) -> Form:
        """How answers are written."""
        form: Form = self._opened.form
        return form

    @property
    def sums(self) -> bool:
        """Whether what is written is no line a text, but sums all of them up."""
        return self.form.writer("jsonl") is not None

    @property
    def streams(self) -> bool:
        """Whether an answer can be had piece by piece."""
        return self._stream is not None

    def answer(self, texts: Sequence[Any], faults: Mapping[int, str] = NO_FAULTS) -> tuple[list[bytes], Tally]:
        """Return the line of each text, in order, without its end; and what was counted.

        :param faults: why some texts, by their positions, are not to be answered.
        """
        rows = [self._row(number, text, faults.get(number)) for number, text in enumerate(texts)]
        answers = self._opened.ask(rows)
        tally = Tally()
        tally.add(self._source, rows, answers)
        return self._write(rows, answers), tally

    def stream(self, text: Any) -> Generator[str, None, tuple[bytes, Tally]]:
        """Yield the pieces of a text that an answer is becoming; return its line, and what was counted.

        :raises SettingError: if the verb has no such answers.
        """
        if self._stream is None:
            raise SettingError("{verb} answers in one piece: leave stream out", verb=self.verb.name)
        row = self._row(0, text, None)
        answer = yield from self._stream(row)
        tally = Tally()
        tally.add(self._source, [row], [answer])
        return self._write([row], [answer])[0], tally

    def _row(self, number: int, text: Any, fault: str | None) -> Row:
        nested = isinstance(text, list | dict)
        fields = {self.form.text: None if nested or is_endless(text) else text}
        row = row_of(Object(number + 1, dump(fields).decode(), fields), self.form.text)
        row.fault = fault or (NESTED if nested else row.fault)
        return row

    def _write(self, rows: Sequence[Row], answers: Sequence[Any]) -> list[bytes]:
        writer = self.form.writer("jsonl")
        if writer is None:
            written = self._opened.write.lines(self._source, 1, rows, answers)
        else:
            written = writer(self._source, 1, rows, answers) + writer.end()
        return written.removesuffix(b"\n").split(b"\n") if written else []


def is_endless(value: Any) -> bool:
    """Tell whether something is a number that JSON cannot hold."""
    return isinstance(value, float) and not math.isfinite(value)
