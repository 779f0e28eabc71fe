"""How opinions are written: row by row, or summed up by what they are on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import click
from nlpkit import SettingError
from nlpkit.commands import Form, Writer, to_one_line
from nlpkit.text import Row

from nlpkit_aspects.opinions import Opinion, Opinions

COLOURS = {"negative": "red", "neutral": "yellow", "positive": "green"}
SUMMED = ("jsonl", "csv", "tsv", "table")  # formats of sums
MARKS = {"negative": "-", "neutral": "=", "positive": "+"}


class OpinionForm(Form):
    """The opinions of a text: in a table of delimited cells a line each, in JSON all of a row together."""

    fields = Opinions._fields
    columns = ("target", "opinion", "label", "probability", "target_begin", "opinion_begin", "reason")
    several_lines: ClassVar[bool] = True

    def values(self, answer: Opinions) -> Sequence[Any]:
        """Return all opinions, and the reason."""
        return [opinion.to_json() for opinion in answer.opinions], answer.reason

    def lines(self, row: Row, answer: Opinions) -> Sequence[Sequence[Any]]:
        """Return a line an opinion, or one that says why there is none."""
        if not answer.opinions:
            return [[None] * 6 + [answer.reason]]
        return [_cells_of(row.text, opinion) for opinion in answer.opinions]

    def line(self, row: Row, answer: Opinions) -> str:
        """Return the text, its opinions in colours, and below it a line an opinion, or why there is none."""
        if not answer.opinions:
            return f"{to_one_line(row.text)}\n  ({to_one_line(answer.reason or '')})\n\n"
        lines = [self._draw(row.text, opinion) for opinion in answer.opinions]
        return "\n".join([self._colour(row.text, answer.opinions), *lines, "", ""])

    def writer(self, kind: str) -> Writer | None:
        """Return what sums opinions up, if that is asked for.

        :raises SettingError: for a format that sums are not written in.
        """
        if self.options.get("by") is None:
            return None
        if kind not in SUMMED:
            raise SettingError("sums are written as {kinds}, not as {kind}", kinds=", ".join(SUMMED), kind=kind)
        from nlpkit_aspects.sums import SumWriter  # rich, which only a table needs

        return SumWriter(kind, self.look, self.options.get("targets"))

    def _draw(self, text: str, opinion: Opinion) -> str:
        target = "(none)" if opinion.target is None else to_one_line(text[slice(*opinion.target)])
        words = to_one_line(text[slice(*opinion.opinion)])
        told = f"{opinion.polarity} {opinion.probability:.0%}" if opinion.probability is not None else opinion.polarity
        told = click.style(told, fg=COLOURS[opinion.polarity]) if self.look.color else told
        return f"  {MARKS[opinion.polarity]} {target}: {words}  {told}"

    def _colour(self, text: str, opinions: Sequence[Opinion]) -> str:
        """Return a text with the words of opinions in the colours of their polarity, and targets underlined."""
        if not self.look.color:
            return to_one_line(text)
        styles: list[dict[str, Any]] = [{} for _ in text]
        for one in opinions:
            for at in range(*one.opinion):
                styles[at]["fg"] = COLOURS[one.polarity]
            for at in range(*(one.target or (0, 0))):
                styles[at]["underline"] = True
        shown = zip(text, styles, strict=True)
        return "".join(click.style(_one_character(c), **style) if style else _one_character(c) for c, style in shown)


def _one_character(character: str) -> str:
    return to_one_line(character) or " "


def _cells_of(text: str, opinion: Opinion) -> list[Any]:
    target = opinion.target
    return [
        text[slice(*target)] if target else None,
        text[slice(*opinion.opinion)],
        opinion.polarity,
        opinion.probability,
        target[0] if target else None,
        opinion.opinion[0],
        None,
    ]
