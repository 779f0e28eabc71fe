"""Rows whose label is in doubt, as annotation tools import them: each with its label, and the one that is suggested.

doccano: https://doccano.github.io/doccano/tutorial/#import-a-dataset
Label Studio: https://labelstud.io/guide/predictions
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from nlpkit.commands.answers import dump
from nlpkit.errors import SettingError, nearest
from nlpkit.text.names import find_free_name

Kind: TypeAlias = Literal["doccano", "label-studio"]
KINDS: tuple[Kind, ...] = get_args(Kind)
CHOICE, TEXT = "sentiment", "text"  # what Label Studio's own template for sentiment calls the choice and the text


class SuspectRow(NamedTuple):
    """A row to be looked at.

    :param label: that it has; None: it has none. A list where a text may have several.
    :param suggestion: the label that it may have instead; None: none is suggested.
    :param probability: of the suggestion.
    :param more: what else is known of it, by name: its file, its line, why it is suspect.
    """

    text: str
    label: str | Sequence[str] | None = None
    suggestion: str | Sequence[str] | None = None
    probability: float | None = None
    more: Mapping[str, Any] = {}


def write_rows(kind: Kind, rows: Iterable[SuspectRow], *, choice: str = CHOICE) -> Iterator[bytes]:
    """Write rows for an annotation tool, piece by piece.

    ``doccano``: JSONL; ``label`` holds the label that a row has, all else becomes metadata. ``label-studio``: an array
    of tasks; the label is an annotation, the suggestion a prediction with its probability as the score. Either is read
    back as a corpus with the labels as they were.

    :param choice: what the labelling configuration of Label Studio calls the choice, ``<Choices name=…>``; the text is
        ``<Text name="text" value="$text">``.
    :raises SettingError: if there is no such kind.
    """
    if kind not in KINDS:
        raise SettingError("there is no annotation format {kind!r}{there_is}", kind=kind, there_is=nearest(kind, KINDS))
    return map(_doccano_line, rows) if kind == "doccano" else _label_studio(rows, choice)


def _doccano_line(row: SuspectRow) -> bytes:
    own = {"text": row.text, "label": _list(row.label)}
    return dump(_with(own, {"suggestion": row.suggestion, "probability": row.probability} | dict(row.more))) + b"\n"


def _list(label: str | Sequence[str] | None) -> list[str]:
    return [] if label is None else [label] if isinstance(label, str) else list(label)


def _label_studio(rows: Iterable[SuspectRow], choice: str) -> Iterator[bytes]:
    before = b"[\n"
    for row in rows:
        yield before + dump(_task(row, choice))
        before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"


def _task(row: SuspectRow, choice: str) -> dict[str, Any]:
    task: dict[str, Any] = {"data": _with({TEXT: row.text}, row.more)}
    if row.label is not None:
        task["annotations"] = [{"result": _result(row.label, choice)}]
    if row.suggestion is not None:
        score = {} if row.probability is None else {"score": row.probability}
        task["predictions"] = [{"model_version": "nlpkit", **score, "result": _result(row.suggestion, choice)}]
    return task


def _result(label: str | Sequence[str], choice: str) -> Sequence[Mapping[str, Any]]:
    return [{"from_name": choice, "to_name": TEXT, "type": "choices", "value": {"choices": _list(label)}}]


def _with(own: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields, and others under names that are free."""
    for name, value in more.items():
        own[find_free_name(name, own)] = value
    return own
