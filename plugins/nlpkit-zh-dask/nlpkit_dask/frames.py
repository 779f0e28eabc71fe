"""Dask's data frames, answered partition by partition where these lie."""

from __future__ import annotations

import json
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dask.dataframe
    from nlpkit.commands import FileAnswerer, Form

PROBE = "好"  # a text by whose answer it is known what an answer has
NUMBERS = {float, int, type(None)}


def score(
    frame: dask.dataframe.DataFrame,
    column: str = "review",
    model: str | Path = "reviews",
    *,
    verb: str | None = None,
    **options: Any,
) -> dask.dataframe.DataFrame:
    """Answer the texts in a column of a frame of Dask, when it is computed; each process opens the model once.

    As many rows and partitions, in the same order and with the same index, and what is answered as further columns:
    those that the command of the model's task writes to CSV. Numbers are float64, anything else is text.

    :param model: its name or its folder, which the workers find, too.
    :param verb: of the model's task; None: the first that answers rows.
    :param options: of the verb, such as ``min_probability``.
    :raises SettingError: for a column, a verb or an option that is not there.
    """
    answer = make_answerer(column, model, verb=verb, **options)
    return frame.map_partitions(answer, meta=answer(frame._meta))


def make_answerer(
    column: str, model: str | Path = "reviews", *, verb: str | None = None, **options: Any
) -> FrameAnswerer:
    """Return what answers one data frame of pandas, polars or pyarrow, for whatever engine sends it to its workers.

    Parameters and errors are those of `score`.
    """
    import nlpkit
    from nlpkit.commands import FileAnswerer

    answerer = FileAnswerer(nlpkit.load(model), "csv", verb=verb, options=options, column=column)
    opened = answerer.open()
    return FrameAnswerer(answerer, _find_types(opened.form, opened.ask([_probe()])[0]))


@dataclass(frozen=True)
class FrameAnswerer:
    """Answers a data frame. It can be sent to another process, which opens the model once.

    :param columns: of an answer, each with its type, ``str`` or ``float``.
    """

    answerer: FileAnswerer
    columns: dict[str, type]

    def __call__(self, frame: Any) -> Any:
        """Return the frame with what is answered as further columns."""
        from nlpkit.model import answer_frame

        opened = self.answerer.open()

        def answer(rows: Sequence[Any]) -> list[SimpleNamespace]:
            return [self._record(opened.form, own) for own in opened.ask(rows)]

        return answer_frame(frame, self.answerer.column or "", answer, self.columns)

    def _record(self, form: Form, answer: Any) -> SimpleNamespace:
        cells = form.values(answer) if form.several_lines else form.cells(answer)
        pairs = zip(self.columns.items(), cells, strict=True)
        return SimpleNamespace(**{name: value if kind is float else _text_of(value) for (name, kind), value in pairs})


def _probe() -> Any:
    from nlpkit.text import Row

    return Row(PROBE)


def _find_types(form: Form, answer: Any) -> dict[str, type]:
    """Return the columns of an answer and their types: a number where the answer's class says so, else text."""
    names = (() if form.several_lines else form.columns) or form.fields or answer._fields
    try:
        hints = typing.get_type_hints(type(answer))
    except NameError:  # they name what is there for type checkers only
        hints = {}
    return {name: float if _is_number(hints.get(name, str)) else str for name in names}


def _is_number(hint: Any) -> bool:
    return set(typing.get_args(hint) or [hint]) <= NUMBERS


def _text_of(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
