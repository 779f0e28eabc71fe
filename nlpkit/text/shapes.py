"""Finds out which shape a file has: its name tells, or else its first lines."""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Sequence

from nlpkit.errors import DataError, DataWarning, Sentence
from nlpkit.text.decoding import Decoded
from nlpkit.text.fields import read_json, read_table
from nlpkit.text.json_rows import JSON_LINES, holds_objects
from nlpkit.text.judging import FIRST_ROWS, LABEL_COLUMNS, Answer, Content, Query, answer_reader, take_labels
from nlpkit.text.lines import DOUBLED, FASTTEXT, Pair, Part, before_commas, fasttext, read_lines, whole
from nlpkit.text.records import TABLES, Records, suffix_of
from nlpkit.text.row import is_number
from nlpkit.text.rows import TEXT_COLUMNS

ENOUGH_LINES = 10  # that show what no chance does
ANSWERS: dict[Answer, str] = {"label": Sentence("labels"), "number": Sentence("numbers"), "json": "JSON"}


def read_content(decoded: Decoded, query: Query) -> Content:
    """Read an open file in the shape that it has.

    :raises DataError: if that has no labels, where they are wanted, or lacks a column.
    """
    suffix = suffix_of(decoded.name)
    lines = (line.rstrip("\r") for line in decoded.head() if line.strip())
    head = list(itertools.islice(lines, FIRST_ROWS))
    if suffix in JSON_LINES or (suffix not in TABLES and holds_objects(head)):
        return read_json(decoded, query)
    if suffix in TABLES or _is_header(head[0] if head else "", query):
        return read_table(Records(decoded), query)
    if query.blank_lines and not query.named_columns:
        return _with(whole, decoded, blanks=True)
    if query.answer != "json" and 2 * sum(FASTTEXT.search(line) is not None for line in head) > len(head):
        if not query.answer:
            _warn(decoded, Sentence("__label__ and what follows are"))
        rows = take_labels(read_lines(decoded, fasttext), decoded.name, query, read_as="lines __label__LABEL TEXT")
        return Content(decoded.name, rows)
    if query.named_columns and head and 2 * sum(",," in line for line in head) < len(head):
        raise DataError(
            "{name} has no column {named_columns!r}: its first line is {head!r}",
            name=decoded.name,
            named_columns=query.named_columns[0],
            head=head[0][:60],
        )
    if query.answer is None:
        return _read_texts(decoded, head, query)
    if 2 * sum(line.count("\t") > 1 for line in head) > len(head):
        what = Sentence("expected a header above them that names text and {answer}", answer=query.answer)
        raise DataError("{name} has several tabs a line: {what}", name=decoded.name, what=what)
    return _read_labels(decoded, head, query) if query.answer == "label" else _read_answers(decoded, head, query)


def _is_header(line: str, query: Query) -> bool:
    """Tell whether a first line holds the columns asked for, or else usual names of both text and answer."""
    if query.named_columns:
        return bool(line) and all(column in line for column in query.named_columns)
    cells = {cell.strip(' "').lower() for cell in re.split(r"[,;\t]", line)}
    return not cells.isdisjoint(TEXT_COLUMNS) and not cells.isdisjoint(query.answer_columns or LABEL_COLUMNS)


def _with(part: Part, decoded: Decoded, *, blanks: bool = False) -> Content:
    return Content(decoded.name, read_lines(decoded, part), blanks=blanks)


def _warn(decoded: Decoded, what: str) -> None:
    sentence = Sentence("{name}: {what} taken for the label of each line and left out", name=decoded.name, what=what)
    warnings.warn(sentence, DataWarning, stacklevel=3)


def _read_texts(decoded: Decoded, head: Sequence[str], query: Query) -> Content:
    """Read lines as they stand, but for labels that nobody writes so by chance."""
    if query.blank_lines or not _is_doubled(head):
        return _with(whole, decoded, blanks=query.blank_lines)
    _warn(decoded, Sentence("what stands behind ,, is"))
    return _with(before_commas, decoded)


def _is_doubled(head: Sequence[str]) -> bool:
    """Tell whether most lines are ``TEXT,,LABEL``, and few labels come again and again."""
    labels = [doubled[2].strip() for line in head if (doubled := DOUBLED.fullmatch(line))]
    return 2 * len(labels) > len(head) and len(set(labels)) <= max(2, len(labels) // 2)


def _read_answers(decoded: Decoded, head: Sequence[str], query: Query) -> Content:
    """Read lines whose number or JSON stands behind the last tab, or behind two commas if it is a number."""
    commas = query.answer == "number" and 2 * sum(",," in line for line in head) > len(head)
    pair = Pair("," if commas else "\t", head, last=True, quoted=query.answer != "json")
    read = answer_reader(query)
    if 2 * sum(read(pair(line)[1] or "") is not None for line in head) > len(head):
        return _with(pair, decoded)
    raise DataError(
        "{name} has no {answers} that can be found: {expected_answers}",
        name=decoded.name,
        answers=ANSWERS[query.answer],
        expected_answers=expected_answers(query),
    )


def expected_answers(query: Query) -> str:
    """Say which files hold numbers, or JSON."""
    what = ANSWERS[query.answer]
    lines = Sentence(
        "lines with a tab between text and {answer}", answer=query.answer if query.answer == "number" else what
    )
    return Sentence(
        "expected a table or JSON lines with a column of texts and one of {what}, or {lines}", what=what, lines=lines
    )


def _read_labels(decoded: Decoded, head: Sequence[str], query: Query) -> Content:
    """Read lines whose label stands behind the last comma, or beside a tab."""
    name = decoded.name
    for separator in ("\t", ","):
        if (last := _is_label_last(head, separator)) is not None:
            break
    else:
        raise DataError(
            "{name} has no labels that can be found: expected a table or JSON lines with a "
            "column of texts and one of labels, lines TEXT,,LABEL or __label__LABEL TEXT, or a "
            "folder for each label; if all its texts have one label, say LABEL={name}",
            name=name,
        )
    tabbed = Sentence("TEXT and LABEL with a tab between") if last else Sentence("LABEL and TEXT with a tab between")
    read_as = Sentence("lines {shape}", shape="TEXT,,LABEL" if separator == "," else tabbed)
    remedy = Sentence("put a header above it that names the columns of text and label, and call it .csv or .tsv")
    rows = read_lines(decoded, Pair(separator, head, last=last))
    rows = take_labels(rows, name, query, read_as=read_as, remedy=remedy)
    _refuse_cells(name, head)
    return Content(name, rows)


def _is_label_last(head: Sequence[str], separator: str) -> bool | None:
    """Tell on which side of a separator labels stand: few values that come again and again; None if on neither."""
    parted = [line for line in head if separator in line]
    if not parted or 2 * len(parted) < len(head):
        return None
    sides = {True: [line.rpartition(separator)[2].strip() for line in parted]}
    if separator == "\t":
        sides[False] = [line.partition(separator)[0].strip() for line in parted]
    last = min(sides, key=lambda side: (len(set(sides[side])), sum(map(len, sides[side])), not side))
    doubled = 2 * sum(",," in line for line in parted) >= len(parted)  # nobody writes so by chance
    few = len(set(sides[last])) <= max(2, len(parted) // 2)
    return last if few or (doubled and separator == ",") else None


def _refuse_cells(name: str, head: Sequence[str]) -> None:
    """Refuse lines that have as many commas each, more than one: cells, of which nobody has said what they are.

    :raises DataError: that asks for a header.
    """
    commas = {line.count(",") for line in head}
    if len(head) < 2 or len(commas) > 1 or max(commas) < 2 or any("\t" in line or ",," in line for line in head):
        return
    if len(head) >= ENOUGH_LINES or all(is_number(line.split(",")[-2]) for line in head):
        raise DataError(
            "{name} has {commas} commas in each line: expected lines TEXT,LABEL or TEXT,,LABEL, "
            "or a header above them that names text and label",
            name=name,
            commas=max(commas),
        )
