"""Labelled texts, read from the shapes in which people keep them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nlpkit.errors import DataError
from nlpkit.rows import Row, column_position, open_rows

LABEL_COLUMNS = ("label", "sentiment", "class", "标签", "情感", "类别", "標籤")


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled text and the file that it came from."""

    text: str
    label: str
    corpus: str = ""
    group: str = ""


def read_examples(
    path: str | Path,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    encoding: str | None = None,
    faults: Counter[str] | None = None,
) -> Iterator[Example]:
    """Read a labelled corpus: CSV or TSV with a header, or lines ``TEXT,,LABEL``, whose text may hold commas.

    A file is a table if it is named .csv or .tsv, or if its first line holds all columns that are named.
    Rows without a text, without a label or with undecodable bytes are left out, and counted in ``faults`` by reason.

    :param group_column: a column whose value is kept as ``group``.
    :raises DataError: if the file cannot be read or holds no labels.
    """
    table = _holds(path, encoding, [name for name in (text_column, label_column, group_column) if name])
    with open_rows(path, column=text_column if table else None, encoding=encoding, table=table) as source:
        rows = itertools.chain.from_iterable(source.blocks)
        faults = Counter() if faults is None else faults
        if source.header is None:
            yield from _comma_labelled(source.name, rows, faults)
            return
        label = column_position(source.name, source.header, label_column, LABEL_COLUMNS, "--label-column")
        group = None if group_column is None else column_position(source.name, source.header, group_column, (), "--by")
        for row in rows:
            if fault := row.fault or _lacks(row.text, row.cells[label]):
                faults[fault] += 1
            else:
                yield Example(
                    row.text, row.cells[label].strip(), source.name, row.cells[group] if group is not None else ""
                )


def renamed(examples: Iterable[Example], names: Mapping[str, str]) -> Iterator[Example]:
    """Examples under the labels that ``names`` gives theirs; one renamed to nothing is left out, others keep theirs."""
    for e in examples:
        if label := names.get(e.label, e.label):
            yield Example(e.text, label, e.corpus, e.group)


def _holds(path: str | Path, encoding: str | None, columns: Sequence[str]) -> bool:
    """Whether a file is a table: by its name, or because its first line holds the columns asked for."""
    if not columns or Path(path).suffix.lower() in (".csv", ".tsv"):
        return Path(path).suffix.lower() in (".csv", ".tsv")
    with open_rows(path, encoding=encoding) as source:
        first = next(source.blocks)[0].text
    return all(column in first for column in columns)


def _lacks(text: str, label: str) -> str | None:
    return "no text" if not text.strip() else "no label" if not label.strip() else None


def _comma_labelled(name: str, rows: Iterable[Row], faults: Counter[str]) -> Iterator[Example]:
    found = False
    for row in rows:
        text, comma, label = row.text.rpartition(",")
        text = text.removesuffix(",")
        if fault := row.fault or (_lacks(text, label) if comma or not row.text.strip() else "no comma"):
            faults[fault] += 1
        else:
            found = True
            yield Example(text, label.strip(), name)
    if not found:
        raise DataError(f"{name} has no labelled rows: expected lines TEXT,,LABEL, or a CSV with a header")
