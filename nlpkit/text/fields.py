"""Reads the rows of a table, or the objects of JSON, by the columns that hold their text, answer and group."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nlpkit.errors import DataWarning, Sentence
from nlpkit.text.annotations import OF_AN_ANNOTATION, agree, holds_tasks, read_tasks
from nlpkit.text.cells import TypedRow, text_of
from nlpkit.text.decoding import Decoded
from nlpkit.text.encodings import UNDECODABLE
from nlpkit.text.json_rows import NO_OBJECT, JsonRows, Object, as_json, as_written, only, value
from nlpkit.text.judging import Candidate, Content, Query, take_labels
from nlpkit.text.records import TABLES, Records, column_position, suffix_of
from nlpkit.text.row import UNDECODED, Row
from nlpkit.text.rows import TEXT_COLUMNS, usual_texts
from nlpkit.text.several import read_list, read_marks
from nlpkit.text.table import Choice, Table


def choice_of(query: Query) -> Choice:
    """Return which table of a file is meant."""
    return Choice(query.sheet, query.named_columns, TEXT_COLUMNS)


def read_table(table: Table, query: Query) -> Content:
    """Read a table with a header."""
    name, header = table.name, table.header
    text = column_position(name, header, query.column, usual_texts(header), "--column")
    answer = group = None
    marks = {label: column_position(name, header, label, (), "--label-columns") for label in query.label_columns or ()}
    if query.answer and not marks:
        usual = query.find_answer_columns(header)
        answer = column_position(name, header, query.label_column, usual, query.answer_option)
    elif not query.named_columns and suffix_of(name) not in TABLES and isinstance(table, Records):
        what = Sentence(
            "the first line is taken for a header, and only the column {header!r} is read", header=header[text]
        )
        warnings.warn(DataWarning("{name}: {what}", name=name, what=what), stacklevel=2)
    if query.group_column:
        group = column_position(name, header, query.group_column, (), "--by")
    records = itertools.chain.from_iterable(table.blocks(text))
    rows = _of_records(records, header, text, answer, group, marks)
    if set(header) >= OF_AN_ANNOTATION:
        at = header.index("id")
        by_text = itertools.groupby(records, lambda row: row.cells[at])
        rows = agree(list(_of_records(of_text, header, text, answer, group, marks)) for _, of_text in by_text)
    if answer is None:
        return Content(name, rows, header[text], ", ".join(marks) or None)
    read_as = Sentence("a table with the labels in {header!r}", header=header[answer])
    remedy = "" if query.label_column else Sentence("say which column holds them by --label-column")
    rows = take_labels(rows, name, query, read_as=read_as, remedy=remedy)
    return Content(name, rows, header[text], header[answer])


def _of_records(
    rows: Iterable[Row],
    header: Sequence[str],
    text: int,
    answer: int | None,
    group: int | None,
    marks: Mapping[str, int],
) -> Iterator[Candidate]:
    """Find headers among the rows, too, as ``cat a.csv b.csv`` leaves them.

    :param marks: of labels that have a column each, the columns.
    """
    judged = range(len(header)) if answer is None else (text, answer)
    names, word = {at: _bare(header[at]) for at in judged}, _bare(header[text])
    for row in rows:
        cells = row.cells
        if word in row.text and len(header) > 1 and all(_bare(cells[at]) == name for at, name in names.items()):
            yield row.line, row.text, None, "", "repeated header"
            continue
        fault, written = row.fault, None if answer is None else _answer_of(row, answer)
        if marks:
            written, wrong = read_marks({label: cells[at] for label, at in marks.items()})
            fault = fault or wrong
        yield row.line, row.text, written, "" if group is None else cells[group], fault


def _answer_of(row: Row, position: int) -> str:
    """Return what stands for an answer; of a list with one label, as a cell of Parquet may hold, that."""
    value = row.values[position] if isinstance(row, TypedRow) else None
    if not isinstance(value, list):
        return row.cells[position]
    return row.cells[position] if len(value) > 1 else text_of(only(value))


def _bare(cell: str) -> str:
    return cell.strip("\ufeff \t")


def read_json(decoded: Decoded, query: Query) -> Content:
    """Read objects of JSON."""
    objects = JsonRows(decoded)
    if query.answer in ("label", None) and holds_tasks(objects):
        return read_tasks(objects, query)
    answer = group = None
    text = objects.field(query.column, usual_texts(objects.keys), "--column")
    for label in query.label_columns or ():
        objects.field(label, (), "--label-columns")
    if query.answer and not query.label_columns:
        usual = query.find_answer_columns(objects.keys)
        answer = objects.field(query.label_column, usual, query.answer_option)
    if query.group_column:
        group = objects.field(query.group_column, (), "--by")
    rows = _of_objects(objects, text, answer, group, query)
    if set(objects.keys) >= OF_AN_ANNOTATION:
        by_text = itertools.groupby(objects, lambda item: item.fields and item.fields.get("id"))
        rows = agree(list(_of_objects(of_text, text, answer, group, query)) for _, of_text in by_text)
    if answer:
        remedy = "" if query.label_column else Sentence("say which key holds them by --label-column")
        read_as = Sentence("JSON with the labels in {answer!r}", answer=answer)
        rows = take_labels(rows, decoded.name, query, read_as=read_as, remedy=remedy)
    return Content(decoded.name, rows, text, answer or ", ".join(query.label_columns or ()) or None)


def _of_objects(
    objects: Iterable[Object], text: str, answer: str | None, group: str | None, query: Query
) -> Iterator[Candidate]:
    as_answer = {"json": as_json, "label": _as_label}.get(query.answer or "", as_written)
    for number, written, fields in objects:
        undecoded = UNDECODED if UNDECODABLE in written else None
        if fields is None:
            yield number, "", None, "", undecoded or NO_OBJECT
            continue
        of_text = as_written(value(fields, text))
        of_answer = as_answer(value(fields, answer)) if answer else ""
        of_group = as_written(value(fields, group)) if group else ""
        fault = "nested label" if of_answer is None and query.answer == "label" else undecoded
        if query.label_columns:
            of_answer, wrong = read_marks({label: as_written(value(fields, label)) for label in query.label_columns})
            fault = undecoded or wrong
        yield number, of_text or "", of_answer, of_group or "", "nested text" if of_text is None else fault


def _as_label(item: Any) -> str | None:
    """Write a label, or several of a list; None for what can be neither."""
    return read_list(item) if isinstance(item, list) else as_written(item)
