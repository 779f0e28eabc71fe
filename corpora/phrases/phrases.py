"""Writes labelled phrases by a grammar: what 不, 没有, 没有想象中, 除了 or 要不是 do to good words and to bad ones.

And what says neither: questions, requests, facts. The grammar is text: `templates/`, `domains/` and `words.txt`; the
README tells how it is read. Rows are drawn by a seed. One template and one word in five are kept from ``--part train``;
``--part validation`` is made of these. Texts that the repository measures or shows anything by (samples, READMEs,
documentation, tests) are never written. With ``--open``, words come from jieba's dictionary by their tags, thousands of
them, and rows have no label: a model that knows better may give one.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from grammar import NEW_WORDS, DeadEndError, Draw, Grammar
from words import Words, read_dictionary

from nlpkit.text.normalisation import Normaliser
from nlpkit.text.split import letters

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LABELS = {"-": "negative", "0": "neutral", "+": "positive"}
POOLS = {"all": ("all",), "train": ("train",), "validation": ("template", "words", "both")}
FAILURES = 2000  # draws in a row that give nothing new, before it is said that there is no more
KEPT_APART = (
    "corpora/samples/*",
    "*.md",
    "docs/**/*.md",
    "plugins/**/*.md",
    "nlpkit/models/**/*.md",
    "nlpkit/models/*/samples.json",
    "tests/**/*.py",
    "benchmarks/*.py",
)
OWN = (HERE, ROOT / "tests" / "corpora" / "test_phrases.py")  # but for what is here
RUN = re.compile(r"[^\s\"'`|,<>(){}\[\]\\]+")
CLAUSE_END = re.compile(r"[，。！？!?,；;:：…~～ ]+")
STUTTER = re.compile(r"(不|没|很|了|的|会|再|都|也|还)\1|还还|有没有有")
SHORTEST = 4  # letters of a clause that is compared with the texts kept apart


@dataclass(frozen=True)
class Row:
    """A phrase and how it came about; ``held`` says what of it training does not see."""

    label: str
    text: str
    kind: str
    template: str
    held: str


def rows(
    count: int, *, seed: int = 0, part: str = "all", kind: str = "", dictionary: Mapping[str, Words] | None = None
) -> list[Row]:
    """Draw rows that differ in letters, as many of each label, in random order.

    :param part: ``all``, ``train`` or ``validation``: which templates and words are used.
    :param kind: only rows of one kind; then labels are as the kind has them.
    :param dictionary: words by field, to fill slots with, see `words.read_dictionary`; then rows have no label.
    :raises ValueError: if there is no such kind, or the grammar has no more rows.
    """
    grammar, apart, chance = load(), texts_apart(), random.Random(seed)
    if kind and not (kind in grammar.sections and grammar.sections[kind].kind):
        there = ", ".join(name for name, section in grammar.sections.items() if section.kind)
        raise ValueError(f"there is no kind {kind!r}; there is: {there}")
    signs = [sign for sign in LABELS if not kind or any(t.serves(sign) for t in grammar.sections[kind].templates)]
    wanted = {sign: count // len(signs) + (place < count % len(signs)) for place, sign in enumerate(signs)}
    found = {sign: dict[str, Row]() for sign in signs}
    taken: dict[str, str] = {}
    for sign in signs:
        failures = 0
        while len(found[sign]) < wanted[sign]:
            pool = POOLS[part][len(found[sign]) % len(POOLS[part])]
            row = _draw(grammar, chance, sign, pool, kind, dictionary or {})
            key = letters(row.text) if row else ""
            if row is None or not key or key in taken or _stands_apart(row.text, key, apart):
                failures += 1
                if failures > FAILURES:
                    raise ValueError(f"the grammar has no more than {len(found[sign])} rows of this; ask for fewer")
                continue
            failures, taken[key] = 0, sign
            found[sign][key] = row
    mixed = [row for each in found.values() for row in each.values()]
    chance.shuffle(mixed)
    return _rescript(mixed, chance)


@cache
def load() -> Grammar:
    """Read the grammar of this folder, once."""
    return Grammar(HERE)


def _draw(
    grammar: Grammar, chance: random.Random, sign: str, pool: str, kind: str, dictionary: Mapping[str, Words]
) -> Row | None:
    """Draw a row; None if that led nowhere, or to a row without what it is drawn for."""
    kinds, weights = grammar.kinds(sign, pool)
    if kind:
        kinds, weights = [each for each in kinds if each[0].name == kind], [1]
    if not kinds:
        return None
    section, cores = chance.choices(kinds, cum_weights=weights)[0]
    core = chance.choice(cores)
    side = chance.choice("+-") if sign == "0" else sign
    homes = grammar.homes(core, side, pool)
    if not homes:
        return None
    draw = Draw(grammar, chance, chance.choice(homes), pool=pool, dictionary=dictionary)
    try:
        text = draw.row(section, core, sign, side)
    except DeadEndError:
        return None
    if STUTTER.search(text) or (pool in NEW_WORDS and not draw.fresh) or (dictionary and not draw.opened):
        return None
    held = pool if pool in POOLS["validation"] else ""
    return Row("" if dictionary else LABELS[sign], _punctuate(text, sign, chance), section.name, core.text, held)


def _punctuate(text: str, sign: str, chance: random.Random) -> str:
    """Give a text an end and commas as people write them."""
    text = re.sub(r"([，。！？：])[，。！]+", r"\1", text).strip("，")
    if sign == "0" and text.endswith("？") and chance.random() < 0.4:
        text = text[:-1]
    if text[-1] not in "？?！!。":
        ends = ("", "", "。", "。", "！", "～", "...", "！！", "。。") if sign != "0" else ("", "", "", "。", "。")
        text += chance.choice(ends)
    if (drawn := chance.random()) < 0.14:
        text = text.replace("，", " " if drawn < 0.08 else ",")
    if sign != "0" and chance.random() < 0.04:
        faces = load().words["good_face" if sign == "+" else "bad_face"]
        text += chance.choice(faces.all if isinstance(faces, Words) else ())
    return text


def _rescript(drawn: Sequence[Row], chance: random.Random) -> list[Row]:
    """Write one row in thirty in traditional characters, and one in a hundred with spaces between them."""
    # what only a small share needs, and no test of the grammar
    import opencc

    convert, written = opencc.OpenCC("s2t").convert, []
    for row in drawn:
        place = chance.randrange(300)
        text = convert(row.text) if place < 10 else " ".join(row.text) if place < 13 else row.text
        written.append(Row(row.label, text, row.kind, row.template, row.held))
    return written


def _stands_apart(text: str, key: str, apart: frozenset[str]) -> bool:
    """Tell whether a text, or a clause of it, is one that is kept apart."""
    if key in apart or _digest(key) in apart:
        return True
    clauses = (letters(clause) for clause in CLAUSE_END.split(text))
    return any(len(clause) >= SHORTEST and (clause in apart or _digest(clause) in apart) for clause in clauses)


def _digest(key: str) -> str:
    return hashlib.sha1(key.encode()).hexdigest()[:16]


@cache
def texts_apart() -> frozenset[str]:
    """Return the letters of every text, in simplified characters, that the repository measures or shows anything by.

    And what `apart.txt` holds: the first 16 digits of the SHA-1 of letters of texts that stand elsewhere.
    """
    paths = sorted({path for pattern in KEPT_APART for path in ROOT.glob(pattern) if path.is_file()})
    found: set[str] = set()
    for path in paths:
        if not any(path.is_relative_to(own) for own in OWN):
            found.update(_texts(path))
    simplified = Normaliser().batch(sorted(found))
    hashes = (HERE / "apart.txt").read_text(encoding="utf-8").split()
    return frozenset({letters(text) for text in simplified} | set(hashes))


def _texts(path: Path) -> Iterator[str]:
    """Yield whatever may be a text in a file: cells, lines, and what stands between quotes, bars and spaces."""
    content = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".csv":
        yield from (cell.replace("\n", " ") for line in csv.reader(content.splitlines()) for cell in line)
    for line in content.splitlines():
        if any("\u4e00" <= character <= "\u9fff" for character in line):
            yield line
            yield from RUN.findall(line)


def main(argv: Sequence[str] | None = None) -> None:
    """Write rows as CSV, and what they are to standard error."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", choices=sorted(POOLS), default="all", help="which templates and words: all of them")
    parser.add_argument("--kind", default="", help="only rows of this kind")
    parser.add_argument("--open", action="store_true", help="words of jieba's dictionary, and no labels")
    args = parser.parse_args(argv)
    try:
        drawn = rows(
            args.rows,
            seed=args.seed,
            part=args.part,
            kind=args.kind,
            dictionary=read_dictionary() if args.open else None,
        )
    except ValueError as error:
        sys.exit(f"phrases: {error}")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["label", "text", "kind", "template", "held"])
    writer.writerows([row.label, row.text, row.kind, row.template, row.held] for row in drawn)
    counts = ", ".join(
        f"{count:,} {label or 'without a label'}"
        for label, count in sorted(Counter(row.label for row in drawn).items())
    )
    print(f"{len(drawn):,} rows of {len({row.template for row in drawn})} templates: {counts}", file=sys.stderr)


if __name__ == "__main__":
    main()
