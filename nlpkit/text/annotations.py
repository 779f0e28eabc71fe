"""Reads what Label Studio exports: tasks with the annotations of each, or a row an annotation.

Formats: https://labelstud.io/guide/export#Label-Studio-JSON-format-of-annotated-tasks
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from nlpkit.errors import DataError, nearest
from nlpkit.text.encodings import UNDECODABLE
from nlpkit.text.json_rows import NO_OBJECT, JsonRows, Object, as_written, has, value
from nlpkit.text.judging import Candidate, Content, Query
from nlpkit.text.row import UNDECODED
from nlpkit.text.rows import TEXT_COLUMNS

OF_AN_ANNOTATION = {"id", "annotation_id", "annotator", "lead_time"}  # columns of an export with a row for each
DISAGREE = "annotators disagree"


def holds_tasks(objects: JsonRows) -> bool:
    """Tell whether objects are tasks: data, and annotations of them."""
    first = next((item.fields for item in objects.first if item.fields), {})
    return isinstance(first.get("data"), dict) and isinstance(first.get("annotations"), list)


def read_tasks(objects: JsonRows, query: Query) -> Content:
    """Read tasks; a label is what all annotators chose who did not skip it.

    :raises DataError: if it is not clear which field holds the text, or whose choice is the label.
    """
    first = [item.fields for item in objects.first if item.fields]
    text = _path(first, query.column) if query.column else _find_text(objects.name, first)
    group = _path(first, query.group_column) if query.group_column else None
    for path, option in ((text, "--column"), (group, "--by")):
        if path is not None:
            objects.field(path, (), option)
    chosen = None if query.answer is None else _find_choice(objects.name, first, query.label_column)
    rows = (_candidate(item, text, chosen, group) for item in objects)
    return Content(objects.name, rows, text, chosen)


def agree(annotations: Iterable[Sequence[Candidate]]) -> Iterator[Candidate]:
    """Make one row of those of one text, each by another annotator, unless they disagree."""
    for rows in annotations:
        line, text, answer, group, fault = rows[0]
        labels = {(answer or "").strip() for _, _, answer, _, _ in rows}
        yield line, text, answer, group, DISAGREE if fault is None and len(labels) > 1 else fault


def _path(first: Sequence[Mapping[str, Any]], name: str) -> str:
    """Return the path of a field that may be named without the data in which it stands."""
    return f"data.{name}" if not _any_has(first, name) and _any_has(first, f"data.{name}") else name


def _any_has(objects: Iterable[Mapping[str, Any]], path: str) -> bool:
    return any(has(fields, path) for fields in objects)


def _find_text(name: str, first: Sequence[Mapping[str, Any]]) -> str:
    """Choose the field of the data that has a usual name of texts, or is the only one that holds a text."""
    data = [fields["data"] for fields in first if isinstance(fields.get("data"), dict)]
    texts = list(dict.fromkeys(key for fields in data for key, item in fields.items() if isinstance(item, str)))
    usual = [key for key in texts if key.strip().lower() in TEXT_COLUMNS]
    found = usual or texts
    if len(found) != 1:
        listed = ", ".join(f"data.{key}" for key in texts)
        raise DataError("{name} has the fields {listed}: say which one by --column", name=name, listed=listed)
    return f"data.{found[0]}"


def _find_choice(name: str, first: Sequence[Mapping[str, Any]], wanted: str | None) -> str:
    """Choose what Label Studio calls the choice that is the label."""
    choices = list(
        dict.fromkeys(
            choice for fields in first for annotation in _annotations(fields) for choice, _ in _choices(annotation)
        )
    )
    if wanted is not None and wanted not in choices:
        there_is = nearest(wanted, choices)
        raise DataError("{name} has no choice {wanted!r}{there_is}", name=name, wanted=wanted, there_is=there_is)
    if not choices:
        raise DataError("{name} has no choices among its annotations: expected one for each text", name=name)
    if wanted is None and len(choices) > 1:
        listed = ", ".join(choices)
        raise DataError("{name} has the choices {listed}: say which one by --label-column", name=name, listed=listed)
    return wanted or choices[0]


def _candidate(item: Object, text: str, chosen: str | None, group: str | None) -> Candidate:
    if item.fields is None:
        return item.number, "", None, "", NO_OBJECT
    of_text = as_written(value(item.fields, text))
    of_group = as_written(value(item.fields, group)) if group else ""
    label, fault = (None, None) if chosen is None else _label_of(item.fields, chosen)
    if of_text is None or UNDECODABLE in item.written:
        fault = "nested text" if of_text is None else UNDECODED
    return item.number, of_text or "", label, of_group or "", fault


def _label_of(task: Mapping[str, Any], chosen: str) -> tuple[str | None, str | None]:
    """Return the label of a task, or why it has none."""
    annotations = _annotations(task)
    if not annotations:
        return None, "no annotation"
    counted = [annotation for annotation in annotations if not annotation.get("was_cancelled")]
    if not counted:
        return None, "cancelled annotation"
    labels = {_chosen_by(annotation, chosen) for annotation in counted}
    if len(labels) > 1:
        return None, DISAGREE
    (several,) = labels
    return (several[0] if several else None), ("several labels" if len(several) > 1 else None)


def _chosen_by(annotation: Mapping[str, Any], chosen: str) -> tuple[str, ...]:
    labels = {label for choice, of_choice in _choices(annotation) if choice == chosen for label in of_choice}
    return tuple(sorted(labels))


def _annotations(task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    annotations = task.get("annotations")
    return [found for found in annotations if isinstance(found, dict)] if isinstance(annotations, list) else []


def _choices(annotation: Mapping[str, Any]) -> Iterator[tuple[str, Collection[str]]]:
    """Give the name of each choice of an annotation, and what was chosen; those of a part of a text are left out."""
    result = annotation.get("result")
    for region in result if isinstance(result, list) else ():
        chosen = region.get("value") if isinstance(region, dict) else None
        if isinstance(chosen, dict) and isinstance(chosen.get("choices"), list) and "start" not in chosen:
            yield str(region.get("from_name")), [label for label in chosen["choices"] if isinstance(label, str)]
