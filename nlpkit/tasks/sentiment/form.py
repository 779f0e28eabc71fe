"""How scores are written."""

from __future__ import annotations

import click

from nlpkit.commands.answers import Form, Look
from nlpkit.commands.screen import to_one_line
from nlpkit.tasks.sentiment.model import Score, SentimentModel, SeveralScore
from nlpkit.text.row import Row

UNLIKE = "unlike the training text"
_COLOURS = ("red", "green", "yellow", "cyan", "magenta")
_SEPARATORS = ",;|、/"  # of several labels in a cell: the first that is in none of them
NONE = "[]"  # stands in a cell where no label applies, which is an answer, too


def make_form(model: SentimentModel, look: Look) -> Form:
    """Make the form of a model's answers, which are one label a text or several."""
    return SeveralForm(model, look) if model.several else ScoreForm(model, look)


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
        text = _show_text(row, answer)
        colour = self._colours.get(answer.label or "")
        text = self.look.cut(text, self._label_width + 9)
        return f"{click.style(label, fg=colour) if colour else label} {sure}  {text}\n"


class SeveralForm(Form):
    """All labels that apply, the probability of each label, a reason and a warning."""

    fields = SeveralScore._fields
    columns = ("labels", "probabilities", "reason", "warning")
    done = "scored"

    def __init__(self, model: SentimentModel, look: Look) -> None:
        super().__init__(model, look)
        letters = "".join(model.labels)
        self._separator = next((separator for separator in _SEPARATORS if separator not in letters), "\n")

    def cells(self, answer: SeveralScore) -> tuple[object, ...]:
        """Return the labels with a separator between them, their probabilities likewise, reason and warning."""
        if answer.labels is None or answer.probabilities is None:
            return None, None, answer.reason, answer.warning
        shares = self._separator.join(str(answer.probabilities[label]) for label in answer.labels)
        return self._separator.join(answer.labels) or NONE, shares, answer.reason, answer.warning

    def line(self, row: Row, answer: SeveralScore) -> str:
        """Return each label that applies with its probability, and as much of the text as fits."""
        shares = answer.probabilities or {}
        named = "  ".join(f"{to_one_line(label)} {shares[label]:.3f}" for label in answer.labels or ())
        named = named or ("-" if answer.labels is None else "none")
        text = self.look.cut(_show_text(row, answer), len(named) + 2)
        return f"{click.style(named, fg='cyan') if self.look.color and answer.labels else named}  {text}\n"


def _show_text(row: Row, answer: Score | SeveralScore) -> str:
    """Return the text behind what is to be known of it: first, lest a narrow terminal cut it off."""
    text = to_one_line(row.text)
    if not (answer.reason or answer.warning):
        return text
    return f"({to_one_line(answer.reason) if answer.reason else UNLIKE})  {text}"
