"""The audit of a corpus: all that is looked at, and the rows that are suspect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpkit.audit.copies import Copies, Pair, find_copies
from nlpkit.audit.rows import NO_LABEL, AuditRows, Column, Question
from nlpkit.audit.shortcuts import MOST_SHOWN, Leak, Shortcut, find_shortcuts, measure_column
from nlpkit.audit.texts import WRITINGS, find_odd, lengths, quantiles, writings
from nlpkit.audit.wrong_labels import WrongLabels, cross_validate, find_wrong_labels
from nlpkit.errors import Sentence
from nlpkit.text.labels import Alike, alike
from nlpkit.text.several import Labels, names_of
from nlpkit.text.split import PLACES

Ints = NDArray[np.int64]
FEW = 30  # different texts of a label: fewer leave half a dozen to test by
LEAKS = 0.5  # share of the labels' entropy that a column takes away, from which on it leaks them
CONFLICT, WRONG, ACROSS, OTHER = (
    "conflicting label",
    "wrong label",
    "near copy across the split",
    "near copy, other label",
)
NEAR, COPY, LOOK_ALIKE, TINY, ODD = "near copy", "copy", "look-alike label", "tiny class", "odd characters"
EMPTY = "no letters"
KINDS = (CONFLICT, WRONG, ACROSS, OTHER, NEAR, COPY, LOOK_ALIKE, TINY, EMPTY, ODD)


@dataclass(frozen=True)
class Finding:
    """A row that is suspect for one reason.

    :param row: its number among all rows, from 0.
    :param suspicion: one of `KINDS`.
    :param label: the name of the one that it should rather have, and the ``probability`` of it.
    :param copy_of: the number of the row of which it is a copy, and how much they are ``alike``, from 0 to 1.
    :param detail: what is odd.
    """

    row: int
    suspicion: str
    label: str | None = None
    probability: float | None = None
    copy_of: int | None = None
    alike: float | None = None
    detail: str | None = None


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    :param alike: labels that look alike.
    :param tiny: labels with few different texts, and how many.
    :param wrong: of each label, whether texts have it; where each has one, by None, which one that is.
    :param lengths: in characters, of all texts, and of those of each label.
    :param writings: rows by language, as far as letters tell it.
    :param odd: rows that hold what no writer meant, by what it is.
    :param skipped: what could not be looked at, and why.
    """

    rows: AuditRows
    copies: Copies
    alike: list[Alike]
    tiny: dict[str, int]
    wrong: dict[str | None, WrongLabels]
    shortcuts: list[Shortcut]
    columns: list[Leak]
    lengths: dict[str, dict[str, int]]
    writings: dict[str, int]
    odd: dict[str, list[int]]
    skipped: dict[str, Sentence]

    @cached_property
    def counts(self) -> dict[str, int]:
        """Rows of each label, the most frequent first; a row with several counts for each."""
        return _count_rows(self.rows)

    @cached_property
    def findings(self) -> list[Finding]:
        """Suspect rows, by suspicion as `KINDS` has it, the surest first; a row stands in it once for each."""
        return [
            *self._conflicts(),
            *self._wrong(),
            *self._near_copies(),
            *self._copies(),
            *self._of_labels(),
            *self._odd(),
        ]

    @cached_property
    def suspicions(self) -> dict[str, int]:
        """Suspect rows of each kind."""
        counts = Counter(finding.suspicion for finding in self.findings)
        return {kind: counts[kind] for kind in KINDS}

    def leaking(self) -> list[Leak]:
        """Return the columns that give the label away."""
        return [leak for leak in self.columns if leak.entropy >= LEAKS]

    def to_json(self) -> dict[str, Any]:
        """Return all of it but the texts."""
        read = self.rows
        return {
            "rows": len(read),
            "left_out": {reason: sum(faults[reason] for faults in read.left_out) for reason in _reasons(read)},
            "files": [asdict(source) for source in read.sources],
            "labels": self.counts,
            "several_labels": read.several,
            "unlabelled": int((read.labels == NO_LABEL).sum()),
            "suspicions": self.suspicions,
            "alike": [dict(group.rows) for group in self.alike],
            "tiny": self.tiny,
            "wrong_labels": self._wrong_as_json(),
            "shortcuts": [self._shortcut_as_json(shortcut) for shortcut in self.shortcuts],
            "columns": [asdict(leak) for leak in self.columns],
            "leaks": [leak.name for leak in self.leaking()],
            "lengths": self.lengths,
            "writings": self.writings,
            "odd": {name: len(rows) for name, rows in self.odd.items()},
            "skipped": {what: str(why) for what, why in self.skipped.items()},
            "doubts": [str(doubt) for doubt in read.doubts],
        }

    def where(self, row: int) -> tuple[str, int | None, int | None]:
        """Return the file of a row, which of its rows it is, and the line on which it begins; None: all of the file."""
        return self.rows.files[row], self.rows.numbers[row] or None, self.rows.lines[row] or None

    def _shortcut_as_json(self, shortcut: Shortcut) -> dict[str, Any]:
        file, row, line = self.where(shortcut.first)
        facts = asdict(shortcut) | {"surprise": shortcut.surprise}
        return facts | {"first": {"file": file, "row": row, "line": line}}

    def _wrong_as_json(self) -> dict[str, Any] | None:
        facts = {
            label: {name: getattr(wrong, name) for name in ("rows", "accuracy", "majority", "share")}
            | {"suspects": len(wrong.suspicions)}
            for label, wrong in self.wrong.items()
        }
        return (facts or None) if self.rows.several else facts.get(None)  # type: ignore[return-value]

    def _conflicts(self) -> Iterator[Finding]:
        """Yield the rows of texts that stand under several labels, and the label that most of them have, if one is."""
        first, labels = self.copies.first, self.rows.labels
        groups: dict[int, list[int]] = {}
        for row in np.flatnonzero(labels >= 0).tolist():
            groups.setdefault(int(first[row]), []).append(row)
        for rows in groups.values():
            counts = Counter(int(labels[row]) for row in rows)
            if len(counts) > 1:
                (best, most), (_, second) = counts.most_common(2)
                for row in rows:
                    other = next(twin for twin in rows if labels[twin] != labels[row])
                    better = self.rows.label_names[best] if most > second and labels[row] != best else None
                    yield Finding(row, CONFLICT, better, copy_of=other, alike=1.0)

    def _wrong(self) -> Iterator[Finding]:
        """Yield rows whose label is likely wrong; of several labels a text, each that lacks or should not be there."""
        pairs = [(one, label) for label, wrong in self.wrong.items() for one in wrong.suspicions]
        for suspicion, label in sorted(pairs, key=lambda pair: pair[0].own - pair[0].probability):
            row = suspicion.row
            if label is None:
                yield Finding(row, WRONG, self.rows.label_names[suspicion.label], suspicion.probability)
            else:
                names = {*names_of(self.rows.label_of(row) or "")} ^ {label}
                detail = f"{'lacks' if suspicion.label else 'should not have'} {label}"
                yield Finding(row, WRONG, Labels.of(names), suspicion.probability, detail=detail)

    def _near_copies(self) -> Iterator[Finding]:
        """Yield for each row its nearest copy of each kind, those that harm most first."""
        kinds: dict[str, dict[int, tuple[Pair, int, int]]] = {ACROSS: {}, OTHER: {}, NEAR: {}}
        labels, place = self.rows.labels, self.copies.place
        for pair in self.copies.pairs:
            row, other = pair.row, pair.copy_of
            if place[row] < place[other]:
                row, other = other, row  # the later place is that which knows too much
            differ = labels[row] != labels[other] and min(labels[row], labels[other]) >= 0
            crosses = [ACROSS] if self.copies.crosses(pair) else []
            for kind in [*crosses, *([OTHER] if differ else [])] or [NEAR]:
                if row not in kinds[kind] or kinds[kind][row][0].alike < pair.alike:
                    kinds[kind][row] = (pair, row, other)
        for kind, nearest in kinds.items():
            for pair, row, other in sorted(nearest.values(), key=lambda found: (-found[0].alike, found[1])):
                detail = f"{PLACES[place[other]]} and {PLACES[place[row]]}" if kind == ACROSS else None
                yield Finding(row, kind, copy_of=other, alike=pair.alike, detail=detail)

    def _copies(self) -> Iterator[Finding]:
        first = self.copies.first
        for row in np.flatnonzero(first != np.arange(len(first))).tolist():
            yield Finding(row, COPY, copy_of=int(first[row]), alike=1.0)

    def _of_labels(self) -> Iterator[Finding]:
        renames = {old: new for group in self.alike for old, new in group.renames.items()}
        for row, label in self._rows_of(renames):
            yield Finding(row, LOOK_ALIKE, label.renamed(renames) if isinstance(label, Labels) else renames[label])
        for row, label in self._rows_of(self.tiny):
            names = ", ".join(name for name in names_of(label) if name in self.tiny)
            yield Finding(row, TINY, detail=names if self.rows.several else None)

    def _rows_of(self, names: Mapping[str, Any]) -> list[tuple[int, str]]:
        """Return the rows that have any of some labels, and what each has."""
        chosen = [at for at, label in enumerate(self.rows.label_names) if not names.keys().isdisjoint(names_of(label))]
        rows = np.flatnonzero(np.isin(self.rows.labels, chosen)).tolist()
        return [(row, self.rows.label_names[self.rows.labels[row]]) for row in rows]

    def _odd(self) -> Iterator[Finding]:
        for row in np.flatnonzero(~self.copies.lettered).tolist():
            yield Finding(row, EMPTY)
        for what, rows in self.odd.items():
            for row in rows:
                yield Finding(row, ODD, detail=what)


def audit(
    rows: AuditRows,
    *,
    seed: int = 0,
    test: float = 0.2,
    validation: float = 0.2,
    progress: Callable[[str, int, int | None], None] | None = None,
) -> Audit:
    """Look for what is wrong with the rows of a corpus; the same seed finds the same.

    :param test: share of rows that training would test by, and ``validation`` likewise: near copies across these places
        are told.
    :param progress: is told what is done, how much of it, and of how much.
    """
    progress = progress or _ignore
    progress("looking for copies", 0, None)
    copies = find_copies(rows.texts, seed=seed, test=test, validation=validation)
    counts = _count_rows(rows)
    skipped: dict[str, Sentence] = {}
    wrong: dict[str | None, WrongLabels] = {}
    shortcuts: list[Shortcut] = []
    distinct = np.unique(copies.cluster)
    for question in rows.questions:
        of = "" if question.name is None else f" of {question.name}"
        found = np.unique(question.labels[question.labels >= 0])
        if len(found) < 2:
            why = _say_why_one(question, found)
            skipped |= {f"{what}{of}": why for what in ("wrong labels", "shortcuts", "columns")}
            continue
        validated = cross_validate(
            rows.texts, question.labels, copies.cluster, seed=seed, progress=partial(progress, f"judging labels{of}")
        )
        known = None if isinstance(validated, Sentence) else validated
        if isinstance(validated, Sentence):
            skipped[f"wrong labels{of}"] = validated
        else:
            wrong[question.name] = find_wrong_labels(validated)
        progress(f"looking for shortcuts{of}", 0, None)
        shortcuts += find_shortcuts(rows.texts, question.labels, question.answers, distinct, seed=seed, validated=known)
    shortcuts.sort(key=lambda shortcut: -shortcut.surprise)
    progress("reading the texts", 0, None)
    written = np.bincount(writings(rows.texts), minlength=len(WRITINGS)).tolist()
    return Audit(
        rows,
        copies,
        alike(counts, {}),
        _find_tiny(rows, copies),
        wrong,
        shortcuts[:MOST_SHOWN],
        _measure_columns(rows),
        _measure_lengths(rows),
        {name: count for name, count in zip(WRITINGS, written, strict=True) if count},
        find_odd(rows.texts),
        skipped,
    )


def _ignore(what: str, done: int, total: int | None) -> None:
    """Draw nothing."""


def _reasons(rows: AuditRows) -> list[str]:
    return list(dict.fromkeys(reason for faults in rows.left_out for reason in faults))


def _count_rows(rows: AuditRows) -> dict[str, int]:
    """Count the rows of each label, the most frequent first."""
    counts = {name: int(rows.having(name).sum()) for name in rows.names}
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))


def _say_why_one(question: Question, found: Ints) -> Sentence:
    """Say why nothing can be told of labels: all rows have the same."""
    if not len(found):
        return Sentence("no labels")
    if question.name is None:
        return Sentence("all rows have the label {label!r}", label=question.answers[found[0]])
    return Sentence("all rows have it") if found[0] else Sentence("no row has it")


def _find_tiny(rows: AuditRows, copies: Copies) -> dict[str, int]:
    """Count the different texts of labels that have few."""
    counts = {name: len(np.unique(copies.first[rows.having(name)])) for name in rows.names}
    return {name: count for name, count in counts.items() if count < FEW}


def _measure_columns(rows: AuditRows) -> list[Leak]:
    """Measure what stands beside the text, and what is plain to see of the text itself; what tells most comes first.

    Of several labels a text, a column is measured by the label of which it tells most.
    """
    leaks: list[Leak] = []
    for column in (*rows.columns, *_make_columns(rows)):
        found = [(measure_column(column, question.labels), question.name) for question in rows.questions]
        own = [replace(leak, label=label) for leak, label in found if leak and leak.entropy > 0]
        leaks += sorted(own, key=lambda leak: -leak.entropy)[:1]
    return sorted(leaks, key=lambda leak: -leak.entropy)


def _make_columns(rows: AuditRows) -> Iterator[Column]:
    facts: Mapping[str, Sequence[str]] = {
        "(length of the text)": [str(len(text)) for text in rows.texts],
        "(first character)": [text[:1] for text in rows.texts],
        "(last character)": [text[-1:] for text in rows.texts],
        "(file)": rows.files,
    }
    for name, cells in facts.items():
        yield Column.of(name, cells)


def _measure_lengths(rows: AuditRows) -> dict[str, dict[str, int]]:
    of_all = lengths(rows.texts)
    of_labels = {name: of_all[rows.having(name)] for name in rows.names}
    return {"all": quantiles(of_all)} | {f"label {name}": quantiles(own) for name, own in of_labels.items()}
