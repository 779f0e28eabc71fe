"""The rows of corpora as an audit looks at them: texts, labels, places, and what else stands beside them."""

from __future__ import annotations

import warnings
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import DataError, DataWarning, Sentence
from nlpkit.text.catalogue import Corpus, open_corpus
from nlpkit.text.corpus import Example, Faults, Query, rename
from nlpkit.text.decoding import Decoded
from nlpkit.text.encodings import UNDECODABLE
from nlpkit.text.fields import choice_of, read_table
from nlpkit.text.json_rows import as_written
from nlpkit.text.row import Row
from nlpkit.text.rows import name_of, open_file, open_rows
from nlpkit.text.several import Labels, as_labels, names_of
from nlpkit.text.shapes import read_content

Ints = NDArray[np.int64]
NO_LABEL = -1


@dataclass(frozen=True)
class Column:
    """A column of a table, or a field of JSON, beside text and label.

    :param values: the different values.
    :param codes: which of them each row has ``(rows,)``; -1: none.
    """

    name: str
    values: Sequence[str]
    codes: Ints

    @classmethod
    def of(cls, name: str, cells: Sequence[str | None]) -> Column:
        """Take the cells of all rows, None where there are none."""
        values: dict[str, int] = {}
        codes = [-1 if cell is None else values.setdefault(cell, len(values)) for cell in cells]
        return cls(name, list(values), np.array(codes, dtype=np.int64))


@dataclass(frozen=True)
class File:
    """A file that was read.

    :param encoding: None where it cannot be read twice.
    """

    name: str
    rows: int
    encoding: str | None


class Question(NamedTuple):
    """Which label a row has.

    :param name: of the label, where it is asked whether a text has it; None: which one of all.
    :param answers: that there are; ``labels``: position of each row's own ``(rows,)``; -1: none.
    """

    name: str | None
    answers: Sequence[str]
    labels: Ints


@dataclass(frozen=True)
class AuditRows:
    """Rows in the order in which they were read.

    :param labels: position of each row's label in ``label_names`` ``(rows,)``; -1: none.
    :param label_names: several labels of a text are one `Labels` there.
    :param files: name of each row's file; ``numbers``: which of its rows it is, from 1; ``lines``: where it begins.
    :param left_out: how many rows could not be read, of each corpus.
    :param doubts: sentences on what could not be looked at.
    """

    texts: list[str]
    labels: Ints
    label_names: list[str]
    files: list[str]
    numbers: list[int]
    lines: list[int]
    columns: list[Column] = field(default_factory=list)
    sources: list[File] = field(default_factory=list)
    left_out: list[Faults] = field(default_factory=list)
    doubts: list[Sentence] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def several(self) -> bool:
        """Whether a text may have several labels, or none."""
        return any(isinstance(name, Labels) for name in self.label_names)

    @cached_property
    def names(self) -> list[str]:
        """The labels one by one, sorted."""
        return sorted({name for label in self.label_names for name in names_of(label)})

    def having(self, name: str) -> NDArray[np.bool_]:
        """Mark the rows that have a label, alone or beside others ``(rows,)``."""
        return np.isin(self.labels, [at for at, label in enumerate(self.label_names) if name in names_of(label)])

    @property
    def questions(self) -> Iterator[Question]:
        """Yield what is asked of the rows: which label each has; or, of each label, whether a row has it."""
        if not self.several:
            yield Question(None, self.label_names, self.labels)
        for name in self.names if self.several else ():
            yield Question(name, ("", name), np.where(self.labels < 0, NO_LABEL, self.having(name)))

    def label_of(self, row: int) -> str | None:
        """Return the label of a row, or its labels."""
        label = int(self.labels[row])
        return None if label == NO_LABEL else self.label_names[label]

    @classmethod
    def of(cls, examples: Iterable[Example]) -> AuditRows:
        """Take examples; one with an empty label has none. Where one has several labels, all may have."""
        rows = list(examples)
        given: Sequence[str] = [e.label for e in rows]
        if any(isinstance(label, Labels) for label in given):
            given = [as_labels(label) if label else "" for label in given]
        names = {name: at for at, name in enumerate(sorted(set(given) - {""}))}
        labels = np.array([names.get(label, NO_LABEL) for label in given], dtype=np.int64)
        files, numbers, lines = [e.file for e in rows], [e.row for e in rows], [e.line for e in rows]
        return cls([e.text for e in rows], labels, list(names), files, numbers, lines)


def read_corpora(arguments: Sequence[str | Path], *, names: Mapping[str, str] | None = None, **query: Any) -> AuditRows:
    """Read all rows of corpora; one in which no labels can be found is read without, and that is a doubt.

    :param names: what labels are called instead; nothing for one whose rows are left out.
    :param query: what else `nlpkit.text.corpus.read_examples` takes.
    :raises DataError: if one cannot be read, or none has any rows.
    """
    read = _Reading([], [], [], [])
    for argument in arguments:
        read.add(open_corpus(argument), Query(**{"several": None} | query, kept=set(names or ())), names or {})
    if not read.examples:
        listed = ", ".join(map(str, arguments))
        left_out = "; ".join(str(faults) for faults in read.left_out if faults) or "nothing is there"
        raise DataError("{listed}: no rows to audit: {left_out}", listed=listed, left_out=left_out)
    columns = [cells.column(name, len(read.examples)) for name, cells in read.others.items()]
    return replace(
        AuditRows.of(read.examples), columns=columns, sources=read.sources, left_out=read.left_out, doubts=read.doubts
    )


@dataclass(frozen=True)
class _Cells:
    """The cells of a column, by the numbers of their rows."""

    rows: array[int] = field(default_factory=partial(array, "q"))
    codes: array[int] = field(default_factory=partial(array, "q"))
    values: dict[str, int] = field(default_factory=dict)

    def add(self, row: int, cell: str) -> None:
        self.rows.append(row)
        self.codes.append(self.values.setdefault(cell, len(self.values)))

    def column(self, name: str, total: int) -> Column:
        codes = np.full(total, -1, dtype=np.int64)
        codes[np.frombuffer(self.rows, np.int64)] = np.frombuffer(self.codes, np.int64)
        return Column(name, list(self.values), codes)


@dataclass(frozen=True)
class _Reading:
    """What was read so far."""

    examples: list[Example]
    sources: list[File]
    left_out: list[Faults]
    doubts: list[Sentence]
    others: dict[str, _Cells] = field(default_factory=dict)

    def add(self, corpus: Corpus, query: Query, names: Mapping[str, str]) -> None:
        """Read a corpus."""
        faults = Faults()
        try:
            rows = list(rename(corpus.examples(query, faults), names, faults))
        except DataError as error:
            if query.label_column or query.wants_several or names:  # somebody has said that there are labels
                raise
            query, faults = replace(query, answer=None), Faults()
            rows = self._without_labels(corpus, query, faults, error)
        query = corpus.complete(query)
        places: dict[str, dict[int, int]] = {}  # of each file the numbers that its rows have here
        for number, e in enumerate(rows, len(self.examples)):
            places.setdefault(e.file, {})[e.row or -number] = number
        for path in corpus.files:
            at = places.get(name_of(path), {})
            self.sources.append(File(name_of(path), len(at), _encoding_of(path, query)))
            if path.is_file() and any(row > 0 for row in at):
                self._read_others(path, query, at)
        self.left_out.append(faults)
        self.examples.extend(rows)

    def _without_labels(self, corpus: Corpus, query: Query, faults: Faults, error: DataError) -> list[Example]:
        try:
            rows = list(corpus.examples(query, faults))
        except DataError:
            raise error from None
        self.doubts.append(Sentence("{error}; it is audited without labels", error=error))
        return rows

    def _read_others(self, path: Path, query: Query, at: Mapping[int, int]) -> None:
        """Read what stands beside text and label in a file that has columns."""
        names = _names_of(path, query)
        if names is None:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)  # said when the rows were read
            with open_rows(path, column=names[0], encoding=query.encoding, sheet=query.sheet) as source:
                header = _tell_apart(source.header or ())
                for number, row in enumerate((row for block in source.blocks for row in block), 1):
                    for name, cell in _cells_of(row, header, names) if number in at else ():
                        self.others.setdefault(name, _Cells()).add(at[number], cell)


def _names_of(path: Path, query: Query) -> list[str | None] | None:
    """Return the columns of text and labels in a file; None where it has no columns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        with open_file(path, choice_of(query), encoding=query.encoding) as opened:
            content = read_content(opened, query) if isinstance(opened, Decoded) else read_table(opened, query)
    return None if content.text is None else [content.text, content.answer, *(query.label_columns or ())]


def _tell_apart(header: Sequence[str]) -> list[str]:
    """Give columns of one name their number as well."""
    names = [name.replace(UNDECODABLE, "�") for name in header]
    return [f"{name} ({at})" if names.count(name) > 1 else name for at, name in enumerate(names, 1)]


def _cells_of(row: Row, header: Sequence[str], names: Sequence[str | None]) -> Iterator[tuple[str, str]]:
    """Yield what a row has beside its text and labels, of JSON also what stands one level deeper."""
    if row.fields is None:
        pairs: Iterable[tuple[str, Any]] = zip(header, row.cells, strict=True) if header else ()
    else:
        pairs = _flatten(row.fields)
    for name, cell in pairs:
        written = as_written(cell)
        if name not in names and written is not None and written.strip():
            yield name, written.strip()


def _flatten(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, inner in fields.items():
        if isinstance(inner, Mapping):
            yield from ((f"{name}.{key}", deep) for key, deep in inner.items())
        else:
            yield name, inner


def _encoding_of(path: Path, query: Query) -> str | None:
    """Return the encoding in which a file was read; None of a table with types, and of a pipe."""
    if not path.is_file():
        return None
    try:
        with warnings.catch_warnings(), open_file(path, choice_of(query), encoding=query.encoding) as opened:
            warnings.simplefilter("ignore", DataWarning)  # said when the rows were read
            if not isinstance(opened, Decoded):
                return None
            for _ in opened.line_blocks():
                pass
            return opened.encoding
    except DataError:  # one document of a folder: its row was left out
        return None
