"""How scores are written."""

from __future__ import annotations

import click

from nlpkit.commands.answers import Form, Look
from nlpkit.commands.screen import to_one_line
from nlpkit.tasks.sentiment.model import Score, SentimentModel
from nlpkit.text.row import Row

UNLIKE = "unlike the training text"
_COLOURS = ("red", "green", "yellow", "cyan", "magenta")


class ScoreForm(Form):
    """A label, how sure we are, a reason where there is none, and a warning where it may mean little."""

    fields = Score._fields
    columns = ("label", "probability", "reason", "warning")
    done = "scored"

    def __init__(self, model: SentimentModel, look: Look) -> None:
        super().__init__(model, look)
        self._colours = dict(zip(model.labels, _COLOURS, strict=False)) if look.color else {}
        self._label_width = max(8, *map(len, model.labels))

    def cells(self, answer: Score) -> tuple[object, ...]:
        """Return label, probability, reason and warning."""
        return answer.label, answer.probability, answer.reason, answer.warning

    def line(self, row: Row, answer: Score) -> str:
        """Return label, probability, and as much of the text as fits."""
        label = to_one_line(answer.label or "-").ljust(self._label_width)
        sure = "     -" if answer.probability is None else f"{answer.probability:6.3f}"
        text = to_one_line(row.text)
        if answer.reason or answer.warning:
            what = to_one_line(answer.reason) if answer.reason else UNLIKE
            text = f"({what})  {text}"  # first, lest a narrow terminal cut it off
        colour = self._colours.get(answer.label or "")
        text = self.look.cut(text, self._label_width + 9)
        return f"{click.style(label, fg=colour) if colour else label} {sure}  {text}\n"
