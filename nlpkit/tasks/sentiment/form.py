"""How scores are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from nlpkit.commands.answers import Form, Look
from nlpkit.commands.screen import to_one_line
from nlpkit.errors import Sentence
from nlpkit.tasks.sentiment.choice import read_labels
from nlpkit.tasks.sentiment.explanation import Explanation
from nlpkit.tasks.sentiment.model import Score, SentimentModel, SeveralScore
from nlpkit.text.row import Row

UNLIKE = "unlike the training text"
_COLOURS = {"negative": "red", "positive": "green", "neutral": "yellow"}
_OTHER_COLOURS = ("blue", "magenta", "cyan", "green", "yellow", "red")
_OPPOSITE = {"red": "green", "green": "red"}
STRONG, WEAK = 0.5, 0.15  # shares of the greatest weight of a text
_SEPARATORS = ",;|、/"  # of several labels in a cell: the first that is in none of them
NONE = "[]"  # stands in a cell where no label applies, which is an answer, too


def make_form(model: SentimentModel, look: Look, options: Mapping[str, Any]) -> Form:
    """Make the form of a model's answers, which are one label a text or several."""
    return SeveralForm(model, look, options) if model.several else ScoreForm(model, look, options)


class ScoreForm(Form):
    """A label, how sure we are, a reason where there is none, and a warning where it may mean little."""

    done = Sentence("scored")

    def __init__(self, model: SentimentModel, look: Look, options: Mapping[str, Any]) -> None:
        super().__init__(model, look, options)
        self._explains = bool(options.get("explain"))
        more = ("explanation", "method", "bias") if self._explains else ()
        self.fields = (*Score._fields, *more)
        chosen = read_labels(options["labels"]) if options.get("labels") else None
        self.labels = model.choose_among(chosen).labels
        self._columns_of = self.labels if options.get("probabilities") else []
        shares = (f"probability_{label}" for label in self._columns_of)
        self.columns = ("label", "probability", "reason", "warning", *more[:1], *shares)
        others = iter(_OTHER_COLOURS * len(model.labels))
        self.colours = {label: _COLOURS.get(label) or next(others) for label in model.labels} if look.color else {}
        self._label_width = max(8, *map(len, model.labels))

    def values(self, answer: Any) -> Sequence[Any]:
        """Return a score's fields; those of an explanation with its words as objects."""
        if not self._explains:
            return answer  # type: ignore[no-any-return]
        return *answer[: len(Score._fields)], list_tokens(answer), answer.method, answer.bias

    def cells(self, answer: Any) -> tuple[object, ...]:
        """Return label, probability, reason and warning; if wanted, the strongest words, and all probabilities."""
        strongest = (answer.describe(),) if self._explains else ()
        shares = map((answer.probabilities or {}).get, self._columns_of)
        return answer.label, answer.probability, answer.reason, answer.warning, *strongest, *shares

    def line(self, row: Row, answer: Any) -> str:
        """Return label, probability, and as much of the text as fits; below it the words that count most."""
        label = to_one_line(answer.label or "-").ljust(self._label_width)
        sure = "     -" if answer.probability is None else f"{answer.probability:6.3f}"
        text = _show_text(row, answer)
        colour = self.colours.get(answer.label or "")
        text = self.look.cut(text, self._label_width + 9)
        if self._explains and answer.label and colour:
            text = self._paint(text, answer, colour)
        line = f"{click.style(label, fg=colour) if colour else label} {sure}  {text}\n"
        if self._explains and answer.label:
            strongest = to_one_line(answer.describe())
            line += f"{'':{self._label_width}}         {click.style(strongest, dim=True) if colour else strongest}\n"
        return line

    def html(self, row: Row, answer: Any) -> str:
        """Return the text, its words coloured if they are explained."""
        return answer.to_html() if self._explains and answer.spans else super().html(row, answer)

    def _paint(self, text: str, answer: Explanation, colour: str) -> str:
        """Colour the words of a line that speak for the answer, and those that speak against it."""
        against = _OPPOSITE.get(colour, "bright_black")
        end = len(_notice_of(answer))
        painted = [text[:end]]
        for token, strength in zip(answer.tokens, answer.strengths(), strict=True):
            word = to_one_line(token.token)
            start = text.find(word, end) if word else -1
            if start < 0:
                continue
            painted.append(text[end:start])
            end = start + len(word)
            strong, shade = abs(strength) >= STRONG, colour if strength > 0 else against
            styled = click.style(word, fg=shade, bold=strong, underline=strength < 0)
            painted.append(styled if abs(strength) >= WEAK else word)
        return "".join(painted) + text[end:]


def list_tokens(answer: Explanation) -> list[dict[str, Any]] | None:
    """Return the words of an explanation as objects; None where there is no answer."""
    if answer.method is None:
        return None
    text, pairs = answer.text, zip(answer.spans, answer.weights, strict=True)
    return [{"token": text[a:b], "start": a, "end": b, "weight": weight} for (a, b), weight in pairs]


class SeveralForm(Form):
    """All labels that apply, the probability of each label, a reason and a warning."""

    done = Sentence("scored")

    def __init__(self, model: SentimentModel, look: Look, options: Mapping[str, Any]) -> None:
        super().__init__(model, look, options)
        self.labels = model.choose_among(read_labels(options["labels"]) if options.get("labels") else None).labels
        self._columns_of = self.labels if options.get("probabilities") else []
        shares = (f"probability_{label}" for label in self._columns_of)
        self._explains = bool(options.get("explain"))
        more = ("explanation", "method", "bias") if self._explains else ()
        self.fields = (*SeveralScore._fields, *more)
        self.columns = ("labels", "probabilities", "reason", "warning", *more[:1], *shares)
        letters = "".join(model.labels)
        self._separator = next((separator for separator in _SEPARATORS if separator not in letters), "\n")

    def values(self, answer: Any) -> Sequence[Any]:
        """Return the fields of the scores; those of an explanation with the words of each label as objects."""
        if not self._explains:
            return answer  # type: ignore[no-any-return]
        words = {label: list_tokens(answer.of(label)) for label in answer.weights}
        own = answer[: len(SeveralScore._fields)]
        return (*own, None, None, None) if answer.labels is None else (*own, words, answer.method, dict(answer.bias))

    def html(self, row: Row, answer: Any) -> str:
        """Return the text, its words coloured for each label if they are explained."""
        return answer.to_html() if self._explains and answer.spans else super().html(row, answer)

    def cells(self, answer: Any) -> tuple[object, ...]:
        """Return the labels with a separator between them, their probabilities likewise, reason and warning."""
        of_labels = [answer.describe()] if self._explains else []
        of_labels += map((answer.probabilities or {}).get, self._columns_of)
        if answer.labels is None or answer.probabilities is None:
            return None, None, answer.reason, answer.warning, *of_labels
        shares = self._separator.join(str(answer.probabilities[label]) for label in answer.labels)
        return self._separator.join(answer.labels) or NONE, shares, answer.reason, answer.warning, *of_labels

    def line(self, row: Row, answer: Any) -> str:
        """Return each label that applies with its probability, and as much of the text as fits; below it the words."""
        shares = answer.probabilities or {}
        named = "  ".join(f"{to_one_line(label)} {shares[label]:.3f}" for label in answer.labels or ())
        named = named or ("-" if answer.labels is None else "none")
        text = self.look.cut(_show_text(row, answer), len(named) + 2)
        line = f"{click.style(named, fg='cyan') if self.look.color and answer.labels else named}  {text}\n"
        if not self._explains:
            return line
        reasons = (f"{label}: {answer.of(label).describe()}" for label in answer.weights)
        return line + "".join(f"  {to_one_line(reason)}\n" for reason in reasons)


def _show_text(row: Row, answer: Score | SeveralScore | Explanation) -> str:
    """Return the text behind what is to be known of it: first, lest a narrow terminal cut it off."""
    return _notice_of(answer) + to_one_line(row.text)


def _notice_of(answer: Score | SeveralScore | Explanation) -> str:
    if not (answer.reason or answer.warning):
        return ""
    return f"({to_one_line(answer.reason) if answer.reason else UNLIKE})  "
