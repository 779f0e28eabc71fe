"""Answers beside the texts of a data frame: pandas, polars, pyarrow and whatever else narwhals knows."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from nlpkit.errors import MissingExtra, SettingError, nearest
from nlpkit.text.blocks import blocks_of
from nlpkit.text.names import find_free_name
from nlpkit.text.row import Row

if TYPE_CHECKING:
    import narwhals

BLOCK = 4096  # rows that are answered together
MISSING = "missing"  # the reason of a row whose cell holds nothing
Frame = TypeVar("Frame")
Answer = Callable[[Sequence[Row]], Sequence[Any]]


def answer_frame(frame: Frame, column: str, answer: Answer, columns: Mapping[str, type]) -> Frame:
    """Return a frame of the same kind with the answers to its texts as further columns.

    As many rows, in the same order and with the same index; the frame that is given stays as it is. A name that is
    taken becomes ``predicted_label``, ``predicted_label_2`` and so on. A null, NaN too, has the reason ``missing``.

    :param column: that of the texts.
    :param answer: of rows, such as a verb of a model has.
    :param columns: the fields of an answer that become columns, each with its type, ``str`` or ``float``.
    :raises MissingExtra: if narwhals is not installed.
    :raises SettingError: if it is no frame whose rows are there, has no such column, or that holds no texts.
    """
    opened = _open(frame)
    import narwhals  # which is installed, or that has failed

    values = _texts(opened, column)
    answers = [own for block in blocks_of(values, BLOCK) for own in answer(list(map(_row, block)))]
    added = [
        narwhals.new_series(
            find_free_name(name, opened.columns),
            [getattr(own, name) for own in answers],
            narwhals.Float64() if kind is float else narwhals.String(),
            backend=opened.implementation,
        )
        for name, kind in columns.items()
    ]
    return opened.with_columns(*added).to_native()  # type: ignore[no-any-return]


def _open(frame: Any) -> narwhals.DataFrame[Any]:
    try:
        import narwhals
        from narwhals.exceptions import NarwhalsError
    except ImportError:
        raise MissingExtra("narwhals", "frames", "answering a data frame") from None
    try:
        return narwhals.from_native(frame, eager_only=True)
    except NarwhalsError as error:  # such as two columns of one name
        raise SettingError("the frame cannot be read: {reason}", reason=" ".join(str(error).split())) from None
    except TypeError:
        kind = f"{type(frame).__module__.partition('.')[0]}.{type(frame).__name__}"
        what = "a data frame of pandas, polars or pyarrow whose rows are there"
        raise SettingError("expected {what}, found {kind}: collect one that is lazy", what=what, kind=kind) from None


def _texts(frame: narwhals.DataFrame[Any], column: str) -> list[Any]:
    if column not in frame.columns:
        there_is = nearest(str(column), map(str, frame.columns))
        raise SettingError("the frame has no column {column!r}{there_is}", column=column, there_is=there_is)
    kind = frame[column].dtype
    if kind.is_numeric() or kind.is_temporal() or kind.is_nested() or str(kind) == "Boolean":
        raise SettingError("the column {column!r} holds {kind}, no text: say another", column=column, kind=str(kind))
    return frame[column].to_list()


def _row(value: Any) -> Row:
    if isinstance(value, str):
        return Row(value)
    missing = value is None or type(value).__name__ in ("NAType", "NaTType")
    if missing or (isinstance(value, numbers.Number) and value != value):
        return Row("", MISSING)
    return Row("", f"not a text but {type(value).__name__}")
