"""Opinions of many rows, summed up by what they are on: like targets are one."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from nlpkit.commands import Look, Writer, make_table, to_one_line
from nlpkit.text import Normaliser, Row, open_text

from nlpkit_aspects.opinions import POLARITIES, Opinions, Polarity

NONE = "(none)"  # what opinions are on that do not say it
COLUMNS = ("target", "opinions", *POLARITIES, "also")
SHORTEST = 2  # characters of a word by which targets that end in it are joined
MOST_NAMED = 5  # spellings of a target
BAR, WIDTH = 20, 120  # columns


def read_targets(path: Path | None = None) -> dict[str, str]:
    """Read which words mean one thing: a line each thing, its name first; return the name of each word.

    :param path: None: the table that comes with the plugin.
    :raises DataError: if the file cannot be read.
    """
    if path is None:
        text = (files("nlpkit_aspects") / "targets.txt").read_text("utf-8")
    else:
        with open_text(path) as decoded:
            text = "".join(decoded.lines())
    lines = (line.split() for line in text.split("\n") if not line.startswith("#"))
    return {word: line[0] for line in lines for word in line}


def join_targets(counts: Mapping[str, int], names: Mapping[str, str]) -> dict[str, str]:
    """Return what each target is counted as.

    A target is what the table says, or else what the table says of the longest word in it that ends last, as what a
    Chinese noun is stands at its end: 手机电池 is 电池. One that the table has no word of is what it ends in, if
    that is a more frequent target.

    :param counts: how often each target was found.
    """
    joined: dict[str, str] = {}
    for target in sorted(counts, key=lambda one: (len(one), one)):
        named = names.get(target) or _find_named(target, names)
        if named is None:
            endings = (target[at:] for at in range(1, len(target) - SHORTEST + 1))
            ending = next((one for one in endings if counts.get(one, 0) > counts[target]), None)
            named = target if ending is None else joined[ending]
        joined[target] = named
    return joined


def _find_named(target: str, names: Mapping[str, str]) -> str | None:
    """Return the name of the word in a target that ends last, and of such the longest."""
    for end in range(len(target), SHORTEST - 1, -1):
        for begin in range(end - SHORTEST + 1):
            if target[begin:end] in names:
                return names[target[begin:end]]
    return None


class Sums:
    """Counts opinions by target and polarity.

    :param names: what words of targets are counted as: see `read_targets`.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names, self._normalise = names, Normaliser()
        self._counts: dict[str, Counter[Polarity]] = {}

    def add(self, rows: Sequence[Row], answers: Iterable[Opinions]) -> None:
        """Count the opinions of some rows."""
        for row, answer in zip(rows, answers, strict=True):
            for one in answer.opinions:
                target = "" if one.target is None else "".join(self._normalise(row.text[slice(*one.target)]).split())
                self._counts.setdefault(target, Counter())[one.polarity] += 1

    def groups(self) -> list[tuple[str, Counter[Polarity], list[str]]]:
        """Return name, counts and other spellings of each target, the most frequent first, that of none last."""
        totals = {target: counts.total() for target, counts in self._counts.items() if target}
        joined = join_targets(totals, self._names)
        groups: dict[str, Counter[Polarity]] = {}
        spellings: dict[str, list[str]] = {}
        for target in sorted(totals, key=lambda one: (-totals[one], one)):
            groups.setdefault(joined[target], Counter()).update(self._counts[target])
            spellings.setdefault(joined[target], []).append(target)
        others = {name: [target for target in spelt if target != name] for name, spelt in spellings.items()}
        found = [(name, counts, others[name]) for name, counts in groups.items()]
        found.sort(key=lambda group: (-group[1].total(), group[0]))
        return [*found, (NONE, self._counts[""], [])] if "" in self._counts else found


class SumWriter(Writer):
    """Writes what all rows think of what, when they have come to their end."""

    apart = False  # all that comes counts, before anything is written

    def __init__(self, kind: str, look: Look, targets: Path | None) -> None:
        self._kind, self._look, self._sums = kind, look, Sums(read_targets(targets))

    def lines(self, source: Any, first: int, rows: Sequence[Row], answers: Sequence[Any]) -> bytes:  # noqa: ARG002
        """Count; nothing is written before `end`."""
        self._sums.add(rows, answers)
        return b""

    def end(self) -> bytes:
        """Return a table with bars, CSV, or lines of JSON."""
        groups = self._sums.groups()
        write = {"table": self._draw, "jsonl": _write_objects}.get(self._kind, self._write_table)
        return write(groups).encode("utf-8", "replace")

    def _write_table(self, groups: Iterable[tuple[str, Counter[Polarity], list[str]]]) -> str:
        text = io.StringIO()
        out = csv.writer(text, delimiter="\t" if self._kind == "tsv" else ",", lineterminator="\n")
        out.writerow(COLUMNS)
        for name, counts, spellings in groups:
            out.writerow([name, counts.total(), *(counts[one] for one in POLARITIES), " ".join(spellings)])
        return text.getvalue()

    def _draw(self, groups: Iterable[tuple[str, Counter[Polarity], list[str]]]) -> str:
        from rich.console import Console

        table = make_table("target", ">opinions", "mostly", "", "also")
        for name, counts, spellings in groups:
            best = max(POLARITIES, key=lambda one: counts[one])
            others = spellings[:MOST_NAMED]
            share = f"{counts[best] / counts.total():.0%} {best}"
            cells = [to_one_line(name), f"{counts.total():,}", share, self._bar(counts), to_one_line(" ".join(others))]
            table.add_row(*cells)
        console = Console(
            file=io.StringIO(),
            width=self._look.width or WIDTH,
            force_terminal=True,
            color_system="standard" if self._look.color else None,
        )
        with console.capture() as drawn:
            console.print(table)
        return drawn.get()

    def _bar(self, counts: Counter[Polarity]) -> Any:
        from rich.text import Text

        from nlpkit_aspects.form import COLOURS, MARKS

        bar, total = Text(), counts.total()
        for one in POLARITIES:
            bar.append(MARKS[one] * round(BAR * counts[one] / total), style=COLOURS[one] if self._look.color else "")
        return bar


def _write_objects(groups: Iterable[tuple[str, Counter[Polarity], list[str]]]) -> str:
    rows = (
        {"target": name, "opinions": counts.total(), **{one: counts[one] for one in POLARITIES}, "also": spellings}
        for name, counts, spellings in groups
    )
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
