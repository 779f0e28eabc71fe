"""Labelled texts, read from the shapes in which people keep them."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nlpkit.errors import DataError, DataWarning, Sentence
from nlpkit.text.decoding import Decoded
from nlpkit.text.encodings import UNDECODABLE
from nlpkit.text.example import Example, Faults, rename
from nlpkit.text.fields import choice_of, read_table
from nlpkit.text.json_rows import JSON_LINES
from nlpkit.text.judging import LABEL_COLUMNS, NO_TEXT, Answer, Content, Query, judge, sift
from nlpkit.text.records import TABLES, suffix_of
from nlpkit.text.row import UNDECODED
from nlpkit.text.rows import open_file, open_rows, open_text
from nlpkit.text.shapes import ANSWERS, expected_answers, read_content
from nlpkit.text.table import LOCK, TYPED

__all__ = [
    "LABEL_COLUMNS",
    "Answer",
    "Example",
    "Faults",
    "Query",
    "files_of",
    "label_and_file",
    "read_examples",
    "read_source",
    "rename",
]

SUFFIXES = (".txt", *TABLES, *JSON_LINES, *TYPED)  # of the files that are read in a folder


def read_examples(
    path: str | Path,
    *,
    answer: Answer = "label",
    answer_columns: Sequence[str] = LABEL_COLUMNS,
    column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    faults: Faults | None = None,
    kept: Collection[str] = (),
    blank_lines: bool = False,
    several: bool | None = False,
    label_separator: str | None = None,
    label_columns: Sequence[str] | None = None,
) -> Iterator[Example]:
    """Read a corpus row by row; its shape is found out by its name and its first lines.

    A file is a table (.csv, .tsv, or a first line that names the columns; a workbook; Parquet), JSON objects a line, an
    export of doccano or Label Studio, fastText's ``__label__LABEL TEXT``, or lines ``TEXT,,LABEL`` or with a tab
    between text and label. A folder holds such files, or a folder of .txt documents for each label. ``LABEL=FILE`` is a
    file of unlabelled texts that share a label. All files of text may be packed by gzip. Rows that cannot be used are
    left out, and counted in ``faults``: those without a label, for one, for which files also say ``nan``, ``null``,
    ``None`` or ``N/A``.

    Numbers and JSON stand in tables, in JSON, or behind a tab. Where the text alone is read, a label is cut off a line
    only where nobody writes so by chance: ``TEXT,,LABEL``, ``__label__LABEL TEXT``. What is left out so, or of a table
    that is not named as one, is told by a `DataWarning`. All other lines stay whole.

    :param answer: what stands beside each text and is kept as ``label``: a ``label``, one of a few; a ``number``,
        finite, as it is written; ``json``, whatever that may hold but null; None where the text alone is read.
    :param answer_columns: usual names of its column.
    :param column: that of the text, unless it has a usual name.
    :param label_column: likewise that of the answer.
    :param group_column: a column whose value is kept as ``group``.
    :param sheet: of a workbook; None: the only one that holds rows.
    :param kept: labels such as ``none`` that are meant.
    :param several: whether a text may have several labels, or none, which then are its ``label`` as a
        `nlpkit.text.several.Labels`; None: it is found out, and told by a `DataWarning`. False: rows with several are
        left out.
    :param label_separator: what stands between several labels in a cell, if it is not to be found out.
    :param label_columns: columns of a label each, which hold 1 or 0, in place of one column with all of them.
    :param blank_lines: every line of a file of texts alone is one as it stands, blank ones too: they follow each other.
    :raises DataError: if a file cannot be read, holds no answers, or holds numbers where text or labels should be.
    """
    label, file = label_and_file(path)
    query = Query(
        answer=answer,
        answer_columns=answer_columns,
        column=column,
        label_column=label_column,
        group_column=group_column,
        encoding=encoding,
        sheet=sheet,
        kept=kept,
        blank_lines=blank_lines,
        several=several,
        label_separator=label_separator,
        label_columns=label_columns,
    )
    yield from read_source(file, label, query, Faults() if faults is None else faults)


def read_source(path: Path, label: str | None, query: Query, faults: Faults) -> Iterator[Example]:
    """Read a file or a folder as `read_examples` does.

    :param label: that of all its texts; None if it stands beside each.
    """
    if label is not None:
        _refuse_one_label(path, query)
        yield from _under(label, _of_texts(path, query, faults), query)
    elif path.is_dir():
        yield from _of_folder(path, query, faults)
    else:
        yield from _of_file(path, query, faults)


def label_and_file(argument: str | Path) -> tuple[str | None, Path]:
    """Take ``LABEL=FILE`` apart; a path that exists is one, whatever its name."""
    label, equals, file = str(argument).partition("=")
    if not equals or not label.strip() or not file or Path(argument).exists():
        return None, Path(argument)
    return label.strip(), Path(file).expanduser()


def files_of(argument: str | Path) -> list[Path]:
    """List every file that `read_examples` reads, in its order."""
    _, path = label_and_file(argument)
    if not path.is_dir():
        return [path]
    folders, files = _contents(path)
    return files or [document for folder in folders for document in _documents(folder)]


def _of_file(path: Path, query: Query, faults: Faults) -> Iterator[Example]:
    with open_file(path, choice_of(query), encoding=query.encoding) as opened:
        content = read_content(opened, query) if isinstance(opened, Decoded) else read_table(opened, query)
        yield from judge(content, query, faults)


def _of_texts(path: Path, query: Query, faults: Faults) -> Iterator[Example]:
    """Read texts that share a label, a line each, or a column of a .csv or .tsv."""
    suffix = suffix_of(str(path))
    column = query.column if suffix in (*TABLES, *TYPED) else None
    table = suffix in TABLES
    with open_rows(path, column=column, encoding=query.encoding, table=table, sheet=query.sheet) as source:
        rows = enumerate(itertools.chain.from_iterable(source.blocks), 1)
        candidates = ((row.line or number, row.text, None, "", row.fault) for number, row in rows)
        yield from sift(Content(source.name, candidates), replace(query, answer=None), faults)


def _refuse_one_label(path: Path, query: Query) -> None:
    """Refuse labels where other answers are wanted."""
    if query.answer not in ("label", None):
        raise DataError(
            "{path} has a label for all texts of a file, no {answers}: {expected_answers}",
            path=path,
            answers=ANSWERS[query.answer],
            expected_answers=expected_answers(query),
        )


def _under(label: str, examples: Iterator[Example], query: Query) -> Iterator[Example]:
    """Give examples the label that somebody has named for all of them."""
    for e in examples:
        e.label = label if query.answer else ""
        yield e


def _of_folder(path: Path, query: Query, faults: Faults) -> Iterator[Example]:
    folders, files = _contents(path)
    for file in files:
        yield from _of_file(file, query, faults)
    doubtful: list[Path] = []
    if folders:
        _refuse_one_label(path, query)
    for folder in folders:
        for document in _documents(folder):
            for e in _under(folder.name, _of_document(document, query, faults, doubtful), query):
                e.corpus = str(path)
                yield e
    if doubtful:
        sentence = Sentence(
            "{doubtful:,} documents of {path} are too short to show their encoding, {first} for one",
            doubtful=len(doubtful),
            path=path,
            first=doubtful[0],
        )
        warnings.warn(DataWarning("{sentence}: say it by --encoding", sentence=sentence), stacklevel=2)


def _contents(path: Path) -> tuple[list[Path], list[Path]]:
    """List the folders of a folder that hold documents, or else its files; what is hidden counts for nothing."""
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith((".", LOCK)))
    folders = [entry for entry in entries if entry.is_dir() and any(_documents(entry))]
    files = [entry for entry in entries if entry.is_file() and suffix_of(entry.name) in SUFFIXES]
    if bool(folders) != bool(files):
        return folders, files
    both = (
        Sentence("both the folder {folder} and the file {file}", folder=folders[0].name, file=files[0].name)
        if folders
        else Sentence("nothing to read")
    )
    expected = Sentence(
        "expected a folder of .txt documents for each label, or files named {suffixes}", suffixes=", ".join(SUFFIXES)
    )
    raise DataError("{path} holds {both}: {expected}", path=path, both=both, expected=expected)


def _documents(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if not f.name.startswith(".") and suffix_of(f.name) == ".txt")


def _of_document(path: Path, query: Query, faults: Faults, doubtful: list[Path]) -> Iterator[Example]:
    """Read a whole file as one text; one of thousands that cannot be read is a fault, not the end."""
    text, fault = "", None
    try:
        with open_text(path, encoding=query.encoding, tell=False) as decoded:
            lines = itertools.chain.from_iterable(decoded.line_blocks())
            text = "\n".join(line.removesuffix("\r") for line in lines).strip()
            doubtful += [path] if decoded.rival else []
        fault = UNDECODED if UNDECODABLE in text else None
    except DataError:
        fault = NO_TEXT if path.stat().st_size == 0 else "unreadable"
    yield from sift(Content(str(path), iter([(0, text, None, "", fault)])), replace(query, answer=None), faults)
