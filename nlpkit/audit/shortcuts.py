"""What gives a label away: strings that stand in texts of one label alone, and columns that tell it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nlpkit.audit.rows import Column
from nlpkit.audit.wrong_labels import CrossValidation
from nlpkit.text.characters import Characters

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
ORDER = 3  # characters of the longest n-gram that is counted; 21 bits each fill a number
MOST_COUNTED = 200_000  # texts, drawn by the seed
LONGEST = 1000  # characters of a text that are counted
FEWEST, FEWEST_SHARE = 10, 0.001  # texts with a string, and share of the texts
SURE = 0.9  # the least share of a label among the texts with a string, at 97.5% confidence
ODDS = 4.0  # times that a string must raise the odds of the label
CANDIDATES = 100  # n-grams that are looked at closely
MOST_SHOWN = 20
TOGETHER = 0.95  # share of the places of a string at which the same character goes on
LONGEST_STRING = 30
SAME_TEXTS = 0.8  # share of the texts with a string that hold another, which then says the same
AT_EDGE = 0.9  # share of the texts with a string that begin or end with it
NORMAL = 1.96  # standard deviations: 97.5% lie below
RANGES = 32  # into which numbers are sorted
PRIOR = 1.0  # row's worth of the labels' shares that is added to each value's


@dataclass(frozen=True)
class Shortcut:
    """A string that nearly gives a label away.

    :param rows: texts that hold it, copies counted once; ``of_label`` of them have the label.
    :param bound: share of the label among such texts, at least, with 97.5% confidence.
    :param expected: texts among them that would have another label by all else that stands in them; None: not known.
    :param where: ``anywhere``, or at the ``beginning`` or the ``end`` of nearly all of these texts.
    :param first: the first row that holds it.
    """

    string: str
    label: str
    rows: int
    of_label: int
    bound: float
    expected: float | None
    where: str
    first: int

    @property
    def surprise(self) -> float:
        """How many times more texts were to have another label than do, at least."""
        exceptions = (np.sqrt(self.rows - self.of_label + 1) + NORMAL / 2) ** 2  # at most (Anscombe 1948)
        return float((self.expected or 0) / exceptions)


def find_shortcuts(
    texts: Sequence[str],
    labels: Ints,
    names: Sequence[str],
    distinct: Ints,
    *,
    seed: int,
    validated: CrossValidation | None = None,
) -> list[Shortcut]:
    """Find strings that nearly give a label away, those first of which the rest of their texts does it least.

    How sure a string is of its label is not what was counted but at least so, by the lower end of Wilson's interval
    (1927): three texts of three tell little, three hundred of three hundred much. Words that carry the matter are sure
    of it, too; but so are the other words of their texts. So of each string it is counted how many of its texts would
    have another label by what else they hold, and compared with how many do. N-grams that stand in the same places are
    one string, and of strings in the same texts the first says it.

    :param labels: position in ``names`` of each row's label ``(rows,)``; -1: none.
    :param names: empty for a label of which it does not matter what gives it away: that another one is not there.
    :param distinct: rows of which none is a copy of another.
    :param validated: tells what else texts hold; without it the surest strings come first.
    """
    chosen = distinct[np.isin(distinct, np.flatnonzero(labels >= 0) if validated is None else validated.rows)]
    if len(chosen) > MOST_COUNTED:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, MOST_COUNTED, replace=False))
    classes, targets = np.unique(labels[chosen], return_inverse=True)
    if len(classes) < 2:
        return []
    cut = [texts[row][:LONGEST] for row in chosen.tolist()]
    shares, wanted = np.bincount(targets) / len(targets), np.array([bool(names[at]) for at in classes.tolist()])
    candidates = [found for order in range(1, ORDER + 1) for found in _candidates(cut, targets, shares, wanted, order)]
    candidates.sort(key=lambda candidate: (-candidate[0], candidate[1]))
    strings = []
    for _, ngram, holders in candidates[:CANDIDATES]:
        string = _extend(ngram, [cut[at] for at in holders.tolist()])
        holders = np.array([at for at in holders.tolist() if string in cut[at]], dtype=np.int64)
        counts = np.bincount(targets[holders], minlength=len(classes))
        label, rows = int(np.argmax(_odds(counts, shares) * wanted)), chosen[holders]
        expected = None if validated is None else _expect(string, rows, texts, int(classes[label]), validated)
        shortcut = Shortcut(
            string,
            names[classes[label]],
            len(rows),
            int(counts[label]),
            float(wilson_bound(counts[label], counts.sum())),
            expected,
            _where(string, [cut[at] for at in holders.tolist()]),
            int(rows[0]),
        )
        strings.append((shortcut, set(rows.tolist())))
    strings.sort(key=lambda pair: -pair[0].surprise)  # stable
    return _drop_same(strings)[:MOST_SHOWN]


def _expect(string: str, rows: Ints, texts: Sequence[str], label: int, validated: CrossValidation) -> float:
    """Return how many of some rows would have another label, were the string not in their texts."""
    rest = [texts[row].replace(string, " ") for row in rows.tolist()]
    at = int(np.searchsorted(validated.classes, label))
    return float((1 - validated.answer(rows, rest)[:, at]).sum())


def _drop_same(strings: Sequence[tuple[Shortcut, set[int]]]) -> list[Shortcut]:
    """Keep the first of strings that stand in nearly the same texts."""
    chosen: list[tuple[Shortcut, set[int]]] = []
    for shortcut, own in strings:
        if not any(len(own & rows) >= SAME_TEXTS * min(len(own), len(rows)) for _, rows in chosen):
            chosen.append((shortcut, own))
    return [shortcut for shortcut, _ in chosen]


def wilson_bound(count: NDArray[np.integer] | int, total: NDArray[np.integer] | int) -> Floats:
    """Return the lower end of Wilson's interval for a share, at 97.5% confidence."""
    share, squared = count / np.maximum(total, 1), NORMAL**2
    spread = NORMAL * np.sqrt(share * (1 - share) * total + squared / 4)
    return np.asarray((count + squared / 2 - spread) / (total + squared))


def _odds(counts: Ints, shares: Floats) -> Floats:
    """Return how many times the odds of each label are raised at least ``(..., labels)``."""
    bound = wilson_bound(counts, counts.sum(-1, keepdims=True)).clip(1e-9, 1 - 1e-9)
    return np.asarray(bound / (1 - bound) * (1 - shares) / shares)


def _candidates(
    texts: Sequence[str], targets: Ints, shares: Floats, wanted: NDArray[np.bool_], order: int
) -> Iterator[tuple[float, str, Ints]]:
    """Yield the n-grams that nearly give a wanted label away: the odds, the n-gram and the texts that hold it."""
    runs, rows = _runs(texts, order)
    by_run = np.argsort(runs, kind="stable")
    runs, rows = runs[by_run], rows[by_run]
    new = np.ones(len(runs), dtype=np.bool_)
    new[1:] = (runs[1:] != runs[:-1]) | (rows[1:] != rows[:-1])  # each text once
    runs, rows = runs[new], rows[new]
    begins = np.flatnonzero(np.append(True, runs[1:] != runs[:-1])) if len(runs) else np.zeros(0, dtype=np.int64)
    ends = np.append(begins[1:], len(runs))
    often = np.flatnonzero(ends - begins >= max(FEWEST, FEWEST_SHARE * len(texts)))
    if not len(often):
        return
    owner = np.repeat(np.arange(len(often)), (ends - begins)[often])
    inside = np.concatenate([np.arange(begins[at], ends[at]) for at in often.tolist()])
    labels = len(shares)
    counts = np.bincount(owner * labels + targets[rows[inside]], minlength=len(often) * labels).reshape(-1, labels)
    odds = _odds(counts, shares)
    bounds = wilson_bound(counts, counts.sum(-1, keepdims=True))
    best = np.where((bounds >= SURE) & wanted, odds, 0).max(1)
    for at in np.argsort(-best, kind="stable")[:CANDIDATES].tolist():
        if best[at] >= ODDS:
            begin, end = begins[often[at]], ends[often[at]]
            yield float(best[at]), _spell(int(runs[begin]), order), rows[begin:end]


def _runs(texts: Sequence[str], order: int) -> tuple[NDArray[np.uint64], Ints]:
    """Return all n-grams of an order as numbers ``(total,)``, and the text of each."""
    characters = Characters.of(texts)
    codes = characters.codes.astype(np.uint64)
    rows = np.repeat(np.arange(len(texts)), characters.lengths)
    size = max(len(codes) - order + 1, 0)
    runs = np.zeros(size, dtype=np.uint64)
    for at in range(order):
        runs = (runs << np.uint64(21)) | codes[at : at + size]
    whole = characters.ends[rows[:size]] - np.arange(size) >= order
    return runs[whole], rows[:size][whole]


def _spell(run: int, order: int) -> str:
    return "".join(chr((run >> (21 * at)) & 0x1FFFFF) for at in reversed(range(order)))


def _extend(string: str, texts: Sequence[str]) -> str:
    """Add what nearly always stands before and behind a string, where it stands first in texts."""
    places = [(text, text.index(string)) for text in texts]
    before, behind = 0, len(string)
    while behind + before < LONGEST_STRING:
        nexts = Counter(text[at + behind : at + behind + 1] for text, at in places)
        character, count = nexts.most_common(1)[0]
        if not character or count < TOGETHER * len(places):
            break
        behind += 1
        string += character
    while behind + before < LONGEST_STRING:
        previous = Counter(text[at - before - 1] if at > before else "" for text, at in places)
        character, count = previous.most_common(1)[0]
        if not character or count < TOGETHER * len(places):
            break
        before += 1
        string = character + string
    return string


def _where(string: str, texts: Sequence[str]) -> str:
    if sum(text.endswith(string) for text in texts) >= AT_EDGE * len(texts):
        return "end"
    return "beginning" if sum(text.startswith(string) for text in texts) >= AT_EDGE * len(texts) else "anywhere"


@dataclass(frozen=True)
class Leak:
    """How much a column tells of the label.

    :param values: different ones, or ranges of numbers.
    :param rows: that have a value and a label.
    :param entropy: share of the label's entropy that the column takes away in rows that were left out of the counts:
        0 tells nothing, 1 all.
    :param accuracy: share of the rows that it answers rightly, from the others.
    :param majority: the same of one who always says the most frequent label.
    :param label: of which it tells whether a text has it, where a text may have several; None: which label a text has.
    """

    name: str
    values: int
    rows: int
    entropy: float
    accuracy: float
    majority: float
    label: str | None = None


def measure_column(column: Column, labels: Ints) -> Leak | None:
    """Measure what a column tells of the label; None where there is nothing to tell.

    Each row is answered by the other rows with its value alone. So a column of numbers that all differ, which mutual
    information would take for perfect, tells nothing; unless those near each other have the same label, so that numbers
    are sorted into ranges.

    :param labels: position of each row's label ``(rows,)``; -1: none.
    """
    chosen = np.flatnonzero((labels >= 0) & (column.codes >= 0))
    classes, targets = np.unique(labels[chosen], return_inverse=True)
    if len(classes) < 2:
        return None
    values, codes = np.unique(_sort_into_ranges(column, chosen), return_inverse=True)
    shares = np.bincount(targets) / len(targets)
    if len(values) < 2 or len(values) > len(chosen) / 2:
        return Leak(column.name, len(values), len(chosen), 0.0, float(shares.max()), float(shares.max()))
    labels_of = np.bincount(codes * len(classes) + targets, minlength=len(values) * len(classes))
    counts = labels_of.reshape(len(values), len(classes))[codes].astype(np.float64)  # (rows, labels)
    counts[np.arange(len(targets)), targets] -= 1  # not by itself
    probabilities = (counts + PRIOR * shares) / (counts.sum(1, keepdims=True) + PRIOR)
    loss = -np.log(probabilities[np.arange(len(targets)), targets]).mean()
    entropy = -(shares * np.log(shares)).sum()
    accuracy = float((probabilities.argmax(1) == targets).mean())
    told = max(0.0, float(1 - loss / entropy))
    return Leak(column.name, len(values), len(chosen), told, accuracy, float(shares.max()))


def _sort_into_ranges(column: Column, chosen: Ints) -> Ints:
    """Return a code for each chosen row; numbers that are many are sorted into ranges of about equally many rows."""
    codes = column.codes[chosen]
    if len(np.unique(codes)) <= RANGES:
        return codes
    try:
        numbers = np.array([float(value) for value in column.values])[codes]
    except ValueError:
        return codes
    edges = np.unique(np.nanquantile(numbers, np.linspace(0, 1, RANGES + 1)[1:-1]))
    return np.searchsorted(edges, numbers, side="right")
