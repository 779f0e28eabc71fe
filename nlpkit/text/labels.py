"""Labels as they stand in files: which say that there is none, which look alike, which can be none at all."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from nlpkit.errors import DataError, Sentence

# What pandas takes for missing, whatever its case: https://pandas.pydata.org/docs/reference/api/pandas.read_csv.html
MISSING = frozenset(
    ["", "nan", "-nan", "null", "none", "na", "n/a", "#na", "#n/a", "#n/a n/a", "<na>", "1.#ind", "-1.#ind", "1.#qnan"]
)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
MINUS = str.maketrans("−‐‑–—", "-----")  # that NFKC leaves alone
QUOTES = "'\"`´‘’“”「」『』"
OPEN, CLOSE = "([{<（【《〈［｛＜", ")]}>）】》〉］｝＞"
STRUCTURE = re.compile(r"""[\[(].*['",].*[\])]|\[[\s\d.]*\]|\{.*\}|</?\w.*>""", re.DOTALL)  # a list, an object, a tag
TRUTH = {"true": "1", "false": "0"}
PARTS = re.compile(r"[,|;#]")  # between several labels of one row
DIGITS = re.compile(r"[01](\s+[01])+")  # of each label whether the row has it
SENTENCE = re.compile(r"[。！？!?；;，、…]")
LONGEST_LABEL = 40  # characters of a label
ODD_SHARE = 0.05  # share of the rows whose label cannot be one, from which on the shape is another
MANY_LABELS, AGAIN = 20, 3  # labels, and rows that each must have where there are more of them


def is_missing(label: str, kept: Collection[str] = ()) -> bool:
    """Tell whether what stands for a label says that there is none: nothing, or ``nan``, ``null``, ``None``, ``N/A``.

    :param kept: labels that are such a word, and meant.

    >>> is_missing("NaN"), is_missing("none", {"none"}), is_missing("-")
    (True, False, False)
    """
    return label not in kept and _says_nothing(label)


@lru_cache(1024)
def _says_nothing(label: str) -> bool:
    return unicodedata.normalize("NFKC", label).strip().casefold() in MISSING


def likeness(label: str) -> str:
    """Reduce a label to what those that look like it share.

    Neither case, width, white space, underscores, quotes, traditional characters, nor the way to write a number matter;
    ``true`` is 1, and ``false`` is 0.

    >>> [likeness(label) for label in ("１", "+1", "1.0", "True", "Very Good", "very_good", "負面")]
    ['1', '1', '1', '1', 'verygood', 'verygood', '负面']
    """
    from nlpkit.text.normalisation import Normaliser  # numpy, and OpenCC: only where labels are compared

    plain = Normaliser(nfkc=True, lower=False)(label).casefold().translate(MINUS)
    plain = "".join(c for c in plain if not (c.isspace() or c == "_")).strip(QUOTES)
    return str(Decimal(plain).normalize() + 0) if NUMBER.fullmatch(plain) else TRUTH.get(plain, plain)


@dataclass(frozen=True)
class Alike:
    """Labels that look alike and are different classes.

    :param rows: of each spelling.
    :param renames: which spelling should be called what, so that they are one class.
    """

    rows: Mapping[str, int]
    renames: Mapping[str, str]


def alike(rows: Mapping[str, int], names: Mapping[str, str]) -> list[Alike]:
    """Find labels that look alike, each joined onto what the most frequent spelling is called.

    :param rows: of each label as it was read.
    :param names: what some of them are called; nothing for one that is left out.
    """
    groups: dict[str, list[str]] = {}
    for label in rows:
        for key in {likeness(label), likeness(names.get(label) or label)}:
            groups.setdefault(key, []).append(label)
    likes, renamed = [], set[str]()
    for labels in groups.values():
        onto = names.get(main := max(labels, key=lambda label: rows[label]), main)
        renames = {label: onto for label in labels if names.get(label, label) != onto and label not in renamed}
        if renames:
            renamed.update(renames)
            counts = {label: rows[label] for label in sorted({main, *renames}, key=lambda label: -rows[label])}
            likes.append(Alike(counts, renames))
    return likes


def rename_options(renames: Mapping[str, str]) -> str:
    """Write renames as ``--label 0.0=0 --label 'very good=good'``, as far as the shell can say them."""
    pairs = (f"{old}={new}" for old, new in renames.items() if "=" not in old)
    return " ".join(f"--label {shlex.quote(pair)}" for pair in pairs if pair.isprintable())


def check_guessed(
    name: str, read_as: str, labels: Sequence[tuple[int, str]], kept: Collection[str], remedy: str
) -> None:
    """Refuse labels that can be none, where nobody has said that they are: the shape is likely to be another.

    :param read_as: in which shape, or of which column.
    :param labels: of the first rows, each with its line.
    :param kept: labels of which somebody has said that they are some.
    :param remedy: what to do if they are labels.
    :raises DataError: with an example.
    """
    labels = [(line, label) for line, label in labels if label not in kept and not is_missing(label)]
    if example := _implausible(labels):
        line, label, why = example
        what = Sentence("its label would be {label!r}, {why}", label=label[:LONGEST_LABEL], why=why)
        raise DataError(
            "{name}, line {line}: read as {read_as}, {what}; {remedy}",
            name=name,
            line=line,
            read_as=read_as,
            what=what,
            remedy=remedy,
        )


def _implausible(labels: Sequence[tuple[int, str]]) -> tuple[int, str, str] | None:
    """Find a line with a label, and say why labels such as this can be none."""
    odd = [(line, label, why) for line, label in labels if (why := _oddity(label))]
    if len(odd) > ODD_SHARE * len(labels):
        line, label, why = odd[0]
        return line, label, Sentence("{why}: expected a few short labels", why=why)
    if several := _several([label for _, label in labels]):
        line, label = next((line, label) for line, label in labels if label in several)
        return line, label, Sentence("which looks like several labels: expected one in each row")
    different = len({label for _, label in labels})
    if different > MANY_LABELS and different * AGAIN > len(labels):
        return *labels[-1], Sentence(
            "one of {different} in the first {labels} rows: expected a few that come again and again",
            different=different,
            labels=len(labels),
        )
    return None


def _several(labels: Sequence[str]) -> set[str]:
    """Find labels that look like several in one, if most rows have such, or many have others' labels for parts."""
    parts = {label: _parts(label) for label in set(labels)}
    several = {label for label, pieces in parts.items() if len(pieces) > 1}
    if 2 * sum(label in several for label in labels) > len(labels):
        return several
    made_of_others = {label for label in several if all(part in parts for part in parts[label])}
    return made_of_others if sum(label in made_of_others for label in labels) > ODD_SHARE * len(labels) else set()


def _parts(label: str) -> list[str]:
    """Take a label apart: ``1,0,0``, ``price|service`` or ``1 0 0``."""
    return label.split() if DIGITS.fullmatch(label) else [part.strip() for part in PARTS.split(label) if part.strip()]


def _oddity(label: str) -> str | None:
    """Say what a label looks like that can be none."""
    if _unbalanced(label) or STRUCTURE.fullmatch(label):
        return Sentence("which looks like a part of a list or of markup (Python, JSON, XML)")
    if label and (label[0] in QUOTES or label[-1] in QUOTES):
        return Sentence("which looks like a part of a list or of a quotation")
    if SENTENCE.search(label):
        return Sentence("which looks like a part of a sentence")
    return Sentence("which has {label} characters", label=len(label)) if len(label) > LONGEST_LABEL else None


def _unbalanced(label: str) -> bool:
    """Tell whether a bracket opens that never closes, or closes that never opened; ``:)`` is a label nevertheless."""
    return any(map(str.isalnum, label)) and any(
        label.count(a) != label.count(b) for a, b in zip(OPEN, CLOSE, strict=True)
    )
