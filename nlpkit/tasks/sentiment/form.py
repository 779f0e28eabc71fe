"""How scores are written."""

from __future__ import annotations

import click

from nlpkit.commands.answers import Form, Look
from nlpkit.commands.screen import to_one_line
from nlpkit.tasks.sentiment.model import Score, SentimentModel
from nlpkit.text.row import Row

_COLOURS = ("red", "green", "yellow", "cyan", "magenta")


class ScoreForm(Form):
    """A label, how sure we are, and a reason where there is none."""

    fields = Score._fields
    columns = ("label", "probability", "reason")
    done = "scored"

    def __init__(self, model: SentimentModel, look: Look) -> None:
        super().__init__(model, look)
        self._colours = dict(zip(model.labels, _COLOURS, strict=False)) if look.color else {}
        self._label_width = max(8, *map(len, model.labels))

    def cells(self, answer: Score) -> tuple[object, ...]:
        """Return label, probability and reason."""
        return answer.label, answer.probability, answer.reason

    def line(self, row: Row, answer: Score) -> str:
        """Return label, probability, and as much of the text as fits."""
        label = to_one_line(answer.label or "-").ljust(self._label_width)
        sure = "     -" if answer.probability is None else f"{answer.probability:6.3f}"
        text = to_one_line(row.text)
        if answer.reason:
            text = f"({to_one_line(answer.reason)})  {text}"  # first, lest a narrow terminal cut it off
        colour = self._colours.get(answer.label or "")
        text = self.look.cut(text, self._label_width + 9)
        return f"{click.style(label, fg=colour) if colour else label} {sure}  {text}\n"
